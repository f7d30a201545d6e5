/* SPDX-License-Identifier: MIT */
/* Events: each rule that changes the status of tasks writes one entry for all of
 * them; the stream is capped, and off unless told. Readers keep their place. */
#include "rules.h"

static int seen; /* entries looked at */

/* What was written since the last look: "VERB TASKS; VERB TASKS". */
static const char *news(void)
{
    static const char look[] =
        "local all = redis.call('XRANGE', KEYS[1], '-', '+') local o = {} "
        "for i = ARGV[1] + 1, #all do local f = all[i][2] "
        "o[#o + 1] = f[2] .. ' ' .. f[6] end "
        "return {table.concat(o, '; '), tostring(#all)}";
    const char *text = rules_redis("EVAL %s 1 {stint:main}:events %d", look,
                                   seen);
    char *copy = (char *)rules_text("%s", text);
    char *blank = strrchr(copy, ' ');
    if (blank == NULL)
        blank = copy;
    seen = atoi(blank + (blank != copy));
    *blank = '\0';
    return copy;
}

static int on(void **state)
{
    rules_clean(state);
    seen = 0;
    EXPECT("OK", "keep_events", "1000");
    return 0;
}

#define NEWS(...) assert_string_equal(news(), rules_text(__VA_ARGS__))

static const char *fence(const char *id)
{
    return rules_field(id, "fence");
}

static void test_life(void **state)
{
    (void)state;
    rules_queue("a", "");
    NEWS("queue_task QUEUED - 0 f a");
    assert_string_equal(rules_assign("w1", 0, 1, "f"), "a");
    NEWS("assign ASSIGNED w1 %s f a", fence("a"));
    EXPECT("OK", "start", "w1", "a", rules_ticket("a"));
    NEWS("start RUNNING w1 %s * a", fence("a"));
    EXPECT("OK", "start", "w1", "a", rules_ticket("a"));
    NEWS("%s", "");
    EXPECT("OK", "release", "w1", "a", rules_ticket("a"));
    NEWS("release QUEUED w1 %s f a", fence("a"));
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    NEWS("assign RUNNING w1 %s f a", fence("a"));
    const char *ticket = rules_ticket("a");
    EXPECT("OK", "report", "w1", "a", ticket, "COMPLETED", "");
    NEWS("report COMPLETED w1 %s * a", fence("a"));
    EXPECT("AGAIN", "report", "w1", "a", ticket, "COMPLETED", "");
    NEWS("%s", "");
    EXPECT("OK", "requeue_task", "a", "0");
    NEWS("requeue_task QUEUED - %s f a", fence("a"));
    const char *last = fence("a");
    EXPECT("OK", "delete_task", "a");
    NEWS("delete_task GONE - %s f a", last);
}

static void test_report_says_the_function(void **state)
{
    (void)state;
    rules_queue("a", "");
    rules_queue("b", "retry=1 delay=0");
    rules_assign("w1", 2, 0, "f");
    (void)news();
    EXPECT("OK OK", "report", "w1", "a", rules_ticket("a"), "COMPLETED @f", "",
           "b", rules_ticket("b"), "FAILED @f", "");
    NEWS("report COMPLETED w1 %s f a\nQUEUED w1 %s * b", fence("a"),
         fence("b"));
}

static void test_people(void **state)
{
    (void)state;
    rules_queue("a", "");
    rules_queue("b", "");
    (void)news();
    EXPECT("OK", "disable_task", "a");
    NEWS("disable_task QUEUED - 0 f a");
    EXPECT("OK", "enable_task", "a");
    NEWS("enable_task QUEUED - 0 f a");
    EXPECT("OK", "enable_task", "a");
    NEWS("%s", "");
    EXPECT("STOPPED", "stop_task", "a");
    NEWS("stop_task STOPPED - 0 * a");
    rules_assign("w1", 1, 0, "f");
    (void)news();
    EXPECT("STOPPING", "stop_task", "b");
    NEWS("stop_task RUNNING w1 %s f b", fence("b"));
    EXPECT("STOPPING", "stop_task", "b");
    NEWS("%s", "");
    EXPECT("OK", "disable_task", "b");
    NEWS("disable_task RUNNING w1 %s f b", fence("b"));
}

static void test_reaper(void **state)
{
    (void)state;
    rules_queue_at("a", "f", "+0", "+1000", "");
    rules_queue("b", "ttl=10");
    rules_assign("w1", 0, 1, "f");
    (void)news();
    rules_now += 1001;
    EXPECT("1 0", "expire", "100");
    const char *text = news();
    assert_memory_equal(text, "expire EXPIRED", 14);
    rules_assign("w1", 1, 0, "f");
    (void)news();
    EXPECT_START("1 ", "recover", "100", "0", "w1", "");
    NEWS("recover QUEUED w1 %s f b", fence("b"));
    EXPECT("STOPPED", "stop_task", "b");
    NEWS("stop_task STOPPED - %s f b", fence("b")); /* soon gone: it is named */
    rules_now += DAY;
    EXPECT_START("2 ", "prune", "100", "1000");
    text = news();
    assert_memory_equal(text, "prune GONE - 0 * ", 17);
    assert_int_equal(strlen(text), 17 + 3);
    rules_now += HOUR; /* of the ids nothing is told */
    EXPECT_START("", "prune", "100", "1000");
    NEWS("%s", "");
}

