/* SPDX-License-Identifier: MIT */
/* family: records and children, for drawing; changes nothing. */
#include "rules.h"

#define TASK "f {}"

static void test_children(void **state)
{
    (void)state;
    rules_queue("alone", "");
    rules_queue("p", "");
    rules_queue("a", "after=p");
    rules_queue("b", "after=p after=a");
    ASK("deliver", "link", "p", "other/x", "-");
    const char *before = rules_digest();
    EXPECT_ALL(rules_text(
                   "%s " TASK "  [main/a,main/b,other/x] %s " TASK
                   "  [main/b] %s " TASK "  []  " TASK " 1000000000000 []    "
                   "[]",
                   rules_record("p"), rules_record("a"), rules_record("b")),
               "family", "10", "p", "a", "b", "alone", "nobody");
    EXPECT_ALL(rules_text("%s " TASK "  [main/a,main/b]", rules_record("p")),
               "family", "2", "p");
    assert_string_equal(rules_digest(), before);
}

/* Also those that were told, as long as the parent is kept. */
static void test_ended(void **state)
{
    (void)state;
    rules_queue("p", "ttl=1000");
    rules_queue("a", "after=p");
    rules_run_once("p", "COMPLETED");
    EXPECT_ALL(rules_text("%s " TASK "  [main/a]", rules_record("p")),
               "family", "10", "p");
    rules_now += 1000;
    ASK("prune", "9", "9");
    EXPECT_ALL(rules_text("%s -  []", rules_record("p")), "family", "10",
               "p");
}

RULES_MAIN(RULES_TEST(test_children), RULES_TEST(test_ended))
