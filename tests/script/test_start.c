/* SPDX-License-Identifier: MIT */
/* start: ASSIGNED -> RUNNING, or EXPIRED; started by an earlier call, whose
 * answer got lost: OK; all else is STALE and unchanged. */
#include "rules.h"

static void test_from_every_state(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        for (int ruled = 0; ruled < 2; ruled++) {
            rules_clean(NULL);
            const char *ticket = rules_bring("a", rules_states[i],
                                             ruled ? "level=5" : "");
            const char *before = rules_digest();
            if (strcmp(rules_states[i], "ASSIGNED") == 0) {
                EXPECT("OK", "start", "w1", "a", ticket);
                assert_string_equal(rules_status("a"), "RUNNING");
                assert_int_equal(rules_number("a", "start"), rules_now);
                assert_string_equal(rules_ticket("a"), ticket);
                before = rules_digest();
            }
            EXPECT(strcmp(rules_status("a"), "RUNNING") == 0 ? "OK" : "STALE",
                   "start", "w1", "a", ticket);
            assert_string_equal(rules_digest(), before);
        }
    }
}

static void test_stale(void **state)
{
    (void)state;
    const char *old = rules_bring("a", "ASSIGNED", "");
    EXPECT("OK", "release", "w1", "a", old);
    assert_string_equal(rules_assign("w2", 0, 1, "f"), "a");
    const char *record = rules_text("%s", rules_record("a"));
    const char *before = rules_digest();
    EXPECT("STALE STALE STALE", "start", "w1", "a", old, "none", old, "a", "");
    assert_string_equal(rules_record("a"), record);
    assert_string_equal(rules_digest(), before);
    EXPECT("OK STALE", "start", "w2", "a", rules_ticket("a"), "a",
           rules_ticket("a"));
}

/* A ticket of w2's in the hands of w1 must not part record and index. */
static void test_of_another_worker(void **state)
{
    (void)state;
    rules_queue("a", "");
    assert_string_equal(rules_assign("w2", 0, 1, "f"), "a");
    const char *before = rules_digest();
    EXPECT("STALE", "start", "w1", "a", rules_ticket("a"));
    assert_string_equal(rules_digest(), before);
}

static void test_past_stop_time(void **state)
{
    (void)state;
    rules_queue_at("a", "f", "+0", "+1000", "");
    rules_queue_at("b", "f", "+0", "+2000", "");
    assert_string_equal(rules_assign("w1", 0, 2, "f"), "a b");
    rules_now += 1001;
    EXPECT("EXPIRED OK", "start", "w1", "a", rules_ticket("a"), "b",
           rules_ticket("b"));
    assert_string_equal(rules_status("a"), "EXPIRED");
    assert_string_equal(rules_status("b"), "RUNNING");
    REDIS("0", "ZCARD {stint:main}:expiry");
}

RULES_MAIN(RULES_TEST(test_from_every_state), RULES_TEST(test_stale),
           RULES_TEST(test_of_another_worker),
           RULES_TEST(test_past_stop_time))
