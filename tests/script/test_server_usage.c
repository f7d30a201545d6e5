/* SPDX-License-Identifier: MIT */
/* What Redis spends is counted exactly; a group is forgotten without a trace,
 * and what is live in it stays. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include <stint/stint.h>

#include "server.h"

static struct server server;
static redisContext *redis;
static stint *s;

static int setup(void **state)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    (void)state;
    server_start(&server);
    redis = redisConnectUnix(server.url + strlen("unix://"));
    o.url = server.url;
    s = stint_open(&o, &err);
    return s && redis && !redis->err ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    stint_close(s);
    redisFree(redis);
    server_stop(&server);
    return 0;
}

static struct stint_server_usage usage(void)
{
    struct stint_server_usage u = STINT_SERVER_USAGE_INIT;
    struct stint_err err = {0};
    assert_int_equal(stint_server_usage(s, &u, &err), 0);
    return u;
}

static long long redis_number(const char *command)
{
    redisReply *r = redisCommand(redis, command);
    assert_non_null(r);
    assert_int_equal(r->type, REDIS_REPLY_INTEGER);
    long long n = r->integer;
    freeReplyObject(r);
    return n;
}

static void queue(const char *id, const char *start)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors = {0};
    struct stint_err err = {0};
    o.function = "f";
    o.group_name = "g";
    o.id = id;
    o.start_time = start;
    assert_int_equal(stint_queue_task(s, &o, NULL, &errors, &err), 0);
}

static void two_looks_differ_by_what_was_done(void **state)
{
    (void)state;
    struct stint_server_usage a = usage(), b = usage();
    assert_int_equal(b.commands - a.commands, 0);
    assert_int_equal(b.script_calls - a.script_calls, 0);
    for (int i = 0; i < 7; i++)
        redis_number("EXISTS nothing");
    struct stint_server_usage c = usage();
    assert_int_equal(c.commands - b.commands, 7);
    assert_int_equal(c.script_calls - b.script_calls, 0);
    queue("counted", NULL); /* and its group is made known */
    struct stint_server_usage d = usage();
    assert_int_equal(d.script_calls - c.script_calls, 2);
    assert_true(d.commands - c.commands > 2);
    assert_true(d.cpu_us >= a.cpu_us && a.cpu_us > 0);
    assert_true(d.used_memory_bytes > 0);
    assert_true(strchr(d.redis_version, '.') != NULL);
}

/* On one host the clocks are the same. */
static void the_clock_is_compared(void **state)
{
    (void)state;
    struct stint_server_usage u = usage();
    assert_true(u.time_error_us > 0);
    assert_true(llabs(u.time_off_us) <= u.time_error_us + 1000);
}

static void an_older_caller_gets_its_bytes_only(void **state)
{
    (void)state;
    struct stint_server_usage u;
    struct stint_err err = {0};
    memset(&u, 0x55, sizeof(u));
    u.size = offsetof(struct stint_server_usage, script_calls);
    assert_int_equal(stint_server_usage(s, &u, &err), 0);
    assert_int_equal(u.size, offsetof(struct stint_server_usage,
                                      script_calls));
    assert_int_equal(u.script_calls, 0x5555555555555555);
    assert_true(u.used_memory_bytes < 0x5555555555555555);
}

static void ended_tasks_are_forgotten_live_ones_not(void **state)
{
    struct stint_err err = {0};
    uint64_t n = 0;
    (void)state;
    assert_true(redis_number("DBSIZE") > 0);
    queue("stays", "+1h");
    queue("goes", NULL);
    assert_int_equal(stint_stop_task(s, "g", "goes", &err), 0);
    assert_int_equal(stint_stop_task(s, "g", "counted", &err), 0);
    assert_int_equal(stint_forget_group(s, "g", &n, &err), 0);
    assert_int_equal(n, 2);
    assert_int_equal(redis_number("HLEN {stint:g}:task"), 1);
    assert_int_equal(redis_number("HEXISTS {stint:g}:task stays"), 1);
    assert_int_equal(redis_number("ZCARD {stint}:groups"), 1);
    queue("goes", NULL); /* its id is free again */
    assert_int_equal(stint_stop_task(s, "g", "goes", &err), 0);
    assert_int_equal(stint_stop_task(s, "g", "stays", &err), 0);
    assert_int_equal(stint_forget_group(s, "g", &n, &err), 0);
    assert_int_equal(n, 2);
    assert_int_equal(redis_number("DBSIZE"), 1); /* the data's version */
    assert_int_equal(redis_number("EXISTS {stint}:format"), 1);
    queue("again", NULL); /* the name is registered anew */
    assert_int_equal(redis_number("ZCARD {stint}:groups"), 1);
}

static void a_wrong_name_is_refused(void **state)
{
    struct stint_err err = {0};
    (void)state;
    assert_int_equal(stint_forget_group(s, "no such}", NULL, &err), -1);
    assert_int_equal(err.code, STINT_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_looks_differ_by_what_was_done),
        cmocka_unit_test(the_clock_is_compared),
        cmocka_unit_test(an_older_caller_gets_its_bytes_only),
        cmocka_unit_test(ended_tasks_are_forgotten_live_ones_not),
        cmocka_unit_test(a_wrong_name_is_refused),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
