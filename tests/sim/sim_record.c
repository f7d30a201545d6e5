/* SPDX-License-Identifier: MIT */
/* One record that changed: the change must be one that the verb may make, by
 * whom it may be made, when it may be made. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "sim.h"

#define LATE_MS_MAX 500

/* ---- What a verb may do ------------------------------------------------- */

enum { S_QUEUED = 1, S_ASSIGNED = 2, S_RUNNING = 4, S_COMPLETED = 8,
       S_FAILED = 16, S_TIMEOUT = 32, S_STOPPED = 64, S_EXPIRED = 128 };
#define S_HELD  (S_ASSIGNED | S_RUNNING)
#define S_ENDED (S_COMPLETED | S_FAILED | S_TIMEOUT | S_STOPPED | S_EXPIRED)

static const char *const status_words[] = {
    "QUEUED", "ASSIGNED", "RUNNING", "COMPLETED",
    "FAILED", "TIMEOUT", "STOPPED", "EXPIRED"};

static const struct {
    const char *verb;
    int from, to; /* sets */
} moves[] = {
    {"queue_task", S_QUEUED, S_QUEUED | S_FAILED}, /* by its parents */
    {"assign", S_QUEUED, S_QUEUED | S_HELD | S_EXPIRED},
    {"assign", S_ASSIGNED, S_EXPIRED},
    {"start", S_ASSIGNED, S_RUNNING | S_EXPIRED},
    {"report", S_RUNNING, S_QUEUED | S_ENDED},
    {"release", S_HELD, S_QUEUED | S_STOPPED},
    {"heartbeat", S_HELD, S_QUEUED | S_STOPPED},
    {"expire", S_QUEUED | S_ASSIGNED, S_EXPIRED},
    {"recover", S_HELD, S_QUEUED | S_FAILED | S_STOPPED},
    {"rewind", S_QUEUED, S_QUEUED},
    {"stop_task", S_QUEUED | S_ASSIGNED, S_STOPPED},
    {"stop_task", S_RUNNING, S_RUNNING}, /* marked */
    {"requeue_task", S_ENDED, S_QUEUED},
    {"deliver", 0, 0}, {"settle", 0, 0}, {"messages", 0, 0},
    {"fire", S_QUEUED, S_QUEUED}, /* parts that are new */
    {"disable_task", S_ASSIGNED, S_QUEUED}, {"enable_task", 0, 0},
    {"delete_task", 0, 0},
    {"run_now", S_QUEUED, S_QUEUED}, {"set_priority", 0, 0},
    {"wake", 0, 0}, {"prune", 0, 0}, {"stats", 0, 0}, {"list", 0, 0},
    {"task_status", 0, 0}, {"fsck", 0, 0}, {"fsck_keys", 0, 0},
    {"progress", S_RUNNING, S_RUNNING},
};

static int status_bit(const char *word)
{
    for (int i = 0; i < 8; i++)
        if (strcmp(word, status_words[i]) == 0)
            return 1 << i;
    return 0;
}

/* These change records of tasks that stay what they are. */
static int leaves_status(const char *verb)
{
    static const char *const verbs[] = {"queue_task", "deliver",
                                        "disable_task", "enable_task",
                                        "set_priority"};
    for (int i = 0; i < 5; i++)
        if (strcmp(verb, verbs[i]) == 0)
            return 1;
    return 0;
}

static void check_move(struct sim *s, const struct sim_call_view *c,
                       const struct sim_task *t)
{
    const char *from = t->before.status, *to = t->rec.status;
    int is_known = 0;
    if (leaves_status(c->verb) && strcmp(from, to) == 0 && t->ended == NULL)
        return;
    for (size_t i = 0; i < sizeof(moves) / sizeof(*moves); i++) {
        if (strcmp(moves[i].verb, c->verb) != 0)
            continue;
        is_known = 1;
        if ((moves[i].from & status_bit(from)) &&
            (moves[i].to & status_bit(to)))
            return;
    }
    if (is_known)
        sim_fail(s, "%s took %s from %s to %s", c->verb, t->id, from, to);
}

/* Whoever ends a task may also change what waits for it: sim_family.c knows
 * whether rightly. */
