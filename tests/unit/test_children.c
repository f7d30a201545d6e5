/* SPDX-License-Identifier: MIT */
/* Processes that stay: real ones, of a helper that misbehaves on demand, and
 * of C functions of this program. Each test looks at what is reported, at whom
 * it costs what, and at what is left behind. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "executor.h"
#include "limits.h"
#include "log.h"

#define GRACE_MS 200

/* ---- A worker that only runs ---------------------------------------------- */

struct fixture {
    struct event_base *base;
    struct event *timer;
    struct executor *e;
    int n_open;              /* runs that have not ended */
    int n_progress;
    struct child_pool pools[3], *list[3];
    int n_pools;
    char *argv[3][4];
    struct buf log;
    struct log to_log;
    int n_fds;
};

/* A run and what came of it. */
struct job {
    struct run run;
    struct fixture *fixture;
    char *json;
    int is_done;
    int64_t start_ms, end_ms;
    struct run_result r;     /* its numbers */
    char *result, *output, *error, *tail;
};

static const struct function *function_find(const char *name, void *arg);

static int fds_count(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

static char *copy(const char *s, size_t len)
{
    return s != NULL ? strndup(s, len) : NULL;
}

static void on_done(struct run *run, const struct run_result *r, void *arg)
{
    struct job *j = (struct job *)run;
    struct fixture *f = arg;
    assert_null(run->slot);
    assert_false(j->is_done);
    assert_true(r->outcome == RUN_COMPLETED || r->error != NULL);
    j->is_done = 1;
    j->end_ms = clock_mono_ms();
    j->r = *r;
    j->result = copy(r->result, r->result_len);
    j->output = copy(r->output, r->output_len);
    j->error = copy(r->error, ERROR_BYTES_MAX);
    j->tail = copy(r->stderr_tail, 4000);
    if (--f->n_open == 0)
        event_base_loopbreak(f->base);
}

static void on_progress(struct run *run, void *arg)
{
    (void)run;
    ((struct fixture *)arg)->n_progress++;
}

static void on_log(enum stint_log_level level, const char *line, void *arg)
{
    struct fixture *f = arg;
    buf_printf(&f->log, "%d %s\n", (int)level, line);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    event_base_loopbreak(((struct fixture *)arg)->base);
}

/* A pool of the helper, or of C functions (mode NULL). */
static struct child_pool *pool_add(struct fixture *f, const char *mode,
                                   const char *note, int processes)
{
    struct child_pool *p = &f->pools[f->n_pools];
    char **argv = f->argv[f->n_pools];
    memset(p, 0, sizeof(*p));
    argv[0] = (char *)(uintptr_t)CHILD_HELPER;
    argv[1] = (char *)(uintptr_t)mode;
    argv[2] = (char *)(uintptr_t)note;
    argv[3] = NULL;
    p->argv = mode != NULL ? argv : NULL;
    p->processes = processes;
    f->list[f->n_pools++] = p;
    return p;
}

static void begin(struct fixture *f)
{
    memset(f, 0, sizeof(*f));
    buf_init(&f->log, 1 << 20);
    f->to_log = (struct log){on_log, f};
    f->n_fds = fds_count();
}

static void go(struct fixture *f)
{
    struct stint_err err = {STINT_OK, ""};
    f->base = event_base_new();
    struct executor_options o = {.base = f->base,
                                 .grace_ms = GRACE_MS,
                                 .worker = "w1.test",
                                 .on_done = on_done,
                                 .on_progress = on_progress,
                                 .arg = f,
                                 .n_threads = 3,
                                 .log = &f->to_log,
                                 .pools = f->list,
                                 .n_pools = f->n_pools,
                                 .find = function_find};
    f->timer = evtimer_new(f->base, on_timer, f);
    f->e = children_executor_new(&o, &err);
    if (f->e == NULL)
        fail_msg("%s", err.text);
}

/* One pool of the helper. */
static void setup(struct fixture *f, const char *mode, int processes)
{
    begin(f);
    pool_add(f, mode, NULL, processes);
    go(f);
}

static int has_children(void)
{
    siginfo_t si;
    memset(&si, 0, sizeof(si));
    return waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) == 0;
}

static void teardown(struct fixture *f)
{
    f->e->ops->close(f->e);
    event_free(f->timer);
    event_base_free(f->base);
    buf_close(&f->log);
    assert_int_equal(fds_count(), f->n_fds);
    assert_false(has_children());
}

static void job_start(struct fixture *f, struct job *j, int pool,
                      const char *function, const char *args,
                      int64_t timeout_ms)
{
    static uint64_t fence;
    struct buf text;
    memset(j, 0, sizeof(*j));
    buf_init(&text, PAYLOAD_BYTES_MAX);
    buf_printf(&text,
               "{\"id\":\"t\",\"function\":\"%s\",\"args\":%s,\"fence\":%d,"
               "\"attempt\":2,\"vars\":{}}",
               function, args, (int)++fence);
    j->json = buf_take(&text);
    j->run.id = "t";
    j->run.function = function;
    j->run.fence = fence;
    j->run.attempt = 2;
    j->run.timeout_ms = timeout_ms;
    j->run.deadline_wall_ms = 1000000 + timeout_ms;
    j->run.json = j->json;
    j->run.json_len = strlen(j->json);
    j->run.how = f->list[pool];
    j->start_ms = clock_mono_ms();
    f->n_open++;
    f->e->ops->start(f->e, &j->run);
    assert_false(j->is_done);
}

