/* SPDX-License-Identifier: MIT */
/* URLs of Redis: what is read, what is refused, what is never shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
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

static void test_cluster(void **state)
{
    static const char hosts[] =
        "redis+cluster://u:p%40@10.0.0.1:7000,h2,[::1]:7002";
    struct stint_err err = {0};
    struct conf c, node;

    (void)state;
    assert_int_equal(conf_parse_url(&c, hosts, &err), 0);
    assert_int_equal(c.n_nodes, 3);
    assert_string_equal(c.nodes[0].host, "10.0.0.1");
    assert_int_equal(c.nodes[0].port, 7000);
    assert_string_equal(c.nodes[1].host, "h2");
    assert_int_equal(c.nodes[1].port, 6379);
    assert_string_equal(c.nodes[2].host, "::1");
    assert_int_equal(c.nodes[2].port, 7002);
    assert_string_equal(c.host, "10.0.0.1");
    assert_int_equal(c.port, 7000);
    assert_string_equal(c.password, "p@");
    assert_string_equal(
        c.shown, "redis+cluster://u:***@10.0.0.1:7000,h2:6379,[::1]:7002");

    conf_of_node(&node, &c, &c.nodes[2]);
    assert_int_equal(node.n_nodes, 0);
    assert_string_equal(node.host, "::1");
    assert_int_equal(node.port, 7002);
    assert_string_equal(node.user, "u");
    assert_string_equal(node.password, "p@");
    assert_string_equal(node.shown, "[::1]:7002");

    assert_int_equal(conf_parse_url(&c, "redis+cluster://h/", &err), 0);
    assert_int_equal(c.n_nodes, 1);
    assert_int_equal(conf_parse_url(&c, "redis://h", &err), 0);
    assert_int_equal(c.n_nodes, 0);
}

/* Sixteen nodes with long names: shown is cut, and says so. */
static void test_cluster_many(void **state)
{
    char url[2000] = "redis+cluster://";
    struct stint_err err = {0};
    struct conf c;

    (void)state;
    for (int i = 0; i < CONF_NODES_MAX; i++) {
        size_t n = strlen(url);
        snprintf(url + n, sizeof(url) - n, "%s%s%02d", i > 0 ? "," : "",
                 "a.rather.long.name.of.a.host.in.some.data.centre.far.away.",
                 i);
    }
    assert_int_equal(conf_parse_url(&c, url, &err), 0);
    assert_int_equal(c.n_nodes, CONF_NODES_MAX);
    assert_string_equal(c.shown + strlen(c.shown) - 3, "...");
    snprintf(url + strlen(url), sizeof(url) - strlen(url), ",one-more");
    assert_int_equal(conf_parse_url(&c, url, &err), -1);
    assert_int_equal(err.code, STINT_INVALID);
}

static void test_refused(void **state)
{
    static const char *const urls[] = {
        "", "h:1", "http://h", "rediss://h", "redis+sentinel://h/m",
        "redis://", "redis://:6379", "redis://h:0",
        "redis://h:65536", "redis://h:x", "redis://h/x", "redis://h/1?x=2",
        "redis://user@h", "redis://user:@h", "redis://:%0@h", "redis://:%@h",
        "redis://:%zz@h", "redis://:%00@h", "redis://[::1", "redis://[::1]x",
        "unix://", "unix://a", "unix:///p?db=", "unix:///p#x",
        "redis+cluster://", "redis+cluster://h1,", "redis+cluster://,h1",
        "redis+cluster://h1,,h2", "redis+cluster://h/1",
        "redis+cluster://h?db=0", "redis+cluster://h#x",
        "redis+cluster://h1:0,h2", "redis+cluster://h1,h2:70000",
        "redis+cluster://user@h1,h2", "redis+cluster://[::1,h2",
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
        cmocka_unit_test(test_cluster), cmocka_unit_test(test_cluster_many),
        cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
