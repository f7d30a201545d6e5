/* SPDX-License-Identifier: MIT */
/* Calls on a program's own event loop, against a real Redis that is stopped,
 * killed and started again under them. */
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
#include <signal.h>
#include <stint/stint.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <time.h>

#include "clock.h"
#include "server.h"

enum { MANY = 1000 };

static struct server server;
static struct event_base *base;

/* ---- Helpers ------------------------------------------------------------ */

static stint_async *open_for(double timeout_s)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    o.url = server.url;
    o.timeout_s = timeout_s;
    stint_async *a = stint_async_open(&o, base, &err);
    assert_non_null(a);
    return a;
}

/* Runs the loop until nothing is pending; 20 s at most. */
static void drain(stint_async *a)
{
    int64_t until_ms = clock_mono_ms() + 20000;
    while (stint_async_pending(a) > 0) {
        assert_true(clock_mono_ms() < until_ms);
        assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
    }
}

/* Runs the loop for ms. */
static void run_for(int64_t ms)
{
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    event_base_loopexit(base, &tv);
    assert_int_equal(event_base_loop(base, 0), 0);
}

/* What a `done` has heard. */
struct heard {
    int n, rc;
    struct stint_err err;
    char id[STINT_ID_LEN + 1];
    struct stint_errors errors;
    size_t number;
};

static void on_done(int rc, const struct stint_err *err, void *arg)
{
    struct heard *h = arg;
    h->n++;
    h->rc = rc;
    h->err = *err;
}

static void on_queued(int rc, const char *id, const struct stint_errors *errors,
                      const struct stint_err *err, void *arg)
{
    struct heard *h = arg;
    on_done(rc, err, h);
    snprintf(h->id, sizeof(h->id), "%s", id);
    h->errors = *errors;
}

static void on_waited(int rc, size_t n_not_completed,
                      const struct stint_err *err, void *arg)
{
    struct heard *h = arg;
    on_done(rc, err, h);
    h->number = n_not_completed;
}

static void on_status(struct stint_status *t, const struct stint_err *err,
                      void *arg)
{
    struct heard *h = arg;
    on_done(t != NULL ? 0 : -1, err, h);
    snprintf(h->id, sizeof(h->id), "%s", t != NULL ? t->status : "");
    stint_status_free(t);
}

static void expect(const struct heard *h, int rc, enum stint_code code)
{
    assert_int_equal(h->n, 1);
    if (h->err.code != code)
        fail_msg("%d %s, not %d", (int)h->err.code, h->err.text, (int)code);
    assert_int_equal(h->rc, rc);
}

static void queue(stint_async *a, const char *id, struct heard *h)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_err err = {0};
    o.function = "f";
    o.id = id;
    *h = (struct heard){0};
    assert_int_equal(stint_async_queue_task(a, &o, &h->errors, on_queued, h,
                                            NULL, &err),
                     0);
}

static void queue_now(stint_async *a, const char *id)
{
    struct heard h;
    queue(a, id, &h);
    drain(a);
    expect(&h, 0, STINT_OK);
    assert_string_equal(h.id, id);
}

static void queue_many(stint_async *a, struct heard *heard, int n)
{
    for (int i = 0; i < n; i++) {
        char id[16];
        snprintf(id, sizeof(id), "t%d", i);
        queue(a, id, &heard[i]);
    }
}

/* What Redis itself says: an integer, or the number in a text after `mark`. */
static long long redis_number(const char *command, const char *mark)
{
    redisContext *c = redisConnectUnix(server.url + strlen("unix://"));
    assert_true(c != NULL && c->err == 0);
    redisReply *r = redisCommand(c, command);
    assert_non_null(r);
    const char *at = r->str != NULL && mark != NULL ? strstr(r->str, mark)
                                                    : NULL;
    long long n = mark == NULL ? r->integer
                  : at != NULL ? strtoll(at + strlen(mark), NULL, 10)
                               : 0;
    freeReplyObject(r);
    redisFree(c);
    return n;
}

static long long tasks_there(void)
{
    return redis_number("HLEN {stint:main}:task", NULL);
}

#if defined(__has_feature)
#define IS_SANITIZED                                                           \
    (__has_feature(address_sanitizer) || __has_feature(thread_sanitizer))
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

