/* SPDX-License-Identifier: MIT */
/* heartbeat: the lease, and both sides brought into step. */
#include "rules.h"

static void test_lease(void **state)
{
    (void)state;
    EXPECT("NEW 0 0 0 0", "heartbeat", "w3", "1000", "0");
    REDIS("1000000001000", "ZSCORE {stint:main}:workers w3");
    rules_now += 1000;
    EXPECT("OK 0 0 0 0", "heartbeat", "w3", "1000", "0");
    rules_now += 1001;
    EXPECT("OK 1 0 0 0", "heartbeat", "w1", "1000000000000", "0");
    EXPECT("NEW 0 0 0 0", "heartbeat", "w3", "1000", "0");
    EXPECT("OK 0 0 0 0", "heartbeat", "w1", "1000000000000", "0");
}

static void test_without_a_list_changes_no_task(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        rules_clean(NULL);
        rules_bring("a", rules_states[i], "");
        const char *record = rules_text("%s", rules_record("a"));
        int held = strcmp(rules_states[i], "ASSIGNED") == 0 ||
                   strcmp(rules_states[i], "RUNNING") == 0;
        EXPECT(held ? "OK 0 0 1 0" : "OK 0 0 0 0", "heartbeat", "w1",
               "1000000000000", "0");
        assert_string_equal(rules_record("a"), record);
    }
}

static void test_from_every_state(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        for (int ruled = 0; ruled < 2; ruled++) {
            const char *rules = ruled ? "level=5" : "";
            int held = strcmp(rules_states[i], "ASSIGNED") == 0 ||
                       strcmp(rules_states[i], "RUNNING") == 0;
            /* Listed. */
            rules_clean(NULL);
            const char *ticket = rules_bring("a", rules_states[i], rules);
            const char *record = rules_text("%s", rules_record("a"));
            EXPECT(held ? "OK 0 0 1 0"
                        : rules_text("OK 0 0 0 1 a %s", ticket),
                   "heartbeat", "w1", "9000000", "1", "a", ticket);
            assert_string_equal(rules_record("a"), record);
            /* Not listed. */
            rules_clean(NULL);
            rules_bring("a", rules_states[i], rules);
            record = rules_text("%s", rules_record("a"));
            EXPECT("OK 0 0 0 0", "heartbeat", "w1", "9000000", "1");
            if (!held) {
                assert_string_equal(rules_record("a"), record);
                continue;
            }
            assert_string_equal(rules_status("a"), "QUEUED");
            assert_string_equal(rules_field("a", "lost"), "");
            assert_string_equal(rules_field("a", "failed"), "");
            assert_int_equal(rules_number("a", "next"), RULES_START);
            assert_string_equal(rules_assign("w2", 1, 0, "f"), "a");
        }
    }
}

static void test_reconcile(void **state)
{
    (void)state;
    rules_queue("a", "");
    rules_queue("b", "");
    rules_queue("c", "");
    assert_string_equal(rules_assign("w1", 2, 1, "f"), "a b c");
    rules_queue("d", "");
    assert_string_equal(rules_assign("w2", 1, 0, "f"), "d");
    REDIS("1", "DEL {stint:main}:wake");
    EXPECT(rules_text("OK 0 0 1 2 d %s nowhere 1 x", rules_ticket("b")),
           "heartbeat", "w1", "1000", "1", "b",
           rules_ticket("b"), "d", rules_ticket("b"), "nowhere", "1 x");
    assert_string_equal(rules_status("a"), "QUEUED");
    assert_string_equal(rules_status("b"), "RUNNING");
    assert_string_equal(rules_status("c"), "QUEUED");
    assert_string_equal(rules_field("d", "worker"), "w2");
    REDIS("1000000000000", "ZSCORE {stint:main}:wake w");
}

/* The worker still has an old run of a task it was given again by a reply that
 * was lost: that one is named, and the new one given back. */
static void test_old_ticket_of_its_own_task(void **state)
{
    (void)state;
    const char *old = rules_bring("a", "RUNNING", "");
    EXPECT("OK", "release", "w1", "a", old);
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    EXPECT(rules_text("OK 0 0 0 1 a %s", old), "heartbeat", "w1", "1000",
           "1", "a", old);
    assert_string_equal(rules_status("a"), "QUEUED");
}

