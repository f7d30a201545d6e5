/* SPDX-License-Identifier: MIT */
/* progress: the output so far of what runs; nothing of it outlives the run. */
#include "rules.h"

static void test_from_every_state(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        for (int ruled = 0; ruled < 2; ruled++) {
            rules_clean(NULL);
            const char *ticket = rules_bring("a", rules_states[i],
                                             ruled ? "level=5" : "");
            const char *before = rules_digest();
            int running = strcmp(rules_states[i], "RUNNING") == 0;
            EXPECT(running ? "OK" : "STALE", "progress", "w1", "a", ticket,
                   "{\"output\":\"x\"}");
            assert_string_equal(rules_status("a"), rules_states[i]);
            if (!running)
                assert_string_equal(rules_digest(), before);
            else
                assert_string_equal(rules_ticket("a"), ticket);
        }
    }
}

static void test_stale(void **state)
{
    (void)state;
    const char *ticket = rules_bring("a", "RUNNING", "");
    const char *before = rules_digest();
    EXPECT("STALE STALE STALE", "progress", "w1", "a", "1 x", "{}", "b",
           ticket, "{}", "a", rules_text("%s-", ticket), "{}");
    EXPECT("STALE", "progress", "w2", "a", ticket, "{}");
    assert_string_equal(rules_digest(), before);
}

static void test_seen_while_it_runs(void **state)
{
    (void)state;
    const char *ticket = rules_bring("a", "RUNNING", "");
    EXPECT("OK OK", "progress", "w1", "a", ticket, "{\"output\":\"1\"}", "a",
           ticket, "{\"output\":\"2\"}");
    EXPECT("OK", "progress", "w1", "a", ticket, "{\"output\":\"123\"}");
    assert_string_equal(rules_field("a", "live"), "1");
    EXPECT_ALL(rules_text("%s f {}  {\"output\":\"123\"} []",
                          rules_record("a")),
               "task_status", "3", "a");
}

static void progressed(const char *rules)
{
    const char *ticket;

    rules_clean(NULL);
    rules_queue("a", rules);
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    ticket = rules_ticket("a");
    EXPECT("OK", "progress", "w1", "a", ticket, "{\"output\":\"so far\"}");
}

static void assert_gone(const char *status)
{
    assert_string_equal(rules_status("a"), status);
    assert_string_equal(rules_field("a", "live"), "");
    REDIS("0", "HEXISTS {stint:main}:run a");
}

static void test_ends_with_the_run(void **state)
{
    (void)state;
    progressed(""); /* without a payload, the default rules or not */
    EXPECT("OK", "report", "w1", "a", rules_ticket("a"), "COMPLETED", "");
    assert_gone("COMPLETED");
    progressed("level=3");
    EXPECT("OK", "report", "w1", "a", rules_ticket("a"), "FAILED", "");
    assert_gone("FAILED");
    progressed("discard=1");
    EXPECT("OK", "report", "w1", "a", rules_ticket("a"), "FAILED", "{\"r\":1}");
    assert_gone("FAILED");
    progressed("retry=1");
    EXPECT("OK", "report", "w1", "a", rules_ticket("a"), "FAILED", "{\"r\":1}");
    assert_gone("QUEUED");
    progressed("repeats=2");
    EXPECT("OK", "report", "w1", "a", rules_ticket("a"), "COMPLETED", "");
    assert_gone("QUEUED");
    progressed("");
    EXPECT("OK", "release", "w1", "a", rules_ticket("a"));
    assert_gone("QUEUED");
    progressed("");
    EXPECT("1 0", "recover", "9", "0", "w1", "");
    assert_gone("QUEUED");
    progressed("");
    EXPECT("OK 0 0 0 0", "heartbeat", "w1", "1000", "1");
    assert_gone("QUEUED");
}

static void test_replaced_by_the_result(void **state)
{
    (void)state;
    progressed("");
    EXPECT("OK", "report", "w1", "a", rules_ticket("a"), "COMPLETED",
           "{\"result\":1}");
    REDIS("{\"result\":1}", "HGET {stint:main}:run a");
    assert_string_equal(rules_field("a", "live"), "");
}

RULES_MAIN(RULES_TEST(test_from_every_state), RULES_TEST(test_stale),
           RULES_TEST(test_seen_while_it_runs),
           RULES_TEST(test_ends_with_the_run),
           RULES_TEST(test_replaced_by_the_result))
