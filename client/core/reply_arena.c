/* SPDX-License-Identifier: MIT */
/* Blocks of growing size, used from the start again by each reply. What a very
 * large reply needed is given back before the next. */
#include "reply_arena.h"

#include <hiredis/hiredis.h>
#include <stdalign.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "reply_limit.h"

#define BLOCK_MIN (16 * 1024)
#define KEEP_MAX  (1024 * 1024) /* bytes kept between replies */

struct block {
    struct block *next;
    size_t cap;
    alignas(max_align_t) char bytes[];
};

struct reply_arena {
    struct block *first; /* the one in use; full ones follow */
    size_t used;         /* of the first */
    struct reply_limit limit;
};

static void *arena_take(struct reply_arena *a, size_t n)
{
    n = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (a->first == NULL || a->first->cap - a->used < n) {
        size_t cap = a->first != NULL ? 2 * a->first->cap : BLOCK_MIN;
        if (cap < n)
            cap = n;
        struct block *b = malloc(sizeof(*b) + cap);
        if (b == NULL)
            return NULL;
        b->next = a->first;
        b->cap = cap;
        a->first = b;
        a->used = 0;
    }
    char *p = a->first->bytes + a->used;
    a->used += n;
    return p;
}

/* The largest block, which is the last one made, serves the next reply. */
static void arena_reset(struct reply_arena *a)
{
    struct block *b = a->first, *next;
    a->first = NULL;
    a->used = 0;
    if (b != NULL && b->cap <= KEEP_MAX) {
        a->first = b;
        b = b->next;
        a->first->next = NULL;
    }
    for (; b != NULL; b = next) {
        next = b->next;
        free(b);
    }
}

/* ---- What hiredis calls --------------------------------------------------- */

static redisReply *arena_reply(const redisReadTask *task, int type,
                               size_t bytes, size_t elements)
{
    struct reply_arena *a = task->privdata;
    if (task->parent == NULL)
        arena_reset(a);
    if (reply_limit_take(&a->limit, task->parent == NULL, bytes, elements) < 0)
        return NULL;
    redisReply *r = arena_take(a, sizeof(*r));
    if (r == NULL)
        return NULL;
    memset(r, 0, sizeof(*r));
    r->type = type;
    return r;
}

static void *arena_place(const redisReadTask *task, redisReply *r)
{
    if (task->parent != NULL) {
        redisReply *parent = task->parent->obj;
        parent->element[task->idx] = r;
    }
    return r;
}

static void *arena_string(const redisReadTask *task, char *str, size_t len)
{
    redisReply *r = arena_reply(task, task->type, len, 0);
    char *copy = r != NULL ? arena_take(task->privdata, len + 1) : NULL;
    if (copy == NULL)
        return NULL;
    memcpy(copy, str, len);
    copy[len] = '\0';
    r->str = copy;
    r->len = len;
    return arena_place(task, r);
}

static void *arena_list(const redisReadTask *task, size_t n)
{
    redisReply *r = arena_reply(task, task->type, 0, n);
    if (r == NULL)
        return NULL;
    if (n > 0) {
        r->element = arena_take(task->privdata, n * sizeof(*r->element));
        if (r->element == NULL)
            return NULL;
        memset(r->element, 0, n * sizeof(*r->element));
    }
    r->elements = n;
    return arena_place(task, r);
}

static void *arena_integer(const redisReadTask *task, long long n)
{
    redisReply *r = arena_reply(task, REDIS_REPLY_INTEGER, 0, 0);
    if (r == NULL)
        return NULL;
    r->integer = n;
    return arena_place(task, r);
}

static void *arena_nil(const redisReadTask *task)
{
    redisReply *r = arena_reply(task, REDIS_REPLY_NIL, 0, 0);
    return r != NULL ? arena_place(task, r) : NULL;
}

/* The next reply takes its place. */
static void arena_free(void *reply)
{
    (void)reply;
}

#if HIREDIS_MAJOR >= 1
/* RESP3 has these; we speak RESP2. */
static void *arena_double(const redisReadTask *task, double n, char *str,
                          size_t len)
{
    (void)n;
    return arena_string(task, str, len);
}

static void *arena_bool(const redisReadTask *task, int n)
{
    return arena_integer(task, n);
}
#else
static void *arena_array(const redisReadTask *task, int n)
{
    return arena_list(task, n > 0 ? (size_t)n : 0);
}
#endif

struct reply_arena *reply_arena_open(void)
{
    return calloc(1, sizeof(struct reply_arena));
}

void reply_arena_serve(struct reply_arena *a, struct redisReader *reader)
{
    static redisReplyObjectFunctions functions = {
        .createString = arena_string,
        .createInteger = arena_integer,
        .createNil = arena_nil,
        .freeObject = arena_free,
#if HIREDIS_MAJOR >= 1
        .createArray = arena_list,
        .createDouble = arena_double,
        .createBool = arena_bool,
#else
        .createArray = arena_array,
#endif
    };
    a->limit.is_over = 0;
    reader->fn = &functions;
    reader->privdata = a;
}

struct reply_limit *reply_arena_limit(struct reply_arena *a)
{
    return &a->limit;
}

void reply_arena_close(struct reply_arena *a)
{
    if (a == NULL)
        return;
    while (a->first != NULL) {
        struct block *next = a->first->next;
        free(a->first);
        a->first = next;
    }
    free(a);
}
