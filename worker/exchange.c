/* SPDX-License-Identifier: MIT */
/* What a worker and Redis say to each other, one function a call and one for
 * its reply. A reply that did not come is an unknown outcome: what was to be
 * reported goes back to the outbox, what was to be assigned is found out by
 * the next heartbeat, which then carries all that is held. */
#include "worker.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "err.h"

#define LISTS_MAX 3 /* heartbeats in a row that carry what is held */

static void exchange_saw_clock(struct worker *w, struct worker_group *g,
                               const struct redisReply *r)
{
    g->redis_off_us = reply_i64(r, 0) - w->clock_us();
    w->redis_off_us = g->redis_off_us;
    g->heard_us = reply_i64(r, 0);
    reaper_saw_clock(&w->reaper, g->name, reply_i64(r, 0), w->clock());
}

int64_t exchange_redis_ms(const struct worker *w)
{
    return (w->clock_us() + w->redis_off_us) / 1000;
}

int64_t exchange_mono_ms(const struct worker_group *g, int64_t redis_ms)
{
    return (redis_ms * 1000 - g->redis_off_us + 999) / 1000;
}

/* Only this group rests for a while: in a cluster others may be well. Before it
 * goes on, a heartbeat brings it into step. `g` NULL: it was for the fleet. */
static void exchange_failed(struct worker *w, struct worker_group *g,
                            const struct stint_err *err, const char *what)
{
    int is_usual = err->code == STINT_NOSCRIPT ||
                   err->code == STINT_UNKNOWN ||
                   err->code == STINT_UNREACHABLE;
    log_at(w->log, is_usual ? STINT_LOG_DEBUG : STINT_LOG_WARN,
           log_event("call"), log_text("verb", what),
           log_text("group", g != NULL ? g->name : NULL),
           log_text("error", err->text));
    if (g != NULL && err->code == STINT_NOSCRIPT) {
        /* It has not happened, and the functions are loaded already: a lease
         * does not wait for the longer pause, should they be flushed often. */
        g->pause_mono_ms = w->clock() + WORKER_RELOAD_MS;
    } else if (g != NULL) {
        g->pause_mono_ms = w->clock() + (err->code == STINT_AUTH
                                             ? WORKER_REFUSED_MS
                                             : WORKER_BACK_OFF_MS);
        g->reconcile = 1; /* it may have happened */
        if (err->code != STINT_LEASE) /* in a cluster others may be well */
            reaper_missed(&w->reaper, g->name);
    }
    w->want_tick(w->want_arg);
}

/* ---- assign ------------------------------------------------------------- */

static void exchange_on_assign(const struct redisReply *reply,
                               const struct stint_err *err, void *arg)
{
    struct worker_group *g = arg;
    struct worker *w = g->worker;
    struct config *config = g->asks[0].config;
    g->assigning--;
    config->n_uses--; /* nothing ends it while we are here */
    memmove(g->asks, g->asks + 1, sizeof(g->asks) - sizeof(g->asks[0]));
    if (reply == NULL) {
        g->hungry = 1;
        g->flows = 0;
        if (err->code == STINT_LEASE)
            g->has_lease = 0; /* a heartbeat first */
        exchange_failed(w, g, err, "assign");
        return;
    }
    exchange_saw_clock(w, g, reply);
    int64_t due_ms = reply_i64(reply, 1);
    int64_t due_mono_ms =
        due_ms > 0 ? exchange_mono_ms(g, due_ms) : INT64_MAX;
    /* A marker that came meanwhile may know of more than this reply does. */
    if (!g->marker || due_mono_ms < g->due_mono_ms)
        g->due_mono_ms = due_mono_ms;
    g->flows = reply_i64(reply, 2) == 1 && reply_n(reply) > 3;
    g->hungry |= reply_i64(reply, 2) == 1;
    for (size_t i = 3; i + 2 < reply_n(reply); i += 3) {
        size_t id_len, record_len, task_len;
        const char *id = reply_str(reply, i, &id_len);
        const char *record = reply_str(reply, i + 1, &record_len);
        const char *task = reply_str(reply, i + 2, &task_len);
        struct held *h = held_new(w, g, config, id, id_len, record,
                                  record_len, task, task_len);
        if (h == NULL) {
            log_error(w->log, log_event("assign"), log_text("id", id),
                      log_text("group", g->name),
                      log_text("error", "the task cannot be read"));
            g->reconcile = 1; /* give it back */
        } else if (h->state == HELD_STARTING) {
            worker_begin(w, h);
        } else if (w->disabled) {
            held_move(w, h, HELD_DONE); /* as those before: released */
        }
    }
    w->want_tick(w->want_arg);
}

