/* SPDX-License-Identifier: MIT */
/* pause_group, resume_group: nothing new is handed out in between, and nobody is
 * woken for nothing. */
#include "rules.h"

/* As every test begins; rules_bring lets time pass. */
#define SINCE "1000000000000"
#define NOW rules_text("%lld", (long long)rules_now)

static void test_nothing_is_assigned(void **state)
{
    (void)state;
    rules_queue("a", "");
    rules_queue("b", "level=5");
    rules_queue_at("c", "f", "+500", "", "");
    EXPECT(SINCE, "pause_group", "");
    assert_string_equal(rules_assign("w1", 5, 5, "f"), "");
    rules_now += 1000;
    EXPECT(SINCE, "pause_group", "");
    rules_queue("d", "");
    assert_string_equal(rules_assign("w2", 5, 5, "f"), "");
    EXPECT(SINCE, "resume_group", "");
    EXPECT("0", "resume_group", "");
    REDIS("0", "EXISTS {stint:main}:settings");
    assert_string_equal(rules_assign("w1", 9, 0, "f"), "b a c d");
}

/* An idle worker takes the marker, asks, and leaves none. */
static void test_markers(void **state)
{
    (void)state;
    rules_queue_at("odd", "odd", "+0", "", "");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "");
    rules_queue("b", "");
    EXPECT(SINCE, "pause_group", "");
    rules_redis("DEL {stint:main}:wake {stint:main}:wake:odd");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "");
    ASK("wake", "w1");
    REDIS("0", "EXISTS {stint:main}:wake {stint:main}:wake:odd");
    EXPECT("0 0", "assign", "w1", "t", "1", "0", "f"); /* and none is due */
    EXPECT(SINCE, "resume_group", "");
    REDIS("w " SINCE, "ZRANGE {stint:main}:wake 0 -1 WITHSCORES");
    REDIS("w " SINCE, "ZRANGE {stint:main}:wake:odd 0 -1 WITHSCORES");
}

/* A task of a lost worker has a marker of its own, a broadcast that of all. */
static void test_markers_of_others(void **state)
{
    (void)state;
    rules_queue_at("cast", "f", "+9000", "", "cast=1");
    rules_bring("a", "RUNNING", "");
    rules_redis("ZADD {stint:main}:workers 1 w1"); /* long ago */
    EXPECT("1 0", "recover", "9", "0");
    EXPECT(NOW, "pause_group", "");
    rules_redis("DEL {stint:main}:wake {stint:main}:wake:!lost");
    EXPECT(NOW, "resume_group", "");
    REDIS(rules_text("w %lld", (long long)RULES_START + 9000),
          "ZRANGE {stint:main}:wake 0 -1 WITHSCORES");
    REDIS("1", "EXISTS {stint:main}:wake:!lost");
}

static void test_what_goes_on(void **state)
{
    (void)state;
    rules_queue_at("late", "f", "+0", "+4500", "level=-1");
    rules_bring("a", "RUNNING", "level=1 repeats=0 period=0");
    rules_bring("p", "ASSIGNED", "level=1");
    EXPECT(NOW, "pause_group", "");
    EXPECT_START("", "start", "w1", "p", rules_ticket("p"));
    assert_string_equal(rules_report("a", "COMPLETED"), "OK");
    assert_string_equal(rules_status("a"), "QUEUED");
    assert_string_equal(rules_assign("w1", 5, 0, "f"), "");
    rules_now += 1000;
    EXPECT_START("1", "expire", "9");
    assert_string_equal(rules_status("late"), "EXPIRED");
}

static void test_broadcasts_wait(void **state)
{
    (void)state;
    rules_queue("a", "cast=1");
    EXPECT(SINCE, "pause_group", "");
    EXPECT("0 0", "fire", "9");
    assert_string_equal(rules_assign("w1", 5, 0, "f"), "");
    assert_string_equal(rules_status("a"), "QUEUED");
    EXPECT(SINCE, "resume_group", "");
    EXPECT("1 0", "fire", "9");
    assert_string_equal(rules_assign("w1", 5, 0, "f"), "a@1");
}

/* A part handed to a worker before waits, too. */
static void test_parts_wait(void **state)
{
    (void)state;
    rules_queue("a", "cast=1");
    EXPECT("1 0", "fire", "9");
    EXPECT(SINCE, "pause_group", "");
    assert_string_equal(rules_assign("w1", 5, 0, "f"), "");
    EXPECT(SINCE, "resume_group", "");
    assert_string_equal(rules_assign("w1", 5, 0, "f"), "a@1");
}

static void test_only_this_group(void **state)
{
    (void)state;
    EXPECT(SINCE, "pause_group", "");
    rules_group = "other";
    rules_queue("a", "");
    rules_redis("ZADD {stint:other}:workers %lld w1",
                (long long)rules_now + 100000);
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    rules_group = "main";
}

/* Other settings of a group change nothing for assign. */
static void test_other_settings(void **state)
{
    (void)state;
    rules_redis("HSET {stint:main}:settings events 100");
    rules_queue("a", "");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    EXPECT(SINCE, "pause_group", "");
    EXPECT(SINCE, "resume_group", "");
    REDIS("events 100", "HGETALL {stint:main}:settings");
}

RULES_MAIN(RULES_TEST(test_nothing_is_assigned), RULES_TEST(test_markers),
           RULES_TEST(test_markers_of_others), RULES_TEST(test_what_goes_on),
           RULES_TEST(test_broadcasts_wait), RULES_TEST(test_parts_wait),
           RULES_TEST(test_only_this_group), RULES_TEST(test_other_settings))
