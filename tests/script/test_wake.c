/* SPDX-License-Identifier: MIT */
/* wake: a lost marker is put back; says when each duty is due. */
#include "rules.h"

static void test_lost_markers_come_back(void **state)
{
    (void)state;
    rules_queue_at("later", "f", "+5000", "", "");
    rules_queue_at("odd", "odd", "+0", "", "");
    rules_assign("w1", 1, 0, "f"); /* parks odd */
    REDIS("0:odd", "ZRANGE {stint:main}:levels 0 -1");
    rules_redis("DEL {stint:main}:wake {stint:main}:wake:odd");
    ASK("wake", "w1");
    REDIS(rules_text("w %lld", (long long)rules_now + 5000),
          "ZRANGE {stint:main}:wake 0 -1 WITHSCORES");
    REDIS(rules_text("w %lld", (long long)rules_now),
          "ZRANGE {stint:main}:wake:odd 0 -1 WITHSCORES");
}

static void test_nothing_queued_wakes_nobody(void **state)
{
    (void)state;
    ASK("wake", "w1");
    REDIS("0", "EXISTS {stint:main}:wake");
}

/* The words: stop_time, lease of another worker, retention, broadcast, ended
 * tasks, messages, parents that have not told all their children; and what
 * changes when tasks are queued, started or reported. */
static void test_says_when_duties_are_due(void **state)
{
    (void)state;
    rules_redis("ZADD {stint:main}:workers %lld w1",
                (long long)rules_now + 10);
    rules_redis("ZADD {stint:main}:workers %lld w2",
                (long long)rules_now + 20);
    rules_queue_at("a", "f", "+0", "+7000", "");
    long long now = rules_now;
    EXPECT(rules_text("%lld %lld   0 0 0 1/-/-", now + 7000, now + 20), "wake",
           "w1");
    EXPECT(rules_text("%lld %lld   0 0 0 1/-/-", now + 7000, now + 10), "wake",
           "w2");
    rules_now += 2;
    rules_assign("w1", 1, 0, "f");
    rules_now += 3;
    rules_report("a", "COMPLETED");
    EXPECT(rules_text("%lld %lld  1 0 0 1/2/3", now + 10,
                      rules_now + (long long)DAY),
           "wake", "w3");
}

/* The last four: next broadcast; messages and tellings that are due. */
static void test_families_and_broadcasts(void **state)
{
    (void)state;
    rules_queue_at("b", "f", "+3000", "", "cast=1");
    rules_queue("p", "level=1");
    rules_queue("c", "after=p after=other/x after=other/y");
    for (int i = 0; i < 250; i++)
        rules_queue(rules_text("c%d", i), "after=p");
    assert_string_equal(rules_run_once("p", "COMPLETED"), "OK MORE");
    long long now = rules_now;
    rules_redis("DEL {stint:main}:wake");
    EXPECT(rules_text("%lld %lld %lld 1 2 1 253/-/-", now + 1000000000000,
                      now + (long long)DAY, now + 3000),
           "wake", "w1");
    REDIS(rules_text("%lld", now), "ZSCORE {stint:main}:wake w");
    EXPECT("1 0", "settle", "9");
    for (int i = 0; i < 250; i++)
        EXPECT("OK", "delete_task", rules_text("c%d", i));
    rules_redis("DEL {stint:main}:wake");
    EXPECT(rules_text("%lld %lld %lld 1 2 0 3/-/-", now + 1000000000000,
                      now + (long long)DAY, now + 3000),
           "wake", "w1");
    REDIS(rules_text("%lld", now + 3000), "ZSCORE {stint:main}:wake w");
}

RULES_MAIN(RULES_TEST(test_lost_markers_come_back),
           RULES_TEST(test_nothing_queued_wakes_nobody),
           RULES_TEST(test_says_when_duties_are_due),
           RULES_TEST(test_families_and_broadcasts))
