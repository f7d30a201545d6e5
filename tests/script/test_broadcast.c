/* SPDX-License-Identifier: MIT */
/* Broadcasts: fire makes one part for each live worker, assign hands a part
 * out beyond all slots, and the last part that ends ends the broadcast. */
#include "rules.h"

#define LEASE "1000000000000"

/* Only the broadcast is left of it. */
static void assert_no_parts(void)
{
    REDIS("b", "HKEYS {stint:main}:task");
    REDIS("b", "HKEYS {stint:main}:state");
    REDIS("0", "EXISTS {stint:main}:cast:w1 {stint:main}:cast:w2 "
               "{stint:main}:cast:w3 {stint:main}:running:w1 "
               "{stint:main}:running:w2 {stint:main}:running:w3 "
               "{stint:main}:casting {stint:main}:stops:w1");
    REDIS("", "KEYS {stint:main}:run:b@*");
    assert_string_equal(rules_field("b", "parts"), "");
    assert_string_equal(rules_field("b", "open"), "");
    assert_string_equal(rules_field("b", "ran"), "");
    assert_string_equal(rules_field("b", "bad"), "");
    assert_string_equal(rules_field("b", "stopping"), "");
}

static void assert_ended(const char *status, const char *output)
{
    assert_string_equal(rules_status("b"), status);
    REDIS(output, "HGET {stint:main}:run b");
    REDIS("1", "HGET {stint:main}:ended %s", status);
    assert_no_parts();
}

/* Queued and fired: b@1 is w1's part, b@2 is w2's. */
static void fired(const char *rules)
{
    rules_queue("b", rules_text("cast=1 %s", rules));
    EXPECT("1 0", "fire", "9");
    assert_string_equal(rules_status("b"), "RUNNING");
    REDIS("b@1", "ZRANGE {stint:main}:cast:w1 0 -1");
    REDIS("b@2", "ZRANGE {stint:main}:cast:w2 0 -1");
}

static const char *part_of(const char *worker)
{
    return strcmp(worker, "w1") == 0 ? "b@1" : "b@2";
}

static void take(const char *worker)
{
    assert_string_equal(rules_assign(worker, 0, 0, "f"), part_of(worker));
    assert_string_equal(rules_status(part_of(worker)), "RUNNING");
}

static void report(const char *worker, const char *status)
{
    EXPECT("OK", "report", worker, part_of(worker),
           rules_ticket(part_of(worker)), status,
           rules_text("{\"by\":\"%s\"}", worker));
}

static void run(const char *worker, const char *status)
{
    take(worker);
    report(worker, status);
}

/* ---- Who gets a part --------------------------------------------------- */

static void test_every_live_worker(void **state)
{
    (void)state;
    EXPECT("NEW 0 0 0 0", "heartbeat", "w0", "500", "0");
    EXPECT("NEW 0 0 0 0", "heartbeat", "w3", LEASE, "0r");
    EXPECT("NEW 0 0 0 0", "heartbeat", "w4", LEASE, "0");
    EXPECT("OK 0 0 0 0", "heartbeat", "w4", "0", "0");
    rules_now += 501;
    fired("");
    assert_string_equal(rules_field("b", "parts"), "2");
    REDIS("3", "HLEN {stint:main}:state");
    REDIS("0", "EXISTS {stint:main}:cast:w0 {stint:main}:cast:w3 "
               "{stint:main}:cast:w4");
}

static void test_only_when_due(void **state)
{
    (void)state;
    rules_queue_at("b", "f", "+5000", "", "cast=1");
    EXPECT("0 0", "fire", "9");
    rules_now += 4999;
    EXPECT("0 0", "fire", "9");
    rules_now += 1;
    EXPECT("1 0", "fire", "9");
    EXPECT("0 0", "fire", "9");
}

