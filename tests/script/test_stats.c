/* SPDX-License-Identifier: MIT */
/* stats: every task is counted where it is. */
#include "rules.h"

static const char *stat(int nth)
{
    char *words = (char *)ASK("stats", "");
    char *word = strtok(words, " ");

    while (nth-- > 0 && word)
        word = strtok(NULL, " ");
    return word ? word : "";
}

enum { QUEUED, PARKED, DISABLED, ASSIGNED, RUNNING, DUE, COMPLETED, FAILED,
       TIMEOUT, STOPPED, EXPIRED, RETAINED, OLDEST, LIVE, NEXT, WAITING,
       BROADCASTS, PAUSED, EVENTS };

static void assert_stat(int nth, const char *value)
{
    assert_string_equal(stat(nth), value);
}

static void test_empty(void **state)
{
    (void)state;
    EXPECT("0 0 0 0 0 0 0 0 0 0 0 0 0 2 0 0 0 0 ", "stats", "");
}

static void test_every_state(void **state)
{
    static const int at[] = {QUEUED, ASSIGNED, RUNNING, COMPLETED, FAILED,
                             TIMEOUT, STOPPED, EXPIRED};

    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        rules_clean(NULL);
        rules_bring("a", rules_states[i], "");
        for (int k = 0; k < RULES_STATES; k++)
            assert_stat(at[k], k == i ? "1" : "0");
        assert_stat(RETAINED, i > 2 ? "1" : "0");
        assert_stat(DUE, i == 0 ? "1" : "0");
        assert_stat(OLDEST, i == 0 ? "1000000000000" : "0");
    }
}

static void test_places(void **state)
{
    (void)state;
    rules_queue_at("odd", "odd", "+0", "", "");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "");
    rules_queue("p", "level=4");
    rules_queue_at("later", "f", "+1000", "", "");
    rules_queue("held", "disabled=1");
    rules_queue("child", "after=p");
    rules_queue("cast", "cast=1");
    EXPECT("2 1 1 0 0 1 0 0 0 0 0 0 1000000000000 2 1000000000000 1 1 0 ",
           "stats", "");
    EXPECT("1 0", "fire", "9");
    rules_queue_at("cast2", "f", "+1000", "", "cast=1");
    assert_stat(BROADCASTS, "2");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "cast@1 p");
    assert_stat(RUNNING, "2");
    rules_report("p", "COMPLETED");
    assert_stat(WAITING, "0");
}

static void test_settings(void **state)
{
    (void)state;
    EXPECT("1000000000000", "pause_group", "");
    assert_stat(PAUSED, "1000000000000");
    assert_stat(EVENTS, ""); /* as many as by default */
    rules_redis("HSET {stint:main}:settings events 7");
    assert_stat(EVENTS, "7");
}

RULES_MAIN(RULES_TEST(test_settings), RULES_TEST(test_empty), RULES_TEST(test_every_state),
           RULES_TEST(test_places))
