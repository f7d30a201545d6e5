/* SPDX-License-Identifier: MIT */
/* /metrics: each family is a row of a table with what it reads. */
#include "metrics.h"

#include <event2/buffer.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "expo.h"
#include "snapshot.h"

/* ---- Counts of groups ------------------------------------------------------ */

static int64_t scheduled_of(const struct snapshot_group *g)
{
    return g->stats.queued - g->stats.due;
}

/* name, value of a group `g`, help */
#define GROUP_GAUGES(X)                                                        \
    X("tasks_queued", g->stats.queued, "Tasks that wait to be assigned, due or scheduled.") \
    X("tasks_due", g->stats.due, "Of the queued tasks: due now.")              \
    X("tasks_scheduled", scheduled_of(g), "Of the queued tasks: due later.")   \
    X("tasks_unknown", g->stats.unknown, "Due tasks of a function that no worker knew.") \
    X("tasks_disabled", g->stats.disabled, "Queued tasks that are disabled.")  \
    X("tasks_waiting", g->stats.waiting, "Queued tasks that wait for others.") \
    X("tasks_broadcast", g->stats.broadcasts, "Broadcasts, queued or running.") \
    X("tasks_assigned", g->stats.assigned, "Tasks a worker has prefetched.")   \
    X("tasks_running", g->stats.running, "Tasks that run.")                    \
    X("tasks_retained", g->stats.retained, "Ended tasks that are still kept.") \
    X("group_workers", g->stats.workers, "Live workers of the group.")         \
    X("group_paused", g->stats.paused != 0, "1: nothing of it is handed out.")

static int64_t gauge_value(const struct snapshot_group *g, size_t i)
{
#define GAUGE_VALUE(name, value, help) value,
    const int64_t values[] = {GROUP_GAUGES(GAUGE_VALUE)};
#undef GAUGE_VALUE
    return values[i];
}

static const struct {
    const char *name, *help;
} group_gauges[] = {
#define GAUGE_ROW(name, value, help) {"stint_" name, help},
    GROUP_GAUGES(GAUGE_ROW)
#undef GAUGE_ROW
};

static void groups_show(struct expo *e, const struct snapshot *s)
{
    for (size_t i = 0; i < sizeof(group_gauges) / sizeof(group_gauges[0]);
         i++) {
        expo_family(e, group_gauges[i].name, EXPO_GAUGE,
                    group_gauges[i].help);
        for (size_t k = 0; k < s->n_groups; k++) {
            const struct expo_label group = {"group", s->groups[k].name};
            expo_count(e, &group, 1, gauge_value(&s->groups[k], i));
        }
    }
}

static void ended_show(struct expo *e, const struct snapshot *s)
{
    expo_family(e, "stint_tasks_ended", EXPO_COUNTER,
                "Tasks that have come to an end, by their last status.");
    for (size_t k = 0; k < s->n_groups; k++) {
        const struct stint_stats *t = &s->groups[k].stats;
        const struct {
            const char *word;
            int64_t n;
        } rows[] = {{"COMPLETED", t->completed},
                    {"FAILED", t->failed},
                    {"TIMEOUT", t->timeout},
                    {"STOPPED", t->stopped},
                    {"EXPIRED", t->expired}};
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
            const struct expo_label labels[] = {
                {"group", s->groups[k].name}, {"status", rows[i].word}};
            expo_count(e, labels, 2, rows[i].n);
        }
    }
}

/* ---- Times and rates of groups ---------------------------------------------- */

/* How long until what is due is started; nothing is: for ever. */
static double clear_s(const struct snapshot_group *g)
{
    return g->rate.time_to_clear_s < 0 ? INFINITY : g->rate.time_to_clear_s;
}