static void job_free(struct job *j)
{
    assert_true(j->is_done);
    free(j->json);
    free(j->result);
    free(j->output);
    free(j->error);
    free(j->tail);
}

/* Until all runs have ended, ms at most; a test that waits longer fails. */
static void loop(struct fixture *f, int ms)
{
    struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    evtimer_add(f->timer, &tv);
    event_base_dispatch(f->base);
    evtimer_del(f->timer);
}

static void loop_all(struct fixture *f)
{
    loop(f, 20000);
    assert_int_equal(f->n_open, 0);
}

static void job_run(struct fixture *f, struct job *j, const char *function,
                    const char *args)
{
    job_start(f, j, 0, function, args, 60000);
    loop_all(f);
}

/* It works as if nothing had been. */
static void works(struct fixture *f, int pool)
{
    struct job j;
    job_start(f, &j, pool, "pid", "[]", 60000);
    loop_all(f);
    assert_int_equal(j.r.outcome, RUN_COMPLETED);
    assert_non_null(j.result);
    job_free(&j);
}

static int is_alive(pid_t pid)
{
    char path[40], line[200] = "";
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    const char *end =
        fgets(line, sizeof(line), file) ? strrchr(line, ')') : NULL;
    fclose(file);
    return end != NULL && end[2] != 'Z' && end[2] != 'X';
}

/* ---- What goes well --------------------------------------------------------- */

static void run_gives_what_the_child_answers(void **state)
{
    struct fixture f;
    struct job j;
    (void)state;
    setup(&f, "good", 1);
    job_run(&f, &j, "echo", "[1, \"\xc3\xa4\", {\"k\": [1.5]}]");
    assert_int_equal(j.r.outcome, RUN_COMPLETED);
    assert_string_equal(j.result, "[1,\"\xc3\xa4\",{\"k\":[1.5]}]");
    assert_null(j.output);
    assert_null(j.error);
    job_free(&j);
    job_run(&f, &j, "nothing", "[]");
    assert_int_equal(j.r.outcome, RUN_COMPLETED);
    assert_null(j.result);
    job_free(&j);
    job_run(&f, &j, "raw", "[\" [1.10 , false]\"]"); /* as it was written */
    assert_string_equal(j.result, "[1.10 , false]");
    job_free(&j);
    teardown(&f);
}

static void frame_has_timeout_and_deadline(void **state)
{
    struct fixture f;
    struct job j, first;
    (void)state;
    setup(&f, "good", 1);
    job_start(&f, &first, 0, "progress", "[300]", 60000);
    job_start(&f, &j, 0, "frame", "[]", 2500);
    loop_all(&f);
    json_t *frame = json_loads(j.result, 0, NULL);
    assert_true(json_number_value(json_object_get(frame, "timeout")) == 2.5);
    /* It waited for 300 ms; only then its time began. */
    json_int_t deadline =
        json_integer_value(json_object_get(frame, "deadline"));
    assert_in_range(deadline, 1002500 + 290, 1002500 + 2000);
    json_decref(frame);
    job_free(&first);
    job_free(&j);
    teardown(&f);
}

static void environment_is_the_workers_and_ours(void **state)
{
    static const char *const cases[][2] = {
        {"[\"STINT_CHILD_FD\"]", "\"3\""},
        {"[\"STINT_PROTOCOL\"]", "\"1\""},
        {"[\"STINT_WORKER\"]", "\"w1.test\""},
        {"[\"STINT_URL\"]", "null"},
        {"[\"FOR_CHILDREN\"]", "\"yes\""}};
    struct fixture f;
    (void)state;
    setenv("STINT_URL", "redis://secret", 1);
    setenv("STINT_CHILD_FD", "77", 1);
    setenv("FOR_CHILDREN", "yes", 1);
    setup(&f, "good", 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct job j;
        job_run(&f, &j, "env", cases[i][0]);
        assert_string_equal(j.result, cases[i][1]);
        job_free(&j);
    }
    teardown(&f);
    unsetenv("STINT_URL");
    unsetenv("STINT_CHILD_FD");
    unsetenv("FOR_CHILDREN");
}

static void output_belongs_to_its_run(void **state)
{
    struct fixture f;
    struct job j;
    (void)state;
    setup(&f, "good", 1);
    for (int i = 0; i < 20; i++) {
        job_run(&f, &j, "print", "[]");
        assert_int_equal(j.r.outcome, RUN_COMPLETED);
        assert_non_null(strstr(j.output, "to stdout\n"));
        assert_non_null(strstr(j.output, "to stderr\n"));
        assert_int_equal(strlen(j.output), 20);
        job_free(&j);
    }
    job_run(&f, &j, "flood", "[]");
    assert_true(j.r.output_len <= OUTPUT_BYTES_MAX &&
                j.r.output_len > OUTPUT_BYTES_MAX - 3000);
    assert_non_null(strstr(j.output, " bytes cut ...]\n"));
    job_free(&j);
    job_run(&f, &j, "stray", "[]");
    assert_null(j.output);
    job_free(&j);
    loop(&f, 100);
    assert_non_null(strstr(f.log.data, "nobody's"));
    teardown(&f);
}