static int is_family(const struct sim_task *t)
{
    return t->before.waits > 0 && strcmp(t->before.status, "QUEUED") == 0 &&
           (strcmp(t->rec.status, "QUEUED") == 0 ||
            strcmp(t->rec.status, "FAILED") == 0);
}

/* And what ends a part may end a broadcast: sim_cast.c. */
static int is_cast(const struct sim_task *t)
{
    return t->options.broadcast &&
           (strcmp(t->before.status, "RUNNING") == 0 ||
            strcmp(t->rec.status, "RUNNING") == 0);
}

/* ---- One record that changed -------------------------------------------- */

int sim_is_held(const struct task_state *st)
{
    return (status_bit(st->status) & S_HELD) != 0;
}

static int is_excused(const struct sim *s, const struct sim_life *life)
{
    return life->dead || s->now_ms <= life->excuse_ms ||
           s->now_ms <= s->excuse_ms;
}

/* Without faults, nothing that is due waits while a worker that could run it
 * waits, too: a lost marker shows here, long before the reaper mends it. */
static void check_late(struct sim *s, const struct sim_task *t,
                       int64_t due_ms)
{
    int64_t late_ms = sim_redis_ms(s) - due_ms;
    if (s->faults != 0 || s->is_leaving || late_ms < LATE_MS_MAX ||
        t->of != NULL)
        return;
    for (int i = 0; i < s->n_workers; i++) {
        const struct sim_life *life = s->workers[i];
        if (life == NULL || life->idle_ms == 0 ||
            s->now_ms - life->idle_ms < LATE_MS_MAX ||
            life->lease_ms[t->group] == 0 ||
            !config_find(&life->config, t->function, strlen(t->function)))
            continue;
        sim_fail(s, "%s is %" PRId64 " ms late, but %s was idle", t->id,
                 late_ms, life->worker.name);
    }
}

/* A worker that says it is disabled takes nothing. What a dead connection
 * brings late it gives back. */
static void check_says(struct sim *s, const struct sim_task *t,
                       const struct sim_life *life)
{
    if (life->says_disabled && !s->from_dead)
        sim_fail(s, "%s was taken by %s, which is disabled", t->id,
                 life->worker.name);
}

/* A new fence: was it time, and the worker's to take? */
static void check_taken(struct sim *s, const struct sim_call_view *c,
                        struct sim_task *t, const struct task_state *before)
{
    struct sim_life *life = sim_worker_find(s, t->rec.worker);
    int64_t now_ms = sim_redis_ms(s);
    struct sim_run *last = t->last;
    if (strcmp(c->verb, "assign") != 0)
        sim_fail(s, "%s gave %s a new fence", c->verb, t->id);
    /* Redis and its clock both went back: its token tells the two apart. */
    int is_twice_back = s->back_at_ms != 0 && s->back_ms > 0;
    if (t->rec.fence <= t->fence && !t->is_reborn && !is_twice_back)
        sim_fail(s, "the fence of %s went from %" PRIu64 " to %" PRIu64,
                 t->id, t->fence, t->rec.fence);
    if (sim_is_held(before) || (last != NULL && last->fate == FATE_NONE))
        sim_fail(s, "%s has a second live fence", t->id);
    if (life == NULL || strcmp(c->argv[0], t->rec.worker) != 0)
        sim_fail(s, "%s was given to %s, which did not ask", t->id,
                 t->rec.worker);
    /* After its first run the clock may have jumped back before its begin. */
    int64_t due_ms = t->fence == 0 && !t->is_requeued && !t->is_early &&
                             t->begin_ms > before->next_ms
                         ? t->begin_ms : before->next_ms;
    if (due_ms > now_ms)
        sim_fail(s, "%s was taken %" PRId64 " ms before it is due", t->id,
                 due_ms - now_ms);
    check_late(s, t, t->changed_ms > due_ms ? t->changed_ms : due_ms);
    if (t->expire_ms != 0 && t->expire_ms < now_ms)
        sim_fail(s, "%s was taken after its stop_time", t->id);
    if (before->disabled || t->disabled)
        sim_fail(s, "%s was taken, but is disabled", t->id);
    if (!sim_family_is_ready(t))
        sim_fail(s, "%s was taken, but waits for others", t->id);
    if (t->of != NULL && life != t->caster)
        sim_fail(s, "%s is not a part for %s", t->id, life->worker.name);
    check_says(s, t, life);
    /* Parked ones come as they come, and so does what was asked for by a
     * connection that is dead. */
    t->is_suspect = before->lost > 0 && !before->parked && !s->from_dead;
    if (!config_find(&life->config, t->function, strlen(t->function)) &&
        !life->dead)
        sim_fail(s, "%s was given to a worker that does not know %s", t->id,
                 t->function);
    if (life->lease_ms[t->group] < now_ms)
        sim_fail(s, "%s was given to %s, which has no lease", t->id,
                 life->worker.name);
    t->fence = t->rec.fence;
    t->last = sim_run_note(s, t, life);
}