static int up(void **state)
{
    (void)state;
    server_start(&server);
    base = event_base_new();
    return base == NULL;
}

static int down(void **state)
{
    (void)state;
    event_base_free(base);
    server_stop(&server);
    return 0;
}

/* ---- Many at once ------------------------------------------------------- */

static void thousand_calls_at_once_are_all_queued(void **state)
{
    static struct heard heard[MANY + 1];
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_err err = {0};
    stint_async *a = open_for(0);

    (void)state;
    o.function = "f";
    queue_many(a, heard, MANY);
    assert_int_equal(stint_async_pending(a), MANY);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(heard[i].n, 0); /* never from inside */
    assert_int_equal(stint_async_queue_task(a, &o, &heard[MANY].errors,
                                            on_queued, &heard[MANY], NULL,
                                            &err),
                     -1);
    assert_int_equal(err.code, STINT_BUSY);
    drain(a);
    for (int i = 0; i < MANY; i++)
        expect(&heard[i], 0, STINT_OK);
    assert_int_equal(heard[MANY].n, 0);
    assert_int_equal(tasks_there(), MANY);
    stint_async_close(a);
}

struct begun {
    int numbers[MANY], n;
};
static int begin_work(stint *s, void *arg, struct stint_err *err)
{
    struct begun *b = arg;
    unsigned char exists;
    b->numbers[b->n] = b->n;
    int number = b->n++;
    const char *id = "nobody";
    if (stint_ids_exist(s, "main", &id, 1, &exists, err))
        return -1;
    return exists ? -1 : b->numbers[number];
}

static void ended_after(int rc, const struct stint_err *err, void *arg)
{
    struct begun *b = arg;
    assert_int_equal(err->code, STINT_OK);
    assert_in_range(rc, 0, b->n - 1);
    assert_int_equal(b->numbers[rc], rc); /* each once */
    b->numbers[rc] = -1;
}

