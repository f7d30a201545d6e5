/* SPDX-License-Identifier: MIT */
/* How a group was: its counts over time, and its functions. */
#include <string.h>

#include <stint/measures.h>

#include "api.h"
#include "api_groups.h"
#include "api_json.h"

static json_t *quantiles(const struct stint_quantiles *q)
{
    json_t *o = api_object();
    api_put(o, "count", api_number(q->count));
    api_put(o, "sum_s", api_real(q->sum_s));
    api_put(o, "p50_s", api_real(q->p50_s));
    api_put(o, "p95_s", api_real(q->p95_s));
    api_put(o, "p99_s", api_real(q->p99_s));
    return o;
}

/* ---- Over time ------------------------------------------------------------- */

static int point_add(const struct stint_point *p, void *arg)
{
    json_t *o = api_object();
    api_put(o, "at", api_time(p->at_ms));
    api_put(o, "queued", api_number(p->queued));
    api_put(o, "due", api_number(p->due));
    api_put(o, "running", api_number(p->running));
    api_put(o, "oldest_due_s", api_seconds(p->oldest_due_ms));
    api_put(o, "queued_total", api_number(p->queued_total));
    api_put(o, "completed", api_number(p->completed));
    api_put(o, "failed", api_number(p->failed));
    api_put(o, "timeout", api_number(p->timeout));
    api_put(o, "stopped", api_number(p->stopped));
    api_put(o, "expired", api_number(p->expired));
    api_put(o, "queue_time", quantiles(&p->queue_time));
    api_put(o, "run_time", quantiles(&p->run_time));
    api_add(arg, o);
    return 0;
}

int api_group_history(stint *s, struct call *c, struct stint_err *err)
{
    static const char *const words[] = {
        [STINT_HOUR] = "hour", [STINT_DAY] = "day", [STINT_MONTH] = "month"};
    if (!api_takes(c, "span"))
        return 0;
    const char *word = call_query(c, "span");
    size_t span = 0, n = sizeof words / sizeof *words;
    while (word && span < n && strcmp(words[span], word))
        span++;
    if (span == n) {
        api_refuse(c, "span", "must be hour, day or month");
        return 0;
    }
    int64_t step_ms = 0;
    json_t *points = api_array();
    if (stint_history(s, call_segment(c, "group"), (enum stint_span)span,
                      &step_ms, point_add, points, err)) {
        json_decref(points);
        return -1;
    }
    json_t *o = api_object();
    api_put(o, "span", api_text(words[span]));
    api_put(o, "step_s", api_seconds(step_ms));
    api_put(o, "points", points);
    call_json(c, 200, o);
    return 0;
}

/* ---- By function ----------------------------------------------------------- */

static int measure_add(const struct stint_measure *m, void *arg)
{
    if (!*m->function)
        return 0; /* the group in all */
    json_t *o = api_object();
    api_put(o, "function", api_text(m->function));
    api_put(o, "started", api_number(m->started));
    api_put(o, "completed", api_number(m->completed));
    api_put(o, "failed", api_number(m->failed));
    api_put(o, "timeout", api_number(m->timeout));
    api_put(o, "stopped", api_number(m->stopped));
    api_put(o, "lost", api_number(m->lost));
    api_put(o, "queue_time", quantiles(&m->queue_time));
    api_put(o, "run_time", quantiles(&m->run_time));
    api_add(arg, o);
    return 0;
}

int api_group_functions(stint *s, struct call *c, struct stint_err *err)
{
    if (!api_takes(c, ""))
        return 0;
    json_t *functions = api_array();
    if (stint_measures(s, call_segment(c, "group"), measure_add, functions,
                       err)) {
        json_decref(functions);
        return -1;
    }
    json_t *o = api_object();
    api_put(o, "functions", functions);
    call_json(c, 200, o);
    return 0;
}

/* ---- Rates ----------------------------------------------------------------- */

static int rate_put(const struct stint_rate *r, void *arg)
{
    json_t *by_name = arg, *o = api_object();
    bool known = r->window_s > 0;
    api_put(o, "queued_per_s",
            known ? api_real(r->queued_per_s) : json_null());
    api_put(o, "started_per_s",
            known ? api_real(r->started_per_s) : json_null());
    api_put(o, "reported_per_s",
            known ? api_real(r->reported_per_s) : json_null());
    api_put(o, "time_to_clear_s",
            r->time_to_clear_s < 0 ? json_null()
                                   : api_real(r->time_to_clear_s));
    api_put(o, "queue_time", quantiles(&r->queue_time));
    api_put(o, "run_time", quantiles(&r->run_time));
    api_put(by_name, r->group_name, o);
    return 0;
}

int api_rates(stint *s, const char *group, json_t **by_name,
              struct stint_err *err)
{
    *by_name = api_object();
    if (!stint_rates(s, group, rate_put, *by_name, err))
        return 0;
    json_decref(*by_name);
    *by_name = NULL;
    return -1;
}
