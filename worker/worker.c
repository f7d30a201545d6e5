/* SPDX-License-Identifier: MIT */
/* What a worker decides. Callbacks note what happened and ask for a tick; the
 * tick looks at everything and does what is due: heartbeats first, then
 * reports and assignments (written together, so they travel in one packet),
 * then waiting for the wake-up marker. While calls are under way results
 * gather, so that batches grow with the load and a lone task waits for
 * nobody. */
#include "worker.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

#define SENDING_MAX    2   /* reports under way at once */
#define COUNT_MS       200 /* drain: how often to count what is left */
#define RATE_WINDOW_MS 20
#define AHEAD_MS       5   /* take so much work beyond the slots, at the
                              present rate */
#define AHEAD_MAX      2000
#define THREADS_WAIT_MS 5000 /* at shutdown, for functions that cannot be
                                killed */

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* ---- Running ------------------------------------------------------------- */

static struct executor *worker_executor(const struct held *h)
{
    return h->config->executors[h->type->runs_on];
}

/* Processes get the whole task; a C function asks for what it needs. */
static int worker_describe(struct held *h)
{
    h->run.task = task_run_json(h->run.id, h->group->shown, h->queued,
                                strlen(h->queued), &h->record);
    if (h->run.task == NULL)
        return -1;
    if (h->run.parents != NULL)
        json_object_set(h->run.task, "parents", h->run.parents);
    h->json = json_write(h->run.task, JSON_COMPACT);
    check(h->json != NULL);
    h->run.json = h->json;
    h->run.json_len = strlen(h->json);
    return 0;
}

/* Ends a run that no executor has. */
static void worker_end(struct worker *w, struct held *h,
                       enum run_outcome outcome, const char *why)
{
    struct run_result result = {.outcome = outcome, .error = why};
    worker_on_done(&h->run, &result, w);
}

void worker_begin(struct worker *w, struct held *h)
{
    if (h->record.parents > 0 && h->run.parents == NULL) {
        h->ask = 1;
        w->want_tick(w->want_arg);
    } else {
        worker_run(w, h);
    }
}

void worker_run(struct worker *w, struct held *h)
{
    h->run.deadline_wall_ms =
        exchange_redis_ms(w) + h->run.timeout_ms;
    held_move(w, h, HELD_RUNNING);
    h->sync_mono_ms = w->clock() + h->sync_ms;
    w->syncs += h->sync_ms > 0;
    if (h->stopping) {
        worker_end(w, h, RUN_STOPPED, "stopped");
        return;
    }
    if (w->log_runs)
        log_debug(w->log, log_event("start"), log_text("id", h->run.id),
                  log_text("function", h->run.function),
                  log_text("group", h->group->shown),
                  log_n("attempt", h->run.attempt),
                  log_n("fence", (int64_t)h->run.fence),
                  log_text("traceparent", h->run.traceparent));
    if (h->type->runs_on != EXECUTOR_THREAD && worker_describe(h) < 0) {
        worker_end(w, h, RUN_FAILED, "the task is not JSON");
        return;
    }
    struct executor *e = worker_executor(h);
    e->ops->start(e, &h->run);
}

/* What became of it. The error is the task's own text, which may quote what it
 * was given: only for who asked for runs. */
static void worker_log_report(const struct worker *w, const struct held *h,
                              const struct run_result *r)
{
    int is_well = r->outcome == RUN_COMPLETED;
    if (is_well && !w->log_runs)
        return;
    int64_t began_ms = h->run.deadline_wall_ms - h->run.timeout_ms;
    log_at(w->log, is_well ? STINT_LOG_DEBUG : STINT_LOG_INFO,
           log_event("report"), log_text("id", h->run.id),
           log_text("function", h->run.function),
           log_text("group", h->group->shown), log_text("status", h->word),
           log_s("run_s", exchange_redis_ms(w) - began_ms),
           log_n("attempt", h->run.attempt),
           log_n_if(r->has_exit == 1, "exit_status", r->exit_status),
           log_n_if(r->has_exit == 2, "signal", r->signal),
           log_text("error", w->log_runs ? r->error : NULL));
}

