/* SPDX-License-Identifier: MIT */
/* URLs of Redis: what is read, what is refused, what is never shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "conf.h"

/* 108 bytes of path, one more than a socket takes. */
#define LONG_9  "/12345678"
#define LONG_36 LONG_9 LONG_9 LONG_9 LONG_9
#define LONG_PATH ("unix://" LONG_36 LONG_36 LONG_36)

static void test_tcp(void **state)
{
    struct stint_err err = {0};
    struct conf c;

    (void)state;
    assert_int_equal(conf_parse_url(&c, "redis://u%40:p%3a%2F@h:7000/3", &err),
                     0);
    assert_string_equal(c.user, "u@");
    assert_string_equal(c.password, "p:/");
    assert_string_equal(c.host, "h");
    assert_int_equal(c.port, 7000);
    assert_int_equal(c.db, 3);
    assert_string_equal(c.shown, "redis://u%40:***@h:7000/3");
    assert_int_equal(conf_parse_url(&c, "redis://[::1]", &err), 0);
    assert_string_equal(c.host, "::1");
    assert_int_equal(c.port, 6379);
    assert_string_equal(c.shown, "redis://[::1]:6379/0");
}

static void test_unix(void **state)
{
    struct stint_err err = {0};
    struct conf c;

    (void)state;
    assert_int_equal(conf_parse_url(&c, "unix://:pw@/a%20b/s?db=2", &err), 0);
    assert_string_equal(c.path, "/a b/s");
    assert_string_equal(c.host, "");
    assert_string_equal(c.user, "");
    assert_string_equal(c.password, "pw");
    assert_int_equal(c.db, 2);
    assert_null(strstr(c.shown, "pw"));
}

static void test_refused(void **state)
{
    static const char *const urls[] = {
        "", "h:1", "http://h", "rediss://h", "redis+sentinel://h/m",
        "redis+cluster://h", "redis://", "redis://:6379", "redis://h:0",
        "redis://h:65536", "redis://h:x", "redis://h/x", "redis://h/1?x=2",
        "redis://user@h", "redis://user:@h", "redis://:%0@h", "redis://:%@h",
        "redis://:%zz@h", "redis://:%00@h", "redis://[::1", "redis://[::1]x",
        "unix://", "unix://a", "unix:///p?db=", "unix:///p#x",
        LONG_PATH};

    (void)state;
    for (size_t i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        struct stint_err err = {0};
        struct conf c;
        assert_int_equal(conf_parse_url(&c, urls[i], &err), -1);
        assert_int_equal(err.code, STINT_INVALID);
        assert_true(strlen(err.text) > 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp), cmocka_unit_test(test_unix),
        cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
