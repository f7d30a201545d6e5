/* SPDX-License-Identifier: MIT */
#include "sim_server.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "err.h"
#include "lua_scripts.h"
#include "script.h"

#define ARGS_MAX 4096

/* ---- Calls --------------------------------------------------------------- */

static redisReply *memory_answer(struct memory *m, int argc,
                                 const struct arg *args)
{
    struct reply reply;
    struct out out;
    out_to_reply(&out, &reply);
    memory_call(m, argc, args, &out);
    return reply_root_take(&reply);
}

static redisReply *real_get(struct sim_server *v)
{
    void *reply = NULL;
    if (redisGetReply(v->redis, &reply) != REDIS_OK) {
        fprintf(stderr, "the simulator lost its Redis: %s\n",
                v->redis->errstr);
        abort();
    }
    return reply;
}

redisReply *sim_server_call(struct sim_server *v, int argc,
                            const char *const *argv, const size_t *len)
{
    struct arg args[ARGS_MAX];
    check(argc < ARGS_MAX);
    if (v->m == NULL) {
        const char *copy[ARGS_MAX];
        memcpy(copy, argv, (size_t)argc * sizeof(*copy));
        redisAppendCommandArgv(v->redis, argc, copy, len);
        return real_get(v);
    }
    for (int i = 0; i < argc; i++)
        args[i] = (struct arg){argv[i], len != NULL ? len[i]
                                                    : strlen(argv[i])};
    return memory_answer(v->m, argc, args);
}

/* Takes "*2\r\n$3\r\nGET\r\n…" apart. */
static int wire_read(char *wire, struct arg *args)
{
    int argc = (int)strtol(wire + 1, &wire, 10);
    check(argc > 0 && argc < ARGS_MAX);
    for (int i = 0; i < argc; i++) {
        size_t len = strtoul(strchr(wire, '$') + 1, &wire, 10);
        args[i] = (struct arg){wire + 2, len};
        wire += 2 + len;
    }
    return argc;
}

redisReply *sim_server_ask(struct sim_server *v, const char *format,
                           va_list ap)
{
    struct arg args[ARGS_MAX];
    char *wire = NULL;
    if (v->m == NULL) {
        redisReply *r = redisvCommand(v->redis, format, ap);
        check(r != NULL);
        return r;
    }
    check(redisvFormatCommand(&wire, format, ap) > 0);
    redisReply *r = memory_answer(v->m, wire_read(wire, args), args);
    redisFreeCommand(wire);
    return r;
}

static redisReply *server_do(struct sim_server *v, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    redisReply *r = sim_server_ask(v, format, ap);
    va_end(ap);
    return r;
}

redisReply *sim_server_nil(struct sim_server *v)
{
    if (v->m == NULL) {
        redisReply *nil = calloc(1, sizeof(*nil));
        check(nil != NULL);
        nil->type = REDIS_REPLY_NIL;
        return nil;
    }
    struct reply reply;
    struct out out;
    out_to_reply(&out, &reply);
    out_nil(&out);
    return reply_root_take(&reply);
}

redisReply *sim_server_error(struct sim_server *v, const char *text)
{
    redisReply *r = sim_server_nil(v);
    if (v->m == NULL) {
        r->type = REDIS_REPLY_ERROR;
        r->str = strdup(text);
        r->len = strlen(text);
        check(r->str != NULL);
        return r;
    }
    reply_root_free(r);
    struct reply reply;
    struct out out;
    out_to_reply(&out, &reply);
    out_error(&out, text, strlen(text));
    return reply_root_take(&reply);
}

void sim_server_free(struct sim_server *v, redisReply *reply)
{
    if (v->m != NULL)
        reply_root_free(reply);
    else
        freeReplyObject(reply);
}

/* ---- Beginning and ending ------------------------------------------------ */

void sim_server_open(struct sim_server *v, int is_real)
{
    *v = (struct sim_server){0};
    if (!is_real) {
        v->m = memory_new();
        check(v->m != NULL);
        return;
    }
    server_start(&v->real);
    v->redis = redisConnectUnix(v->real.url + strlen("unix://"));
    check(v->redis != NULL && v->redis->err == 0);
    freeReplyObject(redisCommand(v->redis, "CONFIG SET appendonly no"));
}

