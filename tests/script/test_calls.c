/* SPDX-License-Identifier: MIT */
/* The program itself, while one system call or one allocation of it, or of a
 * process it made of itself, fails: commands, and a whole life of a worker that
 * runs a program, a child that stays, and C functions on a thread and in a
 * process. After each: it has not crashed, nothing it said was done is undone,
 * nothing of it is left running, the task is done once it is asked for again or
 * another worker comes, and fsck finds nothing.
 *
 * First each scenario runs as it is, and the places that ask are noted. Then
 * each of those fails, one a trial: here some of them, drawn by a seed, for
 * STINT_TORTURE_S seconds (12) a scenario; STINT_TORTURE=all by hand: all of
 * them, with each error and at their first and fifth time, which takes hours.
 * STINT_TORTURE_SEED=N: another draw; STINT_TORTURE_ONLY=read: of that call. A
 * failure prints place and error; addr2line knows the line. */
#define _GNU_SOURCE /* memfd_create */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stint/stint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "scarce.h"
#include "server.h"

#define NEVER 1000000000 /* no scenario makes so many calls */

extern char **environ;

static struct server server;
static struct scarcity *page;
static char preload[400], page_env[80], page_path[64];
static stint *handle;
static unsigned n_ids;

struct scenario {
    const char *name;
    /* One life of it. `id` is new. Returns the exit status, or 256 + signal. */
    int (*run)(const char *id);
    /* What has come of it. said: its exit status was 0. */
    void (*look)(const char *id, int said);
    enum scarce what;
};

/* ---- Programs ------------------------------------------------------------- */

static char out_path[100], err_path[100];
static long said_bytes; /* that the program wrote to stderr */
static int said_check;  /* "check failed" is among it */

static pid_t program_start(const char *const *argv)
{
    char *env[200];
    int n = 0;
    pid_t pid;
    posix_spawn_file_actions_t files;
    for (char **e = environ; *e != NULL && n < 190; e++)
        if (strncmp(*e, "LD_PRELOAD=", 11) != 0 &&
            strncmp(*e, "ASAN_OPTIONS=", 13) != 0)
            env[n++] = *e;
    env[n++] = preload;
    env[n++] = page_env;
    env[n++] = (char *)(uintptr_t) "ASAN_OPTIONS=verify_asan_link_order=0:"
                                   "abort_on_error=1:detect_leaks=0";
    env[n] = NULL;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, out_path,
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&files, 2, err_path,
                                     O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_int_equal(posix_spawn(&pid, argv[0], &files, NULL,
                                 (char *const *)(uintptr_t)argv, env),
                     0);
    posix_spawn_file_actions_destroy(&files);
    return pid;
}

static const char *page_what(void)
{
    static char text[80];
    snprintf(text, sizeof(text), "%s: %s", page->call,
             page->error ? strerror(page->error) : "in part");
    return text;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* Its exit status or 256 + signal; -1: it was there after ms. */
static int program_wait(pid_t pid, int64_t ms)
{
    int64_t until = clock_mono_ms() + ms;
    int status;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (clock_mono_ms() > until)
            return -1;
        pause_ms(2);
    }
    return WIFSIGNALED(status) ? 256 + WTERMSIG(status) : WEXITSTATUS(status);
}

static long file_size(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (long)st.st_size : -1;
}

static int file_has(const char *path, const char *words)
{
    char text[8192];
    FILE *f = fopen(path, "r");
    size_t n = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;
    text[n] = '\0';
    if (f != NULL)
        fclose(f);
    return strstr(text, words) != NULL;
}

static int program_run(const char *const *argv)
{
    pid_t pid = program_start(argv);
    int rc = program_wait(pid, 30000);
    if (rc < 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        fail_msg("%s %s hangs", argv[0], argv[1]);
    }
    said_bytes = file_size(err_path);
    return rc;
}

static void file_show(const char *path)
{
    char text[2000];
    FILE *f = fopen(path, "r");
    size_t n = f != NULL ? fread(text, 1, sizeof(text) - 1, f) : 0;
    text[n] = '\0';
    if (f != NULL)
        fclose(f);
    print_error("%s", text);
}

/* ---- Commands -------------------------------------------------------------- */

static struct stint_status *status_of(const char *id)
{
    struct stint_err err = {0};
    struct stint_status *st = stint_task_status(handle, "main", id, 0, &err);
    if (st == NULL)
        assert_int_equal(err.code, STINT_NOT_FOUND);
    return st;
}

static int run_queue(const char *id)
{
    const char *const argv[] = {STINT_PROGRAM, "queue-task", "later", "--id",
                                id, "--start-time", "+3600s", "--args",
                                "[1, \"x\"]", "--url", server.url, NULL};
    return program_run(argv);
}

