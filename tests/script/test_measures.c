/* SPDX-License-Identifier: MIT */
/* How long tasks wait and run, counted on every path; samples and their rings.
 * All times are the test's. */
#include "rules.h"

#define FIELD(n, field) REDIS(n, "HGET {stint:main}:measures %s", field)

static const char *function_field(const char *kind, const char *fn)
{
    return rules_redis("EVAL %s 1 {stint:main}:measures %s",
                       "return redis.call('HGET', KEYS[1], ARGV[1]) or ''",
                       rules_text("%s %s", kind, fn));
}
#define OF(n, kind, fn) assert_string_equal(function_field(kind, fn), n)

static void test_straight_to_running(void **state)
{
    (void)state;
    rules_queue("a", "");
    rules_queue("b", "");
    rules_queue("c", "level=3");
    rules_now += 7; /* bucket 4: up to 10 ms */
    assert_string_equal(rules_assign("w1", 9, 0, "f"), "c a b");
    OF("3", "q4", "f");
    FIELD("3", "q4");
    OF("21", "qs", "f");
    FIELD("21", "qs");
    rules_now += 100; /* bucket 7: up to 100 ms */
    EXPECT("OK OK OK", "report", "w1", "a", rules_ticket("a"), "COMPLETED @f",
           "", "b", rules_ticket("b"), "COMPLETED @f", "", "c",
           rules_ticket("c"), "FAILED !never @f", "");
    OF("2", "C7", "f");
    OF("1", "F7", "f");
    FIELD("2", "C7");
    FIELD("1", "F7");
    OF("300", "rs", "f");
    FIELD("300", "rs");
    FIELD("1", "functions");
}

static void test_prefetched_are_counted_at_their_start(void **state)
{
    (void)state;
    rules_queue("a", "");
    rules_queue("b", "");
    rules_now += 1;
    assert_string_equal(rules_assign("w1", 1, 1, "f"), "a b");
    FIELD("1", "q1");
    rules_now += 3;
    EXPECT("OK", "start", "w1", "b",
           rules_text("%s @f", rules_ticket("b")));
    OF("1", "q1", "f");
    OF("1", "q3", "f");
    /* Again: it has been started, and is not counted. */
    EXPECT("OK", "start", "w1", "b",
           rules_text("%s @f", rules_ticket("b")));
    OF("1", "q3", "f");
    rules_now += 2;
    /* One ticket, one record or not: b began 3 ms later. */
    EXPECT("OK OK", "report", "w1", "a", rules_ticket("a"), "STOPPED @f", "",
           "b", rules_ticket("b"), "STOPPED @f", "");
    OF("1", "S3", "f");
    OF("1", "S2", "f");
    OF("7", "rs", "f");
}

static void test_each_status_and_nothing_twice(void **state)
{
    static const char *const words[] = {"COMPLETED", "FAILED", "TIMEOUT",
                                        "STOPPED"};
    (void)state;
    for (int i = 0; i < 4; i++) {
        const char *id = rules_text("t%d", i), *kind;
        rules_queue(id, i % 2 ? "level=1" : "");
        assert_string_equal(rules_assign("w1", 1, 0, "f"), id);
        const char *ticket = rules_ticket(id);
        const char *said = rules_text("%s @f", words[i]);
        kind = rules_text("%c1", words[i][0]);
        EXPECT("OK AGAIN", "report", "w1", id, ticket, said, "", id, ticket,
               said, "");
        EXPECT("AGAIN", "report", "w1", id, ticket, said, "");
        EXPECT("STALE", "report", "w1", id, "1 x", said, "");
        OF("1", kind, "f");
    }
    FIELD("4", "q1");
}

static void test_older_workers_do_not_tell(void **state)
{
    (void)state;
    rules_queue("a", "");
    rules_queue("b", "");
    assert_string_equal(rules_assign("w1", 1, 1, "f"), "a b");
    EXPECT("OK", "start", "w1", "b", rules_ticket("b"));
    EXPECT("OK", "report", "w1", "a", rules_ticket("a"), "COMPLETED", "");
    FIELD("2", "q1");
    OF("1", "q1", "f");
    OF("1", "q1", "(other)");
    OF("1", "C1", "(other)");
    FIELD("1", "C1");
}

