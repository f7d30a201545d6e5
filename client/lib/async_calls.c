/* SPDX-License-Identifier: MIT */
/* The usual calls: each keeps copies of its arguments until it is done, and
 * hands on what came of it. */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "flight.h"

/* A copy of ids and of the group's name, in one piece; free() it. NULL: out of
 * memory. */
struct names {
    const char *group; /* NULL: none */
    size_t n;
    const char *ids[];
};

static struct names *names_copy(const char *group, const char *const *ids,
                                size_t n)
{
    size_t bytes = sizeof(struct names) + n * sizeof(char *);
    size_t group_len = group != NULL ? strlen(group) + 1 : 0;
    bytes += group_len;
    for (size_t i = 0; i < n; i++)
        bytes += strlen(ids[i]) + 1;
    struct names *names = malloc(bytes);
    if (names == NULL)
        return NULL;
    char *to = (char *)&names->ids[n];
    names->group = group != NULL ? memcpy(to, group, group_len) : NULL;
    names->n = n;
    to += group_len;
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(ids[i]) + 1;
        names->ids[i] = memcpy(to, ids[i], len);
        to += len;
    }
    return names;
}

/* ---- Queueing ----------------------------------------------------------- */

struct queue_one {
    stint_task *task; /* owned */
    struct stint_errors errors;
    stint_async_queued_fn done;
    void *arg;
};

static int queue_one_work(stint *s, void *arg, struct stint_err *err)
{
    struct queue_one *q = arg;
    return queueing_one(s, q->task, &q->errors, err);
}

static void queue_one_free(struct queue_one *q)
{
    stint_task_free(q->task);
    free(q);
}

static void queue_one_done(int rc, const struct stint_err *err, void *arg)
{
    struct queue_one *q = arg;
    if (q->done != NULL)
        q->done(rc, q->task->id, &q->errors, err, q->arg);
    queue_one_free(q);
}

int stint_async_queue_task(stint_async *a, const struct stint_task_options *o,
                           struct stint_errors *errors,
                           stint_async_queued_fn done, void *arg,
                           stint_call **call, struct stint_err *err)
{
    stint_task *t = stint_task_new(o, errors, err);
    if (t == NULL)
        return -1;
    struct queue_one *q = malloc(sizeof(*q));
    if (q == NULL) {
        stint_task_free(t);
        return err_set(err, STINT_NOMEM, "out of memory");
    }
    *q = (struct queue_one){.task = t, .done = done, .arg = arg};
    int rc = stint_async_call(a, queue_one_work, queue_one_done, q, call, err);
    if (rc)
        queue_one_free(q);
    return rc;
}

struct queue_many {
    stint_task *const *tasks; /* borrowed */
    size_t n, n_done, bad;
    stint_async_tasks_queued_fn done;
    void *arg;
};

static int queue_many_work(stint *s, void *arg, struct stint_err *err)
{
    struct queue_many *q = arg;
    return stint_queue_tasks(s, q->tasks, q->n, &q->n_done, &q->bad, NULL,
                             NULL, err);
}

static void queue_many_done(int rc, const struct stint_err *err, void *arg)
{
    struct queue_many *q = arg;
    if (q->done != NULL)
        q->done(rc, q->n_done, q->bad, err, q->arg);
    free(q);
}

