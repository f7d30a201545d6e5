/* SPDX-License-Identifier: MIT */
/* Redis comes back with older data: after a power cut with appendfsync everysec,
 * or as a replica that lagged behind. What Redis holds is a twin taken some
 * time before; so is what the model knows of Redis. What happened in the world
 * is not taken back: runs that ran, answers that clients have.
 *
 * What holds at level 1 all the same, and is looked at by the other checks: the
 * older data is whole, nothing sticks, each fence that is given is higher than
 * all that ever were (unless the clock went back, too), a run whose assignment
 * is forgotten is given up or answered STALE, and all tasks that are there come
 * to their end. A task whose queueing is forgotten though it was acknowledged
 * is lost: that is what level 2 is for. */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "sim.h"

#define MOMENTS 4

struct moment_run {
    struct sim_run *run;
    enum sim_fate fate;
};

struct moment_part {
    struct sim_task *part;
    struct sim_task was;
};

struct moment_life {
    struct sim_life *life;
    int64_t lease_ms[SIM_GROUPS];
    int rests[SIM_GROUPS];
};

struct sim_moment {
    int64_t at_ms; /* mono */
    struct keyspace keys;
    int64_t leader_until_ms;
    struct sim_task tasks[SIM_TASKS_MAX];
    int n_ended[SIM_GROUPS][5];
    struct moment_run *runs; /* owned, as the next two */
    struct moment_part *parts;
    struct moment_life *lives;
    size_t n_runs, n_parts, n_lives;
};

static void moment_close(struct sim_moment *m)
{
    if (m == NULL)
        return;
    keyspace_close(&m->keys);
    free(m->runs);
    free(m->parts);
    free(m->lives);
    free(m);
}

static void *moment_array(size_t n, size_t size)
{
    void *p = calloc(n + 1, size);
    check(p != NULL);
    return p;
}

static struct sim_moment *moment_new(struct sim *s)
{
    struct sim_moment *m = moment_array(1, sizeof(*m));
    m->at_ms = s->now_ms;
    keyspace_copy(&m->keys, &s->server->m->keys);
    m->leader_until_ms = s->leader_until_ms;
    memcpy(m->tasks, s->tasks, sizeof(m->tasks));
    memcpy(m->n_ended, s->n_ended, sizeof(m->n_ended));
    for (struct sim_run *r = s->runs; r != NULL; r = r->next)
        m->n_runs++;
    for (struct sim_task *p = s->parts; p != NULL; p = p->next_part)
        m->n_parts++;
    for (struct sim_life *l = s->lives; l != NULL; l = l->next)
        m->n_lives++;
    m->runs = moment_array(m->n_runs, sizeof(*m->runs));
    m->parts = moment_array(m->n_parts, sizeof(*m->parts));
    m->lives = moment_array(m->n_lives, sizeof(*m->lives));
    size_t i = 0;
    for (struct sim_run *r = s->runs; r != NULL; r = r->next)
        m->runs[i++] = (struct moment_run){r, r->fate};
    i = 0;
    for (struct sim_task *p = s->parts; p != NULL; p = p->next_part)
        m->parts[i++] = (struct moment_part){p, *p};
    i = 0;
    for (struct sim_life *l = s->lives; l != NULL; l = l->next, i++) {
        m->lives[i].life = l;
        memcpy(m->lives[i].lease_ms, l->lease_ms, sizeof(l->lease_ms));
        memcpy(m->lives[i].rests, l->rests, sizeof(l->rests));
    }
    return m;
}

/* ---- Going back ---------------------------------------------------------- */

/* Redis's part of what is known of a task; fences only grow. */
static void back_task(struct sim *s, struct sim_task *t,
                      const struct sim_task *was)
{
    uint64_t fence = t->fence;
    int is_acked = t->acked, is_known = t->acked || t->deleted;
    *t = *was;
    t->fence = fence;
    if (t->exists)
        t->acked |= is_acked;
    else if (is_known) {
        sim_trace(s, "%s is forgotten", t->id);
        t->deleted = 1; /* nobody will queue it again */
        t->acked = 0;
        sim_family_ended(s, t, "DELETED");
    }
}

static void back_runs(struct sim *s, const struct sim_moment *m)
{
    for (struct sim_run *r = s->runs; r != NULL; r = r->next)
        r->fate = FATE_FORGOTTEN;
    for (size_t i = 0; i < m->n_runs; i++)
        m->runs[i].run->fate = m->runs[i].fate;
}

static void back_lives(struct sim *s, const struct sim_moment *m)
{
    for (struct sim_life *l = s->lives; l != NULL; l = l->next) {
        memset(l->lease_ms, 0, sizeof(l->lease_ms));
        memset(l->rests, 0, sizeof(l->rests));
    }
    for (size_t i = 0; i < m->n_lives; i++) {
        struct sim_life *l = m->lives[i].life;
        memcpy(l->lease_ms, m->lives[i].lease_ms, sizeof(l->lease_ms));
        memcpy(l->rests, m->lives[i].rests, sizeof(l->rests));
    }
}

static void moment_restore(struct sim *s, const struct sim_moment *m)
{
    struct memory *server = s->server->m;
    sim_trace(s, "Redis goes back by %" PRId64 " ms", s->now_ms - m->at_ms);
    keyspace_close(&server->keys);
    keyspace_copy(&server->keys, &m->keys);
    server->is_pushed = 1;
    s->leader_until_ms = m->leader_until_ms;
    s->back_at_ms = s->now_ms;
    memcpy(s->n_ended, m->n_ended, sizeof(m->n_ended));
    back_runs(s, m);
    for (struct sim_task *p = s->parts; p != NULL; p = p->next_part)
        p->pruned = 1;
    for (size_t i = 0; i < m->n_parts; i++)
        *m->parts[i].part = m->parts[i].was;
    for (int i = 0; i < s->n_tasks; i++)
        back_task(s, &s->tasks[i], &m->tasks[i]);
    back_lives(s, m);
}

void sim_rollback_note(struct sim *s)
{
    check(s->n_moments <= MOMENTS);
    if (s->n_moments == MOMENTS) {
        moment_close(s->moments[0]);
        memmove(&s->moments[0], &s->moments[1],
                (MOMENTS - 1) * sizeof(s->moments[0]));
        s->n_moments--;
    }
    s->moments[s->n_moments++] = moment_new(s);
}

void sim_rollback(struct sim *s, int to_newest)
{
    static_assert(MOMENTS == sizeof(s->moments) / sizeof(s->moments[0]),
                  "as sim.h says");
    if (s->n_moments == 0)
        return;
    int at = to_newest ? s->n_moments - 1
                       : (int)sim_random(s, (uint64_t)s->n_moments);
    moment_restore(s, s->moments[at]);
    while (s->n_moments > at + 1) /* these never were */
        moment_close(s->moments[--s->n_moments]);
}

void sim_rollback_end(struct sim *s)
{
    while (s->n_moments > 0)
        moment_close(s->moments[--s->n_moments]);
}
