/* SPDX-License-Identifier: MIT */
/* Tasks that depend on others. For each parent the model keeps whether it has
 * COMPLETED, and whether it has ended otherwise, since its child was queued or
 * already then. Within a group Redis must agree after every call; to the other
 * group the news may be under way. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "sim.h"

static void family_mark(struct sim_task *t, int i, const char *status)
{
    if (strcmp(status, "COMPLETED") == 0)
        t->met |= 1u << i;
    else
        t->broke |= 1u << i;
}

/* A new life begins: which of its parents have ended already? */
void sim_family_queued(struct sim *s, struct sim_task *t)
{
    (void)s;
    t->met = t->broke = t->vague = 0;
    for (int i = 0; i < t->n_parents; i++) {
        const struct sim_task *p = t->parents[i];
        if (p->deleted)
            family_mark(t, i, "DELETED");
        else if (p->ended != NULL)
            family_mark(t, i, p->ended);
        /* Words about the parent's earlier life, for the earlier life of this
         * one, may be on their way. */
        if (t->is_reborn && p->group != t->group &&
            (p->is_reborn || p->is_requeued))
            t->vague |= 1u << i;
    }
}

void sim_family_ended(struct sim *s, const struct sim_task *p,
                      const char *status)
{
    for (int i = 0; i < s->n_tasks; i++) {
        struct sim_task *t = &s->tasks[i];
        for (int j = 0; j < t->n_parents; j++)
            if (t->parents[j] == p) {
                s->is_news_late |= s->is_leaving && t->group != p->group;
                if (t->exists)
                    family_mark(t, j, status);
            }
    }
}

void sim_family_again(struct sim *s, const struct sim_task *p)
{
    for (int i = 0; i < s->n_tasks; i++) {
        struct sim_task *t = &s->tasks[i];
        for (int j = 0; j < t->n_parents; j++)
            if (t->parents[j] == p && t->exists && t->group != p->group)
                t->vague |= 1u << j;
    }
}

/* Those it has to wait for still. */
static unsigned family_open(const struct sim_task *t)
{
    unsigned all = (1u << t->n_parents) - 1;
    return all & ~(t->anyway ? t->met | t->broke : t->met);
}

static int64_t bits(unsigned set)
{
    int64_t n = 0;
    for (; set != 0; set >>= 1)
        n += set & 1;
    return n;
}

int sim_family_is_ready(const struct sim_task *t)
{
    return (family_open(t) & ~t->vague) == 0;
}

/* ---- After a call ------------------------------------------------------- */

/* It failed for its parents: one of them did, and the task says so. */
static void family_failed(struct sim *s, const struct sim_call_view *c,
                          const struct sim_task *t)
{
    if (t->anyway || (t->broke | t->vague) == 0)
        sim_fail(s, "after %s %s is FAILED, but its parents have not", c->verb,
                 t->id);
    if (t->options.discard_results)
        return;
    redisReply *r = sim_redis_ask(s, "HGET %s:run %s", c->key, t->id);
    const char *text = r->type == REDIS_REPLY_STRING ? r->str : "";
    int names = 0;
    for (int i = 0; i < t->n_parents; i++) {
        char name[40];
        snprintf(name, sizeof(name), "%s/%s,",
                 sim_group_shown(t->parents[i]->group), t->parents[i]->id);
        names |= (t->broke | t->vague) & 1u << i && strstr(text, name) != NULL;
    }
    if (!names || strstr(text, "it depends on") == NULL)
        sim_fail(s, "%s is FAILED for a parent, but says: %s", t->id, text);
    sim_redis_free(s, r);
}

static void family_waits(struct sim *s, const struct sim_call_view *c,
                         const struct sim_task *t)
{
    int64_t open = bits(family_open(t) & ~t->vague);
    if (t->rec.waits < open)
        sim_fail(s, "after %s %s waits for %" PRId64 " tasks, but should for %"
                 PRId64, c->verb, t->id, t->rec.waits, open);
    if (t->is_foreign)
        return; /* the news may be under way */
    if (t->rec.waits != open)
        sim_fail(s, "after %s %s waits for %" PRId64 " tasks, but %" PRId64
                 " of its parents have not ended", c->verb, t->id,
                 t->rec.waits, open);
    if (!t->anyway && (t->broke & ~t->met) != 0)
        sim_fail(s, "after %s a parent of %s has failed, but it waits",
                 c->verb, t->id);
}

