/* SPDX-License-Identifier: MIT */
/* Replies built in an arena say the same as those that hiredis builds itself:
 * every kind, in pieces of every size, one after the other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "reply_arena.h"

static void assert_same(const redisReply *a, const redisReply *b)
{
    assert_int_equal(a->type, b->type);
    assert_int_equal(a->integer, b->integer);
    assert_int_equal(a->len, b->len);
    assert_int_equal(a->str == NULL, b->str == NULL);
    if (a->str != NULL) {
        assert_memory_equal(a->str, b->str, a->len + 1);
        assert_int_equal(a->str[a->len], '\0');
    }
    assert_int_equal(a->elements, b->elements);
    for (size_t i = 0; i < a->elements; i++)
        assert_same(a->element[i], b->element[i]);
}

/* Feeds the same bytes to both, `step` at a time; returns how many replies. */
static int feed(redisReader *ours, redisReader *theirs, const char *text,
                size_t len, size_t step)
{
    int n = 0;
    for (size_t at = 0; at < len; at += step) {
        size_t part = len - at < step ? len - at : step;
        void *a = NULL, *b = NULL;
        assert_int_equal(redisReaderFeed(ours, text + at, part), REDIS_OK);
        assert_int_equal(redisReaderFeed(theirs, text + at, part), REDIS_OK);
        for (;;) {
            assert_int_equal(redisReaderGetReply(ours, &a), REDIS_OK);
            assert_int_equal(redisReaderGetReply(theirs, &b), REDIS_OK);
            assert_int_equal(a == NULL, b == NULL);
            if (a == NULL)
                break;
            assert_same(a, b);
            freeReplyObject(b);
            n++;
        }
    }
    return n;
}

static void test_every_kind(void **state)
{
    static const char text[] =
        "+OK\r\n-ERR no\r\n:-42\r\n$-1\r\n$0\r\n\r\n$3\r\na\0b\r\n*-1\r\n*0\r\n"
        "*3\r\n$1\r\nx\r\n*2\r\n:1\r\n$-1\r\n+y\r\n"
        "*2\r\n*1\r\n*1\r\n$2\r\nin\r\n-ERR inside\r\n";
    (void)state;
    for (size_t step = 1; step < sizeof(text); step++) {
        struct reply_arena *a = reply_arena_open();
        redisReader *ours = redisReaderCreate();
        redisReader *theirs = redisReaderCreate();
        reply_arena_serve(a, ours);
        assert_int_equal(feed(ours, theirs, text, sizeof(text) - 1, step), 10);
        redisReaderFree(ours);
        redisReaderFree(theirs);
        reply_arena_close(a);
    }
}

/* Larger than a block, than all that is kept, and small ones after it. */
static void test_sizes(void **state)
{
    static const size_t sizes[] = {10, 20000, 3000000, 5, 600000, 0, 17};
    struct reply_arena *a = reply_arena_open();
    redisReader *ours = redisReaderCreate(), *theirs = redisReaderCreate();
    (void)state;
    reply_arena_serve(a, ours);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        char *text = malloc(sizes[i] + 64);
        int n = sprintf(text, "*2\r\n:7\r\n$%zu\r\n", sizes[i]);
        memset(text + n, 'x', sizes[i]);
        memcpy(text + n + sizes[i], "\r\n", 2);
        assert_int_equal(feed(ours, theirs, text, (size_t)n + sizes[i] + 2,
                              65536), 1);
        free(text);
    }
    redisReaderFree(ours);
    redisReaderFree(theirs);
    reply_arena_close(a);
}

/* A connection is made anew in the middle of a reply. */
static void test_next_reader(void **state)
{
    struct reply_arena *a = reply_arena_open();
    (void)state;
    for (int i = 0; i < 3; i++) {
        redisReader *r = redisReaderCreate();
        void *reply = NULL;
        reply_arena_serve(a, r);
        redisReaderFeed(r, "*2\r\n$1\r\nx\r\n", 11);
        assert_int_equal(redisReaderGetReply(r, &reply), REDIS_OK);
        assert_null(reply);
        if (i == 2) {
            redisReaderFeed(r, "!", 1);
            assert_int_equal(redisReaderGetReply(r, &reply), REDIS_ERR);
        }
        redisReaderFree(r);
    }
    reply_arena_close(a);
    reply_arena_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_kind),
                                       cmocka_unit_test(test_sizes),
                                       cmocka_unit_test(test_next_reader)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
