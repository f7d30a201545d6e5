/* SPDX-License-Identifier: MIT */
/* Runs that only take time, and the ledger of them: who ran what under which
 * fence, from when to when, and how Redis took the fence away. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "sim.h"

/* ---- The ledger --------------------------------------------------------- */

/* By ticket: parts of broadcasts have the same ids and fences again. */
struct sim_run *sim_run_find(struct sim *s, const char *id,
                             const char *ticket)
{
    struct sim_run *r = s->runs;
    while (r != NULL && (strcmp(r->ticket, ticket) != 0 ||
                         strcmp(r->task->id, id) != 0))
        r = r->next;
    return r;
}

/* What assign gave out. */
struct sim_run *sim_run_note(struct sim *s, struct sim_task *t,
                             struct sim_life *life)
{
    struct sim_run *r = calloc(1, sizeof(*r));
    check(r != NULL);
    r->task = t;
    r->fence = t->rec.fence;
    memcpy(r->ticket, t->rec.ticket, sizeof(r->ticket));
    r->life = life;
    r->next = s->runs;
    s->runs = r;
    return r;
}

void sim_run_end(struct sim *s)
{
    while (s->runs != NULL) {
        struct sim_run *r = s->runs;
        s->runs = r->next;
        free(r);
    }
}

/* ---- Running ------------------------------------------------------------ */

static const char *const outcome_words[] = {
    [RUN_COMPLETED] = "COMPLETED", [RUN_FAILED] = "FAILED",
    [RUN_TIMEOUT] = "TIMEOUT", [RUN_STOPPED] = "STOPPED"};

static void run_note_end(struct sim *s, struct sim_run *r,
                         enum run_outcome outcome, const char *why)
{
    r->end_ms = s->now_ms;
    r->outcome = outcome;
    sim_trace(s, "%s: run of %s %" PRIu64 " ends: %s%s", r->life->worker.name,
              r->task->id, r->fence, outcome_words[outcome], why);
}

/* The worker hears of it: later, if it is stopped. */
static void run_deliver(struct sim *s, void *arg)
{
    struct sim_run *r = arg;
    struct run *run = r->run;
    if (run == NULL || sim_worker_defers(r->life, run_deliver, r))
        return;
    struct run_result result = {.outcome = r->outcome};
    if (r->outcome == RUN_COMPLETED && sim_chance(s, 500)) {
        result.result = "{\"n\":1}";
        result.result_len = 7;
    } else if (r->outcome != RUN_COMPLETED) {
        result.error = "as the seed wants";
    }
    r->run = NULL;
    r->executor->n_live--;
    worker_on_done(run, &result, &r->life->worker);
}

/* A process goes on while its worker is stopped; a thread does not. */
static void run_on_end(struct sim *s, void *arg)
{
    struct sim_run *r = arg;
    if (r->end_ms != 0 || r->run == NULL ||
        (r->is_thread && sim_worker_defers(r->life, run_on_end, r)))
        return;
    run_note_end(s, r, r->outcome, "");
    run_deliver(s, r);
}

/* A worker that leaves waits for its threads, but not for ever. */
static int64_t run_length(struct sim *s, int is_thread)
{
    uint64_t kind = sim_random(s, 10);
    if (kind < 5)
        return sim_between(s, 0, 30);
    if (kind < 9)
        return sim_between(s, 20, s->heartbeat_ms);
    return is_thread ? sim_between(s, 1000, 4000)
                     : sim_between(s, s->heartbeat_ms, 4 * s->heartbeat_ms);
}

static void executor_start(struct executor *base, struct run *run)
{
    struct sim_executor *e = (struct sim_executor *)base;
    struct sim_life *life = e->life;
    struct sim *s = life->sim;
    const struct held *held = (struct held *)run; /* its first member */
    struct sim_run *r = sim_run_find(s, run->id, held->record.ticket);
    sim_trace(s, "%s: runs %s %" PRIu64, life->worker.name, run->id,
              run->fence);
    if (r == NULL)
        sim_fail(s, "%s runs %s, which nobody gave it", life->worker.name,
                 run->id);
    sim_check_run_start(s, r, life);
    r->run = run;
    r->executor = e;
    r->is_thread = e->is_thread;
    r->start_ms = s->now_ms;
    int64_t length = run_length(s, e->is_thread);
    uint64_t dice = sim_random(s, 100);
    r->outcome = dice < 75 ? RUN_COMPLETED : dice < 96 ? RUN_FAILED
                                                       : RUN_TIMEOUT;
    if (length >= run->timeout_ms && !e->is_thread) {
        length = run->timeout_ms;
        r->outcome = RUN_TIMEOUT;
    }
    run->slot = r;
    e->n_live++;
    s->n_runs++;
    sim_push(s, s->now_ms + length, run_on_end, r);
}

static void run_on_kill(struct sim *s, void *arg)
{
    struct sim_run *r = arg;
    if (r->end_ms != 0 || r->run == NULL)
        return;
    run_note_end(s, r, RUN_STOPPED, ", killed");
    run_deliver(s, r);
}

/* A thread cannot be killed: its function returns when it does. */
static void executor_stop(struct executor *base, struct run *run, int at_once)
{
    struct sim_executor *e = (struct sim_executor *)base;
    struct sim *s = e->life->sim;
    struct sim_run *r = run->slot;
    if (!e->is_thread)
        sim_push(s, s->now_ms + sim_between(s, 0, at_once ? 2 : 500),
                 run_on_kill, r);
}

/* Now and then there is something new: something else each time. */
static int executor_news(struct executor *base, struct run *run,
                         struct run_news *news)
{
    struct sim_executor *e = (struct sim_executor *)base;
    struct sim *s = e->life->sim;
    uint64_t *dice = sim_dice(s, FEATURE_OUTPUT_AT);
    const struct sim_run *r = run->slot;
    if (dice == NULL || !dice_chance(dice, 700))
        return 0;
    return buf_printf(news->output, "so far %s %" PRId64, r->ticket, s->now_ms) >= 0;
}

static int64_t executor_tick(struct executor *base, int64_t now_mono_ms)
{
    (void)base, (void)now_mono_ms;
    return INT64_MAX; /* ends are events of the seed */
}

static void executor_close(struct executor *base)
{
    struct sim_executor *e = (struct sim_executor *)base;
    check(e->n_live == 0);
}

static const struct executor_ops sim_executor_ops = {
    .name = "sim", .start = executor_start, .stop = executor_stop,
    .tick = executor_tick, .close = executor_close,
    .news = executor_news};

void sim_executor_init(struct sim_executor *e, struct sim_life *life,
                       int is_thread)
{
    *e = (struct sim_executor){.base.ops = &sim_executor_ops, .life = life,
                               .is_thread = is_thread};
}

void sim_executor_kill(struct sim_life *life)
{
    struct sim *s = life->sim;
    for (struct sim_run *r = s->runs; r != NULL; r = r->next) {
        if (r->life != life || r->run == NULL)
            continue;
        if (r->end_ms == 0)
            run_note_end(s, r, RUN_STOPPED, ", with its worker");
        r->executor->n_live--;
        r->run = NULL;
    }
}
