/* SPDX-License-Identifier: MIT */
/* Queueing: what is done before and after tasks go out (flight.c): parents,
 * cronlines, promises about disks and replicas, news for other groups. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "client.h"
#include "clock.h"
#include "durability.h"
#include "err.h"
#include "flight.h"
#include "parents.h"
#include "part.h"
#include "parts.h"
#include "spool.h"
#include "status.h"
#include "task.h"

#define FRESH_MS 1000 /* a number of parts heard before is asked for again */

/* ---- Before and after --------------------------------------------------- */

/* The first runs of tasks with a cronline. */
static int queueing_cron(struct queueing *q, struct stint_err *err)
{
    int64_t now_ms = 0;
    for (size_t i = 0; i < q->n; i++) {
        if (q->tasks[i]->cronline == NULL)
            continue;
        if (now_ms == 0)
            now_ms = client_redis_now_ms(q->s, err);
        if (now_ms < 0 || task_cron_start(q->tasks[i], now_ms, err)) {
            q->is_refused = err->code == STINT_INVALID;
            q->bad = i;
            return -1;
        }
    }
    return 0;
}

static int groups_has(group_name *groups, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(groups[i], name) == 0)
            return 1;
    return 0;
}

/* Broadcasts are fired, and other groups told of children, at once; what goes
 * wrong here is done by a reaper a little later. */
static void queueing_nudge(struct queueing *q)
{
    group_name told[PARTS_MAX], fired[PARTS_MAX], base;
    size_t n_told = 0, n_fired = 0;
    for (size_t i = 0; i < q->done; i++) {
        const struct stint_task *t = q->tasks[i];
        parts_route(q->s, t->group, t->id, base);
        if (strstr(t->rules, "cast=1") != NULL && n_fired < PARTS_MAX &&
            !groups_has(fired, n_fired, base)) {
            struct stint_err why = {0};
            struct args a;
            args_init(&a);
            args_add_i64(&a, 10);
            client_reply_free(
                client_call(q->s, SCRIPT_FIRE, base, &a, &why));
            args_close(&a);
            memcpy(fired[n_fired++], base, sizeof(*fired));
        }
        if (parents_are_far(q->s, t) && n_told < PARTS_MAX &&
            !groups_has(told, n_told, base)) {
            parents_deliver(q->s, base);
            memcpy(told[n_told++], base, sizeof(*told));
        }
    }
}

static struct durability queueing_durability(const struct queueing *q)
{
    struct durability most = {1, 0};
    for (size_t i = 0; i < q->n; i++) {
        const struct durability *d = &q->tasks[i]->durability;
        most.level = d->level > most.level ? d->level : most.level;
        most.replicas =
            d->replicas > most.replicas ? d->replicas : most.replicas;
    }
    return most;
}

int queueing_direct(struct queueing *q, stint_progress_fn fn, void *arg,
                    struct stint_err *err)
{
    stint_task *const *given = q->tasks;
    stint_task **ordered = NULL;
    struct durability durability = queueing_durability(q);
    if (durability_check(q->s, &durability, err))
        return -1;
    if (parents_order(q->s, given, q->n, &ordered, &q->bad, err)) {
        q->is_refused = err->code == STINT_NOT_FOUND ||
                        err->code == STINT_INVALID;
        return -1;
    }
    if (ordered != NULL)
        q->tasks = ordered;
    int rc = queueing_cron(q, err);
    if (rc == 0)
        rc = queueing_run(q, fn, arg, err);
    queueing_nudge(q);
    if (rc == 0 && q->n > 0)
        rc = durability_wait(q->s, &durability, q->tasks[0]->group, err);
    if (ordered != NULL && rc != 0) {
        const stint_task *bad = ordered[q->bad];
        for (q->bad = 0; given[q->bad] != bad;)
            q->bad++;
    }
    q->tasks = given;
    free(ordered);
    return rc;
}

