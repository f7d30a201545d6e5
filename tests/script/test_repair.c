/* SPDX-License-Identifier: MIT */
/* repair, repair_keys, repair_parents, fsck_keys, quarantine: each index is
 * broken by hand and mended; what cannot be mended is set aside and named. */
#include "rules.h"

/* All steps of fsck or repair, as one text: sentences and words. */
static const char *walk(const char *verb)
{
    static char all[1 << 16];
    char key[16] = "1", cursor[600] = "0", us[32];
    unsigned seen;

    *all = '\0';
    do {
        int at = 0;
        const char *words = rules_redis("FCALL stint_%s 1 {stint:main} 1 %s "
                                        "%s %s 1000", verb,
                                        rules_text("%lld",
                                                   (long long)rules_now),
                                        key, cursor);
        if (*words == '-')
            fail_msg("%s: %s", verb, words);
        assert_int_equal(sscanf(words, "%31s %15s %599s %u%n", us, key, cursor,
                                &seen, &at), 4);
        assert_true(strlen(all) + strlen(words) < sizeof(all));
        strcat(all, words + at);
    } while (strcmp(key, "0") != 0 || strcmp(cursor, "0") != 0);
    return all;
}

/* Nothing is left to mend, and another repair changes nothing. */
static void agrees(void)
{
    assert_string_equal(walk("fsck"), "");
    const char *before = rules_digest();
    assert_string_equal(walk("repair"), "");
    assert_string_equal(rules_digest(), before);
}

/* ---- What is mended, without a trace -------------------------------------- */

static void test_indexes(void **state)
{
    static const struct {
        const char *from, *rules, *damage;
    } rows[] = {
        {"QUEUED", "", "ZADD {stint:main}:finished 1 a"},
        {"QUEUED", "", "ZADD {stint:main}:held 1 a"},
        {"QUEUED", "", "SADD {stint:main}:running:w1 a"},
        {"QUEUED", "", "ZADD {stint:main}:expiry 1 a"},
        {"QUEUED", "", "ZADD {stint:main}:resting 1 w9"},
        {"QUEUED", "", "ZADD {stint:main}:stops:w2 1 a"},
        {"QUEUED", "level=3", "ZREM {stint:main}:queued:3 a"},
        {"QUEUED", "level=3", "ZADD {stint:main}:queued 1000000000000 a"},
        {"QUEUED", "level=3", "ZADD {stint:main}:queued:3 5 a"},
        {"QUEUED", "level=3", "ZREM {stint:main}:levels 3"},
        {"QUEUED", "repeats=2", "ZREM {stint:main}:queued a"},
        {"QUEUED", "repeats=2", "ZADD {stint:main}:queued 7 a"},
        {"QUEUED", "disabled=1", "ZREM {stint:main}:held a"},
        {"ASSIGNED", "", "SREM {stint:main}:assigned:w1 a"},
        {"ASSIGNED", "", "SADD {stint:main}:assigned:w2 a"},
        {"ASSIGNED", "", "SMOVE {stint:main}:assigned:w1 "
                         "{stint:main}:running:w1 a"},
        {"RUNNING", "", "SREM {stint:main}:running:w1 a"},
        {"RUNNING", "", "SADD {stint:main}:running:w2 a"},
        {"RUNNING", "level=2", "ZADD {stint:main}:queued 1 a"},
        {"RUNNING", "", "ZADD {stint:main}:finished 1 a"},
        {"COMPLETED", "", "ZREM {stint:main}:finished a"},
        {"COMPLETED", "", "ZADD {stint:main}:finished 4 a"},
        {"COMPLETED", "", "ZADD {stint:main}:queued 1 a"},
        {"FAILED", "", "ZADD {stint:main}:ids 1 a"},
        {"STOPPED", "level=1", "SADD {stint:main}:running:w2 a"},
        {"EXPIRED", "", "ZADD {stint:main}:expiry 1 a"},
        {"EXPIRED", "", "ZREM {stint:main}:finished a"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        rules_clean(NULL);
        int disabled = strstr(rows[i].rules, "disabled") != NULL;
        rules_bring("a", disabled ? "QUEUED" : rows[i].from, rows[i].rules);
        const char *before = rules_digest();
        agrees();
        assert_string_equal(rules_digest(), before);
        rules_redis(rows[i].damage);
        if (*walk("fsck") == '\0')
            fail_msg("not found: %s", rows[i].damage);
        assert_non_null(strstr(walk("repair"), " MENDED"));
        if (strcmp(rules_digest(), before) != 0)
            fail_msg("not mended: %s", rows[i].damage);
    }
}

/* What is not as it was before, but agrees. */
static void test_stop_time_and_lease(void **state)
{
    (void)state;
    rules_queue_at("a", "f", "+0", "+5000", "");
    const char *before = rules_digest();
    REDIS("1", "ZREM {stint:main}:expiry a");
    assert_non_null(strstr(walk("repair"), "MENDED"));
    assert_string_equal(rules_digest(), before);
    REDIS("0", "ZADD {stint:main}:expiry 1 a");
    assert_non_null(strstr(walk("repair"), "MENDED"));
    assert_string_equal(rules_digest(), before);
    /* Its holder gets a lease that can end, and so is heard of again. */
    rules_clean(NULL);
    rules_bring("b", "RUNNING", "");
    REDIS("1", "ZREM {stint:main}:workers w1");
    assert_non_null(strstr(walk("repair"), "MENDED"));
    agrees();
    assert_string_equal(rules_status("b"), "RUNNING");
    EXPECT("OK", "report", "w1", "b", rules_ticket("b"), "COMPLETED", "");
}

static void family_up(void)
{
    rules_clean(NULL);
    rules_queue("run", "");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "run");
    EXPECT("STOPPING", "stop_task", "run");
    rules_queue("child", "after=run");
    rules_queue("cast", "cast=1");
    EXPECT("1 0", "fire", "9");
    rules_queue_at("later", "f", "+1000", "", "cast=1");
}