static void test_leaves(void **state)
{
    (void)state;
    EXPECT("OK 0 0 0 0", "heartbeat", "w2", "0", "0");
    REDIS("", "ZSCORE {stint:main}:workers w2");
    const char *ticket = rules_bring("a", "RUNNING", "");
    EXPECT("OK 0 0 1 0", "heartbeat", "w1", "0", "0");
    REDIS("0", "ZSCORE {stint:main}:workers w1");
    EXPECT("1 0", "recover", "100", "0");
    assert_string_equal(rules_status("a"), "QUEUED");
    EXPECT("STALE", "report", "w1", "a", ticket, "COMPLETED", "{}");
}

static void test_above_maxmemory(void **state)
{
    (void)state;
    rules_bring("a", "RUNNING", "");
    REDIS("OK", "CONFIG SET maxmemory 1");
    EXPECT("OK 0 0 0 0", "heartbeat", "w1", "1000", "1");
    assert_string_equal(rules_status("a"), "QUEUED");
}

/* A list gives back what the worker should know of, and nothing that it was
 * assigned since it heard of Redis: such a list comes from a connection that is
 * dead. An older worker, which does not say, gives back all. */
static void test_list_is_older_than_assign(void **state)
{
    static const struct {
        const char *listed, *answer, *status;
    } rows[] = {
        {"1 %lld", "OK 0 0 1 0", "RUNNING"},
        {"1r %lld", "OK 0 0 1 0", "RUNNING"},
        {"0 %lld", "OK 0 0 1 0", "RUNNING"},
        {"1 9%lld", "OK 0 0 0 0", "QUEUED"},
        {"1", "OK 0 0 0 0", "QUEUED"},
        {"1r", "OK 0 0 0 0", "QUEUED"},
        {"1 ", "OK 0 0 0 0", "QUEUED"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char listed[40];
        rules_clean(NULL);
        const char *ticket = rules_bring("a", "RUNNING", "");
        snprintf(listed, sizeof(listed), rows[i].listed,
                 strtoll(ticket, NULL, 10) - 1);
        EXPECT(rows[i].answer, "heartbeat", "w1", "1000", listed);
        assert_string_equal(rules_status("a"), rows[i].status);
    }
}

/* A fence may run ahead of a clock that went back: that tells nothing. */
static void test_list_and_clock_that_went_back(void **state)
{
    (void)state;
    rules_bring("a", "RUNNING", "");
    rules_now -= 5000;
    EXPECT("OK 0 0 0 0", "heartbeat", "w1", "1000", "1 1");
    assert_string_equal(rules_status("a"), "QUEUED");
    rules_now += 5000;
}

/* It takes nothing new; the flag goes with the next heartbeat without it. */
static void test_rests(void **state)
{
    (void)state;
    EXPECT("OK 0 0 0 0", "heartbeat", "w1", "1000", "0r");
    REDIS("w1", "ZRANGE {stint:main}:resting 0 -1");
    EXPECT("OK 0 0 0 0", "heartbeat", "w1", "1000", "1r");
    REDIS("w1 1000000001000", "ZRANGE {stint:main}:resting 0 -1 WITHSCORES");
    EXPECT("OK 0 0 0 0", "heartbeat", "w1", "1000", "1");
    REDIS("0", "EXISTS {stint:main}:resting");
    EXPECT("OK 0 0 0 0", "heartbeat", "w1", "1000", "0r");
    EXPECT("OK 0 0 0 0", "heartbeat", "w1", "0", "0r");
    REDIS("0", "EXISTS {stint:main}:resting");
}

/* All words at once: lapsed, cast, two lost, one to stop. */
static void test_reply(void **state)
{
    (void)state;
    const char *ticket = rules_bring("a", "RUNNING", "");
    EXPECT("STOPPING", "stop_task", "a");
    rules_queue("b", "cast=1");
    EXPECT("1 0", "fire", "9");
    ASK("heartbeat", "w2", "1000", "0");
    rules_now += 1001;
    EXPECT("OK 1 1 1 2 x 1 t y 1 t a", "heartbeat", "w1", "1000", "1", "x",
           "1 t", "a", ticket, "y", "1 t");
}

RULES_MAIN(RULES_TEST(test_lease),
           RULES_TEST(test_without_a_list_changes_no_task),
           RULES_TEST(test_from_every_state), RULES_TEST(test_reconcile),
           RULES_TEST(test_old_ticket_of_its_own_task),
           RULES_TEST(test_leaves), RULES_TEST(test_above_maxmemory),
           RULES_TEST(test_list_is_older_than_assign),
           RULES_TEST(test_list_and_clock_that_went_back),
           RULES_TEST(test_rests), RULES_TEST(test_reply))
