/* SPDX-License-Identifier: MIT */
/* Broadcasts: when one fires, each worker that has a lease on the group and
 * does not rest gets one part; each part ends once, and is gone then; with the
 * last of them the broadcast ends, or is due again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "sim.h"

/* ---- Parts -------------------------------------------------------------- */

struct sim_task *sim_cast_part(struct sim *s, const struct sim_call_view *c,
                               const char *id, const struct task_state *rec)
{
    char name[16];
    snprintf(name, sizeof(name), "%.*s", (int)strcspn(id, "@"), id);
    struct sim_task *t = sim_task_find(s, name);
    struct sim_life *life = sim_worker_find(s, rec->worker);
    if (t == NULL || !t->options.broadcast || t->group != c->group)
        sim_fail(s, "there is a part %s, but no such broadcast", id);
    if (strcmp(c->verb, "assign") != 0 && strcmp(c->verb, "fire") != 0)
        sim_fail(s, "%s made a part %s", c->verb, id);
    if (life == NULL)
        sim_fail(s, "the part %s is for nobody: %s", id, rec->worker);
    struct sim_task *part = calloc(1, sizeof(*part));
    check(part != NULL);
    snprintf(part->id, sizeof(part->id), "%s", id);
    part->group = t->group;
    part->function = t->function;
    part->cronline = t->cronline;
    part->timezone = t->timezone;
    part->options = t->options;
    part->options.broadcast = 0;
    part->options.prevent_drift = 0; /* of the whole, not of one's retries */
    part->repeats = 1;
    part->of = t;
    part->caster = life;
    part->exists = part->acked = 1;
    part->made = s->n_calls;
    part->begin_ms = part->changed_ms = sim_redis_ms(s);
    part->rec = (struct task_state){.status = "QUEUED", .ticket = "0 -"};
    memcpy(part->rec.worker, rec->worker, sizeof(rec->worker));
    part->rec.next_ms = part->begin_ms;
    part->next_part = s->parts;
    s->parts = part;
    return part;
}

/* As what it ended, by who did it. */
static const char *part_outcome(struct sim *s, const struct sim_call_view *c,
                                struct sim_task *part)
{
    int is_held = sim_is_held(&part->rec);
    int is_stopping = strstr(part->text, " stopping=") != NULL;
    if (strcmp(c->verb, "report") == 0 && part->judged != NULL) {
        const char *status = part->judged;
        part->was_stopping = is_stopping;
        part->judged = NULL;
        sim_judge_report(s, part, &part->rec, status, 1);
        return status;
    }
    if (strcmp(c->verb, "recover") == 0)
        return "LOST";
    if (strcmp(c->verb, "stop_task") == 0 && !is_held)
        return "STOPPED";
    if (strcmp(c->verb, "heartbeat") == 0 && !is_held &&
        part->caster->rests[c->group])
        return "STOPPED";
    if ((strcmp(c->verb, "heartbeat") == 0 ||
         strcmp(c->verb, "release") == 0) && is_held && is_stopping)
        return "STOPPED";
    if (strcmp(c->verb, "assign") == 0 && !is_held &&
        strcmp(c->argv[0], part->caster->worker.name) == 0 &&
        (part->caster->dead ||
         !config_find(&part->caster->config, part->function,
                      strlen(part->function))))
        return "SKIPPED";
    sim_fail(s, "%s ended the part %s, which was %s", c->verb, part->id,
             part->rec.status);
}

void sim_cast_gone(struct sim *s, const struct sim_call_view *c,
                   struct sim_task *part)
{
    const char *outcome = part_outcome(s, c, part);
    struct sim_task *t = part->of;
    if (sim_is_held(&part->rec))
        sim_check_fate(s, c, part, &part->rec);
    sim_trace(s, "the part %s ended %s", part->id, outcome);
    part->pruned = 1;
    part->ended = outcome;
    t->n_open--;
    if (strcmp(outcome, "SKIPPED") == 0)
        return;
    t->n_ran++;
    t->n_lines++;
    if (strcmp(outcome, "COMPLETED") != 0)
        t->n_bad++;
}

/* ---- The broadcast ------------------------------------------------------ */

static int64_t cast_field(const struct sim_task *t, const char *key)
{
    const char *at = strstr(t->text, key);
    return at != NULL ? strtoll(at + strlen(key), NULL, 10) : 0;
}

/* The part it has for a worker by the call under way; NULL: none. */
static struct sim_task *cast_part_for(struct sim *s, const struct sim_task *t,
                                      const struct sim_life *life)
{
    struct sim_task *found = NULL;
    for (struct sim_task *p = s->parts; p != NULL; p = p->next_part) {
        if (p->of != t || p->made != s->n_calls || p->caster != life)
            continue;
        if (found != NULL)
            sim_fail(s, "%s has two parts for %s", t->id, life->worker.name);
        found = p;
    }
    return found;
}

