/* SPDX-License-Identifier: MIT */
/* why: record, task, due, how many are ahead, how many ended in the last
 * minute, live workers, resting ones, parents. It changes nothing. */
#include "rules.h"

#define TASK "f {}"
#define T0 "1000000000000"

static void expect(const char *id, const char *record, const char *rest)
{
    const char *before = rules_digest();

    EXPECT_ALL(rules_text("%s%s%s", record, *record ? " " : "", rest), "why",
               id);
    assert_string_equal(rules_digest(), before);
}

static void test_not_there(void **state)
{
    (void)state;
    expect("a", "", "0 0 2 0 [] 0");
}

static void test_fresh(void **state)
{
    (void)state;
    rules_queue("a", "");
    expect("a", "", TASK " " T0 " 0 0 2 0 [] 0");
}

static void test_ahead(void **state)
{
    static const struct {
        const char *id, *ahead;
    } rows[] = {{"high", "0"}, {"a", "1"}, {"b", "2"}, {"c", "3"},
                {"low", "4"}, {"later", "0"}, {"held", "0"}};

    (void)state;
    rules_queue("a", "");
    rules_queue("b", "");
    rules_queue("c", "");
    rules_queue("low", "level=-2");
    rules_queue("high", "level=7");
    rules_queue_at("later", "f", "+5000", "", "");
    rules_queue("held", "disabled=1");
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const char *all = ASK_ALL("why", rows[i].id);
        const char *rest = rules_text(" %s 0 2 0 [] 0", rows[i].ahead);
        assert_string_equal(all + strlen(all) - strlen(rest), rest);
    }
}

static void test_every_state(void **state)
{
    (void)state;
    for (int i = 1; i < RULES_STATES; i++) {
        rules_clean(NULL);
        rules_bring("a", rules_states[i], "");
        expect("a", rules_record("a"),
               rules_text(TASK " " T0 " 0 %s 2 0 [] 0", i < 3 ? "0" : "1"));
        rules_now += 60001; /* the last minute's only */
        expect("a", rules_record("a"), TASK " " T0 " 0 0 2 0 [] 0");
    }
}

static void test_workers(void **state)
{
    (void)state;
    rules_queue("a", "");
    ASK("heartbeat", "w3", "1000", "0r");
    expect("a", "", TASK " " T0 " 0 0 3 1 [] 0");
    ASK("heartbeat", "w1", "1000", "0r");
    expect("a", "", TASK " " T0 " 0 0 3 2 [] 0");
    rules_now += 1001;
    expect("a", "", TASK " " T0 " 0 0 1 0 [] 0");
    ASK("heartbeat", "w2", "0", "0");
    expect("a", "", TASK " " T0 " 0 0 0 0 [] 0");
}

static void test_parents(void **state)
{
    (void)state;
    rules_queue("p", "");
    rules_queue("a", "after=p");
    expect("a", rules_record("a"), TASK " " T0 " 0 0 2 0 [main/p] 0");
    rules_queue("b", "after=p after=other/q");
    const char *all = ASK_ALL("why", "b");
    assert_true(strstr(all, "[main/p,other/q]") ||
                strstr(all, "[other/q,main/p]"));
    rules_run_once("p", "COMPLETED");
    expect("b", rules_record("b"), TASK " " T0 " 0 1 2 0 [other/q] 0");
    for (int i = 0; i < 30; i++)
        rules_queue(rules_text("p%d", i), "");
    char *rules = (char *)rules_text("%s", "");
    for (int i = 0; i < 30; i++)
        sprintf(rules + strlen(rules), "after=p%d ", i);
    rules_queue("c", rules);
    int commas = 0; /* twenty of them */
    for (all = ASK_ALL("why", "c"); *all; all++)
        commas += *all == ',';
    assert_int_equal(commas, 19);
}

static void test_paused(void **state)
{
    (void)state;
    rules_queue("a", "");
    EXPECT(T0, "pause_group", "");
    expect("a", "", TASK " " T0 " 0 0 2 0 [] " T0);
}

RULES_MAIN(RULES_TEST(test_paused), RULES_TEST(test_not_there), RULES_TEST(test_fresh),
           RULES_TEST(test_ahead), RULES_TEST(test_every_state),
           RULES_TEST(test_workers), RULES_TEST(test_parents))