int stint_async_queue_tasks(stint_async *a, stint_task *const *tasks, size_t n,
                            stint_async_tasks_queued_fn done, void *arg,
                            stint_call **call, struct stint_err *err)
{
    struct queue_many *q = malloc(sizeof(*q));
    if (q == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    *q = (struct queue_many){
        .tasks = tasks, .n = n, .done = done, .arg = arg};
    int rc =
        stint_async_call(a, queue_many_work, queue_many_done, q, call, err);
    if (rc)
        free(q);
    return rc;
}

/* ---- Looking ------------------------------------------------------------ */

struct look {
    struct names *names; /* owned */
    unsigned flags;
    struct stint_status *status; /* found */
    stint_async_status_fn done;
    void *arg;
};

static int look_work(stint *s, void *arg, struct stint_err *err)
{
    struct look *l = arg;
    l->status = stint_task_status(s, l->names->group, l->names->ids[0],
                                  l->flags, err);
    return l->status != NULL ? 0 : -1;
}

static void look_free(struct look *l)
{
    free(l->names);
    free(l);
}

static void look_done(int rc, const struct stint_err *err, void *arg)
{
    struct look *l = arg;
    (void)rc;
    if (l->done != NULL)
        l->done(l->status, err, l->arg);
    else
        stint_status_free(l->status);
    look_free(l);
}

int stint_async_task_status(stint_async *a, const char *group, const char *id,
                            unsigned flags, stint_async_status_fn done,
                            void *arg, stint_call **call,
                            struct stint_err *err)
{
    struct names *names = names_copy(group, &id, 1);
    struct look *l = names != NULL ? malloc(sizeof(*l)) : NULL;
    if (l == NULL) {
        free(names);
        return err_set(err, STINT_NOMEM, "out of memory");
    }
    *l = (struct look){
        .names = names, .flags = flags, .done = done, .arg = arg};
    int rc = stint_async_call(a, look_work, look_done, l, call, err);
    if (rc)
        look_free(l);
    return rc;
}

/* ---- Waiting ------------------------------------------------------------ */

struct await {
    struct names *names; /* owned */
    double timeout_s;
    size_t n_not_completed;
    stint_async_waited_fn done;
    void *arg;
};

static int await_work(stint *s, void *arg, struct stint_err *err)
{
    struct await *w = arg;
    return stint_wait(s, w->names->group, w->names->ids, w->names->n,
                      w->timeout_s, NULL, NULL, &w->n_not_completed, err);
}

static void await_free(struct await *w)
{
    free(w->names);
    free(w);
}

static void await_done(int rc, const struct stint_err *err, void *arg)
{
    struct await *w = arg;
    if (w->done != NULL)
        w->done(rc, w->n_not_completed, err, w->arg);
    await_free(w);
}

int stint_async_wait(stint_async *a, const char *group, const char *const *ids,
                     size_t n, double timeout_s, stint_async_waited_fn done,
                     void *arg, stint_call **call, struct stint_err *err)
{
    struct names *names = names_copy(group, ids, n);
    struct await *w = names != NULL ? malloc(sizeof(*w)) : NULL;
    if (w == NULL) {
        free(names);
        return err_set(err, STINT_NOMEM, "out of memory");
    }
    *w = (struct await){
        .names = names, .timeout_s = timeout_s, .done = done, .arg = arg};
    int rc = stint_async_call(a, await_work, await_done, w, call, err);
    if (rc)
        await_free(w);
    return rc;
}

/* ---- Changing ----------------------------------------------------------- */

typedef int (*change_fn)(stint *s, const char *group, const char *id,
                         struct stint_err *err);

struct change {
    struct names *names; /* owned */
    change_fn fn;
    stint_done_fn done;
    void *arg;
};

static int change_work(stint *s, void *arg, struct stint_err *err)
{
    struct change *c = arg;
    return c->fn(s, c->names->group, c->names->ids[0], err);
}

static void change_free(struct change *c)
{
    free(c->names);
    free(c);
}

static void change_done(int rc, const struct stint_err *err, void *arg)
{
    struct change *c = arg;
    if (c->done != NULL)
        c->done(rc, err, c->arg);
    change_free(c);
}

static int change_call(stint_async *a, change_fn fn, const char *group,
                       const char *id, stint_done_fn done, void *arg,
                       stint_call **call, struct stint_err *err)
{
    struct names *names = names_copy(group, &id, 1);
    struct change *c = names != NULL ? malloc(sizeof(*c)) : NULL;
    if (c == NULL) {
        free(names);
        return err_set(err, STINT_NOMEM, "out of memory");
    }
    *c = (struct change){.names = names, .fn = fn, .done = done, .arg = arg};
    int rc = stint_async_call(a, change_work, change_done, c, call, err);
    if (rc)
        change_free(c);
    return rc;
}

int stint_async_stop_task(stint_async *a, const char *group, const char *id,
                          stint_done_fn done, void *arg, stint_call **call,
                          struct stint_err *err)
{
    return change_call(a, stint_stop_task, group, id, done, arg, call, err);
}

static int requeue_anew(stint *s, const char *group, const char *id,
                        struct stint_err *err)
{
    return stint_requeue_task(s, group, id, 1, err);
}

static int requeue_on(stint *s, const char *group, const char *id,
                      struct stint_err *err)
{
    return stint_requeue_task(s, group, id, 0, err);
}

int stint_async_requeue_task(stint_async *a, const char *group, const char *id,
                             int reset, stint_done_fn done, void *arg,
                             stint_call **call, struct stint_err *err)
{
    return change_call(a, reset ? requeue_anew : requeue_on, group, id, done,
                       arg, call, err);
}

int stint_async_disable_task(stint_async *a, const char *group, const char *id,
                             stint_done_fn done, void *arg, stint_call **call,
                             struct stint_err *err)
{
    return change_call(a, stint_disable_task, group, id, done, arg, call, err);
}

int stint_async_enable_task(stint_async *a, const char *group, const char *id,
                            stint_done_fn done, void *arg, stint_call **call,
                            struct stint_err *err)
{
    return change_call(a, stint_enable_task, group, id, done, arg, call, err);
}

int stint_async_delete_task(stint_async *a, const char *group, const char *id,
                            stint_done_fn done, void *arg, stint_call **call,
                            struct stint_err *err)
{
    return change_call(a, stint_delete_task, group, id, done, arg, call, err);
}
