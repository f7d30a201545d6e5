/* SPDX-License-Identifier: MIT */
/* Queueing. Tasks go out in batches, a few of them in flight, so that a
 * million takes seconds and not a million round trips. A batch whose answer
 * got lost is sent again and says so: what is there already with equal content
 * is then its own work. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "clock.h"
#include "durability.h"
#include "err.h"
#include "limits.h"
#include "parents.h"
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
        if (t->depends != NULL)
            bytes += strlen(t->depends);
        if (i > first && (bytes > BATCH_BYTES_MAX ||
                          strcmp(t->group, q->tasks[first]->group) != 0))
            break;
    }
    return i - first;
}

/* "rules after=GROUP/ID after=…", owned by the caller. */
static char *rules_with_parents(const struct stint_task *t)
{
    size_t n = 1, used;
    for (const char *p = t->depends; *p != '\0'; p++)
        n += *p == ' ';
    size_t cap = strlen(t->rules) + strlen(t->depends) + 7 * n + 1;
    char *text = malloc(cap);
    check(text != NULL);
    used = (size_t)snprintf(text, cap, "%s", t->rules);
    for (const char *p = t->depends; *p != '\0';) {
        size_t len = strcspn(p, " ");
        used += (size_t)snprintf(text + used, cap - used, " after=%.*s",
                                 (int)len, p);
        p += len + (p[len] == ' ');
    }
    return text;
}

static void batch_send(const struct queueing *q, struct batch *b, int again)
{
    struct args a;
    char *rules[BATCH_TASKS_MAX];
    size_t n_rules = 0;
    args_init(&a);
    args_add_str(&a, again ? "1" : "0");
    for (size_t i = b->first; i < b->first + b->n; i++) {
        const struct stint_task *t = q->tasks[i];
        args_add_str(&a, t->id);
        args_add_str(&a, t->function);
        args_add_str(&a, t->start);
        args_add_str(&a, t->stop);
        if (t->depends != NULL)
            args_add_str(&a, rules[n_rules++] = rules_with_parents(t));
        else
            args_add_str(&a, t->rules);
        args_add(&a, t->rest, t->rest_len);
    }
    b->answer = (struct client_answer){0};
    script_call(&q->s->caller, SCRIPT_QUEUE_TASK, q->tasks[b->first]->group,
                &a, client_keep, &b->answer);
    args_close(&a);
    while (n_rules > 0)
        free(rules[--n_rules]);
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
                   strcmp(word, "EXISTS") == 0     ? STINT_EXISTS
                   : strcmp(word, "NOTFOUND") == 0 ? STINT_NOT_FOUND
                                                   : STINT_INVALID,
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

/* ---- Before and after --------------------------------------------------- */

/* Redis's clock; -1: err. */
static int64_t redis_now_ms(struct stint *s, struct stint_err *err)
{
    struct args a;
    args_init(&a);
    args_add_str(&a, "0"); /* no workers */
    struct redisReply *r = client_call(s, SCRIPT_FLEET_LIST, NULL, &a, err);
    args_close(&a);
    int64_t now_ms = r != NULL ? reply_i64(r, 0) / 1000 : -1;
    client_reply_free(r);
    return now_ms;
}

/* The first runs of tasks with a cronline. */
static int queueing_cron(struct queueing *q, struct stint_err *err)
{
    int64_t now_ms = 0;
    for (size_t i = 0; i < q->n; i++) {
        if (q->tasks[i]->cronline == NULL)
            continue;
        if (now_ms == 0)
            now_ms = redis_now_ms(q->s, err);
        if (now_ms < 0 || task_cron_start(q->tasks[i], now_ms, err)) {
            q->bad = i;
            return -1;
        }
    }
    return 0;
}

static int task_is_foreign(const struct stint_task *t)
{
    size_t len = strlen(t->group);
    for (const char *p = t->depends; p != NULL && *p != '\0';) {
        if (strncmp(p, t->group, len) != 0 || p[len] != '/')
            return 1;
        p += strcspn(p, " ");
        p += *p == ' ';
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
    group_name told[GROUPS_MAX], fired[GROUPS_MAX];
    size_t n_told = 0, n_fired = 0;
    for (size_t i = 0; i < q->done; i++) {
        const struct stint_task *t = q->tasks[i];
        if (strstr(t->rules, "cast=1") != NULL && n_fired < GROUPS_MAX &&
            !groups_has(fired, n_fired, t->group)) {
            struct stint_err why = {0};
            struct args a;
            args_init(&a);
            args_add_i64(&a, 10);
            client_reply_free(
                client_call(q->s, SCRIPT_FIRE, t->group, &a, &why));
            args_close(&a);
            memcpy(fired[n_fired++], t->group, sizeof(*fired));
        }
        if (task_is_foreign(t) && n_told < GROUPS_MAX &&
            !groups_has(told, n_told, t->group)) {
            parents_deliver(q->s, t->group);
            memcpy(told[n_told++], t->group, sizeof(*told));
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

/* The whole of it, parents first. */
static int queueing_all(struct queueing *q, stint_progress_fn fn, void *arg,
                        struct stint_err *err)
{
    stint_task *const *given = q->tasks;
    stint_task **ordered = NULL;
    struct durability durability = queueing_durability(q);
    if (durability_check(q->s, &durability, err))
        return -1;
    if (parents_order(q->s, given, q->n, &ordered, &q->bad, err))
        return -1;
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

int stint_queue_task(stint *s, const struct stint_task_options *o,
                     char id[STINT_ID_LEN + 1], struct stint_errors *errors,
                     struct stint_err *err)
{
    stint_task *t = stint_task_new(o, errors, err);
    if (t == NULL)
        return -1;
    struct queueing q = {.s = s, .tasks = &t, .n = 1, .errors = errors};
    int rc = queueing_all(&q, NULL, NULL, err);
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
