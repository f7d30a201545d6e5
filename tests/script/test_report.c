/* SPDX-License-Identifier: MIT */
/* report: RUNNING -> an end state or QUEUED again; counting and the times of
 * the next run, worked by hand. */
#include "rules.h"

static void test_from_every_state(void **state)
{
    static const struct {
        const char *from, *word;
    } rows[] = {{"QUEUED", "STALE"},    {"ASSIGNED", "STALE"},
                {"RUNNING", "OK"},      {"COMPLETED", "AGAIN"},
                {"FAILED", "AGAIN"},    {"TIMEOUT", "AGAIN"},
                {"STOPPED", "AGAIN"},   {"EXPIRED", "STALE"}};
    static const char *const results[] = {"COMPLETED", "FAILED", "TIMEOUT",
                                          "STOPPED"};

    (void)state;
    for (int ruled = 0; ruled < 2; ruled++) {
        for (int result = 0; result < 4; result++) {
            for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
                rules_clean(NULL);
                const char *ticket = rules_bring("a", rows[i].from,
                                                 ruled ? "level=5" : "");
                const char *before = rules_digest();
                EXPECT(rows[i].word, "report", "w1", "a", ticket,
                       results[result], "{}");
                if (strcmp(rows[i].word, "OK") != 0) {
                    assert_string_equal(rules_digest(), before);
                    assert_string_equal(rules_status("a"), rows[i].from);
                } else {
                    assert_string_equal(rules_status("a"), results[result]);
                    assert_int_equal(rules_number("a", "run"), result == 0);
                    assert_int_equal(rules_number("a", "failed"),
                                     result == 1 || result == 2);
                    assert_int_equal(rules_number("a", "stop"), rules_now);
                }
            }
        }
    }
}

static void test_stale_changes_nothing(void **state)
{
    static const char *const rules[] = {"", "repeats=5 retry=3"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        rules_clean(NULL);
        rules_queue("a", rules[i]);
        assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
        const char *old = rules_text("%s", rules_ticket("a"));
        EXPECT("OK", "release", "w1", "a", old);
        rules_now += 1;
        assert_string_equal(rules_assign("w2", 1, 0, "f"), "a");
        const char *record = rules_text("%s", rules_record("a"));
        const char *before = rules_digest();
        EXPECT("STALE", "report", "w1", "a", old, "COMPLETED", "{}");
        EXPECT("STALE", "report", "w2", "a", old, "COMPLETED", "{}");
        EXPECT("STALE", "report", "w1", "a", rules_ticket("a"), "FAILED", "");
        EXPECT("STALE", "report", "w2", "b", old, "COMPLETED", "{}");
        assert_string_equal(rules_record("a"), record);
        assert_string_equal(rules_digest(), before);
    }
}

static void test_twice_is_counted_once(void **state)
{
    static const char *const rules[] = {"", "repeats=3 period=0",
                                        "retry=3 period=0"};
    static const char *const results[] = {"COMPLETED", "COMPLETED", "FAILED"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        rules_clean(NULL);
        const char *ticket = rules_bring("a", "RUNNING", rules[i]);
        EXPECT("OK AGAIN", "report", "w1", "a", ticket, results[i], "{}", "a",
               ticket, results[i], "{}");
        const char *before = rules_digest();
        EXPECT("AGAIN", "report", "w1", "a", ticket, results[i], "{}");
        assert_string_equal(rules_digest(), before);
        assert_int_equal(rules_number("a", i < 2 ? "run" : "failed"), 1);
    }
    REDIS("0", "EXISTS {stint:main}:ended"); /* the last one goes on */
}

static void test_judged_each_by_itself(void **state)
{
    (void)state;
    rules_queue("a", "");
    rules_queue("b", "level=2");
    rules_queue("c", "");
    assert_string_equal(rules_assign("w1", 9, 0, "f"), "b a c");
    EXPECT("OK STALE OK STALE", "report", "w1", "a", rules_ticket("a"),
           "COMPLETED", "{}", "b", "1 x", "COMPLETED", "{}", "c",
           rules_ticket("c"), "FAILED", "{}", "d", "1 x", "FAILED", "");
    assert_string_equal(rules_status("b"), "RUNNING");
    REDIS("1", "HGET {stint:main}:ended COMPLETED");
    REDIS("1", "HGET {stint:main}:ended FAILED");
    const char *before = rules_digest();
    EXPECT_START("-INVALID", "report", "w1", "b", rules_ticket("b"), "RUNNING",
                 "");
    assert_string_equal(rules_digest(), before);
}

