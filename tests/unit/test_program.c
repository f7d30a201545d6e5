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

#include "bounds.h"
#include "buf.h"
#include "children.h"
#include "clock.h"
#include "executor.h"
#include "orphan.h"

#define TASK "{\"id\":\"t1\",\"args\":[\"a b\",7,{\"k\":[1,2]}],"              \
             "\"vars\":{\"size\":\"10x10\",\"n\":null}}"

struct fixture {
    struct event_base *base;
    struct event *timer;
    struct executor *e;
    struct children *children;
    int n_open, n_done;
    enum run_outcome outcome;
    char *result, *output, *error, *stderr_tail;
    size_t output_len;
    struct run_result evidence; /* the numbers of it */
};

static void on_done(struct run *run, const struct run_result *r, void *arg)
{
    struct fixture *f = arg;

    assert_null(run->slot);
    free(f->result);
    free(f->output);
    free(f->error);
    free(f->stderr_tail);
    f->outcome = r->outcome;
    f->evidence = *r;
    f->stderr_tail = r->stderr_tail ? strdup(r->stderr_tail) : NULL;
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
    o.children = f->children = children_new(f->base, "w1.test", &err);
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
    children_free(f->children);
    event_free(f->timer);
    event_base_free(f->base);
    free(f->result);
    free(f->output);
    free(f->error);
    free(f->stderr_tail);
}

