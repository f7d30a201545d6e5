/* SPDX-License-Identifier: MIT */
/* URLs of Redis: what is read, what is refused, what is never shown. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "conf.h"
#include "net_tls.h"

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

static void test_sentinel(void **state)
{
    struct stint_err err = {0};
    struct conf c, to;

    (void)state;
    assert_int_equal(conf_parse_url(&c, "redis+sentinel://u:p@10.0.0.1,h2:7,"
                                    "[::1]/my%20one/3?sentinel_user=s&"
                                    "sentinel_password=%26x", &err), 0);
    assert_int_equal(c.n_sentinels, 3);
    assert_int_equal(c.n_nodes, 0);
    assert_int_equal(c.nodes[0].port, 26379);
    assert_string_equal(c.nodes[1].host, "h2");
    assert_int_equal(c.nodes[1].port, 7);
    assert_string_equal(c.nodes[2].host, "::1");
    assert_string_equal(c.master, "my one");
    assert_int_equal(c.db, 3);
    assert_string_equal(c.shown, "redis+sentinel://u:***@10.0.0.1:26379,h2:7,"
                        "[::1]:26379/my one/3");
    conf_of_sentinel(&to, &c, &c.nodes[1]);
    assert_string_equal(to.user, "s");
    assert_string_equal(to.password, "&x");
    assert_string_equal(to.host, "h2");
    assert_int_equal(to.db, 0);
    assert_int_equal(to.n_sentinels + to.of_primary, 0);
    struct conf_node at = {"10.1.1.1", 6380};
    conf_of_node(&to, &c, &at);
    assert_string_equal(to.user, "u");
    assert_int_equal(to.db, 3);
    assert_int_equal(to.of_primary, 1);
    assert_int_equal(conf_parse_url(&c, "redis+sentinel://h/m", &err), 0);
    assert_string_equal(c.master, "m");
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void test_password_file(void **state)
{
    char path[] = "stint-password-XXXXXX", url[200];
    char password[CONF_PASSWORD_CAP];
    struct stint_err err = {0};
    struct conf c;
    int fd = mkstemp(path);

    (void)state;
    assert_true(fd >= 0);
    close(fd);
    snprintf(url, sizeof(url), "redis://me@h?password_file=%s&db=4", path);
    assert_int_equal(conf_parse_url(&c, url, &err), 0);
    assert_int_equal(c.db, 4);
    assert_string_equal(c.user, "me");
    assert_string_equal(c.shown, "redis://me@h:6379/4");
    write_file(path, "first\nnot this\n");
    assert_int_equal(conf_password(&c, password, &err), 0);
    assert_string_equal(password, "first");
    write_file(path, "second"); /* read anew each time */
    assert_int_equal(conf_password(&c, password, &err), 0);
    assert_string_equal(password, "second");
    write_file(path, "\n");
    assert_int_equal(conf_password(&c, password, &err), -1);
    assert_int_equal(err.code, STINT_AUTH);
    assert_null(strstr(err.text, "second"));

    setenv("STINT_PASSWORD_FILE", path, 1);
    write_file(path, "third\r\n");
    memset(&err, 0, sizeof(err));
    assert_int_equal(conf_parse_url(&c, "redis://me@h", &err), 0);
    assert_int_equal(conf_password(&c, password, &err), 0);
    assert_string_equal(password, "third");
    assert_int_equal(conf_parse_url(&c, "redis://me:here@h", &err), 0);
    assert_int_equal(conf_password(&c, password, &err), 0);
    assert_string_equal(password, "here");
    unsetenv("STINT_PASSWORD_FILE");
    unlink(path);
    assert_int_equal(conf_parse_url(&c, url, &err), 0);
    assert_int_equal(conf_password(&c, password, &err), -1);
    assert_non_null(strstr(err.text, path));
}

/* Where TLS is not built in, the message says what is missing and what to do. */
static void test_tls(void **state)
{
    static const char url[] = "rediss://:p@h:6380/2?tls_ca=/ca&tls_cert=/c&"
                              "tls_key=%2fk&tls_name=redis.example";
    struct stint_err err = {0};
    struct conf c;

    (void)state;
    if (!tls_is_built()) {
        assert_int_equal(conf_parse_url(&c, url, &err), -1);
        assert_int_equal(err.code, STINT_INVALID);
        assert_non_null(strstr(err.text, "hiredis 1.0"));
        assert_non_null(strstr(err.text, "libhiredis_ssl"));
        assert_non_null(strstr(err.text, "stunnel"));
        memset(&err, 0, sizeof(err));
        assert_int_equal(conf_parse_url(&c, "rediss+cluster://h", &err), -1);
        assert_non_null(strstr(err.text, "rediss+cluster://"));
        return;
    }
    assert_int_equal(conf_parse_url(&c, url, &err), 0);
    assert_int_equal(c.tls, 1);
    assert_string_equal(c.tls_ca, "/ca");
    assert_string_equal(c.tls_cert, "/c");
    assert_string_equal(c.tls_key, "/k");
    assert_string_equal(c.tls_name, "redis.example");
    assert_string_equal(c.shown, "rediss://:***@h:6380/2");
    setenv("STINT_TLS_CA", "/env-ca", 1);
    assert_int_equal(conf_parse_url(&c, "rediss+cluster://h", &err), 0);
    assert_int_equal(c.tls + c.n_nodes, 2);
    assert_string_equal(c.tls_ca, "/env-ca");
    unsetenv("STINT_TLS_CA");
    assert_int_equal(conf_parse_url(&c, "rediss://h?tls_cert=/c", &err), -1);
    assert_non_null(strstr(err.text, "tls_key"));
}

static void test_refused(void **state)
{
    static const char *const urls[] = {
        "", "h:1", "http://h", "redis://", "redis://:6379", "redis://h:0",
        "redis://h:65536", "redis://h:x", "redis://h/x", "redis://h/1?x=2",
        "redis://user@h", "redis://user:@h", "redis://:%0@h", "redis://:%@h",
        "redis://:%zz@h", "redis://:%00@h", "redis://[::1", "redis://[::1]x",
        "unix://", "unix://a", "unix:///p?db=", "unix:///p#x",
        "redis+cluster://", "redis+cluster://h1,", "redis+cluster://,h1",
        "redis+cluster://h1,,h2", "redis+cluster://h/1",
        "redis+cluster://h?db=0", "redis+cluster://h#x",
        "redis+cluster://h1:0,h2", "redis+cluster://h1,h2:70000",
        "redis+cluster://user@h1,h2", "redis+cluster://[::1,h2",
        "redis+sentinel://h", "redis+sentinel://h/", "redis+sentinel:///m",
        "redis+sentinel://h/m/x", "redis+sentinel://h,/m",
        "redis+sentinel://h/m?sentinel_user=x", "redis://h?",
        "redis://h?sentinel_user=x", "redis://h?tls_ca=/x",
        "redis://:p@h?password_file=/x", "redis://h?password_file=",
        "redis://h?password_file=/x&password_file=/y", "redis://h?db=1&",
        "redis://h?db", "redis+cluster://h?x=1",
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
        cmocka_unit_test(test_sentinel), cmocka_unit_test(test_password_file),
        cmocka_unit_test(test_tls), cmocka_unit_test(test_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