void exchange_assign(struct worker *w, struct worker_group *g, int n_run,
                     int n_prefetch)
{
    struct args a;
    uint64_t token;
    char token_text[20], slots[16];
    if (getrandom(&token, sizeof(token), 0) != (ssize_t)sizeof(token))
        token = (uint64_t)w->clock() * 2654435761u;
    snprintf(token_text, sizeof(token_text), "%012" PRIx64,
             token & 0xffffffffffff);
    args_init(&a);
    args_add_str(&a, w->name);
    args_add_str(&a, token_text);
    /* Only one task that was lost with a worker is to come; one that rests asks
     * only to pass a marker on. */
    int lost = w->suspects == 0 && !(g->assigning > 0 && g->asks[0].lost);
    snprintf(slots, sizeof(slots), "%d %s%s", n_run, lost ? "" : "s",
             worker_rests(w) ? "r" : "");
    args_add_str(&a, slots);
    args_add_i64(&a, n_prefetch);
    for (int i = 0; i < w->config->n_types; i++)
        args_add_str(&a, w->config->types[i].name);
    check(g->assigning < ASSIGNING_MAX);
    g->asks[g->assigning].n = n_run + n_prefetch;
    g->asks[g->assigning].config = w->config;
    w->config->n_uses++;
    g->asks[g->assigning++].lost = lost;
    g->marker = 0;
    g->cast = 0;
    g->hungry = 0;
    script_call(w->caller, SCRIPT_ASSIGN, g->name, &a, exchange_on_assign, g);
    args_close(&a);
}

/* ---- start, report, release: batches of tasks in hand -------------------- */

struct batch {
    struct worker *worker;
    struct worker_group *group;
    enum script_id script;
    int n;
    struct held *held[BATCH_TASKS_MAX];
};

static void exchange_on_batch(const struct redisReply *reply,
                              const struct stint_err *err, void *arg)
{
    struct batch *b = arg;
    struct worker *w = b->worker;
    int starting = b->script == SCRIPT_START;
    w->sending--;
    b->group->sending--;
    if (reply != NULL)
        exchange_saw_clock(w, b->group, reply);
    for (int i = 0; i < b->n; i++) {
        struct held *h = b->held[i];
        size_t len;
        if (reply == NULL)
            held_move(w, h, starting ? HELD_ASSIGNED : HELD_DONE);
        else if (starting &&
                 strcmp(reply_str(reply, (size_t)i + 1, &len), "OK") == 0)
            worker_begin(w, h);
        else
            held_free(w, h);
    }
    if (reply_n(reply) > (size_t)b->n + 1)
        reaper_look(&w->reaper, b->group->name); /* messages, children */
    if (reply == NULL)
        exchange_failed(w, b->group, err, starting ? "start" : "report");
    free(b);
    w->want_tick(w->want_arg);
}

/* Texts with whose run it is behind them, for the measures: WORD @FUNCTION. Most
 * are the same as the one before. */
struct sayings {
    char *room, *at; /* the texts, one behind the other */
    const char *last;
    const struct task_type *type; /* of the last */
    size_t word_len;              /* in it */
};

