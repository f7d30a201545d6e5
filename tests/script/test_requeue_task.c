/* SPDX-License-Identifier: MIT */
/* requeue_task: any end state -> QUEUED, due now, with its last run in the
 * history. */
#include "rules.h"

static void test_from_every_state(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        for (int ruled = 0; ruled < 2; ruled++) {
            rules_clean(NULL);
            const char *ticket = rules_bring("a", rules_states[i],
                                             ruled ? "level=5" : "");
            const char *fence = rules_text("%s", rules_field("a", "fence"));
            const char *before = rules_digest();
            if (i < 3) {
                EXPECT(rules_text("-STATE it is %s", rules_states[i]),
                       "requeue_task", "a", "0");
                assert_string_equal(rules_digest(), before);
                continue;
            }
            EXPECT("OK", "requeue_task", "a", "0");
            assert_string_equal(rules_status("a"), "QUEUED");
            assert_int_equal(rules_number("a", "next"), rules_now);
            REDIS("0", "ZCARD {stint:main}:finished");
            REDIS("0", "HEXISTS {stint:main}:run a");
            assert_non_null(strstr(rules_redis("ZSCORE {stint:main}:wake w"),
                                   "10000000"));
            before = rules_digest();
            EXPECT("-STATE it is QUEUED", "requeue_task", "a", "0");
            EXPECT("STALE", "report", "w1", "a", ticket, "COMPLETED", "");
            assert_string_equal(rules_digest(), before);
            assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
            assert_true(rules_number("a", "fence") > strtoll(fence, NULL, 10));
        }
    }
}

/* The answer was lost and the call is repeated when the task has ended once
 * more: that is not another life. */
static void test_the_same_call_again(void **state)
{
    (void)state;
    rules_clean(NULL);
    rules_bring("a", "COMPLETED", "");
    EXPECT("OK", "requeue_task", "a", "1", "17");
    assert_string_equal(rules_status("a"), "QUEUED");
    const char *before = rules_digest();
    EXPECT("OK", "requeue_task", "a", "1", "17");
    assert_string_equal(rules_digest(), before);
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    EXPECT("OK", "report", "w1", "a", rules_ticket("a"), "COMPLETED", "");
    before = rules_digest();
    EXPECT("OK", "requeue_task", "a", "1", "17");
    assert_string_equal(rules_digest(), before);
    assert_string_equal(rules_status("a"), "COMPLETED");
    EXPECT("OK", "requeue_task", "a", "1", "18");
    assert_string_equal(rules_status("a"), "QUEUED");
    EXPECT_START("-INVALID", "requeue_task", "a", "1", "x3");
}

static void test_not_there(void **state)
{
    (void)state;
    const char *before = rules_digest();
    EXPECT_START("-NOTFOUND", "requeue_task", "a", "0");
    assert_string_equal(rules_digest(), before);
    rules_bring("a", "COMPLETED", "");
    rules_now += 1;
    ASK("prune", "9", "0");
    before = rules_digest();
    EXPECT_START("-NOTFOUND", "requeue_task", "a", "0");
    assert_string_equal(rules_digest(), before);
}

/* Each run once, newest first, however often it is queued again. */
static void test_history(void **state)
{
    static const struct {
        const char *status, *runs;
    } rows[] = {{"COMPLETED", "1"}, {"FAILED", "1"},  {"TIMEOUT", "1"},
                {"STOPPED", "1"},   {"EXPIRED", "0"}};

    (void)state;
    for (int i = 0; i < 5; i++) {
        rules_clean(NULL);
        rules_bring("a", rows[i].status, "");
        EXPECT("OK", "requeue_task", "a", "0");
        REDIS(rows[i].runs, "LLEN {stint:main}:run:a");
        if (i < 4)
            assert_string_equal(
                rules_redis("LINDEX {stint:main}:run:a 0"),
                rules_text("%s 1000000000000000 w1 1000000000000 1000000002000 "
                           "{\"r\":1}", rows[i].status));
        EXPECT("STOPPED", "stop_task", "a"); /* no run of this life */
        EXPECT("OK", "requeue_task", "a", "0");
        REDIS(rows[i].runs, "LLEN {stint:main}:run:a");
    }
    rules_clean(NULL);
    rules_queue("a", "repeats=2 period=0");
    for (int i = 0; i < 4; i++) {
        assert_string_equal(rules_run_once("a", "COMPLETED"), "OK");
        if (strcmp(rules_status("a"), "COMPLETED") == 0)
            EXPECT("OK", "requeue_task", "a", "1");
    }
    REDIS("4", "LLEN {stint:main}:run:a");
}

