/* SPDX-License-Identifier: MIT */
/* The next times of a cron expression, for whoever wants to see them first. */
#include <string.h>

#include "clock.h"
#include "cron.h"
#include "err.h"
#include "time_text.h"
#include "zone.h"

static int from_read(const char *text, int64_t *ms, struct stint_err *err)
{
    int relative;

    if (time_text_read(text != NULL ? text : "now", ms, &relative))
        return err_set(err, STINT_INVALID,
                       "\"%.60s\" is not a time: now, +45s, RFC 3339 or "
                       "seconds since the epoch are",
                       text);
    if (relative)
        *ms += clock_wall_ms();
    return 0;
}

int stint_cron_next(const struct stint_cron_options *o,
                    struct stint_cron_time *times, size_t n,
                    struct stint_err *err)
{
    struct stint_cron_options full = STINT_CRON_OPTIONS_INIT;
    struct zone *zone = NULL;
    struct cron cron;
    int64_t at_ms = 0;
    int rc = -1;

    if (o != NULL)
        memcpy(&full, o, o->size < sizeof(full) ? o->size : sizeof(full));
    if (full.expression == NULL)
        return err_set(err, STINT_INVALID, "there is no cron expression");
    if (cron_parse(&cron, full.expression, err)) {
        err_wrap(err, "cron expression");
        goto out;
    }
    if (from_read(full.from, &at_ms, err))
        goto out;
    zone = zone_open(full.time_zone != NULL ? full.time_zone : "UTC", err);
    if (zone == NULL)
        goto out;
    for (size_t i = 0; i < n; i++) {
        struct zone_span span;
        at_ms = cron_next_ms(&cron, zone, at_ms);
        if (at_ms < 0) {
            err_set(err, STINT_NOT_FOUND, "no time before the year 10000");
            goto out;
        }
        zone_span_at(zone, at_ms / 1000, &span);
        times[i].ms = at_ms;
        times[i].offset_s = span.offset_s;
    }
    rc = 0;
out:
    zone_close(zone);
    return rc;
}
