/* SPDX-License-Identifier: MIT */
/* Linked into a test of the rules (-Wl,--wrap): every command that the test
 * sends to its redis-server is carried out by a memory server, too. Every reply
 * must be the same, and so must all data whenever a test begins or ends. What
 * the memory server does not know (EVAL, KEYS…) only looks, and goes to Redis
 * alone. Where Redis's order is by chance it is not compared: elements of sets,
 * and what the rules find by them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "command.h"
#include "memory.h"

enum { ARGS_MAX = 16384, WAITING_MAX = 64 };

redisContext *__real_redisConnectUnix(const char *path);
void __real_redisFree(redisContext *c);
int __real_redisAppendCommandArgv(redisContext *c, int argc, const char **argv,
                                  const size_t *len);
int __real_redisGetReply(redisContext *c, void **reply);
void *__real_redisvCommand(redisContext *c, const char *format, va_list ap);
redisContext *__wrap_redisConnectUnix(const char *path);
void __wrap_redisFree(redisContext *c);
int __wrap_redisAppendCommandArgv(redisContext *c, int argc, const char **argv,
                                  const size_t *len);
int __wrap_redisGetReply(redisContext *c, void **reply);
void *__wrap_redisvCommand(redisContext *c, const char *format, va_list ap);

/* An answer of the memory server whose twin has not come yet. */
struct waiting {
    char command[80];
    int is_known, is_unordered;
    int is_why, is_fsck, is_step; /* is_step: of a scan that goes on */
    struct reply reply;
};

static struct both {
    redisContext *c; /* the test's connection; NULL: none yet */
    struct memory *m;
    struct waiting waiting[WAITING_MAX]; /* a ring */
    unsigned first, n;
    int is_full; /* Redis refuses writes: the memory server has no such limit */
    uint64_t n_compared;
} both;

/* ---- Comparing ----------------------------------------------------------- */

/* An order of replies; 0: the same in all that a client sees. */
static int reply_order(const redisReply *a, const redisReply *b)
{
    if (a->type != b->type)
        return a->type < b->type ? -1 : 1;
    if (a->type == REDIS_REPLY_INTEGER)
        return a->integer < b->integer ? -1 : a->integer > b->integer;
    if (a->type != REDIS_REPLY_ARRAY) {
        size_t len = a->len < b->len ? a->len : b->len;
        int order = len > 0 ? memcmp(a->str, b->str, len) : 0;
        return order != 0 ? order : a->len < b->len ? -1 : a->len > b->len;
    }
    if (a->elements != b->elements)
        return a->elements < b->elements ? -1 : 1;
    for (size_t i = 0; i < a->elements; i++) {
        int order = reply_order(a->element[i], b->element[i]);
        if (order != 0)
            return order;
    }
    return 0;
}

static int element_order(const void *a, const void *b)
{
    return reply_order(*(redisReply *const *)a, *(redisReply *const *)b);
}

/* The same with the elements of all arrays in order; shares what is no
 * array. */
static redisReply *reply_sorted(redisReply *r)
{
    if (r->type != REDIS_REPLY_ARRAY)
        return r;
    redisReply *copy = malloc(sizeof(*copy));
    *copy = *r;
    copy->element = calloc(r->elements + 1, sizeof(*copy->element));
    for (size_t i = 0; i < r->elements; i++)
        copy->element[i] = reply_sorted(r->element[i]);
    qsort(copy->element, copy->elements, sizeof(*copy->element),
          element_order);
    return copy;
}

static void sorted_free(redisReply *r)
{
    if (r->type != REDIS_REPLY_ARRAY)
        return;
    for (size_t i = 0; i < r->elements; i++)
        sorted_free(r->element[i]);
    free(r->element);
    free(r);
}

static int sorted_order(redisReply *a, redisReply *b)
{
    redisReply *a_sorted = reply_sorted(a), *b_sorted = reply_sorted(b);
    int order = reply_order(a_sorted, b_sorted);
    sorted_free(a_sorted);
    sorted_free(b_sorted);
    return order;
}