/* But one that rests, and one that has left. */
static void test_nobody_there(void **state)
{
    (void)state;
    EXPECT("OK 0 0 0 0", "heartbeat", "w1", LEASE, "0r");
    EXPECT("OK 0 0 0 0", "heartbeat", "w2", "0", "0");
    rules_queue("b", "cast=1");
    EXPECT("0 0", "fire", "9");
    assert_string_equal(rules_status("b"), "QUEUED");
    EXPECT("NEW 0 0 0 0", "heartbeat", "w2", LEASE, "0");
    EXPECT("1 0", "fire", "9");
    assert_string_equal(rules_field("b", "parts"), "1");
    REDIS("b@1", "ZRANGE {stint:main}:cast:w2 0 -1");
}

static void test_limit(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        rules_queue(rules_text("b%d", i), "cast=1");
    EXPECT("2 1", "fire", "2");
    EXPECT("1 0", "fire", "2");
}

/* assign fires, too, and tells the others. */
static void test_assign_fires(void **state)
{
    (void)state;
    rules_queue("b", "cast=1");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "");
    assert_string_equal(rules_status("b"), "RUNNING");
    REDIS("1", "EXISTS {stint:main}:signal:w2");
    EXPECT("OK 0 1 0 0", "heartbeat", "w2", LEASE, "0");
    run("w1", "COMPLETED");
    run("w2", "COMPLETED");
}

static void test_a_busy_worker(void **state)
{
    (void)state;
    rules_queue("a", "");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    fired("");
    rules_queue("c", "");
    take("w1"); /* no slot, and the part all the same */
    assert_string_equal(rules_status("c"), "QUEUED");
    assert_string_equal(rules_field("b@1", "worker"), "w1");
}

static void test_not_from_other_states(void **state)
{
    (void)state;
    for (int i = 0; i < RULES_STATES; i++) {
        rules_clean(NULL);
        rules_bring("a", rules_states[i], "");
        const char *before = rules_digest();
        EXPECT("0 0", "fire", "9");
        assert_string_equal(rules_digest(), before);
    }
}

/* ---- What comes of it -------------------------------------------------- */

static void test_gathers(void **state)
{
    (void)state;
    fired("");
    const char *fence = rules_text("%s", rules_field("b", "fence"));
    REDIS("b", "ZRANGE {stint:main}:casting 0 -1");
    run("w1", "COMPLETED");
    assert_string_equal(rules_status("b"), "RUNNING");
    rules_now += 1000;
    run("w2", "COMPLETED");
    assert_ended("COMPLETED", "{\"result\":{\"runs\":2,\"completed\":2}}");
    assert_string_equal(rules_field("b", "run"), "1");
    assert_string_equal(rules_field("b", "fence"), fence);
    const char *all = ASK_ALL("task_status", "3", "b");
    assert_non_null(strstr(all, "[COMPLETED 1000000001000000 w2 1000000001000 "
                                "1000000001000 {\"by\":\"w2\"},"
                                "COMPLETED 1000000000000000 w1 1000000000000 "
                                "1000000000000 {\"by\":\"w1\"}]"));
}

static void test_one_fails(void **state)
{
    static const char *const rows[] = {"FAILED", "TIMEOUT", "STOPPED"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        rules_clean(NULL);
        fired("repeats=3 period=0");
        run("w1", rows[i]);
        assert_string_equal(rules_status("b"), "RUNNING");
        run("w2", "COMPLETED");
        assert_ended("FAILED", "{\"result\":{\"runs\":2,\"completed\":1},"
                               "\"error\":\"1 of 2 runs did not complete\"}");
        assert_string_equal(rules_field("b", "run"), "");
        REDIS("2", "LLEN {stint:main}:run:b");
    }
}

