/* SPDX-License-Identifier: MIT */
/* C functions in processes of their own: what they see, and what their crashes
 * cost. */
#include "children_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

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

static int fn_oom(stint_run *run, void *arg)
{
    char text[16] = "";
    FILE *f = fopen("/proc/self/oom_score_adj", "r");
    (void)arg;
    if (f == NULL || fgets(text, sizeof(text), f) == NULL)
        return 1;
    fclose(f);
    text[strcspn(text, "\n")] = '\0';
    return stint_run_set_result(run, text);
}

const struct function *function_find(const char *name, void *arg)
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
        {"oom", {fn_oom, NULL}},
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
    job_run(&f, &j, "oom", "[]"); /* taken before the worker, if memory ends */
    FILE *own = fopen("/proc/self/oom_score_adj", "r");
    char adj[16];
    assert_non_null(fgets(adj, sizeof(adj), own));
    fclose(own);
    int wanted = (int)strtol(adj, NULL, 10) + 200;
    snprintf(adj, sizeof(adj), "%d", wanted < 1000 ? wanted : 1000);
    assert_string_equal(j.result, adj);
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

/* Alive, and calls itself so? */
static int child_is_named(long pid, const char *name)
{
    char path[60], comm[20], state;
    snprintf(path, sizeof(path), "/proc/%ld/stat", pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return 0;
    int n = fscanf(file, "%*d (%19[^)]) %c", comm, &state);
    fclose(file);
    return n == 2 && state != 'Z' && strcmp(comm, name) == 0;
}

/* A child of ours that does. */
static pid_t child_named(const char *name)
{
    char path[60];
    long pid, found = 0;
    snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
    FILE *list = fopen(path, "r");
    while (found == 0 && fscanf(list, "%ld", &pid) == 1)
        found = child_is_named(pid, name) ? pid : 0;
    fclose(list);
    assert_true(found > 1);
    return (pid_t)found;
}

/* A child that is no more when the next run comes. */
static void child_abort(struct fixture *f)
{
    struct job j;
    job_run(f, &j, "abort", "[]");
    job_free(&j);
}

/* Who forks is gone: the other one does, and makes another. */
static void nursery_that_dies_is_replaced(void **state)
{
    struct fixture f;
    (void)state;
    setup(&f, NULL, 1);
    works(&f, 0);
    for (int i = 0; i < 5; i++) {
        pid_t nursery = child_named("stint-nursery");
        kill(nursery, SIGKILL);
        works(&f, 0); /* those it made live on */
        child_abort(&f);
        works(&f, 0);
        assert_int_equal(kill(nursery, 0), -1); /* and it was reaped */
    }
    teardown(&f);
}

/* Both at once: said, and nothing hangs. */
static void nurseries_that_die_are_said(void **state)
{
    struct fixture f;
    struct job j;
    (void)state;
    setup(&f, NULL, 1);
    works(&f, 0);
    for (int i = 0; i < 2; i++) {
        pid_t nursery = child_named("stint-nursery");
        kill(nursery, SIGKILL);
        while (child_is_named(nursery, "stint-nursery"))
            nanosleep(&(struct timespec){0, 1000000}, NULL);
    }
    child_abort(&f);
    job_run(&f, &j, "pid", "[]");
    assert_int_equal(j.r.outcome, RUN_FAILED);
    assert_non_null(strstr(j.error, "the process that forks for C functions "
                                    "is gone"));
    job_free(&j);
    teardown(&f);
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
    loop_until(&f, &c.is_done);
    loop_until(&f, &p.is_done);
    assert_int_equal(c.r.outcome, RUN_COMPLETED);
    assert_int_equal(p.r.outcome, RUN_FAILED);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(c_function_sees_its_run),
        cmocka_unit_test(c_function_that_crashes_costs_one_run),
        cmocka_unit_test(c_function_is_cancelled_or_killed),
        cmocka_unit_test(c_function_speaks_in_order),
        cmocka_unit_test(c_function_without_memory_costs_one_run),
        cmocka_unit_test(nursery_that_dies_is_replaced),
        cmocka_unit_test(nurseries_that_die_are_said),
        cmocka_unit_test(many_runs_reuse_few_processes),
        cmocka_unit_test(pools_do_not_disturb_each_other),
        cmocka_unit_test(close_ends_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