static void progress_is_news(void **state)
{
    struct fixture f;
    struct job j;
    struct buf text;
    struct run_news news = {.output = &text};
    (void)state;
    setup(&f, "good", 1);
    buf_init(&text, 4 * OUTPUT_BYTES_MAX);
    job_start(&f, &j, 0, "progress", "[400]", 60000);
    assert_int_equal(f.e->ops->news(f.e, &j.run, &news), 0);
    loop(&f, 200);
    assert_int_equal(f.n_progress, 1);
    assert_int_equal(f.e->ops->news(f.e, &j.run, &news), 1);
    assert_true(news.has_progress && news.percent == 41.5);
    assert_string_equal(news.text, "halfway");
    assert_string_equal(text.data, "step one\n");
    assert_int_equal(f.e->ops->news(f.e, &j.run, &news), 0);
    loop_all(&f);
    assert_string_equal(j.output, "step one\n");
    job_free(&j);
    buf_close(&text);
    teardown(&f);
}

static void failed_run_says_why_and_when_again(void **state)
{
    static const struct {
        const char *args;
        enum retry_advice retry;
        int64_t ms;
    } cases[] = {{"[]", RETRY_AS_ASKED, 0},
                 {"[\"now\"]", RETRY_AFTER, 0},
                 {"[2.5]", RETRY_AFTER, 2500},
                 {"[\"never\"]", RETRY_NEVER, 0},
                 {"[\"later\"]", RETRY_AS_ASKED, 0},
                 {"[-1]", RETRY_AS_ASKED, 0}};
    struct fixture f;
    (void)state;
    setup(&f, "good", 1);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct job j;
        job_run(&f, &j, "fail", cases[i].args);
        assert_int_equal(j.r.outcome, RUN_FAILED);
        assert_string_equal(j.error, "it does not work");
        assert_string_equal(j.output, "a warning\nline 1\nline 2\n");
        assert_string_equal(j.tail, "a warning");
        assert_int_equal(j.r.has_exit, 0);
        assert_int_equal(j.r.retry, cases[i].retry);
        assert_int_equal(j.r.retry_ms, cases[i].ms);
        job_free(&j);
    }
    teardown(&f);
}

/* ---- What goes wrong -------------------------------------------------------- */

static void result_that_is_none_fails_the_run_only(void **state)
{
    static const struct {
        const char *function, *args, *error;
    } cases[] = {
        {"large", "[262145]", "the result is larger than 262144 bytes"},
        {"raw", "[\"\\\"\\\\u0000\\\"\"]", "the result is no JSON"},
        {"raw", "[\"123456789012345678901234567890\"]",
         "the result is no JSON"}};
    struct fixture f;
    struct job j, before, after;
    (void)state;
    setup(&f, "good", 1);
    job_run(&f, &before, "pid", "[]");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        job_run(&f, &j, cases[i].function, cases[i].args);
        assert_int_equal(j.r.outcome, RUN_FAILED);
        assert_string_equal(j.error, cases[i].error);
        assert_null(j.result);
        job_free(&j);
    }
    job_run(&f, &j, "large", "[262144]");
    assert_int_equal(j.r.outcome, RUN_COMPLETED);
    assert_int_equal(strlen(j.result), 262144);
    job_free(&j);
    job_run(&f, &after, "pid", "[]");
    assert_string_equal(before.result, after.result);
    job_free(&before);
    job_free(&after);
    teardown(&f);
}

static void end_in_a_run_costs_that_run(void **state)
{
    static const struct {
        const char *function, *args, *error;
        int has_exit, exit_status, signal;
    } cases[] = {
        {"exit", "[3]", "exit status 3: last words", 1, 3, 0},
        {"exit", "[0]", "exit status 0, without an answer", 1, 0, 0},
        {"abort", "[]", "killed by signal 6 (SIGABRT)", 2, 0, 6},
        {"half", "[]",
         "the child broke the protocol: it ended within a frame", 1, 0, 0},
        {"huge", "[]",
         "the child broke the protocol: a frame of 4294967295 bytes", 2, 0, 9},
        {"empty", "[]", "the child broke the protocol: a frame of 0 bytes", 2,
         0, 9},
        {"garbage", "[]",
         "the child broke the protocol: a frame that is no JSON object", 2, 0,
         9},
        {"untyped", "[]",
         "the child broke the protocol: a frame without a type", 2, 0, 9},
        {"foreign", "[]",
         "the child broke the protocol: it speaks of a run that it does not "
         "have", 2, 0, 9},
    };
    struct fixture f;
    (void)state;
    setup(&f, "good", 2);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct job j, other;
        job_start(&f, &j, 0, cases[i].function, cases[i].args, 60000);
        job_start(&f, &other, 0, "progress", "[30]", 60000);
        loop_all(&f);
        assert_int_equal(j.r.outcome, RUN_FAILED);
        assert_string_equal(j.error, cases[i].error);
        assert_int_equal(j.r.has_exit, cases[i].has_exit);
        assert_int_equal(j.r.exit_status, cases[i].exit_status);
        assert_int_equal(j.r.signal, cases[i].signal);
        assert_true(j.r.max_rss_kb > 0);
        assert_int_equal(other.r.outcome, RUN_COMPLETED);
        if (i == 0)
            assert_string_equal(j.tail, "last words");
        job_free(&j);
        job_free(&other);
    }
    works(&f, 0);
    teardown(&f);
}