static void test_function_not_known(void **state)
{
    (void)state;
    fired("");
    assert_string_equal(rules_assign("w1", 1, 0, "g"), "");
    REDIS("", "HGET {stint:main}:state b@1");
    run("w2", "COMPLETED");
    assert_ended("COMPLETED", "{\"result\":{\"runs\":1,\"completed\":1}}");
    rules_clean(NULL);
    fired("");
    assert_string_equal(rules_assign("w1", 1, 0, "g"), "");
    assert_string_equal(rules_assign("w2", 1, 0, "g"), "");
    assert_ended("FAILED", "{\"result\":{\"runs\":0,\"completed\":0},\"error\":"
                           "\"no worker of the group knows its function\"}");
    REDIS("0", "LLEN {stint:main}:run:b");
}

static void test_worker_lost(void **state)
{
    (void)state;
    for (int running = 0; running < 2; running++) {
        rules_clean(NULL);
        fired("retry=5");
        if (running)
            take("w1");
        run("w2", "COMPLETED");
        ASK("heartbeat", "w1", "0", "0");
        EXPECT("1 0", "recover", "9", "0");
        assert_ended("FAILED", "{\"result\":{\"runs\":2,\"completed\":1},"
                               "\"error\":\"1 of 2 runs did not complete\"}");
        assert_memory_equal(rules_redis("LINDEX {stint:main}:run:b 0"),
                            "LOST ", 5);
        REDIS("", "ZSCORE {stint:main}:workers w1");
    }
}

static void test_all_workers_lost(void **state)
{
    (void)state;
    fired("");
    take("w1");
    rules_now += 2 * INT64_C(1000000000000);
    EXPECT("2 0", "recover", "9", "0");
    assert_ended("FAILED", "{\"result\":{\"runs\":2,\"completed\":0},"
                           "\"error\":\"2 of 2 runs did not complete\"}");
}

/* A part is tried again by the same worker; its failed runs are kept. */
static void test_retry(void **state)
{
    (void)state;
    fired("retry=1 delay=0");
    run("w1", "TIMEOUT");
    assert_string_equal(rules_status("b@1"), "QUEUED");
    assert_string_equal(rules_assign("w2", 9, 9, "f"), "b@2");
    report("w2", "COMPLETED");
    const char *old = rules_text("%s", rules_ticket("b@1"));
    take("w1");
    assert_string_not_equal(old, rules_ticket("b@1"));
    EXPECT("STALE", "report", "w1", "b@1", old, "COMPLETED", "");
    report("w1", "COMPLETED");
    assert_ended("COMPLETED", "{\"result\":{\"runs\":2,\"completed\":2}}");
    REDIS("3", "LLEN {stint:main}:run:b");
    assert_memory_equal(rules_redis("LINDEX {stint:main}:run:b -1"),
                        "TIMEOUT ", 8);
    rules_clean(NULL);
    fired("retry=1 delay=0");
    run("w1", "FAILED");
    run("w1", "FAILED");
    run("w2", "COMPLETED");
    assert_string_equal(rules_status("b"), "FAILED");
}

/* Dropped while it waits for its second try: that try was no run. */
static void test_dropped_before_the_retry(void **state)
{
    (void)state;
    fired("retry=1 delay=5000");
    run("w1", "FAILED");
    run("w2", "COMPLETED");
    EXPECT("1 0", "recover", "9", "0", "w1", "");
    assert_ended("FAILED", "{\"result\":{\"runs\":2,\"completed\":1},"
                           "\"error\":\"1 of 2 runs did not complete\"}");
    assert_memory_equal(rules_redis("LINDEX {stint:main}:run:b 0"),
                        "LOST 0 w1 0 ", 12);
    assert_memory_equal(rules_redis("LINDEX {stint:main}:run:b 2"),
                        "FAILED 1000000000000000 w1 1000000000000 ", 41);
}

static void test_released_part(void **state)
{
    (void)state;
    fired("");
    take("w1");
    EXPECT("OK", "release", "w1", "b@1", rules_ticket("b@1"));
    assert_string_equal(rules_status("b@1"), "QUEUED");
    assert_string_equal(rules_assign("w2", 9, 9, "f"), "b@2");
    run("w1", "COMPLETED");
    report("w2", "COMPLETED");
    assert_string_equal(rules_status("b"), "COMPLETED");
}