static void each_call_ends_once_with_its_own_result(void **state)
{
    static struct begun b;
    struct stint_err err = {0};
    stint_async *a = open_for(0);

    (void)state;
    for (int i = 0; i < 100; i++)
        assert_int_equal(stint_async_call(a, begin_work, ended_after, &b, NULL,
                                          &err),
                         0);
    assert_int_equal(b.n, 0); /* begins from the loop */
    drain(a);
    assert_int_equal(b.n, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(b.numbers[i], -1);
    stint_async_close(a);
}

static struct heard order_heard[3];
static char order[8];

static int order_work(stint *s, void *arg, struct stint_err *err)
{
    (void)s, (void)err;
    size_t n = strlen(order);
    order[n] = (char)('0' + ((struct heard *)arg - order_heard));
    return (int)n;
}

static void calls_begin_in_the_order_they_were_made(void **state)
{
    struct stint_err err = {0};
    stint_async *a = open_for(0);

    (void)state;
    memset(order, 0, sizeof(order));
    memset(order_heard, 0, sizeof(order_heard));
    for (int i = 0; i < 3; i++)
        assert_int_equal(stint_async_call(a, order_work, on_done,
                                          &order_heard[i], NULL, &err),
                         0);
    drain(a);
    assert_string_equal(order, "012");
    for (int i = 0; i < 3; i++)
        expect(&order_heard[i], i, STINT_OK);
    stint_async_close(a);
}

/* What one call has learnt the next one knows: the group is made known to the
 * fleet, and the rules are loaded, once. */
static void another_task_costs_one_call(void **state)
{
    stint_async *a = open_for(0);

    (void)state;
    queue_now(a, "a");
    const char *info = "INFO commandstats", *mark = "cmdstat_fcall:calls=";
    long long before = redis_number(info, mark);
    queue_now(a, "b");
    queue_now(a, "c");
    assert_int_equal(redis_number(info, mark) - before, 2);
    stint_async_close(a);
}

static void two_handles_share_a_loop(void **state)
{
    static struct heard heard[2][50];
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    stint_async *a = open_for(0);
    o.url = server.url;
    o.name_space = "other";
    stint_async *b = stint_async_open(&o, base, &err);

    (void)state;
    assert_non_null(b);
    queue_many(a, heard[0], 50);
    queue_many(b, heard[1], 40);
    drain(a);
    drain(b);
    for (int i = 0; i < 50; i++)
        expect(&heard[0][i], 0, STINT_OK);
    for (int i = 0; i < 40; i++)
        expect(&heard[1][i], 0, STINT_OK);
    assert_int_equal(tasks_there(), 50);
    assert_int_equal(redis_number("HLEN {other:main}:task", NULL), 40);
    stint_async_close(a);
    queue_now(b, "more");
    stint_async_close(b);
}

/* ---- Everything the library can do -------------------------------------- */

static int listed(const struct stint_status *t, void *arg)
{
    char *ids = arg;
    size_t len = strlen(ids);
    assert_string_equal(t->status, "QUEUED");
    snprintf(ids + len, 64 - len, "%s ", t->id);
    return 0;
}

static int counted(const struct stint_stats *t, void *arg)
{
    *(int64_t *)arg = t->queued;
    return 0;
}

static int all_work(stint *s, void *arg, struct stint_err *err)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_list_options l = STINT_LIST_OPTIONS_INIT;
    struct stint_server_usage u = STINT_SERVER_USAGE_INIT;
    struct stint_errors errors = {0};
    struct stint_why why;
    char ids[64] = "", id[STINT_ID_LEN + 1];
    int64_t queued = -1;
    uint64_t checked, faults;
    size_t n_bad = 9;
    const char *a = "a";

    (void)arg;
    /* A stand-alone command comes first: it waits for the connection, too. */
    if (stint_server_usage(s, &u, err) || u.used_memory_bytes < 100000)
        return 1;
    o.function = "f";
    o.id = "a";
    if (stint_queue_task(s, &o, id, &errors, err) || strcmp(id, "a") != 0)
        return 2;
    if (stint_list(s, &l, listed, ids, err) || strcmp(ids, "a ") != 0)
        return 3;
    if (stint_stats(s, "main", counted, &queued, err) || queued != 1)
        return 4;
    if (stint_why(s, NULL, "a", &why, err) ||
        strcmp(why.status, "QUEUED") != 0)
        return 5;
    if (stint_wait(s, "main", &a, 1, 0.05, NULL, NULL, NULL, err) == 0 ||
        err->code != STINT_TIMEOUT)
        return 6;
    *err = (struct stint_err){0};
    if (stint_disable_task(s, NULL, "a", err) ||
        stint_enable_task(s, NULL, "a", err) ||
        stint_stop_task(s, NULL, "a", err))
        return 7;
    if (stint_wait(s, NULL, &a, 1, -1, NULL, NULL, &n_bad, err) || n_bad != 1)
        return 8;
    struct stint_status *t =
        stint_task_status(s, NULL, "a", STINT_WITH_RUNS, err);
    if (t == NULL || strcmp(t->status, "STOPPED") != 0)
        return 9;
    stint_status_free(t);
    if (stint_delete_task(s, "main", "a", err) ||
        stint_set_parts(s, "main", 3, err))
        return 10;
    if (stint_fsck(s, NULL, NULL, &checked, &faults, err) || faults != 0)
        return 11;
    return 0;
}

static void several_functions_run_in_a_row(void **state)
{
    struct heard h = {0};
    struct stint_err err = {0};
    stint_async *a = open_for(0);

    (void)state;
    assert_int_equal(stint_async_call(a, all_work, on_done, &h, NULL, &err),
                     0);
    drain(a);
    expect(&h, 0, STINT_OK);
    queue_now(a, "b"); /* the handle has learnt of the three parts */
    stint_async_close(a);
}

static void later(evutil_socket_t fd, short what, void *arg)
{
    struct stint_err err = {0};
    (void)fd, (void)what;
    assert_int_equal(stint_async_stop_task(arg, "main", "a", NULL, NULL, NULL,
                                           &err),
                     0);
}