static void test_families(void **state)
{
    (void)state;
    rules_queue("a", "");
    rules_queue("b", "after=a");
    rules_queue("c", "after=a anyway=1");
    (void)news();
    EXPECT("STOPPED", "stop_task", "a");
    NEWS("stop_task STOPPED - 0 * a; settle FAILED - 0 * b\nQUEUED - 0 f c");
}

static void test_broadcast(void **state)
{
    (void)state;
    rules_queue("a", "cast=1");
    (void)news();
    EXPECT("1 0", "fire", "10");
    const char *text = news();
    assert_memory_equal(text, "fire RUNNING * ", 15);
    assert_non_null(strstr(text, "QUEUED w1 0 f a@"));
    assert_non_null(strstr(text, "QUEUED w2 0 f a@"));
    EXPECT("STOPPING", "stop_task", "a");
    text = news();
    assert_non_null(strstr(text, "stop_task STOPPED w1 0 * a@"));
    assert_non_null(strstr(text, "settle STOPPED * "));
}

/* One call, many tasks: as few entries as hold them. */
static void test_split(void **state)
{
    enum { N = 600 };
    static char ids[N][8];
    static const char *args[1 + 6 * N];
    (void)state;
    args[0] = "0";
    for (int i = 0; i < N; i++) {
        snprintf(ids[i], sizeof(ids[i]), "t%d", i);
        const char *const six[] = {ids[i], i < 300 ? "f" : "g", "+0", "", "",
                                   "{}"};
        memcpy(&args[1 + 6 * i], six, sizeof(six));
    }
    assert_string_equal(rules_call("queue_task", 1 + 6 * N, args), "");
    REDIS("3", "XLEN {stint:main}:events");
    REDIS("250", "EVAL %s 1 {stint:main}:events",
          "return redis.call('XRANGE',KEYS[1],'-','+')[1][2][4]");
    REDIS("100", "EVAL %s 1 {stint:main}:events",
          "return redis.call('XRANGE',KEYS[1],'-','+')[3][2][4]");
    REDIS("250", "EVAL %s 1 {stint:main}:events",
          "local t=redis.call('XRANGE',KEYS[1],'-','+')[2][2][6] "
          "local _,f=string.gsub(t,'t%d+','') return f");
}

static void test_cap(void **state)
{
    (void)state;
    EXPECT("OK", "keep_events", "100");
    for (int i = 0; i < 700; i++) {
        const char *id = rules_text("t%d", i);
        const char *const args[] = {"0", id, "f", "+0", "", "", "{}"};
        rules_raw("queue_task", 7, args);
    }
    int n = atoi(rules_redis("EVAL %s 1 {stint:main}:events",
                             "return redis.call('XLEN',KEYS[1])"));
    assert_in_range(n, 100, 200); /* about */
}

static void test_off(void **state)
{
    rules_clean(state);
    rules_queue("a", "");
    rules_queue("b", "level=1");
    rules_assign("w1", 2, 0, "f");
    REDIS("0", "EXISTS {stint:main}:events");
    EXPECT("OK", "keep_events", "10");
    rules_queue("c", "");
    REDIS("1", "EXISTS {stint:main}:events");
    EXPECT("OK", "keep_events", "0");
    rules_queue("d", "");
    REDIS("0", "EXISTS {stint:main}:events");
    EXPECT_START("-INVALID", "keep_events", "-1");
    EXPECT_START("-INVALID", "keep_events", "1.5");
    EXPECT_START("-INVALID", "keep_events", "x");
}

/* What is wrong with the stream is no reason to keep a task waiting. */
static void test_in_the_way(void **state)
{
    const char *const plain[] = {"0", "a", "f", "+0", "", "", "{}"};
    const char *const ruled[] = {"0", "b", "f", "+0", "", "level=1", "{}"};
    (void)state;
    REDIS("OK", "SET {stint:main}:events x");
    assert_string_equal(rules_raw("queue_task", 7, plain), "");
    assert_string_equal(rules_raw("queue_task", 7, ruled), "");
    REDIS("1", "DEL {stint:main}:events");
    assert_string_equal(rules_assign("w1", 2, 0, "f"), "b a");
}

static void test_reader(void **state)
{
    (void)state;
    EXPECT("HELD ", "fleet_reader", "r", "me", "1000", "");
    EXPECT("HELD 5-0.1", "fleet_reader", "r", "me", "1000", "5-0.1");
    EXPECT("TAKEN 5-0.1", "fleet_reader", "r", "you", "1000", "");
    EXPECT("TAKEN 5-0.1", "fleet_reader", "r", "you", "1000", "9-0.1");
    rules_now += 1001;
    EXPECT("TAKEN 5-0.1", "fleet_reader", "r", "you", "1000", "9-0.1");
    EXPECT("HELD 5-0.1", "fleet_reader", "r", "you", "1000", "");
    EXPECT("TAKEN 5-0.1", "fleet_reader", "r", "me", "1000", "6-0.1");
    EXPECT("HELD 7-0.1", "fleet_reader", "r", "you", "0", "7-0.1");
    EXPECT("HELD 7-0.1", "fleet_reader", "r", "me", "1000", "");
    EXPECT_START("-INVALID", "fleet_reader", "r r", "me", "1000", "");
    EXPECT_START("-INVALID", "fleet_reader", "r", "me", "1000", "a b");
}

#define ON(f) cmocka_unit_test_setup(f, on)

RULES_MAIN(ON(test_life), ON(test_report_says_the_function), ON(test_people),
           ON(test_reaper), ON(test_families), ON(test_broadcast),
           ON(test_split), ON(test_cap), RULES_TEST(test_off),
           ON(test_in_the_way), ON(test_reader))
