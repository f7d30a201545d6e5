/* SPDX-License-Identifier: MIT */
/* Two threads with two handles each, one that waits and one on the thread's
 * own event loop: nothing is shared between handles. Made to be run under the
 * thread sanitizer, too. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <event2/event.h>
#include <pthread.h>
#include <stint/stint.h>

#include "server.h"

enum { THREADS = 2, ROUNDS = 20, TASKS = 10 };

struct client {
    pthread_t thread;
    const char *url;
    int index;
    stint *s;
    stint_async *a;
    struct event_base *base;
    char ids[TASKS][32]; /* of this round */
    int queued, waited;
    const char *fault; /* the first; NULL: none */
};

static void client_fault(struct client *c, const char *what)
{
    if (c->fault == NULL)
        c->fault = what;
}

static void on_queued(int rc, const char *id, const struct stint_errors *errors,
                      const struct stint_err *err, void *arg)
{
    struct client *c = arg;
    (void)id, (void)errors, (void)err;
    if (rc)
        client_fault(c, "async queue");
    c->queued++;
}

static void on_waited(int rc, size_t n_not_completed,
                      const struct stint_err *err, void *arg)
{
    struct client *c = arg;
    (void)err;
    if (rc || n_not_completed != TASKS)
        client_fault(c, "async wait");
    c->waited++;
}

static void client_drain(struct client *c)
{
    while (stint_async_pending(c->a) > 0)
        if (event_base_loop(c->base, EVLOOP_ONCE))
            client_fault(c, "loop");
}

/* Half of the tasks by each handle; all are waited for by both, and stopped by
 * the one while the other waits. */
static void client_round(struct client *c)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors = {0};
    struct stint_err err = {0};
    const char *ids[TASKS];
    size_t n_bad = 0;
    o.function = "f";
    for (int i = 0; i < TASKS; i++) {
        o.id = ids[i] = c->ids[i];
        if (i % 2 ? stint_queue_task(c->s, &o, NULL, &errors, &err)
                  : stint_async_queue_task(c->a, &o, &errors, on_queued, c,
                                           NULL, &err))
            client_fault(c, "queue");
    }
    client_drain(c);
    if (stint_async_wait(c->a, "main", ids, TASKS, 60, on_waited, c, NULL,
                         &err))
        client_fault(c, "wait");
    for (int i = 0; i < TASKS; i++) {
        if (stint_stop_task(c->s, "main", ids[i], &err))
            client_fault(c, "stop");
        if (event_base_loop(c->base, EVLOOP_NONBLOCK) < 0)
            client_fault(c, "loop");
    }
    if (stint_wait(c->s, "main", ids, TASKS, 60, NULL, NULL, &n_bad, &err) ||
        n_bad != TASKS)
        client_fault(c, "blocking wait");
    client_drain(c);
}

static void *client_main(void *arg)
{
    struct client *c = arg;
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    o.url = c->url;
    c->base = event_base_new();
    c->s = stint_open(&o, &err);
    c->a = stint_async_open(&o, c->base, &err);
    if (c->s == NULL || c->a == NULL) {
        client_fault(c, "open");
        return NULL;
    }
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < TASKS; i++)
            snprintf(c->ids[i], sizeof(c->ids[i]), "%d-%d-%d", c->index, round,
                     i);
        client_round(c);
    }
    stint_async_close(c->a);
    stint_close(c->s);
    event_base_free(c->base);
    return NULL;
}

static void two_threads_with_two_handles_each(void **state)
{
    struct client clients[THREADS] = {0};
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    struct server server;

    (void)state;
    server_start(&server);
    for (int i = 0; i < THREADS; i++) {
        clients[i].url = server.url;
        clients[i].index = i;
        assert_int_equal(pthread_create(&clients[i].thread, NULL, client_main,
                                        &clients[i]),
                         0);
    }
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(clients[i].thread, NULL), 0);
        if (clients[i].fault != NULL)
            fail_msg("thread %d: %s", i, clients[i].fault);
        assert_int_equal(clients[i].queued, ROUNDS * TASKS / 2);
        assert_int_equal(clients[i].waited, ROUNDS);
    }
    o.url = server.url;
    stint *s = stint_open(&o, &err);
    uint64_t checked = 0, faults = 1;
    assert_non_null(s);
    assert_int_equal(stint_fsck(s, NULL, NULL, &checked, &faults, &err), 0);
    assert_int_equal(checked, THREADS * ROUNDS * TASKS);
    assert_int_equal(faults, 0);
    stint_close(s);
    server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_threads_with_two_handles_each)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
