/* SPDX-License-Identifier: MIT */
/* Programs as runs: each test starts real processes on a loop of its own and
 * looks at what is reported and at what is left behind. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "executor.h"
#include "limits.h"

#define TASK "{\"id\":\"t1\",\"args\":[\"a b\",7,{\"k\":[1,2]}],"              \
             "\"vars\":{\"size\":\"10x10\",\"n\":null}}"

struct fixture {
    struct event_base *base;
    struct event *timer;
    struct executor *e;
    int n_open, n_done;
    enum run_outcome outcome;
    char *result, *output, *error;
    size_t output_len;
};

static void on_done(struct run *run, const struct run_result *r, void *arg)
{
    struct fixture *f = arg;

    assert_null(run->slot);
    free(f->result);
    free(f->output);
    free(f->error);
    f->outcome = r->outcome;
    f->result = r->result ? strndup(r->result, r->result_len) : NULL;
    f->output = strndup(r->output ? r->output : "", r->output_len);
    f->output_len = r->output_len;
    f->error = r->error ? strdup(r->error) : NULL;
    f->n_done++;
    if (--f->n_open == 0)
        event_base_loopbreak(f->base);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct fixture *f = arg;

    (void)fd;
    (void)what;
    f->e->ops->tick(f->e, clock_mono_ms());
}

static void setup(struct fixture *f)
{
    const struct timeval tv = {0, 10000};
    struct stint_err err = {STINT_OK, ""};
    struct executor_options o = {0};

    memset(f, 0, sizeof(*f));
    setenv("STINT_URL", "redis://secret", 1);
    f->base = event_base_new();
    f->timer = event_new(f->base, -1, EV_PERSIST, on_timer, f);
    event_add(f->timer, &tv);
    o.base = f->base;
    o.grace_ms = 200;
    o.worker = "w1.test";
    o.on_done = on_done;
    o.arg = f;
    f->e = program_executor_new(&o, &err);
    assert_non_null(f->e);
}

static void teardown(struct fixture *f)
{
    f->e->ops->close(f->e);
    event_free(f->timer);
    event_base_free(f->base);
    free(f->result);
    free(f->output);
    free(f->error);
}

static void run_init(struct run *run, struct program *p, char **argv)
{
    memset(run, 0, sizeof(*run));
    p->argv = argv;
    p->nice = 0;
    run->id = "t1";
    run->function = "fn";
    run->fence = 42;
    run->attempt = 2;
    run->timeout_ms = 60000;
    run->deadline_wall_ms = 1000;
    run->json = TASK;
    run->json_len = strlen(TASK);
    run->how = p;
}

static void run_start(struct fixture *f, struct run *run)
{
    int n = f->n_done;

    f->n_open++;
    f->e->ops->start(f->e, run);
    assert_int_equal(f->n_done, n);
}

static void run_argv(struct fixture *f, char **argv, int64_t timeout_ms)
{
    struct program p;
    struct run run;
    struct stint_err err = {STINT_OK, ""};

    run_init(&run, &p, argv);
    run.timeout_ms = timeout_ms;
    assert_int_equal(program_check(&p, &err), 0);
    run_start(f, &run);
    event_base_dispatch(f->base);
    json_decref(run.task);
}

static void run_sh(struct fixture *f, const char *script, int64_t timeout_ms)
{
    char *argv[] = {(char *)"sh", (char *)"-c", strdup(script), NULL};

    run_argv(f, argv, timeout_ms);
    free(argv[2]);
}

static void test_success(void **state)
{
    char *argv[] = {
        (char *)"sh", (char *)"-c",
        (char *)"cat; printf '|%s' \"$@\"; echo '[1]' >&3; "
                "echo \"|$STINT_TASK_ID $STINT_RUN_ID $STINT_FENCE "
                "$STINT_ATTEMPT $STINT_FUNCTION $STINT_DEADLINE "
                "$STINT_WORKER $STINT_RESULT_FD,$STINT_URL\"",
        (char *)"sh", (char *)"{args}", (char *)"x{args.1}-{vars.size}",
        (char *)"<{args}>", (char *)"{vars.n}", NULL};
    struct fixture f;

    (void)state;
    setup(&f);
    run_argv(&f, argv, 60000);
    assert_int_equal(f.outcome, RUN_COMPLETED);
    assert_null(f.error);
    assert_string_equal(f.result, "[1]");
    assert_string_equal(
        f.output, TASK "|a b|7|{\"k\":[1,2]}|x7-10x10|<a b 7 {\"k\":[1,2]}>"
                  "|null|t1 t1@42 42 2 fn 1970-01-01T00:00:01.000Z "
                  "w1.test 3,\n");
    teardown(&f);
}

static void test_check(void **state)
{
    static const char *const bad[] = {"{foo}", "{args.x}", "{args.}", "{",
                                      "}", "a{args", "{vars.}", "{{args}}"};
    char *argv[] = {(char *)"x", NULL, NULL};
    struct program p = {argv, 0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct stint_err err = {STINT_OK, ""};

        argv[1] = (char *)bad[i];
        assert_int_equal(program_check(&p, &err), -1);
        assert_int_equal(err.code, STINT_INVALID);
    }
}

static void test_cannot_start(void **state)
{
    char *missing[] = {(char *)"touch", (char *)"{args.3}", NULL};
    char *var[] = {(char *)"echo", (char *)"a{vars.none}", NULL};
    char *nothing[] = {(char *)"no-such-program-here", NULL};
    char *path[] = {(char *)"/no/such/program", NULL};
    struct fixture f;

    (void)state;
    setup(&f);
    run_argv(&f, missing, 60000);
    assert_int_equal(f.outcome, RUN_FAILED);
    assert_string_equal(f.error, "args.3 is missing");
    run_argv(&f, var, 60000);
    assert_string_equal(f.error, "vars.none is missing");
    run_argv(&f, nothing, 60000);
    assert_int_equal(f.outcome, RUN_FAILED);
    assert_string_equal(f.error, "cannot run no-such-program-here: "
                                 "No such file or directory");
    run_argv(&f, path, 60000);
    assert_int_equal(f.outcome, RUN_FAILED);
    assert_string_equal(f.error, "cannot run /no/such/program: "
                                 "No such file or directory");
    teardown(&f);
}

static void test_status(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    run_sh(&f, "echo out; echo bad >&2; exit 3", 60000);
    assert_int_equal(f.outcome, RUN_FAILED);
    assert_string_equal(f.error, "exit status 3: bad");
    assert_non_null(strstr(f.output, "out\n"));
    assert_non_null(strstr(f.output, "bad\n"));
    run_sh(&f, "kill -SEGV $$", 60000);
    assert_int_equal(f.outcome, RUN_FAILED);
    assert_string_equal(f.error, "killed by signal 11 (SIGSEGV)");
    run_sh(&f, "seq 10000 >&2; exit 1", 60000);
    assert_true(strlen(f.error) <= ERROR_BYTES_MAX);
    assert_non_null(strstr(f.error, "\n10000"));
    teardown(&f);
}

static void test_timeout(void **state)
{
    struct fixture f;
    int64_t start, took;

    (void)state;
    setup(&f);
    start = clock_mono_ms();
    run_sh(&f, "trap '' TERM; while :; do sleep 1; done", 300);
    took = clock_mono_ms() - start;
    assert_int_equal(f.outcome, RUN_TIMEOUT);
    assert_string_equal(f.error, "timeout after 0.3 s");
    assert_in_range(took, 500, 1000);
    teardown(&f);
}

static void test_flood(void **state)
{
    char *argv[] = {(char *)"yes", NULL};
    struct fixture f;
    int64_t start, took;

    (void)state;
    setup(&f);
    start = clock_mono_ms();
    run_argv(&f, argv, 500);
    took = clock_mono_ms() - start;
    assert_int_equal(f.outcome, RUN_TIMEOUT);
    assert_in_range(took, 500, 1000);
    assert_true(f.output_len <= OUTPUT_BYTES_MAX);
    assert_non_null(strstr(f.output, "y\n\n[output cut at "));
    teardown(&f);
}

static void test_stop(void **state)
{
    char *argv[] = {(char *)"sleep", (char *)"100", NULL};
    struct fixture f;
    struct program p;
    struct run run;

    (void)state;
    setup(&f);
    for (int at_once = 0; at_once < 2; at_once++) {
        run_init(&run, &p, argv);
        run_start(&f, &run);
        f.e->ops->stop(f.e, &run, at_once);
        event_base_dispatch(f.base);
        assert_int_equal(f.outcome, RUN_STOPPED);
    }
    teardown(&f);
}

static int is_dead(pid_t pid)
{
    return kill(pid, 0) < 0 && errno == ESRCH;
}

static void test_grandchildren(void **state)
{
    struct fixture f;
    long away, near;

    (void)state;
    setup(&f);
    run_sh(&f, "sleep 100 & echo $!; setsid sh -c 'echo $$; exec sleep 100' & "
               "sleep 0.5", 60000);
    assert_int_equal(f.outcome, RUN_COMPLETED);
    assert_int_equal(sscanf(f.output, "%ld %ld", &near, &away), 2);
    for (int i = 0; i < 100 && !(is_dead((pid_t)near) &&
                                 is_dead((pid_t)away)); i++) {
        event_base_loop(f.base, EVLOOP_ONCE);
    }
    assert_true(is_dead((pid_t)near));
    assert_true(is_dead((pid_t)away));
    teardown(&f);
}

static void test_descriptors(void **state)
{
    char *argv[] = {(char *)"ls", (char *)"/proc/self/fd", NULL};
    struct fixture f;
    int fd = open("/dev/null", O_RDONLY); /* without close-on-exec */

    (void)state;
    setup(&f);
    run_argv(&f, argv, 60000);
    assert_string_equal(f.output, "0\n1\n2\n3\n4\n"); /* 4: ls's own */
    close(fd);
    teardown(&f);
}

