/* SPDX-License-Identifier: MIT */
/* C functions as runs, on a pool of real threads. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <jansson.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bounds.h"
#include "buf.h"
#include "clock.h"
#include "executor.h"

#define TASK "{\"args\":[1,\"two\"],\"vars\":{\"a\":true}}"

struct fixture {
    struct event_base *base;
    struct event *timer;
    struct executor *e;
    int n_open, n_done, n_progress, n_returned, overstays;
    enum run_outcome outcome;
    enum retry_advice retry;
    int64_t retry_ms;
    char output[100];
    char result[100], error[ERROR_BYTES_MAX + 1];
};

static void on_done(struct run *run, const struct run_result *r, void *arg)
{
    struct fixture *f = arg;

    assert_null(run->slot);
    assert_true(r->outcome == RUN_COMPLETED || r->error);
    f->outcome = r->outcome;
    snprintf(f->result, sizeof(f->result), "%s", r->result ? r->result : "");
    snprintf(f->error, sizeof(f->error), "%s", r->error ? r->error : "");
    snprintf(f->output, sizeof(f->output), "%.*s", (int)r->output_len,
             r->output ? r->output : "");
    f->overstays = r->overstays;
    f->retry = r->retry;
    f->retry_ms = r->retry_ms;
    f->n_done++;
    if (--f->n_open == 0)
        event_base_loopbreak(f->base);
}

static void on_progress(struct run *run, void *arg)
{
    struct fixture *f = arg;

    assert_non_null(run->slot);
    f->n_progress++;
    event_base_loopbreak(f->base);
}

static void on_return(struct run *run, void *arg)
{
    struct fixture *f = arg;

    assert_null(run->slot);
    f->n_returned++;
    event_base_loopbreak(f->base);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct fixture *f = arg;

    (void)fd;
    (void)what;
    f->e->ops->tick(f->e, clock_mono_ms());
}

static void setup(struct fixture *f, int n_threads)
{
    const struct timeval tv = {0, 10000};
    struct stint_err err = {STINT_OK, ""};
    struct executor_options o = {0};

    memset(f, 0, sizeof(*f));
    f->base = event_base_new();
    f->timer = event_new(f->base, -1, EV_PERSIST, on_timer, f);
    event_add(f->timer, &tv);
    o.base = f->base;
    o.grace_ms = 200;
    o.worker = "w1.test";
    o.on_done = on_done;
    o.on_progress = on_progress;
    o.on_return = on_return;
    o.arg = f;
    o.n_threads = n_threads;
    f->e = thread_executor_new(&o, &err);
    assert_non_null(f->e);
}

static void teardown(struct fixture *f)
{
    f->e->ops->close(f->e);
    event_free(f->timer);
    event_base_free(f->base);
}

static void run_start(struct fixture *f, struct run *run,
                      const struct function *fn, int64_t timeout_ms)
{
    int n = f->n_done;

    memset(run, 0, sizeof(*run));
    run->id = "t1";
    run->function = "fn";
    run->fence = 42;
    run->attempt = 2;
    run->timeout_ms = timeout_ms;
    run->deadline_wall_ms = 4711;
    run->json = TASK;
    run->json_len = strlen(TASK);
    run->how = fn;
    f->n_open++;
    f->e->ops->start(f->e, run);
    assert_int_equal(f->n_done, n);
}

static void run_one(struct fixture *f, stint_handler_fn fn, void *arg,
                    int64_t timeout_ms)
{
    struct function function = {fn, arg};
    struct run run;

    run_start(f, &run, &function, timeout_ms);
    event_base_dispatch(f->base);
}

static int count(stint_run *run, void *arg)
{
    (void)run;
    atomic_fetch_add((atomic_int *)arg, 1);
    return 0;
}

static void test_many(void **state)
{
    enum { N = 1000 };
    static struct run runs[N];
    atomic_int n = 0;
    struct function fn = {count, &n};
    struct fixture f;

    (void)state;
    setup(&f, 8);
    for (int round = 1; round <= 2; round++) {
        for (int i = 0; i < N; i++)
            run_start(&f, &runs[i], &fn, 60000);
        event_base_dispatch(f.base);
        assert_int_equal(f.n_done, N * round);
        assert_int_equal(atomic_load(&n), N * round);
    }
    teardown(&f);
}

static int look(stint_run *run, void *arg)
{
    (void)arg;
    if (strcmp(stint_run_args(run), "[1,\"two\"]") != 0 ||
        strcmp(stint_run_vars(run), "{\"a\":true}") != 0 ||
        strcmp(stint_run_id(run), "t1") != 0 ||
        strcmp(stint_run_function(run), "fn") != 0 ||
        stint_run_fence(run) != 42 || stint_run_attempt(run) != 2)
        return 1;
    return stint_run_set_result(run, "false");
}

static int refuse(stint_run *run, void *arg)
{
    if (arg)
        stint_run_set_error(run, arg);
    return 7;
}

static int bad_result(stint_run *run, void *arg)
{
    (void)arg;
    return stint_run_set_result(run, "nonsense") == -1 ? 0 : 1;
}

static int big_result(stint_run *run, void *arg)
{
    char *text = malloc(RESULT_BYTES_MAX + 2);
    int rc;

    (void)arg;
    memset(text, '1', RESULT_BYTES_MAX + 1);
    text[RESULT_BYTES_MAX + 1] = '\0';
    rc = stint_run_set_result(run, text);
    free(text);
    return rc == -1 ? 0 : 1;
}

static int any_result(stint_run *run, void *arg)
{
    return stint_run_set_result(run, arg);
}

static void test_ends(void **state)
{
    static const char *const small[] = {"0", "false", "\"\"", "null"};
    struct fixture f;

    (void)state;
    setup(&f, 2);
    run_one(&f, look, NULL, 60000);
    assert_int_equal(f.outcome, RUN_COMPLETED);
    assert_string_equal(f.result, "false");
    run_one(&f, refuse, NULL, 60000);
    assert_int_equal(f.outcome, RUN_FAILED);
    assert_string_equal(f.error, "returned 7");
    assert_string_equal(f.result, "");
    run_one(&f, refuse, (void *)(uintptr_t)"b\xFFroken", 60000);
    assert_string_equal(f.error, "b\xEF\xBF\xBDroken");
    run_one(&f, bad_result, NULL, 60000);
    assert_int_equal(f.outcome, RUN_FAILED);
    assert_string_equal(f.error, "the result is no JSON");
    run_one(&f, big_result, NULL, 60000);
    assert_int_equal(f.outcome, RUN_FAILED);
    assert_string_equal(f.error, "the result is larger than 262144 bytes");
    for (size_t i = 0; i < sizeof(small) / sizeof(*small); i++) {
        run_one(&f, any_result, (void *)(uintptr_t)small[i], 60000);
        assert_int_equal(f.outcome, RUN_COMPLETED);
        assert_string_equal(f.result, small[i]);
    }
    teardown(&f);
}

static int until_cancelled(stint_run *run, void *arg)
{
    (void)arg;
    while (!stint_run_is_cancelled(run))
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    return 0;
}

static void test_timeout(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, 2);
    run_one(&f, until_cancelled, NULL, 100);
    assert_int_equal(f.outcome, RUN_TIMEOUT);
    assert_string_equal(f.error, "timeout after 0.1 s");
    teardown(&f);
}

/* One thread: the first runs, the others wait, and the last must be able to
 * end before the first. */