/* An old ticket is STALE, also next to the right one in the same call. */
static void test_stale_beside_the_right_one(void **state)
{
    (void)state;
    const char *ticket = rules_bring("a", "RUNNING", "");
    EXPECT("OK STALE", "report", "w1", "a", ticket, "COMPLETED", "{}", "a",
           "1 x", "COMPLETED", "{}");
}

static void test_repeats_2_period_5(void **state)
{
    (void)state;
    rules_queue("a", "repeats=2 period=5000");
    int64_t start = rules_now;
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    rules_now += 1200;
    assert_string_equal(rules_report("a", "COMPLETED"), "OK");
    assert_string_equal(rules_status("a"), "QUEUED");
    assert_int_equal(rules_number("a", "run"), 1);
    assert_int_equal(rules_number("a", "next"), start + 5000);
    rules_now = start + 4999;
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "");
    rules_now = start + 5000;
    assert_string_equal(rules_run_once("a", "COMPLETED"), "OK");
    assert_string_equal(rules_status("a"), "COMPLETED");
    assert_int_equal(rules_number("a", "run"), 2);
    REDIS("1", "HGET {stint:main}:ended COMPLETED");
    REDIS("1", "LLEN {stint:main}:run:a");
    REDIS("{\"r\":1}", "HGET {stint:main}:run a");
}

/* --retry-failed 2 --repeats 2 --period 1: F F C F F C. */
static void test_design_example(void **state)
{
    const char *results = "FFCFFC";

    (void)state;
    rules_queue("a", "retry=2 repeats=2 period=1000");
    for (int i = 0; i < 6; i++) {
        assert_string_equal(rules_status("a"), "QUEUED");
        assert_string_equal(
            rules_run_once("a", results[i] == 'C' ? "COMPLETED" : "FAILED"),
            "OK");
        assert_int_equal(rules_number("a", "failed"),
                         results[i] == 'C' ? 0 : i % 3 + 1);
        assert_int_equal(rules_number("a", "run"), (i + 1) / 3);
        if (i < 5) {
            assert_int_equal(rules_number("a", "next"), rules_now + 1000);
            assert_string_equal(rules_assign("w1", 1, 0, "f"), "");
        }
        rules_now += 1000;
    }
    assert_string_equal(rules_status("a"), "COMPLETED");
    REDIS("5", "LLEN {stint:main}:run:a"); /* and the last: six runs */
}

static void test_repeats_3_with_failure(void **state)
{
    (void)state;
    rules_queue("a", "repeats=3 period=0");
    assert_string_equal(rules_run_once("a", "COMPLETED"), "OK");
    assert_string_equal(rules_run_once("a", "FAILED"), "OK");
    assert_string_equal(rules_status("a"), "FAILED");
    assert_int_equal(rules_number("a", "run"), 1);
    assert_int_equal(rules_number("a", "failed"), 1);
}

static void test_without_end(void **state)
{
    (void)state;
    rules_queue("a", "repeats=0 retry=-1 period=0");
    for (int i = 0; i < 30; i++)
        assert_string_equal(rules_run_once("a", i % 3 ? "TIMEOUT"
                                                      : "COMPLETED"), "OK");
    assert_string_equal(rules_status("a"), "QUEUED");
    assert_int_equal(rules_number("a", "run"), 10);
    assert_int_equal(rules_number("a", "failed"), 2);
    REDIS("20", "LLEN {stint:main}:run:a");
    assert_string_equal(rules_run_once("a", "STOPPED"), "OK");
    assert_string_equal(rules_status("a"), "STOPPED");
}

static void test_prevent_drift(void **state)
{
    static const struct {
        int64_t late, lasts, next; /* seconds after start_time */
    } rows[] = {{0, 150, 180}, {0, 0, 60}, {0, 59, 60}, {0, 60, 120},
                {7, 10, 60}, {61, 10, 120}, {3600, 1, 3660}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        rules_clean(NULL);
        rules_queue("a", "repeats=0 period=60000 drift=1");
        rules_now = RULES_START + rows[i].late * 1000;
        assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
        rules_now += rows[i].lasts * 1000;
        assert_string_equal(rules_report("a", "COMPLETED"), "OK");
        assert_int_equal(rules_number("a", "next"),
                         RULES_START + rows[i].next * 1000);
    }
}

static void test_next_of_the_last_run(void **state)
{
    (void)state;
    rules_queue("a", "repeats=1 period=93000");
    rules_now += 777;
    int64_t start = rules_now;
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    rules_now += 30000;
    assert_string_equal(rules_report("a", "COMPLETED"), "OK");
    assert_string_equal(rules_status("a"), "COMPLETED");
    assert_int_equal(rules_number("a", "next"), start + 93000);
}

