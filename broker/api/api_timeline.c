/* SPDX-License-Identifier: MIT */
/* Everything that is known of what happened to one task: its events as far as
 * the group's stream reaches back, its runs before that. */
#include <stdlib.h>
#include <string.h>

#include <stint/stint.h>

#include "api.h"
#include "api_json.h"

enum {
    EVENTS_MAX = 1000, /* the last so many are shown */
    LOOKS_MAX = 200,   /* calls, each of which looks at a bounded number */
};

struct moment {
    int64_t at_ms;
    size_t order; /* of equal times */
    int64_t fence;
    json_t *o;
};

struct timeline {
    size_t n, first; /* a ring, once it is full */
    bool has_begun;  /* its queueing is among them */
    struct moment at[EVENTS_MAX];
};

static json_t *moment_json(int64_t at_ms, const char *verb, const char *status,
                           const char *worker, int64_t fence)
{
    json_t *o = api_object();
    api_put(o, "at", api_time(at_ms));
    api_put(o, "verb", api_text(verb));
    api_put(o, "status", api_text(status));
    api_put(o, "worker", api_text(worker));
    api_put(o, "fence", api_number(fence));
    api_put(o, "text", api_text(""));
    return o;
}

static int event_note(const struct stint_event *e, void *arg)
{
    struct timeline *t = arg;
    size_t at = t->n;
    if (t->n < EVENTS_MAX)
        t->n++;
    else {
        at = t->first;
        t->first = (t->first + 1) % EVENTS_MAX;
        json_decref(t->at[at].o);
        t->has_begun = false;
    }
    t->at[at] = (struct moment){
        .at_ms = e->at_ms,
        .fence = e->fence,
        .o = moment_json(e->at_ms, e->verb, e->status, e->worker, e->fence)};
    if (!strcmp(e->verb, "queue_task")) /* of this life of its id */
        t->has_begun = true;
    return 0;
}

/* All events of the task. Where the stream is longer than we look, its end is
 * missing, and with it the newest; that many calls see over 100,000 entries. */
static int events_note(stint *s, const struct stint_status *task,
                       struct timeline *t, struct stint_err *err)
{
    struct stint_events_options o = STINT_EVENTS_OPTIONS_INIT;
    char cursor[STINT_CURSOR_LEN + 1] = "", before[STINT_CURSOR_LEN + 1];
    o.group = task->group_name;
    o.task_id = task->id;
    o.limit = EVENTS_MAX;
    for (int i = 0; i < LOOKS_MAX; i++) {
        size_t n = t->n, first = t->first;
        memcpy(before, cursor, sizeof before);
        o.after = before[0] ? before : NULL;
        if (stint_events(s, &o, event_note, t, cursor, err))
            return -1;
        if (t->n == n && t->first == first && !strcmp(before, cursor))
            break;
    }
    return 0;
}

/* ---- Runs ------------------------------------------------------------------ */

static int64_t run_fence(const struct stint_run_status *r)
{
    const char *at = strrchr(r->run_id, '@');
    return at ? strtoll(at + 1, NULL, 10) : 0;
}

static bool is_end_of_run(const json_t *o)
{
    static const char *const verbs[] = {"report", "recover", "release"};
    const char *verb = json_string_value(json_object_get(o, "verb"));
    for (size_t i = 0; verb && i < sizeof verbs / sizeof *verbs; i++)
        if (!strcmp(verbs[i], verb))
            return true;
    return false;
}

/* An event with what the run says besides; false: there is none of it. */
static bool run_is_noted(const struct call *c, struct timeline *t,
                         const struct stint_run_status *r)
{
    bool found = false;
    for (size_t i = 0; i < t->n; i++) {
        if (t->at[i].fence != run_fence(r) || t->at[i].fence == 0)
            continue;
        found = true;
        if (r->error && is_end_of_run(t->at[i].o))
            api_put(t->at[i].o, "text", api_output(c, "error", r->error));
    }
    return found;
}

static void moment_add(struct timeline *t, int64_t at_ms, json_t *o)
{
    if (t->n == EVENTS_MAX || at_ms == 0) {
        json_decref(o);
        return;
    }
    t->at[t->n].at_ms = at_ms;
    t->at[t->n].fence = 0;
    t->at[t->n++].o = o;
}

static void runs_note(const struct call *c, const struct stint_status *task,
                      struct timeline *t)
{
    for (size_t i = task->n_runs; i-- > 0;) {
        const struct stint_run_status *r = &task->runs[i];
        if (run_is_noted(c, t, r))
            continue;
        moment_add(t, r->start_time_ms,
                   moment_json(r->start_time_ms, "start", "RUNNING", r->worker,
                               run_fence(r)));
        json_t *end = moment_json(r->stop_time_ms, "report", r->status,
                                  r->worker, run_fence(r));
        api_put(end, "text",
                api_output(c, "error", r->error ? r->error : ""));
        moment_add(t, r->stop_time_ms, end);
    }
}

/* ---- The answer ------------------------------------------------------------ */

static int moment_compare(const void *a, const void *b)
{
    const struct moment *x = a, *y = b;
    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static json_t *timeline_json(struct timeline *t)
{
    json_t *o = api_object(), *events = api_array();
    for (size_t i = 0; i < t->n; i++)
        t->at[i].order = (i + t->n - t->first) % t->n;
    qsort(t->at, t->n, sizeof *t->at, moment_compare);
    for (size_t i = 0; i < t->n; i++)
        api_add(events, t->at[i].o);
    t->n = 0;
    api_put(o, "events", events);
    api_put(o, "complete", api_flag_value(t->has_begun));
    return o;
}

int api_task_timeline(stint *s, struct call *c, struct stint_err *err)
{
    if (!api_takes(c, "group_name"))
        return 0;
    struct stint_status *task =
        stint_task_status(s, call_query(c, "group_name"),
                          call_segment(c, "id"),
                          STINT_WITH_OUTPUT | STINT_WITH_RUNS, err);
    if (!task)
        return -1;
    struct timeline *t = calloc(1, sizeof *t);
    int rc = t ? events_note(s, task, t, err) : -1;
    if (!t)
        err->code = STINT_NOMEM;
    if (!rc) {
        runs_note(c, task, t);
        call_json(c, 200, timeline_json(t));
    }
    for (size_t i = 0; t && i < t->n; i++)
        json_decref(t->at[i].o);
    free(t);
    stint_status_free(task);
    return rc;
}