static void wait_hears_what_another_call_does(void **state)
{
    struct heard wait = {0}, status = {0}, change = {0};
    struct stint_err err = {0};
    struct timeval tv = {0, 100000};
    const char *ids[] = {"a"};
    stint_async *a = open_for(0);

    (void)state;
    queue_now(a, "a");
    struct event *timer = evtimer_new(base, later, a);
    event_add(timer, &tv);
    assert_int_equal(stint_async_wait(a, NULL, ids, 1, -1, on_waited, &wait,
                                      NULL, &err),
                     0);
    drain(a);
    expect(&wait, 0, STINT_OK);
    assert_int_equal(wait.number, 1);
    assert_int_equal(stint_async_task_status(a, "main", "a", 0, on_status,
                                             &status, NULL, &err),
                     0);
    drain(a);
    expect(&status, 0, STINT_OK);
    assert_string_equal(status.id, "STOPPED");
    assert_int_equal(stint_async_requeue_task(a, NULL, "a", 1, on_done,
                                              &change, NULL, &err),
                     0);
    drain(a);
    expect(&change, 0, STINT_OK);
    change = status = (struct heard){0};
    assert_int_equal(stint_async_delete_task(a, NULL, "a", on_done, &change,
                                             NULL, &err),
                     0);
    drain(a);
    expect(&change, 0, STINT_OK);
    assert_int_equal(tasks_there(), 0);
    event_free(timer);
    stint_async_close(a);
}

static void on_tasks(int rc, size_t n_done, size_t bad,
                     const struct stint_err *err, void *arg)
{
    struct heard *h = arg;
    on_done(rc, err, h);
    h->number = n_done * 1000 + bad;
}

static void many_tasks_in_one_call(void **state)
{
    static const char *const json[] = {
        "{\"function\":\"f\",\"id\":\"a\"}",
        "{\"function\":\"f\",\"id\":\"b\",\"depends_on\":[\"a\"]}"};
    struct heard h = {0};
    struct stint_errors errors = {0};
    struct stint_err err = {0};
    stint_task *tasks[2];
    stint_async *a = open_for(0);

    (void)state;
    for (int i = 0; i < 2; i++) {
        tasks[i] =
            stint_task_from_json(json[i], strlen(json[i]), &errors, &err);
        assert_non_null(tasks[i]);
    }
    assert_int_equal(stint_async_queue_tasks(a, tasks, 2, on_tasks, &h, NULL,
                                             &err),
                     0);
    drain(a);
    expect(&h, 0, STINT_OK);
    assert_int_equal(h.number, 2000);
    assert_int_equal(tasks_there(), 2);
    h = (struct heard){0};
    stint_task_free(tasks[0]);
    tasks[0] = stint_task_from_json("{\"function\":\"g\",\"id\":\"a\"}", 25,
                                    &errors, &err);
    assert_int_equal(stint_async_queue_tasks(a, tasks, 1, on_tasks, &h, NULL,
                                             &err),
                     0);
    drain(a);
    expect(&h, -1, STINT_EXISTS);
    assert_int_equal(h.number, 0);
    stint_task_free(tasks[0]);
    stint_task_free(tasks[1]);
    stint_async_close(a);
}

static void refused_input_tells_its_errors(void **state)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_options bad = STINT_OPTIONS_INIT;
    struct heard h = {0};
    struct stint_errors errors = {0};
    struct stint_err err = {0};
    stint_async *a = open_for(0);

    (void)state;
    o.function = "f";
    o.priority = 101;
    o.args = "[";
    assert_int_equal(stint_async_queue_task(a, &o, &errors, on_queued, &h,
                                            NULL, &err),
                     -1);
    assert_int_equal(err.code, STINT_INVALID);
    assert_int_equal(errors.n, 2);
    assert_int_equal(stint_async_pending(a), 0);
    queue_now(a, "a");
    queue(a, "a", &h);
    drain(a);
    expect(&h, -1, STINT_EXISTS);
    assert_int_equal(h.errors.n, 1);
    assert_string_equal(h.errors.at[0].field, "id");
    h = (struct heard){0};
    err = (struct stint_err){0};
    assert_int_equal(stint_async_task_status(a, NULL, "no", 0, on_status, &h,
                                             NULL, &err),
                     0);
    drain(a);
    expect(&h, -1, STINT_NOT_FOUND);
    stint_async_close(a);
    bad.url = "gopher://x";
    assert_null(stint_async_open(&bad, base, &err));
    assert_int_equal(err.code, STINT_INVALID);
    stint_async_close(NULL);
}

