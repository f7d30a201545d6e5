/* SPDX-License-Identifier: MIT */
/* A look at Redis for stint top: the counts of groups, the workers, the tasks
 * that run, and those that failed, if they are looked at. Tasks are asked for in
 * groups that have some, so that the calls are bounded by what is shown. */
#include "top.h"

#include <stdlib.h>
#include <string.h>

#define COPY(to, from) snprintf(to, sizeof(to), "%s", (from) ? (from) : "")

static int group_seen(const struct stint_stats *t, void *arg)
{
    struct top_look *look = arg;
    if (look->n_groups == TOP_GROUPS_MAX) {
        look->more_groups = true;
        return 1;
    }
    struct top_group *g = &look->groups[look->n_groups++];
    memset(g, 0, sizeof *g);
    COPY(g->name, t->group);
    g->queued = t->queued + t->unknown + t->waiting + t->disabled;
    g->due = t->due;
    g->running = t->running;
    g->workers = t->workers;
    g->oldest_due_ms = t->oldest_due_ms;
    g->live = g->queued + t->assigned + t->running + t->broadcasts;
    g->done = t->completed;
    g->failed = t->failed + t->timeout;
    g->ended = g->done + g->failed + t->stopped + t->expired;
    g->queued_rate = g->done_rate = g->failed_rate = -1;
#ifdef STINT_SEARCH_OPTIONS_INIT
    g->paused = t->paused;
#endif
    return 0;
}

static int worker_seen(const struct stint_worker_status *w, void *arg)
{
    struct top_look *look = arg;
    if (look->n_workers == TOP_WORKERS_MAX) {
        look->more_workers = true;
        return 1;
    }
    struct top_worker *to = &look->workers[look->n_workers++];
    COPY(to->name, w->name);
    COPY(to->host, w->host);
    COPY(to->groups, w->groups);
    COPY(to->status, w->status);
    to->running = w->running;
    to->concurrency = w->concurrency;
    to->heartbeat_age_ms = w->heartbeat_age_ms;
    to->load = w->load;
    return 0;
}

static void task_copy(struct top_task *to, const struct stint_status *t,
                      const char *text)
{
    COPY(to->id, t->id);
    COPY(to->group, t->group_name);
    COPY(to->function, t->function);
    COPY(to->worker, t->worker);
    COPY(to->status, t->status);
    COPY(to->text, text);
    to->began_ms = t->last_run_time_ms;
    to->percent = t->percent;
}

static int running_seen(const struct stint_status *t, void *arg)
{
    struct top_look *look = arg;
    if (look->n_running == TOP_TASKS_MAX)
        return 1;
    task_copy(&look->running[look->n_running++], t, t->progress);
    return 0;
}

static int running_look(stint *s, struct top_look *look, struct stint_err *err)
{
    for (size_t i = 0; i < look->n_groups; i++) {
        struct stint_list_options o = STINT_LIST_OPTIONS_INIT;
        if (!look->groups[i].running || look->n_running == TOP_TASKS_MAX)
            continue;
        o.group = look->groups[i].name;
        o.status = "RUNNING";
        o.limit = TOP_TASKS_MAX - look->n_running;
        if (stint_list(s, &o, running_seen, look, err))
            return -1;
    }
    return 0;
}

#ifdef STINT_SEARCH_OPTIONS_INIT
static int failed_seen(const struct stint_status *t, void *arg)
{
    struct top_look *look = arg;
    if (look->n_failed == TOP_TASKS_MAX)
        return 1;
    task_copy(&look->failed[look->n_failed++], t,
              t->error && *t->error ? t->error : t->reason);
    return 0;
}

static int failed_look(stint *s, struct top_look *look, struct stint_err *err)
{
    size_t asked = 0;
    for (size_t i = 0; i < look->n_groups; i++) {
        struct stint_search_options o = STINT_SEARCH_OPTIONS_INIT;
        char *cursor = NULL;
        if (!look->groups[i].failed || look->n_failed == TOP_TASKS_MAX ||
            asked == TOP_FAILED_GROUPS_MAX)
            continue;
        asked++;
        o.group = look->groups[i].name;
        o.status = "FAILED,TIMEOUT";
        o.limit = TOP_TASKS_MAX - look->n_failed;
        o.scan = TOP_FAILED_SCAN;
        int rc = stint_search(s, &o, failed_seen, look, &cursor, NULL, err);
        free(cursor);
        if (rc)
            return -1;
    }
    return 0;
}
#endif

int top_look_take(stint *s, struct top_look *look, struct stint_err *err)
{
    if (stint_stats(s, NULL, group_seen, look, err) && err->code != STINT_OK)
        return -1;
    if (stint_workers(s, worker_seen, look, err) && err->code != STINT_OK)
        return -1;
    if (running_look(s, look, err))
        return -1;
#ifdef STINT_SEARCH_OPTIONS_INIT
    if (look->has_failed && failed_look(s, look, err))
        return -1;
#endif
    return 0;
}