static int queueing_all(struct queueing *q, stint_progress_fn fn, void *arg,
                        struct stint_err *err)
{
    return q->s->spool != NULL ? spool_queue(q, fn, arg, err)
                               : queueing_direct(q, fn, arg, err);
}

int stint_queue_tasks(stint *s, stint_task *const *tasks, size_t n,
                      size_t *n_done, size_t *bad, stint_progress_fn fn,
                      void *arg, struct stint_err *err)
{
    struct queueing q = {.s = s, .tasks = tasks, .n = n};
    int rc = queueing_all(&q, fn, arg, err);
    if (n_done != NULL)
        *n_done = q.done;
    if (bad != NULL)
        *bad = q.bad;
    return rc;
}

int stint_queue_tasks_again(stint *s, stint_task *const *tasks, size_t n,
                            size_t *n_done, size_t *bad, stint_progress_fn fn,
                            void *arg, struct stint_err *err)
{
    struct queueing q = {.s = s, .tasks = tasks, .n = n, .again = 1};
    int rc = queueing_direct(&q, fn, arg, err);
    if (n_done != NULL)
        *n_done = q.done;
    if (bad != NULL)
        *bad = q.bad;
    return rc;
}

int queueing_one(struct stint *s, stint_task *t, struct stint_errors *errors,
                 struct stint_err *err)
{
    struct queueing q = {.s = s, .tasks = &t, .n = 1, .errors = errors};
    return queueing_all(&q, NULL, NULL, err);
}

int stint_queue_task(stint *s, const struct stint_task_options *o,
                     char id[STINT_ID_LEN + 1], struct stint_errors *errors,
                     struct stint_err *err)
{
    stint_task *t = stint_task_new(o, errors, err);
    if (t == NULL)
        return -1;
    int rc = queueing_one(s, t, errors, err);
    if (rc >= 0 && id != NULL)
        snprintf(id, STINT_ID_LEN + 1, "%s", t->id);
    stint_task_free(t);
    return rc;
}

/* What is known of the ids of one part: those with the others' flags stay as
 * they are. */
static int exist_part(stint *s, const char *group, int part,
                      const char *const *ids, size_t n, unsigned char *exists,
                      struct stint_err *err)
{
    const char *some[BATCH_TASKS_MAX];
    size_t which[BATCH_TASKS_MAX], k = 0;
    group_name base;
    int parts = parts_of(s, group);
    part_name(base, group, part);
    for (size_t i = 0; i < n; i++) {
        if (part_of_id(ids[i], parts) == part) {
            some[k] = ids[i];
            which[k++] = i;
        }
        if (k == 0 || (k < BATCH_TASKS_MAX && i + 1 < n))
            continue;
        struct redisReply *r = status_call(s, base, "1", some, k, err);
        if (r == NULL)
            return -1;
        for (size_t at = 0; at < k; at++) {
            size_t len;
            reply_str(r, 1 + 5 * at + 1, &len);
            exists[which[at]] = len > 0;
        }
        client_reply_free(r);
        k = 0;
    }
    return 0;
}

static int exist_all(stint *s, const char *group, const char *const *ids,
                     size_t n, unsigned char *exists, struct stint_err *err)
{
    for (int k = 0; k < parts_of(s, group); k++)
        if (exist_part(s, group, k, ids, n, exists, err))
            return -1;
    return 0;
}

int stint_ids_exist(stint *s, const char *group, const char *const *ids,
                    size_t n, unsigned char *exists, struct stint_err *err)
{
    group = group != NULL ? group : "main";
    if (exist_all(s, group, ids, n, exists, err))
        return -1;
    if (n == 0 || memchr(exists, 0, n) == NULL)
        return 0;
    const struct group_known *row = parts_row(s, group);
    if (row == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    int fresh = row->sure && clock_mono_ms() - row->heard_ms < FRESH_MS;
    int news = fresh ? 0 : parts_refresh(s, group, err);
    return news > 0 ? exist_all(s, group, ids, n, exists, err) : news;
}