static void reply_print(const redisReply *r)
{
    if (r->type == REDIS_REPLY_INTEGER)
        print_error(" (%lld)", r->integer);
    else if (r->type != REDIS_REPLY_ARRAY)
        print_error(" %d:%.400s", r->type, r->str != NULL ? r->str : "");
    for (size_t i = 0; i < r->elements; i++)
        reply_print(r->element[i]);
}

static int byte_order(const void *a, const void *b)
{
    return *(const char *)a - *(const char *)b;
}

/* Entries of a stream are named by the server's clock, which is not the same;
 * which of a set's tasks a script took may be by chance; and Redis may keep some
 * more of them. So of what the latest entries tell the bytes are compared, in
 * order. */
static void entries_flatten(const redisReply *r, size_t from, char *all,
                            size_t cap)
{
    size_t n = 0;
    for (size_t i = from; i < r->elements; i++) {
        const redisReply *fields = r->element[i]->element[1];
        for (size_t k = 0; k < fields->elements; k++) {
            assert_true(n + fields->element[k]->len < cap);
            memcpy(all + n, fields->element[k]->str, fields->element[k]->len);
            n += fields->element[k]->len;
        }
    }
    qsort(all, n, 1, byte_order);
    all[n] = '\0';
}

static void entries_compare(const char *key, const redisReply *redis,
                            const redisReply *memory)
{
    size_t more = redis->elements - memory->elements;
    assert_true(redis->elements >= memory->elements);
    enum { ALL_MAX = 8 * 1024 * 1024 };
    char *all = malloc(2 * ALL_MAX);
    entries_flatten(redis, more, all, ALL_MAX);
    entries_flatten(memory, 0, all + ALL_MAX, ALL_MAX);
    if (strcmp(all, all + ALL_MAX) != 0)
        fail_msg("%s: Redis has %.2000s, the memory server %.2000s", key, all,
                 all + ALL_MAX);
    free(all);
}

static void replies_compare(const char *what, redisReply *redis,
                            redisReply *memory, int is_unordered)
{
    int order = reply_order(redis, memory);
    if (order != 0 && is_unordered)
        order = sorted_order(redis, memory);
    both.n_compared++;
    if (order == 0)
        return;
    print_error("%s\nRedis: ", what);
    reply_print(redis);
    print_error("\nmemory:");
    reply_print(memory);
    print_error("\n");
    fail_msg("the memory server answers something else");
}

/* ---- All data ------------------------------------------------------------ */

static redisReply *redis_ask(const char *command, const char *key)
{
    char format[64];
    snprintf(format, sizeof(format), command, "%b");
    redisReply *r = redisCommand(both.c, format, key, strlen(key));
    assert_non_null(r);
    return r;
}

static const char *const kind_words[] = {
    [KIND_STRING] = "string", [KIND_LIST] = "list", [KIND_HASH] = "hash",
    [KIND_SET] = "set",       [KIND_ZSET] = "zset",
    [KIND_STREAM] = "stream"};
static const char *const kind_reads[] = {
    [KIND_STRING] = "GET %s",
    [KIND_LIST] = "LRANGE %s 0 -1",
    [KIND_HASH] = "HGETALL %s",
    [KIND_SET] = "SMEMBERS %s",
    [KIND_ZSET] = "ZRANGE %s 0 -1 WITHSCORES",
    [KIND_STREAM] = "XRANGE %s - +"};

/* The same read of the memory server; of a set SSCAN shows all. */
static void memory_read(enum kind kind, const struct str *key,
                        struct reply *reply)
{
    const struct arg name = {key->bytes, key->len};
    const struct arg reads[][5] = {
        [KIND_STRING] = {{"GET", 3}, name},
        [KIND_LIST] = {{"LRANGE", 6}, name, {"0", 1}, {"-1", 2}},
        [KIND_HASH] = {{"HGETALL", 7}, name},
        [KIND_SET] = {{"SRANDMEMBER", 11}, name, {"1000000", 7}},
        [KIND_ZSET] = {{"ZRANGE", 6}, name, {"0", 1}, {"-1", 2},
                       {"WITHSCORES", 10}},
        [KIND_STREAM] = {{"XRANGE", 6}, name, {"-", 1}, {"+", 1}}};
    static const int n[] = {[KIND_STRING] = 2, [KIND_LIST] = 4,
                            [KIND_HASH] = 2,   [KIND_SET] = 3,
                            [KIND_ZSET] = 5,   [KIND_STREAM] = 4};
    struct out out;
    out_to_reply(&out, reply);
    memory_call(both.m, n[kind], reads[kind], &out);
}