/* An assign reply with a part in it was lost. */
static void test_lost_reply(void **state)
{
    (void)state;
    fired("");
    take("w1");
    EXPECT("OK 0 0 0 0", "heartbeat", "w1", LEASE, "1");
    EXPECT("OK 0 1 0 0", "heartbeat", "w1", LEASE, "0");
    run("w1", "COMPLETED");
    run("w2", "COMPLETED");
    assert_string_equal(rules_status("b"), "COMPLETED");
}

static void test_discard(void **state)
{
    (void)state;
    fired("discard=1");
    run("w1", "COMPLETED");
    run("w2", "COMPLETED");
    assert_ended("COMPLETED", "");
    REDIS("0", "LLEN {stint:main}:run:b");
}

static void test_child_of_a_broadcast(void **state)
{
    (void)state;
    rules_queue("a", "");
    rules_queue("b", "cast=1 after=a");
    rules_queue("c", "after=b");
    EXPECT("0 0", "fire", "9");
    rules_run_once("a", "COMPLETED");
    EXPECT("OK", "delete_task", "a");
    assert_string_equal(rules_assign("w2", 9, 9, "f"), "");
    run("w1", "COMPLETED");
    assert_string_equal(rules_field("c", "wait"), "1");
    run("w2", "COMPLETED");
    assert_string_equal(rules_field("c", "wait"), "");
}

/* ---- Again and again --------------------------------------------------- */

static void test_repeats(void **state)
{
    (void)state;
    fired("repeats=2 period=60000");
    const char *fence = rules_text("%s", rules_field("b", "fence"));
    rules_now += 10;
    run("w1", "COMPLETED");
    run("w2", "COMPLETED");
    assert_string_equal(rules_status("b"), "QUEUED");
    assert_int_equal(rules_number("b", "next"), RULES_START + 60000);
    assert_no_parts();
    EXPECT("NEW 0 0 0 0", "heartbeat", "w3", LEASE, "0");
    rules_now = RULES_START + 59999;
    EXPECT("0 0", "fire", "9");
    rules_now++;
    EXPECT("1 0", "fire", "9");
    assert_true(strtoll(fence, NULL, 10) < rules_number("b", "fence"));
    assert_string_equal(rules_field("b", "parts"), "3");
    run("w1", "COMPLETED");
    run("w2", "COMPLETED");
    assert_string_equal(rules_assign("w3", 0, 0, "f"), "b@3");
    EXPECT("OK", "report", "w3", "b@3", rules_ticket("b@3"), "COMPLETED", "");
    assert_ended("COMPLETED", "{\"result\":{\"runs\":3,\"completed\":3}}");
    assert_string_equal(rules_field("b", "run"), "2");
    REDIS("5", "LLEN {stint:main}:run:b");
}

static void test_cron(void **state)
{
    (void)state;
    fired("cron=1 repeats=0");
    long long next = (long long)rules_now + 86400000;
    for (int i = 0; i < 2; i++) {
        const char *worker = i ? "w2" : "w1";
        take(worker);
        EXPECT("OK", "report", worker, part_of(worker),
               rules_ticket(part_of(worker)),
               rules_text("COMPLETED %lld", next), "");
    }
    assert_string_equal(rules_status("b"), "QUEUED");
    assert_int_equal(rules_number("b", "next"), next);
    EXPECT("0 0", "fire", "9");
    rules_now = next;
    EXPECT("1 0", "fire", "9");
}

/* The last part may be one that is skipped: it knows no match. */
static void test_cron_skipped_last(void **state)
{
    (void)state;
    fired("cron=1 repeats=0");
    long long next = (long long)rules_now + 86400000;
    take("w1");
    EXPECT("OK", "report", "w1", "b@1", rules_ticket("b@1"),
           rules_text("COMPLETED %lld", next), "");
    assert_string_equal(rules_assign("w2", 1, 0, "g"), "");
    assert_string_equal(rules_status("b"), "QUEUED");
    assert_int_equal(rules_number("b", "next"), next);
    assert_string_equal(rules_field("b", "match"), "");
}