/* As deep as the reader of JSON goes, on a call's own stack. */
static int deep_work(stint *s, void *arg, struct stint_err *err)
{
    enum { DEEP = 2048 };
    static char arrays[2 * DEEP + 1], objects[6 * DEEP + 2];
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors = {0};
    (void)arg;
    memset(arrays, '[', DEEP);
    memset(arrays + DEEP, ']', DEEP);
    for (int i = 0; i < DEEP; i++)
        memcpy(objects + 5 * i, "{\"a\":", 5);
    objects[5 * DEEP] = '1';
    memset(objects + 5 * DEEP + 1, '}', DEEP);
    o.function = "f";
    o.args = arrays;
    o.vars = objects;
    if (stint_queue_task(s, &o, NULL, &errors, err) == 0)
        return 0;
    return (int)errors.n;
}

static void deeply_nested_input_is_refused_as_ever(void **state)
{
    struct heard h = {0};
    struct stint_err err = {0};
    stint_async *a = open_for(0);

    (void)state;
    assert_int_equal(stint_async_call(a, deep_work, on_done, &h, NULL, &err),
                     0);
    drain(a);
    expect(&h, 2, STINT_INVALID);
    stint_async_close(a);
}

/* ---- Cancelling and closing ---------------------------------------------- */

static void wait_for_ever(stint_async *a, struct heard *h, stint_call **call)
{
    static const char *const ids[] = {"a"};
    struct stint_err err = {0};
    *h = (struct heard){0};
    assert_int_equal(stint_async_wait(a, "main", ids, 1, -1, on_waited, h,
                                      call, &err),
                     0);
}

static void cancelled_wait_ends(void **state)
{
    struct heard h, other;
    stint_call *call;
    stint_async *a = open_for(0);

    (void)state;
    queue_now(a, "a");
    wait_for_ever(a, &h, &call); /* before it begins */
    stint_async_cancel(call);
    assert_int_equal(h.n, 0);
    drain(a);
    expect(&h, -1, STINT_CLOSED);
    wait_for_ever(a, &h, &call);
    run_for(60); /* in a pause, or in a call */
    queue(a, "b", &other);
    stint_async_cancel(call);
    stint_async_cancel(call);
    assert_int_equal(h.n, 0);
    drain(a);
    expect(&h, -1, STINT_CLOSED);
    expect(&other, 0, STINT_OK);
    stint_async_close(a);
}

static int stubborn_work(stint *s, void *arg, struct stint_err *err)
{
    stint_call **call = arg;
    struct stint_server_usage u = STINT_SERVER_USAGE_INIT;
    uint64_t n;
    if (stint_server_usage(s, &u, err))
        return 1;
    stint_async_cancel(*call);
    /* From now on nothing waits, nor is it asked again. */
    int64_t begin_ms = clock_mono_ms();
    for (int i = 0; i < 3; i++) {
        struct stint_err why = {0};
        if (stint_fsck(s, NULL, NULL, &n, &n, &why) == 0 ||
            why.code != STINT_CLOSED || clock_mono_ms() - begin_ms > 1000)
            return 2;
    }
    return 42;
}

static void on_stubborn(int rc, const struct stint_err *err, void *arg)
{
    stint_call **call = arg;
    assert_int_equal(rc, 42);
    assert_int_equal(err->code, STINT_OK);
    stint_async_cancel(*call); /* good until this returns */
    *call = NULL;
}

static void work_may_cancel_itself(void **state)
{
    struct stint_err err = {0};
    stint_call *call;
    stint_async *a = open_for(0);

    (void)state;
    assert_int_equal(stint_async_call(a, stubborn_work, on_stubborn, &call,
                                      &call, &err),
                     0);
    drain(a);
    assert_null(call);
    stint_async_close(a);
}