void worker_on_done(struct run *run, const struct run_result *result,
                    void *arg)
{
    struct worker *w = arg;
    struct held *h = (struct held *)run; /* its first member */
    if (result->overstays) {
        h = held_overstay(w, h);
        log_warn(w->log, log_event("overstay"), log_text("id", h->run.id),
                 log_text("function", h->run.function),
                 log_n("lost", w->held[HELD_OVERSTAYED].n),
                 log_n("concurrency", w->config->concurrency),
                 log_text("text", "its function does not return"));
    }
    w->n_ended++;
    w->n_total++;
    w->syncs -= h->sync_ms > 0;
    h->sync_ms = 0;
    if (h->lost) {
        held_free(w, h);
    } else {
        if (!h->release)
            held_set_outcome(w, h, result);
        if (result->outcome != RUN_COMPLETED && !h->release) {
            w->n_failed++;
        }
        if (!h->release)
            worker_log_report(w, h, result);
        held_move(w, h, HELD_DONE);
    }
    w->want_tick(w->want_arg);
}

/* Whoever says how far it is wants it to be seen. */
void worker_on_progress(struct run *run, void *arg)
{
    struct worker *w = arg;
    struct held *h = (struct held *)run;
    if (h->state != HELD_RUNNING || h->sync_ms > 0)
        return;
    h->sync_ms = PROGRESS_MS;
    h->sync_mono_ms = w->clock();
    w->syncs++;
    w->want_tick(w->want_arg);
}

void worker_on_return(struct run *run, void *arg)
{
    struct worker *w = arg;
    struct held *h = (struct held *)run;
    log_warn(w->log, log_event("return"), log_text("id", h->run.id),
             log_text("function", h->run.function),
             log_text("text", "its function has returned after all"));
    held_free(w, h);
    w->want_tick(w->want_arg);
}

void worker_drop(struct worker *w, struct held *h)
{
    struct executor *e = worker_executor(h);
    if (h->state == HELD_RUNNING) {
        h->lost = 1;
        e->ops->stop(e, &h->run, 1);
    } else if (h->state == HELD_ASSIGNED || h->state == HELD_DONE ||
               (h->state == HELD_STARTING && h->ask == 1)) {
        held_free(w, h);
    } else if (h->state == HELD_STARTING && h->ask == 2) {
        h->lost = 1;
    } /* else: the outstanding reply says the same */
}

void worker_stop_run(struct worker *w, struct held *h)
{
    struct executor *e = worker_executor(h);
    if (h->stopping)
        return;
    h->stopping = 1; /* one that starts is stopped when it does */
    if (h->state == HELD_RUNNING) {
        log_info(w->log, log_event("stop_task"), log_text("id", h->run.id),
                 log_text("function", h->run.function));
        e->ops->stop(e, &h->run, 0);
    }
}

int worker_free_slots(const struct worker *w)
{
    int n = w->config->concurrency + w->ahead;
    if (n > HELD_MAX - w->n_held)
        n = HELD_MAX - w->n_held;
    n -= w->held[HELD_RUNNING].n + w->held[HELD_STARTING].n +
         w->held[HELD_OVERSTAYED].n;
    for (int i = 0; i < w->n_groups; i++)
        for (int k = 0; k < w->groups[i].assigning; k++)
            n -= w->groups[i].asks[k].n;
    return n > 0 ? n : 0;
}

/* ---- The parts of a tick -------------------------------------------------- */

/* Deadlines of what is under way, or has to wait for calls, come with their
 * replies. */
static int64_t worker_tick_heartbeats(struct worker *w, int64_t now_ms)
{
    int64_t next = INT64_MAX;
    if (!w->fleet_beating && now_ms >= w->fleet_mono_ms) {
        exchange_fleet(w, 0);
        w->fleet_mono_ms = now_ms + w->heartbeat_ms;
    }
    if (!w->fleet_beating || w->fleet_mono_ms > now_ms)
        next = w->fleet_mono_ms;
    for (int i = 0; i < w->n_groups; i++) {
        struct worker_group *g = &w->groups[i];
        if (g->stay == GROUP_GONE)
            continue;
        if (g->has_lease && now_ms - g->leased_mono_ms > w->lease_ms) {
            /* We slept past our lease: what of this is still ours? */
            log_warn(w->log, log_event("lease"), log_text("group", g->name),
                     log_text("text", "it has ended"));
            w->leases_lost += g->was_leased;
            g->was_leased = 0; /* counted */
            g->has_lease = 0;
            g->reconcile = w->n_held > 0;
        }
        if (g->beating)
            continue;
        if (now_ms < g->pause_mono_ms) {
            next = min64(next, g->pause_mono_ms);
            continue;
        }
        int64_t due = g->leased_mono_ms + w->heartbeat_ms;
        int wanted =
            !g->has_lease || g->reconcile || g->nudged || now_ms >= due;
        if (!wanted)
            next = min64(next, due);
        else if (!(g->reconcile && (g->assigning || g->sending)))
            exchange_heartbeat(w, g, now_ms, 0);
        /* else: the list must not cross with calls that change it */
    }
    return next;
}

