/* SPDX-License-Identifier: MIT */
/* Queueing. Tasks go out in batches, a few of them in flight, so that a
 * million takes seconds and not a million round trips. A batch whose answer
 * got lost is sent again and says so: what is there already with equal content
 * is then its own work. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "clock.h"
#include "err.h"
#include "limits.h"
#include "task.h"

#define FLIGHT_MAX 4

struct batch {
    size_t first, n;
    struct client_answer answer;
};

/* What one queueing is about. */
struct queueing {
    struct stint *s;
    stint_task *const *tasks;
    size_t n, done;
    size_t bad;
    struct stint_errors *errors; /* NULL: not wanted */
};

/* As many tasks of one group from `first` as fit into a call. */
static size_t batch_size(const struct queueing *q, size_t first)
{
    size_t bytes = 0, i;
    for (i = first; i < q->n && i - first < BATCH_TASKS_MAX; i++) {
        const struct stint_task *t = q->tasks[i];
        bytes += t->rest_len + sizeof(*t);
        if (i > first && (bytes > BATCH_BYTES_MAX ||
                          strcmp(t->group, q->tasks[first]->group) != 0))
            break;
    }
    return i - first;
}

static void batch_send(const struct queueing *q, struct batch *b, int again)
{
    struct args a;
    args_init(&a);
    args_add_str(&a, again ? "1" : "0");
    for (size_t i = b->first; i < b->first + b->n; i++) {
        const struct stint_task *t = q->tasks[i];
        args_add_str(&a, t->id);
        args_add_str(&a, t->function);
        args_add_str(&a, t->start);
        args_add_str(&a, t->stop);
        args_add_str(&a, t->rules);
        args_add(&a, t->rest, t->rest_len);
    }
    b->answer = (struct client_answer){0};
    script_call(&q->s->caller, SCRIPT_QUEUE_TASK, q->tasks[b->first]->group,
                &a, client_keep, &b->answer);
    args_close(&a);
}

/* The refused ones of a batch that Redis answered. */
static int batch_judge(struct queueing *q, const struct batch *b,
                       struct stint_err *err)
{
    const struct redisReply *r = b->answer.reply;
    size_t len, n = reply_n(r);
    if (n < 5)
        return 0;
    for (size_t i = 1; i + 3 < n && q->errors != NULL; i += 4)
        errors_add(q->errors, reply_str(r, i + 2, &len), "%s",
                   reply_str(r, i + 3, &len));
    size_t index = (size_t)reply_i64(r, 1);
    q->bad = b->first + (index < b->n ? index : 0);
    const char *word = reply_str(r, 2, &len);
    return err_set(err,
                   strcmp(word, "EXISTS") == 0 ? STINT_EXISTS : STINT_INVALID,
                   "%.90s: %s %.60s", q->tasks[q->bad]->id,
                   reply_str(r, 3, &len), reply_str(r, 4, &len));
}

/* Until Redis answered or the time is up. */
static int batch_finish(struct queueing *q, struct batch *b,
                        struct stint_err *err)
{
    int64_t until = clock_mono_ms() + q->s->timeout_ms;
    for (int tries = 1; b->answer.reply == NULL; tries++) {
        const struct stint_err *why = &b->answer.err;
        if (!client_may_retry(why->code) || client_pause(tries, until))
            return err_set(err, why->code, "%s", why->text);
        batch_send(q, b, 1);
        q->s->store->ops->wait(q->s->store);
    }
    int rc = batch_judge(q, b, err);
    client_reply_free(b->answer.reply);
    b->answer.reply = NULL;
    return rc;
}

/* Sends up to FLIGHT_MAX batches and hears their answers. */
static int queueing_flight(struct queueing *q, struct batch *batches,
                           size_t *n_batches, struct stint_err *err)
{
    size_t next = q->done;
    *n_batches = 0;
    while (next < q->n && *n_batches < FLIGHT_MAX) {
        struct batch *b = &batches[*n_batches];
        if (client_register(q->s, q->tasks[next]->group, err)) {
            if (*n_batches == 0)
                return -1;
            break; /* hear first; the next flight fails on it again */
        }
        *b = (struct batch){.first = next, .n = batch_size(q, next)};
        batch_send(q, b, 0);
        next += b->n;
        ++*n_batches;
    }
    q->s->store->ops->wait(q->s->store);
    return 0;
}

static int queueing_run(struct queueing *q, stint_progress_fn fn, void *arg,
                        struct stint_err *err)
{
    struct batch batches[FLIGHT_MAX];
    size_t n;
    while (q->done < q->n) {
        int rc = queueing_flight(q, batches, &n, err);
        for (size_t i = 0; i < n; i++) {
            if (!rc && (rc = batch_finish(q, &batches[i], err)) == 0) {
                q->done += batches[i].n;
                if (fn != NULL)
                    fn(q->done, q->n, arg);
            }
            client_reply_free(batches[i].answer.reply);
        }
        if (rc)
            return -1;
    }
    return 0;
}

int stint_queue_tasks(stint *s, stint_task *const *tasks, size_t n,
                      size_t *n_done, size_t *bad, stint_progress_fn fn,
                      void *arg, struct stint_err *err)
{
    struct queueing q = {.s = s, .tasks = tasks, .n = n};
    int rc = queueing_run(&q, fn, arg, err);
    if (n_done != NULL)
        *n_done = q.done;
    if (bad != NULL)
        *bad = q.bad;
    return rc;
}

int stint_queue_task(stint *s, const struct stint_task_options *o,
                     char id[STINT_ID_LEN + 1], struct stint_errors *errors,
                     struct stint_err *err)
{
    stint_task *t = stint_task_new(o, errors, err);
    if (t == NULL)
        return -1;
    struct queueing q = {.s = s, .tasks = &t, .n = 1, .errors = errors};
    int rc = queueing_run(&q, NULL, NULL, err);
    if (rc == 0 && id != NULL)
        snprintf(id, STINT_ID_LEN + 1, "%s", t->id);
    stint_task_free(t);
    return rc;
}

static int exist_batch(stint *s, const char *group, const char *const *ids,
                       size_t n, unsigned char *exists, struct stint_err *err)
{
    struct args a;
    args_init(&a);
    args_add_str(&a, "1");
    for (size_t i = 0; i < n; i++)
        args_add_str(&a, ids[i]);
    struct redisReply *r = client_call(s, SCRIPT_TASK_STATUS, group, &a, err);
    args_close(&a);
    if (r == NULL)
        return -1;
    for (size_t i = 0; i < n; i++) {
        size_t len;
        reply_str(r, 1 + 5 * i + 1, &len);
        exists[i] = len > 0;
    }
    client_reply_free(r);
    return 0;
}

int stint_ids_exist(stint *s, const char *group, const char *const *ids,
                    size_t n, unsigned char *exists, struct stint_err *err)
{
    group = group != NULL ? group : "main";
    for (size_t i = 0; i < n; i += BATCH_TASKS_MAX) {
        size_t part = n - i < BATCH_TASKS_MAX ? n - i : BATCH_TASKS_MAX;
        if (exist_batch(s, group, ids + i, part, exists + i, err))
            return -1;
    }
    return 0;
}
