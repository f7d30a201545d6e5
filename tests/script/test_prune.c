/* SPDX-License-Identifier: MIT */
/* prune: ended tasks past their retention -> gone; the id stays an hour. */
#include "rules.h"

static void test_from_every_state(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        rules_clean(NULL);
        rules_bring("a", rules_states[i], "");
        rules_now += DAY - 1;
        const char *before = rules_digest();
        EXPECT("0 0", "prune", "100", "1000");
        assert_string_equal(rules_digest(), before);
        rules_now += 1;
        EXPECT(i < 3 ? "0 0" : "1 0", "prune", "100", "1000");
        assert_string_equal(rules_status("a"), i < 3 ? rules_states[i] : "");
        REDIS(i < 3 ? "1" : "0", "HLEN {stint:main}:task");
        REDIS("0", "EXISTS {stint:main}:run {stint:main}:run:a");
    }
}

static void test_short_ttl_keeps_the_id(void **state)
{
    (void)state;
    const char *ticket = rules_bring("a", "COMPLETED", "ttl=5000");
    rules_now += 5000;
    EXPECT("1 0", "prune", "100", "1000");
    REDIS("-", "HGET {stint:main}:task a");
    REDIS("0", "EXISTS {stint:main}:run");
    EXPECT_START("0 EXISTS", "queue_task", "0", "a", "f", "+0", "", "", "{}");
    EXPECT("AGAIN", "report", "w1", "a", ticket, "COMPLETED", "{}");
    rules_now += HOUR - 5001;
    EXPECT("0 0", "prune", "100", "1000");
    rules_now += 1;
    EXPECT("1 0", "prune", "100", "1000");
    REDIS("0", "EXISTS {stint:main}:task {stint:main}:state "
          "{stint:main}:finished");
    rules_queue("a", "");
}

static void bring_many(int n)
{
    for (int i = 0; i < n; i++) {
        rules_bring(rules_text("t%02d", i), "COMPLETED", "");
        rules_now += 1;
    }
}

static void test_limit(void **state)
{
    (void)state;
    bring_many(5);
    rules_now += DAY;
    EXPECT("2 1", "prune", "2", "1000");
    EXPECT("2 1", "prune", "2", "1000");
    EXPECT("1 0", "prune", "2", "1000");
    REDIS("0", "EXISTS {stint:main}:task");
}

static void test_number_kept(void **state)
{
    (void)state;
    bring_many(6);
    rules_now += 2 * HOUR;
    EXPECT("4 0", "prune", "100", "2");
    REDIS("t04 t05", "ZRANGE {stint:main}:finished 0 -1");
}

/* More above the number than one call does: it must say so. */
static void test_number_kept_says_more(void **state)
{
    (void)state;
    bring_many(6);
    rules_now += 2 * HOUR;
    EXPECT("2 1", "prune", "2", "2");
    EXPECT("2 0", "prune", "2", "2");
}

/* Within the hour ids stay, but results above the number go, all of them. */
static void test_number_kept_within_the_hour(void **state)
{
    (void)state;
    bring_many(6);
    for (int i = 0; i < 4; i++)
        ASK("prune", "2", "2");
    REDIS("6", "HLEN {stint:main}:task");
    REDIS("2", "HLEN {stint:main}:run");
}

static void test_above_maxmemory(void **state)
{
    (void)state;
    rules_bring("a", "COMPLETED", "");
    rules_now += DAY;
    REDIS("OK", "CONFIG SET maxmemory 1");
    EXPECT("1 0", "prune", "100", "1000");
    assert_string_equal(rules_status("a"), "");
}

RULES_MAIN(RULES_TEST(test_from_every_state),
           RULES_TEST(test_short_ttl_keeps_the_id), RULES_TEST(test_limit),
           RULES_TEST(test_number_kept),
           RULES_TEST(test_number_kept_says_more),
           RULES_TEST(test_number_kept_within_the_hour),
           RULES_TEST(test_above_maxmemory))
