/* SPDX-License-Identifier: MIT */
/* assign: QUEUED -> RUNNING or ASSIGNED. Order, what is never assigned,
 * fences, functions nobody knows, the lease. */
#include "rules.h"

static void test_from_every_state(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        for (int prefetch = 0; prefetch < 2; prefetch++) {
            for (int ruled = 0; ruled < 2; ruled++) {
                rules_clean(NULL);
                rules_bring("a", rules_states[i], ruled ? "level=5" : "");
                int queued = strcmp(rules_states[i], "QUEUED") == 0;
                const char *record = rules_text("%s", rules_record("a"));
                assert_string_equal(
                    rules_assign("w2", !prefetch, prefetch, "f"),
                    queued ? "a" : "");
                if (!queued) {
                    assert_string_equal(rules_record("a"), record);
                    continue;
                }
                assert_string_equal(rules_status("a"),
                                    prefetch ? "ASSIGNED" : "RUNNING");
                assert_string_equal(rules_field("a", "worker"), "w2");
                assert_int_equal(rules_number("a", "start"),
                                 prefetch ? 0 : rules_now);
                assert_int_equal(rules_number("a", "fence"),
                                 rules_now * 1000);
            }
        }
    }
}

static void test_order(void **state)
{
    (void)state;
    rules_queue_at("p0late", "f", "-10", "", "");
    rules_queue_at("p0early", "f", "-20", "", "");
    rules_queue_at("p0now", "f", "-5", "", "level=0.5");
    rules_queue_at("p7", "f", "-1", "", "level=7");
    rules_queue_at("p7now", "f", "-0", "", "level=7.5");
    rules_queue_at("p10", "f", "+0", "", "level=10");
    rules_queue_at("p100", "f", "+0", "", "level=100");
    rules_queue_at("n1", "f", "-900", "", "level=-1");
    rules_queue_at("n1now", "f", "-1", "", "level=-0.5");
    rules_queue_at("n100", "f", "-9000", "", "level=-100");
    rules_queue_at("p99soon", "f", "+1", "", "level=99");
    assert_string_equal(rules_assign("w1", 2, 2, "f"), "p100 p10 p7now p7");
    assert_string_equal(rules_status("p10"), "RUNNING");
    assert_string_equal(rules_status("p7now"), "ASSIGNED");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "p0now");
    assert_string_equal(rules_assign("w1", 20, 0, "f"),
                        "p0early p0late n1now n1 n100");
    rules_now += 1;
    assert_string_equal(rules_assign("w1", 20, 0, "f"), "p99soon");
    /* Levels nothing waits on are forgotten in time. */
    rules_assign("w1", 1, 0, "f");
    REDIS("0", "ZCARD {stint:main}:levels");
}

static void test_not_due(void **state)
{
    static const char *const rules[] = {"", "level=9", "level=0.5"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        rules_clean(NULL);
        rules_queue_at("a", "f", "+1000", "", rules[i]);
        EXPECT(rules_text("%lld 0", (long long)rules_now + 1000), "assign",
               "w1", "t", "1", "1", "f");
        rules_now += 999;
        assert_string_equal(rules_assign("w1", 1, 1, "f"), "");
        rules_now += 1;
        assert_string_equal(rules_assign("w1", 1, 1, "f"), "a");
    }
}

static void test_disabled(void **state)
{
    (void)state;
    rules_queue("a", "disabled=1");
    rules_queue("b", "disabled=1 level=50");
    rules_now += DAY;
    assert_string_equal(rules_assign("w1", 9, 9, "f"), "");
    assert_string_equal(rules_status("a"), "QUEUED");
    REDIS("2", "ZCARD {stint:main}:held");
}

static void test_past_stop_time(void **state)
{
    (void)state;
    rules_queue_at("a", "f", "+0", "+1000", "");
    rules_queue_at("b", "f", "+0", "+1001", "level=9");
    rules_queue_at("c", "f", "+0", "+1000", "disabled=1");
    rules_now += 1001;
    assert_string_equal(rules_assign("w1", 9, 0, "f"), "b");
    assert_string_equal(rules_status("a"), "EXPIRED");
    assert_string_equal(rules_status("c"), "EXPIRED");
    REDIS("2", "HGET {stint:main}:ended EXPIRED");
}

/* More of them than assign clears away in passing. */
static void test_many_past_stop_time(void **state)
{
    (void)state;
    for (int i = 0; i < 300; i++)
        REDIS("1000000000000000", "FCALL stint_queue_task 1 {stint:main} 1 %s "
              "0 t%d f +0 +1000 %s {}", "1000000000000", i, "");
    rules_now += 2000;
    for (int i = 0; i < 3; i++)
        assert_string_equal(rules_assign("w1", 300, 0, "f"), "");
    REDIS("300", "HGET {stint:main}:ended EXPIRED");
}

static void test_fences_grow(void **state)
{
    static const char *const rules[] = {"", "level=4"};
    static const int64_t steps[] = {1, 0, 0, -5000, 1, -DAY, 2 * DAY};

    (void)state;
    for (int k = 0; k < 2; k++) {
        int64_t last = 0;
        rules_clean(NULL);
        rules_queue_at("a", "f", "-99999999", "", rules[k]);
        rules_queue_at("b", "f", "-99999999", "", "");
        rules_now += DAY;
        for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
            rules_now += steps[i];
            ASK("heartbeat", "w1", "1000000000000", "0");
            assert_non_null(strstr(rules_assign("w1", i % 2 == 0, 1, "f"),
                                   "a"));
            int64_t fence = rules_number("a", "fence");
            assert_true(fence > last);
            last = fence;
            EXPECT("OK", "release", "w1", "a", rules_ticket("a"));
        }
    }
}

