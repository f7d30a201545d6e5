/* SPDX-License-Identifier: MIT */
/* enable_task: what was held back may run; where it was disabled, see
 * test_disable_task.c. */
#include "rules.h"

static void test_from_every_state(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        rules_clean(NULL);
        rules_bring("a", rules_states[i], "level=5");
        const char *before = rules_digest();
        EXPECT(i < 3 ? "OK" : rules_text("-STATE it is %s", rules_states[i]),
               "enable_task", "a");
        assert_string_equal(rules_digest(), before); /* was not disabled */
    }
    const char *before = rules_digest();
    EXPECT_START("-NOTFOUND", "enable_task", "b");
    assert_string_equal(rules_digest(), before);
}

static void test_runs_then(void **state)
{
    static const char *const rules[] = {"disabled=1", "disabled=1 level=-3",
                                        "disabled=1 level=2.5 retry=1"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        rules_clean(NULL);
        rules_queue("a", rules[i]);
        assert_string_equal(rules_assign("w1", 1, 1, "f"), "");
        rules_redis("DEL {stint:main}:wake");
        EXPECT("OK", "enable_task", "a");
        REDIS("1000000000000", "ZSCORE {stint:main}:wake w");
        REDIS("0", "ZCARD {stint:main}:held");
        const char *before = rules_digest();
        EXPECT("OK", "enable_task", "a");
        assert_string_equal(rules_digest(), before);
        assert_string_equal(rules_assign("w1", 1, 1, "f"), "a");
    }
}

static void test_when_it_is_due(void **state)
{
    (void)state;
    rules_queue_at("a", "f", "+5000", "", "disabled=1");
    EXPECT("OK", "enable_task", "a");
    rules_now += 4999;
    assert_string_equal(rules_assign("w1", 1, 1, "f"), "");
    rules_now += 1;
    assert_string_equal(rules_assign("w1", 1, 1, "f"), "a");
}

/* Past its stop_time meanwhile. */
static void test_stop_time(void **state)
{
    (void)state;
    rules_queue_at("a", "f", "+0", "+1000", "disabled=1");
    rules_now += 1001;
    EXPECT("OK", "enable_task", "a");
    assert_string_equal(rules_assign("w1", 1, 1, "f"), "");
    assert_string_equal(rules_status("a"), "EXPIRED");
}

RULES_MAIN(RULES_TEST(test_from_every_state), RULES_TEST(test_runs_then),
           RULES_TEST(test_when_it_is_due), RULES_TEST(test_stop_time))
