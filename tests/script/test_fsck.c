/* SPDX-License-Identifier: MIT */
/* fsck: finds every kind of disagreement, and changes nothing. */
#include "rules.h"

/* One sentence about the task `id`, at whatever key it is found. The calls go
 * around rules_ask, which would fail the test for the fault. */
static int faults(const char *id)
{
    char key[16] = "1", cursor[24] = "0", us[32];
    unsigned seen;
    int n = 0;

    while (strcmp(key, "0") != 0) {
        const char *words =
            rules_redis("FCALL stint_fsck 1 {stint:main} 1 %s %s %s 1000",
                        "1000000009000", key, cursor);
        assert_int_equal(
            sscanf(words, "%31s %15s %23s %u", us, key, cursor, &seen), 4);
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
        {"QUEUED", "ZADD {stint:main}:running:w1 1 a"},
        {"QUEUED", "ZADD {stint:main}:expiry 1 a"},
        {"QUEUED", "HDEL {stint:main}:task a"},
        {"ASSIGNED", "ZREM {stint:main}:assigned:w1 a"},
        {"ASSIGNED", "ZADD {stint:main}:assigned:w2 1 a"},
        {"RUNNING", "ZREM {stint:main}:running:w1 a"},
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

RULES_MAIN(RULES_TEST(test_healthy), RULES_TEST(test_damage_is_found))