static void test_families(void **state)
{
    static const char *const rows[] = {
        "ZREM {stint:main}:waiting child",
        "ZADD {stint:main}:queued 1 child",
        "ZREM {stint:main}:casting cast",
        "ZADD {stint:main}:casting 12 cast",
        "ZADD {stint:main}:broadcast 1 cast",
        "ZREM {stint:main}:cast:w1 cast@1",
        "ZADD {stint:main}:cast:w2 1 cast@1",
        "ZREM {stint:main}:stops:w1 run",
        "ZADD {stint:main}:stops:w1 1 child",
        "ZREM {stint:main}:broadcast later"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        family_up();
        agrees();
        const char *before = rules_digest();
        int again = strstr(rows[i], "stops:w1 run") != NULL;
        rules_redis(rows[i]);
        assert_non_null(strstr(walk("repair"), "MENDED"));
        if (!again && strcmp(rules_digest(), before) != 0)
            fail_msg("not mended: %s", rows[i]);
        agrees();
    }
}

/* A broadcast that counts parts that are not there would never end. */
static void test_cast_counts(void **state)
{
    (void)state;
    family_up();
    REDIS("2", "HDEL {stint:main}:state cast@1 cast@2");
    assert_non_null(strstr(walk("repair"), "cast@1"));
    agrees();
    assert_string_equal(rules_status("cast"), "FAILED");
    REDIS("0", "EXISTS {stint:main}:cast:w1 {stint:main}:casting");
    REDIS("2", "HLEN {stint:main}:quarantine");
}

/* ---- Parents --------------------------------------------------------------- */

static void test_parents(void **state)
{
    static const char *const rows[] = {
        "DEL {stint:main}:parents:child",
        "SADD {stint:main}:parents:child main/x",
        "SREM {stint:main}:parents:child main/p1",
        "DEL {stint:main}:children:p1",
        "ZADD {stint:main}:children:p1 1 main/child"};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        rules_clean(NULL);
        rules_queue("p1", "");
        rules_queue("p2", "");
        rules_queue("child", "after=p1 after=p2");
        const char *before = rules_digest();
        rules_redis(rows[i]);
        assert_non_null(strstr(walk("repair"), "PARENTS"));
        EXPECT("WAITS", "repair_parents", "child", "main/p1", "main/p2");
        if (strcmp(rules_digest(), before) != 0)
            fail_msg("not mended: %s", rows[i]);
    }
}