static void cast_fired(struct sim *s, const struct sim_call_view *c,
                       struct sim_task *t)
{
    int64_t now_ms = sim_redis_ms(s);
    if (strcmp(c->verb, "assign") != 0 && strcmp(c->verb, "fire") != 0)
        sim_fail(s, "%s fired %s", c->verb, t->id);
    if (t->rec.fence <= t->fence && !t->is_reborn)
        sim_fail(s, "the fence of %s went from %" PRIu64 " to %" PRIu64,
                 t->id, t->fence, t->rec.fence);
    if (t->before.next_ms > now_ms)
        sim_fail(s, "%s was fired %" PRId64 " ms before it is due", t->id,
                 t->before.next_ms - now_ms);
    if (t->disabled || !sim_family_is_ready(t))
        sim_fail(s, "%s was fired, but is %s", t->id,
                 t->disabled ? "disabled" : "waiting");
    if (t->expire_ms != 0 && t->expire_ms < now_ms)
        sim_fail(s, "%s was fired after its stop_time", t->id);
    t->fence = t->rec.fence;
    t->n_parts = t->n_ran = t->n_bad = 0;
    for (struct sim_life *l = s->lives; l != NULL; l = l->next) {
        int is_due = l->lease_ms[c->group] != 0 &&
                     l->lease_ms[c->group] >= now_ms && !l->rests[c->group];
        const struct sim_task *part = cast_part_for(s, t, l);
        if (is_due != (part != NULL))
            sim_fail(s, "%s was fired, and %s has %s part of it", t->id,
                     l->worker.name, part != NULL ? "a" : "no");
        t->n_parts += part != NULL;
    }
    t->n_open = t->n_parts;
    if (t->n_parts == 0)
        sim_fail(s, "%s was fired for nobody", t->id);
}

/* Its last part has ended. */
static void cast_ended(struct sim *s, const struct sim_call_view *c,
                       struct sim_task *t)
{
    int is_stopped = t->was_stopping || strcmp(c->verb, "stop_task") == 0;
    const char *status = is_stopped                      ? "STOPPED"
                         : t->n_ran == 0 || t->n_bad > 0 ? "FAILED"
                                                         : "COMPLETED";
    if (strcmp(status, "COMPLETED") == 0)
        sim_judge_report(s, t, &t->before, status, 0);
    else if (strcmp(status, t->rec.status) != 0)
        sim_fail(s, "of %s ran %d parts, %d of them badly: it is %s, but "
                 "should be %s", t->id, t->n_ran, t->n_bad, t->rec.status,
                 status);
}

static void cast_look(struct sim *s, const struct sim_call_view *c,
                      struct sim_task *t)
{
    int runs = strcmp(t->rec.status, "RUNNING") == 0;
    if (t->changed == s->n_calls) {
        int ran = strcmp(t->before.status, "RUNNING") == 0;
        if (runs && !ran)
            cast_fired(s, c, t);
        else if (ran && !runs && t->n_open > 0)
            sim_fail(s, "%s has %d parts that go on, but is %s", t->id,
                     t->n_open, t->rec.status);
        else if (ran && !runs)
            cast_ended(s, c, t);
        sim_check_counters(s, c, t);
    }
    if (!runs)
        return;
    if (t->n_open == 0)
        sim_fail(s, "all parts of %s have ended, but it goes on", t->id);
    if (t->rec.open != t->n_open || t->rec.parts != t->n_parts ||
        cast_field(t, " ran=") != t->n_ran ||
        cast_field(t, " bad=") != t->n_bad)
        sim_fail(s, "%s: %d of %d parts go on, %d ran, %d badly; it says: %s",
                 t->id, t->n_open, t->n_parts, t->n_ran, t->n_bad, t->text);
}

void sim_cast_look(struct sim *s, const struct sim_call_view *c)
{
    for (int i = 0; i < s->n_tasks; i++) {
        struct sim_task *t = &s->tasks[i];
        if (t->group == c->group && t->options.broadcast && t->exists)
            cast_look(s, c, t);
    }
}

/* ---- The end ------------------------------------------------------------ */

/* All runs of its parts are on record, unless it was pruned. */
static void cast_end_lines(struct sim *s, const struct sim_task *t)
{
    redisReply *task = sim_redis_ask(s, "HGET {stint:%s}:task %s",
                                     sim_groups[t->group], t->id);
    redisReply *r = sim_redis_ask(s, "LLEN {stint:%s}:run:%s",
                                  sim_groups[t->group], t->id);
    int is_kept = task->type == REDIS_REPLY_STRING &&
                  strcmp(task->str, "-") != 0;
    if (r->type != REDIS_REPLY_INTEGER ||
        r->integer != (is_kept ? t->n_lines : 0))
        sim_fail(s, "%s has %lld runs on record, but had %" PRId64, t->id,
                 r->integer, t->n_lines);
    sim_redis_free(s, task);
    sim_redis_free(s, r);
}

void sim_cast_end(struct sim *s)
{
    sim_check_empty(s, "{stint:*}:cast:*");
    sim_check_empty(s, "{stint:*}:casting");
    for (const struct sim_task *p = s->parts; p != NULL; p = p->next_part)
        if (!p->pruned)
            sim_fail(s, "all have left, but the part %s is %s", p->id,
                     p->rec.status);
    for (int i = 0; i < s->n_tasks; i++) {
        const struct sim_task *t = &s->tasks[i];
        if (t->options.broadcast && t->exists && !t->pruned &&
            !t->options.discard_results)
            cast_end_lines(s, t);
    }
}
