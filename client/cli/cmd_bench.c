/* SPDX-License-Identifier: MIT */
/* stint bench: how fast tasks are queued, and run by one worker process. It
 * sees the public header only: what the raw scripts reach is for
 * bench/ceiling.c, what Redis spends for bench/run. */
#include "cli.h"

#include <errno.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BENCH_GROUP    "bench"
#define BENCH_FUNCTION "bench.noop"
#define CHUNK_TASKS    10000
#define PAYLOAD_MIN    4 /* [""] */
#define PAYLOAD_MAX    (512 * 1024)

const char cmd_bench_usage[] =
    "usage: stint bench drain [options]\n"
    "       stint bench queue [options]\n\n"
    "  --tasks N         so many tasks (100000)\n"
    "  --payload BYTES   of arguments a task (100)\n"
    "  --concurrency N   of the worker (64)\n"
    "  --prefetch N      the worker holds so many more (0)\n"
    "  --keep            queue: leave the tasks in the group\n\n"
    "Tasks of function bench.noop go to the group bench, which must hold no\n"
    "live tasks, and are run by one worker in a process of its own. They are\n"
    "kept in Redis as any ended task is: use a Redis of its own, or\n"
    "--namespace.\n";

struct bench {
    struct common common;
    int64_t tasks, payload, concurrency, prefetch;
    int keep;
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- The worker, in a child ---------------------------------------------- */

/* What the child says at its end. */
struct drained {
    int status;     /* exit status */
    int64_t n;      /* runs */
    double run_s;   /* from the first run's start to the last one's */
    double whole_s; /* with connecting and leaving */
    double user_s, system_s;
};

struct noop {
    atomic_llong n;
    int64_t total;
    double first_s, last_s; /* written by one run each */
};

static int noop_run(stint_run *run, void *arg)
{
    (void)run;
    struct noop *noop = arg;
    int64_t n = atomic_fetch_add(&noop->n, 1) + 1;
    if (n == 1)
        noop->first_s = seconds();
    if (n == noop->total)
        noop->last_s = seconds();
    return 0;
}

static double timeval_s(struct timeval t)
{
    return (double)t.tv_sec + (double)t.tv_usec / 1e6;
}

static void log_print(enum stint_log_level level, const char *line, void *arg)
{
    (void)arg;
    if (level <= STINT_LOG_WARN)
        message("%s", line);
}

static void drain_run(const struct bench *b, struct drained *d)
{
    static const char *const groups[] = {BENCH_GROUP, NULL};
    struct stint_worker_options o = STINT_WORKER_OPTIONS_INIT;
    struct noop noop = {.total = b->tasks};
    struct stint_err err = {0};
    struct rusage from, to;
    o.url = b->common.url;
    o.name_space = b->common.name_space;
    o.groups = groups;
    o.concurrency = (int)b->concurrency;
    o.prefetch = (int)b->prefetch;
    o.drain = 1;
    o.log = log_print;
    getrusage(RUSAGE_SELF, &from);
    double start_s = seconds();
    stint_worker *w = stint_worker_new(&o, &err);
    if (!w || stint_worker_register(w, BENCH_FUNCTION, noop_run, &noop, &err)
        || stint_worker_run(w, &err))
        d->status = error_print(&err);
    d->whole_s = seconds() - start_s;
    stint_worker_free(w);
    getrusage(RUSAGE_SELF, &to);
    d->n = atomic_load(&noop.n);
    d->run_s = noop.last_s - noop.first_s;
    d->user_s = timeval_s(to.ru_utime) - timeval_s(from.ru_utime);
    d->system_s = timeval_s(to.ru_stime) - timeval_s(from.ru_stime);
}

struct child {
    pid_t pid;
    int go;    /* close without a byte: end */
    int heard; /* a struct drained comes from here */
};

static _Noreturn void child_main(const struct bench *b, int go, int tell)
{
    struct drained d = {0};
    char byte;
    ssize_t n;
    while ((n = read(go, &byte, 1)) < 0 && errno == EINTR)
        continue;
    if (n == 1) {
        drain_run(b, &d);
        if (write(tell, &d, sizeof d) != (ssize_t)sizeof d)
            _exit(EXIT_FAILED);
    }
    _exit(EXIT_DONE);
}

/* Forked before anything else is done, so that its costs are its own. */
static int child_start(const struct bench *b, struct child *child)
{
    int go[2] = {-1, -1}, tell[2] = {-1, -1};
    if (!pipe(go) && !pipe(tell)) {
        fflush(NULL);
        child->pid = fork();
        if (child->pid == 0) {
            close(go[1]);
            close(tell[0]);
            child_main(b, go[0], tell[1]);
        }
        if (child->pid > 0) {
            close(go[0]);
            close(tell[1]);
            child->go = go[1];
            child->heard = tell[0];
            return 0;
        }
    }
    message("no process for the worker: %s", strerror(errno));
    for (int i = 0; i < 2; i++) {
        if (go[i] >= 0)
            close(go[i]);
        if (tell[i] >= 0)
            close(tell[i]);
    }
    return -1;
}

/* Lets it run (d not NULL) or just end; returns the exit status. */
static int child_end(struct child *child, struct drained *d)
{
    int status = EXIT_DONE, how;
    size_t have = 0;
    if (d && write(child->go, "", 1) == 1) {
        ssize_t n;
        while (have < sizeof *d &&
               ((n = read(child->heard, (char *)d + have, sizeof *d - have))
                    > 0 ||
                (n < 0 && errno == EINTR)))
            have += n > 0 ? (size_t)n : 0;
    }
    close(child->go);
    close(child->heard);
    while (waitpid(child->pid, &how, 0) < 0 && errno == EINTR)
        continue;
    if (d && have < sizeof *d) {
        message("the worker died");
        status = EXIT_FAILED;
    } else if (d) {
        status = d->status;
    }
    return status;
}

/* ---- Queueing ------------------------------------------------------------ */

struct queued {
    int64_t n;
    double make_s, queue_s;
};

static char *payload_make(size_t bytes)
{
    char *args = memory_new(1, bytes + 1);
    memset(args, 'x', bytes);
    args[0] = '[';
    args[1] = args[bytes - 2] = '"';
    args[bytes - 1] = ']';
    return args;
}

/* One chunk; -1: err is set. */
static int chunk_queue(stint *s, const char *args, stint_task **tasks,
                       size_t n, struct queued *q, struct stint_err *err)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors = {0};
    size_t made = 0, done = 0;
    int rc = 0;
    o.function = BENCH_FUNCTION;
    o.group_name = BENCH_GROUP;
    o.args = args;
    double from_s = seconds();
    for (; made < n && !rc; made += !rc) {
        tasks[made] = stint_task_new(&o, &errors, err);
        rc = tasks[made] ? 0 : -1;
    }
    double made_s = seconds();
    if (!rc)
        rc = stint_queue_tasks(s, tasks, n, &done, NULL, NULL, NULL, err);
    q->make_s += made_s - from_s;
    q->queue_s += seconds() - made_s;
    q->n += (int64_t)done;
    while (made > 0)
        stint_task_free(tasks[--made]);
    return rc;
}