static void test_parents_that_ended(void **state)
{
    static const struct {
        const char *end, *rules, *word, *status;
    } rows[] = {{"COMPLETED", "after=p", "RELEASED", "QUEUED"},
                {"FAILED", "after=p", "FAILED", "FAILED"},
                {"FAILED", "anyway=1 after=p", "RELEASED", "QUEUED"},
                {"gone", "after=p", "FAILED", "FAILED"},
                {"gone", "anyway=1 after=p", "RELEASED", "QUEUED"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        rules_clean(NULL);
        rules_queue("p", "");
        rules_queue("child", rows[i].rules);
        /* The word to the child gets lost. */
        REDIS("1", "DEL {stint:main}:children:p");
        if (strcmp(rows[i].end, "gone") == 0) {
            REDIS("1", "HDEL {stint:main}:task p");
            REDIS("1", "HDEL {stint:main}:state p");
            REDIS("1", "ZREM {stint:main}:queued p");
        } else {
            rules_redis("ZREM {stint:main}:queued p");
            rules_redis("ZADD {stint:main}:finished %s p",
                        rules_text("%lld", (long long)(RULES_START + DAY)));
            const char *record = rules_text(
                "%s 5 - w1 5 5 %lld run=1", rows[i].end,
                (long long)RULES_START);
            rules_redis("HSET {stint:main}:state p %b", record,
                        strlen(record));
        }
        EXPECT(rows[i].word, "repair_parents", "child", "main/p");
        assert_string_equal(rules_status("child"), rows[i].status);
        agrees();
    }
}

/* Those of other groups answer. */
static void test_parents_elsewhere(void **state)
{
    (void)state;
    rules_group = "other";
    rules_queue("far", "");
    rules_group = "main";
    rules_queue("child", "after=other/far");
    REDIS("1", "DEL {stint:main}:parents:child");
    REDIS("1", "DEL {stint:main}:messages");
    assert_non_null(strstr(walk("repair"), "PARENTS"));
    EXPECT("WAITS", "repair_parents", "child", "other/far");
    assert_string_equal(walk("fsck"), "");
    EXPECT("link other far main/child -", "messages", "9");
    EXPECT("-INVALID not GROUP/ID: far", "repair_parents", "child", "far");
}

/* An ended parent whose children nobody tells any more. */
static void test_endings(void **state)
{
    (void)state;
    rules_queue("p", "");
    rules_queue("child", "after=p");
    assert_string_equal(rules_run_once("p", "COMPLETED"), "OK");
    assert_string_equal(rules_status("child"), "QUEUED");
    agrees();
    REDIS("0", "ZADD {stint:main}:children:p 0 main/child");
    assert_non_null(strstr(walk("repair"), "not all that depend on it"));
    REDIS("1", "ZCARD {stint:main}:endings");
    EXPECT("1 0", "settle", "9");
    agrees();
}

/* ---- What cannot be mended --------------------------------------------------- */

static void test_lost(void **state)
{
    static const struct {
        const char *from, *damage, *status, *left;
    } rows[] = {
        {"QUEUED", "HDEL {stint:main}:task a", "FAILED", ""},
        {"QUEUED", "ZREM {stint:main}:queued a", "FAILED", ""},
        {"RUNNING", "HSET {stint:main}:state a rubbish", "FAILED", "rubbish"},
        {"RUNNING", "HDEL {stint:main}:state a", "FAILED", ""},
        {"RUNNING", "HDEL {stint:main}:task a", "RUNNING", "RUNNING 1000"},
        {"ASSIGNED", "HDEL {stint:main}:task a", "ASSIGNED", "ASSIGNED 1000"},
        {"ASSIGNED", "HSET {stint:main}:state a NONE", "FAILED", "NONE"},
        {"COMPLETED", "HDEL {stint:main}:task a", "COMPLETED",
         "COMPLETED 1000"},
        {"COMPLETED", "HDEL {stint:main}:state a", "FAILED", ""},
        {"COMPLETED", "HSET {stint:main}:state a \x01\xff\"\\", "FAILED",
         "\\u0001\\u00ff\\u0022\\u005c"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        rules_clean(NULL);
        rules_bring("a", rows[i].from, "");
        const char *ticket = rules_text("%s", rules_ticket("a"));
        rules_redis(rows[i].damage);
        if (strstr(walk("repair"), " ASIDE") == NULL)
            fail_msg("not set aside: %s", rows[i].damage);
        agrees();
        assert_string_equal(rules_status("a"), rows[i].status);
        const char *kept = rules_redis("HGET {stint:main}:quarantine a");
        if (strstr(kept, rows[i].left) == NULL || *kept != '{')
            fail_msg("%s: kept %s", rows[i].damage, kept);
        int fails = strcmp(rows[i].status, "FAILED") == 0;
        if (fails)
            assert_non_null(strstr(rules_redis("HGET {stint:main}:run a"),
                                   "record lost"));
        /* A worker that holds it goes on, or is told that it is lost. */
        if (strcmp(rows[i].from, "RUNNING") == 0)
            EXPECT(fails ? "STALE" : "OK", "report", "w1", "a", ticket,
                   "COMPLETED", "");
        agrees();
    }
}

/* A held task without a payload that comes back to the queue is FAILED. */
static void test_lost_and_lost_again(void **state)
{
    (void)state;
    rules_bring("a", "RUNNING", "");
    REDIS("1", "HDEL {stint:main}:task a");
    assert_non_null(strstr(walk("repair"), "ASIDE"));
    EXPECT("1 0", "recover", "9", "0", "w1", "");
    assert_string_equal(rules_status("a"), "QUEUED");
    assert_string_equal(rules_assign("w2", 1, 0, "f"), "");
    assert_string_equal(rules_status("a"), "FAILED");
    REDIS("{\"error\":\"record lost: what was queued is gone\"}",
          "HGET {stint:main}:run a");
}

/* Without a repair: whoever comes by is loud, and nothing hangs. */
static void test_assign_and_recover_are_loud(void **state)
{
    (void)state;
    rules_queue("a", "");
    rules_queue("b", "");
    REDIS("1", "HDEL {stint:main}:task a");
    assert_memory_equal(rules_redis("FCALL stint_assign 1 {stint:main} 1 "
                                    "1000000000000 w1 t 1 0 f"),
                        "1000000000000000", 16);
    assert_string_equal(rules_status("a"), "FAILED");
    REDIS("1", "HEXISTS {stint:main}:quarantine a");
    /* An index that is wrong takes nothing from a worker. */
    rules_clean(NULL);
    rules_bring("a", "RUNNING", "");
    REDIS("1", "ZADD {stint:main}:queued 1 a");
    rules_redis("FCALL stint_assign 1 {stint:main} 1 1000000000000 w2 t 1 0 f");
    assert_string_equal(rules_status("a"), "RUNNING");
    assert_string_equal(rules_field("a", "worker"), "w1");
    agrees();
    /* What a dead worker held without a payload: */
    REDIS("1", "HDEL {stint:main}:task a");
    rules_redis("FCALL stint_recover 1 {stint:main} 1 1000000000000 9 0 w1 %b",
                "", (size_t)0);
    assert_string_equal(rules_status("a"), "FAILED");
    agrees();
}

static void test_outputs(void **state)
{
    (void)state;
    rules_bring("a", "COMPLETED", "");
    REDIS("1", "HSET {stint:main}:run ghost {\"result\":1}");
    assert_non_null(strstr(walk("repair"), "ghost: is in"));
    REDIS("0", "HEXISTS {stint:main}:run ghost");
    assert_non_null(strstr(rules_redis("HGET {stint:main}:quarantine %b",
                                       "ghost output", (size_t)12),
                           "u0022result"));
    agrees();
}

/* The id of a pruned task, which keeps it from running twice. */
static void test_ids(void **state)
{
    static const char *const rows[] = {"HDEL {stint:main}:task a",
                                       "ZREM {stint:main}:ids a",
                                       "ZADD {stint:main}:ids 9 a",
                                       "HDEL {stint:main}:state a"};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        rules_clean(NULL);
        rules_bring("a", "COMPLETED", "ttl=1");
        rules_now += 100;
        EXPECT("1 0", "prune", "9", "999");
        REDIS("-", "HGET {stint:main}:task a");
        rules_redis(rows[i]);
        assert_true(*walk("repair") != '\0');
        agrees();
        EXPECT_START("0 EXISTS", "queue_task", "0", "a", "f", "+0", "", "",
                     "{}");
        rules_now += HOUR + 1;
        EXPECT("1 0", "prune", "9", "999");
        REDIS("0", "EXISTS {stint:main}:ids {stint:main}:task");
    }
}

/* ---- Keys of another type ------------------------------------------------------ */

static const char *const our_keys[] = {
    "task", "state", "run", "expiry", "finished", "queued", "held", "ids",
    "waiting", "broadcast", "casting", "suspects", "levels", "workers",
    "resting", "endings", "messages", "wake", "ended", "quarantine",
    "queued:3", "running:w1", "assigned:w1", "cast:w1", "stops:w1"};

static void test_types(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(our_keys) / sizeof(*our_keys); i++) {
        rules_clean(NULL);
        rules_bring("a", "RUNNING", "level=3");
        rules_queue("b", "level=3");
        rules_redis("SET {stint:main}:%s foreign", our_keys[i]);
        const char *before = rules_digest();
        const char *found = walk("fsck");
        if (strstr(found, "is a string, where a") == NULL)
            fail_msg("%s: %s", our_keys[i], found);
        assert_string_equal(rules_digest(), before);
        const char *mended = walk("repair");
        if (strstr(mended, "ASIDE") == NULL)
            fail_msg("%s: %s", our_keys[i], mended);
        walk("repair"); /* what hung on it */
        agrees();
        const char *moved = rules_redis("KEYS {stint:main}:quarantine:*");
        if (strstr(moved, our_keys[i]) == NULL)
            fail_msg("%s: moved %s", our_keys[i], moved);
        REDIS("foreign", "GET %s", moved);
        assert_non_null(strstr(ASK("quarantine", "0", "99"), "was"));
    }
}

