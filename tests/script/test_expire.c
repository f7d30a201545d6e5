/* SPDX-License-Identifier: MIT */
/* expire: QUEUED, ASSIGNED -> EXPIRED, past their stop_time. */
#include "rules.h"

static void test_from_every_state(void **state)
{
    static const char *const froms[] = {"QUEUED", "ASSIGNED", "RUNNING",
                                        "COMPLETED", "FAILED", "TIMEOUT",
                                        "STOPPED"};

    (void)state;
    for (int i = 0; i < 7; i++) {
        for (int ruled = 0; ruled < 2; ruled++) {
            rules_clean(NULL);
            rules_queue_at("a", "f", "+0", "+1000", ruled ? "level=2" : "");
            if (i > 0)
                rules_assign("w1", i != 1, i == 1, "f");
            if (i > 2)
                assert_string_equal(rules_report("a", froms[i]), "OK");
            assert_string_equal(rules_status("a"), froms[i]);
            rules_now += 1000; /* exactly then is not past it */
            EXPECT("0 0", "expire", "100");
            rules_now += 1;
            EXPECT(i < 2 ? "1 0" : "0 0", "expire", "100");
            assert_string_equal(rules_status("a"),
                                i < 2 ? "EXPIRED" : froms[i]);
            const char *before = rules_digest();
            EXPECT("0 0", "expire", "100");
            assert_string_equal(rules_digest(), before);
            if (i < 2) {
                assert_int_equal(rules_number("a", "stop"), rules_now);
                REDIS("1", "HGET {stint:main}:ended EXPIRED");
            }
        }
    }
}

static void test_prefetched_is_stale_then(void **state)
{
    (void)state;
    rules_queue_at("a", "f", "+0", "+1000", "");
    rules_assign("w1", 0, 1, "f");
    const char *ticket = rules_text("%s", rules_ticket("a"));
    rules_now += 1001;
    EXPECT("1 0", "expire", "100");
    const char *before = rules_digest();
    EXPECT("STALE", "start", "w1", "a", ticket);
    EXPECT("STALE", "release", "w1", "a", ticket);
    EXPECT("STALE", "report", "w1", "a", ticket, "COMPLETED", "{}");
    assert_string_equal(rules_digest(), before);
}

static void test_limit(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        rules_queue_at(rules_text("t%d", i), "f", "+0", "+1000",
                       i == 4 ? "disabled=1" : "");
    rules_now += 1001;
    EXPECT("2 1", "expire", "2");
    EXPECT("2 1", "expire", "2");
    EXPECT("1 0", "expire", "2");
    REDIS("5", "HGET {stint:main}:ended EXPIRED");
    REDIS("5", "ZCARD {stint:main}:finished");
}

static void test_above_maxmemory(void **state)
{
    (void)state;
    rules_queue_at("a", "f", "+0", "+1000", "");
    rules_now += 1001;
    REDIS("OK", "CONFIG SET maxmemory 1");
    EXPECT("1 0", "expire", "100");
    assert_string_equal(rules_status("a"), "EXPIRED");
}

RULES_MAIN(RULES_TEST(test_from_every_state),
           RULES_TEST(test_prefetched_is_stale_then), RULES_TEST(test_limit),
           RULES_TEST(test_above_maxmemory))