void sim_server_close(struct sim_server *v)
{
    if (v->m != NULL) {
        memory_unref(v->m);
        return;
    }
    redisFree(v->redis);
    server_stop(&v->real);
}

static void server_must(struct sim_server *v, redisReply *r)
{
    if (r->type == REDIS_REPLY_ERROR)
        fprintf(stderr, "%s\n", r->str);
    check(r->type != REDIS_REPLY_ERROR);
    sim_server_free(v, r);
}

void sim_server_begin(struct sim_server *v, int64_t now_ms)
{
    sim_server_set_now(v, now_ms);
    server_must(v, server_do(v, "FLUSHALL"));
    server_must(v, server_do(v, "SET {stint:main}:parts 2")); /* SIM_PARTS */
    server_must(v, server_do(v, "SET {stint:main~1}:parts 2"));
    server_must(v, server_do(v, "HSET {stint}:parts main 2"));
    const char *argv[] = {"FUNCTION", "LOAD", "REPLACE", lua_library};
    const size_t len[] = {8, 4, 7, lua_library_len};
    server_must(v, sim_server_call(v, 4, argv, len));
    if (v->m != NULL)
        v->m->is_pushed = 0;
}

void sim_server_set_now(struct sim_server *v, int64_t now_ms)
{
    if (v->m != NULL)
        v->m->now_us = 1000 * now_ms; /* backwards, too */
}

void sim_server_keep_leader(struct sim_server *v)
{
    static const char key[] = "{stint}:leader";
    if (v->m == NULL) {
        server_must(v, server_do(v, "PERSIST %s", key));
        return;
    }
    struct object *o = keyspace_own(&v->m->keys, v->m->now_us / 1000, key,
                                    sizeof(key) - 1);
    if (o != NULL)
        o->expire_ms = 0;
}

/* ---- Those who wait ------------------------------------------------------ */

int sim_server_has_pushed(struct sim_server *v)
{
    if (v->m == NULL)
        return 1;
    int is_pushed = v->m->is_pushed;
    v->m->is_pushed = 0;
    return is_pushed;
}

redisReply *sim_server_pop(struct sim_server *v, int n,
                           const char *const *keys)
{
    static const char pop[] = /* as BZPOPMIN does it, but never waits */
        "for _, key in ipairs(KEYS) do local m = redis.call('ZPOPMIN', key) "
        "if m[1] then return {key, m[1], m[2]} end end return false";
    const char *argv[ARGS_MAX];
    char n_text[16];
    int argc = 0;
    check(n + 3 < ARGS_MAX);
    snprintf(n_text, sizeof(n_text), "%d", n);
    argv[argc++] = v->m != NULL ? "BZPOPMIN" : "EVAL";
    if (v->m == NULL) {
        argv[argc++] = pop;
        argv[argc++] = n_text;
    }
    for (int i = 0; i < n; i++)
        argv[argc++] = keys[i];
    if (v->m != NULL)
        argv[argc++] = "1";
    return sim_server_call(v, argc, argv, NULL);
}

/* ---- fsck ---------------------------------------------------------------- */

/* For a real one, where the library may be gone: as a script, all steps in
 * one. */
static redisReply *real_fsck(struct sim_server *v, const char *base,
                             int64_t now_ms)
{
    static const char head[] = "local function step(KEYS, ARGV)\n";
    static const char tail[] =
        "\nend\n"
        "local key, cursor, faults = '1', '0', {}\n"
        "repeat\n"
        "  local r = step(KEYS, {ARGV[1], ARGV[2], key, cursor, '1000'})\n"
        "  key, cursor = r[2], r[3]\n"
        "  for i = 5, #r do faults[#faults + 1] = r[i] end\n"
        "until key == '0'\n"
        "return faults\n";
    const struct lua_script *fsck = &lua_scripts[SCRIPT_FSCK];
    size_t cap = fsck->len + sizeof(head) + sizeof(tail);
    char *text = malloc(cap);
    check(text != NULL);
    int n = snprintf(text, cap, "%s%.*s%s", head, (int)fsck->len, fsck->text,
                     tail);
    check(n > 0 && (size_t)n < cap);
    redisReply *r = server_do(v, "EVAL %b 1 %s %s %lld", text, (size_t)n, base,
                              SCRIPT_PROTOCOL, (long long)now_ms);
    free(text);
    return r;
}