/* ---- Keys that nothing leads to ------------------------------------------------- */

static void test_keys(void **state)
{
    static const struct {
        const char *make, *name, *word;
    } rows[] = {
        {"LPUSH {stint:main}:run:ghost x", ":run:ghost", "ASIDE"},
        {"SADD {stint:main}:parents:ghost x", ":parents:ghost", "MENDED"},
        {"SADD {stint:main}:parents:a x", ":parents:a", "MENDED"},
        {"ZADD {stint:main}:children:ghost 0 x", ":children:ghost", "MENDED"},
        {"ZADD {stint:main}:children:a 0 main/x", ":children:a", "MENDED"},
        {"ZADD {stint:main}:signal:w9 0 s", ":signal:w9", "MENDED"},
        {"SET {stint:main}:signal:w1 0", ":signal:w1", "ASIDE"},
        {"SET {stint:main}:whatever 0", ":whatever", "LEFT"},
        {"SET {stint:main}:what:ever 0", ":what:ever", "LEFT"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        rules_clean(NULL);
        rules_bring("a", "QUEUED", "repeats=2");
        rules_redis(rows[i].make);
        assert_true(strlen(ASK("fsck_keys", rows[i].name, ":task")) > 2);
        const char *words = ASK("repair_keys", rows[i].name, ":task", ":gone");
        if (strstr(words, rows[i].word) == NULL)
            fail_msg("%s: %s", rows[i].make, words);
        if (strcmp(rows[i].word, "LEFT") != 0)
            EXPECT("0", "repair_keys", rows[i].name);
        EXPECT("0", "fsck_keys", ":task", ":quarantine", ":queued");
    }
}

/* Sets of tasks that no lease and no level leads to are walked by name. */
static void test_hidden_sets(void **state)
{
    static const char *const rows[] = {":running:w9", ":assigned:w9",
                                       ":cast:w9", ":stops:w9", ":queued:77",
                                       ":queued:0:g"};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        rules_clean(NULL);
        rules_bring("a", "QUEUED", "");
        rules_redis(i < 2 ? "SADD {stint:main}%s a" : "ZADD {stint:main}%s 1 a",
                    rows[i]);
        EXPECT(rules_text("1 %s", rows[i]), "fsck_keys", ":task", rows[i]);
        assert_string_equal(walk("fsck"), "");
        const char *words = rules_redis(
            "FCALL stint_repair 1 {stint:main} 1 1000000000000 0 0%s 100",
            rows[i]);
        assert_non_null(strstr(words, "MENDED"));
        rules_redis("EXISTS {stint:main}%s", rows[i]);
        REDIS("0", "EXISTS {stint:main}%s", rows[i]);
        agrees();
    }
}