/* Begun, and had the time to end it. */
static int is_unfinished(const struct sim *s, const struct sim_life *life,
                         const struct task_state *before)
{
    const struct worker *w = &life->worker;
    return w->stops == 1 && strcmp(before->status, "RUNNING") == 0 &&
           s->now_ms < w->stop_mono_ms + w->shutdown_ms;
}

void sim_check_fate(struct sim *s, const struct sim_call_view *c,
                    struct sim_task *t, const struct task_state *before)
{
    struct sim_run *r = sim_run_find(s, t->id, before->ticket);
    if (r == NULL)
        sim_fail(s, "%s was held under a fence that nobody gave", t->id);
    struct sim_life *life = r->life;
    if (strcmp(c->verb, "report") == 0) {
        r->fate = FATE_REPORTED;
    } else if (strcmp(c->verb, "recover") == 0) {
        r->fate = FATE_RECOVERED;
        s->n_recovered++;
        if (life->lease_ms[t->group] >= sim_redis_ms(s))
            sim_fail(s, "%s was taken from %s, whose lease has not ended",
                     t->id, life->worker.name);
        if (!is_excused(s, life))
            sim_fail(s, "%s was taken from %s, which did nothing wrong",
                     t->id, life->worker.name);
        t->n_lost += strcmp(before->status, "RUNNING") == 0;
    } else if (strcmp(c->verb, "release") == 0) {
        r->fate = FATE_RELEASED;
        if (r->start_ms != 0 && is_unfinished(s, life, before))
            sim_fail(s, "%s released %s, which it should have finished",
                     life->worker.name, t->id);
        if (life->worker.stops == 0 && life->n_commands == 0)
            sim_fail(s, "%s released %s, but stays", life->worker.name,
                     t->id);
    } else if (strcmp(c->verb, "heartbeat") == 0) {
        r->fate = FATE_GIVEN_BACK;
        if (r->start_ms != 0 && !(s->faults & FAULT_LATE) &&
            s->back_at_ms == 0)
            sim_fail(s, "%s was given back, but %s ran it", t->id,
                     life->worker.name);
        if (!is_excused(s, life))
            sim_fail(s, "%s was given back by %s, which did nothing wrong",
                     t->id, life->worker.name);
    } else {
        r->fate = FATE_OTHER;
    }
}

void sim_check_counters(struct sim *s, const struct sim_call_view *c,
                        const struct sim_task *t)
{
    if (t->rec.times_run != t->n_run || t->rec.times_failed != t->n_failed ||
        (t->of == NULL && t->rec.lost != t->n_lost))
        sim_fail(s, "after %s %s has run=%" PRId64 " failed=%" PRId64
                 " lost=%" PRId64 ", but should have %" PRId64 ", %" PRId64
                 " and %" PRId64, c->verb, t->id, t->rec.times_run,
                 t->rec.times_failed, t->rec.lost, t->n_run, t->n_failed,
                 t->n_lost);
    if (t->repeats > 0 && !t->is_requeued && t->rec.times_run > t->repeats)
        sim_fail(s, "%s ran more often than wanted", t->id);
}