/* In turns: with many parts those in front would always be busy. */
static void worker_tick_reports(struct worker *w)
{
    int first = w->report_turn;
    for (int i = 0; i < w->n_groups; i++) {
        int at = (first + i) % w->n_groups, sending = w->sending;
        struct worker_group *g = &w->groups[at];
        if (g->reconcile || g->reconciling)
            continue;
        for (int release = 0; release < 2; release++)
            if (w->held[HELD_DONE].n > 0 && w->sending < SENDING_MAX)
                exchange_send(w, g, release);
        if (w->sending > sending)
            w->report_turn = at + 1;
    }
}

int worker_group_is_ready(const struct worker_group *g)
{
    return g->stay == GROUP_SERVED && g->has_lease && !g->reconcile &&
           !g->reconciling && !g->assigning;
}

static void worker_tick_starts(struct worker *w)
{
    int slots = w->config->concurrency - w->held[HELD_RUNNING].n -
                w->held[HELD_STARTING].n - w->held[HELD_OVERSTAYED].n;
    for (int i = 0; i < w->n_groups && slots > 0; i++) {
        struct worker_group *g = &w->groups[i];
        if (w->held[HELD_ASSIGNED].n > 0 && !g->reconcile && !g->reconciling) {
            int before = w->held[HELD_STARTING].n;
            exchange_start(w, g, slots);
            slots -= w->held[HELD_STARTING].n - before;
        }
    }
}

static int64_t worker_tick_assigns(struct worker *w, int64_t now_ms)
{
    int64_t next = INT64_MAX;
    int free_slots = w->disabled ? 0 : worker_free_slots(w);
    const int all = free_slots;
    int hungry = 0;
    for (int i = 0; i < w->n_groups; i++) {
        struct worker_group *g = &w->groups[i];
        if (now_ms >= g->due_mono_ms) {
            g->due_mono_ms = INT64_MAX;
            g->hungry = 1;
        }
        next = min64(next, g->due_mono_ms);
        hungry += worker_group_wants(g, all);
    }
    int prefetch =
        w->disabled ? 0 : w->prefetch - w->held[HELD_ASSIGNED].n;
    if (hungry > 0)
        worker_share(w, free_slots);
    for (int i = 0; i < w->n_groups && hungry > 0; i++) {
        struct worker_group *g = &w->groups[i];
        if (!worker_group_wants(g, all))
            continue;
        int n = g->share;
        int p = prefetch > 0 && n == free_slots ? prefetch : 0;
        if (p > BATCH_TASKS_MAX - n)
            p = BATCH_TASKS_MAX - n;
        /* Full, but it was us that popped the marker: pass it on. Parts of
         * broadcasts need no slot. */
        if (n + p > 0 || g->marker || (g->cast && !w->disabled)) {
            exchange_assign(w, g, n, p);
            if (n + p == 0)
                g->hungry = 1;
        }
        free_slots -= n;
        prefetch -= p;
    }
    return next;
}

static int64_t worker_tick_wait(struct worker *w, int64_t now_ms)
{
    int room = !w->disabled && (worker_free_slots(w) > 0 ||
                                w->held[HELD_ASSIGNED].n < w->prefetch);
    return waits_tick_work(w, now_ms, room);
}

/* Tasks that depend on others begin with their results. */
static int64_t worker_tick_parents(struct worker *w, int64_t now_ms)
{
    for (struct held *h = w->held[HELD_STARTING].first, *next; h; h = next) {
        next = h->next;
        if (h->ask == 1 && now_ms < w->parents_mono_ms)
            return w->parents_mono_ms;
        if (h->ask == 1)
            exchange_parents(w, h);
    }
    return INT64_MAX;
}

/* Whose next time could not be told. `anyway`: we leave. */
static int64_t worker_tick_undated(struct worker *w, int64_t now_ms,
                                   int anyway)
{
    if (w->n_undated == 0)
        return INT64_MAX;
    if (now_ms < w->undated_mono_ms && !anyway)
        return w->undated_mono_ms;
    for (struct held *h = w->held[HELD_DONE].first; h; h = h->next)
        if (h->undated)
            held_date(w, h, anyway);
    w->undated_mono_ms = now_ms + WORKER_DATE_MS;
    return w->n_undated > 0 ? w->undated_mono_ms : now_ms; /* report */
}

