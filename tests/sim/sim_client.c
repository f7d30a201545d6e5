/* SPDX-License-Identifier: MIT */
/* The calls of clients. What has an unknown outcome is called again, and says
 * so, until there is an answer. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "err.h"
#include "sim.h"

static struct sim_task *part_find(struct sim *s, const char *id)
{
    struct sim_task *found = NULL;
    for (struct sim_task *t = s->parts; t != NULL; t = t->next_part) {
        if (strcmp(t->id, id) != 0)
            continue;
        if (!t->pruned)
            return t;
        found = found != NULL ? found : t;
    }
    return found;
}

struct sim_task *sim_task_find(struct sim *s, const char *id)
{
    if (strchr(id, '@') != NULL)
        return part_find(s, id);
    int n = id[0] == 't' ? (int)strtol(id + 1, NULL, 10) : -1;
    if (n < 0 || n >= s->n_tasks || strcmp(s->tasks[n].id, id) != 0)
        return NULL;
    return &s->tasks[n];
}

/* ---- Orders ------------------------------------------------------------- */

static void client_send(struct sim *s, void *arg);

struct sim_order *sim_client_order(struct sim *s, enum order_kind kind,
                                   struct sim_task *t, uint64_t *dice)
{
    struct sim_order *o = calloc(1, sizeof(*o));
    check(o != NULL);
    o->sim = s;
    o->kind = kind;
    o->tasks[0] = t;
    o->dice = dice;
    o->next = s->orders;
    s->orders = o;
    return o;
}

void sim_client_push(struct sim_order *o, int64_t at_ms)
{
    o->sim->n_orders++;
    sim_push(o->sim, at_ms, client_send, o);
}

static void client_later(struct sim_order *o, int64_t least, int64_t most)
{
    struct sim *s = o->sim;
    uint64_t *dice = o->dice != NULL ? o->dice : &s->random;
    sim_push(s, s->now_ms + dice_between(dice, least, most), client_send, o);
}

static void client_again(struct sim_order *o)
{
    o->again = 1;
    client_later(o, 20, 400);
}

static void client_close(struct sim_order *o)
{
    o->sim->n_orders--;
}

/* ---- queue_task --------------------------------------------------------- */

/* Its rules and parents; a twin of client/lib/queueing.c. */
static const char *queue_rules(const struct sim_task *t,
                               char text[static 600])
{
    int n = snprintf(text, 600, "%s", t->queue->rules);
    for (int i = 0; i < t->n_parents; i++)
        n += snprintf(text + n, 600 - (size_t)n, " after=%s/%s",
                      sim_groups[t->parents[i]->group], t->parents[i]->id);
    check(n < 600);
    return text;
}

/* What queue_task takes for one task; a twin of client/lib/queueing.c. */
static void queue_add(struct sim *s, struct args *a, struct sim_task *t,
                      char rules[static 600])
{
    struct stint_err err = {0};
    if (task_cron_start(t->queue, sim_redis_ms(s), &err) < 0)
        sim_fail(s, "the first match of %s: %s", t->id, err.text);
    args_add_str(a, t->queue->id);
    args_add_str(a, t->queue->function);
    args_add_str(a, t->queue->start);
    args_add_str(a, t->queue->stop);
    args_add_str(a, queue_rules(t, rules));
    args_add(a, t->queue->text, t->queue->text_len);
}

/* A parent that was deleted cannot be waited for any more. */
static int queue_drop_deleted(struct sim_task *t)
{
    int n = 0;
    for (int i = 0; i < t->n_parents; i++)
        if (!t->parents[i]->deleted)
            t->parents[n++] = t->parents[i];
    int dropped = t->n_parents - n;
    t->n_parents = n;
    return dropped;
}

/* The client has looked: all parents are there, or come in the same call. */
static int queue_may(const struct sim_order *o)
{
    for (int i = 0; i < o->n; i++) {
        struct sim_task *t = o->tasks[i];
        if (!t->exists)
            (void)queue_drop_deleted(t);
        for (int p = 0; p < t->n_parents && !t->exists; p++) {
            int j = 0;
            while (j < o->n && o->tasks[j] != t->parents[p])
                j++;
            if (j == o->n && !t->parents[p]->acked)
                return 0;
        }
    }
    return 1;
}