static void test_output(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    run_sh(&f, "echo old; printf 'more!clear!new'", 60000);
    assert_string_equal(f.output, "new");
    run_sh(&f, "printf 'old!cle'; sleep 0.2; printf 'ar!1!clear!2'", 60000);
    assert_string_equal(f.output, "2");
    run_sh(&f, "head -c 200000 /dev/zero | tr '\\0' x", 60000);
    assert_int_equal(f.outcome, RUN_COMPLETED);
    assert_true(f.output_len <= OUTPUT_BYTES_MAX);
    assert_non_null(strstr(f.output, "xx\n[output cut at "));
    run_sh(&f, "printf 'a\\377\\0\\303\\244\\303'", 60000);
    assert_string_equal(f.output, "a\xEF\xBF\xBD\xEF\xBF\xBD\xC3\xA4"
                                  "\xEF\xBF\xBD");
    teardown(&f);
}

static void test_result(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    run_sh(&f, "echo garbage >&3", 60000);
    assert_int_equal(f.outcome, RUN_FAILED);
    assert_null(f.result);
    assert_string_equal(f.error, "the result is no JSON");
    run_sh(&f, "printf '\\173\"a\":1,\"a\":2\\175' >&3", 60000);
    assert_int_equal(f.outcome, RUN_FAILED);
    run_sh(&f, "head -c 300000 /dev/zero | tr '\\0' 1 >&3", 60000);
    assert_int_equal(f.outcome, RUN_FAILED);
    assert_string_equal(f.error, "the result is too big");
    run_sh(&f, "printf false >&3", 60000);
    assert_int_equal(f.outcome, RUN_COMPLETED);
    assert_string_equal(f.result, "false");
    run_sh(&f, "true", 60000);
    assert_null(f.result);
    teardown(&f);
}