/* A reply that comes when nobody wants it any more disturbs no other. */
static void cancelled_while_redis_stands_still(void **state)
{
    static struct heard gone[20], kept[20];
    struct stint_err err = {0};
    stint_call *calls[20];
    stint_async *a = open_for(0);

    (void)state;
    queue_now(a, "a");
    assert_int_equal(kill(server.pid, SIGSTOP), 0);
    for (int i = 0; i < 20; i++) {
        gone[i] = kept[i] = (struct heard){0};
        assert_int_equal(stint_async_task_status(a, "main", "a", 0, on_status,
                                                 &gone[i], &calls[i], &err),
                         0);
        assert_int_equal(stint_async_task_status(a, "main", i % 2 ? "a" : "b",
                                                 0, on_status, &kept[i], NULL,
                                                 &err),
                         0);
    }
    run_for(50);
    for (int i = 0; i < 20; i++)
        stint_async_cancel(calls[i]);
    run_for(50);
    for (int i = 0; i < 20; i++) {
        expect(&gone[i], -1, STINT_CLOSED);
        assert_int_equal(kept[i].n, 0);
    }
    assert_int_equal(kill(server.pid, SIGCONT), 0);
    drain(a);
    for (int i = 0; i < 20; i++) {
        expect(&kept[i], i % 2 ? 0 : -1, i % 2 ? STINT_OK : STINT_NOT_FOUND);
        assert_int_equal(gone[i].n, 1);
    }
    stint_async_close(a);
}

static void close_ends_what_is_outstanding(void **state)
{
    static struct heard heard[40];
    stint_async *a = open_for(0);

    (void)state;
    queue_now(a, "a");
    for (int i = 0; i < 20; i++)
        wait_for_ever(a, &heard[i], NULL);
    run_for(60);
    for (int i = 20; i < 40; i++) /* not begun */
        wait_for_ever(a, &heard[i], NULL);
    assert_int_equal(stint_async_pending(a), 40);
    stint_async_close(a);
    for (int i = 0; i < 40; i++)
        expect(&heard[i], -1, STINT_CLOSED);
    run_for(20); /* nothing of it is left on the loop */
    for (int i = 0; i < 40; i++)
        assert_int_equal(heard[i].n, 1);
}

struct closing {
    stint_async *a;
    struct heard heard;
    enum stint_code refused;
};

static void close_in(struct closing *c)
{
    struct stint_err why = {0};
    stint_async_close(c->a);
    assert_int_equal(stint_async_call(c->a, order_work, NULL, NULL, NULL,
                                      &why),
                     -1);
    c->refused = why.code;
    stint_async_close(c->a); /* again is fine */
}

static void closing_done(int rc, const struct stint_err *err, void *arg)
{
    struct closing *c = arg;
    on_done(rc, err, &c->heard);
    close_in(c);
}

static int idle_work(stint *s, void *arg, struct stint_err *err)
{
    (void)s, (void)arg, (void)err;
    return 7;
}

static int closing_work(stint *s, void *arg, struct stint_err *err)
{
    struct stint_server_usage u = STINT_SERVER_USAGE_INIT;
    close_in(arg);
    return stint_server_usage(s, &u, err);
}

static void closed_done(int rc, const struct stint_err *err, void *arg)
{
    on_done(rc, err, &((struct closing *)arg)->heard);
}

static void close_from_inside(stint_work_fn work, stint_done_fn done, int rc,
                              enum stint_code code)
{
    struct heard wait, late;
    struct stint_err err = {0};
    struct closing c = {.a = open_for(0)};
    queue_now(c.a, "a");
    wait_for_ever(c.a, &wait, NULL);
    run_for(30);
    assert_int_equal(stint_async_call(c.a, work, done, &c, NULL, &err), 0);
    wait_for_ever(c.a, &late, NULL);
    run_for(50);
    expect(&c.heard, rc, code);
    assert_int_equal(c.refused, STINT_CLOSED);
    expect(&wait, -1, STINT_CLOSED);
    expect(&late, -1, STINT_CLOSED);
}

static void close_from_inside_of_done(void **state)
{
    (void)state;
    close_from_inside(idle_work, closing_done, 7, STINT_OK);
}

static void close_from_inside_of_work(void **state)
{
    (void)state;
    close_from_inside(closing_work, closed_done, -1, STINT_CLOSED);
}

static int chain_left;
static void chain(int rc, const struct stint_err *err, void *arg)
{
    struct stint_err why = {0};
    assert_int_equal(rc, 0);
    assert_int_equal(err->code, STINT_OK);
    if (--chain_left > 0)
        assert_int_equal(stint_async_disable_task(arg, "main", "a", chain, arg,
                                                  NULL, &why),
                         0);
}

