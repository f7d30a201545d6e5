/* SPDX-License-Identifier: MIT */
/* Calls are carried out one after the other, at the simulated time: the memory
 * server's clock shows it; a real server is told it in the place where the
 * product says "Redis's own clock". What would block or expire there by the real
 * clock is done here: BZPOPMIN, and the life of {stint}:leader. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "err.h"
#include "sim.h"

#define ARGS_MAX    4096
#define WAITERS_MAX 128

struct sim_waiter {
    struct sim_waiter *next;
    int argc;            /* the keys */
    char **keys;         /* owned */
    sim_popped_fn fn;
    void *arg;
};

redisReply *sim_redis_ask(struct sim *s, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    redisReply *r = sim_server_ask(s->server, format, ap);
    va_end(ap);
    return r;
}

void sim_redis_free(struct sim *s, redisReply *reply)
{
    sim_server_free(s->server, reply);
}

void sim_redis_begin(struct sim *s)
{
    sim_server_begin(s->server, sim_redis_ms(s));
}

void sim_redis_flush_functions(struct sim *s)
{
    sim_redis_free(s, sim_redis_ask(s, "FUNCTION FLUSH"));
}

/* ---- Those who wait ----------------------------------------------------- */

static void waiter_free(struct sim_waiter *w)
{
    for (int i = 0; i < w->argc; i++)
        free(w->keys[i]);
    free(w->keys);
    free(w);
}

void sim_redis_forget(struct sim *s, const void *arg)
{
    struct sim_waiter **at = &s->waiters;
    while (*at != NULL && (*at)->arg != arg)
        at = &(*at)->next;
    if (*at == NULL)
        return;
    struct sim_waiter *w = *at;
    *at = w->next;
    waiter_free(w);
}

void sim_redis_forget_all(struct sim *s)
{
    while (s->waiters != NULL)
        sim_redis_forget(s, s->waiters->arg);
}

/* Pops for each who waits, in order, from the first of its keys that has
 * something; then hands out what was popped. A callback may wait again. */
static void pop_serve(struct sim *s)
{
    struct sim_waiter *served[WAITERS_MAX];
    redisReply *got[WAITERS_MAX];
    int n = 0;
    if (s->waiters == NULL || !sim_server_has_pushed(s->server))
        return;
    for (struct sim_waiter *w = s->waiters; w != NULL; w = w->next) {
        redisReply *r = sim_server_pop(s->server, w->argc,
                                       (const char *const *)w->keys);
        if (r->type == REDIS_REPLY_ERROR)
            sim_fail(s, "the simulator's pop: %s", r->str);
        if (r->type == REDIS_REPLY_NIL) {
            sim_redis_free(s, r);
            continue;
        }
        check(n < WAITERS_MAX);
        served[n] = w;
        got[n++] = r;
    }
    for (int i = 0; i < n; i++) {
        sim_popped_fn fn = served[i]->fn;
        void *arg = served[i]->arg;
        sim_redis_forget(s, arg);
        fn(s, arg, got[i]);
    }
}

/* Who comes asks, whether or not something came since. */
static void pop_ask(struct sim *s, struct sim_waiter *w)
{
    redisReply *r = sim_server_pop(s->server, w->argc,
                                   (const char *const *)w->keys);
    if (r->type != REDIS_REPLY_ARRAY) {
        sim_redis_free(s, r);
        return;
    }
    sim_popped_fn fn = w->fn;
    void *arg = w->arg;
    sim_redis_forget(s, arg);
    fn(s, arg, r);
}

redisReply *sim_redis_wait(struct sim *s, int argc, const char *const *argv,
                           const size_t *len, sim_popped_fn fn, void *arg)
{
    struct sim_waiter *w = calloc(1, sizeof(*w));
    check(w != NULL && argc >= 3);
    w->argc = argc - 2; /* without the command and the timeout */
    w->keys = calloc((size_t)w->argc, sizeof(*w->keys));
    check(w->keys != NULL);
    for (int i = 0; i < w->argc; i++) {
        w->keys[i] = strndup(argv[i + 1], len[i + 1]);
        check(w->keys[i] != NULL);
    }
    w->fn = fn;
    w->arg = arg;
    struct sim_waiter **at = &s->waiters;
    while (*at != NULL)
        at = &(*at)->next;
    *at = w;
    pop_ask(s, w);
    return NULL;
}

/* ---- Calls -------------------------------------------------------------- */

void sim_redis_fsck(struct sim *s, const char *base, const char *after)
{
    redisReply *r = sim_server_fsck(s->server, base, sim_redis_ms(s));
    if (r == NULL)
        return;
    if (r->type != REDIS_REPLY_ARRAY)
        sim_fail(s, "fsck after %s: %s", after, r->str);
    if (r->elements > 0)
        sim_fail(s, "fsck after %s: %s%s", after, r->element[0]->str,
                 r->elements > 1 ? " (and more)" : "");
    sim_redis_free(s, r);
}

static int redis_group(const char *key)
{
    char base[64];
    for (int i = 0; i < SIM_GROUPS; i++) {
        snprintf(base, sizeof(base), "{stint:%s}", sim_groups[i]);
        if (strcmp(base, key) == 0)
            return i;
    }
    return -1;
}

/* A worker that leads keeps {stint}:leader by the simulated clock. */
static void redis_leader(struct sim *s, const struct sim_call_view *c)
{
    size_t len;
    if (c->argc > 2 && strcmp(reply_str(c->reply, 1, &len), "1") == 0)
        s->leader_until_ms = sim_redis_ms(s) + strtoll(c->argv[2], NULL, 10);
}

/* ---- Calls that come twice ----------------------------------------------- */

