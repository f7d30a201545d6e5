/* SPDX-License-Identifier: MIT */
/* Slots of keys (vectors of the cluster specification, others from CLUSTER
 * KEYSLOT of Redis 7.0.15), and maps as they come over the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include "slots.h"

static unsigned slot(const char *key)
{
    return slots_of_key(key, strlen(key));
}

static void test_keys(void **state)
{
    (void)state;
    assert_int_equal(slot("123456789"), 0x31c3);
    assert_int_equal(slot(""), 0);
    assert_int_equal(slot("foo"), 12182);
    assert_int_equal(slot("{stint:main}:queued"), slot("stint:main"));
    assert_int_equal(slot("{user1000}.following"), slot("user1000"));
    assert_int_equal(slot("a{b}c{d}"), slot("b"));
    /* Nothing between the braces: the whole key counts. */
    assert_int_equal(slot("foo{}{bar}"), 8363);
    assert_int_equal(slot("{}"), 15257);
    /* Nested, open, closed before it opens. */
    assert_int_equal(slot("foo{{bar}}zap"), slot("{bar"));
    assert_int_equal(slot("foo{{bar}}zap"), 4015);
    assert_int_equal(slot("foo{bar"), 15278);
    assert_int_equal(slot("}foo{bar}"), slot("bar"));
    assert_int_equal(slots_of_key("\xff\0{b}", 5), slot("b"));
}

/* What hiredis makes of a text in Redis's protocol. */
static redisReply *read_reply(const char *text)
{
    redisReader *r = redisReaderCreate();
    void *reply = NULL;
    assert_int_equal(redisReaderFeed(r, text, strlen(text)), REDIS_OK);
    assert_int_equal(redisReaderGetReply(r, &reply), REDIS_OK);
    assert_non_null(reply);
    redisReaderFree(r);
    return reply;
}

static int parse(struct slots *s, const char *text, struct stint_err *err)
{
    redisReply *r = read_reply(text);
    memset(err, 0, sizeof(*err));
    slots_close(s);
    int rc = slots_parse(s, r, "asked", err);
    freeReplyObject(r);
    return rc;
}

static void test_map(void **state)
{
    /* Redis 7.0: with metadata, a replica, and a node without an address. */
    static const char map[] =
        "*4\r\n"
        "*4\r\n:0\r\n:5460\r\n*4\r\n$9\r\n127.0.0.1\r\n:7000\r\n$1\r\na\r\n*0"
        "\r\n*3\r\n$9\r\n127.0.0.1\r\n:7003\r\n$1\r\nd\r\n"
        "*3\r\n:5461\r\n:10922\r\n*2\r\n$-1\r\n:7001\r\n"
        "*3\r\n:10923\r\n:16382\r\n*2\r\n$0\r\n\r\n:7002\r\n"
        "*3\r\n:16383\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:7000\r\n";
    struct slots *s = malloc(sizeof(*s));
    struct stint_err err;

    (void)state;
    slots_init(s);
    assert_int_equal(parse(s, map, &err), 0);
    assert_int_equal(s->n_nodes, 3);
    assert_string_equal(s->nodes[s->owner[0]].host, "127.0.0.1");
    assert_int_equal(s->nodes[s->owner[5460]].port, 7000);
    assert_string_equal(s->nodes[s->owner[5461]].host, "asked");
    assert_int_equal(s->nodes[s->owner[10922]].port, 7001);
    assert_string_equal(s->nodes[s->owner[10923]].host, "asked");
    assert_int_equal(s->owner[16383], s->owner[0]);
    assert_int_equal(slots_find(s, "127.0.0.1", 7003), -1);

    /* A cluster that has not given out all slots. */
    assert_int_equal(parse(s, "*1\r\n*3\r\n:1\r\n:2\r\n*2\r\n$1\r\nh\r\n"
                              ":1\r\n", &err), 0);
    assert_int_equal(s->owner[0], SLOTS_NOBODY);
    assert_int_equal(s->owner[3], SLOTS_NOBODY);
    assert_int_equal(parse(s, "*0\r\n", &err), 0);
    assert_int_equal(s->n_nodes, 0);
    slots_close(s);
    free(s);
}

static void test_map_refused(void **state)
{
    static const char *const maps[] = {
        "-ERR This instance has cluster support disabled\r\n", ":1\r\n",
        "*1\r\n:1\r\n", "*1\r\n*2\r\n:0\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n:2\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*1\r\n$1\r\nh\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\nh\r\n$1\r\n1\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\nh\r\n:0\r\n",
        "*1\r\n*3\r\n:0\r\n:1\r\n*2\r\n$1\r\nh\r\n:65536\r\n",
        "*1\r\n*3\r\n:-1\r\n:1\r\n*2\r\n$1\r\nh\r\n:1\r\n",
        "*1\r\n*3\r\n:2\r\n:1\r\n*2\r\n$1\r\nh\r\n:1\r\n",
        "*1\r\n*3\r\n:0\r\n:16384\r\n*2\r\n$1\r\nh\r\n:1\r\n"};
    struct slots *s = malloc(sizeof(*s));
    struct stint_err err;

    (void)state;
    slots_init(s);
    for (size_t i = 0; i < sizeof(maps) / sizeof(maps[0]); i++) {
        assert_int_equal(parse(s, maps[i], &err), -1);
        assert_int_equal(err.code, STINT_PROTOCOL);
    }
    slots_close(s);
    free(s);
}

static void test_too_many_nodes(void **state)
{
    struct slots *s = malloc(sizeof(*s));
    struct conf_node node = {"h", 0};

    (void)state;
    slots_init(s);
    for (int i = 0; i < SLOTS_NODES_MAX; i++) {
        node.port = i + 1;
        assert_int_equal(slots_move(s, (unsigned)i, &node), 0);
    }
    node.port++;
    assert_int_equal(slots_move(s, 0, &node), -1);
    assert_int_equal(s->owner[0], 0);
    node.port = 7;
    assert_int_equal(slots_move(s, 0, &node), 0);
    assert_int_equal(s->owner[0], 6);
    slots_close(s);
    free(s);
}

static int redirect(const char *text, unsigned *at, struct conf_node *to)
{
    return slots_read_redirect(text, strlen(text), at, to);
}

static void test_redirects(void **state)
{
    static const char *const bad[] = {
        "", "MOVED", "MOVED ", "MOVED 1", "MOVED 1 ", "MOVED x h:1",
        "MOVED -1 h:1", "MOVED 16384 h:1", "MOVED 99999999999999999999 h:1",
        "MOVED 1 h", "MOVED 1 h:", "MOVED 1 h:0", "MOVED 1 h:65536",
        "MOVED 1 h:1x", "ERR moved", "MOVEDX 1 h:1"};
    struct conf_node to;
    unsigned at;

    (void)state;
    assert_int_equal(redirect("MOVED 3999 10.0.0.1:6381", &at, &to), 0);
    assert_int_equal(at, 3999);
    assert_string_equal(to.host, "10.0.0.1");
    assert_int_equal(to.port, 6381);
    assert_int_equal(redirect("ASK 16383 ::1:65535", &at, &to), 0);
    assert_int_equal(at, 16383);
    assert_string_equal(to.host, "::1");
    assert_int_equal(to.port, 65535);
    assert_int_equal(redirect("MOVED 0 :7000", &at, &to), 0);
    assert_string_equal(to.host, "");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(redirect(bad[i], &at, &to), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys), cmocka_unit_test(test_map),
        cmocka_unit_test(test_map_refused),
        cmocka_unit_test(test_too_many_nodes),
        cmocka_unit_test(test_redirects)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