static void second_answer_ends_the_child_not_the_run(void **state)
{
    struct fixture f;
    struct job j;
    (void)state;
    setup(&f, "good", 1);
    job_run(&f, &j, "twice", "[]");
    assert_int_equal(j.r.outcome, RUN_COMPLETED);
    assert_string_equal(j.result, "1");
    job_free(&j);
    loop(&f, 50);
    assert_non_null(strstr(f.log.data, "a run that it does not have"));
    works(&f, 0);
    teardown(&f);
}

/* The run that was sent to it meanwhile was never read, and is not lost. */
static void end_between_runs_costs_none(void **state)
{
    enum { N = 40 };
    static struct job jobs[N];
    struct fixture f;
    (void)state;
    setup(&f, "good", 1);
    for (int i = 0; i < N; i++)
        job_start(&f, &jobs[i], 0, "bye", "[]", 60000);
    loop_all(&f);
    for (int i = 0; i < N; i++) {
        assert_int_equal(jobs[i].r.outcome, RUN_COMPLETED);
        assert_string_equal(jobs[i].result, "\"bye\"");
        job_free(&jobs[i]);
    }
    teardown(&f);
}

static void death_from_outside_costs_one_run(void **state)
{
    struct fixture f;
    struct job victim, j;
    (void)state;
    setup(&f, "good", 1);
    job_run(&f, &j, "pid", "[]");
    job_start(&f, &victim, 0, "deaf", "[]", 60000);
    loop(&f, 50);
    kill((pid_t)strtol(j.result, NULL, 10), SIGKILL);
    loop_all(&f);
    assert_string_equal(victim.error, "killed by signal 9 (SIGKILL)");
    job_free(&victim);
    job_free(&j);
    works(&f, 0);
    /* An idle one costs none. */
    job_run(&f, &j, "pid", "[]");
    kill((pid_t)strtol(j.result, NULL, 10), SIGKILL);
    job_free(&j);
    loop(&f, 100);
    works(&f, 0);
    teardown(&f);
}

static void timeout_is_a_cancel_then_a_kill(void **state)
{
    struct fixture f;
    struct job j;
    (void)state;
    setup(&f, "good", 1);
    works(&f, 0);
    job_start(&f, &j, 0, "polite", "[]", 300);
    loop_all(&f);
    assert_int_equal(j.r.outcome, RUN_TIMEOUT);
    assert_string_equal(j.error, "timeout after 0.3 s");
    assert_int_equal(j.r.has_exit, 0); /* it lives */
    assert_in_range(j.end_ms - j.start_ms, 295, 400);
    job_free(&j);
    job_start(&f, &j, 0, "deaf", "[]", 300);
    loop_all(&f);
    assert_int_equal(j.r.outcome, RUN_TIMEOUT);
    assert_int_equal(j.r.signal, SIGKILL);
    assert_in_range(j.end_ms - j.start_ms, 295 + GRACE_MS, 400 + GRACE_MS);
    job_free(&j);
    works(&f, 0);
    teardown(&f);
}

static void stop_is_for_waiting_and_running(void **state)
{
    struct fixture f;
    struct job polite, deaf, waits, last;
    (void)state;
    setup(&f, "good", 1);
    job_start(&f, &polite, 0, "polite", "[]", 60000);
    job_start(&f, &deaf, 0, "deaf", "[]", 60000);
    job_start(&f, &waits, 0, "pid", "[]", 60000);
    job_start(&f, &last, 0, "pid", "[]", 60000);
    loop(&f, 100);
    f.e->ops->stop(f.e, &waits.run, 0);
    f.e->ops->stop(f.e, &waits.run, 1); /* once is enough */
    assert_false(waits.is_done);
    loop(&f, 20);
    assert_true(waits.is_done);
    assert_int_equal(waits.r.outcome, RUN_STOPPED);
    assert_string_equal(waits.error, "stopped");
    f.e->ops->stop(f.e, &polite.run, 0);
    loop(&f, 50);
    assert_true(polite.is_done);
    assert_int_equal(polite.r.outcome, RUN_STOPPED);
    assert_string_equal(polite.error, "stopped"); /* the reason it was given */
    f.e->ops->stop(f.e, &deaf.run, 1);
    loop_all(&f);
    assert_int_equal(deaf.r.outcome, RUN_STOPPED);
    assert_int_equal(deaf.r.signal, SIGKILL);
    assert_in_range(deaf.end_ms - polite.end_ms, 0, 150);
    assert_int_equal(last.r.outcome, RUN_COMPLETED);
    job_free(&polite);
    job_free(&deaf);
    job_free(&waits);
    job_free(&last);
    teardown(&f);
}

