/* SPDX-License-Identifier: MIT */
/* stint_measures, stint_history and stint_rates: what they make of what is kept,
 * also over the parts of a group. Samples and counts are put there by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include <stint/stint.h>

#include "server.h"

#define STEP 10000

static struct server server;
static redisContext *redis;
static stint *handle;
static struct stint_err err;

static void say(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    redisReply *r = redisvCommand(redis, format, ap);
    va_end(ap);
    assert_non_null(r);
    assert_int_not_equal(r->type, REDIS_REPLY_ERROR);
    freeReplyObject(r);
}

static int64_t redis_ms(void)
{
    redisReply *r = redisCommand(redis, "TIME");
    int64_t ms = strtoll(r->element[0]->str, NULL, 10) * 1000 +
                 strtoll(r->element[1]->str, NULL, 10) / 1000;
    freeReplyObject(r);
    return ms;
}

static int up(void **state)
{
    (void)state;
    server_start(&server);
    redis = redisConnectUnix(server.url + strlen("unix://"));
    struct stint_options o = STINT_OPTIONS_INIT;
    o.url = server.url;
    handle = stint_open(&o, &err);
    return handle == NULL;
}

static int down(void **state)
{
    (void)state;
    stint_close(handle);
    redisFree(redis);
    server_stop(&server);
    return 0;
}

/* ---- Measures --------------------------------------------------------------- */

struct seen {
    int n;
    struct stint_measure m[8];
    char name[8][130];
    int64_t queue[8][32];
};

static int see(const struct stint_measure *m, void *arg)
{
    struct seen *s = arg;
    size_t n;
    assert_true(s->n < 8);
    assert_int_equal(m->size, sizeof(*m));
    stint_measure_bounds(&n);
    s->m[s->n] = *m;
    snprintf(s->name[s->n], sizeof(s->name[0]), "%s", m->function);
    memcpy(s->queue[s->n], m->queue_buckets, (n + 1) * sizeof(int64_t));
    s->n++;
    return 0;
}

static void measures_of_all_parts_are_added(void **state)
{
    (void)state;
    struct seen s = {0};
    assert_int_equal(stint_set_parts(handle, "two", 2, &err), 0);
    say("HSET {stint:two}:measures q1 3 qs 6 C10 2 F19 1 rs 9000 L 1 "
        "bounds x functions 1");
    say("HSET {stint:two~1}:measures q1 1 q2 4 qs 9 C10 2 rs 1000 new 7 q0 5 "
        "q20 5 S 5 qx 5");
    redisReply *r = redisCommand(redis, "HSET {stint:two~1}:measures %s 4 %s 1 "
                                        "%s 2 %s 8",
                                 "q2 b", "q1 a", "C10 b", "qs b");
    freeReplyObject(r);
    assert_int_equal(stint_measures(handle, "two", see, &s, &err), 0);
    assert_int_equal(s.n, 3);
    assert_string_equal(s.name[0], "");
    assert_string_equal(s.name[1], "a");
    assert_string_equal(s.name[2], "b");
    assert_int_equal(s.m[0].started, 8);
    assert_int_equal(s.queue[0][0], 4);
    assert_int_equal(s.queue[0][1], 4);
    assert_int_equal(s.m[0].completed, 4);
    assert_int_equal(s.m[0].failed, 1);
    assert_int_equal(s.m[0].lost, 1);
    assert_int_equal(s.m[0].stopped, 0);
    assert_int_equal(s.m[0].run_time.count, 5);
    assert_float_equal(s.m[0].run_time.sum_s, 10, 1e-9);
    assert_float_equal(s.m[0].queue_time.sum_s, 0.015, 1e-9);
    /* Half of 8 are at most 1 ms; 7.6 lie nine tenths into the next. */
    assert_float_equal(s.m[0].queue_time.p50_s, 0.001, 1e-9);
    assert_float_equal(s.m[0].queue_time.p95_s, 0.0019, 1e-9);
    /* Of what took longer than the last bound only that is known. */
    assert_float_equal(s.m[0].run_time.p99_s, 3600, 1e-9);
    assert_int_equal(s.m[2].started, 4);
    assert_int_equal(s.m[2].completed, 2);
    /* A name that is none, a group that is none. */
    assert_int_equal(stint_measures(handle, "a b", see, &s, &err), -1);
    assert_int_equal(err.code, STINT_INVALID);
    err = (struct stint_err){0};
    s.n = 0;
    assert_int_equal(stint_measures(handle, "nobody", see, &s, &err), 0);
    assert_int_equal(s.n, 1);
    assert_int_equal(s.m[0].started, 0);
}

/* ---- History ---------------------------------------------------------------- */

struct points {
    int n;
    struct stint_point p[400];
};

static int keep(const struct stint_point *p, void *arg)
{
    struct points *to = arg;
    assert_true(to->n < 400);
    to->p[to->n++] = *p;
    return 0;
}

/* Points lie between the samples, what has not changed is told again, and a
 * count that is smaller than before tells nothing. */
