/* SPDX-License-Identifier: MIT */
/* The next times of a cronline. Needs no Redis. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "api_json.h"

/* RFC 3339 with the zone's offset; seconds of an offset, which old ones have,
 * are cut, from the time shown, too, so that it is still the same instant. */
static json_t *time_local(const struct stint_cron_time *t)
{
    int minutes = t->offset_s / 60;
    char utc[API_TIME_LEN], text[API_TIME_LEN + 8];
    if (!api_time_text(t->ms + (int64_t)minutes * 60000, utc))
        return json_null();
    snprintf(text, sizeof text, "%.*s%c%02d:%02d", (int)strcspn(utc, "."), utc,
             minutes < 0 ? '-' : '+', abs(minutes) / 60 % 100,
             abs(minutes) % 60);
    return api_text(text);
}

static json_t *times_json(const struct stint_cron_options *o,
                          const struct stint_cron_time *times, size_t n)
{
    json_t *answer = api_object(), *utc = api_array(), *local = api_array();
    for (size_t i = 0; i < n; i++) {
        api_add(utc, api_time(times[i].ms));
        api_add(local, time_local(&times[i]));
    }
    api_put(answer, "expression", api_text(o->expression));
    api_put(answer, "timezone", api_text(o->time_zone ? o->time_zone : "UTC"));
    api_put(answer, "times", utc);
    api_put(answer, "local_times", local);
    return answer;
}

int api_cron_next(stint *s, struct call *c, struct stint_err *err)
{
    (void)s;
    struct stint_cron_options o = STINT_CRON_OPTIONS_INIT;
    int64_t count;
    if (!api_takes(c, "expression timezone from count") ||
        !api_count(c, "count", 1, API_TIMES_MAX, 10, &count))
        return 0;
    o.expression = call_query(c, "expression");
    o.time_zone = call_query(c, "timezone");
    o.from = call_query(c, "from");
    if (!o.expression) {
        api_refuse(c, "expression", "is required");
        return 0;
    }
    struct stint_cron_time *times = calloc((size_t)count, sizeof *times);
    int rc = times ? stint_cron_next(&o, times, (size_t)count, err) : -1;
    if (!times)
        err->code = STINT_NOMEM;
    if (!rc)
        call_json(c, 200, times_json(&o, times, (size_t)count));
    free(times);
    return rc;
}