static int64_t worker_tick_progress(struct worker *w, int64_t now_ms)
{
    int64_t next = INT64_MAX;
    if (w->syncs == 0 || w->progressing > 0)
        return next;
    for (int i = 0; i < w->n_groups; i++)
        exchange_progress(w, &w->groups[i], now_ms);
    for (struct held *h = w->held[HELD_RUNNING].first; h; h = h->next)
        if (h->sync_ms > 0)
            next = min64(next, h->sync_mono_ms);
    return next;
}

static void worker_tick_rate(struct worker *w, int64_t now_ms)
{
    int64_t window = now_ms - w->rate_mono_ms;
    if (window < RATE_WINDOW_MS)
        return;
    int64_t ahead = w->n_ended * AHEAD_MS / window;
    w->ahead = w->config->executors[EXECUTOR_PROGRAM] != NULL ? 0
               : ahead > AHEAD_MAX                    ? AHEAD_MAX
                                                      : (int)ahead;
    w->n_ended = 0;
    w->rate_mono_ms = now_ms;
}

/* ---- Leaving ------------------------------------------------------------- */

static int64_t worker_tick_drain(struct worker *w, int64_t now_ms)
{
    if (!w->drain || w->n_held > 0)
        return INT64_MAX;
    if (!w->fleet_heard)
        return now_ms + COUNT_MS; /* its groups may have more parts */
    int known = 1;
    int64_t left = 0, unknown = 0;
    for (int i = 0; i < w->n_groups; i++) {
        struct worker_group *g = &w->groups[i];
        if (g->stay != GROUP_SERVED)
            continue;
        if (g->assigning || g->hungry || !g->has_lease)
            return now_ms + COUNT_MS;
        if (g->counting || g->left < 0)
            known = 0;
        else
            left += g->left;
        unknown += g->unknown;
    }
    if (known && left == 0) {
        log_at(w->log, unknown > 0 ? STINT_LOG_WARN : STINT_LOG_INFO,
               log_event("drain"), log_n("runs", w->n_total),
               log_n("failed", w->n_failed), log_n("unknown", unknown),
               log_text("text", unknown > 0 ? "tasks are left of functions "
                        "that this worker does not know" : NULL));
        w->stops = 1;
        return now_ms;
    }
    if (now_ms >= w->count_mono_ms) {
        w->count_mono_ms = now_ms + COUNT_MS;
        for (int i = 0; i < w->n_groups; i++)
            if (!w->groups[i].counting && w->groups[i].stay == GROUP_SERVED)
                exchange_count(w, &w->groups[i]);
    }
    return w->count_mono_ms;
}

/* So many looks in a row, a heartbeat apart, and nothing to do. */
static int64_t worker_tick_empty(struct worker *w, int64_t now_ms)
{
    if (w->max_empty_runs == 0)
        return INT64_MAX;
    if (w->n_held > 0 || w->n_total != w->empty_total ||
        w->empty_mono_ms == 0) {
        w->empty_total = w->n_total;
        w->empty_runs = 0;
        w->empty_mono_ms = now_ms + w->heartbeat_ms;
    }
    if (now_ms < w->empty_mono_ms)
        return w->empty_mono_ms;
    w->empty_mono_ms = now_ms + w->heartbeat_ms;
    if (++w->empty_runs >= w->max_empty_runs) {
        log_info(w->log, log_event("empty"), log_n("looks", w->empty_runs));
        w->stops = 1;
    }
    return w->stops > 0 ? now_ms : w->empty_mono_ms;
}

/* Everything back to the queue: what runs is killed, the rest released. */
static void worker_release_all(struct worker *w)
{
    for (struct held *h = w->held[HELD_RUNNING].first, *next; h; h = next) {
        struct executor *e = worker_executor(h);
        next = h->next;
        if (!h->release) {
            h->release = 1;
            e->ops->stop(e, &h->run, 1);
        }
    }
}

static void worker_gone(struct worker *w)
{
    w->phase = WORKER_GONE;
    log_at(w->log, w->n_held > 0 ? STINT_LOG_WARN : STINT_LOG_INFO,
           log_event("worker"), log_text("status", "GONE"),
           log_text("worker", w->name), log_n("held", w->n_held),
           log_text("text", w->n_held > 0 ? "left with tasks in hand: their "
                    "lease ends by itself" : NULL));
    log_settle(w->log, 1);
}

