/* SPDX-License-Identifier: MIT */
/* rewind: after Redis's clock went back, leases end when they would have, and
 * what was due is due; what waits for a date of the calendar goes on waiting. */
#include "rules.h"

#define BACK HOUR
#define BACK_TEXT "3600000"

static void clock_back(void)
{
    rules_now -= BACK;
}

static void test_leases(void **state)
{
    (void)state;
    rules_queue("a", "");
    ASK("heartbeat", "w1", "5000", "0");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    clock_back();
    ASK("heartbeat", "w2", "5000", "0"); /* alive: renewed since */
    rules_now += 6000;
    ASK("heartbeat", "w2", "5000", "0");
    EXPECT("0 0", "recover", "100", "0"); /* as if w1 lived for an hour */
    EXPECT("1 2 0", "rewind", "100", BACK_TEXT, "1", "0");
    EXPECT("0 2 0", "rewind", "100", BACK_TEXT, "1", "0"); /* said again */
    EXPECT("1 0", "recover", "100", "0");
    assert_string_equal(rules_status("a"), "QUEUED");
    assert_string_equal(rules_assign("w2", 1, 0, "f"), "a");
}

/* What was taken was due, and is due when it is given back. */
static void test_given_back(void **state)
{
    (void)state;
    rules_queue("a", "");
    assert_string_equal(rules_assign("w1", 0, 1, "f"), "a");
    const char *ticket = rules_ticket("a");
    clock_back();
    EXPECT("OK", "release", "w1", "a", ticket);
    assert_int_equal(rules_number("a", "next"), rules_now);
}

static void rewind_all(int changed)
{
    int at = 1, stay = 0, n = 0, more;
    for (int i = 0; at != 0 && i < 100; i++) {
        const char *words = rules_ask("rewind", "2", BACK_TEXT,
                                      rules_text("%d", at),
                                      rules_text("%d", stay), (char *)NULL);
        assert_int_equal(sscanf(words, "%d %d %d", &more, &at, &stay), 3);
        n += more;
    }
    assert_int_equal(at, 0);
    assert_int_equal(n, changed);
}

/* Nobody can tell whether its time was asked for. */
static void test_not_run(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) /* without a record, and with one */
        rules_queue(rules_text("plain%d", i), i < 3 ? "" : "level=3");
    rules_redis("DEL {stint:main}:workers"); /* no leases to mend */
    const char *before = rules_digest();
    clock_back();
    rewind_all(0);
    assert_string_equal(rules_digest(), before);
}

/* A next run counts from the one before, whose time is mended with it. */
static void test_series(void **state)
{
    (void)state;
    rules_queue("a", "repeats=3 period=7200000 level=2");
    rules_run_once("a", "COMPLETED");
    int64_t next = rules_number("a", "next");
    rules_redis("DEL {stint:main}:workers");
    clock_back();
    rewind_all(1);
    assert_int_equal(rules_number("a", "next"), next - BACK);
    assert_true(rules_number("a", "start") <= rules_now);
    rewind_all(0);
}

static void test_calendar(void **state)
{
    (void)state;
    rules_queue("drift", "repeats=0 period=60000 drift=1");
    rules_run_once("drift", "COMPLETED");
    int64_t next = rules_number("drift", "next");
    rules_redis("DEL {stint:main}:workers");
    clock_back();
    rewind_all(0);
    assert_int_equal(rules_number("drift", "next"), next);
}

/* The fleet's leases are in another set. */
static void test_fleet(void **state)
{
    (void)state;
    rules_redis("ZADD {stint}:leases %lld old %lld new",
                (long long)rules_now + 5000, (long long)rules_now - BACK + 5000);
    clock_back();
    rules_redis("FCALL stint_rewind 1 {stint} 1 %lld 100 " BACK_TEXT " 0 0",
                (long long)rules_now);
    REDIS(rules_text("%lld", (long long)rules_now + 5000),
          "ZSCORE {stint}:leases old");
    REDIS(rules_text("%lld", (long long)rules_now + 5000),
          "ZSCORE {stint}:leases new");
}

RULES_MAIN(RULES_TEST(test_fleet), RULES_TEST(test_leases), RULES_TEST(test_given_back),
           RULES_TEST(test_not_run), RULES_TEST(test_series),
           RULES_TEST(test_calendar))