static void queue_refused(struct sim *s, struct sim_order *o,
                          const struct redisReply *reply)
{
    size_t len;
    int is_gone = 0;
    for (size_t i = 1; i + 3 < reply_n(reply); i += 4) {
        struct sim_task *t = o->tasks[reply_i64(reply, i)];
        const char *word = reply_str(reply, i + 1, &len);
        int n = strcmp(word, "NOTFOUND") == 0 && queue_drop_deleted(t);
        is_gone |= n;
        /* Ended and pruned, only its id is kept: then it was there. */
        if (n == 0 && t->ended == NULL && s->back_at_ms == 0)
            sim_fail(s, "queueing %s is refused: %s", t->id,
                     reply_str(reply, i + 3, &len));
    }
    if (is_gone) {
        client_again(o);
        return;
    }
    for (int i = 0; i < o->n; i++) /* the first call was carried out */
        o->tasks[i]->acked = o->tasks[i]->exists;
    client_close(o);
}

static void client_on_queued(const struct redisReply *reply,
                             const struct stint_err *err, void *arg)
{
    struct sim_order *o = arg;
    struct sim *s = o->sim;
    if (reply == NULL) {
        if (err->code != STINT_CLOSED)
            client_again(o);
        return;
    }
    if (reply_n(reply) > 1) {
        queue_refused(s, o, reply);
        return;
    }
    for (int i = 0; i < o->n; i++) {
        struct sim_task *t = o->tasks[i];
        if (!t->exists && !t->deleted)
            sim_fail(s, "%s was acknowledged, but is not there", t->id);
        t->acked = t->exists;
    }
    client_close(o);
    uint64_t *dice = sim_dice(s, FEATURE_CAST_AT);
    if (dice != NULL && o->tasks[0]->options.broadcast &&
        dice_chance(dice, 500)) /* a nudge; the reaper would do it */
        sim_client_push(sim_client_order(s, ORDER_FIRE, o->tasks[0], dice),
                        s->now_ms);
}

static void queue_send(struct sim *s, struct sim_order *o)
{
    char rules[BATCH_MAX][600];
    struct args a;
    if (!queue_may(o)) {
        sim_push(s, s->now_ms + 50, client_send, o);
        return;
    }
    args_init(&a);
    if (o->tasks[0]->group == 1)
        args_add_str(&a, o->again ? "1" : "0");
    else
        args_add_str(&a, o->again ? "1 2" : "0 2"); /* SIM_PARTS */
    for (int i = 0; i < o->n; i++)
        queue_add(s, &a, o->tasks[i], rules[i]);
    script_call(&s->client, SCRIPT_QUEUE_TASK, sim_groups[o->tasks[0]->group],
                &a, client_on_queued, o);
    args_close(&a);
}

/* ---- Changing a task ---------------------------------------------------- */

static int client_is_unknown(const struct stint_err *err)
{
    return err->code != STINT_STATE && err->code != STINT_NOT_FOUND &&
           err->code != STINT_INVALID;
}

static void client_on_changed(const struct redisReply *reply,
                              const struct stint_err *err, void *arg)
{
    struct sim_order *o = arg;
    struct sim *s = o->sim;
    struct sim_task *t = o->tasks[0];
    if (reply == NULL && err->code == STINT_CLOSED)
        return;
    if (reply == NULL && client_is_unknown(err)) {
        client_again(o);
        return;
    }
    if (reply == NULL && err->code == STINT_STATE && o->tries-- > 0 &&
        !s->ends_quietly) {
        client_later(o, 500, 4000);
        return;
    }
    client_close(o);
    if (o->kind != ORDER_DELETE || !o->is_back || !t->deleted)
        return;
    struct sim_order *back = sim_client_order(s, ORDER_QUEUE, t, o->dice);
    back->n = 1;
    sim_client_push(back, s->now_ms + dice_between(o->dice, 0, 2000));
}

