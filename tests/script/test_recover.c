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
    REDIS("5", "ZCARD {stint:main}:queued");
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
    REDIS("1000000000000", "ZSCORE {stint:main}:wake w");
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

RULES_MAIN(RULES_TEST(test_from_every_state), RULES_TEST(test_third_time),
           RULES_TEST(test_limit), RULES_TEST(test_holds_back),
           RULES_TEST(test_past_stop_time_and_wake),
           RULES_TEST(test_above_maxmemory))
