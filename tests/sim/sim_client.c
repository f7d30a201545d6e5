/* SPDX-License-Identifier: MIT */
/* Clients: they queue tasks of all kinds over the first part of a seed, and
 * stop some. What has an unknown outcome is called again, and says so, until
 * there is an answer. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "limits.h"
#include "sim.h"

#define BATCH_MAX 5

/* A call of a client, repeated until it is answered. */
struct sim_order {
    struct sim_order *next; /* of the seed */
    struct sim *sim;
    int n;                  /* tasks to queue; 0: stop `tasks[0]` */
    struct sim_task *tasks[BATCH_MAX];
    int again;
};

struct sim_task *sim_task_find(struct sim *s, const char *id)
{
    int n = id[0] == 't' ? (int)strtol(id + 1, NULL, 10) : -1;
    if (n < 0 || n >= s->n_tasks || strcmp(s->tasks[n].id, id) != 0)
        return NULL;
    return &s->tasks[n];
}

/* ---- What is queued ----------------------------------------------------- */

static const char *client_time(char text[static 24], int64_t ms)
{
    snprintf(text, 24, "%s%" PRId64 ".%03ds", ms < 0 ? "-" : "+",
             (ms < 0 ? -ms : ms) / 1000, (int)((ms < 0 ? -ms : ms) % 1000));
    return text;
}

static void client_draw_rules(struct sim *s, struct stint_task_options *o)
{
    if (sim_chance(s, 400))
        o->repeats = sim_between(s, 0, 5);
    if (sim_chance(s, 500))
        o->retry_failed = sim_between(s, -1, 3);
    if (o->repeats != 1 || o->retry_failed != 0 || sim_chance(s, 500))
        o->period_s = (double)sim_between(s, 0, 40) / 10;
    o->prevent_drift = sim_chance(s, 250);
    if (sim_chance(s, 300))
        o->retry_delay_s = (double)sim_between(s, 0, 30) / 10;
    if (sim_chance(s, 200))
        o->retry_backoff = (double)sim_between(s, 10, 30) / 10;
    if (sim_chance(s, 300))
        o->retry_max_delay_s = (double)sim_between(s, 1, 50) / 10;
    if (sim_chance(s, 300))
        o->priority = (int)sim_between(s, -2, 2);
    o->immediate = sim_chance(s, 100);
    o->disabled = sim_chance(s, 40);
    o->discard_results = sim_chance(s, 100);
    if (sim_chance(s, 200))
        o->result_ttl_s = (double)sim_between(s, 0, 20);
    if (sim_chance(s, 150))
        o->timeout_s = (double)sim_between(s, 1, 20) / 10;
}

static void client_draw_task(struct sim *s, struct sim_task *t)
{
    static const char *const functions[] = {"alpha", "alpha", "beta", "gamma",
                                            "nobody"};
    char start[24], stop[24];
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors;
    struct stint_err err = {0};
    t->function = functions[sim_chance(s, 30) ? 4 : sim_random(s, 4)];
    o.id = t->id;
    o.function = t->function;
    o.group_name = sim_groups[t->group];
    int64_t start_ms = 0;
    if (sim_chance(s, 500)) {
        start_ms = sim_chance(s, 30) ? 3600000
                                     : sim_between(s, -20000, 15000);
        o.start_time = client_time(start, start_ms);
    }
    if (sim_chance(s, 150))
        o.stop_time = client_time(stop, start_ms + sim_between(s, 0, 30000));
    if (sim_chance(s, 650))
        client_draw_rules(s, &o);
    t->queue = stint_task_new(&o, &errors, &err);
    if (t->queue == NULL)
        sim_fail(s, "a task that cannot be queued: %s", err.text);
    o.id = o.function = o.group_name = o.start_time = o.stop_time = NULL;
    t->options = o;
}

/* ---- Calls -------------------------------------------------------------- */

static void client_send(struct sim *s, void *arg);

/* What queue_task takes for one task; a twin of client/lib/queueing.c. */
static void client_add_task(struct args *a, const stint_task *t)
{
    args_add_str(a, t->id);
    args_add_str(a, t->function);
    args_add_str(a, t->start);
    args_add_str(a, t->stop);
    args_add_str(a, t->rules);
    args_add(a, t->rest, t->rest_len);
}

static void client_again(struct sim_order *o)
{
    struct sim *s = o->sim;
    o->again = 1;
    sim_push(s, s->now_ms + sim_between(s, 20, 400), client_send, o);
}

