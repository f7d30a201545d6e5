/* SPDX-License-Identifier: MIT */
#include "snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more of `size` bytes; NULL: out of memory. */
static void *room_for(void **at, size_t n, size_t size)
{
    /* Doubled whenever n is a power of two. */
    if ((n & (n - 1)) == 0) {
        void *more = realloc(*at, (n > 0 ? 2 * n : 1) * size);
        if (more == NULL)
            return NULL;
        *at = more;
    }
    void *one = (char *)*at + n * size;
    memset(one, 0, size);
    return one;
}

static struct snapshot_group *group_find(const struct snapshot *s,
                                         const char *name, size_t *index)
{
    for (size_t i = s->n_groups; i > 0; i--)
        if (strcmp(s->groups[i - 1].name, name) == 0) {
            *index = i - 1;
            return &s->groups[i - 1];
        }
    return NULL;
}

static int see_stats(const struct stint_stats *t, void *arg)
{
    struct snapshot *s = arg;
    struct snapshot_group *g =
        room_for((void **)&s->groups, s->n_groups, sizeof(*g));
    if (g == NULL)
        return s->failed = 1;
    s->n_groups++;
    snprintf(g->name, sizeof(g->name), "%s", t->group);
    g->stats = *t;
    g->stats.group = NULL; /* the array may move */
    return 0;
}

static int see_rate(const struct stint_rate *r, void *arg)
{
    size_t i;
    struct snapshot_group *g = group_find(arg, r->group_name, &i);
    if (g != NULL) {
        g->rate = *r;
        g->rate.group_name = NULL;
    }
    return 0;
}

static void measure_copy(struct snapshot_measure *to,
                         const struct stint_measure *m, size_t group)
{
    size_t n;
    stint_measure_bounds(&n);
    n = n + 1 < SNAPSHOT_BUCKETS ? n + 1 : SNAPSHOT_BUCKETS;
    snprintf(to->function, sizeof(to->function), "%s", m->function);
    to->group = group;
    to->ended[0] = m->completed;
    to->ended[1] = m->failed;
    to->ended[2] = m->timeout;
    to->ended[3] = m->stopped;
    to->ended[4] = m->lost;
    to->queue_sum_s = m->queue_time.sum_s;
    to->run_sum_s = m->run_time.sum_s;
    memcpy(to->queue, m->queue_buckets, n * sizeof(*to->queue));
    memcpy(to->run, m->run_buckets, n * sizeof(*to->run));
}

static int see_measure(const struct stint_measure *m, void *arg)
{
    struct snapshot *s = arg;
    size_t i;
    struct snapshot_group *g = group_find(s, m->group_name, &i);
    if (g == NULL)
        return 0;
    if (m->function[0] == '\0') {
        measure_copy(&g->in_all, m, i);
        g->has_measure = 1;
    } else if (s->n_functions >= SNAPSHOT_FUNCTIONS_MAX) {
        s->n_functions_left++;
    } else {
        struct snapshot_measure *one =
            room_for((void **)&s->functions, s->n_functions, sizeof(*one));
        if (one == NULL)
            return s->failed = 1;
        s->n_functions++;
        measure_copy(one, m, i);
    }
    return 0;
}

static int see_worker(const struct stint_worker_status *w, void *arg)
{
    struct snapshot *s = arg;
    struct snapshot_worker *one =
        room_for((void **)&s->workers, s->n_workers, sizeof(*one));
    if (one == NULL)
        return s->failed = 1;
    s->n_workers++;
    snprintf(one->status, sizeof(one->status), "%s", w->status);
    one->is = *w;
    one->name = strdup(w->name);
    one->host = strdup(w->host);
    one->groups = strdup(w->groups);
    one->functions = strdup(w->functions);
    if (one->name == NULL || one->host == NULL || one->groups == NULL ||
        one->functions == NULL)
        return s->failed = 1;
    return 0;
}

int snapshot_take(struct snapshot *to, stint *s, unsigned what,
                  struct stint_err *err)
{
    int rc = stint_stats(s, to->only, see_stats, to, err);
    if (rc == 0 && what & SNAPSHOT_RATES)
        rc = stint_rates(s, to->only, see_rate, to, err);
    if (rc == 0 && what & SNAPSHOT_MEASURES)
        rc = stint_measures(s, to->only, see_measure, to, err);
    if (rc == 0 && what & SNAPSHOT_WORKERS)
        rc = stint_workers(s, see_worker, to, err);
    if (rc == 0 && to->failed) {
        err->code = STINT_NOMEM;
        snprintf(err->text, sizeof(err->text), "out of memory");
        rc = -1;
    }
    return rc;
}

void snapshot_close(struct snapshot *s)
{
    for (size_t i = 0; i < s->n_workers; i++) {
        free(s->workers[i].name);
        free(s->workers[i].host);
        free(s->workers[i].groups);
        free(s->workers[i].functions);
    }
    free(s->workers);
    free(s->functions);
    free(s->groups);
}

int snapshot_lists(const char *names, const char *name)
{
    size_t len = strlen(name);
    for (const char *p = names; (p = strstr(p, name)) != NULL; p++)
        if ((p == names || p[-1] == ',') && (p[len] == '\0' || p[len] == ','))
            return 1;
    return 0;
}