static void what_it_started_dies_with_it(void **state)
{
    struct fixture f;
    struct job j;
    struct buf text;
    struct run_news news = {.output = &text};
    (void)state;
    setup(&f, "good", 1);
    buf_init(&text, OUTPUT_BYTES_MAX);
    job_start(&f, &j, 0, "daemon", "[]", 60000);
    loop(&f, 200);
    assert_int_equal(f.e->ops->news(f.e, &j.run, &news), 1);
    pid_t pid = (pid_t)strtol(news.text, NULL, 10);
    assert_true(pid > 1 && is_alive(pid));
    f.e->ops->stop(f.e, &j.run, 1);
    loop_all(&f);
    assert_false(is_alive(pid)); /* before the run was over */
    job_free(&j);
    buf_close(&text);
    teardown(&f);
}

/* ---- Starts ----------------------------------------------------------------- */

static void start_that_fails_costs_a_waiting_run(void **state)
{
    static const struct {
        const char *mode, *error;
    } cases[] = {
        {"dies", "the child did not start: exit status 3: no module named x"},
        {"version", "the child did not start: it does not speak version 1 of "
                    "the protocol"},
        {"early", "the child did not start: it speaks of a run that it does "
                  "not have"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fixture f;
        struct job j, stopped;
        setup(&f, cases[i].mode, 1);
        job_start(&f, &j, 0, "pid", "[]", 60000);
        job_start(&f, &stopped, 0, "pid", "[]", 60000);
        loop(&f, 80);
        assert_true(j.is_done);
        assert_int_equal(j.r.outcome, RUN_FAILED);
        assert_string_equal(j.error, cases[i].error);
        f.e->ops->stop(f.e, &stopped.run, 0);
        loop_all(&f);
        assert_non_null(strstr(f.log.data, "another one in 0.1 s"));
        job_free(&j);
        job_free(&stopped);
        teardown(&f);
    }
}

static void program_that_is_not_there_says_so(void **state)
{
    struct fixture f;
    struct job j, k;
    (void)state;
    begin(&f);
    pool_add(&f, "x", NULL, 1);
    f.argv[0][0] = (char *)(uintptr_t)"/no/such/program";
    go(&f);
    job_start(&f, &j, 0, "pid", "[]", 60000);
    job_start(&f, &k, 0, "pid", "[]", 60000);
    loop_all(&f);
    assert_string_equal(j.error, "the child did not start: cannot run "
                                 "/no/such/program: No such file or "
                                 "directory");
    assert_string_equal(k.error, j.error);
    job_free(&j);
    job_free(&k);
    teardown(&f);
}

static int starts_count(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int)st.st_size : 0;
}

/* At 0, 100, 300 and 700 ms, and so on: seven in seven seconds. */
static void starts_that_fail_are_backed_off(void **state)
{
    char path[] = "/tmp/stint-children.XXXXXX";
    static const char *const modes[] = {"dies", "quits"};
    (void)state;
    close(mkstemp(path));
    for (int i = 0; i < 2; i++) {
        struct fixture f;
        assert_int_equal(truncate(path, 0), 0);
        begin(&f);
        pool_add(&f, modes[i], path, 1);
        go(&f);
        loop(&f, 1200);
        assert_in_range(starts_count(path), 3, 4);
        teardown(&f);
    }
    unlink(path);
}

static void hello_and_pong_have_their_time(void **state)
{
    struct fixture f;
    struct job j;
    (void)state;
    begin(&f);
    pool_add(&f, "good", NULL, 1);
    pool_add(&f, "mute", NULL, 1);
    pool_add(&f, "nopong", NULL, 1);
    go(&f);
    works(&f, 0);
    works(&f, 2);
    job_start(&f, &j, 1, "pid", "[]", 60000);
    int64_t now_ms = clock_mono_ms();
    f.e->ops->tick(f.e, now_ms + 10500); /* pings */
    loop(&f, 200);
    assert_null(strstr(f.log.data, "ping"));
    f.e->ops->tick(f.e, now_ms + 21000);
    loop(&f, 200);
    assert_non_null(strstr(f.log.data, "no answer to a ping within 10 s"));
    assert_false(j.is_done);
    f.e->ops->tick(f.e, now_ms + 30500);
    loop(&f, 200);
    assert_true(j.is_done);
    assert_string_equal(j.error, "the child did not start: no hello within "
                                 "30 s");
    job_free(&j);
    works(&f, 0);
    works(&f, 2);
    teardown(&f);
}

static void functions_of_hello_are_all_it_knows(void **state)
{
    struct fixture f;
    struct job j;
    (void)state;
    setup(&f, "picky", 1);
    job_run(&f, &j, "echo", "[1]");
    assert_int_equal(j.r.outcome, RUN_COMPLETED);
    job_free(&j);
    job_run(&f, &j, "pid", "[]");
    assert_int_equal(j.r.outcome, RUN_FAILED);
    assert_string_equal(j.error, "the child does not know pid");
    job_free(&j);
    teardown(&f);
}

/* ---- Pools ------------------------------------------------------------------ */

/* How many processes have answered these. */
static int pids_count(struct job *jobs, int n)
{
    int found = 0;
    for (int i = 0; i < n; i++) {
        int is_new = 1;
        for (int k = 0; k < i; k++)
            is_new &= strcmp(jobs[i].result, jobs[k].result) != 0;
        found += is_new;
    }
    return found;
}

