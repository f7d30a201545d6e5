/* SPDX-License-Identifier: MIT */
/* When which fault happens. Each draws its next time when it has happened;
 * from the end on none does, and after a while all workers are asked to
 * leave. */
#include <inttypes.h>
#include <stdlib.h>

#include "bounds.h"
#include "err.h"
#include "sim.h"

#define SETTLE_MS_MAX 400000 /* simulated, after the last fault */
#define LEAVE_MS_MAX   60000

/* Leases that ended by a fault can come to light so much later. */
static int64_t fault_tail_ms(const struct sim *s)
{
    return 12 * s->heartbeat_ms + 10000;
}

static void fault_excuse(struct sim *s, struct sim_life *life, int64_t for_ms)
{
    int64_t until = s->now_ms + for_ms + fault_tail_ms(s);
    int64_t *at = life != NULL ? &life->excuse_ms : &s->excuse_ms;
    if (*at < until)
        *at = until;
}

static struct sim_life *fault_victim(struct sim *s)
{
    return s->workers[sim_random(s, (uint64_t)s->n_workers)];
}

/* ---- The faults --------------------------------------------------------- */

static void fault_return(struct sim *s, void *arg)
{
    int slot = (int)(intptr_t)arg;
    if (s->workers[slot] == NULL && !s->is_leaving)
        sim_worker_start(s, slot);
}

void sim_faults_return(struct sim *s, int slot, int64_t at_ms)
{
    sim_push(s, at_ms, fault_return, (void *)(intptr_t)slot);
}

static void fault_drop(struct sim *s)
{
    struct sim_life *life = fault_victim(s);
    if (sim_chance(s, 200) || life == NULL) {
        sim_store_drop(s->client_store, sim_between(s, 1, 500));
        return;
    }
    fault_excuse(s, life, 1000);
    uint64_t dice = sim_random(s, 10);
    sim_store_drop(dice < 6 ? life->store
                   : dice < 8 ? life->wait_store : life->signal_store,
                   sim_between(s, 1, 1000));
}

static void fault_crash(struct sim *s)
{
    struct sim_life *life = fault_victim(s);
    if (life == NULL)
        return;
    sim_trace(s, "%s: crashes", life->worker.name);
    int slot = life->slot;
    sim_worker_crash(life);
    sim_push(s, s->now_ms + sim_between(s, 0, 3 * s->heartbeat_ms),
             fault_return, (void *)(intptr_t)slot);
}

static void fault_pause(struct sim *s)
{
    struct sim_life *life = fault_victim(s);
    if (life == NULL || life->paused_until_ms > s->now_ms)
        return;
    int64_t for_ms = sim_between(s, 50, 5 * s->heartbeat_ms);
    fault_excuse(s, life, for_ms);
    sim_worker_pause(life, for_ms);
}

static void fault_leave(struct sim *s)
{
    struct sim_life *life = fault_victim(s);
    if (life == NULL)
        return;
    sim_worker_leave(life);
    sim_push(s, s->now_ms + sim_between(s, 12000, 20000), fault_return,
             (void *)(intptr_t)life->slot);
}

static void fault_clock(struct sim *s)
{
    int64_t ms = sim_chance(s, 500) ? sim_between(s, -20000, 20000)
                                    : sim_between(s, -900, 900);
    sim_trace(s, "Redis's clock jumps by %" PRId64 " ms", ms);
    /* A reaper sees a big jump, if it was there before it. */
    int is_seen = ms > LEASE_MS(s->heartbeat_ms) &&
                  (s->faults & ~FAULT_CLOCK) == 0;
    if (!is_seen)
        fault_excuse(s, NULL, llabs(ms));
    s->redis_off_ms += ms;
    s->back_ms += ms < 0 ? -ms : 0;
}

static void fault_redis(struct sim *s)
{
    int64_t for_ms = sim_between(s, 1, 3 * s->heartbeat_ms);
    sim_trace(s, "Redis is away for %" PRId64 " ms", for_ms);
    fault_excuse(s, NULL, for_ms);
    if (s->down_until_ms < s->now_ms + for_ms)
        s->down_until_ms = s->now_ms + for_ms;
    sim_store_drop_all(s);
    sim_redis_forget_all(s);
}

static void fault_stall(struct sim *s)
{
    int64_t for_ms = sim_between(s, 50, 8000);
    sim_trace(s, "Redis does not answer for %" PRId64 " ms", for_ms);
    fault_excuse(s, NULL, for_ms);
    if (s->stall_until_ms < s->now_ms + for_ms)
        s->stall_until_ms = s->now_ms + for_ms;
}

static void fault_flush(struct sim *s)
{
    sim_trace(s, "Redis loses the functions");
    fault_excuse(s, NULL, 0);
    sim_redis_flush_functions(s);
}

static void fault_refuse(struct sim *s)
{
    int64_t for_ms = sim_between(s, 1, 2 * s->heartbeat_ms);
    fault_excuse(s, NULL, for_ms);
    sim_refuse_begin(s, -1, for_ms);
}

static void fault_rollback(struct sim *s)
{
    fault_redis(s);
    sim_rollback(s, 0);
}

/* The old primary refuses to write before it goes. */
static void fault_failover(struct sim *s)
{
    int64_t for_ms = sim_between(s, 1, 500);
    fault_excuse(s, NULL, for_ms);
    if (sim_chance(s, 500))
        sim_refuse_begin(s, SIM_READONLY, for_ms);
    sim_store_drop_all(s);
    sim_redis_forget_all(s);
    sim_rollback(s, 1);
}

