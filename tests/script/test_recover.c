/* SPDX-License-Identifier: MIT */
/* recover: what lapsed workers held -> QUEUED, the run LOST; three times lost:
 * FAILED. */
#include "rules.h"

static void w1_lapses(void)
{
    ASK("heartbeat", "w1", "0", "0");
}

static void test_from_every_state(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        for (int ruled = 0; ruled < 2; ruled++) {
            rules_clean(NULL);
            const char *ticket = rules_bring("a", rules_states[i],
                                             ruled ? "level=5" : "");
            int running = strcmp(rules_states[i], "RUNNING") == 0;
            int held = running || strcmp(rules_states[i], "ASSIGNED") == 0;
            const char *record = rules_text("%s", rules_record("a"));
            EXPECT("0 0", "recover", "100", "0"); /* the lease holds */
            assert_string_equal(rules_record("a"), record);
            w1_lapses();
            EXPECT(held ? "1 0" : "0 0", "recover", "100", "0");
            if (!held) {
                assert_string_equal(rules_record("a"), record);
                continue;
            }
            assert_string_equal(rules_status("a"), "QUEUED");
            assert_int_equal(rules_number("a", "next"), RULES_START);
            assert_int_equal(rules_number("a", "lost"), running);
            assert_string_equal(rules_field("a", "failed"), "");
            REDIS(running ? "1" : "0", "LLEN {stint:main}:run:a");
            if (running)
                assert_memory_equal(rules_redis("LINDEX {stint:main}:run:a 0"),
                                    "LOST ", 5);
            const char *before = rules_digest();
            EXPECT("STALE", "report", "w1", "a", ticket, "COMPLETED", "{}");
            EXPECT("STALE", "start", "w1", "a", ticket);
            EXPECT("STALE", "release", "w1", "a", ticket);
            assert_string_equal(rules_digest(), before);
            REDIS("", "ZSCORE {stint:main}:workers w1");
        }
    }
}

static void test_third_time(void **state)
{
    static const char *const after[] = {"QUEUED", "QUEUED", "FAILED"};

    (void)state;
    rules_queue("a", "");
    for (int i = 0; i < 3; i++) {
        ASK("heartbeat", "w1", "1000", "0");
        assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
        rules_now += 1001;
        EXPECT("1 0", "recover", "100", "0");
        assert_string_equal(rules_status("a"), after[i]);
        assert_int_equal(rules_number("a", "lost"), i + 1);
    }
    REDIS("3", "LLEN {stint:main}:run:a");
    REDIS("1", "HGET {stint:main}:ended FAILED");
    assert_non_null(strstr(rules_redis("HGET {stint:main}:run a"), "w1"));
}

static void test_limit(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        rules_queue(rules_text("t%d", i), "");
    assert_string_equal(rules_assign("w1", 3, 2, "f"), "t0 t1 t2 t3 t4");
    w1_lapses();
    EXPECT("2 1", "recover", "2", "0");
    EXPECT("2 1", "recover", "2", "0");
    REDIS("0", "ZSCORE {stint:main}:workers w1");
    EXPECT("1 0", "recover", "2", "0");
    /* Those that ran are handed out apart from now on. */
    REDIS("3", "ZCARD {stint:main}:suspects");
    REDIS("2", "ZCARD {stint:main}:queued");
    REDIS("", "ZSCORE {stint:main}:workers w1");
}

static void test_holds_back(void **state)
{
    (void)state;
    ASK("heartbeat", "w3", "1000", "0");
    rules_queue("a", "");
    assert_string_equal(rules_assign("w3", 1, 0, "f"), "a");
    rules_now += 5000;
    EXPECT("0 0", "recover", "100", "1000000000500");
    assert_string_equal(rules_status("a"), "RUNNING");
    EXPECT("1 0", "recover", "100", "1000000001001");
}

