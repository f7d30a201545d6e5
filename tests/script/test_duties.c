/* SPDX-License-Identifier: MIT */
/* The duties of time without a worker, on a program's own event loop against a
 * real Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stint/stint.h>
#include <sys/time.h>

#include "clock.h"
#include "server.h"

static struct server server;
static struct event_base *base;
static redisContext *redis;

/* ---- Helpers ------------------------------------------------------------ */

static stint_duties *start(void)
{
    struct stint_duties_options o = STINT_DUTIES_OPTIONS_INIT;
    struct stint_err err = {0};
    o.url = server.url;
    o.heartbeat_s = 0.1;
    stint_duties *d = stint_duties_start(&o, base, &err);
    assert_non_null(d);
    return d;
}

static void run_for(int64_t ms)
{
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    event_base_loopexit(base, &tv);
    assert_int_equal(event_base_loop(base, 0), 0);
}

/* Who leads; "" nobody. */
static void leader(char name[200])
{
    redisReply *r = redisCommand(redis, "GET {stint}:leader");
    assert_non_null(r);
    snprintf(name, 200, "%s", r->type == REDIS_REPLY_STRING ? r->str : "");
    freeReplyObject(r);
}

/* Until somebody leads; 5 s at most. */
static void wait_leader(char name[200])
{
    int64_t until_ms = clock_mono_ms() + 5000;
    for (leader(name); name[0] == '\0'; leader(name)) {
        assert_true(clock_mono_ms() < until_ms);
        run_for(20);
    }
}

/* A task that may not start any more 0.2 s from now. */
static void queue_short(stint *s, char id[STINT_ID_LEN + 1])
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors = {0};
    struct stint_err err = {0};
    o.function = "f";
    o.start_time = "+0.1s";
    o.stop_time = "+0.2s";
    assert_int_equal(stint_queue_task(s, &o, id, &errors, &err), 0);
}

static void wait_status(stint *s, const char *id, const char *status)
{
    int64_t until_ms = clock_mono_ms() + 8000;
    for (;;) {
        struct stint_err err = {0};
        struct stint_status *t = stint_task_status(s, "main", id, 0, &err);
        assert_non_null(t);
        int same = strcmp(t->status, status) == 0;
        stint_status_free(t);
        if (same)
            return;
        assert_true(clock_mono_ms() < until_ms);
        run_for(50);
    }
}

static stint *open_store(void)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    o.url = server.url;
    stint *s = stint_open(&o, &err);
    assert_non_null(s);
    return s;
}

static int set_up(void **state)
{
    char path[200];
    (void)state;
    server_start(&server);
    snprintf(path, sizeof(path), "%s/redis.sock", server.dir);
    redis = redisConnectUnix(path);
    base = event_base_new();
    return redis == NULL || redis->err || base == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    redisFree(redis);
    event_base_free(base);
    server_stop(&server);
    return 0;
}

static int count_workers(const struct stint_worker_status *w, void *arg)
{
    (void)w;
    ++*(int *)arg;
    return 0;
}

static void on_resigned(void *arg)
{
    ++*(int *)arg;
}

/* ---- Tests -------------------------------------------------------------- */

static void time_is_kept_without_a_worker(void **state)
{
    char id[STINT_ID_LEN + 1];
    struct stint_err err = {0};
    int n = 0;
    (void)state;
    stint *s = open_store();
    stint_duties *d = start();
    queue_short(s, id);
    wait_status(s, id, "EXPIRED");
    assert_int_equal(stint_workers(s, count_workers, &n, &err), 0);
    assert_int_equal(n, 0); /* it is none */
    stint_duties_stop(d);
    stint_close(s);
}

static void one_of_two_leads_and_the_other_follows(void **state)
{
    char first[200], second[200], same[200];
    int n = 0;
    (void)state;
    freeReplyObject(redisCommand(redis, "DEL {stint}:leader"));
    stint_duties *a = start();
    wait_leader(first);
    stint_duties *b = start();
    run_for(500);
    leader(same);
    assert_string_equal(first, same);
    /* Its lease would go on; it gives it up. */
    stint_duties_resign(a, on_resigned, &n);
    stint_duties_resign(a, on_resigned, &n); /* once is enough */
    int64_t until_ms = clock_mono_ms() + 5000;
    do {
        run_for(20);
        wait_leader(second);
        assert_true(clock_mono_ms() < until_ms);
    } while (strcmp(first, second) == 0);
    assert_int_equal(n, 1);
    stint_duties_stop(a);
    /* It ends without a word: its lease ends. */
    stint_duties_stop(b);
    a = start();
    do {
        run_for(20);
        wait_leader(same);
        assert_true(clock_mono_ms() < until_ms);
    } while (strcmp(same, second) == 0);
    stint_duties_stop(a);
}

static void who_does_not_lead_resigns_at_once(void **state)
{
    int n = 0;
    (void)state;
    stint_duties *a = start();
    stint_duties_resign(a, on_resigned, &n); /* not even connected */
    run_for(50);
    assert_int_equal(n, 1);
    stint_duties_stop(a);
}

static void redis_may_be_away(void **state)
{
    char id[STINT_ID_LEN + 1], path[200];
    (void)state;
    server_kill(&server);
    stint_duties *d = start();
    run_for(200);
    server_restart(&server);
    redisFree(redis);
    snprintf(path, sizeof(path), "%s/redis.sock", server.dir);
    redis = redisConnectUnix(path);
    stint *s = open_store();
    queue_short(s, id);
    wait_status(s, id, "EXPIRED");
    stint_duties_stop(d);
    stint_close(s);
}

static void bad_options_are_refused(void **state)
{
    struct stint_duties_options o = STINT_DUTIES_OPTIONS_INIT;
    struct stint_err err = {0};
    (void)state;
    o.url = server.url;
    o.heartbeat_s = 0.01;
    assert_null(stint_duties_start(&o, base, &err));
    assert_int_equal(err.code, STINT_INVALID);
    o.heartbeat_s = 0;
    o.name_space = "no blanks";
    err = (struct stint_err){0};
    assert_null(stint_duties_start(&o, base, &err));
    assert_int_equal(err.code, STINT_INVALID);
    stint_duties_stop(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(time_is_kept_without_a_worker),
        cmocka_unit_test(one_of_two_leads_and_the_other_follows),
        cmocka_unit_test(who_does_not_lead_resigns_at_once),
        cmocka_unit_test(redis_may_be_away),
        cmocka_unit_test(bad_options_are_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