void sim_family_look(struct sim *s, const struct sim_call_view *c)
{
    for (int i = 0; i < s->n_tasks; i++) {
        const struct sim_task *t = &s->tasks[i];
        if (t->group != c->group || t->n_parents == 0 || !t->exists)
            continue;
        int has_waited = t->changed == s->n_calls &&
                         (t->before.waits > 0 || t->made == s->n_calls);
        int is_queued = strcmp(t->rec.status, "QUEUED") == 0;
        if (is_queued && t->rec.waits > 0)
            family_waits(s, c, t);
        else if (has_waited && is_queued && !sim_family_is_ready(t))
            sim_fail(s, "after %s %s does not wait for its parents any more",
                     c->verb, t->id);
        else if (has_waited && strcmp(t->rec.status, "FAILED") == 0)
            family_failed(s, c, t);
    }
}

/* ---- The end ------------------------------------------------------------ */

/* A parent that rests, and will not end, keeps its children waiting. */
int sim_family_is_settled(const struct sim *s, const struct sim_task *t)
{
    if (t->rec.waits == 0)
        return 0;
    for (int i = 0; i < t->n_parents; i++)
        if ((family_open(t) | t->vague) & 1u << i && t->parents[i]->exists &&
            t->parents[i]->ended == NULL &&
            sim_check_is_settled(s, t->parents[i]))
            return 1;
    return 0;
}

static struct sim_task *family_of_key(struct sim *s, const char *key)
{
    const char *id = strrchr(key, ':');
    return id != NULL ? sim_task_find(s, id + 1) : NULL;
}

static void family_end_parents(struct sim *s)
{
    redisReply *r = sim_redis_ask(s, "KEYS {stint:*}:parents:*");
    for (size_t i = 0; i < reply_n(r); i++) {
        const char *key = r->element[i]->str;
        const struct sim_task *t = family_of_key(s, key);
        if (t == NULL || !t->exists || t->rec.waits == 0 || t->ended != NULL)
            sim_fail(s, "all have left, but there is %s", key);
    }
    sim_redis_free(s, r);
}

/* Whoever has children is there, and has told them if it has ended. */
static void family_end_children(struct sim *s)
{
    redisReply *r = sim_redis_ask(s, "KEYS {stint:*}:children:*");
    for (size_t i = 0; i < reply_n(r); i++) {
        const char *key = r->element[i]->str;
        const struct sim_task *t = family_of_key(s, key);
        if (t == NULL || !t->exists || t->pruned ||
            strstr(t->text, " kids=1") == NULL)
            sim_fail(s, "all have left, but there is %s", key);
        if (t->ended == NULL)
            continue;
        redisReply *task = sim_redis_ask(s, "HGET {stint:%s}:task %s",
                                         sim_groups[t->group], t->id);
        if (task->type != REDIS_REPLY_STRING || strcmp(task->str, "-") == 0)
            sim_fail(s, "%s was pruned, but there is %s", t->id, key);
        sim_redis_free(s, task);
        redisReply *n = sim_redis_ask(s, "ZCOUNT %s 0 0", key);
        if (n->type != REDIS_REPLY_INTEGER || n->integer != 0)
            sim_fail(s, "%s has ended, but not told its children", t->id);
        sim_redis_free(s, n);
    }
    sim_redis_free(s, r);
}

void sim_family_end(struct sim *s)
{
    if (!s->is_news_late)
        sim_check_empty(s, "{stint:*}:messages");
    sim_check_empty(s, "{stint:*}:endings");
    family_end_parents(s);
    family_end_children(s);
    for (int i = 0; i < s->n_tasks; i++) {
        const struct sim_task *t = &s->tasks[i];
        int waits = t->exists && t->ended == NULL && t->rec.waits > 0;
        if (waits && !s->is_news_late &&
            (t->rec.waits < bits(family_open(t) & ~t->vague) ||
             t->rec.waits > bits(family_open(t) | t->vague)))
            sim_fail(s, "all have left, but %s waits for %" PRId64
                     " tasks: %s", t->id, t->rec.waits, t->text);
    }
}