static void test_big_stdin(void **state)
{
    char *cat[] = {(char *)"wc", (char *)"-c", NULL};
    char *no[] = {(char *)"true", NULL};
    size_t len = 500000;
    char *json = malloc(len + 1), *const *argv[] = {cat, no};
    struct fixture f;
    struct program p;
    struct run run;

    (void)state;
    memset(json, ' ', len);
    json[len] = '\0';
    setup(&f);
    for (int i = 0; i < 2; i++) {
        run_init(&run, &p, (char **)argv[i]);
        run.json = json;
        run.json_len = len;
        run_start(&f, &run);
        event_base_dispatch(f.base);
        assert_int_equal(f.outcome, RUN_COMPLETED);
        assert_string_equal(f.output, i == 0 ? "500000\n" : "");
    }
    teardown(&f);
    free(json);
}

static void test_many(void **state)
{
    enum { N = 200 };
    char *argv[] = {(char *)"/bin/true", NULL};
    static struct run runs[N];
    struct fixture f;
    struct program p;

    (void)state;
    setup(&f);
    for (int i = 0; i < N; i++) {
        run_init(&runs[i], &p, argv);
        run_start(&f, &runs[i]);
        assert_non_null(runs[i].slot);
        if (i % 20 == 19)
            event_base_dispatch(f.base);
    }
    assert_int_equal(f.n_done, N);
    assert_int_equal(f.outcome, RUN_COMPLETED);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    teardown(&f);
}

static void test_guard(void **state)
{
    char *argv[] = {(char *)"sleep", (char *)"100", NULL};
    char *env[] = {(char *)"A=1", (char *)"STINT_WORKER=guard.test", NULL};
    struct stint_err err = {STINT_OK, ""};
    int fd, status;
    pid_t guard = guard_start("guard.test", &fd, &err), child;

    (void)state;
    assert_true(guard > 0);
    child = fork();
    if (child == 0) {
        execve("/bin/sleep", argv, env);
        _exit(1);
    }
    kill(guard, SIGTERM);
    nanosleep(&(struct timespec){0, 200000000}, NULL);
    assert_int_equal(waitpid(guard, &status, WNOHANG), 0);
    close(fd);
    /* The test is the child's parent and the guard's: it is spared. */
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(waitpid(guard, &status, 0), guard);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_int_equal(orphans_kill("guard.test", 3), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success),     cmocka_unit_test(test_check),
        cmocka_unit_test(test_cannot_start), cmocka_unit_test(test_status),
        cmocka_unit_test(test_timeout),     cmocka_unit_test(test_flood),
        cmocka_unit_test(test_stop), cmocka_unit_test(test_grandchildren),
        cmocka_unit_test(test_descriptors), cmocka_unit_test(test_output),
        cmocka_unit_test(test_result),      cmocka_unit_test(test_big_stdin),
        cmocka_unit_test(test_many),        cmocka_unit_test(test_guard),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
