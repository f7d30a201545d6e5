/* SPDX-License-Identifier: MIT */
/* fsck: finds every kind of disagreement, and changes nothing. */
#include "rules.h"

/* One sentence about the task `id`, at whatever key it is found. The calls go
 * around rules_ask, which would fail the test for the fault. */
static int faults(const char *id)
{
    char key[16] = "1", cursor[600] = "0", us[32];
    unsigned seen;
    int n = 0;

    while (strcmp(key, "0") != 0) {
        const char *words =
            rules_redis("FCALL stint_fsck 1 {stint:main} 1 %s %s %s 1000",
                        "1000000009000", key, cursor);
        assert_int_equal(
            sscanf(words, "%31s %15s %599s %u", us, key, cursor, &seen), 4);
        n += strstr(words, rules_text(" %s: ", id)) != NULL;
    }
    return n;
}

static void test_healthy(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        rules_clean(NULL);
        rules_bring("a", rules_states[i], "level=3");
        const char *before = rules_digest();
        assert_int_equal(faults("a"), 0);
        assert_string_equal(rules_digest(), before);
    }
}

static void test_damage_is_found(void **state)
{
    static const struct {
        const char *from, *damage;
    } rows[] = {
        {"QUEUED", "ZREM {stint:main}:queued a"},
        {"QUEUED", "ZADD {stint:main}:finished 1 a"},
        {"QUEUED", "ZADD {stint:main}:held 1 a"},
        {"QUEUED", "SADD {stint:main}:running:w1 a"},
        {"QUEUED", "ZADD {stint:main}:expiry 1 a"},
        {"QUEUED", "HDEL {stint:main}:task a"},
        {"ASSIGNED", "SREM {stint:main}:assigned:w1 a"},
        {"ASSIGNED", "SADD {stint:main}:assigned:w2 a"},
        {"RUNNING", "SREM {stint:main}:running:w1 a"},
        {"RUNNING", "ZREM {stint:main}:workers w1"},
        {"RUNNING", "HSET {stint:main}:state a rubbish"},
        {"RUNNING", "HDEL {stint:main}:state a"},
        {"RUNNING", "ZADD {stint:main}:queued 1 a"},
        {"COMPLETED", "ZREM {stint:main}:finished a"},
        {"COMPLETED", "HDEL {stint:main}:task a"},
        {"FAILED", "ZADD {stint:main}:queued 1 a"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        rules_clean(NULL);
        rules_bring("a", rows[i].from, "");
        assert_int_equal(faults("a"), 0);
        rules_redis(rows[i].damage);
        const char *before = rules_digest();
        if (faults("a") == 0)
            fail_msg("not found: %s", rows[i].damage);
        assert_string_equal(rules_digest(), before);
    }
}

/* Of families, broadcasts and what is to be stopped. */
static void test_more_damage_is_found(void **state)
{
    static const struct {
        const char *id, *damage;
    } rows[] = {
        {"child", "ZREM {stint:main}:waiting child"},
        {"child", "DEL {stint:main}:parents:child"},
        {"child", "SADD {stint:main}:parents:child main/x"},
        {"child", "ZADD {stint:main}:queued 1 child"},
        {"run", "ZREM {stint:main}:stops:w1 run"},
        {"cast", "ZREM {stint:main}:casting cast"},
        {"cast", "ZADD {stint:main}:broadcast 1 cast"},
        {"cast@1", "ZREM {stint:main}:cast:w1 cast@1"},
        {"cast@1", "ZADD {stint:main}:cast:w2 1 cast@1"},
        {"cast@1", "ZREM {stint:main}:workers w1"},
        {"later", "ZREM {stint:main}:broadcast later"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        rules_clean(NULL);
        rules_queue("run", "");
        assert_string_equal(rules_assign("w1", 1, 0, "f"), "run");
        EXPECT("STOPPING", "stop_task", "run");
        rules_queue("child", "after=run");
        rules_queue("cast", "cast=1");
        EXPECT("1 0", "fire", "9");
        rules_queue_at("later", "f", "+1000", "", "cast=1");
        assert_int_equal(faults(rows[i].id), 0);
        rules_redis(rows[i].damage);
        if (faults(rows[i].id) == 0)
            fail_msg("not found: %s", rows[i].damage);
    }
}

RULES_MAIN(RULES_TEST(test_healthy), RULES_TEST(test_damage_is_found),
           RULES_TEST(test_more_damage_is_found))