static void look_queued(const char *id, int said)
{
    struct stint_status *st = status_of(id);
    if (said) {
        assert_non_null(st);
        assert_string_equal(st->status, "QUEUED");
        assert_true(file_size(out_path) > 0);
    }
    stint_status_free(st);
}

static int run_file(const char *id)
{
    char path[120];
    snprintf(path, sizeof(path), "%s/tasks.jsonl", server.dir);
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 3; i++)
        fprintf(f, "{\"function\": \"later\", \"id\": \"%s.%d\", "
                   "\"start_time\": \"+3600s\"}\n", id, i);
    fclose(f);
    const char *const argv[] = {STINT_PROGRAM, "queue-task", "--file", path,
                                "--url", server.url, NULL};
    return program_run(argv);
}

static void look_file(const char *id, int said)
{
    for (int i = 0; said && i < 3; i++) {
        char one[80];
        snprintf(one, sizeof(one), "%s.%d", id, i);
        look_queued(one, said);
    }
}

static int run_list(const char *id)
{
    const char *const argv[] = {STINT_PROGRAM, "list", "--limit", "5", "--json",
                                "--url", server.url, NULL};
    (void)id;
    return program_run(argv);
}

static int run_status(const char *id)
{
    const char *const argv[] = {STINT_PROGRAM, "task-status", "there", "--runs",
                                "--url", server.url, NULL};
    (void)id;
    return program_run(argv);
}

static int run_wait(const char *id)
{
    const char *const argv[] = {STINT_PROGRAM, "wait", "first.0", "--timeout",
                                "5", "--url", server.url, NULL};
    (void)id;
    return program_run(argv);
}

static int run_stats(const char *id)
{
    const char *const argv[] = {STINT_PROGRAM, "stats", "--url", server.url,
                                NULL};
    (void)id;
    return program_run(argv);
}

static void look_said(const char *id, int said)
{
    (void)id;
    if (said && page->what != SCARCE_CALLS)
        assert_true(file_size(out_path) > 0);
}

static void look_nothing(const char *id, int said)
{
    (void)id, (void)said;
}

/* ---- A worker -------------------------------------------------------------- */

static const char *const functions[] = {"program", "echo", "noop", "sleep_ms"};
#define FUNCTIONS (sizeof(functions) / sizeof(*functions))

static void config_write(void)
{
    char path[120];
    snprintf(path, sizeof(path), "%s/worker.json", server.dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f,
            "{\"concurrency\": 2, \"tasks\": {\"program\": {\"exec\": "
            "[\"/bin/echo\", \"{args.0}\"]},\n\"echo\": {\"child\": [\"%s\", "
            "\"good\", \"%s/starts\"], \"processes\": 1},\n"
            "\"noop\": {\"module\": \"%s\"},\n\"sleep_ms\": {\"module\": "
            "\"%s\", \"isolation\": \"process\", \"processes\": 1}}}\n",
            CHILD_HELPER, server.dir, NOOP_MODULE, NOOP_MODULE);
    fclose(f);
}

static void worker_tasks_queue(const char *id)
{
    for (size_t i = 0; i < FUNCTIONS; i++) {
        struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
        struct stint_err err = {0};
        char one[80];
        snprintf(one, sizeof(one), "%s.%zu", id, i);
        o.id = one;
        o.function = functions[i];
        o.args = "[3]";
        o.max_crashes = -1;
        o.retry_failed = 20; /* a run that could not be started is a failure */
        o.retry_delay_s = 0.1;
        assert_int_equal(stint_queue_task(handle, &o, NULL, NULL, &err), 0);
    }
}

/* 1: all have completed. */
static int worker_tasks_wait(const char *id, double timeout_s)
{
    char ids[FUNCTIONS][80];
    const char *at[FUNCTIONS];
    struct stint_err err = {0};
    size_t bad = 0;
    for (size_t i = 0; i < FUNCTIONS; i++) {
        snprintf(ids[i], sizeof(ids[i]), "%s.%zu", id, i);
        at[i] = ids[i];
    }
    return stint_wait(handle, "main", at, FUNCTIONS, timeout_s, NULL, NULL,
                      &bad, &err) == 0 && bad == 0;
}

static pid_t worker_start(void)
{
    char path[120];
    snprintf(path, sizeof(path), "%s/worker.json", server.dir);
    const char *const argv[] = {STINT_PROGRAM, "worker", "--config", path,
                                "--heartbeat", "0.3", "--grace", "1",
                                "--shutdown", "2", "--log-level", "error",
                                "--url", server.url, NULL};
    return program_start(argv);
}

