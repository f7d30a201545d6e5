/* SPDX-License-Identifier: MIT */
/* list: by status and function, a step at a time; it changes nothing. */
#include "rules.h"

/* Whether the steps come upon the task. An empty cursor leaves no word, and
 * ids here begin with a letter. */
static int lists(const char *status, const char *fn, const char *id)
{
    const char *wanted = rules_text(" %s ", id), *cursor = "";

    for (int i = 0; i < 20; i++) {
        const char *words = rules_text(" %s", ASK("list", status, fn, "100",
                                                  cursor));
        unsigned key, offset;
        if (strstr(words, wanted))
            return 1;
        if (sscanf(words, "%u %u", &key, &offset) != 2)
            return 0;
        cursor = rules_text("%u %u", key, offset);
    }
    fail_msg("list does not end");
    return 0;
}

static void test_every_status(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        rules_clean(NULL);
        rules_bring("a", rules_states[i], i % 2 ? "level=2" : "");
        const char *before = rules_digest();
        for (int k = 0; k < RULES_STATES; k++)
            assert_int_equal(lists(rules_states[k], "", "a"), i == k);
        assert_true(lists("", "", "a"));
        assert_true(lists(rules_states[i], "f", "a"));
        assert_false(lists(rules_states[i], "g", "a"));
        assert_string_equal(rules_digest(), before);
    }
}

static void test_disabled_and_parked(void **state)
{
    (void)state;
    rules_queue("off", "disabled=1");
    rules_queue_at("odd", "g", "+0", "", "");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "");
    assert_true(lists("QUEUED", "", "off"));
    assert_true(lists("QUEUED", "", "odd"));
    assert_true(lists("QUEUED", "g", "odd"));
    assert_false(lists("QUEUED", "g", "off"));
}

static void test_steps(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++)
        rules_queue(rules_text("t%d", i), "");
    EXPECT_START("2 2 t0 ", "list", "QUEUED", "", "2", "");
    assert_non_null(strstr(ASK("list", "QUEUED", "", "2", "2 2"), " t3 "));
    const char *last = ASK("list", "QUEUED", "", "2", "2 4");
    assert_memory_equal(last, "3 0 t4 ", 7);
    EXPECT("", "list", "QUEUED", "", "2", "3 0");
}

RULES_MAIN(RULES_TEST(test_every_status),
           RULES_TEST(test_disabled_and_parked), RULES_TEST(test_steps))
