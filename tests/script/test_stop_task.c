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

/* ---- One that runs ----------------------------------------------------- */

/* A run of w1 that is to be stopped; its ticket. */
static const char *stopping(const char *rules)
{
    rules_clean(NULL);
    const char *ticket = rules_bring("a", "RUNNING", rules);
    EXPECT("STOPPING", "stop_task", "a");
    assert_string_equal(rules_field("a", "stopping"), "1");
    REDIS("a", "ZRANGE {stint:main}:stops:w1 0 -1");
    REDIS("1", "EXISTS {stint:main}:signal:w1");
    return ticket;
}

static void assert_stopped(const char *status)
{
    assert_string_equal(rules_status("a"), status);
    assert_string_equal(rules_field("a", "stopping"), "");
    REDIS("1", "HGET {stint:main}:ended %s", status);
    REDIS("0", "EXISTS {stint:main}:stops:w1");
    assert_string_equal(rules_assign("w2", 9, 9, "f"), "");
}

static void test_worker_hears_of_it(void **state)
{
    (void)state;
    stopping("");
    rules_queue("b", "");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "b");
    rules_now += 1;
    EXPECT("STOPPING", "stop_task", "b");
    for (int i = 0; i < 3; i++) /* until it ends */
        EXPECT("OK 0 0 2 0 a b", "heartbeat", "w1", "1000", "0");
    EXPECT("OK 0 0 2 1 x 1 y a b", "heartbeat", "w1", "1000", "1", "a",
           rules_ticket("a"), "b", rules_ticket("b"), "x", "1 y");
    EXPECT("OK 0 0 0 0", "heartbeat", "w2", "1000", "0");
    assert_string_equal(rules_report("a", "STOPPED"), "OK");
    EXPECT("OK 0 0 1 0 b", "heartbeat", "w1", "1000", "0");
}

/* However it is reported, nothing of it runs again. */
static void test_reported(void **state)
{
    static const struct {
        const char *rules, *report, *status, *runs;
    } rows[] = {
        {"", "STOPPED", "STOPPED", "0"},
        {"retry=5 delay=0 repeats=5 period=0", "STOPPED", "STOPPED", "0"},
        {"", "FAILED", "STOPPED", "0"},
        {"retry=-1 delay=0", "FAILED", "STOPPED", "0"},
        {"retry=5 delay=0", "TIMEOUT", "STOPPED", "0"},
        {"", "COMPLETED", "COMPLETED", "0"},
        {"retry=1", "COMPLETED", "COMPLETED", "0"},
        {"repeats=2 period=0", "COMPLETED", "STOPPED", "1"},
        {"repeats=0 period=0 cron=1", "COMPLETED", "STOPPED", "1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const char *ticket = stopping(rows[i].rules);
        int completed = strcmp(rows[i].report, "COMPLETED") == 0;
        EXPECT("OK", "report", "w1", "a", ticket, rows[i].report, "{\"r\":1}");
        assert_stopped(rows[i].status);
        assert_string_equal(rules_field("a", "failed"), "");
        assert_string_equal(rules_field("a", "run"), completed ? "1" : "");
        REDIS(rows[i].runs, "LLEN {stint:main}:run:a");
        const char *before = rules_digest();
        EXPECT("AGAIN", "report", "w1", "a", ticket, rows[i].report, "");
        EXPECT_START("-STATE", "stop_task", "a");
        assert_string_equal(rules_digest(), before);
    }
}

static void test_given_back(void **state)
{
    (void)state;
    EXPECT("OK", "release", "w1", "a", stopping("retry=5 repeats=5"));
    assert_stopped("STOPPED");
    stopping("retry=5 repeats=5"); /* its worker does not know of it */
    EXPECT("OK 0 0 0 0 a", "heartbeat", "w1", "1000", "1");
    assert_stopped("STOPPED");
}

static void test_worker_lost(void **state)
{
    static const char *const rules[] = {"", "crashes=1", "crashes=-1",
                                        "repeats=0 retry=-1"};

    (void)state;
    for (int i = 0; i < 4; i++) {
        stopping(rules[i]);
        EXPECT("1 0", "recover", "9", "0", "w1", "");
        assert_stopped("STOPPED");
        REDIS("1", "LLEN {stint:main}:run:a"); /* LOST */
        REDIS("", "HGET {stint:main}:ended FAILED");
    }
}

/* Its output so far goes with it. */
static void test_with_progress(void **state)
{
    (void)state;
    const char *ticket = stopping("");
    EXPECT("OK", "progress", "w1", "a", ticket, "{\"output\":\"x\"}");
    EXPECT("OK", "report", "w1", "a", ticket, "STOPPED", "");
    assert_stopped("STOPPED");
    REDIS("0", "HEXISTS {stint:main}:run a");
}

static void test_queued_again(void **state)
{
    (void)state;
    EXPECT("OK", "report", "w1", "a", stopping("retry=2 delay=0"), "STOPPED",
           "");
    EXPECT("OK", "requeue_task", "a", "0");
    rules_run_once("a", "FAILED");
    assert_string_equal(rules_status("a"), "QUEUED"); /* retried, as ever */
}

RULES_MAIN(RULES_TEST(test_from_every_state), RULES_TEST(test_not_there),
           RULES_TEST(test_with_stop_time),
           RULES_TEST(test_worker_hears_of_it), RULES_TEST(test_reported),
           RULES_TEST(test_given_back), RULES_TEST(test_worker_lost),
           RULES_TEST(test_with_progress), RULES_TEST(test_queued_again))