static void fault_note(struct sim *s, void *arg)
{
    if (s->ends_quietly)
        return;
    sim_rollback_note(s);
    sim_push(s, s->now_ms + sim_between(s, 10, 900), fault_note, arg);
}

/* lost, delay and late are drawn where they happen, in sim_store.c. */
static const struct {
    enum sim_fault fault;
    void (*fn)(struct sim *s);
} fault_fns[] = {
    {FAULT_DROP, fault_drop},   {FAULT_CRASH, fault_crash},
    {FAULT_PAUSE, fault_pause}, {FAULT_LEAVE, fault_leave},
    {FAULT_CLOCK, fault_clock}, {FAULT_REDIS, fault_redis},
    {FAULT_STALL, fault_stall}, {FAULT_FLUSH, fault_flush},
    {FAULT_REFUSE, fault_refuse}, {FAULT_ROLLBACK, fault_rollback},
    {FAULT_FAILOVER, fault_failover},
};
#define FAULT_FNS (sizeof(fault_fns) / sizeof(*fault_fns))

static void fault_on_time(struct sim *s, void *arg)
{
    size_t i = (size_t)(intptr_t)arg;
    if (s->ends_quietly)
        return;
    if (s->now_ms > s->begin_ms + 500)
        fault_fns[i].fn(s);
    int64_t span_ms = s->end_ms - s->begin_ms;
    sim_push(s, s->now_ms + sim_between(s, 200, span_ms / 2), fault_on_time,
             arg);
}

/* ---- The end ------------------------------------------------------------ */

static void end_on_left(struct sim *s, void *arg)
{
    (void)arg;
    for (int i = 0; i < s->n_workers; i++)
        if (s->workers[i] != NULL)
            sim_fail(s, "%s does not leave",
                     s->workers[i]->worker.name);
}

static void end_leave(struct sim *s)
{
    s->is_leaving = 1;
    for (int i = 0; i < s->n_workers; i++)
        if (s->workers[i] != NULL)
            sim_worker_leave(s->workers[i]);
    sim_push(s, s->now_ms + LEAVE_MS_MAX, end_on_left, NULL);
}

/* Is news on its way still, or a client without an answer? */
static int end_is_quiet(struct sim *s)
{
    if (s->n_orders > 0 || !sim_fleet_is_settled(s))
        return 0;
    int64_t n = 0;
    for (int i = 0; i < SIM_GROUPS; i++) {
        redisReply *r = sim_redis_ask(
            s, "EXISTS {stint:%s}:messages {stint:%s}:endings", sim_groups[i],
            sim_groups[i]);
        n += r->type == REDIS_REPLY_INTEGER ? r->integer : 1;
        sim_redis_free(s, r);
    }
    return n == 0;
}

/* Whoever was dead has been missed, and recovered; who lives is there. */
static int end_dead_are_missed(const struct sim *s)
{
    for (int i = 0; i < s->n_workers; i++)
        if (s->workers[i] != NULL &&
            (!s->workers[i]->worker.connected ||
             s->workers[i]->paused_until_ms > s->now_ms))
            return 0;
    for (const struct sim_life *l = s->lives; l != NULL; l = l->next)
        for (int g = 0; g < SIM_GROUPS && l->dead; g++)
            if (l->lease_ms[g] != 0)
                return 0;
    return 1;
}

/* Have all tasks come to where they may stay? */
static void end_on_look(struct sim *s, void *arg)
{
    const struct sim_task *open = NULL;
    (void)arg;
    for (int i = 0; i < s->n_tasks && open == NULL; i++)
        if (!sim_check_is_settled(s, &s->tasks[i]))
            open = &s->tasks[i];
    /* All have heard that Redis is well again. */
    int64_t well_ms = s->end_ms;
    if (well_ms < s->stall_until_ms)
        well_ms = s->stall_until_ms;
    if (well_ms < s->down_until_ms)
        well_ms = s->down_until_ms;
    if (well_ms < s->refuse_until_ms)
        well_ms = s->refuse_until_ms;
    if (s->faults != 0)
        well_ms += 2 * s->heartbeat_ms + 1000;
    if (open == NULL && s->now_ms >= well_ms && end_dead_are_missed(s) && !sim_store_is_late(s) &&
        end_is_quiet(s)) {
        end_leave(s);
        return;
    }
    if (s->now_ms > s->end_ms + SETTLE_MS_MAX)
        sim_fail(s, "%s is %s still: %s", open ? open->id : "news",
                 open ? open->rec.status : "on its way",
                 open ? open->text : "");
    sim_push(s, s->now_ms + 500, end_on_look, NULL);
}

static void end_on_quiet(struct sim *s, void *arg)
{
    (void)arg;
    sim_trace(s, "no more faults");
    s->ends_quietly = 1;
    for (int i = 0; i < s->n_workers; i++)
        if (s->workers[i] == NULL)
            sim_worker_start(s, i);
    end_on_look(s, NULL);
}

void sim_faults_plan(struct sim *s)
{
    for (size_t i = 0; i < FAULT_FNS; i++)
        if (s->faults & fault_fns[i].fault)
            fault_on_time(s, (void *)(intptr_t)i);
    if (s->faults & (FAULT_ROLLBACK | FAULT_FAILOVER))
        fault_note(s, NULL);
    sim_push(s, s->end_ms, end_on_quiet, NULL);
}