/* ---- The fleet ------------------------------------------------------------------- */

static const char *fleet(const char *verb, const char *args)
{
    const char *words = rules_redis(rules_text(
        "FCALL stint_%s 1 {stint} 1 1000000000000 %s", verb, args));
    return words;
}

static void test_fleet(void **state)
{
    static const struct {
        const char *damage, *word;
    } rows[] = {{"HDEL {stint}:workers w1", "MENDED"},
                {"ZREM {stint}:leases w1", "MENDED"},
                {"SET {stint}:workers foreign", "ASIDE"},
                {"SET {stint}:leases foreign", "ASIDE"},
                {"SET {stint}:groups foreign", "ASIDE"},
                {"LPUSH {stint}:leader foreign", "ASIDE"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        rules_clean(NULL);
        ASK("fleet_heartbeat", "w1", "{}", "1000", "main");
        if (strstr(rows[i].damage, "leader"))
            rules_redis("DEL {stint}:leader");
        assert_string_equal(fleet("repair", "1 0 9"),
                            "1000000000000000 0 0 0");
        rules_redis(rows[i].damage);
        assert_true(strlen(fleet("fsck", "1 0 9")) > 24);
        assert_non_null(strstr(fleet("repair", "1 0 9"), rows[i].word));
        fleet("repair", "1 0 9");
        assert_string_equal(fleet("fsck", "1 0 9"), "1000000000000000 0 0 0");
    }
    rules_redis("ZADD {stint}:commands:w9 1 x");
    rules_redis("SET {stint}:strange 1");
    assert_non_null(strstr(fleet("repair_keys", ":commands:w9"), "MENDED"));
    REDIS("0", "EXISTS {stint}:commands:w9");
    assert_non_null(strstr(fleet("repair_keys", ":strange"), "LEFT"));
    REDIS("1", "EXISTS {stint}:strange");
}

/* Every state, however often: nothing to do. */
static void test_healthy(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        rules_clean(NULL);
        rules_bring("a", rules_states[i], "level=3");
        agrees();
    }
    family_up();
    agrees();
}

RULES_MAIN(RULES_TEST(test_healthy), RULES_TEST(test_indexes),
           RULES_TEST(test_stop_time_and_lease), RULES_TEST(test_families),
           RULES_TEST(test_cast_counts), RULES_TEST(test_parents),
           RULES_TEST(test_parents_that_ended),
           RULES_TEST(test_parents_elsewhere), RULES_TEST(test_endings),
           RULES_TEST(test_lost),
           RULES_TEST(test_lost_and_lost_again),
           RULES_TEST(test_assign_and_recover_are_loud),
           RULES_TEST(test_outputs), RULES_TEST(test_ids),
           RULES_TEST(test_types), RULES_TEST(test_keys), RULES_TEST(test_hidden_sets),
           RULES_TEST(test_fleet))