static void test_stop_time(void **state)
{
    (void)state;
    rules_queue_at("b", "f", "+1000", "+2000", "cast=1");
    rules_now += 2001;
    EXPECT("0 0", "fire", "9");
    EXPECT("1 0", "expire", "9");
    assert_ended("EXPIRED", "");
    rules_clean(NULL);
    rules_queue_at("b", "f", "+0", "+2000", "cast=1 repeats=0 period=5000");
    EXPECT("1 0", "fire", "9");
    rules_now += 3000; /* never aborts a run */
    EXPECT("0 0", "expire", "9");
    run("w1", "COMPLETED");
    run("w2", "COMPLETED");
    assert_ended("EXPIRED", "{\"result\":{\"runs\":2,\"completed\":2}}");
    assert_string_equal(rules_field("b", "run"), "1");
}

static void test_requeued(void **state)
{
    (void)state;
    fired("");
    run("w1", "FAILED");
    run("w2", "COMPLETED");
    EXPECT("OK", "requeue_task", "b", "1");
    assert_no_parts();
    REDIS("2", "LLEN {stint:main}:run:b");
    REDIS("0", "HEXISTS {stint:main}:run b");
    EXPECT("1 0", "fire", "9");
    run("w1", "COMPLETED");
    run("w2", "COMPLETED");
    assert_string_equal(rules_status("b"), "COMPLETED");
    REDIS("4", "LLEN {stint:main}:run:b");
}

/* ---- Stopped, disabled ------------------------------------------------- */

static void test_stop_queued(void **state)
{
    (void)state;
    rules_queue("b", "cast=1");
    EXPECT("STOPPED", "stop_task", "b");
    assert_ended("STOPPED", "");
    EXPECT("0 0", "fire", "9");
}

/* Neither of its parts was begun: it ends in the same step. */
static void test_stop_with_queued_parts(void **state)
{
    (void)state;
    fired("");
    EXPECT("STOPPING", "stop_task", "b");
    assert_string_equal(rules_status("b"), "STOPPED");
    REDIS("1", "HGET {stint:main}:ended STOPPED");
    assert_no_parts();
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "");
}

static void test_stop_with_running_parts(void **state)
{
    static const char *const last[] = {"STOPPED", "FAILED", "COMPLETED"};

    (void)state;
    for (int i = 0; i < 6; i++) {
        int both = i % 2;
        rules_clean(NULL);
        fired("repeats=3 retry=3 delay=0 period=0");
        take("w1");
        if (both)
            take("w2");
        EXPECT("STOPPING", "stop_task", "b");
        assert_string_equal(rules_status("b"), "RUNNING");
        assert_string_equal(rules_field("b", "stopping"), "1");
        assert_string_equal(rules_field("b@1", "stopping"), "1");
        EXPECT("OK 0 0 1 0 b@1", "heartbeat", "w1", LEASE, "0");
        EXPECT("STOPPING", "stop_task", "b");
        report("w1", last[i / 2]);
        if (both)
            report("w2", "STOPPED");
        assert_string_equal(rules_status("b"), "STOPPED");
        REDIS("1", "HGET {stint:main}:ended STOPPED");
        assert_no_parts();
    }
}

static void test_disabled(void **state)
{
    (void)state;
    rules_queue("b", "cast=1 disabled=1 repeats=2 period=0");
    EXPECT("0 0", "fire", "9");
    EXPECT("OK", "enable_task", "b");
    EXPECT("1 0", "fire", "9");
    EXPECT("OK", "disable_task", "b");
    run("w1", "COMPLETED");
    run("w2", "COMPLETED");
    REDIS("b", "ZRANGE {stint:main}:held 0 -1");
    EXPECT("0 0", "fire", "9");
    EXPECT("OK", "enable_task", "b");
    EXPECT("1 0", "fire", "9");
}