static void test_series_past_stop_time(void **state)
{
    (void)state;
    rules_queue_at("a", "f", "+0", "+100000", "repeats=0 period=60000");
    assert_string_equal(rules_run_once("a", "COMPLETED"), "OK");
    assert_string_equal(rules_status("a"), "QUEUED");
    REDIS("1", "ZCARD {stint:main}:expiry");
    rules_now += 60000;
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    REDIS("0", "ZCARD {stint:main}:expiry");
    rules_now += 50000; /* past stop_time: the run goes on */
    EXPECT("0 0", "expire", "100");
    assert_string_equal(rules_report("a", "COMPLETED"), "OK");
    assert_string_equal(rules_status("a"), "EXPIRED");
    assert_int_equal(rules_number("a", "run"), 2);
    REDIS("2", "LLEN {stint:main}:run:a");
    REDIS("1", "HGET {stint:main}:ended EXPIRED");
    /* Exactly at stop_time it may still run. */
    rules_queue_at("b", "f", "+0", "+60000", "repeats=0 period=60000");
    assert_string_equal(rules_run_once("b", "COMPLETED"), "OK");
    assert_string_equal(rules_status("b"), "QUEUED");
}

static void test_retry_times(void **state)
{
    int64_t delay = 1000;

    (void)state;
    rules_queue("a", "retry=3 delay=7000 period=60000");
    rules_run_once("a", "FAILED");
    assert_int_equal(rules_number("a", "next"), rules_now + 7000);
    rules_clean(NULL);
    rules_queue("a", "retry=-1 delay=1000 backoff=2 cap=60000");
    for (int i = 0; i < 300; i++) {
        assert_string_equal(rules_run_once("a", "FAILED"), "OK");
        int64_t wait = rules_number("a", "next") - rules_now;
        assert_true(wait <= 60000);
        assert_true(wait <= delay * 5 / 4);
        assert_true(wait >= delay * 3 / 4 || wait == 60000);
        if (delay < INT64_C(1) << 50)
            delay *= 2;
        rules_now += wait;
    }
    rules_clean(NULL); /* without a cap: an hour */
    rules_queue("a", "retry=-1 delay=3000000 backoff=9");
    rules_run_once("a", "FAILED");
    rules_now = rules_number("a", "next");
    rules_run_once("a", "FAILED");
    assert_int_equal(rules_number("a", "next"), rules_now + HOUR);
}

/* The fence's last digits decide between 0.75 and 1.25. */
static void test_jitter(void **state)
{
    static const struct {
        int before, wait; /* fences end in before + 1 */
    } rows[] = {{-1, 750}, {499, 1000}, {998, 1249}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        const char *rules = "retry=1 delay=1000 backoff=2";
        rules_clean(NULL);
        rules_queue("a", rules);
        if (rows[i].before >= 0)
            REDIS("0", "HSET {stint:main}:state a %s",
                  rules_text("QUEUED 1000000000000%03d - - %lld 0 0 %s",
                             rows[i].before, (long long)rules_now, rules));
        assert_string_equal(rules_run_once("a", "FAILED"), "OK");
        assert_int_equal(rules_number("a", "next"), rules_now + rows[i].wait);
    }
}

static void test_discard(void **state)
{
    (void)state;
    rules_queue("a", "repeats=2 period=0 discard=1");
    rules_run_once("a", "COMPLETED");
    rules_run_once("a", "COMPLETED");
    assert_string_equal(rules_status("a"), "COMPLETED");
    REDIS("0", "EXISTS {stint:main}:run {stint:main}:run:a");
}

static void test_above_maxmemory(void **state)
{
    (void)state;
    const char *ticket = rules_bring("a", "RUNNING", "");
    REDIS("OK", "CONFIG SET maxmemory 1");
    EXPECT("OK", "report", "w1", "a", ticket, "COMPLETED", "{}");
    assert_string_equal(rules_status("a"), "COMPLETED");
}

static void test_prunes_in_passing(void **state)
{
    (void)state;
    rules_bring("a", "COMPLETED", "");
    rules_now += DAY;
    const char *ticket = rules_bring("b", "RUNNING", "");
    EXPECT("OK", "report", "w1", "b", ticket, "COMPLETED", "{}");
    assert_string_equal(rules_status("a"), "");
    REDIS("0", "HEXISTS {stint:main}:run a");
}

/* ---- Series, second by second ------------------------------------------ */

static void at_second(int64_t second)
{
    rules_now = RULES_START + second * 1000;
}