/* Ended by a run that is in the history already. */
static void test_history_of_the_lost_and_the_expired(void **state)
{
    (void)state;
    rules_queue("a", "crashes=1");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    EXPECT("1 0", "recover", "9", "0", "w1", "");
    assert_string_equal(rules_status("a"), "FAILED");
    EXPECT("OK", "requeue_task", "a", "0");
    REDIS("1", "LLEN {stint:main}:run:a");
    rules_queue_at("b", "f", "+0", "+1000", "level=9 repeats=0");
    assert_string_equal(rules_assign("w2", 1, 0, "f"), "b");
    EXPECT("OK", "report", "w2", "b", rules_ticket("b"), "COMPLETED", "");
    assert_string_equal(rules_status("b"), "EXPIRED");
    EXPECT("OK", "requeue_task", "b", "0");
    REDIS("1", "LLEN {stint:main}:run:b");
}

/* Stopped while it ran, and given back by its worker in the end. */
static void test_history_of_the_stopped(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        rules_clean(NULL);
        const char *ticket = rules_bring("a", "RUNNING", "");
        EXPECT("STOPPING", "stop_task", "a");
        if (i == 0)
            EXPECT("OK", "release", "w1", "a", ticket);
        else if (i == 1)
            EXPECT("1 0", "recover", "9", "0", "w1", "");
        else
            EXPECT("OK", "report", "w1", "a", ticket, "STOPPED", "");
        assert_string_equal(rules_status("a"), "STOPPED");
        EXPECT("OK", "requeue_task", "a", "0");
        REDIS("1", "LLEN {stint:main}:run:a");
        assert_memory_equal(rules_redis("LINDEX {stint:main}:run:a 0"),
                            i == 1 ? "LOST    " : "STOPPED ", i == 1 ? 5 : 8);
        assert_non_null(strstr(rules_redis("LINDEX {stint:main}:run:a 0"),
                               " 1000000000000000 w1 1000000000000 "));
    }
}

static void test_counters(void **state)
{
    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        rules_clean(NULL);
        rules_queue("a", "repeats=3 period=0 crashes=2");
        rules_run_once("a", "COMPLETED");
        assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
        EXPECT("1 0", "recover", "9", "0", "w1", "");
        ASK("heartbeat", "w1", "1000000", "0");
        rules_run_once("a", "FAILED");
        assert_string_equal(rules_status("a"), "FAILED");
        EXPECT("OK", "requeue_task", "a", reset ? "1" : "0");
        assert_string_equal(rules_field("a", "run"), reset ? "" : "1");
        assert_string_equal(rules_field("a", "failed"), "");
        assert_string_equal(rules_field("a", "lost"), "");
        rules_run_once("a", "COMPLETED");
        rules_run_once("a", "COMPLETED");
        assert_string_equal(rules_status("a"),
                            reset ? "QUEUED" : "COMPLETED");
    }
}

static void test_stop_time(void **state)
{
    (void)state;
    rules_queue_at("a", "f", "+0", "+1000", "");
    rules_run_once("a", "FAILED");
    EXPECT("OK", "requeue_task", "a", "0"); /* it has not passed */
    assert_int_equal(rules_number("a", "expire"), rules_now + 1000);
    REDIS("a", "ZRANGE {stint:main}:expiry 0 -1");
    rules_run_once("a", "FAILED");
    rules_now += 1001;
    EXPECT("OK", "requeue_task", "a", "0");
    assert_string_equal(rules_field("a", "expire"), "");
    assert_string_equal(rules_run_once("a", "COMPLETED"), "OK");
}

static void test_disabled_and_discard(void **state)
{
    (void)state;
    rules_queue("a", "disabled=1");
    EXPECT("STOPPED", "stop_task", "a");
    EXPECT("OK", "requeue_task", "a", "0");
    REDIS("a", "ZRANGE {stint:main}:held 0 -1");
    rules_bring("b", "FAILED", "discard=1");
    EXPECT("OK", "requeue_task", "b", "0");
    REDIS("0", "EXISTS {stint:main}:run {stint:main}:run:b");
}

RULES_MAIN(RULES_TEST(test_from_every_state), RULES_TEST(test_not_there),
           RULES_TEST(test_the_same_call_again), RULES_TEST(test_history),
           RULES_TEST(test_history_of_the_lost_and_the_expired),
           RULES_TEST(test_history_of_the_stopped),
           RULES_TEST(test_counters), RULES_TEST(test_stop_time),
           RULES_TEST(test_disabled_and_discard))