static void test_lease(void **state)
{
    (void)state;
    rules_queue("a", "");
    const char *before = rules_digest();
    EXPECT_START("-LEASE", "assign", "w3", "t", "1", "0", "f");
    EXPECT("NEW 0 0 0 0", "heartbeat", "w3", "1000", "0");
    before = rules_digest();
    rules_now += 1001;
    EXPECT_START("-LEASE", "assign", "w3", "t", "1", "0", "f");
    assert_string_equal(rules_digest(), before);
    rules_now -= 1;
    assert_string_equal(rules_assign("w3", 1, 0, "f"), "a");
}

static void test_unknown_function(void **state)
{
    (void)state;
    rules_queue_at("a", "ns:g/x", "-3", "", "");
    rules_queue_at("b", "ns:g/x", "-2", "", "level=5");
    rules_queue_at("c", "f", "-1", "", "");
    /* One slot: what is in the way is parked, and there is more. */
    REDIS("1", "DEL {stint:main}:wake");
    EXPECT("999999999999 1", "assign", "w1", "t", "1", "0", "f");
    REDIS("999999999998", "ZSCORE {stint:main}:queued:5:ns:g/x b");
    REDIS("999999999999", "ZSCORE {stint:main}:wake w");
    REDIS("999999999997", "ZSCORE {stint:main}:queued:0:ns:g/x a");
    REDIS("999999999997", "ZSCORE {stint:main}:wake:ns:g/x w");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "c");
    assert_int_equal(rules_number("a", "parked"), 1);
    assert_string_equal(rules_assign("w1", 5, 0, "f"), "");
    REDIS("1", "DEL {stint:main}:wake:ns:g/x");
    EXPECT("0 0", "assign", "w2", "t", "0", "0", "f", "ns:g/x");
    REDIS("999999999997", "ZSCORE {stint:main}:wake:ns:g/x w");
    assert_string_equal(rules_assign("w2", 1, 0, "f ns:g/x"), "b");
    assert_string_equal(rules_assign("w2", 1, 0, "f ns:g/x"), "a");
    assert_string_equal(rules_field("a", "parked"), "");
    /* Given back it waits with all the others again. */
    EXPECT("OK", "release", "w2", "a", rules_ticket("a"));
    REDIS("999999999997", "ZSCORE {stint:main}:queued a");
}

static void test_parked_ends(void **state)
{
    (void)state;
    rules_queue_at("a", "g", "+0", "+1000", "");
    rules_queue_at("b", "g", "+0", "", "level=1");
    assert_string_equal(rules_assign("w1", 9, 0, "f"), "");
    EXPECT("STOPPED", "stop_task", "b");
    rules_now += 1001;
    EXPECT("1 0", "expire", "9");
    assert_string_equal(rules_status("a"), "EXPIRED");
    assert_string_equal(rules_status("b"), "STOPPED");
    assert_string_equal(rules_assign("w1", 9, 0, "g"), "");
}

static void test_next_and_more(void **state)
{
    (void)state;
    EXPECT("0 0", "assign", "w1", "t", "1", "0", "f");
    rules_queue_at("a", "f", "-1", "", "");
    rules_queue_at("b", "f", "+0", "", "");
    rules_queue_at("c", "f", "+70", "", "level=-3");
    assert_memory_equal(ASK("assign", "w1", "t", "1", "0", "f"),
                        "1000000000000 1 a ", 18);
    REDIS("1", "DEL {stint:main}:wake");
    assert_memory_equal(ASK("assign", "w1", "t", "9", "0", "f"),
                        "1000000000070 0 b ", 18);
    REDIS("1000000000070", "ZSCORE {stint:main}:wake w");
}

/* 512 KiB of tasks a reply, but always one, and small ones are not counted
 * until there was a large one. */
static void test_bytes(void **state)
{
    static char rest[600001];

    (void)state;
    memset(rest, 'x', sizeof(rest) - 1);
    memcpy(rest, "{\"args\":[\"", 10);
    memcpy(rest + sizeof(rest) - 4, "\"]}", 4);
    rules_queue("s1", "");
    REDIS("0", "EXISTS {stint:main}:large");
    EXPECT("", "queue_task", "0", "b1", "f", "+0", "", "", rest);
    EXPECT("", "queue_task", "0", "b2", "f", "+0", "", "level=1", rest);
    memcpy(rest + 200000, "\"]}", 4);
    for (int i = 3; i < 8; i++)
        EXPECT("", "queue_task", "0", rules_text("b%d", i), "f", "+0", "", "",
               rest);
    REDIS("1", "GET {stint:main}:large");
    assert_string_equal(rules_assign("w1", 100, 0, "f"), "b2");
    assert_string_equal(rules_assign("w1", 100, 0, "f"), "b1");
    assert_string_equal(rules_assign("w1", 100, 0, "f"), "b3 b4");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "b5");
    assert_string_equal(rules_assign("w1", 100, 0, "f"), "b6 b7 s1");
}

static void test_above_maxmemory(void **state)
{
    (void)state;
    rules_queue("a", "");
    REDIS("OK", "CONFIG SET maxmemory 1");
    /* A full Redis has to drain. */
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
}

RULES_MAIN(RULES_TEST(test_from_every_state), RULES_TEST(test_order),
           RULES_TEST(test_not_due), RULES_TEST(test_disabled),
           RULES_TEST(test_past_stop_time),
           RULES_TEST(test_many_past_stop_time), RULES_TEST(test_fences_grow),
           RULES_TEST(test_lease), RULES_TEST(test_unknown_function),
           RULES_TEST(test_parked_ends), RULES_TEST(test_next_and_more),
           RULES_TEST(test_bytes),
           RULES_TEST(test_above_maxmemory))