static void run_init(struct run *run, struct program *p, char **argv)
{
    memset(run, 0, sizeof(*run));
    memset(p, 0, sizeof(*p));
    p->argv = argv;
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

static void test_parents(void **state)
{
    char *argv[] = {(char *)"echo", (char *)"{parents.g/a.1.result}",
                    (char *)"{parents.g/a.1.status}", NULL};
    char *none[] = {(char *)"echo", (char *)"{parents.a.1.result}", NULL};
    struct fixture f;
    struct program p;
    struct run run;

    (void)state;
    setup(&f);
    for (int i = 0; i < 2; i++) {
        run_init(&run, &p, i == 0 ? argv : none);
        run.parents = json_pack("{s{sssi}}", "g/a.1", "status", "COMPLETED",
                                "result", 17);
        run_start(&f, &run);
        event_base_dispatch(f.base);
        json_decref(run.parents);
        json_decref(run.task);
        if (i == 0)
            assert_string_equal(f.output, "17 COMPLETED\n");
    }
    assert_int_equal(f.outcome, RUN_FAILED);
    assert_string_equal(f.error, "parents.a.1.result is missing");
    teardown(&f);
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

static void test_evidence(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    run_sh(&f, "echo out; printf 'one\ntwo\377\n' >&2; exit 3", 60000);
    assert_int_equal(f.evidence.has_exit, 1);
    assert_int_equal(f.evidence.exit_status, 3);
    assert_string_equal(f.stderr_tail, "one\ntwo\xEF\xBF\xBD");
    assert_true(f.evidence.max_rss_kb > 0);
    /* 64 MB of it must be seen; what is less may be our own, from before. */
    run_sh(&f, "head -c 64M /dev/zero | tail -c 64M >/dev/null; kill -9 $$",
           60000);
    assert_int_equal(f.evidence.has_exit, 2);
    assert_int_equal(f.evidence.signal, SIGKILL);
    assert_true(f.evidence.max_rss_kb > 60000);
    assert_null(f.stderr_tail);
    run_sh(&f, "seq 10000 >&2; echo garbage >&3", 60000);
    assert_string_equal(f.error, "the result is no JSON");
    assert_int_equal(f.evidence.has_exit, 1);
    assert_int_equal(f.evidence.exit_status, 0);
    assert_in_range(strlen(f.stderr_tail), 1990, 2000);
    assert_string_equal(f.stderr_tail + strlen(f.stderr_tail) - 5, "10000");
    run_sh(&f, "echo late >&2; sleep 100", 300);
    assert_int_equal(f.outcome, RUN_TIMEOUT);
    assert_int_equal(f.evidence.has_exit, 2);
    assert_int_equal(f.evidence.signal, SIGTERM);
    assert_string_equal(f.stderr_tail, "late");
    run_sh(&f, "echo fine >&2", 60000);
    assert_int_equal(f.outcome, RUN_COMPLETED);
    assert_int_equal(f.evidence.has_exit, 0);
    assert_null(f.stderr_tail);
    run_argv(&f, (char *[]){(char *)"/no/such/program", NULL}, 60000);
    assert_int_equal(f.evidence.has_exit, 0); /* it never ran */
    teardown(&f);
}

/* Runs it until its timeout; how long that took. Only the lower bound is
 * sharp: the machine may be slow. */
static int64_t run_until_timeout(struct fixture *f, const char *script,
                                 int64_t timeout_ms)
{
    int64_t start = clock_mono_ms(), took;

    run_sh(f, script, timeout_ms);
    took = clock_mono_ms() - start;
    assert_int_equal(f->outcome, RUN_TIMEOUT);
    assert_in_range(took, timeout_ms, 5000);
    return took;
}

static void test_timeout(void **state)
{
    struct fixture f;
    int64_t took;

    (void)state;
    setup(&f);
    took = run_until_timeout(&f, "trap '' TERM; while :; do sleep 1; done",
                             300);
    assert_string_equal(f.error, "timeout after 0.3 s");
    assert_true(took >= 500); /* after the grace */
    assert_int_equal(f.evidence.signal, SIGKILL);
    teardown(&f);
}

/* However much is printed, wherever to, SIGTERM comes in time and SIGKILL
 * after the grace. */
static void test_flood(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f);
    run_until_timeout(&f, "exec yes", 300);
    assert_int_equal(f.evidence.signal, SIGTERM);
    assert_true(f.output_len <= OUTPUT_BYTES_MAX);
    assert_int_equal(strncmp(f.output, "y\ny\n", 4), 0);
    assert_non_null(strstr(f.output, "\ny\n[... "));
    assert_non_null(strstr(f.output, " bytes cut ...]\ny\n"));
    run_until_timeout(&f, "exec cat /dev/zero >&2", 300);
    assert_int_equal(f.evidence.signal, SIGTERM);
    run_until_timeout(&f, "exec yes >&3", 300);
    assert_int_equal(f.evidence.signal, SIGTERM);
    assert_null(f.result);
    assert_true(run_until_timeout(&f, "trap '' TERM; yes >&2 & exec yes",
                                  300) >= 500);
    assert_int_equal(f.evidence.signal, SIGKILL);
    teardown(&f);
}

static void test_flood_of_many(void **state)
{
    enum { N = 20 };
    char *argv[] = {(char *)"yes", NULL};
    static struct run runs[N];
    struct fixture f;
    struct program p;
    int64_t start = clock_mono_ms();

    (void)state;
    setup(&f);
    for (int i = 0; i < N; i++) {
        run_init(&runs[i], &p, argv);
        runs[i].timeout_ms = 300;
        run_start(&f, &runs[i]);
    }
    event_base_dispatch(f.base);
    assert_int_equal(f.n_done, N);
    assert_int_equal(f.outcome, RUN_TIMEOUT);
    assert_in_range(clock_mono_ms() - start, 300, 5000);
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

/* What a task has started hears SIGTERM, too, and may tidy up: it goes to the
 * group. On a slow machine it comes before anybody listens; then once more. */
static void test_group_is_asked_first(void **state)
{
    struct fixture f;
    int told = 0;

    (void)state;
    for (int64_t timeout_ms = 300; timeout_ms < 5000 && !told;
         timeout_ms *= 3) {
        setup(&f);
        run_sh(&f, "trap : TERM; "
                   "sh -c 'trap \"echo tidied; exit\" TERM; "
                   "while :; do sleep 0.02; done' & "
                   "while kill -0 $! 2>/dev/null; do wait $!; done",
               timeout_ms);
        assert_int_equal(f.outcome, RUN_TIMEOUT);
        told = strstr(f.output, "tidied") != NULL;
        teardown(&f);
    }
    assert_true(told);
}

/* Not in the group, nor the session, without our variables, and its parent is
 * gone: it is the mark that tells. */
static void test_daemon(void **state)
{
    struct fixture f;
    long daemon;

    (void)state;
    setup(&f);
    run_sh(&f, "setsid sh -c 'exec env -i sh -c \"echo \\$\\$; "
               "exec sleep 100\" &' ; sleep 0.3", 60000);
    assert_int_equal(f.outcome, RUN_COMPLETED);
    assert_int_equal(sscanf(f.output, "%ld", &daemon), 1);
    assert_true(is_dead((pid_t)daemon));
    teardown(&f);
}

/* A daemon of one run lives as long as that run, whatever ends meanwhile. */
static void test_daemon_of_another(void **state)
{
    char *argv[] = {(char *)"sh", (char *)"-c",
                    (char *)"setsid sh -c 'exec env -i sh -c \"echo "
                    "\\$\\$; exec sleep 100\" &'; exec sleep 100", NULL};
    struct fixture f;
    struct program p;
    struct run run;
    struct buf text;
    struct run_news news = {.output = &text};
    long daemon;

    (void)state;
    setup(&f);
    run_init(&run, &p, argv);
    run_start(&f, &run);
    buf_init(&text, OUTPUT_BYTES_MAX);
    while (!f.e->ops->news(f.e, &run, &news))
        event_base_loop(f.base, EVLOOP_ONCE);
    assert_int_equal(sscanf(text.data, "%ld", &daemon), 1);
    buf_close(&text);
    for (int i = 0; i < 5; i++) {
        int n = f.n_done;
        struct program other;
        struct run short_run;

        run_init(&short_run, &other, (char *[]){(char *)"true", NULL});
        run_start(&f, &short_run);
        while (f.n_done == n)
            event_base_loop(f.base, EVLOOP_ONCE);
    }
    assert_int_equal(kill((pid_t)daemon, 0), 0);
    f.e->ops->stop(f.e, &run, 0);
    event_base_dispatch(f.base);
    assert_int_equal(f.outcome, RUN_STOPPED);
    assert_true(is_dead((pid_t)daemon));
    teardown(&f);
}

/* Children of the program around us: their status is theirs, and they live,
 * also in a session of their own. One that nobody has reaped yet does not hide
 * the end of a run. */
static void test_children_of_others(void **state)
{
    struct fixture f;
    int status;
    pid_t ended, daemon;

    (void)state;
    setup(&f);
    ended = fork();
    if (ended == 0)
        _exit(7);
    daemon = fork();
    if (daemon == 0) {
        setsid();
        execl("/bin/sleep", "sleep", "100", (char *)NULL);
        _exit(1);
    }
    for (int i = 0; i < 3; i++) {
        run_sh(&f, "sleep 0.05", 60000);
        assert_int_equal(f.outcome, RUN_COMPLETED);
    }
    assert_int_equal(waitpid(ended, &status, 0), ended);
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_int_equal(waitpid(daemon, &status, WNOHANG), 0);
    kill(daemon, SIGKILL);
    waitpid(daemon, &status, 0);
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

/* The kernel takes a run before its worker: it says so in time, and of a worker
 * that is preferred or spared already, from there. */
static void test_out_of_memory_order(void **state)
{
    static const int own[] = {0, 7, 300, 850, 1000};
    char *argv[] = {(char *)"cat", (char *)"/proc/self/oom_score_adj", NULL};
    struct fixture f;

    (void)state;
    setup(&f);
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        char line[16];
        FILE *adj = fopen("/proc/self/oom_score_adj", "w");

        assert_non_null(adj);
        fprintf(adj, "%d", own[i]);
        fclose(adj); /* only root may lower it: elsewhere it only rises */
        run_argv(&f, argv, 60000);
        snprintf(line, sizeof(line), "%d\n",
                 own[i] + 200 < 1000 ? own[i] + 200 : 1000);
        assert_string_equal(f.output, line);
        adj = fopen("/proc/self/oom_score_adj", "r");
        assert_non_null(fgets(line, sizeof(line), adj));
        fclose(adj);
        assert_int_equal(strtol(line, NULL, 10), own[i]);
    }
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
    assert_non_null(strstr(f.output, "xx\n[... 134528 bytes cut ...]\nxx"));
    run_sh(&f, "head -c 200000 /dev/zero | tr '\\0' x; echo '!clear!'", 60000);
    assert_string_equal(f.output, "\n");
    run_sh(&f, "printf 'a\\377\\0\\303\\244\\303'", 60000);
    assert_string_equal(f.output, "a\xEF\xBF\xBD\xEF\xBF\xBD\xC3\xA4"
                                  "\xEF\xBF\xBD");
    teardown(&f);
}

/* Loops until there is news, and returns them; the caller frees it. */
static char *news_wait(struct fixture *f, struct run *run)
{
    struct buf text;
    struct run_news news = {.output = &text};

    buf_init(&text, OUTPUT_BYTES_MAX);
    while (!f->e->ops->news(f->e, run, &news)) {
        assert_int_equal(text.len, 0);
        assert_non_null(run->slot);
        event_base_loop(f->base, EVLOOP_ONCE);
    }
    assert_int_equal(f->e->ops->news(f->e, run, &news), 0);
    return text.data ? text.data : strdup("");
}

/* The script waits for a file after each step, so that each is read alone. */
static void test_output_so_far(void **state)
{
    static const char *const expected[] = {"a", "a\xC3\xA4", "new"};
    char dir[] = "/tmp/stint-program-XXXXXX", path[64], script[400];
    char *argv[] = {(char *)"sh", (char *)"-c", script, NULL};
    struct fixture f;
    struct program p;
    struct run run;

    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(script, sizeof(script),
             "wait_for() (while ! [ -e %s/$1 ]; do sleep 0.01; done);"
             "printf 'a\\303'; wait_for 0; printf '\\244'; wait_for 1;"
             "printf '!clear!new'; wait_for 2", dir);
    setup(&f);
    run_init(&run, &p, argv);
    p.argv[2] = script;
    f.n_open++;
    f.e->ops->start(f.e, &run);
    for (int i = 0; i < 3; i++) {
        char *text = news_wait(&f, &run);

        assert_string_equal(text, expected[i]);
        free(text);
        snprintf(path, sizeof(path), "%s/%d", dir, i);
        close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    }
    event_base_dispatch(f.base);
    assert_int_equal(f.outcome, RUN_COMPLETED);
    assert_string_equal(f.output, "new");
    assert_int_equal(f.e->ops->news(f.e, &run, NULL), 0); /* it is over */
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof(path), "%s/%d", dir, i);
        unlink(path);
    }
    rmdir(dir);
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
    assert_string_equal(f.error, "the result is larger than 262144 bytes");
    run_sh(&f, "printf false >&3", 60000);
    assert_int_equal(f.outcome, RUN_COMPLETED);
    assert_string_equal(f.result, "false");
    run_sh(&f, "echo '\"\"' >&3; exit 2", 60000); /* kept, though it failed */
    assert_int_equal(f.outcome, RUN_FAILED);
    assert_string_equal(f.result, "\"\"");
    run_sh(&f, "printf '[1' >&3; exit 2", 60000);
    assert_string_equal(f.error, "exit status 2");
    assert_null(f.result);
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

/* Without the environment the mark is enough. */
static void test_guard_by_mark(void **state)
{
    int status;
    pid_t child = fork();

    (void)state;
    if (child == 0) {
        orphan_mark_set(orphan_mark_of("guard.mark") | 9);
        execle("/bin/sleep", "sleep", "100", (char *)NULL,
               (char *[]){NULL});
        _exit(1);
    }
    nanosleep(&(struct timespec){0, 100000000}, NULL);
    assert_int_equal(orphans_kill("guard.other", 1), 0);
    assert_int_equal(waitpid(child, &status, WNOHANG), 0);
    assert_int_equal(orphans_kill("guard.mark", 1), 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_success),
        cmocka_unit_test(test_parents),
        cmocka_unit_test(test_cannot_start),
        cmocka_unit_test(test_status),
        cmocka_unit_test(test_evidence),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_flood_of_many),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_grandchildren),
        cmocka_unit_test(test_group_is_asked_first),
        cmocka_unit_test(test_daemon),
        cmocka_unit_test(test_daemon_of_another),
        cmocka_unit_test(test_children_of_others),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_out_of_memory_order),
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_output_so_far),
        cmocka_unit_test(test_result),
        cmocka_unit_test(test_big_stdin),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_guard),
        cmocka_unit_test(test_guard_by_mark),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
