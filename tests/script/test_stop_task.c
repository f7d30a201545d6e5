/* SPDX-License-Identifier: MIT */
/* stop_task: QUEUED, ASSIGNED -> STOPPED; RUNNING: marked, and STOPPED however
 * its run ends; ended ones are refused. */
#include "rules.h"

static void test_from_every_state(void **state)
{
    static const char *const rules[] = {"", "level=5", "disabled=1"};

    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        for (int k = 0; k < (i == 0 ? 3 : 2); k++) {
            rules_clean(NULL);
            const char *ticket = rules_bring("a", rules_states[i], rules[k]);
            const char *before = rules_digest();
            if (i < 2) {
                EXPECT("STOPPED", "stop_task", "a");
                assert_string_equal(rules_status("a"), "STOPPED");
                assert_int_equal(rules_number("a", "stop"), rules_now);
                REDIS("1", "HGET {stint:main}:ended STOPPED");
                before = rules_digest();
                EXPECT("STALE", "start", "w1", "a", ticket);
                EXPECT("STALE", "report", "w1", "a", ticket, "COMPLETED", "");
                EXPECT_START("-STATE it is STOPPED", "stop_task", "a");
            } else if (i == 2) {
                EXPECT("STOPPING", "stop_task", "a");
                assert_string_equal(rules_status("a"), "RUNNING");
                assert_string_equal(rules_ticket("a"), ticket);
                before = rules_digest();
                EXPECT("STOPPING", "stop_task", "a");
            } else {
                const char *words = ASK("stop_task", "a");
                const char *wanted = rules_text("-STATE it is %s",
                                                rules_states[i]);
                assert_memory_equal(words, wanted, strlen(wanted));
            }
            assert_string_equal(rules_digest(), before);
            assert_string_equal(rules_assign("w1", 1, 1, "f"), "");
        }
    }
}

static void test_not_there(void **state)
{
    (void)state;
    const char *before = rules_digest();
    EXPECT_START("-NOTFOUND", "stop_task", "a");
    assert_string_equal(rules_digest(), before);
}

static void test_with_stop_time(void **state)
{
    (void)state;
    rules_queue_at("a", "f", "+0", "+1000", "");
    EXPECT("STOPPED", "stop_task", "a");
    REDIS("0", "ZCARD {stint:main}:expiry");
    rules_now += 1001;
    EXPECT("0 0", "expire", "9");
    assert_string_equal(rules_status("a"), "STOPPED");
}

RULES_MAIN(RULES_TEST(test_from_every_state), RULES_TEST(test_not_there),
           RULES_TEST(test_with_stop_time))