static int64_t worker_tick_stop(struct worker *w, int64_t now_ms)
{
    if (w->stops == 0)
        return INT64_MAX;
    if (w->phase == WORKER_ACTIVE) {
        log_info(w->log, log_event("worker"),
                 log_text("status", worker_status(w)),
                 log_n("running", w->held[HELD_RUNNING].n));
        w->phase = WORKER_TERMINATING;
        w->stop_mono_ms = now_ms;
        w->fleet_mono_ms = 0; /* let people see it */
        for (int i = 0; i < w->n_groups; i++)
            w->groups[i].nudged = 1; /* broadcasts leave us out */
        waits_stop(w);
    }
    for (struct held *h = w->held[HELD_STARTING].first, *next; h; h = next) {
        next = h->next;
        if (h->ask == 1)
            held_move(w, h, HELD_DONE); /* released, it has not begun */
    }
    for (struct held *h = w->held[HELD_ASSIGNED].first, *next; h; h = next) {
        next = h->next;
        held_move(w, h, HELD_DONE); /* with no status: released */
    }
    int64_t limit = w->stop_mono_ms + w->shutdown_ms;
    int at_once = w->stops > 1 || now_ms >= limit;
    if (at_once) {
        worker_release_all(w);
        (void)worker_tick_undated(w, now_ms, 1); /* reported at the next tick */
    }
    int busy = w->n_held > 0 || w->sending > 0, beating = w->fleet_beating;
    for (int i = 0; i < w->n_groups; i++)
        beating |= w->groups[i].beating;
    if (busy && now_ms >= limit + THREADS_WAIT_MS)
        busy = 0;
    if (at_once && !w->connected && w->held[HELD_RUNNING].n == 0)
        busy = 0; /* Redis is away: the lease will end */
    for (int i = 0; i < w->n_groups; i++)
        busy |= w->groups[i].assigning;
    if (busy)
        return at_once ? now_ms + 50 : min64(limit, now_ms + 1000);
    if (!w->connected) {
        worker_gone(w);
    } else if (w->phase == WORKER_TERMINATING && !w->passed_on) {
        if (now_ms < w->stop_mono_ms + UNBLOCK_MS)
            return w->stop_mono_ms + UNBLOCK_MS;
        w->passed_on = 1; /* markers we keep the time of */
        for (int i = 0; i < w->n_groups; i++)
            if (w->groups[i].has_lease)
                exchange_assign(w, &w->groups[i], 0, 0);
    } else if (w->phase == WORKER_TERMINATING && beating && !at_once) {
        return now_ms + 50; /* these replies are not those to leave by */
    } else if (w->phase == WORKER_TERMINATING) {
        w->phase = WORKER_LEAVING;
        for (int i = 0; i < w->n_groups; i++)
            if (w->groups[i].stay != GROUP_GONE)
                exchange_heartbeat(w, &w->groups[i], now_ms, 1);
        exchange_fleet(w, 1);
    } else if (!beating) {
        worker_gone(w);
    }
    return now_ms + 50;
}

/* With every slot in the hands of a function that does not return, only a new
 * process can be of use. */
static void worker_tick_spent(struct worker *w)
{
    if (w->spent || w->stops > 0 ||
        w->held[HELD_OVERSTAYED].n < w->config->concurrency)
        return;
    log_error(w->log, log_event("overstay"),
              log_n("concurrency", w->config->concurrency),
              log_text("error", "all slots are lost to functions that do not "
                       "return: the worker ends"));
    w->spent = 1;
    w->stops = 1;
}

int64_t worker_tick(struct worker *w, int64_t now_ms)
{
    int64_t next = INT64_MAX;
    for (int i = 0; i < EXECUTOR_N; i++) {
        struct executor *e = w->config->executors[i];
        if (e != NULL)
            next = min64(next, e->ops->tick(e, now_ms));
    }
    worker_tick_rate(w, now_ms);
    worker_tick_spent(w);
    next = min64(next, worker_tick_undated(w, now_ms, 0));
    if (w->connected && w->phase != WORKER_LEAVING) {
        next = min64(next, worker_tick_heartbeats(w, now_ms));
        next = min64(next, waits_tick_signals(w, now_ms));
        worker_tick_reports(w);
        next = min64(next, worker_tick_parents(w, now_ms));
        next = min64(next, worker_tick_progress(w, now_ms));
        if (w->phase == WORKER_ACTIVE && w->stops == 0) {
            next = min64(next, worker_tick_leaving(w, now_ms));
            if (!w->disabled)
                worker_tick_starts(w);
            next = min64(next, worker_tick_assigns(w, now_ms));
            next = min64(next, worker_tick_wait(w, now_ms));
            next = min64(next, worker_tick_drain(w, now_ms));
            next = min64(next, worker_tick_empty(w, now_ms));
        }
        if (w->leading)
            next = min64(next, reaper_tick(&w->reaper, now_ms));
    }
    return min64(next, worker_tick_stop(w, now_ms));
}
