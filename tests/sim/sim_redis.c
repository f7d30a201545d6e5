/* SPDX-License-Identifier: MIT */
/* A real redis-server carries out the calls, one after the other, each with
 * the simulated time in the place where the product says "Redis's own clock".
 * What would block or expire there by the real clock is done here: BZPOPMIN,
 * and the life of {stint}:leader. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "lua_scripts.h"
#include "sim.h"

#define ARGS_MAX    4096
#define WAITERS_MAX 128

/* Pops for each who waits, in order, from the first of its keys that has
 * something. KEYS: all their keys; ARGV: whose each is. */
static const char pop_text[] =
    "local out, served, empty = {}, {}, {}\n"
    "for i, key in ipairs(KEYS) do\n"
    "  if not served[ARGV[i]] and not empty[key] then\n"
    "    local m = redis.call('ZPOPMIN', key)\n"
    "    if m[1] then\n"
    "      served[ARGV[i]] = true\n"
    "      out[#out + 1] = {key, m[1], m[2], ARGV[i]}\n"
    "    else\n"
    "      empty[key] = true\n"
    "    end\n"
    "  end\n"
    "end\n"
    "return out\n";

/* fsck takes a step a call; these are all its steps in one. */
static const char fsck_head[] = "local function step(KEYS, ARGV)\n";
static const char fsck_tail[] =
    "\nend\n"
    "local key, cursor, faults = '1', '0', {}\n"
    "repeat\n"
    "  local r = step(KEYS, {ARGV[1], ARGV[2], key, cursor, '1000'})\n"
    "  key, cursor = r[2], r[3]\n"
    "  for i = 5, #r do faults[#faults + 1] = r[i] end\n"
    "until key == '0'\n"
    "return faults\n";

static char pop_sha[41], fsck_sha[41];

struct sim_waiter {
    struct sim_waiter *next;
    int argc;            /* the keys */
    char **keys;         /* owned */
    sim_popped_fn fn;
    void *arg;
};

/* ---- The connection ----------------------------------------------------- */

static redisReply *redis_get(struct sim *s)
{
    void *reply = NULL;
    if (redisGetReply(s->redis, &reply) != REDIS_OK)
        sim_fail(s, "the simulator lost its Redis: %s", s->redis->errstr);
    return reply;
}

redisReply *sim_redis_ask(struct sim *s, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    redisReply *r = redisvCommand(s->redis, format, ap);
    va_end(ap);
    check(r != NULL);
    return r;
}

static void redis_load(redisContext *c, const char *text, size_t len,
                       char sha[static 41])
{
    redisReply *r = redisCommand(c, "SCRIPT LOAD %b", text, len);
    check(r != NULL && r->type == REDIS_REPLY_STRING);
    snprintf(sha, 41, "%s", r->str);
    freeReplyObject(r);
}

static void redis_load_fsck(redisContext *c)
{
    size_t i = 0;
    while (i < lua_scripts_n && strcmp(lua_scripts[i].name, "fsck") != 0)
        i++;
    check(i < lua_scripts_n);
    size_t cap = lua_scripts[i].len + sizeof(fsck_head) + sizeof(fsck_tail);
    char *text = malloc(cap);
    check(text != NULL);
    int n = snprintf(text, cap, "%s%.*s%s", fsck_head, (int)lua_scripts[i].len,
                     lua_scripts[i].text, fsck_tail);
    check(n > 0 && (size_t)n < cap);
    redis_load(c, text, (size_t)n, fsck_sha);
    free(text);
}

redisContext *sim_redis_open(const struct server *server)
{
    redisContext *c = redisConnectUnix(server->url + strlen("unix://"));
    check(c != NULL && c->err == 0);
    freeReplyObject(redisCommand(c, "CONFIG SET appendonly no"));
    redis_load(c, pop_text, sizeof(pop_text) - 1, pop_sha);
    redis_load_fsck(c);
    return c;
}

static void redis_do(struct sim *s, const char *command)
{
    redisReply *r = sim_redis_ask(s, command);
    check(r->type != REDIS_REPLY_ERROR);
    freeReplyObject(r);
}

void sim_redis_begin(struct sim *s)
{
    redis_do(s, "FLUSHALL");
    redis_do(s, "SET {stint:main}:parts 2"); /* SIM_PARTS */
    redis_do(s, "SET {stint:main~1}:parts 2");
    redis_do(s, "HSET {stint}:parts main 2");
    redisReply *r = sim_redis_ask(s, "FUNCTION LOAD REPLACE %b", lua_library,
                                  lua_library_len);
    if (r->type == REDIS_REPLY_ERROR)
        sim_fail(s, "the library: %s", r->str);
    freeReplyObject(r);
}

