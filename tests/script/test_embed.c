/* SPDX-License-Identifier: MIT */
/* A worker inside of a program: on the program's own event base, beside
 * another worker, and with handlers that do not return. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/event.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <stint/stint.h>

#include "clock.h"
#include "server.h"

struct program {
    struct server server;
    struct event_base *base;
    struct event *ticker;
    int n_ticks;
    stint *client;
    int n_ended, rc;
    struct stint_err why;
    atomic_int n_runs;
    atomic_int may_return;
};

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    ((struct program *)arg)->n_ticks++;
}

static int program_up(void **state)
{
    static struct program p;
    const struct timeval tv = {0, 10000};
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};

    memset(&p, 0, sizeof(p));
    server_start(&p.server);
    o.url = p.server.url;
    p.client = stint_open(&o, &err);
    assert_non_null(p.client);
    p.base = event_base_new();
    p.ticker = event_new(p.base, -1, EV_PERSIST, on_tick, &p);
    event_add(p.ticker, &tv);
    *state = &p;
    return 0;
}

static int program_down(void **state)
{
    struct program *p = *state;

    stint_close(p->client);
    event_free(p->ticker);
    event_base_free(p->base);
    server_stop(&p->server);
    return 0;
}

static stint_worker *worker_new(struct program *p, int drain)
{
    struct stint_worker_options o = STINT_WORKER_OPTIONS_INIT;
    struct stint_err err = {0};
    stint_worker *w;

    o.url = p->server.url;
    o.concurrency = 2;
    o.heartbeat_s = 0.3;
    o.grace_s = 0.1;
    o.drain = drain;
    w = stint_worker_new(&o, &err);
    assert_non_null(w);
    return w;
}

static void add(stint_worker *w, const char *name, stint_handler_fn fn,
                void *arg)
{
    struct stint_err err = {0};

    assert_int_equal(stint_worker_register(w, name, fn, arg, NULL, &err), 0);
}

static void queue(struct program *p, const char *function, const char *id,
                  double timeout_s)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors = {0};
    struct stint_err err = {0};
    char made[STINT_ID_LEN + 1];

    o.function = function;
    o.id = id;
    o.timeout_s = timeout_s;
    assert_int_equal(stint_queue_task(p->client, &o, made, &errors, &err), 0);
}

/* The status of a task, to be freed. */
static struct stint_status *look(struct program *p, const char *id)
{
    struct stint_err err = {0};
    struct stint_status *t = stint_task_status(p->client, "main", id,
                                               STINT_WITH_OUTPUT, &err);

    assert_non_null(t);
    return t;
}

static int has_status(struct program *p, const char *id, const char *status)
{
    struct stint_status *t = look(p, id);
    int is = strcmp(t->status, status) == 0;

    stint_status_free(t);
    return is;
}

/* Runs the loop until the task has that status. */
static void until_status(struct program *p, const char *id, const char *status)
{
    int64_t until = clock_mono_ms() + 20000;

    while (!has_status(p, id, status)) {
        assert_true(clock_mono_ms() < until);
        event_base_loop(p->base, EVLOOP_ONCE);
    }
}

static int count(stint_run *run, void *arg)
{
    struct program *p = arg;

    atomic_fetch_add(&p->n_runs, 1);
    return stint_run_set_result(run, "\"done\"");
}

static void on_end(int rc, const struct stint_err *err, void *arg)
{
    struct program *p = arg;

    p->n_ended++;
    p->rc = rc;
    p->why = *err;
}

static void start(struct program *p, stint_worker *w)
{
    struct stint_err err = {0};

    if (stint_worker_start(w, p->base, on_end, p, &err) < 0)
        fail_msg("%s", err.text);
}

static void until_ended(struct program *p, int n)
{
    int64_t until = clock_mono_ms() + 20000;

    while (p->n_ended < n) {
        assert_true(clock_mono_ms() < until);
        event_base_loop(p->base, EVLOOP_ONCE);
    }
}