static int runs_count_pids(struct fixture *f, struct job *jobs, int n)
{
    for (int i = 0; i < n; i++)
        job_start(f, &jobs[i], 0, "pid", "[]", 60000);
    loop_all(f);
    int found = pids_count(jobs, n);
    for (int i = 0; i < n; i++)
        job_free(&jobs[i]);
    return found;
}

static void many_runs_reuse_few_processes(void **state)
{
    enum { N = 1000 };
    static struct job jobs[N];
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct fixture f;
        setup(&f, kind == 0 ? "good" : NULL, 4);
        assert_in_range(runs_count_pids(&f, jobs, N), 2, 4);
        teardown(&f);
    }
}

static void max_tasks_is_kept(void **state)
{
    struct job jobs[12];
    struct fixture f;
    (void)state;
    begin(&f);
    pool_add(&f, "good", NULL, 1)->max_tasks = 3;
    go(&f);
    assert_int_equal(runs_count_pids(&f, jobs, 12), 4);
    teardown(&f);
}

static void max_rss_is_kept(void **state)
{
    struct job small[4], big[2];
    struct fixture f;
    (void)state;
    begin(&f);
    pool_add(&f, "good", NULL, 1)->max_rss_bytes = INT64_C(100) << 20;
    go(&f);
    assert_int_equal(runs_count_pids(&f, small, 4), 1);
    job_run(&f, &big[0], "hold", "[120]");
    job_run(&f, &big[1], "pid", "[]");
    assert_int_equal(big[0].r.outcome, RUN_COMPLETED);
    assert_int_equal(pids_count(big, 2), 2);
    job_free(&big[0]);
    job_free(&big[1]);
    teardown(&f);
}

static void pools_do_not_disturb_each_other(void **state)
{
    struct fixture f;
    struct job stuck, c, p;
    (void)state;
    begin(&f);
    pool_add(&f, "good", NULL, 1);
    pool_add(&f, NULL, NULL, 0);
    pool_add(&f, "dies", NULL, 2);
    go(&f);
    job_start(&f, &stuck, 0, "deaf", "[]", 60000);
    job_start(&f, &c, 1, "pid", "[]", 60000);
    job_start(&f, &p, 2, "pid", "[]", 60000);
    loop(&f, 300);
    assert_int_equal(c.r.outcome, RUN_COMPLETED);
    assert_true(p.is_done && p.r.outcome == RUN_FAILED);
    f.e->ops->stop(f.e, &stuck.run, 1);
    loop_all(&f);
    job_free(&stuck);
    job_free(&c);
    job_free(&p);
    teardown(&f);
}

static void close_ends_what_is_left(void **state)
{
    struct fixture f;
    struct job busy, waits, spins;
    (void)state;
    begin(&f);
    pool_add(&f, "good", NULL, 1);
    pool_add(&f, NULL, NULL, 2);
    go(&f);
    job_start(&f, &busy, 0, "deaf", "[]", 60000);
    job_start(&f, &waits, 0, "pid", "[]", 60000);
    job_start(&f, &spins, 1, "spin", "[]", 60000);
    loop(&f, 100);
    teardown(&f);
    assert_int_equal(busy.r.outcome, RUN_STOPPED);
    assert_int_equal(waits.r.outcome, RUN_STOPPED);
    assert_int_equal(spins.r.outcome, RUN_STOPPED);
    job_free(&busy);
    job_free(&waits);
    job_free(&spins);
}

static void task_over_a_frame_is_refused(void **state)
{
    struct fixture f;
    struct job j;
    (void)state;
    setup(&f, "good", 1);
    char *text = malloc(FRAME_BYTES_MAX + 1);
    memset(text, ' ', FRAME_BYTES_MAX);
    text[FRAME_BYTES_MAX] = '\0';
    memcpy(text, "{}", 2);
    job_start(&f, &j, 0, "pid", "[]", 60000);
    loop_all(&f);
    job_free(&j);
    memset(&j, 0, sizeof(j));
    j.run = (struct run){.id = "t",
                         .function = "pid",
                         .timeout_ms = 1000,
                         .json = text,
                         .json_len = FRAME_BYTES_MAX,
                         .how = f.list[0]};
    j.json = text;
    f.n_open++;
    f.e->ops->start(f.e, &j.run);
    loop_all(&f);
    assert_string_equal(j.error, "the task, with the results of its parents, "
                                 "is over 4194304 bytes");
    job_free(&j);
    works(&f, 0);
    teardown(&f);
}

/* ---- C functions ------------------------------------------------------------- */

static int fn_pid(stint_run *run, void *arg)
{
    char text[20];
    (void)arg;
    snprintf(text, sizeof(text), "%d", (int)getpid());
    return stint_run_set_result(run, text);
}

static int fn_look(stint_run *run, void *arg)
{
    (void)arg;
    if (strcmp(stint_run_id(run), "t") != 0 ||
        strcmp(stint_run_function(run), "look") != 0 ||
        stint_run_attempt(run) != 2 || stint_run_fence(run) == 0 ||
        stint_run_deadline_ms(run) < 1060000 ||
        !(stint_run_left_s(run) > 55 && stint_run_left_s(run) <= 60))
        return 1;
    return stint_run_set_result(run, stint_run_args(run));
}