static const char *held_word(const struct batch *b, const struct held *h)
{
    return b->script == SCRIPT_REPORT ? h->status : h->record.ticket;
}

static void sayings_init(struct sayings *s, const struct batch *b)
{
    size_t cap = 1;
    for (int i = 0; i < b->n; i++)
        cap += strlen(held_word(b, b->held[i])) +
               strlen(b->held[i]->type->name) + sizeof(" @");
    *s = (struct sayings){.room = malloc(cap)};
    check(s->room != NULL);
    s->at = s->room;
}

static const char *sayings_of(struct sayings *s, const char *word,
                              const struct task_type *type)
{
    size_t len = strlen(word), name_len = strlen(type->name);
    if (s->last != NULL && s->type == type && s->word_len == len &&
        memcmp(s->last, word, len) == 0)
        return s->last;
    s->last = s->at;
    s->type = type;
    s->word_len = len;
    memcpy(s->at, word, len);
    memcpy(s->at + len, " @", 2);
    memcpy(s->at + len + 2, type->name, name_len + 1);
    s->at += len + 2 + name_len + 1;
    return s->last;
}

static void exchange_batch(struct worker *w, struct batch *b)
{
    struct args a;
    struct sayings s = {0};
    args_init(&a);
    args_add_str(&a, w->name);
    if (b->script != SCRIPT_RELEASE)
        sayings_init(&s, b);
    for (int i = 0; i < b->n; i++) {
        struct held *h = b->held[i];
        args_add_str(&a, h->run.id);
        args_add_str(&a, b->script == SCRIPT_START
                             ? sayings_of(&s, h->record.ticket, h->type)
                             : h->record.ticket);
        if (b->script == SCRIPT_REPORT) {
            args_add_str(&a, sayings_of(&s, h->status, h->type));
            args_add(&a, h->payload != NULL ? h->payload : "",
                     h->payload_len);
        }
    }
    w->sending++;
    b->group->sending++;
    script_call(w->caller, b->script, b->group->name, &a, exchange_on_batch,
                b);
    args_close(&a);
    free(s.room);
}

static struct batch *exchange_batch_new(struct worker *w,
                                        struct worker_group *g,
                                        enum script_id script)
{
    struct batch *b = malloc(sizeof(*b));
    check(b != NULL);
    b->worker = w;
    b->group = g;
    b->script = script;
    b->n = 0;
    return b;
}

void exchange_start(struct worker *w, struct worker_group *g, int n)
{
    struct batch *b = exchange_batch_new(w, g, SCRIPT_START);
    struct held *next;
    for (struct held *h = w->held[HELD_ASSIGNED].first;
         h != NULL && b->n < n && b->n < BATCH_TASKS_MAX; h = next) {
        next = h->next;
        if (h->group != g)
            continue;
        held_move(w, h, HELD_STARTING);
        b->held[b->n++] = h;
    }
    if (b->n > 0)
        exchange_batch(w, b);
    else
        free(b);
}

void exchange_send(struct worker *w, struct worker_group *g, int release)
{
    struct batch *b =
        exchange_batch_new(w, g, release ? SCRIPT_RELEASE : SCRIPT_REPORT);
    struct held *next;
    size_t bytes = 0;
    for (struct held *h = w->held[HELD_DONE].first;
         h != NULL && b->n < BATCH_TASKS_MAX && bytes < BATCH_BYTES_MAX;
         h = next) {
        next = h->next;
        if (h->group != g || (h->status == NULL) != release || h->undated)
            continue;
        bytes += h->payload_len + 256;
        held_move(w, h, HELD_SENT);
        b->held[b->n++] = h;
    }
    if (b->n > 0)
        exchange_batch(w, b);
    else
        free(b);
}

/* ---- heartbeat ---------------------------------------------------------- */

/* Both sides count the same: the calls before this heartbeat were answered
 * before it, those behind it were not carried out. Otherwise an assign of a
 * dead connection came late, say: that task must not stay ours for ever. A
 * list that leaves a difference is followed by another, but not without end:
 * then at the pace of heartbeats. */