static void data_compare(void)
{
    uint32_t at = 0;
    if (both.is_full)
        return; /* it has done what Redis refused */
    redisReply *size = redisCommand(both.c, "DBSIZE");
    if (size->integer != both.m->keys.keys.n)
        print_error("Redis has %lld keys, the memory server %u\n",
                    size->integer, both.m->keys.keys.n);
    for (struct dict_entry *e;
         (e = dict_next(&both.m->keys.keys, &at)) != NULL;) {
        const struct object *o = e->value;
        struct reply reply;
        redisReply *type = redis_ask("TYPE %s", e->key->bytes);
        if (strcmp(type->str, kind_words[o->kind]) != 0)
            fail_msg("%s: Redis has a %s, the memory server a %s",
                     e->key->bytes, type->str, kind_words[o->kind]);
        redisReply *r = redis_ask(kind_reads[o->kind], e->key->bytes);
        memory_read(o->kind, e->key, &reply);
        if (o->kind == KIND_STREAM)
            entries_compare(e->key->bytes, r, reply.root);
        else
            replies_compare(e->key->bytes, r, reply.root,
                            o->kind == KIND_HASH || o->kind == KIND_SET);
        reply_free(&reply);
        freeReplyObject(r);
        freeReplyObject(type);
    }
    assert_int_equal(size->integer, both.m->keys.keys.n);
    freeReplyObject(size);
}

/* ---- Calls --------------------------------------------------------------- */

static int is_in_chance(int argc, const struct arg *argv)
{
    static const char *const words[] = {"stint_why", "stint_list", "stint_measures",
                                        "HGETALL",
                                        "SSCAN", "KEYS",
                                        "HSCAN", "ZSCAN"};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (arg_is(&argv[0], words[i]) ||
            (argc > 1 && arg_is(&argv[1], words[i])))
            return 1;
    return 0;
}

static void both_call(int argc, const struct arg *argv)
{
    assert_true(both.n < WAITING_MAX);
    struct waiting *w =
        &both.waiting[(both.first + both.n++) % WAITING_MAX];
    struct out out;
    snprintf(w->command, sizeof(w->command), "%.*s %.*s %.20s",
             (int)argv[0].len, argv[0].at, argc > 1 ? (int)argv[1].len : 0,
             argc > 1 ? argv[1].at : "", argc > 6 ? argv[6].at : "");
    if (arg_is(&argv[0], "FLUSHALL")) {
        data_compare();
        both.is_full = 0;
    }
    if (argc == 4 && arg_is(&argv[2], "maxmemory") && !arg_is(&argv[3], "0"))
        both.is_full = 1;
    out_to_reply(&out, &w->reply);
    memory_call(both.m, argc, argv, &out);
    w->is_known = command_find(&argv[0]) != NULL && !arg_is(&argv[0], "CONFIG");
    w->is_unordered = is_in_chance(argc, argv);
    w->is_why = argc > 1 && arg_is(&argv[1], "stint_why");
    w->is_fsck = argc > 7 && arg_is(&argv[1], "stint_fsck");
    w->is_step = w->is_fsck && argv[7].at[0] != '0';
}

/* fsck's cursors are each server's own. */
static int fsck_goes_on(const redisReply *r)
{
    return r->type != REDIS_REPLY_ARRAY || r->elements < 4 ||
           r->element[2]->str[0] != '0'; /* "0", or "0" and the next key */
}