static void points_of_a_group(void **state)
{
    (void)state;
    static struct points h;
    int64_t step_ms = 0, now = redis_ms() / STEP;
    static const char *const rows[] = {
        "5 3 1 0 10 4 1 0 0 0 100 200 q1=4 r6=5",    /* 6 steps ago */
        "6 2 1 0 12 7 1 0 0 0 190 500 q1=4 q7=3 r6=8", /* 5 */
        NULL, NULL,
        "1 0 0 0 12 9 1 1 2 3 190 500 q1=4 q7=3 r6=8", /* 2 */
        "1 0 0 0 2 1 0 0 0 0 10 20 q1=1"};             /* 1: began anew */
    for (int i = 0; i < 6; i++)
        if (rows[i] != NULL) {
            char line[200];
            snprintf(line, sizeof(line), "%lld %s",
                     (long long)((now - 6 + i) * STEP + 77), rows[i]);
            say("LPUSH {stint:h}:history:hour %s", line);
        }
    say("LPUSH {stint:h}:history:hour broken");
    assert_int_equal(stint_history(handle, "h", STINT_HOUR, &step_ms, keep, &h,
                                   &err), 0);
    assert_int_equal(step_ms, STEP);
    assert_in_range(h.n, 7, 8); /* a step may have ended meanwhile */
    for (int i = 0; i < h.n; i++)
        assert_int_equal(h.p[i].at_ms, (now - 6 + i) * STEP);
    assert_int_equal(h.p[0].queued, 5);
    assert_int_equal(h.p[0].completed, 0); /* since when? */
    assert_int_equal(h.p[1].queued_total, 2);
    assert_int_equal(h.p[1].completed, 3);
    assert_int_equal(h.p[1].queue_time.count, 3);
    assert_float_equal(h.p[1].queue_time.sum_s, 0.09, 1e-9);
    assert_true(h.p[1].queue_time.p50_s > 0.05);
    assert_float_equal(h.p[1].run_time.sum_s, 0.3, 1e-9);
    assert_int_equal(h.p[2].queued, 6);
    assert_int_equal(h.p[2].completed, 0);
    assert_int_equal(h.p[3].running, 1);
    assert_int_equal(h.p[4].completed, 2);
    assert_int_equal(h.p[4].timeout, 1);
    assert_int_equal(h.p[4].stopped, 2);
    assert_int_equal(h.p[4].expired, 3);
    assert_int_equal(h.p[4].queue_time.count, 0);
    assert_int_equal(h.p[5].completed, 0);
    assert_int_equal(h.p[5].queue_time.count, 0);
    assert_int_equal(h.p[6].queued, h.n > 7 ? 1 : 0); /* now: there is none */
    assert_int_equal(stint_history(handle, "h", (enum stint_span)3, NULL, keep,
                                   &h, &err), -1);
    assert_int_equal(err.code, STINT_INVALID);
    err = (struct stint_err){0};
}

static int keep_rate(const struct stint_rate *r, void *arg)
{
    *(struct stint_rate *)arg = *r;
    return 0;
}

static void rates_of_the_last_minute(void **state)
{
    (void)state;
    struct stint_rate r;
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    char id[STINT_ID_LEN + 1];
    struct stint_errors errors;
    o.function = "f";
    o.group_name = "r";
    for (int i = 0; i < 30; i++)
        assert_int_equal(stint_queue_task(handle, &o, id, &errors, &err), 0);
    /* No sample: nothing is known. */
    assert_int_equal(stint_rates(handle, "r", keep_rate, &r, &err), 0);
    assert_float_equal(r.window_s, 0, 0);
    assert_int_equal(r.due, 30);
    assert_float_equal(r.time_to_clear_s, -1, 0);
    /* A sample of an hour ago: it was so a minute ago, too. */
    char line[200];
    int64_t now = redis_ms();
    snprintf(line, sizeof(line), "%lld 0 0 0 0 0 0 0 0 0 0 5 0 q1=40",
             (long long)now - 3600000);
    say("LPUSH {stint:r}:history:hour %s", line);
    say("HSET {stint:r}:measures q1 100 C2 60 rs 120 qs 65");
    assert_int_equal(stint_rates(handle, "r", keep_rate, &r, &err), 0);
    assert_float_equal(r.window_s, 60, 0);
    assert_float_equal(r.queued_per_s, 0.5, 1e-6);
    assert_float_equal(r.started_per_s, 1, 1e-6);
    assert_float_equal(r.reported_per_s, 1, 1e-6);
    assert_float_equal(r.time_to_clear_s, 30, 1e-6);
    assert_int_equal(r.queue_time.count, 60);
    assert_float_equal(r.queue_time.sum_s, 0.06, 1e-6);
    assert_float_equal(r.run_time.sum_s, 0.12, 1e-6);
    /* One of 30 s ago, and one of 10 s ago: as far back as there is. */
    say("DEL {stint:r}:history:hour");
    now = redis_ms();
    snprintf(line, sizeof(line), "%lld 0 0 0 0 0 0 0 0 0 0 5 0 q1=40",
             (long long)now - 30000);
    say("LPUSH {stint:r}:history:hour %s", line);
    snprintf(line, sizeof(line), "%lld 0 0 0 0 0 0 0 0 0 0 5 0 q1=99",
             (long long)now - 10000);
    say("LPUSH {stint:r}:history:hour %s", line);
    assert_int_equal(stint_rates(handle, "r", keep_rate, &r, &err), 0);
    assert_true(r.window_s >= 30 && r.window_s < 40);
    assert_int_equal(r.queue_time.count, 60);
    /* Forgotten with the group. */
    say("DEL {stint:r}:queued {stint:r}:task {stint:r}:state");
    assert_int_equal(stint_forget_group(handle, "r", NULL, &err), 0);
    redisReply *left = redisCommand(redis, "KEYS {stint:r}*");
    assert_int_equal(left->elements, 0);
    freeReplyObject(left);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(measures_of_all_parts_are_added),
        cmocka_unit_test(points_of_a_group),
        cmocka_unit_test(rates_of_the_last_minute)};
    return cmocka_run_group_tests(tests, up, down);
}