static void done_may_make_the_next_call(void **state)
{
    stint_async *a = open_for(0);

    (void)state;
    queue_now(a, "a");
    chain_left = 21;
    chain(0, &(struct stint_err){0}, a);
    drain(a);
    assert_int_equal(chain_left, 0);
    stint_async_close(a);
}

/* ---- A Redis that is away ------------------------------------------------ */

/* A timer of the program's: how long was the loop ever held up? */
struct pulse {
    struct event *timer;
    int64_t last_ms, longest_ms, n;
};

static void on_pulse(evutil_socket_t fd, short what, void *arg)
{
    struct pulse *p = arg;
    int64_t now_ms = clock_mono_ms();
    (void)fd, (void)what;
    if (now_ms - p->last_ms > p->longest_ms)
        p->longest_ms = now_ms - p->last_ms;
    p->last_ms = now_ms;
    p->n++;
}

static void pulse_start(struct pulse *p)
{
    const struct timeval tv = {0, 10000};
    *p = (struct pulse){.last_ms = clock_mono_ms()};
    p->timer = event_new(base, -1, EV_PERSIST, on_pulse, p);
    event_add(p->timer, &tv);
}

static void pulse_stop(struct pulse *p)
{
    on_pulse(-1, 0, p);
    event_free(p->timer);
    assert_in_range(p->longest_ms, 0, 200);
}

static void unreachable_redis_holds_up_nothing(void **state)
{
    static const char *const urls[] = {"unix:///nowhere/redis.sock",
                                       "redis://127.0.0.1:1"};
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    struct pulse pulse;

    (void)state;
    for (int i = 0; i < 2; i++) {
        static struct heard heard[50];
        o.url = urls[i];
        o.timeout_s = 0.7;
        stint_async *a = stint_async_open(&o, base, &err);
        assert_non_null(a);
        int64_t begin_ms = clock_mono_ms();
        pulse_start(&pulse);
        queue_many(a, heard, 50);
        drain(a);
        pulse_stop(&pulse);
        assert_in_range(clock_mono_ms() - begin_ms, 700, 3000);
        assert_true(pulse.n > 20);
        for (int k = 0; k < 50; k++)
            expect(&heard[k], -1, STINT_UNREACHABLE);
        stint_async_close(a);
    }
}

static void stopped_redis_holds_up_nothing(void **state)
{
    static struct heard heard[100];
    struct pulse pulse;
    stint_async *a = open_for(0);

    (void)state;
    assert_int_equal(kill(server.pid, SIGSTOP), 0); /* before it connects */
    pulse_start(&pulse);
    queue_many(a, heard, 50);
    run_for(300);
    assert_int_equal(kill(server.pid, SIGCONT), 0);
    drain(a);
    assert_int_equal(kill(server.pid, SIGSTOP), 0); /* and afterwards */
    for (int i = 50; i < 100; i++) {
        char id[16];
        snprintf(id, sizeof(id), "t%d", i);
        queue(a, id, &heard[i]);
    }
    run_for(300);
    assert_int_equal(stint_async_pending(a), 50);
    assert_int_equal(kill(server.pid, SIGCONT), 0);
    drain(a);
    pulse_stop(&pulse);
    for (int i = 0; i < 100; i++)
        expect(&heard[i], 0, STINT_OK);
    assert_int_equal(tasks_there(), 100);
    stint_async_close(a);
}

/* The outcome of what was sent is unknown: it is sent again, and found. */
static void stopped_for_longer_than_a_reply_may_take(void **state)
{
    static struct heard heard[20];
    stint_async *a = open_for(0.5);

    (void)state;
    queue_now(a, "first");
    assert_int_equal(kill(server.pid, SIGSTOP), 0);
    queue_many(a, heard, 20);
    drain(a);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(heard[i].n, 1);
        assert_int_equal(heard[i].rc, -1);
        assert_true(heard[i].err.code == STINT_UNKNOWN ||
                    heard[i].err.code == STINT_UNREACHABLE);
    }
    assert_int_equal(kill(server.pid, SIGCONT), 0);
    run_for(200);
    queue_now(a, "last");
    stint_async_close(a);
}