static int fn_segv(stint_run *run, void *arg)
{
    (void)run, (void)arg;
    printf("before the end, ");
    raise(SIGSEGV);
    return 0;
}

static int fn_abort(stint_run *run, void *arg)
{
    (void)run, (void)arg;
    fputs("cannot go on\n", stderr);
    abort();
}

static int fn_exit(stint_run *run, void *arg)
{
    (void)run, (void)arg;
    _exit(5);
}

static int fn_spin(stint_run *run, void *arg)
{
    volatile int goes_on = 1;
    (void)run, (void)arg;
    while (goes_on)
        continue;
    return 0;
}

static int fn_polite(stint_run *run, void *arg)
{
    const struct timespec t = {0, 2000000};
    (void)arg;
    while (!stint_run_is_cancelled(run))
        nanosleep(&t, NULL);
    stint_run_set_error(run, "left half of it");
    return 1;
}

static int fn_talk(stint_run *run, void *arg)
{
    (void)arg;
    printf("one\n");
    stint_run_log(run, "%s", "two");
    printf("three\n");
    stint_run_progress(run, 50, "half");
    stint_run_set_error(run, "enough");
    stint_run_set_retry(run, 1.5);
    return 7;
}

static int fn_hog(stint_run *run, void *arg)
{
    const struct rlimit limit = {64 << 20, 64 << 20};
    void *last = NULL;
    (void)run, (void)arg;
    setrlimit(RLIMIT_AS, &limit);
    for (size_t size = 1 << 20; size > 0;) {
        void **p = malloc(size);
        if (p == NULL) {
            size /= 2;
            continue;
        }
        if (size >= sizeof(p)) {
            *p = last;
            last = p;
        }
    }
    return last == NULL;
}

/* Recursive locks go by the thread's number, and so does raise. */
static int fn_lock(stint_run *run, void *arg)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t lock;
    (void)arg;
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&lock, &attr);
    int rc = pthread_mutex_lock(&lock) || pthread_mutex_lock(&lock) ||
             pthread_mutex_unlock(&lock) || pthread_mutex_unlock(&lock);
    stint_run_set_result(run, rc == 0 ? "\"fine\"" : "\"broken\"");
    return 0;
}

static const struct function *function_find(const char *name, void *arg)
{
    static const struct {
        const char *name;
        struct function function;
    } all[] = {
        {"pid", {fn_pid, NULL}},       {"look", {fn_look, NULL}},
        {"segv", {fn_segv, NULL}},     {"abort", {fn_abort, NULL}},
        {"exit", {fn_exit, NULL}},     {"spin", {fn_spin, NULL}},
        {"polite", {fn_polite, NULL}}, {"talk", {fn_talk, NULL}},
        {"hog", {fn_hog, NULL}},       {"lock", {fn_lock, NULL}},
    };
    (void)arg;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (strcmp(all[i].name, name) == 0)
            return &all[i].function;
    return NULL;
}

static void c_function_sees_its_run(void **state)
{
    struct fixture f;
    struct job j;
    (void)state;
    setup(&f, NULL, 1);
    job_run(&f, &j, "look", "[1, \"two\", 123456789012345678, 0.5]");
    assert_int_equal(j.r.outcome, RUN_COMPLETED);
    assert_string_equal(j.result, "[1,\"two\",123456789012345678,0.5]");
    job_free(&j);
    char *big = malloc(200003);
    memset(big, 'x', 200003);
    memcpy(big, "[\"", 2);
    memcpy(big + 200000, "\"]", 3);
    job_run(&f, &j, "look", big);
    assert_int_equal(j.r.outcome, RUN_COMPLETED);
    assert_string_equal(j.result, big);
    job_free(&j);
    free(big);
    job_run(&f, &j, "lock", "[]");
    assert_string_equal(j.result, "\"fine\"");
    job_free(&j);
    job_run(&f, &j, "nosuch", "[]");
    assert_string_equal(j.error, "there is no such function");
    job_free(&j);
    teardown(&f);
}

static void c_function_that_crashes_costs_one_run(void **state)
{
    static const struct {
        const char *function, *error;
        int signal;
    } cases[] = {
        {"segv", "killed by signal 11 (SIGSEGV)", 11},
        {"abort", "killed by signal 6 (SIGABRT): cannot go on", 6},
        {"exit", "exit status 5", 0},
    };
    struct fixture f;
    (void)state;
    setup(&f, NULL, 2);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct job j, other;
        job_start(&f, &j, 0, cases[i].function, "[]", 60000);
        job_start(&f, &other, 0, "pid", "[]", 60000);
        loop_all(&f);
        assert_int_equal(j.r.outcome, RUN_FAILED);
        assert_string_equal(j.error, cases[i].error);
        assert_int_equal(j.r.signal, cases[i].signal);
        assert_int_equal(other.r.outcome, RUN_COMPLETED);
        job_free(&j);
        job_free(&other);
        works(&f, 0);
    }
    teardown(&f);
}

