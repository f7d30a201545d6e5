/* SPDX-License-Identifier: MIT */
/* run_now: what is due later is due now, and its series goes on as it would
 * have. */
#include "rules.h"

static void test_from_every_state(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        rules_clean(NULL);
        rules_bring("a", rules_states[i], "");
        const char *before = rules_digest(); /* due already: nothing to do */
        EXPECT(i == 0 ? "QUEUED"
                      : rules_text("-STATE it is %s", rules_states[i]),
               "run_now", "a");
        assert_string_equal(rules_digest(), before);
    }
    EXPECT_START("-NOTFOUND", "run_now", "b");
}

static void test_due_now(void **state)
{
    static const char *const rules[] = {"", "level=5", "repeats=0"};

    (void)state;
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        rules_clean(NULL);
        rules_queue_at("a", "f", "+60000", "+90000", rules[i]);
        assert_string_equal(rules_assign("w1", 1, 0, "f"), "");
        rules_redis("DEL {stint:main}:wake");
        EXPECT("QUEUED", "run_now", "a");
        REDIS(rules_text("w %lld", (long long)rules_now),
              "ZRANGE {stint:main}:wake 0 -1 WITHSCORES");
        assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
        assert_int_equal(rules_number("a", "expire"), rules_now + 90000);
    }
}

static void test_held_back(void **state)
{
    (void)state;
    rules_queue_at("p", "f", "+5000", "", "");
    rules_queue_at("a", "f", "+5000", "", "disabled=1");
    rules_queue_at("b", "f", "+5000", "", "after=p");
    const char *before = rules_digest();
    EXPECT_START("-STATE it is disabled", "run_now", "a");
    EXPECT_START("-STATE it waits for", "run_now", "b");
    assert_string_equal(rules_digest(), before);
}

static void test_broadcast(void **state)
{
    (void)state;
    rules_queue_at("a", "f", "+5000", "", "cast=1");
    EXPECT("0 0", "fire", "9");
    EXPECT("QUEUED", "run_now", "a");
    EXPECT("1 0", "fire", "9");
}

/* A grid of ten seconds: the run between is one more. */
static void test_grid_stays(void **state)
{
    (void)state;
    rules_queue("a", "repeats=0 period=10000 drift=1");
    assert_string_equal(rules_run_once("a", "COMPLETED"), "OK");
    assert_int_equal(rules_number("a", "next"), RULES_START + 10000);
    rules_now += 3000;
    EXPECT("QUEUED", "run_now", "a");
    assert_int_equal(rules_number("a", "next"), rules_now);
    assert_string_equal(rules_run_once("a", "COMPLETED"), "OK");
    assert_int_equal(rules_number("a", "next"), RULES_START + 10000);
}

/* A series that has not begun begins when it was to. */
static void test_before_its_start(void **state)
{
    /* Of a cronline the worker names the next match, from the start_time. */
    char match[40];
    snprintf(match, sizeof(match), "COMPLETED %lld",
             (long long)RULES_START + 61000);
    const struct {
        const char *rules, *status;
        int64_t next; /* after a run at once */
    } rows[] = {{"repeats=0 period=1000 drift=1", "COMPLETED", 60000},
                {"repeats=0 cron=1", match, 61000},
                {"repeats=0 cron=1 retry=1 delay=500", "FAILED", 500},
                {"repeats=0 period=1000", "COMPLETED", 1000}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        rules_clean(NULL);
        rules_queue_at("a", "f", "+60000", "", rows[i].rules);
        EXPECT("QUEUED", "run_now", "a");
        int is_series = strstr(rows[i].rules, "cron=1") != NULL ||
                        strstr(rows[i].rules, "drift=1") != NULL;
        assert_int_equal(rules_number("a", "begin"),
                         RULES_START + (is_series ? 60000 : 0));
        assert_string_equal(rules_run_once("a", rows[i].status), "OK");
        assert_int_equal(rules_number("a", "next"),
                         RULES_START + rows[i].next);
    }
}

RULES_MAIN(RULES_TEST(test_from_every_state), RULES_TEST(test_due_now),
           RULES_TEST(test_held_back), RULES_TEST(test_broadcast),
           RULES_TEST(test_grid_stays), RULES_TEST(test_before_its_start))