static int bench_queue(stint *s, const struct bench *b, struct queued *q)
{
    struct stint_err err = {0};
    char *args = payload_make((size_t)b->payload);
    stint_task **tasks = memory_new(CHUNK_TASKS, sizeof(stint_task *));
    int rc = 0;
    while (!rc && q->n < b->tasks) {
        int64_t left = b->tasks - q->n;
        rc = chunk_queue(s, args, tasks,
                         (size_t)(left < CHUNK_TASKS ? left : CHUNK_TASKS), q,
                         &err);
    }
    free(tasks);
    free(args);
    return rc ? error_print(&err) : EXIT_DONE;
}

/* ---- The group ----------------------------------------------------------- */

struct group {
    int64_t live, completed;
};

static int group_see(const struct stint_stats *t, void *arg)
{
    struct group *g = arg;
    if (!strcmp(t->group, BENCH_GROUP)) {
        g->live = t->queued + t->unknown + t->disabled + t->assigned +
                  t->running;
        g->completed = t->completed;
    }
    return 0;
}

static int group_look(stint *s, struct group *g)
{
    struct stint_err err = {0};
    *g = (struct group){0};
    /* Each group in turn: naming one that is not there may be an error. */
    return stint_stats(s, NULL, group_see, g, &err) ? error_print(&err)
                                                    : EXIT_DONE;
}

/* ---- Results ------------------------------------------------------------- */

static double rate(int64_t n, double s)
{
    return s > 0 ? (double)n / s : 0;
}

static void number_show(bool json, struct json_out *j, const char *key,
                        const char *form, double number)
{
    char text[64];
    snprintf(text, sizeof text, form, number);
    if (json)
        json_value(j, key, text);
    else
        field_print(key, text);
}