static void change_send(struct sim *s, struct sim_order *o)
{
    static const enum script_id scripts[] = {
        [ORDER_STOP] = SCRIPT_STOP_TASK,
        [ORDER_REQUEUE] = SCRIPT_REQUEUE_TASK,
        [ORDER_ENABLE] = SCRIPT_ENABLE_TASK,
        [ORDER_DISABLE] = SCRIPT_DISABLE_TASK,
        [ORDER_DELETE] = SCRIPT_DELETE_TASK,
        [ORDER_FIRE] = SCRIPT_FIRE,
        [ORDER_RUN_NOW] = SCRIPT_RUN_NOW,
        [ORDER_PRIORITY] = SCRIPT_SET_PRIORITY};
    struct sim_task *t = o->tasks[0];
    struct args a;
    /* Deleting what is being queued could not be told from a failure. */
    if (o->kind == ORDER_DELETE && !t->acked && !t->deleted) {
        sim_push(s, s->now_ms + 50, client_send, o);
        return;
    }
    args_init(&a);
    args_add_str(&a, o->kind == ORDER_FIRE ? "10" : t->id);
    if (o->kind == ORDER_REQUEUE)
        args_add_str(&a, o->reset ? "1" : "0");
    if (o->kind == ORDER_PRIORITY)
        args_add_i64(&a, o->priority);
    script_call(&s->client, scripts[o->kind], sim_groups[t->group], &a,
                client_on_changed, o);
    args_close(&a);
}

/* ---- Commands for workers ----------------------------------------------- */

void sim_client_resume(struct sim *s, struct sim_life *life, uint64_t *dice)
{
    struct sim_order *o = sim_client_order(s, ORDER_COMMAND, NULL, dice);
    o->verb = "resume";
    o->life = life;
    dice = dice != NULL ? dice : &s->random;
    sim_client_push(o, s->now_ms + dice_between(dice, 0, 9000));
}

static void client_on_command(const struct redisReply *reply,
                              const struct stint_err *err, void *arg)
{
    struct sim_order *o = arg;
    struct sim *s = o->sim;
    size_t len;
    if (reply == NULL) {
        if (err->code != STINT_CLOSED)
            client_again(o);
        return;
    }
    int is_ok = strcmp(reply_str(reply, 1, &len), "OK") == 0;
    if (!is_ok && !o->life->dead && strcmp(o->verb, "resume") == 0) {
        client_again(o); /* its lease has ended, but it comes back */
        return;
    }
    client_close(o);
    if (!is_ok && !o->again)
        return;
    if (strcmp(o->verb, "disable") == 0) {
        /* Nobody is left so: all has to come to its end. */
        sim_client_resume(s, o->life, o->dice);
    } else if (strcmp(o->verb, "resume") != 0) {
        sim_faults_return(s, o->life->slot,
                          s->now_ms + dice_between(o->dice, 500, 20000));
    }
}

static void command_send(struct sim *s, struct sim_order *o)
{
    struct args a;
    if (o->life == NULL)
        o->life = s->workers[o->slot];
    if (o->life == NULL || o->life->dead) {
        client_close(o);
        return;
    }
    args_init(&a);
    args_add_str(&a, o->verb);
    args_add_str(&a, o->life->worker.name);
    script_call(&s->client, SCRIPT_FLEET_COMMAND, NULL, &a, client_on_command,
                o);
    args_close(&a);
}

static void client_send(struct sim *s, void *arg)
{
    struct sim_order *o = arg;
    if (o->kind == ORDER_QUEUE)
        queue_send(s, o);
    else if (o->kind == ORDER_COMMAND)
        command_send(s, o);
    else
        change_send(s, o);
}

/* ---- The client --------------------------------------------------------- */

static void client_on_state(int connected, const struct stint_err *why,
                            void *arg)
{
    (void)connected, (void)why, (void)arg;
}

void sim_client_begin(struct sim *s)
{
    s->client_store = sim_store_new(s, NULL, "client", CALL_DEADLINE_MS,
                                    client_on_state, s);
    script_caller_init(&s->client, sim_store_base(s->client_store), NULL);
}

void sim_client_end(struct sim *s)
{
    for (int i = 0; i < s->n_tasks; i++)
        stint_task_free(s->tasks[i].queue);
    while (s->parts != NULL) {
        struct sim_task *part = s->parts;
        s->parts = part->next_part;
        free(part);
    }
    while (s->orders != NULL) {
        struct sim_order *o = s->orders;
        s->orders = o->next;
        free(o);
    }
}