static void test_two_workers_on_a_base_with_more_on_it(void **state)
{
    struct program *p = *state;
    stint_worker *a = worker_new(p, 0), *b = worker_new(p, 0);
    struct stint_err err = {0};
    char id[16];

    add(a, "count", count, p);
    add(b, "count", count, p);
    start(p, a);
    assert_int_equal(stint_worker_start(a, p->base, on_end, p, &err), -1);
    assert_int_equal(err.code, STINT_STATE);
    start(p, b);
    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof(id), "t%d", i);
        queue(p, "count", id, 60);
    }
    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof(id), "t%d", i);
        until_status(p, id, "COMPLETED");
    }
    assert_int_equal(atomic_load(&p->n_runs), 50);
    stint_worker_stop(a);
    until_ended(p, 1);
    assert_int_equal(p->rc, 0);
    queue(p, "count", "last", 60); /* the other goes on */
    until_status(p, "last", "COMPLETED");
    stint_worker_stop(b);
    until_ended(p, 2);
    assert_true(p->n_ticks > 0);
    stint_worker_free(a);
    stint_worker_free(b);
}

struct owner {
    struct program *p;
    stint_worker *w;
};

static void on_end_free(int rc, const struct stint_err *err, void *arg)
{
    struct owner *o = arg;

    stint_worker_free(o->w);
    on_end(rc, err, o->p);
}

static void test_freed_at_its_end_and_runs_once(void **state)
{
    struct program *p = *state;
    struct owner o = {p, worker_new(p, 1)};
    struct stint_err err = {0};
    stint_worker *w;

    add(o.w, "count", count, p);
    queue(p, "count", "a", 60);
    assert_int_equal(stint_worker_start(o.w, p->base, on_end_free, &o, &err),
                     0);
    until_ended(p, 1);
    assert_true(has_status(p, "a", "COMPLETED"));
    w = worker_new(p, 1);
    add(w, "count", count, p);
    queue(p, "count", "b", 60);
    assert_int_equal(stint_worker_run(w, &err), 0);
    assert_true(has_status(p, "b", "COMPLETED"));
    assert_int_equal(stint_worker_run(w, &err), -1);
    assert_int_equal(err.code, STINT_STATE);
    stint_worker_free(w);
}

static void test_no_redis(void **state)
{
    struct program *p = *state;
    stint_worker *w = worker_new(p, 0);
    struct stint_err err = {0};

    add(w, "count", count, p);
    server_kill(&p->server);
    assert_int_equal(stint_worker_start(w, p->base, on_end, p, &err), -1);
    assert_int_equal(err.code, STINT_UNREACHABLE);
    server_restart(&p->server);
    queue(p, "count", "a", 60);
    start(p, w); /* it is as if it had never been tried */
    until_status(p, "a", "COMPLETED");
    stint_worker_stop(w);
    until_ended(p, 1);
    stint_worker_free(w);
}

static int tells(stint_run *run, void *arg)
{
    struct program *p = arg;

    stint_run_progress(run, 42, "of the way");
    stint_run_log(run, "a word");
    while (!atomic_load(&p->may_return) && !stint_run_is_cancelled(run))
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    return 0;
}

static void test_progress_is_seen(void **state)
{
    struct program *p = *state;
    stint_worker *w = worker_new(p, 0);
    struct stint_status *t;

    add(w, "tells", tells, p);
    queue(p, "tells", "a", 60); /* no sync_output */
    start(p, w);
    until_status(p, "a", "RUNNING");
    for (int i = 0;; i++) {
        t = look(p, "a");
        if (t->percent >= 0)
            break;
        stint_status_free(t);
        assert_true(i < 1000);
        event_base_loop(p->base, EVLOOP_ONCE);
    }
    assert_true(t->percent == 42);
    assert_string_equal(t->progress, "of the way");
    stint_status_free(t);
    atomic_store(&p->may_return, 1);
    until_status(p, "a", "COMPLETED");
    t = look(p, "a");
    assert_true(t->percent == -1);
    assert_null(t->progress);
    assert_string_equal(t->output, "a word\n");
    stint_status_free(t);
    stint_worker_stop(w);
    until_ended(p, 1);
    stint_worker_free(w);
}

static int is_deaf(stint_run *run, void *arg)
{
    struct program *p = arg;

    (void)run;
    while (!atomic_load(&p->may_return))
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    return 0;
}

