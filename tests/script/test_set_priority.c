/* SPDX-License-Identifier: MIT */
/* set_priority: what waits changes its place at once, what a worker has with its
 * next run. */
#include "rules.h"

static void test_from_every_state(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        rules_clean(NULL);
        rules_bring("a", rules_states[i], "");
        const char *before = rules_digest();
        if (i >= 3) {
            EXPECT(rules_text("-STATE it is %s", rules_states[i]),
                   "set_priority", "a", "5");
            assert_string_equal(rules_digest(), before);
            continue;
        }
        EXPECT(rules_states[i], "set_priority", "a", "5");
        assert_string_equal(rules_status("a"), rules_states[i]);
        assert_string_equal(rules_field("a", "level"), "5");
        before = rules_digest();
        EXPECT(rules_states[i], "set_priority", "a", "5");
        assert_string_equal(rules_digest(), before);
    }
}

static void test_order(void **state)
{
    (void)state;
    rules_queue("a", "");
    rules_queue("b", "");
    rules_queue("c", "level=3");
    EXPECT("QUEUED", "set_priority", "b", "100");
    EXPECT("QUEUED", "set_priority", "c", "-100");
    REDIS("b", "ZRANGE {stint:main}:queued:100 0 -1");
    REDIS("c", "ZRANGE {stint:main}:queued:-100 0 -1");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "b");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "c");
}

static void test_back_to_none(void **state)
{
    (void)state;
    rules_queue("a", "level=3");
    rules_queue("b", "level=3.5"); /* immediate */
    EXPECT("QUEUED", "set_priority", "a", "0");
    REDIS("a", "ZRANGE {stint:main}:queued 0 -1");
    assert_string_equal(rules_field("a", "level"), "");
    EXPECT("QUEUED", "set_priority", "b", "-1");
    assert_string_equal(rules_field("b", "level"), "-0.5");
    EXPECT("QUEUED", "set_priority", "b", "0");
    assert_string_equal(rules_field("b", "level"), "0.5");
}

static void test_what_stays_where_it_is(void **state)
{
    static const char *const rows[][2] = {{"disabled=1", "held"},
                                          {"after=p", "waiting"},
                                          {"cast=1", "broadcast"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        rules_clean(NULL);
        rules_queue("p", "level=9");
        rules_queue("a", rows[i][0]);
        EXPECT("QUEUED", "set_priority", "a", "7");
        REDIS("a", "ZRANGE {stint:main}:%s 0 -1", rows[i][1]);
        assert_string_equal(rules_field("a", "level"), "7");
    }
}

static void test_parked(void **state)
{
    (void)state;
    rules_queue_at("a", "odd", "+0", "", "");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "");
    EXPECT("QUEUED", "set_priority", "a", "2");
    REDIS("a", "ZRANGE {stint:main}:queued:2:odd 0 -1");
    assert_string_equal(rules_assign("w2", 1, 0, "odd"), "a");
}

static void test_next_run(void **state)
{
    (void)state;
    rules_bring("a", "RUNNING", "repeats=0");
    EXPECT("RUNNING", "set_priority", "a", "4");
    EXPECT("OK", "report", "w1", "a", rules_ticket("a"), "COMPLETED", "{}");
    REDIS("a", "ZRANGE {stint:main}:queued:4 0 -1");
}

static void test_refused(void **state)
{
    static const char *const wrong[] = {"101", "-101", "1.5", "x", "", "1e1"};

    (void)state;
    rules_queue("a", "");
    const char *before = rules_digest();
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++)
        EXPECT_START("-INVALID", "set_priority", "a", wrong[i]);
    EXPECT_START("-NOTFOUND", "set_priority", "b", "1");
    assert_string_equal(rules_digest(), before);
}

RULES_MAIN(RULES_TEST(test_from_every_state), RULES_TEST(test_order),
           RULES_TEST(test_back_to_none),
           RULES_TEST(test_what_stays_where_it_is), RULES_TEST(test_parked),
           RULES_TEST(test_next_run), RULES_TEST(test_refused))