void sim_redis_flush_functions(struct sim *s)
{
    redis_do(s, "FUNCTION FLUSH");
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

/* Puts the command on the wire, if anybody waits. */
static int pop_append(struct sim *s)
{
    static const char *argv[ARGS_MAX];
    static char who[WAITERS_MAX][4];
    char n_text[16];
    int n = 0, i = 0;
    for (struct sim_waiter *w = s->waiters; w != NULL; w = w->next)
        n += w->argc;
    if (n == 0)
        return 0;
    check(2 * n + 3 <= ARGS_MAX);
    argv[0] = "EVALSHA";
    argv[1] = pop_sha;
    snprintf(n_text, sizeof(n_text), "%d", n);
    argv[2] = n_text;
    n = 3;
    for (struct sim_waiter *w = s->waiters; w != NULL; w = w->next)
        for (int k = 0; k < w->argc; k++)
            argv[n++] = w->keys[k];
    for (struct sim_waiter *w = s->waiters; w != NULL; w = w->next, i++) {
        check(i < WAITERS_MAX);
        snprintf(who[i], sizeof(who[i]), "%d", i);
        for (int k = 0; k < w->argc; k++)
            argv[n++] = who[i];
    }
    check(redisAppendCommandArgv(s->redis, n, argv, NULL) == REDIS_OK);
    return 1;
}

/* Hands out what was popped. A callback may wait again. */
static void pop_serve(struct sim *s, redisReply *reply)
{
    struct sim_waiter *served[WAITERS_MAX];
    redisReply *got[WAITERS_MAX];
    int n = (int)reply->elements;
    if (reply->type != REDIS_REPLY_ARRAY)
        sim_fail(s, "the simulator's pop: %s", reply->str);
    check(n <= WAITERS_MAX);
    for (int i = 0; i < n; i++) {
        got[i] = reply->element[i];
        reply->element[i] = NULL;
        served[i] = s->waiters;
        for (long at = strtol(got[i]->element[3]->str, NULL, 10); at > 0; at--)
            served[i] = served[i]->next;
        freeReplyObject(got[i]->element[3]);
        got[i]->elements = 3; /* as BZPOPMIN says it */
    }
    freeReplyObject(reply);
    for (int i = 0; i < n; i++) {
        sim_popped_fn fn = served[i]->fn;
        void *arg = served[i]->arg;
        sim_redis_forget(s, arg);
        fn(s, arg, got[i]);
    }
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
    check(pop_append(s));
    pop_serve(s, redis_get(s));
    return NULL;
}

/* ---- Calls -------------------------------------------------------------- */

void sim_redis_fsck(struct sim *s, const char *base, const char *after)
{
    redisReply *r = sim_redis_ask(s, "EVALSHA %s 1 %s %s %lld", fsck_sha,
                                  base, SCRIPT_PROTOCOL,
                                  (long long)sim_redis_ms(s));
    if (r->type != REDIS_REPLY_ARRAY)
        sim_fail(s, "fsck after %s: %s", after, r->str);
    if (r->elements > 0)
        sim_fail(s, "fsck after %s: %s%s", after, r->element[0]->str,
                 r->elements > 1 ? " (and more)" : "");
    freeReplyObject(r);
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
};

static void again_on_time(struct sim *s, void *arg)
{
    const struct sim_again *a = arg;
    if (s->is_leaving)
        return;
    freeReplyObject(sim_redis_call(s, "again", AGAIN_ARGS,
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
    snprintf(time_text, sizeof(time_text), "%" PRId64, sim_redis_ms(s));
    memcpy(lens, len, (size_t)argc * sizeof(*lens));
    argv[5] = time_text;
    lens[5] = strlen(time_text);
    int is_over = s->leader_until_ms != 0 &&
                  s->leader_until_ms <= sim_redis_ms(s);
    if (is_over)
        redisAppendCommand(s->redis, "DEL {stint}:leader");
    redisAppendCommandArgv(s->redis, argc, argv, lens);
    if (is_fleet)
        redisAppendCommand(s->redis, "PERSIST {stint}:leader");
    if (c.group >= 0) {
        redisAppendCommand(s->redis, "HGETALL %s:state", c.key);
        redisAppendCommand(s->redis, "HKEYS %s:task", c.key);
    }
    int pops = pop_append(s);
    if (is_over) {
        freeReplyObject(redis_get(s));
        s->leader_until_ms = 0;
    }
    redisReply *reply = redis_get(s);
    c.reply = reply;
    if (is_fleet) {
        freeReplyObject(redis_get(s));
        redis_leader(s, &c);
    }
    redisReply *state = c.group >= 0 ? redis_get(s) : NULL;
    redisReply *ids = c.group >= 0 ? redis_get(s) : NULL;
    redisReply *popped = pops ? redis_get(s) : NULL;
    s->n_calls++;
    if (sim_check_call(s, &c, state, ids) &&
        ++s->n_changes % (unsigned)s->fsck_every == 0)
        sim_redis_fsck(s, c.key, c.verb);
    freeReplyObject(state);
    freeReplyObject(ids);
    again_draw(s, &c, argc, argv, lens);
    if (popped != NULL)
        pop_serve(s, popped);
    return reply;
}

redisReply *sim_redis_call(struct sim *s, const char *who, int argc,
                           const char *const *argv, const size_t *len)
{
    const char *copy[ARGS_MAX];
    check(argc < ARGS_MAX);
    memcpy(copy, argv, (size_t)argc * sizeof(*copy));
    if (argc >= 6 && strcmp(argv[0], "FCALL") == 0)
        return redis_rules(s, who, argc, copy, len);
    sim_trace(s, "%s: %s", who, argv[0]);
    redisAppendCommandArgv(s->redis, argc, copy, len);
    return redis_get(s);
}
