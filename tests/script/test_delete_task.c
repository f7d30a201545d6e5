/* SPDX-License-Identifier: MIT */
/* delete_task: QUEUED or ended -> gone, without a trace. */
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
            if (i == 1 || i == 2) {
                EXPECT(rules_text("-STATE stop it first: it is %s",
                                  rules_states[i]), "delete_task", "a");
                assert_string_equal(rules_digest(), before);
                continue;
            }
            EXPECT("OK", "delete_task", "a");
            assert_string_equal(rules_status("a"), "");
            before = rules_digest();
            EXPECT_START("-NOTFOUND", "delete_task", "a");
            EXPECT("STALE", "report", "w1", "a", ticket, "COMPLETED", "");
            assert_string_equal(rules_digest(), before);
            rules_queue("a", ""); /* its id is free */
            assert_string_equal(rules_assign("w1", 1, 1, "f"), "a");
        }
    }
}

static void test_from_every_place(void **state)
{
    static const char *const rules[] = {
        "", "level=-7", "level=0.5", "disabled=1", "after=p", "cast=1",
        "after=p disabled=1", "after=other/x after=p", "retry=1"};

    (void)state;
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        rules_clean(NULL);
        rules_queue("p", "");
        const char *before = rules_redis("KEYS {stint:main}:parents*");
        rules_queue_at("a", "f", "+0", "+9000", rules[i]);
        EXPECT("OK", "delete_task", "a");
        REDIS("p", "HKEYS {stint:main}:task");
        REDIS("0", "EXISTS {stint:main}:expiry {stint:main}:held "
                   "{stint:main}:waiting {stint:main}:broadcast "
                   "{stint:main}:queued:-7 {stint:main}:queued:0.5");
        assert_string_equal(rules_redis("KEYS {stint:main}:parents*"), before);
        rules_run_once("p", "COMPLETED");
        assert_string_equal(rules_status("a"), "");
    }
}

static void test_parked(void **state)
{
    (void)state;
    rules_queue_at("a", "odd", "+0", "", "");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "");
    EXPECT("OK", "delete_task", "a");
    REDIS("0", "EXISTS {stint:main}:queued:0:odd");
}

static void test_with_its_runs(void **state)
{
    (void)state;
    rules_queue("a", "repeats=2 period=0");
    rules_run_once("a", "COMPLETED");
    rules_run_once("a", "COMPLETED");
    EXPECT("OK", "delete_task", "a");
    REDIS("0", "EXISTS {stint:main}:run {stint:main}:run:a {stint:main}:task "
               "{stint:main}:state {stint:main}:finished {stint:main}:ids");
    REDIS("1", "HGET {stint:main}:ended COMPLETED");
}

static void test_pruned(void **state)
{
    (void)state;
    rules_bring("a", "COMPLETED", "");
    rules_now += 1;
    ASK("prune", "9", "0");
    const char *before = rules_digest();
    EXPECT_START("-NOTFOUND", "delete_task", "a");
    assert_string_equal(rules_digest(), before);
}

static void test_children(void **state)
{
    (void)state;
    rules_queue("p", "");
    rules_queue("c", "after=p");
    rules_queue("d", "after=c");
    rules_queue("e", "after=p anyway=1");
    EXPECT("OK", "delete_task", "p");
    assert_string_equal(rules_status("c"), "FAILED");
    REDIS("{\"error\":\"it depends on main/p, which ended DELETED\"}",
          "HGET {stint:main}:run c");
    assert_string_equal(rules_status("d"), "FAILED");
    assert_string_equal(rules_field("e", "wait"), "");
    REDIS("0", "EXISTS {stint:main}:children:p");
    /* A new one of that name is nobody's parent. */
    rules_queue("p", "");
    assert_string_equal(rules_field("p", "kids"), "");
}

static void test_children_of_an_ended_one(void **state)
{
    (void)state;
    rules_queue("p", "level=1");
    rules_queue("c", "after=p");
    rules_run_once("p", "COMPLETED");
    EXPECT("OK", "delete_task", "p");
    assert_string_equal(rules_run_once("c", "COMPLETED"), "OK");
}

/* More than one step could tell. */
static void test_too_many_children(void **state)
{
    (void)state;
    rules_queue("p", "");
    for (int i = 0; i < 251; i++)
        rules_queue(rules_text("c%d", i), "after=p");
    const char *before = rules_digest();
    EXPECT_START("-STATE stop it first", "delete_task", "p");
    assert_string_equal(rules_digest(), before);
    EXPECT("STOPPED", "stop_task", "p");
    EXPECT("OK", "delete_task", "p");
    REDIS("0", "ZCARD {stint:main}:waiting");
}

RULES_MAIN(RULES_TEST(test_from_every_state),
           RULES_TEST(test_from_every_place), RULES_TEST(test_parked),
           RULES_TEST(test_with_its_runs), RULES_TEST(test_pruned),
           RULES_TEST(test_children),
           RULES_TEST(test_children_of_an_ended_one),
           RULES_TEST(test_too_many_children))
