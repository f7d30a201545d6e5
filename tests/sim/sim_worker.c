/* SPDX-License-Identifier: MIT */
/* A worker as embed.c sets it up and drives it, with simulated connections and
 * executors. worker_fill, worker_on_ready and worker_connect are twins of
 * embed.c: whoever adds a field or a connection there adds it here. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "err.h"
#include "sim.h"

#define WAIT_DEADLINE_MS 40000 /* as in embed.c */
#define WALL_STAYS_MS    7000
#define WALL_JUMP_MS     3600000

/* ---- Ticks -------------------------------------------------------------- */

static void worker_tick_at(struct sim_life *life, int64_t at_ms);

static void worker_on_tick(struct sim *s, void *arg)
{
    struct sim_life *life = arg;
    if (life->dead || s->now_ms < life->tick_ms ||
        sim_worker_defers(life, worker_on_tick, life))
        return;
    life->tick_ms = INT64_MAX;
    int64_t next = worker_tick(&life->worker, s->now_ms);
    if (life->worker.phase == WORKER_GONE) {
        sim_trace(s, "%s: has left", life->worker.name);
        if (life->worker.n_held > 0 && s->is_leaving)
            sim_fail(s, "%s left with %d tasks in hand", life->worker.name,
                     life->worker.n_held);
        sim_worker_crash(life);
        if (s->ends_quietly) /* by a command; somebody must be there */
            sim_faults_return(s, life->slot, s->now_ms + 100);
        return;
    }
    if (life->worker.n_held > 0 || !life->worker.waits[0].waiting)
        life->idle_ms = 0;
    else if (life->idle_ms == 0)
        life->idle_ms = s->now_ms;
    /* Asking for a tick at once without an event is spinning. */
    life->spins = next <= s->now_ms ? life->spins + 1 : 0;
    if (life->spins > s->spins_max)
        s->spins_max = life->spins;
    if (next <= s->now_ms)
        next = s->now_ms + 1;
    worker_tick_at(life, next);
}

static void worker_tick_at(struct sim_life *life, int64_t at_ms)
{
    struct sim *s = life->sim;
    if (at_ms > s->now_ms + 60000)
        at_ms = s->now_ms + 60000;
    if (life->dead || at_ms >= life->tick_ms)
        return;
    life->tick_ms = at_ms;
    sim_push(s, at_ms, worker_on_tick, life);
}

static void worker_want_tick(void *arg)
{
    struct sim_life *life = arg;
    worker_tick_at(life, life->sim->now_ms);
}

int sim_worker_defers(struct sim_life *life, sim_event_fn fn, void *arg)
{
    if (life == NULL || life->dead ||
        life->paused_until_ms <= life->sim->now_ms)
        return 0;
    sim_push(life->sim, life->paused_until_ms, fn, arg);
    return 1;
}

/* ---- Setting up: the twins of embed.c ----------------------------------- */

static void worker_log(enum stint_log_level level, const char *text, void *arg)
{
    struct sim_life *life = arg;
    if (level != STINT_LOG_DEBUG)
        sim_trace(life->sim, "%s: says: %s", life->worker.name, text);
    static const char command[] = "event=command verb=";
    if (strncmp(text, command, sizeof(command) - 1) == 0)
        sim_fleet_obeyed(life, text + sizeof(command) - 1);
}

static int worker_no_function(stint_run *run, void *arg)
{
    (void)run, (void)arg;
    abort(); /* the executors are simulated: never called */
}