static int has_ended(pid_t pid)
{
    siginfo_t in = {0};
    return waitid(P_PID, (id_t)pid, &in, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           in.si_pid == pid;
}

/* It may give up with an error; then another one finishes its work. */
static int run_worker(const char *id)
{
    worker_tasks_queue(id);
    pid_t pid = worker_start();
    int done = 0;
    for (int i = 0; i < 25 && !done && !has_ended(pid); i++)
        done = worker_tasks_wait(id, 0.2);
    kill(pid, SIGTERM);
    int rc = program_wait(pid, 15000);
    said_bytes = file_size(err_path);
    said_check = file_has(err_path, "check failed");
    if (rc < 0) {
        kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        file_show(err_path);
        fail_msg("a worker does not end: %s", page_what());
    }
    page->on = 0;
    if (!done) {
        pid = worker_start();
        done = worker_tasks_wait(id, 20);
        kill(pid, SIGTERM);
        (void)program_wait(pid, 15000);
    }
    assert_true(done);
    return rc;
}

/* Every process that is not ours and has our page is one that was left. */
static int is_left(const char *pid)
{
    char path[300], text[8192];
    snprintf(path, sizeof(path), "/proc/%s/environ", pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
    if (fd >= 0)
        close(fd);
    return n > 0 && memmem(text, (size_t)n, page_env, strlen(page_env)) != NULL;
}

static void nothing_is_left(void)
{
    int64_t until = clock_mono_ms() + 3000;
    for (int n = 1; n > 0; pause_ms(10)) {
        DIR *dir = opendir("/proc");
        n = 0;
        for (struct dirent *d; (d = readdir(dir)) != NULL;)
            n += d->d_name[0] >= '1' && d->d_name[0] <= '9' &&
                 is_left(d->d_name);
        closedir(dir);
        if (clock_mono_ms() > until)
            fail_msg("%d processes are left", n);
        if (n == 0)
            break;
    }
}

static void look_worker(const char *id, int said)
{
    (void)said;
    for (size_t i = 0; i < FUNCTIONS; i++) {
        char one[80];
        snprintf(one, sizeof(one), "%s.%zu", id, i);
        struct stint_status *st = status_of(one);
        assert_non_null(st);
        assert_string_equal(st->status, "COMPLETED");
        assert_int_equal(st->times_run, 1);
        stint_status_free(st);
    }
    nothing_is_left();
}

/* ---- Trials ---------------------------------------------------------------- */

static void on_fault(const char *group, const char *fault, void *arg)
{
    (void)arg;
    print_error("fsck: %s: %s\n", group, fault);
}

static void is_consistent(void)
{
    struct stint_err err = {0};
    uint64_t n_checked, n_faults;
    assert_int_equal(stint_fsck(handle, on_fault, NULL, &n_checked, &n_faults,
                                &err), 0);
    assert_int_equal(n_faults, 0);
}

static void page_begin(enum scarce what, long n)
{
    page->what = what;
    page->left = n;
    page->refused = 0;
    page->on = 1;
}

struct fault {
    uint64_t site; /* 0: none */
    long n;
    unsigned errors;
};

/* A worker without memory may die, if it says why (check): its lease ends, and
 * its tasks run again. */
static int is_crash(const struct scenario *c, int rc)
{
    if (c->run == run_worker && c->what == SCARCE_MEMORY &&
        rc == 256 + SIGABRT && said_check)
        return 0;
    return rc >= 256 || rc == 134 || rc == 139;
}

/* Returns 1 if something failed. */
static int trial(const struct scenario *c, const struct fault *f)
{
    char id[40];
    snprintf(id, sizeof(id), "t%05u", n_ids++);
    page->site = f->site;
    page->errors = f->errors;
    page_begin(c->what, f->n);
    int rc = c->run(id);
    int failed = page->refused;
    page->on = 0;
    int bad = is_crash(c, rc) || (!failed && rc != 0) ||
              (rc != 0 && said_bytes <= 0);
    if (bad || getenv("STINT_TEST_VERBOSE") != NULL) {
        print_error("%s: %s (time %ld): exit %d\n", c->name,
                    failed ? page_what() : "nothing", f->n, rc);
        file_show(err_path);
    }
    assert_false(bad);
    c->look(id, rc == 0);
    is_consistent();
    return failed;
}

static uint64_t draw(uint64_t *seed)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *seed >> 33;
}

static long number_env(const char *name, long normal)
{
    const char *text = getenv(name);
    return text != NULL && *text ? strtol(text, NULL, 10) : normal;
}

struct tally {
    int places, failed;
    long trials;
};

static int place_fail(const struct scenario *c, const struct scarce_site *at,
                      long n, unsigned errors)
{
    const struct fault f = {at->key, n, errors};
    page->call[0] = '\0';
    print_message("  %s in %s+%#lx\n", at->call, at->file,
                  (unsigned long)at->offset);
    return trial(c, &f);
}

static void all_fail(const struct scenario *c, const struct scarce_site *sites,
                     struct tally *t)
{
    for (int i = 0; i < t->places; i++)
        for (long n = 1; n <= 5 && n <= sites[i].met; n += 4)
            for (unsigned e = 0; e < (c->what == SCARCE_MEMORY ? 1 : 5); e++) {
                t->failed += place_fail(c, &sites[i], n, e);
                t->trials++;
            }
}

static void some_fail(const struct scenario *c, struct scarce_site *sites,
                      struct tally *t)
{
    static uint64_t seed;
    if (seed == 0)
        seed = (uint64_t)number_env("STINT_TORTURE_SEED", 1);
    int64_t until = clock_mono_ms() + 1000 * number_env("STINT_TORTURE_S", 12);
    for (int i = 0; i < t->places && clock_mono_ms() < until; i++) {
        int k = i + (int)(draw(&seed) % (uint64_t)(t->places - i));
        struct scarce_site s = sites[k];
        sites[k] = sites[i];
        sites[i] = s;
        t->failed += place_fail(c, &s, 1, (unsigned)draw(&seed));
        t->trials++;
    }
}

static void scenario_run(const struct scenario *c)
{
    static struct scarce_site sites[SCARCE_SITES];
    const struct fault none = {0, NEVER, 0};
    const char *all = getenv("STINT_TORTURE");
    const char *only = getenv("STINT_TORTURE_ONLY");
    struct tally t = {0};
    memset(page->sites, 0, sizeof(page->sites));
    page->notes = 1;
    assert_false(trial(c, &none));
    page->notes = 0;
    for (int i = 0; i < SCARCE_SITES; i++)
        if (page->sites[i].key != 0 &&
            (only == NULL || strcmp(only, page->sites[i].call) == 0))
            sites[t.places++] = page->sites[i];
    if (t.places == 0 && only != NULL)
        return;
    assert_true(t.places > 0);
    if (all != NULL && strcmp(all, "all") == 0)
        all_fail(c, sites, &t);
    else
        some_fail(c, sites, &t);
    print_message("%s: %d places ask, %ld trials, %d failed\n", c->name,
                  t.places, t.trials, t.failed);
    assert_true(t.failed > 0);
}

static const struct scenario commands[] = {
    {"queue-task", run_queue, look_queued, SCARCE_CALLS},
    {"queue-task, memory", run_queue, look_queued, SCARCE_MEMORY},
    {"queue-task --file", run_file, look_file, SCARCE_CALLS},
    {"queue-task --file, memory", run_file, look_file, SCARCE_MEMORY},
    {"list", run_list, look_said, SCARCE_CALLS},
    {"list, memory", run_list, look_said, SCARCE_MEMORY},
    {"task-status", run_status, look_said, SCARCE_CALLS},
    {"task-status, memory", run_status, look_said, SCARCE_MEMORY},
    {"wait", run_wait, look_nothing, SCARCE_CALLS},
    {"wait, memory", run_wait, look_nothing, SCARCE_MEMORY},
    {"stats, memory", run_stats, look_said, SCARCE_MEMORY},
};
static const struct scenario workers[] = {
    {"worker", run_worker, look_worker, SCARCE_CALLS},
    {"worker, memory", run_worker, look_worker, SCARCE_MEMORY},
};

static void commands_tell_the_truth(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
        scenario_run(&commands[i]);
}

static void workers_lose_nothing(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(workers) / sizeof(*workers); i++)
        scenario_run(&workers[i]);
}

static void page_make(void)
{
    int fd;
    snprintf(page_path, sizeof(page_path), "%.50s/page", server.dir);
    fd = open(page_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0 && ftruncate(fd, sizeof(*page)) == 0);
    page = mmap(NULL, sizeof(*page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    assert_true(page != MAP_FAILED);
    close(fd);
    snprintf(page->program, sizeof(page->program), "stint");
    snprintf(page_env, sizeof(page_env), "STINT_SCARCE=%s", page_path);
    snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", SCARCE_LIBRARY);
}

static int setup(void **state)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    (void)state;
    server_start(&server);
    page_make();
    snprintf(out_path, sizeof(out_path), "%s/out", server.dir);
    snprintf(err_path, sizeof(err_path), "%s/err", server.dir);
    config_write();
    o.url = server.url;
    handle = stint_open(&o, &err);
    assert_non_null(handle);
    assert_int_equal(run_queue("there"), 0);
    worker_tasks_queue("first");
    pid_t pid = worker_start();
    assert_true(worker_tasks_wait("first", 20));
    kill(pid, SIGTERM);
    assert_int_equal(program_wait(pid, 15000), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    stint_close(handle);
    server_stop(&server);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_tell_the_truth),
        cmocka_unit_test(workers_lose_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
