/* SPDX-License-Identifier: MIT */
/* Replies built in an arena (reply_arena.c) are those that hiredis builds, from
 * whatever bytes. The first byte is how many come at once. */
#include <hiredis/hiredis.h>

#include "fuzz.h"

#include "reply_arena.h"

static void same(const redisReply *a, const redisReply *b)
{
    must(a->type == b->type && a->integer == b->integer && a->len == b->len);
    must((a->str == NULL) == (b->str == NULL));
    if (a->str != NULL)
        must(memcmp(a->str, b->str, a->len + 1) == 0);
    must(a->elements == b->elements);
    for (size_t i = 0; i < a->elements; i++)
        same(a->element[i], b->element[i]);
}

/* hiredis takes what an array says of its length for granted, and asks for
 * that much memory: Redis is trusted so far. */
static int is_modest(const uint8_t *data, size_t size)
{
    size_t digits = 0;
    for (size_t i = 0; i < size; i++) {
        digits = data[i] >= '0' && data[i] <= '9' ? digits + 1 : 0;
        if (digits > 4)
            return 0;
    }
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || !is_modest(data + 1, size - 1))
        return 0;
    size_t step = data[0] % 32 + 1u;
    struct reply_arena *arena = reply_arena_open();
    redisReader *ours = redisReaderCreate(), *theirs = redisReaderCreate();
    int rc = REDIS_OK;
    must(arena != NULL && ours != NULL && theirs != NULL);
    reply_arena_serve(arena, ours);
    for (size_t at = 1; at < size && rc == REDIS_OK; at += step) {
        size_t part = size - at < step ? size - at : step;
        must(redisReaderFeed(ours, (const char *)data + at, part) == REDIS_OK);
        must(redisReaderFeed(theirs, (const char *)data + at, part) ==
             REDIS_OK);
        for (;;) {
            void *a = NULL, *b = NULL;
            rc = redisReaderGetReply(ours, &a);
            must(redisReaderGetReply(theirs, &b) == rc);
            must((a == NULL) == (b == NULL));
            if (a == NULL || rc != REDIS_OK)
                break;
            same(a, b);
            freeReplyObject(b);
        }
    }
    redisReaderFree(ours);
    redisReaderFree(theirs);
    reply_arena_close(arena);
    return 0;
}