/* The faults of all steps; steps: how many of them had any. */
static redisReply *memory_fsck(struct sim_server *v, const char *base,
                               int64_t now_ms)
{
    char key[24] = "1", cursor[24] = "0";
    for (int steps = 0; strcmp(key, "0") != 0; steps++) {
        check(steps < 10000);
        redisReply *r =
            server_do(v, "FCALL stint_fsck 1 %s %s %lld %s %s 1000", base,
                      SCRIPT_PROTOCOL, (long long)now_ms, key, cursor);
        if (r->type == REDIS_REPLY_ERROR &&
            strstr(r->str, "Function not found") != NULL) {
            sim_server_free(v, r);
            return NULL;
        }
        if (r->type != REDIS_REPLY_ARRAY || r->elements > 4)
            return r;
        snprintf(key, sizeof(key), "%s", r->element[1]->str);
        snprintf(cursor, sizeof(cursor), "%s", r->element[2]->str);
        sim_server_free(v, r);
    }
    return NULL;
}

redisReply *sim_server_fsck(struct sim_server *v, const char *base,
                            int64_t now_ms)
{
    if (v->m != NULL) {
        redisReply *r = memory_fsck(v, base, now_ms);
        if (r != NULL && r->type == REDIS_REPLY_ARRAY) {
            /* The first four elements are no faults. */
            for (size_t i = 4; i < r->elements; i++)
                r->element[i - 4] = r->element[i];
            r->elements -= 4;
        }
        return r;
    }
    return real_fsck(v, base, now_ms);
}

/* ---- Looking at all ------------------------------------------------------ */

static const struct object *look_object(struct sim_server *v,
                                        const char *base, const char *name)
{
    char key[80];
    int n = snprintf(key, sizeof(key), "%s:%s", base, name);
    return keyspace_find(&v->m->keys, v->m->now_us / 1000, key, (size_t)n);
}

void sim_look_open(struct sim_look *l, struct sim_server *v, const char *base)
{
    *l = (struct sim_look){0};
    if (v->m != NULL) {
        l->state = look_object(v, base, "state");
        l->task = look_object(v, base, "task");
    } else {
        l->state_reply = server_do(v, "HGETALL %s:state", base);
        l->task_reply = server_do(v, "HKEYS %s:task", base);
    }
}

int sim_look_record(const struct sim_look *l, uint32_t *at, const char **id,
                    const char **text, size_t *len)
{
    if (l->state_reply != NULL) {
        if (*at + 1 >= l->state_reply->elements)
            return 0;
        *id = l->state_reply->element[*at]->str;
        *text = l->state_reply->element[*at + 1]->str;
        *len = l->state_reply->element[*at + 1]->len;
        *at += 2;
        return 1;
    }
    const struct dict_entry *e =
        l->state != NULL ? dict_next(&l->state->as.hash, at) : NULL;
    if (e == NULL)
        return 0;
    const struct str *value = e->value;
    *id = e->key->bytes;
    *text = value->bytes;
    *len = value->len;
    return 1;
}

int sim_look_id(const struct sim_look *l, uint32_t *at, const char **id)
{
    if (l->task_reply != NULL) {
        if (*at >= l->task_reply->elements)
            return 0;
        *id = l->task_reply->element[(*at)++]->str;
        return 1;
    }
    const struct dict_entry *e =
        l->task != NULL ? dict_next(&l->task->as.hash, at) : NULL;
    if (e == NULL)
        return 0;
    *id = e->key->bytes;
    return 1;
}

void sim_look_close(struct sim_look *l)
{
    freeReplyObject(l->state_reply);
    freeReplyObject(l->task_reply);
    *l = (struct sim_look){0};
}
