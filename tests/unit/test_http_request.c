/* SPDX-License-Identifier: MIT */
/* Heads and targets of requests: what comes through, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "head.h"
#include "target.h"

#define LINE  "GET / HTTP/1.1\r\n"
#define HOST  "Host: a\r\n"
#define POST  "POST /a?b=c HTTP/1.1\r\n"
#define HEAD(text) text, sizeof(text) - 1

static void heads(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        int status;
        int64_t body_len;
    } rows[] = {
        {HEAD(LINE HOST "\r\n"), 0, 0},
        {HEAD("GET / HTTP/1.0\r\n\r\n"), 0, 0},
        {HEAD(POST HOST "Content-Length: 12\r\n\r\n"), 0, 12},
        {HEAD(POST HOST "content-length:12 \r\n\r\n"), 0, 12},
        {HEAD(POST HOST "Expect: 100-Continue\r\n\r\n"), 0, 0},
        {HEAD("HEAD / HTTP/1.1\r\n" HOST "X: a\tb\r\n\r\n"), 0, 0},
        {HEAD("OPTIONS /x HTTP/1.1\r\n" HOST "\r\n"), 0, 0},
        {HEAD(LINE HOST "X: \xc3\xa9\r\n\r\n"), 0, 0},
        /* Two readers could differ. */
        {HEAD(POST HOST "Content-Length: 1\r\nContent-Length: 1\r\n\r\n"), 400,
         0},
        {HEAD(POST HOST "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"
              "\r\n"), 411, 0},
        {HEAD(POST HOST "Transfer-Encoding : chunked\r\n\r\n"), 400, 0},
        {HEAD(POST HOST "Transfer-Encoding: xchunked\r\n\r\n"), 411, 0},
        {HEAD(POST HOST "Content-Length: 1, 1\r\n\r\n"), 400, 0},
        {HEAD(POST HOST "Content-Length: +1\r\n\r\n"), 400, 0},
        {HEAD(POST HOST "Content-Length: -1\r\n\r\n"), 400, 0},
        {HEAD(POST HOST "Content-Length: 0x1\r\n\r\n"), 400, 0},
        {HEAD(POST HOST "Content-Length: \r\n\r\n"), 400, 0},
        {HEAD(POST HOST "Content-Length: 99999999999999999999\r\n\r\n"), 400,
         0},
        {HEAD(LINE HOST "Content-Length: 5\r\n\r\n"), 400, 0},
        {HEAD("DELETE / HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\n"), 400,
         0},
        {HEAD(LINE HOST "X: a\r\n folded\r\n\r\n"), 400, 0},
        {HEAD(LINE HOST "X: a\n\r\n"), 400, 0},
        {HEAD(LINE HOST "X: a\rb\r\n\r\n"), 400, 0},
        {HEAD("GET / HTTP/1.1\n" HOST "\r\n"), 400, 0},
        {HEAD(LINE HOST "X: a\0b\r\n\r\n"), 400, 0},
        {HEAD(LINE HOST "X\0: a\r\n\r\n"), 400, 0},
        {HEAD(LINE HOST ": a\r\n\r\n"), 400, 0},
        {HEAD(LINE HOST "nothing\r\n\r\n"), 400, 0},
        {HEAD(LINE HOST "Host: b\r\n\r\n"), 400, 0},
        {HEAD(LINE "\r\n"), 400, 0},
        /* The first line. */
        {HEAD("\r\n" LINE HOST "\r\n"), 400, 0},
        {HEAD("GET /\r\n" HOST "\r\n"), 400, 0},
        {HEAD("GET\r\n" HOST "\r\n"), 400, 0},
        {HEAD("GET  / HTTP/1.1\r\n" HOST "\r\n"), 400, 0},
        {HEAD("GET / HTTP/1.1 \r\n" HOST "\r\n"), 505, 0},
        {HEAD("GET / x HTTP/1.1\r\n" HOST "\r\n"), 505, 0},
        {HEAD("GET / HTTP/2.0\r\n" HOST "\r\n"), 505, 0},
        {HEAD("GET / HTTP/1.2\r\n" HOST "\r\n"), 505, 0},
        {HEAD("GET / HTTP/1.10\r\n" HOST "\r\n"), 505, 0},
        {HEAD("BREW / HTTP/1.1\r\n" HOST "\r\n"), 501, 0},
        {HEAD("get / HTTP/1.1\r\n" HOST "\r\n"), 501, 0},
        {HEAD("PROPFIND / HTTP/1.1\r\n" HOST "\r\n"), 501, 0},
        {HEAD("CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n"), 501, 0},
        {HEAD("TRACE / HTTP/1.1\r\n" HOST "\r\n"), 501, 0},
        {HEAD("GET http://a/ HTTP/1.1\r\n" HOST "\r\n"), 400, 0},
        {HEAD("OPTIONS * HTTP/1.1\r\n" HOST "\r\n"), 400, 0},
        {HEAD("GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n"), 400, 0},
        {HEAD("GET /\0 HTTP/1.1\r\n" HOST "\r\n"), 400, 0},
        {HEAD("GET\0\0 / HTTP/1.1\r\n" HOST "\r\n"), 400, 0},
        {HEAD(POST HOST "Expect: tea\r\n\r\n"), 417, 0},
        {HEAD(LINE HOST), 400, 0},
        {HEAD(""), 400, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const char *detail = NULL;
        struct head h;
        int status = head_check(&h, rows[i].text, rows[i].len, &detail);
        if (status != rows[i].status)
            fail_msg("row %zu: %d", i, status);
        if (status == 0)
            assert_int_equal(h.body_len, rows[i].body_len);
        else
            assert_non_null(detail);
    }
}

