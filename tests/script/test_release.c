/* SPDX-License-Identifier: MIT */
/* release: ASSIGNED, RUNNING -> QUEUED, due as it was; nothing is burned. */
#include "rules.h"

static void test_from_every_state(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        for (int ruled = 0; ruled < 2; ruled++) {
            rules_clean(NULL);
            const char *ticket = rules_bring("a", rules_states[i],
                                             ruled ? "level=5" : "");
            int running = strcmp(rules_states[i], "RUNNING") == 0;
            if (running || strcmp(rules_states[i], "ASSIGNED") == 0) {
                EXPECT("OK", "release", "w1", "a", ticket);
                assert_string_equal(rules_status("a"), "QUEUED");
                assert_int_equal(rules_number("a", "next"), RULES_START);
                assert_string_equal(rules_field("a", "failed"), "");
                assert_string_equal(rules_field("a", "run"), "");
                assert_string_equal(rules_field("a", "lost"), "");
                REDIS(running ? "1" : "0", "LLEN {stint:main}:run:a");
            }
            const char *before = rules_digest();
            EXPECT("STALE", "release", "w1", "a", ticket);
            assert_string_equal(rules_digest(), before);
        }
    }
}

static void test_stale(void **state)
{
    (void)state;
    const char *old = rules_bring("a", "RUNNING", "");
    EXPECT("OK STALE STALE", "release", "w1", "a", old, "a", old, "none", old);
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    const char *record = rules_text("%s", rules_record("a"));
    const char *before = rules_digest();
    EXPECT("STALE", "release", "w1", "a", old);
    assert_string_equal(rules_record("a"), record);
    assert_string_equal(rules_digest(), before);
}

static void test_burns_nothing(void **state)
{
    (void)state;
    rules_queue("a", "retry=1 period=0");
    for (int i = 0; i < 9; i++) {
        assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
        EXPECT("OK", "release", "w1", "a", rules_ticket("a"));
        rules_now += 1;
    }
    rules_run_once("a", "FAILED");
    assert_string_equal(rules_status("a"), "QUEUED");
    assert_int_equal(rules_number("a", "failed"), 1);
    rules_now += 1000;
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    EXPECT("OK", "release", "w1", "a", rules_ticket("a"));
    assert_int_equal(rules_number("a", "failed"), 1);
    rules_run_once("a", "FAILED");
    assert_string_equal(rules_status("a"), "FAILED");
}

static void test_stop_time_and_wake(void **state)
{
    (void)state;
    rules_queue_at("a", "f", "+0", "+1000", "");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    REDIS("1", "DEL {stint:main}:wake");
    rules_now += 1001;
    EXPECT("OK", "release", "w1", "a", rules_ticket("a"));
    REDIS("1000000000000", "ZSCORE {stint:main}:wake w");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "");
    assert_string_equal(rules_status("a"), "EXPIRED");
}

static void test_above_maxmemory(void **state)
{
    (void)state;
    const char *ticket = rules_bring("a", "RUNNING", "");
    REDIS("OK", "CONFIG SET maxmemory 1");
    EXPECT("OK", "release", "w1", "a", ticket);
    assert_string_equal(rules_status("a"), "QUEUED");
}

RULES_MAIN(RULES_TEST(test_from_every_state), RULES_TEST(test_stale),
           RULES_TEST(test_burns_nothing),
           RULES_TEST(test_stop_time_and_wake),
           RULES_TEST(test_above_maxmemory))