static void test_stop(void **state)
{
    struct function fn = {until_cancelled, NULL};
    struct fixture f;
    struct run runs[4];

    (void)state;
    setup(&f, 1);
    for (int i = 0; i < 4; i++)
        run_start(&f, &runs[i], &fn, 60000);
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    f.e->ops->stop(f.e, &runs[3], 0);
    f.e->ops->stop(f.e, &runs[1], 1);
    while (f.n_done < 2)
        event_base_loop(f.base, EVLOOP_ONCE);
    assert_int_equal(f.outcome, RUN_STOPPED);
    assert_non_null(runs[0].slot);
    f.e->ops->stop(f.e, &runs[0], 0);
    f.e->ops->stop(f.e, &runs[2], 0);
    event_base_dispatch(f.base);
    assert_int_equal(f.n_done, 4);
    assert_int_equal(f.outcome, RUN_STOPPED);
    teardown(&f);
}

static void test_close(void **state)
{
    struct function fn = {until_cancelled, NULL};
    struct fixture f;
    struct run runs[3];

    (void)state;
    setup(&f, 1);
    for (int i = 0; i < 3; i++)
        run_start(&f, &runs[i], &fn, 60000);
    teardown(&f);
    assert_int_equal(f.n_done, 3);
}

/* Deaf to everything but the test. */
static int until_told(stint_run *run, void *arg)
{
    (void)run;
    while (!atomic_load((atomic_int *)arg))
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    stint_run_log(run, "too late");
    stint_run_set_error(run, "too late");
    return 1;
}

/* Its run ends with the grace period of 200 ms, its thread goes on, and the
 * other one works meanwhile. */
static void test_overstays(void **state)
{
    atomic_int told = 0, n = 0;
    struct function fn = {until_told, &told};
    struct fixture f;
    struct run run;
    int64_t began_ms = clock_mono_ms();

    (void)state;
    setup(&f, 2);
    run_start(&f, &run, &fn, 50);
    event_base_dispatch(f.base);
    assert_true(clock_mono_ms() - began_ms >= 250);
    assert_int_equal(f.outcome, RUN_TIMEOUT);
    assert_int_equal(f.overstays, 1);
    assert_string_equal(f.error,
                        "timeout after 0.05 s; the function goes on");
    run_one(&f, count, &n, 60000);
    assert_int_equal(n, 1);
    assert_int_equal(f.overstays, 0);
    assert_int_equal(f.n_returned, 0);
    atomic_store(&told, 1);
    event_base_dispatch(f.base);
    assert_int_equal(f.n_returned, 1);
    assert_int_equal(f.n_done, 2);
    teardown(&f);
}

