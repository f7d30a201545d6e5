/* SPDX-License-Identifier: MIT */
/* fleet_command: a queue of commands for each worker, that survives until the
 * worker has carried them out. fleet_heartbeat brings them. */
#include "rules.h"

#define N1 "1000000000000000" /* the number of the first at RULES_START */
#define N2 "1000000000000001"
#define N3 "1000000000000002"

/* Returns what it says: '1' for the first one, who leads. */
static const char *beat(const char *worker, const char *lease)
{
    return ASK_ALL("fleet_heartbeat", worker, "{}", lease);
}

static void test_order(void **state)
{
    (void)state;
    assert_string_equal(beat("a", "60000"), "1 []");
    EXPECT("OK", "fleet_command", "disable", "a");
    EXPECT("OK", "fleet_command", "resume", "a");
    EXPECT("OK", "fleet_command", "terminate", "a");
    for (int i = 0; i < 3; i++) { /* until it says that it did them */
        rules_now += 1000;
        assert_string_equal(
            beat("a", i ? "60000 0" : "60000"),
            "1 [" N1 " disable," N2 " resume," N3 " terminate]");
    }
}

static void test_acknowledged_by_number(void **state)
{
    (void)state;
    beat("a", "60000");
    EXPECT("OK", "fleet_command", "disable", "a");
    EXPECT("OK", "fleet_command", "resume", "a");
    EXPECT("OK", "fleet_command", "disable", "a");
    assert_string_equal(beat("a", "60000 " N2), "1 [" N3 " disable]");
    assert_string_equal(beat("a", "60000 " N1), "1 [" N3 " disable]");
    assert_string_equal(beat("a", "60000 " N3), "1 []");
    REDIS("0", "EXISTS {stint}:commands:a");
}

/* One that comes when the queue is empty stands above all before, also if
 * Redis's clock went back meanwhile. */
static void test_numbers_grow(void **state)
{
    (void)state;
    beat("a", "9000000");
    EXPECT("OK", "fleet_command", "disable", "a");
    EXPECT("OK", "fleet_command", "resume", "a");
    assert_string_equal(beat("a", "9000000 " N2), "1 []");
    rules_now -= 5000;
    EXPECT("OK", "fleet_command", "kill", "a");
    const char *left = beat("a", "9000000 " N2);
    assert_non_null(strstr(left, " kill]"));
}

static void test_who_is_not_there(void **state)
{
    (void)state;
    beat("a", "60000");
    beat("b", "1000");
    beat("c", "60000");
    beat("c", "0");
    rules_now += 1001;
    EXPECT("GONE OK GONE GONE", "fleet_command", "kill", "nobody", "a", "b",
           "c");
    REDIS("0", "EXISTS {stint}:commands:nobody {stint}:commands:b "
               "{stint}:commands:c {stint}:signal:b");
    REDIS("1", "EXISTS {stint}:signal:a");
}

static void test_no_such_command(void **state)
{
    (void)state;
    beat("a", "60000");
    const char *before = rules_digest();
    EXPECT_START("-INVALID", "fleet_command", "dance", "a");
    assert_string_equal(rules_digest(), before);
}

/* The newest hundred. */
static void test_bounded(void **state)
{
    (void)state;
    beat("a", "60000");
    for (int i = 0; i < 150; i++) {
        rules_now++;
        EXPECT("OK", "fleet_command", i == 149 ? "kill" : "disable", "a");
    }
    REDIS("100", "ZCARD {stint}:commands:a");
    REDIS(rules_text("%lld000 kill", (long long)rules_now),
          "ZREVRANGE {stint}:commands:a 0 0");
}

static void test_leaving(void **state)
{
    (void)state;
    beat("a", "60000");
    EXPECT("OK", "fleet_command", "terminate", "a");
    beat("a", "0");
    REDIS("", "KEYS {stint}:*:a");
    EXPECT("GONE", "fleet_command", "terminate", "a");
    assert_string_equal(beat("a", "60000"), "1 []"); /* a new life */
}

/* One that never came back is forgotten an hour later, by another's beat. */
static void test_forgotten(void **state)
{
    (void)state;
    beat("a", "1000");
    EXPECT("OK", "fleet_command", "terminate", "a");
    rules_now += HOUR;
    beat("b", "1000");
    REDIS("1", "EXISTS {stint}:commands:a");
    rules_now += 2000;
    beat("b", "1000");
    REDIS("", "KEYS {stint}:*:a");
    REDIS("b", "HKEYS {stint}:workers");
}

RULES_MAIN(RULES_TEST(test_order), RULES_TEST(test_acknowledged_by_number),
           RULES_TEST(test_numbers_grow), RULES_TEST(test_who_is_not_there),
           RULES_TEST(test_no_such_command), RULES_TEST(test_bounded),
           RULES_TEST(test_leaving), RULES_TEST(test_forgotten))