static void rates_show(struct expo *e, const struct snapshot *s)
{
    static const struct {
        const char *name, *help;
    } rows[] = {
        {"stint_oldest_due_seconds",
         "Since when the oldest due task has been due; 0: nothing is due."},
        {"stint_time_to_clear_seconds",
         "Until all that is due is started, at the rate of the last minute."},
        {"stint_tasks_queued_per_second",
         "Tasks that came into the group, in about the last minute."},
        {"stint_runs_started_per_second",
         "Runs that were started, in about the last minute."}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        expo_family(e, rows[i].name, EXPO_GAUGE, rows[i].help);
        for (size_t k = 0; k < s->n_groups; k++) {
            const struct snapshot_group *g = &s->groups[k];
            const struct expo_label group = {"group", g->name};
            const double values[] = {
                (double)g->stats.oldest_due_ms / 1000, clear_s(g),
                g->rate.queued_per_s, g->rate.started_per_s};
            expo_number(e, &group, 1, values[i]);
        }
    }
}

/* ---- Runs by function ------------------------------------------------------- */

static void runs_ended_show(struct expo *e, const struct snapshot *s)
{
    static const char *const words[] = {"COMPLETED", "FAILED", "TIMEOUT",
                                        "STOPPED", "LOST"};
    expo_family(e, "stint_runs_ended", EXPO_COUNTER,
                "Runs, each try of a task, by how they ended.");
    for (size_t k = 0; k < s->n_functions; k++) {
        const struct snapshot_measure *m = &s->functions[k];
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
            const struct expo_label labels[] = {
                {"group", s->groups[m->group].name},
                {"function", m->function},
                {"status", words[i]}};
            expo_count(e, labels, 3, m->ended[i]);
        }
    }
}

static void times_show(struct expo *e, const struct snapshot *s, int is_run)
{
    size_t n;
    const double *bounds = stint_measure_bounds(&n);
    expo_family(e, is_run ? "stint_group_run_time_seconds"
                          : "stint_group_queue_time_seconds",
                EXPO_HISTOGRAM,
                is_run ? "From the start of a run to its report."
                       : "From when a task was due to the start of its run.");
    for (size_t k = 0; k < s->n_groups; k++) {
        const struct snapshot_measure *m = &s->groups[k].in_all;
        const struct expo_label group = {"group", s->groups[k].name};
        expo_histogram(e, &group, 1, bounds, n, is_run ? m->run : m->queue,
                       is_run ? m->run_sum_s : m->queue_sum_s);
    }
    expo_family(e, is_run ? "stint_run_time_seconds"
                          : "stint_queue_time_seconds",
                EXPO_HISTOGRAM,
                is_run ? "From the start of a run to its report, by function."
                       : "From due to the start of the run, by function.");
    for (size_t k = 0; k < s->n_functions; k++) {
        const struct snapshot_measure *m = &s->functions[k];
        const struct expo_label labels[] = {
            {"group", s->groups[m->group].name}, {"function", m->function}};
        expo_histogram(e, labels, 2, bounds, n, is_run ? m->run : m->queue,
                       is_run ? m->run_sum_s : m->queue_sum_s);
    }
}

/* ---- Workers ---------------------------------------------------------------- */

static void worker_states_show(struct expo *e, const struct snapshot *s)
{
    static const char *const words[] = {"ACTIVE", "DISABLED", "TERMINATING",
                                        "KILLED", "DEAD"};
    expo_family(e, "stint_workers", EXPO_GAUGE, "Workers by their status.");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        const struct expo_label status = {"status", words[i]};
        int64_t n = 0;
        for (size_t k = 0; k < s->n_workers; k++)
            n += strcmp(s->workers[k].status, words[i]) == 0;
        expo_count(e, &status, 1, n);
    }
}

/* name, type, member of stint_worker_status, its unit, help */
#define WORKER_ROWS(X)                                                         \
    X("running", EXPO_GAUGE, running, 1, "Tasks it runs.")                     \
    X("concurrency", EXPO_GAUGE, concurrency, 1, "Tasks it runs at most.")     \
    X("heartbeat_age_seconds", EXPO_GAUGE, heartbeat_age_ms, 1e-3, "Since its last sign of life.") \
    X("outbox", EXPO_GAUGE, outbox, 1, "Finished tasks that Redis does not know of yet.") \
    X("resident_memory_bytes", EXPO_GAUGE, rss_kb, 1024, "Memory of its process.") \
    X("reconnects", EXPO_COUNTER, reconnects, 1, "Its connection came back.")  \
    X("leases_lost", EXPO_COUNTER, leases_lost, 1, "Leases of its groups that ended.") \
    X("script_calls", EXPO_COUNTER, calls, 1, "Script calls it made.")         \
    X("script_seconds", EXPO_COUNTER, calls_us, 1e-6, "Time to their answers, in all.") \
    X("reaper_calls", EXPO_COUNTER, reaper_calls, 1, "Of its script calls, those for the duties of time.") \
    X("reaped_tasks", EXPO_COUNTER, reaped, 1, "Tasks it expired, recovered and pruned.")