/* stop_time +150 s, a run each minute: at 0, 60, 120; the next is too late. */
static void test_series_of_150_seconds(void **state)
{
    static const struct {
        const char *rules, *status;
    } rows[] = {{"repeats=0 period=60000", "EXPIRED"},
                {"repeats=3 period=60000", "COMPLETED"},
                {"repeats=4 period=60000", "EXPIRED"}};

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        rules_clean(NULL);
        rules_queue_at("a", "f", "+0", "+150000", rows[i].rules);
        for (int run = 0; run < 3; run++) {
            if (run > 0) {
                at_second(run * 60 - 1);
                assert_string_equal(rules_assign("w1", 1, 0, "f"), "");
            }
            at_second(run * 60);
            assert_string_equal(rules_run_once("a", "COMPLETED"), "OK");
        }
        assert_string_equal(rules_status("a"), rows[i].status);
        assert_int_equal(rules_number("a", "run"), 3);
        assert_int_equal(rules_number("a", "next"), RULES_START + 180000);
        REDIS("1", "HGET {stint:main}:ended %s", rows[i].status);
    }
}

static void test_second_of_three_fails(void **state)
{
    (void)state;
    rules_queue("a", "repeats=3 retry=0");
    rules_run_once("a", "COMPLETED");
    at_second(60);
    rules_run_once("a", "FAILED");
    assert_string_equal(rules_status("a"), "FAILED");
    assert_int_equal(rules_number("a", "run"), 1);
    assert_int_equal(rules_number("a", "failed"), 1);
}

/* A run longer than its period: the next is due at once, or on the grid; and
 * never are there two at a time. */
static void test_run_of_150_seconds(void **state)
{
    (void)state;
    for (int drift = 0; drift < 2; drift++) {
        rules_clean(NULL);
        rules_queue("a", drift ? "repeats=0 period=60000 drift=1"
                               : "repeats=0 period=60000");
        assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
        for (int t = 0; t < 150; t += 30) {
            at_second(t);
            assert_string_equal(rules_assign("w2", 9, 9, "f"), "");
        }
        at_second(150);
        assert_string_equal(rules_report("a", "COMPLETED"), "OK");
        assert_int_equal(rules_number("a", "next"),
                         RULES_START + (drift ? 180 : 60) * 1000);
        assert_string_equal(rules_assign("w2", 1, 0, "f"), drift ? "" : "a");
        assert_string_equal(rules_assign("w1", 1, 0, "f"), "");
    }
}

static void test_period_93_prevent_drift(void **state)
{
    (void)state;
    rules_queue("a", "period=93000 drift=1 repeats=1");
    at_second(5);
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    at_second(40);
    rules_report("a", "COMPLETED");
    assert_string_equal(rules_status("a"), "COMPLETED");
    assert_int_equal(rules_number("a", "next"), RULES_START + 93000);
}

/* ---- Cron: whoever reports names the next match ------------------------ */

static void report_next(const char *status, int64_t second)
{
    const char *text = second < 0 ? status
        : rules_text("%s %lld", status,
                     (long long)(RULES_START + second * 1000));

    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    assert_string_equal(rules_report("a", text), "OK");
}

static void test_cron(void **state)
{
    (void)state;
    rules_queue("a", "cron=1 repeats=0");
    at_second(3);
    report_next("COMPLETED", 3600);
    assert_string_equal(rules_status("a"), "QUEUED");
    assert_int_equal(rules_number("a", "next"), RULES_START + 3600000);
    at_second(3599);
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "");
    at_second(3601); /* none named: a period after the start */
    report_next("COMPLETED", -1);
    assert_int_equal(rules_number("a", "next"), RULES_START + 3661000);
}

static void test_cron_repeats_and_stop_time(void **state)
{
    (void)state;
    rules_queue("a", "cron=1 repeats=2");
    report_next("COMPLETED", 100);
    assert_string_equal(rules_status("a"), "QUEUED");
    at_second(100);
    report_next("COMPLETED", 200);
    assert_string_equal(rules_status("a"), "COMPLETED");
    assert_int_equal(rules_number("a", "next"), RULES_START + 200000);
    rules_clean(NULL);
    rules_queue_at("a", "f", "+0", "+150000", "cron=1 repeats=0");
    report_next("COMPLETED", 150); /* just in time */
    assert_string_equal(rules_status("a"), "QUEUED");
    at_second(150);
    report_next("COMPLETED", 151);
    assert_string_equal(rules_status("a"), "EXPIRED");
    assert_int_equal(rules_number("a", "run"), 2);
}