static void test_what_is_said_is_checked(void **state)
{
    static const char *const wrong[] = {"COMPLETED f", "COMPLETED @",
                                        "COMPLETED @f g", "COMPLETED @f\n",
                                        "NONE @f", "FAILED !x @f", "@f"};
    (void)state;
    const char *ticket = rules_bring("a", "RUNNING", "");
    const char *before = rules_digest();
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
        EXPECT_START("-INVALID", "report", "w1", "a", ticket, wrong[i], "");
    assert_string_equal(rules_digest(), before);
    char longer[140] = "COMPLETED @";
    memset(longer + 11, 'x', 128);
    EXPECT("OK", "report", "w1", "a", ticket, longer, "");
}

static void test_repeats_and_retries_are_runs(void **state)
{
    (void)state;
    rules_queue("a", "repeats=2 retry=1 period=1000 delay=1000");
    const char *results = "FCC";
    for (int i = 0; i < 3; i++) {
        assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
        rules_now += 1;
        EXPECT("OK", "report", "w1", "a", rules_ticket("a"),
               results[i] == 'C' ? "COMPLETED @f" : "FAILED @f", "");
        rules_now += 1500;
    }
    OF("1", "F1", "f");
    OF("2", "C1", "f");
    OF("1", "q1", "f");
    OF("1", "q9", "f");  /* due a second after it failed, 500 ms ago */
    OF("1", "q10", "f"); /* a second after the start before it */
    REDIS("1", "HGET {stint:main}:ended COMPLETED");
}

static void test_parts_of_a_broadcast_are_runs(void **state)
{
    (void)state;
    rules_queue("b", "cast=1");
    EXPECT("1 0", "fire", "9");
    assert_string_equal(rules_assign("w1", 0, 0, "f"), "b@1");
    assert_string_equal(rules_assign("w2", 0, 0, "f"), "b@2");
    EXPECT("OK", "report", "w1", "b@1", rules_ticket("b@1"), "COMPLETED @f",
           "");
    EXPECT("OK", "report", "w2", "b@2", rules_ticket("b@2"), "FAILED @f", "");
    OF("2", "q1", "f");
    OF("1", "C1", "f");
    OF("1", "F1", "f");
}

static void test_lost_with_the_worker(void **state)
{
    (void)state;
    rules_queue("a", "crashes=1");
    rules_queue("p", "");
    assert_string_equal(rules_assign("w1", 1, 1, "f"), "a p");
    rules_redis("ZADD {stint:main}:workers %lld w1", (long long)rules_now + 1);
    rules_now += 10;
    EXPECT("2 0", "recover", "100", "0");
    OF("1", "L", "f"); /* p was not running */
    FIELD("1", "L");
    assert_string_equal(rules_status("a"), "FAILED");
}

/* 200 functions are told apart, one more is another one. */
static void test_functions_are_bounded(void **state)
{
    (void)state;
    for (int i = 0; i < 205; i++) {
        const char *fn = rules_text("f%03d", i);
        rules_queue_at(fn, fn, "+0", "", "");
        assert_string_equal(rules_assign("w1", 1, 0, fn), fn);
        EXPECT("OK", "report", "w1", fn, rules_ticket(fn),
               rules_text("COMPLETED @%s", fn), "");
    }
    FIELD("200", "functions");
    OF("1", "q1", "f199");
    OF("1", "C1", "f199");
    OF("", "q1", "f200");
    OF("", "f", "f204");
    OF("5", "q1", "(other)");
    OF("5", "C1", "(other)");
    FIELD("205", "C1");
    /* One that is known goes on to be. */
    rules_queue_at("more", "f007", "+0", "", "");
    assert_string_equal(rules_assign("w1", 1, 0, "f007"), "more");
    OF("2", "q1", "f007");
}

/* Measures are no reason for a call to fail. */
static void test_a_wrong_key_does_no_harm(void **state)
{
    (void)state;
    rules_queue("a", "");
    rules_redis("SET {stint:main}:measures x");
    const char *args[] = {"w1", "t", "1", "0", "f"};
    const char *reply = rules_raw("assign", 5, args);
    assert_non_null(strstr(reply, " a "));
    assert_string_equal(rules_status("a"), "RUNNING");
    rules_redis("DEL {stint:main}:measures");
}