static void result_show(const struct bench *b, const char *what,
                        const struct queued *q, const struct drained *d)
{
    bool json = b->common.json;
    double n = (double)b->tasks;
    struct json_out j = {false};
    if (json) {
        json_open(&j, NULL, '{');
        json_text(&j, "bench", what);
    } else {
        field_print("bench", what);
    }
    number_show(json, &j, "tasks", "%.0f", n);
    number_show(json, &j, "payload_bytes", "%.0f", (double)b->payload);
    if (d) {
        number_show(json, &j, "concurrency", "%.0f", (double)b->concurrency);
        number_show(json, &j, "seconds", "%.6f", d->run_s);
        number_show(json, &j, "tasks_per_s", "%.0f", rate(d->n, d->run_s));
        number_show(json, &j, "whole_seconds", "%.6f", d->whole_s);
        number_show(json, &j, "worker_cpu_us_per_task", "%.3f",
                    (d->user_s + d->system_s) * 1e6 / n);
        number_show(json, &j, "worker_user_s", "%.3f", d->user_s);
        number_show(json, &j, "worker_system_s", "%.3f", d->system_s);
    } else {
        number_show(json, &j, "seconds", "%.6f", q->queue_s);
        number_show(json, &j, "tasks_per_s", "%.0f", rate(q->n, q->queue_s));
        number_show(json, &j, "make_seconds", "%.6f", q->make_s);
        number_show(json, &j, "make_tasks_per_s", "%.0f",
                    rate(q->n, q->make_s));
    }
    if (json) {
        json_shut(&j, '}');
        putchar('\n');
    }
}

static int drained_check(stint *s, const struct bench *b,
                         const struct group *before, const struct drained *d)
{
    struct group after;
    int status = group_look(s, &after);
    if (status)
        return status;
    if (d->n == b->tasks && !after.live &&
        after.completed - before->completed == b->tasks)
        return EXIT_DONE;
    message("of %lld tasks %lld ran, %lld are counted COMPLETED and %lld are "
            "still there",
            (long long)b->tasks, (long long)d->n,
            (long long)(after.completed - before->completed),
            (long long)after.live);
    return EXIT_FAILED;
}

static int bench_run(const struct bench *b, bool drain)
{
    int status = EXIT_DONE;
    struct child child;
    struct group before = {0};
    struct queued q = {0};
    struct drained d = {0};
    if (child_start(b, &child))
        return EXIT_FAILED;
    stint *s = common_open(&b->common, &status);
    if (s)
        status = group_look(s, &before);
    if (s && !status && before.live) {
        message("the group " BENCH_GROUP " is not empty: %lld tasks",
                (long long)before.live);
        status = EXIT_FAILED;
    }
    if (s && !status)
        status = bench_queue(s, b, &q);
    bool run = s && !status && (drain || !b->keep);
    int ended = child_end(&child, run ? &d : NULL);
    if (run)
        status = ended ? ended : drained_check(s, b, &before, &d);
    if (s && !status)
        result_show(b, drain ? "drain" : "queue", &q, drain ? &d : NULL);
    stint_close(s);
    return status;
}

static int bench_check(const struct command *c, const struct bench *b)
{
    if (b->common.words.n != 1 || (strcmp(b->common.words.at[0], "drain") &&
                                   strcmp(b->common.words.at[0], "queue")))
        return usage_fail(c, "bench needs drain or queue");
    if (b->tasks < 1)
        return usage_fail(c, "--tasks: must be 1 or more");
    if (b->payload < PAYLOAD_MIN || b->payload > PAYLOAD_MAX)
        return usage_fail(c, "--payload: must be %d to %d", PAYLOAD_MIN,
                          PAYLOAD_MAX);
    if (b->concurrency < 1 || b->concurrency > INT_MAX)
        return usage_fail(c, "--concurrency: must be 1 or more");
    if (b->prefetch < 0 || b->prefetch > INT_MAX)
        return usage_fail(c, "--prefetch: must be 0 or more");
    if (b->keep && strcmp(b->common.words.at[0], "queue"))
        return usage_fail(c, "--keep is for bench queue");
    return -1;
}

int cmd_bench_run(const struct command *c, int argc, char **argv)
{
    struct bench b = {.tasks = 100000, .payload = 100, .concurrency = 64};
    const struct option_row rows[] = {
        {"tasks", OPTION_COUNT, &b.tasks},
        {"payload", OPTION_COUNT, &b.payload},
        {"concurrency", OPTION_COUNT, &b.concurrency},
        {"prefetch", OPTION_COUNT, &b.prefetch},
        {"keep", OPTION_FLAG, &b.keep},
    };
    int status = options_parse(c, rows, sizeof rows / sizeof *rows, &b.common,
                               argc, argv);
    if (status < 0)
        status = bench_check(c, &b);
    if (status < 0)
        status = bench_run(&b, !strcmp(b.common.words.at[0], "drain"));
    words_free(&b.common.words);
    return status;
}