/* Of a task without a cronline it says nothing. */
static void test_cron_of_others(void **state)
{
    static const char *const rules[] = {"repeats=2", "repeats=2 drift=1"};

    (void)state;
    for (int i = 0; i < 2; i++) {
        rules_clean(NULL);
        rules_queue("a", rules[i]);
        report_next("COMPLETED", 1000);
        assert_int_equal(rules_number("a", "next"), RULES_START + 60000);
    }
    rules_clean(NULL);
    rules_queue("a", "");
    report_next("COMPLETED", 1000);
    assert_string_equal(rules_status("a"), "COMPLETED");
}

/* A failure of a cron task is tried again after its delay, not at the match. */
static void test_cron_retries(void **state)
{
    (void)state;
    rules_queue("a", "cron=1 repeats=0 retry=1 delay=7000");
    report_next("FAILED", 3600);
    assert_int_equal(rules_number("a", "next"), RULES_START + 7000);
    at_second(7);
    report_next("FAILED", 3600);
    assert_string_equal(rules_status("a"), "FAILED");
}

/* ---- Advice of a run that failed --------------------------------------- */

static void test_advice_moves_the_next_try(void **state)
{
    (void)state;
    rules_queue("a", "retry=3 delay=7000");
    report_next("FAILED !0", -1);
    assert_string_equal(rules_status("a"), "QUEUED");
    assert_int_equal(rules_number("a", "next"), RULES_START);
    report_next("FAILED !90000", -1);
    assert_int_equal(rules_number("a", "next"), RULES_START + 90000);
    at_second(90);
    report_next("FAILED", -1);
    assert_int_equal(rules_number("a", "next"), RULES_START + 97000);
    at_second(97);
    report_next("FAILED !1", -1); /* it adds no try */
    assert_string_equal(rules_status("a"), "FAILED");
    assert_int_equal(rules_number("a", "failed"), 4);
}

static void test_advice_never(void **state)
{
    (void)state;
    rules_queue("a", "retry=-1");
    report_next("FAILED !never", -1);
    assert_string_equal(rules_status("a"), "FAILED");
    rules_clean(NULL);
    rules_queue("a", "cron=1 repeats=0 retry=2 delay=7000");
    report_next("FAILED 1000003600000 !5000", -1);
    assert_int_equal(rules_number("a", "next"), RULES_START + 5000);
    at_second(5);
    report_next("COMPLETED 1000003600000", -1);
    assert_int_equal(rules_number("a", "next"), RULES_START + 3600000);
}

static void test_advice_is_read_strictly(void **state)
{
    static const char *const wrong[] = {"FAILED !", "FAILED never",
                                        "FAILED !5 !5", "FAILED !-1",
                                        "FAILED 5 never", "FAILED !5x",
                                        "FAILED !1000000000000"};

    (void)state;
    rules_queue("a", "retry=-1");
    assert_string_equal(rules_assign("w1", 1, 0, "f"), "a");
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        assert_memory_equal(rules_report("a", wrong[i]),
                            "-INVALID report: not a status: 1 ", 33);
        assert_string_equal(rules_status("a"), "RUNNING");
    }
}

RULES_MAIN(RULES_TEST(test_advice_moves_the_next_try),
           RULES_TEST(test_advice_never),
           RULES_TEST(test_advice_is_read_strictly),
           RULES_TEST(test_from_every_state),
           RULES_TEST(test_stale_changes_nothing),
           RULES_TEST(test_twice_is_counted_once),
           RULES_TEST(test_judged_each_by_itself),
           RULES_TEST(test_stale_beside_the_right_one),
           RULES_TEST(test_repeats_2_period_5),
           RULES_TEST(test_design_example),
           RULES_TEST(test_repeats_3_with_failure),
           RULES_TEST(test_without_end), RULES_TEST(test_prevent_drift),
           RULES_TEST(test_next_of_the_last_run),
           RULES_TEST(test_series_past_stop_time),
           RULES_TEST(test_retry_times), RULES_TEST(test_jitter),
           RULES_TEST(test_discard),
           RULES_TEST(test_above_maxmemory),
           RULES_TEST(test_prunes_in_passing),
           RULES_TEST(test_series_of_150_seconds),
           RULES_TEST(test_second_of_three_fails),
           RULES_TEST(test_run_of_150_seconds),
           RULES_TEST(test_period_93_prevent_drift), RULES_TEST(test_cron),
           RULES_TEST(test_cron_repeats_and_stop_time),
           RULES_TEST(test_cron_of_others), RULES_TEST(test_cron_retries))