/* One slot of two is lost, the other goes on; then the first comes back. */
static void test_a_slot_is_written_off(void **state)
{
    struct program *p = *state;
    stint_worker *w = worker_new(p, 0);
    struct stint_status *t;

    add(w, "is_deaf", is_deaf, p);
    add(w, "count", count, p);
    queue(p, "is_deaf", "deaf", 0.2);
    start(p, w);
    until_status(p, "deaf", "TIMEOUT");
    t = look(p, "deaf");
    assert_string_equal(t->error,
                        "timeout after 0.2 s; the function goes on");
    stint_status_free(t);
    queue(p, "count", "a", 60);
    until_status(p, "a", "COMPLETED");
    atomic_store(&p->may_return, 1);
    queue(p, "count", "b", 60);
    until_status(p, "b", "COMPLETED");
    stint_worker_stop(w);
    until_ended(p, 1);
    assert_int_equal(p->rc, 0);
    assert_true(has_status(p, "deaf", "TIMEOUT")); /* reported once */
    stint_worker_free(w);
}

/* A child process: threads that never return would be called leaks. */
static void test_all_slots_are_written_off(void **state)
{
    struct program *p = *state;
    struct stint_err err = {0};
    int status;
    pid_t pid;

    queue(p, "is_deaf", "a", 0.1);
    queue(p, "is_deaf", "b", 0.1);
    pid = fork();
    if (pid == 0) {
        stint_worker *w = worker_new(p, 0);

        add(w, "is_deaf", is_deaf, p);
        _exit(stint_worker_run(w, &err) == -1 && err.code == STINT_STATE ? 7
                                                                         : 8);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_true(has_status(p, "a", "TIMEOUT"));
    assert_true(has_status(p, "b", "TIMEOUT"));
}

/* The worker is gone and freed, its function returns, the loop goes on. */
static void stuck_child(struct program *p)
{
    struct event_base *base = event_base_new();
    stint_worker *w = worker_new(p, 0);
    struct stint_err err = {0};

    add(w, "is_deaf", is_deaf, p);
    if (stint_worker_start(w, base, on_end, p, &err) < 0)
        _exit(8);
    for (int i = 0; i < 5000 && p->n_ended == 0; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
        if (i == 600) { /* it has been written off */
            stint_worker_stop(w);
            stint_worker_stop(w);
        }
    }
    stint_worker_free(w);
    atomic_store(&p->may_return, 1);
    for (int i = 0; i < 100; i++) {
        event_base_loop(base, EVLOOP_NONBLOCK);
        nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    _exit(p->n_ended == 1 && p->rc == 0 ? 7 : 9);
}

static void test_freed_while_a_function_goes_on(void **state)
{
    struct program *p = *state;
    int status;
    pid_t pid;

    queue(p, "is_deaf", "a", 0.1);
    pid = fork();
    if (pid == 0)
        stuck_child(p);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_true(has_status(p, "a", "TIMEOUT"));
}

static int never_again(stint_run *run, void *arg)
{
    (void)arg;
    stint_run_set_error(run, "wrong for ever");
    stint_run_set_retry(run, STINT_RETRY_NEVER);
    return 1;
}

static int third_time(stint_run *run, void *arg)
{
    (void)arg;
    stint_run_set_retry(run, STINT_RETRY_NOW);
    return stint_run_attempt(run) < 3;
}

static void test_advice(void **state)
{
    struct program *p = *state;
    stint_worker *w = worker_new(p, 1);
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors = {0};
    struct stint_err err = {0};
    char id[STINT_ID_LEN + 1];

    add(w, "never_again", never_again, NULL);
    add(w, "third_time", third_time, NULL);
    o.retry_failed = 5;
    o.retry_delay_s = 3600; /* both would wait for an hour */
    o.function = o.id = "never_again";
    assert_int_equal(stint_queue_task(p->client, &o, id, &errors, &err), 0);
    o.function = o.id = "third_time";
    assert_int_equal(stint_queue_task(p->client, &o, id, &errors, &err), 0);
    assert_int_equal(stint_worker_run(w, &err), 0);
    assert_true(has_status(p, "never_again", "FAILED"));
    assert_true(has_status(p, "third_time", "COMPLETED"));
    stint_worker_free(w);
}

static void test_settings_of_functions(void **state)
{
    struct program *p = *state;
    stint_worker *w = worker_new(p, 1);
    struct stint_function_options o = STINT_FUNCTION_OPTIONS_INIT;
    static const struct {
        const char *settings, *text;
    } wrong[] = {
        {"{\"nice\": 5}", "f: nice, user, rlimits and the like need "
                          "\"isolation\": \"process\""},
        {"{\"tmeout\": 5}", "f: unknown key \"tmeout\""},
        {"{\"exec\": [\"true\"]}", "f: needs exactly one of exec, child and "
                                   "module"},
        {"{\"max_tasks\": 5}", "f: processes, max_tasks and max_rss need "
                               "\"isolation\": \"process\""},
    };

    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        struct stint_err err = {0};

        o.settings = wrong[i].settings;
        assert_int_equal(stint_worker_register(w, "f", count, p, &o, &err),
                         -1);
        assert_int_equal(err.code, STINT_INVALID);
        assert_string_equal(err.text, wrong[i].text);
    }
    o.settings = NULL;
    o.timeout_s = 0.2; /* of tasks that say nothing */
    struct stint_err err = {0};
    assert_int_equal(stint_worker_register(w, "f", tells, p, &o, &err), 0);
    assert_int_equal(stint_worker_register(w, "f", tells, p, &o, &err), -1);
    assert_int_equal(err.code, STINT_EXISTS);
    err = (struct stint_err){0};
    queue(p, "f", "a", 60); /* 60 is the default: as if nothing was said */
    assert_int_equal(stint_worker_run(w, &err), 0);
    assert_true(has_status(p, "a", "TIMEOUT"));
    stint_worker_free(w);
}

static int own_pid(stint_run *run, void *arg)
{
    char json[32];

    (void)arg;
    snprintf(json, sizeof(json), "%ld", (long)getpid());
    return stint_run_set_result(run, json);
}

static stint_worker *program_worker_new(struct program *p)
{
    struct stint_worker_options o = STINT_WORKER_OPTIONS_INIT;
    struct stint_function_options f = STINT_FUNCTION_OPTIONS_INIT;
    struct stint_err err = {0};
    char path[128];
    stint_worker *w;
    FILE *file;

    snprintf(path, sizeof(path), "%s/worker.json", p->server.dir);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("{\"tasks\": {\"sh\": {\"exec\": [\"sh\", \"-c\", "
          "\"exit 3\"]}}}", file);
    fclose(file);
    o.url = p->server.url;
    o.config_path = path;
    o.concurrency = 2;
    w = stint_worker_new(&o, &err);
    assert_non_null(w);
    f.isolation = STINT_PROCESS;
    assert_int_equal(
        stint_worker_register(w, "own_pid", own_pid, NULL, &f, &err), 0);
    return w;
}

/* Both have children, and so has the program: each hears of its own. */
static void test_children_of_two_workers_and_of_the_program(void **state)
{
    struct program *p = *state;
    stint_worker *a = program_worker_new(p), *b = program_worker_new(p);
    struct stint_status *t;
    char id[16];
    int status;
    pid_t pid;

    start(p, a);
    start(p, b);
    pid = fork();
    if (pid == 0)
        _exit(7);
    for (int i = 0; i < 40; i++) {
        snprintf(id, sizeof(id), "t%d", i);
        queue(p, i % 2 ? "sh" : "own_pid", id, 60);
    }
    for (int i = 0; i < 40; i++) {
        snprintf(id, sizeof(id), "t%d", i);
        until_status(p, id, i % 2 ? "FAILED" : "COMPLETED");
        t = look(p, id);
        if (i % 2)
            assert_string_equal(t->error, "exit status 3");
        else
            assert_int_not_equal(atol(t->result), getpid());
        stint_status_free(t);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WEXITSTATUS(status), 7);
    stint_worker_stop(a);
    stint_worker_stop(b);
    until_ended(p, 2);
    stint_worker_free(a);
    stint_worker_free(b);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, program_up, \
                                                   program_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_two_workers_on_a_base_with_more_on_it),
        TEST(test_freed_at_its_end_and_runs_once),
        TEST(test_no_redis),
        TEST(test_progress_is_seen),
        TEST(test_a_slot_is_written_off),
        TEST(test_all_slots_are_written_off),
        TEST(test_freed_while_a_function_goes_on),
        TEST(test_advice),
        TEST(test_children_of_two_workers_and_of_the_program),
        TEST(test_settings_of_functions),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