/* ---- Samples ---------------------------------------------------------------- */

static void test_samples_once_a_step_and_when_it_is_another(void **state)
{
    (void)state;
    EXPECT("3", "sample"); /* of nothing, to count from */
    EXPECT("0", "sample");
    rules_queue("a", "");
    EXPECT("0", "sample"); /* the step is not over */
    rules_now += 10000;
    EXPECT("1", "sample");
    rules_now += 10000;
    EXPECT("0", "sample"); /* as it was */
    rules_now += 290000;
    rules_queue("b", "");
    EXPECT("2", "sample");
    rules_now += HOUR;
    rules_queue("c", "");
    EXPECT("3", "sample");
    REDIS("4", "LLEN {stint:main}:history:hour");
    REDIS("3", "LLEN {stint:main}:history:day");
    REDIS("2", "LLEN {stint:main}:history:month");
    /* Redis's clock goes back: samples go on. */
    rules_now -= 2 * HOUR;
    EXPECT("3", "sample");
}

static void test_rings_are_bounded(void **state)
{
    (void)state;
    rules_now = RULES_START / HOUR * HOUR + HOUR; /* steps of all begin */
    for (int i = 0; i < 365; i++) {
        rules_queue(rules_text("t%d", i), "");
        EXPECT(i % 30 ? "1" : i % 360 ? "2" : "3", "sample");
        rules_now += 10000;
    }
    REDIS("360", "LLEN {stint:main}:history:hour");
}

static void test_history_tells_now_and_then(void **state)
{
    (void)state;
    EXPECT("3", "sample");
    long long then = rules_now;
    rules_queue("a", "");
    rules_queue_at("later", "f", "+50000", "", "");
    rules_now += 5;
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    rules_now += 50;
    EXPECT("OK", "report", "w1", "a", rules_ticket("a"), "COMPLETED @f", "");
    EXPECT(rules_text("10000 %lld 1 0 0 0 2 1 0 0 0 0 5 50 q3=1 r6=1 "
                      "%lld 0 0 0 0 0 0 0 0 0 0 0 0",
                      (long long)rules_now, then),
           "history", "hour", "9");
    EXPECT(rules_text("3600000 %lld 1 0 0 0 2 1 0 0 0 0 5 50 q3=1 r6=1",
                      (long long)rules_now),
           "history", "month", "0");
    EXPECT_START("-INVALID", "history", "year", "9");
    /* Pruned or not, it has been queued. */
    rules_now += DAY + 1;
    EXPECT("1 0", "prune", "9", "1000");
    EXPECT(rules_text("10000 %lld 1 1 0 %lld 2 1 0 0 0 0 5 50 q3=1 r6=1",
                      (long long)rules_now, then + 50000),
           "history", "hour", "0");
}

static void test_measures_tells_all_fields(void **state)
{
    (void)state;
    EXPECT("0", "measures", "0", "100");
    rules_queue("a", "");
    rules_now += 3;
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    const char *words = rules_text(" %s ", ASK("measures", "0", "100"));
    assert_non_null(strstr(words, " q3 1 "));
    assert_non_null(strstr(words, " q3 f 1 "));
    assert_non_null(strstr(words, " qs f 3 "));
    assert_null(strstr(words, "bounds"));
    assert_null(strstr(words, "functions"));
}

RULES_MAIN(RULES_TEST(test_straight_to_running),
           RULES_TEST(test_prefetched_are_counted_at_their_start),
           RULES_TEST(test_each_status_and_nothing_twice),
           RULES_TEST(test_older_workers_do_not_tell),
           RULES_TEST(test_what_is_said_is_checked),
           RULES_TEST(test_repeats_and_retries_are_runs),
           RULES_TEST(test_parts_of_a_broadcast_are_runs),
           RULES_TEST(test_lost_with_the_worker),
           RULES_TEST(test_functions_are_bounded),
           RULES_TEST(test_a_wrong_key_does_no_harm),
           RULES_TEST(test_samples_once_a_step_and_when_it_is_another),
           RULES_TEST(test_rings_are_bounded),
           RULES_TEST(test_history_tells_now_and_then),
           RULES_TEST(test_measures_tells_all_fields))
