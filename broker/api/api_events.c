/* SPDX-License-Identifier: MIT */
/* What happened lately, a page of it. */
#include "api_events.h"

#include "api.h"
#include "api_json.h"

json_t *api_event(const struct stint_event *e)
{
    json_t *o = api_object();
    api_put(o, "cursor", api_text(e->cursor));
    api_put(o, "group_name", api_text(e->group_name));
    api_put(o, "at", api_time(e->at_ms));
    api_put(o, "verb", api_text(e->verb));
    api_put(o, "id", api_text(e->task_id));
    api_put(o, "function", api_text(e->function));
    api_put(o, "status", api_text(e->status));
    api_put(o, "worker", api_text(e->worker));
    api_put(o, "fence", api_number(e->fence));
    return o;
}

static int event_add(const struct stint_event *e, void *arg)
{
    api_add(arg, api_event(e));
    return 0;
}

int api_events(stint *s, struct call *c, struct stint_err *err)
{
    struct stint_events_options o = STINT_EVENTS_OPTIONS_INIT;
    char cursor[STINT_CURSOR_LEN + 1];
    int64_t limit;
    if (!api_takes(c, "group_name after id limit") ||
        !api_count(c, "limit", 1, API_LIMIT_MAX, API_LIMIT, &limit))
        return 0;
    o.group = call_query(c, "group_name");
    o.after = call_query(c, "after");
    o.task_id = call_query(c, "id");
    o.limit = (size_t)limit;
    json_t *events = api_array();
    if (stint_events(s, &o, event_add, events, cursor, err)) {
        json_decref(events);
        return -1;
    }
    json_t *answer = api_object();
    api_put(answer, "events", events);
    api_put(answer, "cursor", api_text(cursor));
    call_json(c, 200, answer);
    return 0;
}
