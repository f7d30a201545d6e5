/* SPDX-License-Identifier: MIT */
#include "reply_limit.h"

#include <hiredis/hiredis.h>

#include "bounds.h"

int reply_limit_take(struct reply_limit *l, int is_first, size_t bytes,
                     size_t elements)
{
    if (is_first)
        l->bytes = l->elements = 0;
    if (bytes > REPLY_BYTES_MAX - l->bytes ||
        elements > REPLY_ELEMENTS_MAX - l->elements) {
        l->is_over = 1;
        return -1;
    }
    l->bytes += bytes;
    l->elements += elements;
    return 0;
}

int reply_limit_look(struct reply_limit *l, const struct redisReader *reader)
{
    /* What is parsed lies before pos until hiredis drops it. */
    if (reader->len - reader->pos <= REPLY_BYTES_MAX + 64)
        return 0;
    l->is_over = 1;
    return -1;
}

const char *reply_limit_reason(const struct reply_limit *l, const char *text)
{
    return l->is_over ? "its reply is larger than 64 MiB or a million elements"
                      : text;
}

/* ---- hiredis's own functions, behind the limit ----------------------------- */

static const redisReplyObjectFunctions *limit_inner(const redisReadTask *task)
{
    const struct reply_limit *l = task->privdata;
    return l->inner;
}

/* 0: it is refused, to hiredis the same as no memory. */
static int limit_admits(const redisReadTask *task, size_t bytes,
                        size_t elements)
{
    return reply_limit_take(task->privdata, task->parent == NULL, bytes,
                            elements) == 0;
}

static void *limit_string(const redisReadTask *task, char *str, size_t len)
{
    return limit_admits(task, len, 0)
               ? limit_inner(task)->createString(task, str, len)
               : NULL;
}

static void *limit_integer(const redisReadTask *task, long long n)
{
    return limit_admits(task, 0, 0)
               ? limit_inner(task)->createInteger(task, n)
               : NULL;
}

static void *limit_nil(const redisReadTask *task)
{
    return limit_admits(task, 0, 0) ? limit_inner(task)->createNil(task) : NULL;
}

#if HIREDIS_MAJOR >= 1
static void *limit_array(const redisReadTask *task, size_t n)
{
    return limit_admits(task, 0, n) ? limit_inner(task)->createArray(task, n)
                                    : NULL;
}

/* RESP3 has these; we speak RESP2. */
static void *limit_double(const redisReadTask *task, double n, char *str,
                          size_t len)
{
    return limit_admits(task, len, 0)
               ? limit_inner(task)->createDouble(task, n, str, len)
               : NULL;
}

static void *limit_bool(const redisReadTask *task, int n)
{
    return limit_admits(task, 0, 0) ? limit_inner(task)->createBool(task, n)
                                    : NULL;
}
#else
static void *limit_array(const redisReadTask *task, int n)
{
    return limit_admits(task, 0, n > 0 ? (size_t)n : 0)
               ? limit_inner(task)->createArray(task, n)
               : NULL;
}
#endif

void reply_limit_serve(struct reply_limit *l, struct redisReader *reader)
{
    static redisReplyObjectFunctions functions = {
        .createString = limit_string,
        .createInteger = limit_integer,
        .createNil = limit_nil,
        .freeObject = freeReplyObject,
        .createArray = limit_array,
#if HIREDIS_MAJOR >= 1
        .createDouble = limit_double,
        .createBool = limit_bool,
#endif
    };
    l->is_over = 0;
    l->inner = reader->fn;
    reader->fn = &functions;
    reader->privdata = l;
}