static void exchange_compare(const struct worker *w, struct worker_group *g,
                             int64_t n_redis)
{
    if (n_redis != held_count(w, g) && g->lists < LISTS_MAX)
        g->reconcile = 1;
}

/* It has left the group, if that was not named again meanwhile. */
static void group_has_parted(struct worker_group *g)
{
    g->parting = g->has_lease = g->was_leased = 0;
    if (g->stay == GROUP_LEAVING)
        g->stay = GROUP_GONE;
    g->worker->want_tick(g->worker->want_arg);
}

static void exchange_on_heartbeat(const struct redisReply *reply,
                                  const struct stint_err *err, void *arg)
{
    struct worker_group *g = arg;
    struct worker *w = g->worker;
    int reconciled = g->reconciling;
    size_t len;
    g->beating = g->reconciling = 0;
    if (g->parting && reply != NULL) {
        group_has_parted(g);
        return;
    }
    g->parting = 0;
    if (reply == NULL) {
        int wanted = g->reconcile | reconciled;
        exchange_failed(w, g, err, "heartbeat");
        g->reconcile = wanted;
        return;
    }
    exchange_saw_clock(w, g, reply);
    if (w->clock() - g->sent_mono_ms > w->lease_ms / 2)
        reaper_was_away(&w->reaper, w->clock()); /* Redis stood still */
    g->leased_mono_ms = g->sent_mono_ms;
    int is_new = strcmp(reply_str(reply, 1, &len), "NEW") == 0;
    w->leases_lost += is_new && g->was_leased;
    g->was_leased = 1;
    if (is_new && !reconciled && w->n_held > 0)
        g->reconcile = 1; /* what we hold may have been given to others */
    else
        g->has_lease = 1;
    if (reply_i64(reply, 2) == 1)
        reaper_look(&w->reaper, g->name); /* whoever leads may be the dead */
    if (reply_i64(reply, 3) == 1 && !worker_rests(w))
        g->cast = g->hungry = 1;
    g->lists = reconciled ? g->lists + 1 : 0;
    size_t stops = 6 + 2 * (size_t)reply_i64(reply, 5);
    for (size_t i = 6; i + 1 < stops; i += 2) {
        struct held *h = held_find(w, reply_str(reply, i, &len),
                                   reply_str(reply, i + 1, &len));
        if (h != NULL && h->group == g && !h->lost) {
            log_warn(w->log, log_event("stale"), log_text("id", h->run.id),
                     log_text("function", h->run.function),
                     log_text("text", "not ours any more"));
            worker_drop(w, h);
        }
    }
    exchange_compare(w, g, reply_i64(reply, 4));
    for (size_t i = stops; i < reply_n(reply); i++) {
        struct held *h = held_find(w, reply_str(reply, i, &len), NULL);
        if (h != NULL && h->group == g)
            worker_stop_run(w, h);
    }
    w->want_tick(w->want_arg);
}

void exchange_heartbeat(struct worker *w, struct worker_group *g,
                        int64_t now_ms, int leave)
{
    struct args a;
    char listed[32];
    args_init(&a);
    args_add_str(&a, w->name);
    args_add_i64(&a, leave ? 0 : w->lease_ms);
    int n = snprintf(listed, sizeof(listed), "%d%s", g->reconcile,
                     worker_rests(w) ? "r" : "");
    if (g->reconcile)
        snprintf(listed + n, sizeof(listed) - (size_t)n, " %" PRId64,
                 g->heard_us);
    args_add_str(&a, listed);
    for (int s = 0; g->reconcile && s < HELD_N; s++)
        for (struct held *h = w->held[s].first; h != NULL; h = h->next)
            if (h->group == g) {
                args_add_str(&a, h->run.id);
                args_add_str(&a, h->record.ticket);
            }
    g->reconciling = g->reconcile;
    g->reconcile = 0;
    g->nudged = 0;
    g->beating = 1;
    g->sent_mono_ms = now_ms;
    script_call(w->caller, SCRIPT_HEARTBEAT, g->name, &a,
                exchange_on_heartbeat, g);
    args_close(&a);
}