static int says_much(stint_run *run, void *arg)
{
    stint_run_log(run, "line %d", 1);
    stint_run_progress(run, 12.5, "begun");
    while (!atomic_load((atomic_int *)arg))
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    stint_run_log(run, "%s", "!clear!line 2\n");
    stint_run_progress(run, 1000, NULL);
    return 0;
}

static void test_progress_and_log(void **state)
{
    atomic_int told = 0;
    struct function fn = {says_much, &told};
    struct fixture f;
    struct run run;
    struct buf text;
    struct run_news news = {.output = &text};

    (void)state;
    buf_init(&text, OUTPUT_BYTES_MAX);
    setup(&f, 1);
    run_start(&f, &run, &fn, 60000);
    event_base_dispatch(f.base);
    assert_int_equal(f.n_progress, 1);
    assert_int_equal(f.e->ops->news(f.e, &run, &news), 1);
    assert_int_equal(text.len, 7);
    assert_memory_equal(text.data, "line 1\n", 7);
    assert_true(news.has_progress && news.percent == 12.5);
    assert_string_equal(news.text, "begun");
    assert_int_equal(f.e->ops->news(f.e, &run, &news), 0);
    atomic_store(&told, 1);
    while (f.n_done == 0)
        event_base_loop(f.base, EVLOOP_ONCE);
    assert_string_equal(f.output, "line 2\n");
    teardown(&f);
    buf_close(&text);
}

/* A run that is stopped while it waits is over, however late the loop looks. */
static void test_stopped_while_waiting_is_not_given_up(void **state)
{
    struct function fn = {until_cancelled, NULL};
    struct fixture f;
    struct run runs[2];

    (void)state;
    setup(&f, 1);
    for (int i = 0; i < 2; i++)
        run_start(&f, &runs[i], &fn, 60000);
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    f.e->ops->stop(f.e, &runs[1], 0);
    f.e->ops->tick(f.e, clock_mono_ms() + 1000); /* past the grace period */
    assert_int_equal(f.n_done, 0);
    while (f.n_done < 1)
        event_base_loop(f.base, EVLOOP_ONCE);
    assert_int_equal(f.overstays, 0);
    assert_int_equal(f.outcome, RUN_STOPPED);
    assert_string_equal(f.error, "stopped");
    f.e->ops->stop(f.e, &runs[0], 0);
    event_base_dispatch(f.base);
    assert_int_equal(f.n_returned, 0);
    teardown(&f);
}

static int advises(stint_run *run, void *arg)
{
    stint_run_set_retry(run, *(double *)arg);
    return 1;
}

static void test_retry_advice(void **state)
{
    static const struct {
        double delay_s;
        enum retry_advice retry;
        int64_t retry_ms;
    } rows[] = {{STINT_RETRY_NOW, RETRY_AFTER, 0},
                {STINT_RETRY_NEVER, RETRY_NEVER, 0},
                {1.5, RETRY_AFTER, 1500},
                {1e300, RETRY_AFTER, INT64_C(315360000000)}};
    struct fixture f;

    (void)state;
    setup(&f, 1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        double delay_s = rows[i].delay_s;

        run_one(&f, advises, &delay_s, 60000);
        assert_int_equal(f.outcome, RUN_FAILED);
        assert_int_equal(f.retry, rows[i].retry);
        assert_int_equal(f.retry_ms, rows[i].retry_ms);
    }
    run_one(&f, until_cancelled, NULL, 50);
    assert_int_equal(f.retry, RETRY_AS_ASKED);
    teardown(&f);
}

static int looks_around(stint_run *run, void *arg)
{
    double left_s = stint_run_left_s(run);
    json_t *answer = json_pack("[O,O]", stint_run_arg(run, 1),
                               stint_run_var(run, "a"));
    int fine = stint_run_deadline_ms(run) == 4711 && left_s > 59 &&
               left_s <= 60 && !stint_run_arg(run, 2) &&
               !stint_run_var(run, "b") &&
               stint_run_set_result_json(run, answer) == 0;

    (void)arg;
    json_decref(answer);
    return !fine;
}

static void test_what_a_handler_sees(void **state)
{
    struct function fn = {looks_around, NULL};
    struct fixture f;
    struct run run;

    (void)state;
    setup(&f, 1);
    run_start(&f, &run, &fn, 60000);
    event_base_dispatch(f.base);
    assert_int_equal(f.outcome, RUN_COMPLETED);
    assert_string_equal(f.result, "[\"two\",true]");
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many),    cmocka_unit_test(test_ends),
        cmocka_unit_test(test_timeout), cmocka_unit_test(test_stop),
        cmocka_unit_test(test_close),   cmocka_unit_test(test_overstays),
        cmocka_unit_test(test_stopped_while_waiting_is_not_given_up),
        cmocka_unit_test(test_progress_and_log),
        cmocka_unit_test(test_retry_advice),
        cmocka_unit_test(test_what_a_handler_sees),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