#define AGAIN_ARGS 10

struct sim_again {
    struct sim_again *next; /* of the seed */
    char *argv[AGAIN_ARGS]; /* owned */
    size_t len[AGAIN_ARGS];
    int64_t sent_ms;
};

static void again_on_time(struct sim *s, void *arg)
{
    const struct sim_again *a = arg;
    /* What lay in a connection to a Redis that went back, or that another took
     * over from, is gone with it. */
    if (s->is_leaving || s->back_at_ms >= a->sent_ms)
        return;
    sim_redis_free(s, sim_redis_call(s, "again", AGAIN_ARGS,
                                     (const char *const *)a->argv, a->len));
}

/* A message: who delivered it did not hear so, and another has asked
 * meanwhile. Output: what a dead connection sent comes late. */
static void again_draw(struct sim *s, const struct sim_call_view *c, int argc,
                       const char *const *argv, const size_t *len)
{
    int is_message = strcmp(c->verb, "deliver") == 0;
    uint64_t *dice = sim_dice(s, FEATURE_TWICE_AT);
    if (dice == NULL || argc != AGAIN_ARGS ||
        (!is_message && strcmp(c->verb, "progress") != 0) ||
        strcmp(c->who, "again") == 0 || !dice_chance(dice, 400))
        return;
    struct sim_again *a = calloc(1, sizeof(*a));
    check(a != NULL);
    for (int i = 0; i < argc; i++) {
        a->argv[i] = strndup(argv[i], len[i]);
        check(a->argv[i] != NULL);
        a->len[i] = len[i];
    }
    a->sent_ms = s->now_ms;
    a->next = s->agains;
    s->agains = a;
    sim_push(s, s->now_ms + dice_between(dice, 0, is_message ? 3000 : 9000),
             again_on_time, a);
}

void sim_redis_end(struct sim *s)
{
    while (s->agains != NULL) {
        struct sim_again *a = s->agains;
        s->agains = a->next;
        for (int i = 0; i < AGAIN_ARGS; i++)
            free(a->argv[i]);
        free(a);
    }
}

/* ---- Rules --------------------------------------------------------------- */

static uint64_t clock_looks(const struct sim *s)
{
    return s->server->m != NULL ? s->server->m->calls[COMMAND_TIME] : 0;
}

/* A call of the rules: FCALL stint_VERB 1 KEY protocol time arguments. */
static redisReply *redis_rules(struct sim *s, const char *who, int argc,
                               const char **argv, const size_t *len)
{
    char time_text[24];
    struct sim_call_view c = {.who = who, .verb = argv[1] + 6,
                              .key = argv[3], .group = redis_group(argv[3]),
                              .argc = argc - 6, .argv = argv + 6};
    size_t lens[ARGS_MAX];
    int is_fleet = strcmp(c.verb, "fleet_heartbeat") == 0;
    snprintf(time_text, sizeof(time_text), "%" PRId64,
             s->server->m != NULL ? 0 : sim_redis_ms(s));
    memcpy(lens, len, (size_t)argc * sizeof(*lens));
    argv[5] = time_text;
    lens[5] = strlen(time_text);
    sim_server_set_now(s->server, sim_redis_ms(s));
    if (s->leader_until_ms != 0 && s->leader_until_ms <= sim_redis_ms(s)) {
        sim_redis_free(s, sim_redis_ask(s, "DEL {stint}:leader"));
        s->leader_until_ms = 0;
    }
    if (s->probes > 0 && dice_chance(&s->probe_dice, s->probes))
        sim_probe(s, &c, argc, argv, lens);
    uint64_t looks = clock_looks(s);
    redisReply *reply = sim_server_call(s->server, argc, argv, lens);
    c.reply = reply;
    /* Between two looks it may jump. */
    if (clock_looks(s) - looks > 1)
        sim_fail(s, "%s reads the clock %" PRIu64 " times", c.verb,
                 clock_looks(s) - looks);
    if (reply->type == REDIS_REPLY_ERROR && s->server->m != NULL &&
        s->server->m->script.n_writes > 0)
        sim_fail(s, "%s was refused, but wrote: %s", c.verb, reply->str);
    if (is_fleet) {
        sim_server_keep_leader(s->server);
        redis_leader(s, &c);
    }
    s->n_calls++;
    struct sim_look look = {0};
    if (c.group >= 0)
        sim_look_open(&look, s->server, c.key);
    int changed = sim_check_call(s, &c, &look);
    if (changed && s->server->m != NULL)
        sim_index_check(s, &c, &look);
    sim_look_close(&look);
    if (changed && ++s->n_changes % (unsigned)s->fsck_every == 0)
        sim_redis_fsck(s, c.key, c.verb);
    again_draw(s, &c, argc, argv, lens);
    pop_serve(s);
    return reply;
}

redisReply *sim_redis_call(struct sim *s, const char *who, int argc,
                           const char *const *argv, const size_t *len)
{
    const char *copy[ARGS_MAX];
    check(argc < ARGS_MAX);
    memcpy(copy, argv, (size_t)argc * sizeof(*copy));
    const char *refusal =
        sim_refuse(s, argv[0], argc > 1 ? argv[1] : "");
    if (refusal != NULL) {
        sim_trace(s, "%s: %s is refused: %.20s", who,
                  argc > 1 ? argv[1] : argv[0], refusal);
        return sim_server_error(s->server, refusal);
    }
    if (argc >= 6 && strcmp(argv[0], "FCALL") == 0)
        return redis_rules(s, who, argc, copy, len);
    sim_trace(s, "%s: %s", who, argv[0]);
    return sim_server_call(s->server, argc, copy, len);
}