/* ---- the fleet ----------------------------------------------------------- */

/* Commands we have not carried out yet: "number verb". The next heartbeat says
 * that we have. */
static void exchange_obey(struct worker *w, const struct redisReply *commands)
{
    for (size_t i = 0; i < reply_n(commands); i++) {
        size_t len;
        char *verb;
        int64_t number = strtoll(reply_str(commands, i, &len), &verb, 10);
        if (number <= w->acted || *verb != ' ')
            continue;
        w->acted = number;
        w->fleet_mono_ms = 0;
        worker_command(w, verb + 1);
    }
}

/* The fleet's keys are at one primary of a cluster. While that is away nobody
 * can be elected, and each worker sees to its own groups: more work, but safe,
 * and groups at other primaries go on. */
static void exchange_lead_alone(struct worker *w)
{
    w->leading = w->apart;
    for (int i = 0; w->apart && i < w->n_groups; i++)
        if (w->groups[i].stay != GROUP_GONE)
            reaper_add_group(&w->reaper, w->groups[i].name,
                             strlen(w->groups[i].name));
}

static void exchange_on_fleet(const struct redisReply *reply,
                              const struct stint_err *err, void *arg)
{
    struct worker *w = arg;
    w->fleet_beating = 0;
    if (reply == NULL) {
        exchange_lead_alone(w);
        exchange_failed(w, NULL, err, "heartbeat");
        return;
    }
    w->fleet_heard = 1;
    int leading = reply_i64(reply, 1) == 1;
    if (leading && !w->leading)
        log_debug(w->log, log_event("lead"));
    w->leading = leading;
    exchange_obey(w, reply_at(reply, 2));
    for (size_t i = 3; i < reply_n(reply); i++) {
        size_t len;
        const char *name = reply_str(reply, i, &len);
        worker_saw_group(w, name, len);
    }
    w->want_tick(w->want_arg);
}

void exchange_fleet(struct worker *w, int leave)
{
    char lease[64], *text = record_write(w);
    log_settle(w->log, leave);
    struct args a;
    args_init(&a);
    args_add_str(&a, w->name);
    args_add_str(&a, text);
    snprintf(lease, sizeof(lease), "%" PRId64 " %" PRId64,
             leave ? 0 : w->lease_ms, w->acted);
    args_add_str(&a, lease);
    for (int i = 0; i < w->n_groups; i++)
        if (w->groups[i].stay == GROUP_SERVED &&
            w->groups[i].head == &w->groups[i]) /* not each of its parts */
            args_add_str(&a, w->groups[i].name);
    w->fleet_beating = 1;
    script_call(w->caller, SCRIPT_FLEET_HEARTBEAT, NULL, &a, exchange_on_fleet,
                w);
    args_close(&a);
    free(text);
}

/* ---- drain: is anything left? -------------------------------------------- */

static void exchange_on_count(const struct redisReply *reply,
                              const struct stint_err *err, void *arg)
{
    struct worker_group *g = arg;
    g->counting = 0;
    g->left = -1;
    if (reply == NULL) {
        exchange_failed(g->worker, g, err, "stats");
        return;
    }
    g->left = reply_i64(reply, 1) + reply_i64(reply, 4) + reply_i64(reply, 5);
    g->unknown = reply_i64(reply, 2);
    g->worker->want_tick(g->worker->want_arg);
}

void exchange_count(struct worker *w, struct worker_group *g)
{
    struct args none;
    args_init(&none);
    g->counting = 1;
    g->left = -1;
    script_call(w->caller, SCRIPT_STATS, g->name, &none, exchange_on_count, g);
}