static void targets(void **state)
{
    static const struct {
        const char *text;
        int status;
        size_t n_segments, n_pairs;
    } rows[] = {
        {"/", 0, 0, 0},
        {"/?", 0, 0, 0},
        {"/a/b", 0, 2, 0},
        {"/a%20b/%C3%A9", 0, 2, 0},
        {"/a?x=1&y=2", 0, 1, 2},
        {"/a?x&&y=", 0, 1, 2},
        {"/a?x=1=2", 0, 1, 1},
        {"/a?x=%0A", 0, 1, 1},
        {"/1/2/3/4/5/6/7/8", 0, 8, 0},
        {"/1/2/3/4/5/6/7/8/9", 414, 0, 0},
        {"", 400, 0, 0},
        {"a", 400, 0, 0},
        {"//", 400, 0, 0},
        {"/a/", 400, 0, 0},
        {"/a//b", 400, 0, 0},
        {"/.", 400, 0, 0},
        {"/..", 400, 0, 0},
        {"/a/../b", 400, 0, 0},
        {"/a/%2e%2E/b", 400, 0, 0},
        {"/a%2fb", 400, 0, 0},
        {"/a%5cb", 400, 0, 0},
        {"/a\\b", 400, 0, 0},
        {"/a%00", 400, 0, 0},
        {"/a%0a", 400, 0, 0},
        {"/a%7f", 400, 0, 0},
        {"/a%", 400, 0, 0},
        {"/a%2", 400, 0, 0},
        {"/a%g0", 400, 0, 0},
        {"/a%ff", 400, 0, 0},
        {"/a%c0%af", 400, 0, 0},
        {"/a%ed%a0%80", 400, 0, 0},
        {"/a#b", 400, 0, 0},
        {"/a?x=%00", 400, 0, 0},
        {"/a?x=%zz", 400, 0, 0},
        {"/a?%ff=1", 400, 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct target t;
        int status = target_parse(&t, rows[i].text);
        if (status != rows[i].status)
            fail_msg("row %zu: %d", i, status);
        if (status != 0)
            continue;
        assert_int_equal(t.n_segments, rows[i].n_segments);
        assert_int_equal(t.n_pairs, rows[i].n_pairs);
    }
}

static void targets_are_bounded(void **state)
{
    char text[HTTP_TARGET_MAX + 2] = "/a?";
    struct target t;
    (void)state;
    memset(text + 3, 'x', sizeof(text) - 4);
    assert_int_equal(target_parse(&t, text), 414);
    text[HTTP_TARGET_MAX] = '\0';
    assert_int_equal(target_parse(&t, text), 0);
    assert_int_equal(strlen(t.pair[0].name), HTTP_TARGET_MAX - 3);
    for (size_t i = 3; i < HTTP_TARGET_MAX; i++)
        text[i] = i % 2 ? 'x' : '&';
    assert_int_equal(target_parse(&t, text), 414); /* too many pairs */
}

static void what_a_route_names_is_found(void **state)
{
    struct target t;
    (void)state;
    assert_int_equal(target_parse(&t, "/api/v1/tasks/a%2Bb+c/stop?x=1+2&x=3"),
                     0);
    const char *path = "/api/v1/tasks/{id}/stop";
    assert_true(target_fits(&t, path));
    assert_false(target_fits(&t, "/api/v1/tasks/{id}"));
    assert_false(target_fits(&t, "/api/v1/tasks/{id}/stop/{x}"));
    assert_false(target_fits(&t, "/api/v1/tasks/{id}/sto"));
    assert_string_equal(target_segment(&t, path, "id"), "a+b+c");
    assert_null(target_segment(&t, path, "i"));
    assert_string_equal(target_query(&t, "x"), "1 2");
    assert_null(target_query(&t, "y"));
    assert_int_equal(target_parse(&t, "/"), 0);
    assert_false(target_fits(&t, path));
    assert_true(target_fits(&t, "/"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads),
        cmocka_unit_test(targets),
        cmocka_unit_test(targets_are_bounded),
        cmocka_unit_test(what_a_route_names_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