static void c_function_is_cancelled_or_killed(void **state)
{
    struct fixture f;
    struct job j;
    (void)state;
    setup(&f, NULL, 1);
    works(&f, 0);
    job_start(&f, &j, 0, "polite", "[]", 200);
    loop_all(&f);
    assert_int_equal(j.r.outcome, RUN_TIMEOUT);
    assert_int_equal(j.r.has_exit, 0);
    assert_in_range(j.end_ms - j.start_ms, 195, 300);
    job_free(&j);
    job_start(&f, &j, 0, "polite", "[]", 60000);
    loop(&f, 50);
    f.e->ops->stop(f.e, &j.run, 0);
    loop_all(&f);
    assert_int_equal(j.r.outcome, RUN_STOPPED);
    assert_string_equal(j.error, "left half of it");
    job_free(&j);
    job_start(&f, &j, 0, "spin", "[]", 200);
    loop_all(&f);
    assert_int_equal(j.r.outcome, RUN_TIMEOUT);
    assert_int_equal(j.r.signal, SIGKILL);
    assert_in_range(j.end_ms - j.start_ms, 195 + GRACE_MS, 300 + GRACE_MS);
    job_free(&j);
    works(&f, 0);
    teardown(&f);
}

static void c_function_speaks_in_order(void **state)
{
    struct fixture f;
    struct job j;
    (void)state;
    setup(&f, NULL, 1);
    job_run(&f, &j, "talk", "[]");
    assert_int_equal(j.r.outcome, RUN_FAILED);
    assert_string_equal(j.error, "enough");
    assert_string_equal(j.output, "one\ntwo\nthree\n");
    assert_int_equal(j.r.retry, RETRY_AFTER);
    assert_int_equal(j.r.retry_ms, 1500);
    assert_int_equal(f.n_progress, 1);
    job_free(&j);
    teardown(&f);
}

static void c_function_without_memory_costs_one_run(void **state)
{
    struct fixture f;
    struct job j;
    (void)state;
    setup(&f, NULL, 1);
    job_run(&f, &j, "hog", "[]");
    assert_int_equal(j.r.outcome, RUN_FAILED);
    assert_int_equal(j.r.has_exit, 1);
    assert_int_not_equal(j.r.exit_status, 0);
    job_free(&j);
    works(&f, 0);
    teardown(&f);
}

/* A child of ours that calls itself so. */
static pid_t child_named(const char *name)
{
    char path[60], comm[20];
    long pid;
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *list = fopen(path, "r");
    while (fscanf(list, "%ld", &pid) == 1) {
        snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
        FILE *file = fopen(path, "r");
        int is_it = fscanf(file, "%19s", comm) == 1 && strcmp(comm, name) == 0;
        fclose(file);
        if (is_it)
            break;
        pid = 0;
    }
    fclose(list);
    assert_true(pid > 1);
    return (pid_t)pid;
}

/* Who forks is gone: said, and nothing hangs. */
static void nursery_that_dies_is_said(void **state)
{
    struct fixture f;
    struct job j;
    (void)state;
    setup(&f, NULL, 1);
    works(&f, 0);
    kill(child_named("stint-nursery"), SIGKILL);
    works(&f, 0); /* those it made live on */
    job_run(&f, &j, "abort", "[]");
    job_free(&j);
    job_run(&f, &j, "pid", "[]");
    assert_int_equal(j.r.outcome, RUN_FAILED);
    assert_non_null(strstr(j.error, "the process that forks for C functions "
                                    "is gone"));
    job_free(&j);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(run_gives_what_the_child_answers),
        cmocka_unit_test(frame_has_timeout_and_deadline),
        cmocka_unit_test(environment_is_the_workers_and_ours),
        cmocka_unit_test(output_belongs_to_its_run),
        cmocka_unit_test(progress_is_news),
        cmocka_unit_test(failed_run_says_why_and_when_again),
        cmocka_unit_test(result_that_is_none_fails_the_run_only),
        cmocka_unit_test(end_in_a_run_costs_that_run),
        cmocka_unit_test(second_answer_ends_the_child_not_the_run),
        cmocka_unit_test(end_between_runs_costs_none),
        cmocka_unit_test(death_from_outside_costs_one_run),
        cmocka_unit_test(timeout_is_a_cancel_then_a_kill),
        cmocka_unit_test(stop_is_for_waiting_and_running),
        cmocka_unit_test(what_it_started_dies_with_it),
        cmocka_unit_test(start_that_fails_costs_a_waiting_run),
        cmocka_unit_test(program_that_is_not_there_says_so),
        cmocka_unit_test(starts_that_fail_are_backed_off),
        cmocka_unit_test(hello_and_pong_have_their_time),
        cmocka_unit_test(functions_of_hello_are_all_it_knows),
        cmocka_unit_test(many_runs_reuse_few_processes),
        cmocka_unit_test(max_tasks_is_kept),
        cmocka_unit_test(max_rss_is_kept),
        cmocka_unit_test(pools_do_not_disturb_each_other),
        cmocka_unit_test(close_ends_what_is_left),
        cmocka_unit_test(task_over_a_frame_is_refused),
        cmocka_unit_test(c_function_sees_its_run),
        cmocka_unit_test(c_function_that_crashes_costs_one_run),
        cmocka_unit_test(c_function_is_cancelled_or_killed),
        cmocka_unit_test(c_function_speaks_in_order),
        cmocka_unit_test(c_function_without_memory_costs_one_run),
        cmocka_unit_test(nursery_that_dies_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