/* A task whose worker was lost is FAILED when it was lost too often. */
static void check_lost(struct sim *s, const struct sim_task *t)
{
    int64_t crashes = t->options.max_crashes;
    int is_running = strcmp(t->before.status, "RUNNING") == 0;
    const char *status = t->was_stopping ? "STOPPED"
                         : is_running && crashes >= 0 && t->n_lost >= crashes
                             ? "FAILED" : "QUEUED";
    if (strcmp(t->rec.status, status) != 0)
        sim_fail(s, "%s was lost %" PRId64 " times and is %s; it should be %s",
                 t->id, t->n_lost, t->rec.status, status);
}

static void check_started(struct sim *s, const struct sim_task *t)
{
    const struct sim_life *life = sim_worker_find(s, t->rec.worker);
    if (t->expire_ms != 0 && t->expire_ms < sim_redis_ms(s))
        sim_fail(s, "%s was started after its stop_time", t->id);
    if (t->disabled)
        sim_fail(s, "%s was started, but is disabled", t->id);
    check_says(s, t, life);
}

/* It stays where it is, but for what the verb says. */
static void check_ended(struct sim *s, struct sim_task *t)
{
    int bit = status_bit(t->rec.status), was = status_bit(t->before.status);
    for (int i = 3; i < 8 && (bit & S_ENDED); i++)
        if (bit == 1 << i)
            t->ended = status_words[i];
    if ((bit & S_ENDED) && !(was & S_ENDED)) {
        for (int i = 3; i < 8; i++)
            s->n_ended[t->group][i - 3] += bit == 1 << i;
        sim_family_ended(s, t, t->ended);
    }
    if (bit != S_RUNNING && strstr(t->text, " live=") != NULL)
        sim_fail(s, "%s is %s, but has output of a run: %s", t->id,
                 t->rec.status, t->text);
    if (t->rec.disabled != t->disabled)
        sim_fail(s, "%s should be %s: %s", t->id,
                 t->disabled ? "disabled" : "enabled", t->text);
}

static void check_early(struct sim *s, const struct sim_call_view *c,
                        const struct sim_task *t)
{
    if (strcmp(c->verb, "run_now") == 0 &&
        (t->rec.next_ms > sim_redis_ms(s) || t->disabled || t->rec.waits > 0))
        sim_fail(s, "%s was to run now, but is not due: %s", t->id, t->text);
}

static void check_judged(struct sim *s, const struct sim_call_view *c,
                         struct sim_task *t)
{
    if (strcmp(c->verb, "report") == 0 && t->judged == NULL &&
        !is_family(t) && !is_cast(t))
        sim_fail(s, "a report that was refused changed %s", t->id);
    if (t->judged != NULL)
        sim_judge_report(s, t, &t->before, t->judged, 0);
    if (t->judged != NULL && t->of != NULL)
        t->of->n_lines++; /* a try of a part that comes back */
    t->judged = NULL;
}

void sim_record_check(struct sim *s, const struct sim_call_view *c,
                      struct sim_task *t, const char *text, size_t len)
{
    const struct task_state *before = &t->before;
    t->before = t->rec;
    if (len >= sizeof(t->text) || task_state_decode(&t->rec, text, len) < 0)
        sim_fail(s, "the record of %s cannot be read: %s", t->id, text);
    t->was_stopping = strstr(t->text, " stopping=") != NULL;
    t->changed = s->n_calls;
    memcpy(t->text, text, len + 1);
    if (!is_family(t) && !is_cast(t))
        check_move(s, c, t);
    check_early(s, c, t);
    if (is_cast(t))
        (void)0; /* sim_cast.c looks when all records are read */
    else if (sim_is_held(&t->rec) && t->rec.fence != before->fence)
        check_taken(s, c, t, before);
    else if (t->rec.fence != before->fence)
        sim_fail(s, "%s changed the fence of %s", c->verb, t->id);
    if (!is_cast(t) && sim_is_held(before) && !sim_is_held(&t->rec)) {
        sim_check_fate(s, c, t, before);
        if (strcmp(c->verb, "recover") == 0)
            check_lost(s, t);
    }
    if (strcmp(before->status, "ASSIGNED") == 0 &&
        strcmp(t->rec.status, "RUNNING") == 0)
        check_started(s, t);
    check_judged(s, c, t);
    t->changed_ms = sim_redis_ms(s);
    if (!is_cast(t))
        sim_check_counters(s, c, t);
    check_ended(s, t);
}