static void killed_redis_comes_back(void **state)
{
    static struct heard heard[200];
    stint_async *a = open_for(0);

    (void)state;
    queue_many(a, heard, 100);
    run_for(3);
    server_kill(&server);
    for (int i = 100; i < 200; i++) {
        char id[16];
        snprintf(id, sizeof(id), "t%d", i);
        queue(a, id, &heard[i]);
    }
    run_for(300);
    assert_true(stint_async_pending(a) >= 100);
    server_restart(&server);
    drain(a);
    for (int i = 0; i < 200; i++)
        expect(&heard[i], 0, STINT_OK);
    /* What was acknowledged just before the kill may be lost with it (level
     * 1); all that was not, is there. */
    assert_in_range(tasks_there(), 100, 200);
    stint_async_close(a);
}

static void lost_rules_are_loaded_again_once(void **state)
{
    static struct heard heard[100];
    stint_async *a = open_for(0);

    (void)state;
    queue_now(a, "a");
    const char *info = "INFO commandstats";
    const char *mark = "cmdstat_function|load:calls=";
    assert_int_equal(redis_number(info, mark), 1);
    (void)redis_number("FUNCTION FLUSH", NULL);
    queue_many(a, heard, 100);
    drain(a);
    for (int i = 0; i < 100; i++)
        expect(&heard[i], 0, STINT_OK);
    assert_int_equal(redis_number(info, mark), 2);
    stint_async_close(a);
}

/* ---- Out of memory ------------------------------------------------------- */

static void without_memory_a_call_is_refused_and_no_more(void **state)
{
    static struct heard heard[MANY];
    struct rlimit old, less;
    struct stint_err err = {0};
    const char *ids[] = {"a"};
    long pages = 0;
    int n = 0;

    (void)state;
    if (IS_SANITIZED)
        skip(); /* they need all the addresses there are */
    stint_async *a = open_for(0);
    queue_now(a, "a");
    FILE *f = fopen("/proc/self/statm", "re");
    assert_true(f != NULL && fscanf(f, "%ld", &pages) == 1);
    fclose(f);
    assert_int_equal(getrlimit(RLIMIT_AS, &old), 0);
    less = old;
    less.rlim_cur = (rlim_t)pages * 4096 + 64 * 1024 * 1024;
    assert_int_equal(setrlimit(RLIMIT_AS, &less), 0);
    while (n < MANY) {
        heard[n] = (struct heard){0};
        if (stint_async_wait(a, "main", ids, 1, 0.1, on_waited, &heard[n],
                             NULL, &err))
            break;
        n++;
    }
    assert_int_equal(err.code, STINT_NOMEM);
    assert_int_equal(stint_async_pending(a), n);
    drain(a);
    assert_int_equal(setrlimit(RLIMIT_AS, &old), 0);
    assert_true(n > 20);
    for (int i = 0; i < n; i++)
        expect(&heard[i], -1, STINT_TIMEOUT);
    queue_now(a, "b");
    stint_async_close(a);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, up, down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(thousand_calls_at_once_are_all_queued),
        TEST(each_call_ends_once_with_its_own_result),
        TEST(calls_begin_in_the_order_they_were_made),
        TEST(another_task_costs_one_call),
        TEST(two_handles_share_a_loop),
        TEST(several_functions_run_in_a_row),
        TEST(wait_hears_what_another_call_does),
        TEST(many_tasks_in_one_call),
        TEST(refused_input_tells_its_errors),
        TEST(deeply_nested_input_is_refused_as_ever),
        TEST(cancelled_wait_ends),
        TEST(work_may_cancel_itself),
        TEST(cancelled_while_redis_stands_still),
        TEST(close_ends_what_is_outstanding),
        TEST(close_from_inside_of_done),
        TEST(close_from_inside_of_work),
        TEST(done_may_make_the_next_call),
        TEST(unreachable_redis_holds_up_nothing),
        TEST(stopped_redis_holds_up_nothing),
        TEST(stopped_for_longer_than_a_reply_may_take),
        TEST(killed_redis_comes_back),
        TEST(lost_rules_are_loaded_again_once),
        TEST(without_memory_a_call_is_refused_and_no_more)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