static void test_past_stop_time_and_wake(void **state)
{
    (void)state;
    rules_queue_at("a", "f", "+0", "+1000", "");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    REDIS("1", "DEL {stint:main}:wake");
    rules_now += 2000;
    w1_lapses();
    EXPECT("1 0", "recover", "100", "0");
    REDIS("1000000000000", "ZSCORE {stint:main}:wake:!lost w");
    EXPECT("1 0", "expire", "100");
    assert_string_equal(rules_status("a"), "EXPIRED");
}

static void test_above_maxmemory(void **state)
{
    (void)state;
    rules_bring("a", "RUNNING", "");
    w1_lapses();
    REDIS("OK", "CONFIG SET maxmemory 1");
    EXPECT("1 0", "recover", "100", "0");
}

static void lose(const char *id)
{
    ASK("heartbeat", "w1", "1000000", "0");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), id);
    w1_lapses();
    EXPECT("1 0", "recover", "9", "0");
}

static void test_crashes(void **state)
{
    static const struct {
        const char *rules;
        int losses; /* until FAILED; 0: never */
    } rows[] = {{"crashes=1", 1}, {"crashes=2", 2}, {"", 3}, {"level=1", 3},
                {"crashes=5", 5}, {"crashes=-1", 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        rules_clean(NULL);
        rules_queue("a", rows[i].rules);
        for (int k = 1; k <= (rows[i].losses ? rows[i].losses : 30); k++) {
            lose("a");
            assert_int_equal(rules_number("a", "lost"), k);
            assert_string_equal(rules_status("a"),
                                k == rows[i].losses ? "FAILED" : "QUEUED");
        }
        assert_string_equal(rules_field("a", "failed"), "");
    }
}

/* A prefetched task that never began is no crash. */
static void test_only_running_counts(void **state)
{
    (void)state;
    rules_queue("a", "crashes=1");
    for (int i = 0; i < 5; i++) {
        ASK("heartbeat", "w1", "1000000", "0");
        assert_string_equal(rules_assign("w1", 0, 1, "f"), "a");
        w1_lapses();
        EXPECT("1 0", "recover", "9", "0");
        assert_string_equal(rules_status("a"), "QUEUED");
        assert_string_equal(rules_field("a", "lost"), "");
    }
    REDIS("0", "LLEN {stint:main}:run:a");
    lose("a");
    assert_string_equal(rules_status("a"), "FAILED");
}

/* What its supervisor saw goes into the run and the verdict. */
static void test_evidence(void **state)
{
    static const struct {
        const char *seen, *run, *verdict;
    } rows[] = {
        {"", "{\"error\":\"its worker w1 was lost\"}",
         "{\"error\":\"its worker was lost 1 time (max_crashes); the last "
         "time w1 was lost\"}"},
        {"{\"how\":\"signal 9\",\"rss\":5}",
         "{\"error\":\"its worker w1 was lost: signal 9\","
         "\"worker_end\":{\"how\":\"signal 9\",\"rss\":5}}",
         "{\"error\":\"its worker was lost 1 time (max_crashes); the last "
         "time w1 was lost: signal 9\","
         "\"worker_end\":{\"how\":\"signal 9\",\"rss\":5}}"},
        {"{\"rss\":5}",
         "{\"error\":\"its worker w1 was lost\",\"worker_end\":{\"rss\":5}}",
         NULL},
        {"no JSON", "{\"error\":\"its worker w1 was lost\"}", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        rules_clean(NULL);
        rules_bring("a", "RUNNING", "crashes=1");
        EXPECT("1 0", "recover", "9", "0", "w1", rows[i].seen);
        assert_string_equal(
            rules_redis("LINDEX {stint:main}:run:a 0"),
            rules_text("LOST 1000000000000000 w1 1000000000000 1000000002000 "
                       "%s", rows[i].run));
        if (rows[i].verdict)
            REDIS(rows[i].verdict, "HGET {stint:main}:run a");
    }
}

/* Named by who saw it die: its lease need not end first, and others' tasks
 * stay where they are. */
static void test_named(void **state)
{
    (void)state;
    rules_queue("a", "");
    rules_queue("b", "");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    assert_string_equal(rules_assign("w2", 1, 0, "f"), "b");
    EXPECT("0 0", "recover", "9", "0", "w9", "");
    EXPECT("1 0", "recover", "9", "0", "w1", "");
    assert_string_equal(rules_status("a"), "QUEUED");
    assert_string_equal(rules_status("b"), "RUNNING");
    REDIS("w2", "ZRANGE {stint:main}:workers 0 -1");
    EXPECT("0 0", "recover", "9", "0", "w1", "");
    EXPECT("NEW 0 0 0 0", "heartbeat", "w1", "1000", "0");
}

/* What runs and what was prefetched, each with its stop_time. */
static void test_stop_times_of_both(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        rules_clean(NULL);
        rules_queue_at("a", "f", "+0", "+5000", "");
        rules_queue_at("b", "f", "+0", "+5000", "");
        assert_string_equal(rules_assign("w1", 1, 1, "f"), "a b");
        if (i == 0)
            EXPECT("2 0", "recover", "9", "0", "w1", "");
        else
            EXPECT("OK OK", "release", "w1", "a", rules_ticket("a"), "b",
                   rules_ticket("b"));
        REDIS("2", "ZCARD {stint:main}:expiry");
        rules_now += 5001;
        EXPECT("2 0", "expire", "9");
    }
}

/* Nothing of a worker that is gone stays. */
static void test_leaves_nothing(void **state)
{
    (void)state;
    rules_bring("a", "RUNNING", "");
    EXPECT("STOPPING", "stop_task", "a");
    ASK("heartbeat", "w1", "1000", "0r");
    EXPECT("1 0", "recover", "9", "0", "w1", "");
    REDIS("", "KEYS {stint:main}:*:w1");
    REDIS("0", "EXISTS {stint:main}:resting");
}

/* What was lost may have been the cause: one of it to a worker at a time, and
 * the others go on. */
static void test_suspects_are_handed_out_alone(void **state)
{
    (void)state;
    rules_queue("a", "");
    rules_queue("b", "level=7");
    rules_queue("c", "");
    assert_string_equal(rules_assign("w1", 3, 0, "f"), "b a c");
    w1_lapses();
    EXPECT("3 0", "recover", "100", "0");
    rules_queue("new", "");
    REDIS("3", "ZCARD {stint:main}:suspects");
    REDIS("0", "EXISTS {stint:main}:queued:7");
    assert_string_equal(rules_assign("w2", 5, 0, "f"), "a new");
    REDIS("1", "EXISTS {stint:main}:wake:!lost");
    /* It says that it has one: nothing, and whoever has none is to be woken. */
    REDIS("1", "DEL {stint:main}:wake:!lost");
    EXPECT_START("0 0", "assign", "w2", "token", "5 s", "0", "f");
    REDIS("1", "EXISTS {stint:main}:wake:!lost");
    /* A function it does not know does not stand in the way. */
    EXPECT_START("0 0", "assign", "w2", "token", "5 s", "0", "g");
    ASK("heartbeat", "w3", "9000000", "0");
    assert_string_equal(rules_assign("w3", 5, 0, "f"), "b");
    /* A success clears a series; others stay apart. */
    EXPECT("OK", "report", "w3", "b", rules_ticket("b"), "COMPLETED", "");
    assert_string_equal(rules_field("b", "lost"), "");
    assert_string_equal(rules_assign("w3", 5, 0, "f"), "c");
    EXPECT("OK", "report", "w3", "c", rules_ticket("c"), "FAILED", "");
    assert_string_equal(rules_field("c", "lost"), "1");
    REDIS("0", "EXISTS {stint:main}:suspects");
}

RULES_MAIN(RULES_TEST(test_from_every_state), RULES_TEST(test_third_time),
           RULES_TEST(test_limit), RULES_TEST(test_holds_back),
           RULES_TEST(test_past_stop_time_and_wake),
           RULES_TEST(test_above_maxmemory), RULES_TEST(test_crashes),
           RULES_TEST(test_only_running_counts), RULES_TEST(test_evidence),
           RULES_TEST(test_named), RULES_TEST(test_stop_times_of_both),
           RULES_TEST(test_leaves_nothing),
           RULES_TEST(test_suspects_are_handed_out_alone))