static const struct {
    const char *name, *help;
    enum expo_type type;
    size_t member;
    double unit;
} worker_rows[] = {
#define WORKER_ROW(name, type, member, unit, help)                             \
    {"stint_worker_" name, help, type,                                         \
     offsetof(struct stint_worker_status, member), unit},
    WORKER_ROWS(WORKER_ROW)
#undef WORKER_ROW
};

static void workers_show(struct expo *e, const struct snapshot *s)
{
    for (size_t i = 0; i < sizeof(worker_rows) / sizeof(worker_rows[0]); i++) {
        size_t shown = 0;
        expo_family(e, worker_rows[i].name, worker_rows[i].type,
                    worker_rows[i].help);
        for (size_t k = 0; k < s->n_workers && shown < SNAPSHOT_WORKERS_MAX;
             k++) {
            const struct snapshot_worker *w = &s->workers[k];
            const struct expo_label labels[] = {{"worker", w->name},
                                                {"host", w->host}};
            int64_t n;
            if (strcmp(w->status, "DEAD") == 0)
                continue;
            shown++;
            memcpy(&n, (const char *)&w->is + worker_rows[i].member,
                   sizeof(n));
            expo_number(e, labels, 2, (double)n * worker_rows[i].unit);
        }
    }
}

/* ---- All of it -------------------------------------------------------------- */

static void self_show(struct expo *e, int is_up)
{
    const struct expo_label version = {"version", stint_version()};
    expo_family(e, "stint_build", EXPO_INFO, "The program that tells this.");
    expo_count(e, &version, 1, 1);
    expo_family(e, "stint_up", EXPO_GAUGE,
                "Redis has told all that is here; 0: something is missing.");
    expo_count(e, NULL, 0, is_up);
}

static void left_out_show(struct expo *e, const struct snapshot *s)
{
    expo_family(e, "stint_functions_left_out", EXPO_GAUGE,
                "Functions that are not shown one by one: there are too many.");
    expo_count(e, NULL, 0, (int64_t)s->n_functions_left);
}

/* What could not be had is left out, and stint_up is 0: a scrape always has an
 * answer. */
int metrics_get(stint *s, struct call *c, struct stint_err *err)
{
    struct expo e = {.out = evbuffer_new(),
                     .is_open = expo_wants_open(call_accept(c))};
    struct snapshot snap = {0};
    struct stint_err why = {0};
    const char *bytes = NULL;
    if (e.out != NULL) {
        int rc = snapshot_take(&snap, s,
                               SNAPSHOT_RATES | SNAPSHOT_MEASURES |
                                   SNAPSHOT_WORKERS,
                               &why);
        self_show(&e, rc == 0);
        groups_show(&e, &snap);
        ended_show(&e, &snap);
        rates_show(&e, &snap);
        runs_ended_show(&e, &snap);
        times_show(&e, &snap, 0);
        times_show(&e, &snap, 1);
        worker_states_show(&e, &snap);
        workers_show(&e, &snap);
        left_out_show(&e, &snap);
        expo_end(&e);
        if (!e.failed)
            bytes = (const char *)evbuffer_pullup(e.out, -1);
    }
    if (bytes != NULL)
        call_bytes(c, 200, expo_content_type(e.is_open), bytes,
                   evbuffer_get_length(e.out));
    snapshot_close(&snap);
    if (e.out != NULL)
        evbuffer_free(e.out);
    if (bytes != NULL)
        return 0;
    err->code = STINT_NOMEM;
    snprintf(err->text, sizeof(err->text), "out of memory");
    return -1;
}
