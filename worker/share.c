/* SPDX-License-Identifier: MIT */
/* Which groups the free slots of a worker are filled from: over time in
 * proportion to their weights, however many parts each has. An eighth of them
 * goes to the group with the most credit, which it pays back to the others, and
 * so on; the slots of a group go to one of its parts at a time, in turns: one
 * call that takes ten tasks costs Redis less than ten that take one. */
#include "worker.h"

#define TURNS 8 /* at so many groups the free slots go at once */

/* One assign may follow another under way, so that Redis is never idle: when
 * there is more than that takes, and room for a batch worth a call. */
static int group_follows(const struct worker_group *g, int slots)
{
    return g->flows && g->assigning == 1 && slots >= g->worker->follow_min &&
           !g->reconcile && !g->reconciling && g->has_lease;
}

int worker_group_wants(const struct worker_group *g, int slots)
{
    return g->stay == GROUP_SERVED &&
           ((g->hungry && worker_group_is_ready(g)) || group_follows(g, slots));
}

static int part_wants(const struct worker_group *g, int slots)
{
    return g->share < BATCH_TASKS_MAX && worker_group_wants(g, slots);
}

/* How many parts of each group want slots. */
static void parts_count(struct worker *w, int slots)
{
    for (int i = 0; i < w->n_groups; i++) {
        w->groups[i].share = 0;
        w->groups[i].hungry_parts = 0;
    }
    for (int i = 0; i < w->n_groups; i++)
        w->groups[i].head->hungry_parts += part_wants(&w->groups[i], slots);
}

/* The group whose turn it is to get n slots, by part 0. NULL: none wants any. */
static struct worker_group *group_next(struct worker *w, int n)
{
    struct worker_group *best = NULL;
    int total = 0;
    for (int i = 0; i < w->n_groups; i++) {
        struct worker_group *g = &w->groups[i];
        if (g->hungry_parts == 0)
            continue;
        g->credit += n * g->weight;
        total += n * g->weight;
        if (best == NULL || g->credit > best->credit)
            best = g;
    }
    if (best != NULL)
        best->credit -= total;
    return best;
}

/* The part of the group whose turn it is: the first that wants some, from
 * head->turn on. */
static struct worker_group *part_next(struct worker *w,
                                      struct worker_group *head, int slots)
{
    for (int i = 0; i < w->n_groups; i++) {
        struct worker_group *g = &w->groups[(head->turn + i) % w->n_groups];
        if (g->head != head || !part_wants(g, slots))
            continue;
        head->turn = (int)(g - w->groups);
        return g;
    }
    return NULL;
}

void worker_share(struct worker *w, int slots)
{
    const int all = slots, turn = all < TURNS ? 1 : all / TURNS;
    parts_count(w, all);
    while (slots > 0) {
        int n = turn < slots ? turn : slots;
        struct worker_group *head = group_next(w, n);
        struct worker_group *g =
            head != NULL ? part_next(w, head, all) : NULL;
        if (g == NULL)
            break;
        if (n > BATCH_TASKS_MAX - g->share)
            n = BATCH_TASKS_MAX - g->share;
        g->share += n;
        slots -= n;
        if (g->share == BATCH_TASKS_MAX)
            head->hungry_parts--;
    }
    for (int i = 0; i < w->n_groups; i++) /* the others' turn, next time */
        if (w->groups[i].share > 0)
            w->groups[i].head->turn = i + 1;
}