/* 1: what differs is known to be by chance, the rest is looked at here. */
static int both_is_chance(const struct waiting *w, redisReply *r)
{
    redisReply *m = w->reply.root;
    if (w->is_fsck &&
        (w->is_step || fsck_goes_on(r) || fsck_goes_on(m))) {
        assert_int_equal(m->type, REDIS_REPLY_ARRAY);
        assert_int_equal(m->elements, 4); /* no faults */
        return 1;
    }
    if (w->is_why && r->type == REDIS_REPLY_ARRAY && r->elements == 10 &&
        r->element[8]->elements == 20) { /* some of more parents than that */
        assert_int_equal(m->elements, 10);
        assert_int_equal(m->element[8]->elements, 20);
        for (int i = 0; i < 10; i += i == 7 ? 2 : 1)
            assert_int_equal(reply_order(r->element[i], m->element[i]), 0);
        return 1;
    }
    return 0;
}

static void both_reply(redisReply *r)
{
    struct waiting *w = &both.waiting[both.first++ % WAITING_MAX];
    both.n--;
    if (w->is_known && !both.is_full && !both_is_chance(w, r))
        replies_compare(w->command, r, w->reply.root, w->is_unordered);
    reply_free(&w->reply);
}

/* ---- In the place of hiredis --------------------------------------------- */

redisContext *__wrap_redisConnectUnix(const char *path)
{
    redisContext *c = __real_redisConnectUnix(path);
    if (both.c == NULL) {
        both.c = c;
        both.m = memory_new();
        assert_non_null(both.m);
    }
    return c;
}

void __wrap_redisFree(redisContext *c)
{
    if (c != NULL && c == both.c) {
        data_compare();
        print_message("%llu replies and values are the same\n",
                      (unsigned long long)both.n_compared);
        assert_true(both.n_compared > 0);
        memory_unref(both.m);
        both.c = NULL;
    }
    __real_redisFree(c);
}

int __wrap_redisAppendCommandArgv(redisContext *c, int argc, const char **argv,
                                  const size_t *len)
{
    static struct arg args[ARGS_MAX];
    char limit[24];
    if (c == both.c) {
        assert_true(argc <= ARGS_MAX);
        for (int i = 0; i < argc; i++)
            args[i] = (struct arg){argv[i], len ? len[i] : strlen(argv[i])};
#ifdef BOTH_RECOVERS_ALL
        /* Which of a worker's tasks a small step takes is Redis's chance. */
        if (argc > 6 && arg_is(&args[1], "stint_recover")) {
            snprintf(limit, sizeof(limit), "%s", "1000");
            argv[6] = limit;
            args[6] = (struct arg){limit, strlen(limit)};
        }
#else
        (void)limit;
#endif
        both_call(argc, args);
    }
    return __real_redisAppendCommandArgv(c, argc, argv, len);
}

int __wrap_redisGetReply(redisContext *c, void **reply)
{
    int rc = __real_redisGetReply(c, reply);
    if (c == both.c && rc == REDIS_OK)
        both_reply(*reply);
    return rc;
}

/* Takes "*2\r\n$3\r\nGET\r\n…" apart. */
static int wire_read(char *wire, struct arg *args)
{
    int argc = (int)strtol(wire + 1, &wire, 10);
    assert_true(argc > 0 && argc <= ARGS_MAX);
    for (int i = 0; i < argc; i++) {
        size_t len = strtoul(strchr(wire, '$') + 1, &wire, 10);
        args[i] = (struct arg){wire + 2, len};
        wire += 2 + len;
    }
    return argc;
}

void *__wrap_redisvCommand(redisContext *c, const char *format, va_list ap)
{
    static struct arg args[ARGS_MAX];
    char *wire = NULL;
    void *reply = NULL;
    if (c != both.c)
        return __real_redisvCommand(c, format, ap);
    int len = redisvFormatCommand(&wire, format, ap);
    assert_true(len > 0);
    both_call(wire_read(wire, args), args);
    redisAppendFormattedCommand(c, wire, (size_t)len);
    assert_int_equal(__real_redisGetReply(c, &reply), REDIS_OK);
    both_reply(reply);
    redisFreeCommand(wire);
    return reply;
}
