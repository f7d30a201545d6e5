/* SPDX-License-Identifier: MIT */
/* Processes that stay: real ones, of a helper that misbehaves on demand. Each
 * test looks at what is reported, at whom it costs what, and at what is left
 * behind. */
#include "children_fixture.h"

#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"

/* There are none. */
const struct function *function_find(const char *name, void *arg)
{
    (void)name, (void)arg;
    return NULL;
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

/* ---- What goes well ------------------------------------------------------ */

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
    loop_until_logged(&f, "nobody's");
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
    loop_until(&f, &f.n_progress);
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

/* ---- What goes wrong ----------------------------------------------------- */

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
    loop_until_logged(&f, "a run that it does not have");
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
    works(&f, 0);
    job_start(&f, &polite, 0, "polite", "[]", 60000);
    job_start(&f, &deaf, 0, "deaf", "[]", 60000);
    job_start(&f, &waits, 0, "pid", "[]", 60000);
    job_start(&f, &last, 0, "pid", "[]", 60000);
    loop(&f, 100);
    f.e->ops->stop(f.e, &waits.run, 0);
    f.e->ops->stop(f.e, &waits.run, 1); /* once is enough */
    assert_false(waits.is_done);
    loop_until(&f, &waits.is_done);
    assert_int_equal(waits.r.outcome, RUN_STOPPED);
    assert_string_equal(waits.error, "stopped");
    f.e->ops->stop(f.e, &polite.run, 0);
    loop_until(&f, &polite.is_done);
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
    loop_until(&f, &f.n_progress);
    assert_int_equal(f.e->ops->news(f.e, &j.run, &news), 1);
    pid_t pid = (pid_t)strtol(news.text, NULL, 10);
    assert_true(pid > 1 && is_alive(pid));
    f.e->ops->stop(f.e, &j.run, 1);
    loop_all(&f);
    /* It was killed before the run was over; the kernel may be at it yet. */
    for (int i = 0; i < 50 && is_alive(pid); i++)
        loop(&f, 2);
    assert_false(is_alive(pid));
    job_free(&j);
    buf_close(&text);
    teardown(&f);
}

/* ---- Starts -------------------------------------------------------------- */

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
        loop_until(&f, &j.is_done);
        assert_int_equal(j.r.outcome, RUN_FAILED);
        assert_string_equal(j.error, cases[i].error);
        f.e->ops->stop(f.e, &stopped.run, 0);
        loop_all(&f);
        assert_non_null(strstr(f.log.data, "again_s=0.100"));
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

/* At 0, 100, 300 and 700 ms; the next would be at 1,500 ms. */
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
    loop_until_logged(&f, "no answer to a ping within 10 s");
    assert_false(j.is_done);
    struct job k; /* the next one must be up, or it would be late, too */
    job_start(&f, &k, 2, "pid", "[]", 60000);
    loop_until(&f, &k.is_done);
    job_free(&k);
    f.e->ops->tick(f.e, now_ms + 30500);
    loop_until(&f, &j.is_done);
    assert_string_equal(j.error, "the child did not start: no hello within "
                                 "30 s");
    job_free(&j);
    works(&f, 0);
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

/* ---- Pools --------------------------------------------------------------- */

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
        cmocka_unit_test(max_tasks_is_kept),
        cmocka_unit_test(max_rss_is_kept),
        cmocka_unit_test(task_over_a_frame_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