static void client_on_queued(const struct redisReply *reply,
                             const struct stint_err *err, void *arg)
{
    struct sim_order *o = arg;
    struct sim *s = o->sim;
    size_t len;
    if (reply == NULL && err->code != STINT_CLOSED) {
        client_again(o);
        return;
    }
    for (size_t i = 1; reply != NULL && i + 3 < reply_n(reply); i += 4) {
        struct sim_task *t = o->tasks[reply_i64(reply, i)];
        /* Ended and pruned, only its id is kept: then it was there. */
        if (t->ended == NULL)
            sim_fail(s, "queueing %s is refused: %s", t->id,
                     reply_str(reply, i + 3, &len));
    }
    for (int i = 0; reply != NULL && i < o->n; i++) {
        if (!o->tasks[i]->exists)
            sim_fail(s, "%s was acknowledged, but is not there",
                     o->tasks[i]->id);
        o->tasks[i]->acked = 1;
    }
}

static void client_on_stopped(const struct redisReply *reply,
                              const struct stint_err *err, void *arg)
{
    struct sim_order *o = arg;
    if (reply == NULL &&
        (err->code == STINT_UNKNOWN || err->code == STINT_UNREACHABLE ||
         err->code == STINT_NOSCRIPT))
        client_again(o); /* else: refused or done, the checks saw which */
}

static void client_send(struct sim *s, void *arg)
{
    struct sim_order *o = arg;
    struct args a;
    args_init(&a);
    if (o->n == 0) {
        args_add_str(&a, o->tasks[0]->id);
        script_call(&s->client, SCRIPT_STOP_TASK,
                    sim_groups[o->tasks[0]->group], &a, client_on_stopped, o);
        args_close(&a);
        return;
    }
    args_add_str(&a, o->again ? "1" : "0");
    for (int i = 0; i < o->n; i++)
        client_add_task(&a, o->tasks[i]->queue);
    script_call(&s->client, SCRIPT_QUEUE_TASK, sim_groups[o->tasks[0]->group],
                &a, client_on_queued, o);
    args_close(&a);
}

/* ---- The plan ----------------------------------------------------------- */

static void client_on_state(int connected, const struct stint_err *why,
                            void *arg)
{
    (void)connected, (void)why, (void)arg;
}

static struct sim_order *client_order(struct sim *s)
{
    struct sim_order *o = calloc(1, sizeof(*o));
    check(o != NULL);
    o->sim = s;
    o->next = s->orders;
    s->orders = o;
    return o;
}

/* At the end, what would repeat for ever is stopped, or left so. */
static void client_on_end(struct sim *s, void *arg)
{
    (void)arg;
    for (int i = 0; i < s->n_tasks; i++) {
        struct sim_task *t = &s->tasks[i];
        int endless = t->options.repeats == 0 || t->options.retry_failed < 0;
        if (!endless || !sim_chance(s, 500))
            continue;
        struct sim_order *o = client_order(s);
        o->tasks[0] = t;
        sim_push(s, s->now_ms + sim_between(s, 0, 2000), client_send, o);
    }
}

void sim_client_plan(struct sim *s)
{
    int64_t span_ms = (s->end_ms - s->now_ms) * 2 / 3;
    int n = (int)sim_between(s, 20, 50);
    s->client_store = sim_store_new(s, NULL, "client", CALL_DEADLINE_MS,
                                    client_on_state, s);
    script_caller_init(&s->client, sim_store_base(s->client_store), NULL);
    while (s->n_tasks < n) {
        struct sim_order *o = client_order(s);
        int group = sim_chance(s, 300);
        int size = (int)sim_between(s, 1, BATCH_MAX);
        int64_t at_ms = s->now_ms + sim_between(s, 0, span_ms);
        for (o->n = 0; o->n < size && s->n_tasks < n; o->n++) {
            struct sim_task *t = &s->tasks[s->n_tasks];
            snprintf(t->id, sizeof(t->id), "t%02d", s->n_tasks++);
            t->group = group;
            client_draw_task(s, t);
            o->tasks[o->n] = t;
        }
        sim_push(s, at_ms, client_send, o);
        if (sim_chance(s, 200)) {
            struct sim_order *stop = client_order(s);
            stop->tasks[0] = o->tasks[0];
            sim_push(s, at_ms + sim_between(s, 0, 8000), client_send, stop);
        }
    }
    sim_push(s, s->end_ms, client_on_end, NULL);
}

void sim_client_end(struct sim *s)
{
    for (int i = 0; i < s->n_tasks; i++)
        stint_task_free(s->tasks[i].queue);
    while (s->orders != NULL) {
        struct sim_order *o = s->orders;
        s->orders = o->next;
        free(o);
    }
}
