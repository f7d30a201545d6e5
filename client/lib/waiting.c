/* SPDX-License-Identifier: MIT */
/* Waiting for tasks to end. Redis is asked again and again, after ever longer
 * pauses; only for those that have not ended, and each in its own group once
 * that is known. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "clock.h"
#include "err.h"
#include "part.h"
#include "parts.h"
#include "status.h"

enum { WAIT_LOST = -1, WAIT_ENDED = -2 };

struct waiting {
    stint *s;
    const char *const *ids;
    size_t n, ended, not_completed;
    int *where; /* index of its group, or one of the above */
    unsigned short *slots; /* part_slot of each */
    group_name *groups;
    size_t n_groups;
};

static void wait_hear(struct waiting *w, size_t id, int group,
                      const struct redisReply *r, size_t at)
{
    struct task_state st;
    size_t len, task_len;
    const char *text = reply_str(r, at, &len);
    reply_str(r, at + 1, &task_len);
    if (task_len == 0 && w->where[id] == WAIT_LOST)
        return;
    w->where[id] = group;
    int broken = task_state_decode(&st, text, len);
    if (task_len != 0 && (broken || !status_has_ended(st.status)))
        return;
    if (task_len != 0 && strcmp(st.status, "COMPLETED") != 0)
        w->not_completed++;
    w->where[id] = WAIT_ENDED;
    w->ended++;
}

/* Asks one part of a group of `parts` for its ids that stand at `from`. */
static int wait_ask_part(struct waiting *w, int group, int part, int parts,
                         int from, struct stint_err *err)
{
    const char *ids[BATCH_TASKS_MAX];
    size_t which[BATCH_TASKS_MAX], n = 0;
    group_name base;
    part_name(base, w->groups[group], part);
    for (size_t i = 0; i < w->n; i++) {
        if (w->where[i] == from && w->slots[i] % parts == part) {
            ids[n] = w->ids[i];
            which[n++] = i;
        }
        if (n == 0 || (n < BATCH_TASKS_MAX && i + 1 < w->n))
            continue;
        struct redisReply *r = status_call(w->s, base, "1", ids, n, err);
        if (r == NULL)
            return -1;
        for (size_t k = 0; k < n; k++)
            wait_hear(w, which[k], group, r, 1 + 5 * k);
        client_reply_free(r);
        n = 0;
    }
    return 0;
}

/* Asks the group for all ids that stand at `from`. */
static int wait_ask(struct waiting *w, int group, int from,
                    struct stint_err *err)
{
    int parts = parts_of(w->s, w->groups[group]);
    for (int k = 0; k < parts; k++)
        if (wait_ask_part(w, group, k, parts, from, err))
            return -1;
    return 0;
}

static int wait_locate(struct waiting *w, struct stint_err *err)
{
    for (size_t g = 0; g < w->n_groups; g++)
        if (wait_ask(w, (int)g, WAIT_LOST, err))
            return -1;
    for (size_t i = 0; i < w->n; i++)
        if (w->where[i] == WAIT_LOST)
            return err_set(err, STINT_NOT_FOUND, "there is no task %.128s",
                           w->ids[i]);
    return 0;
}

static int wait_loop(struct waiting *w, double timeout_s, stint_progress_fn fn,
                     void *arg, struct stint_err *err)
{
    int64_t begin = clock_mono_ms(), pause = 5;
    if (wait_locate(w, err))
        return -1;
    for (;;) {
        if (fn != NULL)
            fn(w->ended, w->n, arg);
        if (w->ended == w->n)
            return 0;
        int64_t gone = clock_mono_ms() - begin;
        if (timeout_s >= 0 && (double)gone >= timeout_s * 1000)
            return err_set(err, STINT_TIMEOUT, "%zu of %zu have not ended",
                           w->n - w->ended, w->n);
        int64_t ms = pause;
        if (timeout_s >= 0 && (double)ms > timeout_s * 1000 - (double)gone)
            ms = (int64_t)(timeout_s * 1000 - (double)gone) + 1;
        client_sleep(w->s, ms);
        pause = pause * 3 / 2 > 250 ? 250 : pause * 3 / 2;
        for (size_t g = 0; g < w->n_groups; g++)
            if (wait_ask(w, (int)g, (int)g, err))
                return -1;
    }
}

int stint_wait(stint *s, const char *group, const char *const *ids, size_t n,
               double timeout_s, stint_progress_fn fn, void *arg,
               size_t *n_not_completed, struct stint_err *err)
{
    struct waiting w = {.s = s, .ids = ids, .n = n};
    int rc = -1;
    if (client_memory(s) != NULL)
        timeout_s = 0; /* nothing happens there while we wait */
    w.groups = client_groups_wanted(s, group, &w.n_groups, err);
    w.where = calloc(n + 1, sizeof(*w.where));
    w.slots = calloc(n + 1, sizeof(*w.slots));
    for (size_t i = 0; w.where != NULL && w.slots != NULL && i < n; i++) {
        w.where[i] = WAIT_LOST;
        w.slots[i] = (unsigned short)part_slot(ids[i]);
    }
    if (w.where == NULL || w.slots == NULL)
        err_set(err, STINT_NOMEM, "out of memory");
    else if (w.groups != NULL)
        rc = wait_loop(&w, timeout_s, fn, arg, err);
    if (n_not_completed != NULL)
        *n_not_completed = w.not_completed;
    free(w.groups);
    free(w.where);
    free(w.slots);
    return rc;
}
