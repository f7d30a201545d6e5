/* SPDX-License-Identifier: MIT */
/* disable_task: held back wherever it stood, and put back there. */
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
            if (i >= 3) {
                EXPECT(rules_text("-STATE it is %s", rules_states[i]),
                       "disable_task", "a");
                assert_string_equal(rules_digest(), before);
                continue;
            }
            EXPECT("OK", "disable_task", "a");
            /* ASSIGNED has not begun: it goes back. */
            assert_string_equal(rules_status("a"),
                                rules_states[i == 1 ? 0 : i]);
            assert_string_equal(rules_field("a", "disabled"), "1");
            before = rules_digest();
            EXPECT("OK", "disable_task", "a");
            assert_string_equal(rules_digest(), before);
            if (i == 2)
                assert_string_equal(rules_ticket("a"), ticket);
        }
    }
}

static void test_not_there(void **state)
{
    (void)state;
    const char *before = rules_digest();
    EXPECT_START("-NOTFOUND", "disable_task", "a");
    assert_string_equal(rules_digest(), before);
}

/* Where it stands, and that it comes back there. */
static void test_there_and_back(void **state)
{
    static const struct {
        const char *rules, *place;
    } rows[] = {{"", "queued"},
                {"level=5", "queued:5"},
                {"after=p", "waiting"},
                {"cast=1", "broadcast"},
                {"after=p cast=1", "waiting"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        rules_clean(NULL);
        rules_queue("p", "level=9");
        rules_queue_at("a", "f", "+1000", "", rows[i].rules);
        EXPECT("OK", "disable_task", "a");
        REDIS("a", "ZRANGE {stint:main}:held 0 -1");
        REDIS("0", "EXISTS {stint:main}:%s", rows[i].place);
        assert_string_equal(rules_assign("w1", 9, 9, "f"), "p");
        EXPECT("0 0", "fire", "9");
        EXPECT("OK", "enable_task", "a");
        REDIS("a", "ZRANGE {stint:main}:%s 0 -1", rows[i].place);
        REDIS("0", "EXISTS {stint:main}:held");
        assert_int_equal(rules_number("a", "next"), RULES_START + 1000);
    }
}

/* Due, but of a function nobody knows. */
static void test_parked(void **state)
{
    (void)state;
    rules_queue_at("a", "odd", "+0", "", "");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "");
    REDIS("a", "ZRANGE {stint:main}:queued:0:odd 0 -1");
    EXPECT("OK", "disable_task", "a");
    assert_string_equal(rules_assign("w1", 1, 0, "f odd"), "");
    rules_redis("DEL {stint:main}:wake:odd");
    EXPECT("OK", "enable_task", "a");
    REDIS("1000000000000", "ZSCORE {stint:main}:wake:odd w");
    assert_string_equal(rules_assign("w1", 1, 0, "f odd"), "a");
}

/* Of one that runs, the next run. */
static void test_running(void **state)
{
    static const char *const rules[] = {"repeats=2 period=0",
                                        "retry=1 delay=0"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        rules_clean(NULL);
        rules_queue("a", rules[i]);
        assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
        EXPECT("OK", "disable_task", "a");
        assert_string_equal(rules_report("a", i ? "FAILED" : "COMPLETED"),
                            "OK");
        REDIS("a", "ZRANGE {stint:main}:held 0 -1");
        assert_string_equal(rules_assign("w1", 1, 1, "f"), "");
        EXPECT("OK", "enable_task", "a");
        assert_string_equal(rules_run_once("a", "COMPLETED"), "OK");
        assert_string_equal(rules_status("a"), "COMPLETED");
    }
}

/* One that has not begun does not begin. */
static void test_assigned(void **state)
{
    (void)state;
    char ticket[64];
    snprintf(ticket, sizeof(ticket), "%s", rules_bring("a", "ASSIGNED", ""));
    EXPECT("OK", "disable_task", "a");
    REDIS("a", "ZRANGE {stint:main}:held 0 -1");
    EXPECT("STALE", "start", "w1", "a", ticket);
    assert_string_equal(rules_assign("w1", 1, 1, "f"), "");
    EXPECT("OK", "enable_task", "a");
    assert_string_equal(rules_run_once("a", "COMPLETED"), "OK");
}

static void test_given_back(void **state)
{
    (void)state;
    const char *ticket = rules_bring("a", "RUNNING", "");
    EXPECT("OK", "disable_task", "a");
    EXPECT("OK", "release", "w1", "a", ticket);
    REDIS("a", "ZRANGE {stint:main}:held 0 -1");
    ticket = rules_bring("b", "RUNNING", "");
    EXPECT("OK", "disable_task", "b");
    EXPECT("1 0", "recover", "9", "0", "w1", "");
    REDIS("2", "ZCARD {stint:main}:held");
}

static void test_stop_time(void **state)
{
    (void)state;
    rules_queue_at("a", "f", "+0", "+1000", "");
    EXPECT("OK", "disable_task", "a");
    rules_now += 1001;
    EXPECT("1 0", "expire", "9");
    assert_string_equal(rules_status("a"), "EXPIRED");
}

RULES_MAIN(RULES_TEST(test_from_every_state), RULES_TEST(test_not_there),
           RULES_TEST(test_there_and_back), RULES_TEST(test_parked),
           RULES_TEST(test_running), RULES_TEST(test_assigned),
           RULES_TEST(test_given_back), RULES_TEST(test_stop_time))