static void worker_configure(struct sim_life *life)
{
    struct sim *s = life->sim;
    struct config *c = &life->config;
    struct stint_err err = {0};
    static const char *const names[] = {"alpha", "beta", "gamma"};
    int is_first = life->slot == 0;
    config_init(c);
    for (int i = 0; i < 3; i++) {
        /* The first can do everything, so that all can be done. */
        if (!is_first && sim_chance(s, 250))
            continue;
        check(config_add_function(c, names[i], worker_no_function, NULL,
                                  NULL, &err) == 0);
        c->types[c->n_types - 1].runs_on =
            i != 1 ? EXECUTOR_PROGRAM : EXECUTOR_THREAD;
    }
    if (c->n_types == 0)
        check(config_add_function(c, "beta", worker_no_function, NULL,
                                  NULL, &err) == 0);
    for (int i = 0; i < SIM_NAMED; i++) {
        int weight = is_first ? 1 : (int)sim_random(s, 3);
        if (i == SIM_NAMED - 1 && c->n_groups == 0)
            weight = 1;
        if (s->groups != 3)
            weight = s->groups >> i & 1;
        while (weight-- > 0)
            check(config_add_group(c, sim_groups[i], &err) == 0);
    }
    c->concurrency = (int)sim_between(s, 1, 4);
}

/* Hosts' clocks decide nothing: this one jumps by up to an hour, to and fro,
 * every few seconds. */
static int64_t worker_wall(void)
{
    uint64_t dice = (uint64_t)(sim_clock() / WALL_STAYS_MS);
    return SIM_EPOCH_MS + sim_clock() +
           dice_between(&dice, -WALL_JUMP_MS, WALL_JUMP_MS);
}

static void worker_fill(struct sim_life *life, int incarnation)
{
    struct sim *s = life->sim;
    struct worker *w = &life->worker;
    life->log = (struct log){worker_log, life, NULL};
    w->config = &life->config;
    w->log = &life->log;
    snprintf(w->host, sizeof(w->host), "sim");
    w->pid = 1000 + life->slot;
    snprintf(w->shown, sizeof(w->shown), "w%d", life->slot);
    snprintf(w->name, sizeof(w->name), "w%d.%d", life->slot, incarnation);
    w->heartbeat_ms = s->heartbeat_ms;
    w->lease_ms = LEASE_MS(w->heartbeat_ms);
    w->shutdown_ms = sim_between(s, 1, 10) * 1000;
    w->prefetch = sim_chance(s, 500) ? (int)sim_between(s, 1, 4) : 0;
    w->started_wall_ms = sim_redis_ms(s);
    w->clock = sim_clock;
    w->clock_us = sim_clock_us;
    w->follow_min = 1; /* so that two assigns are often under way */
    w->wall = worker_wall;
    w->want_tick = worker_want_tick;
    w->want_arg = life;
    w->caller = &life->caller;
    struct stint_err err = {0};
    check(worker_add_groups(w, &err) == 0 && waits_add(w, 0, &err) == 0);
    w->waits[0].caller = &life->waker;
    w->waits[1].caller = &life->signals;
    sim_executor_init(&life->programs, life, 0);
    sim_executor_init(&life->threads, life, 1);
    for (int i = 0; i < life->config.n_types; i++)
        if (life->config.types[i].runs_on == EXECUTOR_PROGRAM)
            w->config->executors[EXECUTOR_PROGRAM] = &life->programs.base;
    w->config->executors[EXECUTOR_THREAD] = &life->threads.base;
}

static void worker_on_ready(const struct redisReply *reply,
                            const struct stint_err *err, void *arg)
{
    struct sim_life *life = arg;
    (void)err;
    if (life->dead)
        return;
    if (reply == NULL) {
        sim_store_drop(life->store, 100);
        return;
    }
    worker_on_connected(&life->worker, 1);
}

static void worker_on_state(int connected, const struct stint_err *why,
                            void *arg)
{
    struct sim_life *life = arg;
    (void)why;
    if (life->dead)
        return;
    if (connected) {
        script_load(&life->caller, NULL, worker_on_ready, life);
        return;
    }
    worker_on_connected(&life->worker, 0);
}

static void worker_on_wait_state(int connected, const struct stint_err *why,
                                 void *arg)
{
    struct sim_life *life = arg;
    (void)why;
    wait_on_state(&life->worker.waits[0], connected);
}