/* What it has not begun, a worker that comes to rest drops. */
static void test_worker_rests(void **state)
{
    (void)state;
    fired("");
    EXPECT("OK 0 1 0 0", "heartbeat", "w1", LEASE, "0r");
    REDIS("0", "EXISTS {stint:main}:cast:w1");
    run("w2", "COMPLETED");
    assert_string_equal(rules_status("b"), "FAILED");
    assert_memory_equal(rules_redis("LINDEX {stint:main}:run:b 1"),
                        "STOPPED ", 8);
    assert_no_parts();
    rules_clean(NULL); /* what it runs goes on */
    fired("");
    take("w1");
    EXPECT("OK 0 0 1 0", "heartbeat", "w1", LEASE, "0r");
    report("w1", "COMPLETED");
    run("w2", "COMPLETED");
    assert_string_equal(rules_status("b"), "COMPLETED");
}

/* It passes a marker on, say, before its heartbeat says that it rests. */
static void test_resting_takes_none(void **state)
{
    (void)state;
    fired("");
    EXPECT(rules_text("%lld 0", (long long)rules_now), "assign", "w1", "t",
           "0 r", "0", "f");
    assert_string_equal(rules_status("b@1"), "QUEUED");
    run("w1", "COMPLETED");
    run("w2", "COMPLETED");
    assert_string_equal(rules_status("b"), "COMPLETED");
}

/* A part is no task of its own. */
static void test_parts_are_not_tasks(void **state)
{
    static const char *const verbs[] = {"stop_task", "delete_task",
                                        "enable_task", "disable_task"};

    (void)state;
    fired("");
    take("w1");
    const char *before = rules_digest();
    for (int i = 0; i < 4; i++) {
        EXPECT_START("-NOTFOUND", verbs[i], "b@1");
        EXPECT_START("-NOTFOUND", verbs[i], "b@2");
    }
    EXPECT_START("-STATE", "requeue_task", "b@2", "0");
    EXPECT_START("-STATE", "delete_task", "b");
    assert_string_equal(rules_digest(), before);
}

static void test_long_id(void **state)
{
    const char *id = rules_text("%0121d", 0);

    (void)state;
    EXPECT_START("0 INVALID id", "queue_task", "0", id, "f", "+0", "",
                 "cast=1", "{}");
    EXPECT("", "queue_task", "0", id + 1, "f", "+0", "", "cast=1", "{}");
}

RULES_MAIN(
    RULES_TEST(test_every_live_worker), RULES_TEST(test_only_when_due),
    RULES_TEST(test_nobody_there), RULES_TEST(test_limit),
    RULES_TEST(test_assign_fires), RULES_TEST(test_a_busy_worker),
    RULES_TEST(test_not_from_other_states), RULES_TEST(test_gathers),
    RULES_TEST(test_one_fails), RULES_TEST(test_function_not_known),
    RULES_TEST(test_worker_lost), RULES_TEST(test_all_workers_lost),
    RULES_TEST(test_retry), RULES_TEST(test_dropped_before_the_retry),
    RULES_TEST(test_released_part),
    RULES_TEST(test_lost_reply), RULES_TEST(test_discard),
    RULES_TEST(test_child_of_a_broadcast), RULES_TEST(test_repeats),
    RULES_TEST(test_cron), RULES_TEST(test_cron_skipped_last),
    RULES_TEST(test_resting_takes_none), RULES_TEST(test_stop_time),
    RULES_TEST(test_requeued), RULES_TEST(test_stop_queued),
    RULES_TEST(test_stop_with_queued_parts),
    RULES_TEST(test_stop_with_running_parts), RULES_TEST(test_disabled),
    RULES_TEST(test_worker_rests), RULES_TEST(test_parts_are_not_tasks),
    RULES_TEST(test_long_id))