static void worker_on_signal_state(int connected,
                                   const struct stint_err *why, void *arg)
{
    struct sim_life *life = arg;
    (void)why;
    wait_on_state(&life->worker.waits[1], connected);
}

static void worker_connect(struct sim_life *life)
{
    struct sim *s = life->sim;
    struct worker *w = &life->worker;
    life->store = sim_store_new(s, life, w->name, CALL_DEADLINE_MS,
                                worker_on_state, life);
    life->wait_store = sim_store_new(s, life, w->name, WAIT_DEADLINE_MS,
                                     worker_on_wait_state, life);
    life->signal_store = sim_store_new(s, life, w->name, WAIT_DEADLINE_MS,
                                       worker_on_signal_state, life);
    script_caller_init(&life->signals, sim_store_base(life->signal_store),
                       NULL);
    script_caller_init(&life->caller, sim_store_base(life->store), NULL);
    script_caller_init(&life->waker, sim_store_base(life->wait_store), NULL);
    reaper_init(&w->reaper, &life->caller, &life->log, w->name,
                2 * w->heartbeat_ms, w->lease_ms, sim_clock);
    w->reaper.want_tick = w->want_tick;
    w->reaper.want_arg = w->want_arg;
}

/* ---- A worker's life ---------------------------------------------------- */

void sim_worker_start(struct sim *s, int slot)
{
    int incarnation = 1;
    for (struct sim_life *l = s->lives; l != NULL; l = l->next)
        incarnation += l->slot == slot;
    struct sim_life *life = calloc(1, sizeof(*life));
    check(life != NULL && s->workers[slot] == NULL);
    life->sim = s;
    life->slot = slot;
    life->tick_ms = INT64_MAX;
    life->next = s->lives;
    s->lives = life;
    s->workers[slot] = life;
    worker_configure(life);
    worker_fill(life, incarnation);
    sim_trace(s, "%s: starts, %d functions, %d at once, %d ahead",
              life->worker.name, life->config.n_types,
              life->config.concurrency, life->worker.prefetch);
    worker_connect(life);
    worker_want_tick(life);
}

/* Its memory is gone, and its processes with it. Callbacks that free are
 * called still; what they decide reaches nobody. */
void sim_worker_crash(struct sim_life *life)
{
    struct sim *s = life->sim;
    struct worker *w = &life->worker;
    life->dead = 1;
    s->workers[life->slot] = NULL;
    sim_executor_kill(life);
    sim_store_close(life->signal_store);
    sim_store_close(life->wait_store);
    sim_store_close(life->store);
    for (int state = 0; state < HELD_N; state++)
        while (w->held[state].first != NULL)
            held_free(w, w->held[state].first);
    held_close(w);
    reaper_close(&w->reaper);
    free(w->waits);
    free(w->groups);
    w->waits = NULL;
    w->groups = NULL;
    config_close(&life->config);
}

void sim_worker_leave(struct sim_life *life)
{
    sim_trace(life->sim, "%s: is asked to leave", life->worker.name);
    life->worker.stops++;
    worker_want_tick(life);
}

void sim_worker_pause(struct sim_life *life, int64_t for_ms)
{
    struct sim *s = life->sim;
    sim_trace(s, "%s: is stopped for %" PRId64 " ms", life->worker.name,
              for_ms);
    life->paused_until_ms = s->now_ms + for_ms;
}

struct sim_life *sim_worker_find(struct sim *s, const char *name)
{
    struct sim_life *life = s->lives;
    while (life != NULL && strcmp(life->worker.name, name) != 0)
        life = life->next;
    return life;
}

void sim_worker_end(struct sim *s)
{
    for (int i = 0; i < SIM_WORKERS_MAX; i++)
        if (s->workers[i] != NULL)
            sim_worker_crash(s->workers[i]);
    while (s->lives != NULL) {
        struct sim_life *life = s->lives;
        s->lives = life->next;
        free(life);
    }
}
