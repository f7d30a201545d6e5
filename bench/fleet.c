/* SPDX-License-Identifier: MIT */
/* What bench/scale sets going, one process each, through the public header:
 * `queue` fills groups, `work` runs many workers in threads, `ping` watches
 * how long Redis keeps others waiting. Each prints one JSON object when it is
 * done; work and ping go on until SIGTERM. Times are CLOCK_MONOTONIC, so those
 * of several processes can be compared. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stint/stint.h>

#define FUNCTION    "bench.noop"
#define CHUNK_TASKS 5000
#define CHUNK_BYTES (32L * 1024 * 1024)
#define GROUPS_MAX  64 /* a worker's */
#define PINGS_MAX   1000000

struct fleet {
    const char *url;
    long tasks;      /* -n: to queue; to run before it ends, 0: no end */
    long skip;       /* -k: runs before the clock starts */
    long payload;    /* -p: bytes of args */
    const char *groups[GROUPS_MAX + 1]; /* -g, each; NULL-terminated */
    int n_groups;
    const char *start_time, *stop_time; /* -s, -e */
    int disabled;    /* -d */
    double ttl_s;    /* -t */
    long workers;    /* -w */
    long concurrency, prefetch; /* -c, -a */
    double heartbeat_s; /* -b */
    const char *name;   /* -m: of the workers, with a number behind */
    int holds;       /* -h: no run ends; kill -9 does */

    atomic_long n;   /* runs begun */
    _Atomic double first_s, last_s; /* of the runs that count */
};

static const char usage[] =
    "usage: stint-bench-fleet queue URL [-n TASKS] [-p BYTES] [-g GROUP]...\n"
    "                         [-s START_TIME] [-e STOP_TIME] [-t TTL] [-d]\n"
    "       stint-bench-fleet work URL [-w WORKERS] [-c CONCURRENCY]\n"
    "                         [-a PREFETCH] [-b HEARTBEAT] [-g GROUP]...\n"
    "                         [-m NAME] [-n RUNS] [-k SKIP] [-h]\n"
    "       stint-bench-fleet ping URL\n";

static _Noreturn void fail(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

static void fail(const char *format, ...)
{
    va_list v;
    va_start(v, format);
    fputs("stint-bench-fleet: ", stderr);
    vfprintf(stderr, format, v);
    fputc('\n', stderr);
    va_end(v);
    exit(1);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- queue --------------------------------------------------------------- */

static char *args_make(long bytes)
{
    char *args = malloc((size_t)bytes + 1);
    if (args == NULL)
        fail("out of memory");
    memset(args, 'x', (size_t)bytes);
    memcpy(args, "[\"", 2);
    memcpy(args + bytes - 2, "\"]", 3);
    return args;
}

/* Makes and queues one chunk, round robin over the groups; returns the seconds
 * that queueing took, without the making. */
static double chunk_queue(const struct fleet *f, stint *s, long from, long n,
                          struct stint_task_options *o)
{
    static stint_task *tasks[CHUNK_TASKS];
    struct stint_errors errors = {0};
    struct stint_err err = {0};
    size_t done = 0;
    for (long i = 0; i < n; i++) {
        o->group_name = f->groups[(from + i) % f->n_groups];
        tasks[i] = stint_task_new(o, &errors, &err);
        if (tasks[i] == NULL)
            fail("%s: %s", errors.at[0].field, errors.at[0].text);
    }
    double start_s = seconds();
    if (stint_queue_tasks(s, tasks, (size_t)n, &done, NULL, NULL, NULL, &err))
        fail("%s", err.text);
    double took_s = seconds() - start_s;
    for (long i = 0; i < n; i++)
        stint_task_free(tasks[i]);
    return took_s;
}

static void queue(struct fleet *f)
{
    struct stint_options so = STINT_OPTIONS_INIT;
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_err err = {0};
    char *args = args_make(f->payload);
    long chunk = CHUNK_BYTES / f->payload;
    double took_s = 0;
    so.url = f->url;
    so.timeout_s = 60;
    stint *s = stint_open(&so, &err);
    if (s == NULL)
        fail("%s", err.text);
    o.function = FUNCTION;
    o.args = args;
    o.start_time = f->start_time;
    o.stop_time = f->stop_time;
    o.disabled = f->disabled;
    o.result_ttl_s = f->ttl_s;
    if (chunk > CHUNK_TASKS)
        chunk = CHUNK_TASKS;
    for (long done = 0; done < f->tasks; done += chunk) {
        long n = f->tasks - done < chunk ? f->tasks - done : chunk;
        took_s += chunk_queue(f, s, done, n, &o);
    }
    stint_close(s);
    free(args);
    printf("{\"tasks\": %ld, \"seconds\": %.6f}\n", f->tasks, took_s);
}

/* ---- work ---------------------------------------------------------------- */

static int run_task(stint_run *run, void *arg)
{
    struct fleet *f = arg;
    long n = atomic_fetch_add(&f->n, 1) + 1;
    double now_s = seconds();
    if (n == f->skip + 1)
        atomic_store(&f->first_s, now_s);
    if (f->tasks == 0 || n <= f->tasks)
        atomic_store(&f->last_s, now_s);
    if (n == f->tasks)
        kill(getpid(), SIGTERM);
    (void)run;
    while (f->holds) /* until the process is killed */
        pause();
    return 0;
}

static void on_log(enum stint_log_level level, const char *line, void *arg)
{
    (void)arg;
    if (level <= STINT_LOG_WARN)
        fprintf(stderr, "%s\n", line);
}

static void *worker_main(void *arg)
{
    struct stint_err err = {0};
    if (stint_worker_run(arg, &err))
        fail("%s", err.text);
    return NULL;
}

static stint_worker *worker_make(struct fleet *f, long i)
{
    struct stint_worker_options o = STINT_WORKER_OPTIONS_INIT;
    struct stint_err err = {0};
    char name[100];
    snprintf(name, sizeof(name), "%s.%ld", f->name, i);
    o.url = f->url;
    o.groups = f->groups;
    o.concurrency = (int)f->concurrency;
    o.prefetch = (int)f->prefetch;
    o.heartbeat_s = f->heartbeat_s;
    o.name = name;
    o.log = on_log;
    stint_worker *w = stint_worker_new(&o, &err);
    if (w == NULL || stint_worker_register(w, FUNCTION, run_task, f, NULL, &err))
        fail("%s", err.text);
    return w;
}

static void work(struct fleet *f, const sigset_t *ends)
{
    stint_worker **workers = calloc((size_t)f->workers, sizeof(*workers));
    pthread_t *threads = calloc((size_t)f->workers, sizeof(*threads));
    int number;
    if (workers == NULL || threads == NULL)
        fail("out of memory");
    for (long i = 0; i < f->workers; i++) {
        workers[i] = worker_make(f, i);
        if (pthread_create(&threads[i], NULL, worker_main, workers[i]))
            fail("no thread for worker %ld", i);
        usleep(2000); /* Redis takes so many connections at once, no more */
    }
    sigwait(ends, &number);
    for (long i = 0; i < f->workers; i++)
        stint_worker_stop(workers[i]);
    for (long i = 0; i < f->workers; i++) {
        pthread_join(threads[i], NULL);
        stint_worker_free(workers[i]);
    }
    free(workers);
    free(threads);
    printf("{\"runs\": %ld, \"first_s\": %.6f, \"last_s\": %.6f}\n",
           atomic_load(&f->n), atomic_load(&f->first_s),
           atomic_load(&f->last_s));
}

/* ---- ping ---------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    const float *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void ping(const struct fleet *f, const sigset_t *ends)
{
    static const char scheme[] = "unix://";
    const struct timespec pause = {0, 1000000};
    float *us = malloc(PINGS_MAX * sizeof(*us));
    size_t n = 0;
    if (strncmp(f->url, scheme, strlen(scheme)) != 0)
        fail("ping: a unix:// URL is needed");
    redisContext *redis = redisConnectUnix(f->url + strlen(scheme));
    if (us == NULL || redis == NULL || redis->err)
        fail("ping: no connection");
    while (n < PINGS_MAX && sigtimedwait(ends, NULL, &pause) < 0) {
        double start_s = seconds();
        redisReply *r = redisCommand(redis, "PING");
        if (r == NULL)
            fail("ping: %s", redis->errstr);
        us[n++] = (float)((seconds() - start_s) * 1e6);
        freeReplyObject(r);
    }
    redisFree(redis);
    qsort(us, n, sizeof(*us), compare);
    if (n > 0)
        printf("{\"pings\": %zu, \"p50_us\": %.0f, \"p99_us\": %.0f, "
               "\"p999_us\": %.0f, \"max_us\": %.0f}\n",
               n, (double)us[n / 2], (double)us[n * 99 / 100],
               (double)us[n * 999 / 1000], (double)us[n - 1]);
    free(us);
}

/* ---- Options ------------------------------------------------------------- */

static long number(const char *text, long least)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno != 0 || *end != '\0' || end == text || n < least)
        fail("%s: a whole number from %ld is needed", text, least);
    return n;
}

static void group_add(struct fleet *f, const char *name)
{
    if (f->n_groups == GROUPS_MAX)
        fail("at most %d groups", GROUPS_MAX);
    f->groups[f->n_groups++] = name;
}

static int options(struct fleet *f, int argc, char **argv)
{
    int c;
    while ((c = getopt(argc, argv, "n:k:p:g:s:e:dt:w:c:a:b:m:h")) != -1) {
        switch (c) {
        case 'n': f->tasks = number(optarg, 0); break;
        case 'k': f->skip = number(optarg, 0); break;
        case 'p': f->payload = number(optarg, 4); break;
        case 'g': group_add(f, optarg); break;
        case 's': f->start_time = optarg; break;
        case 'e': f->stop_time = optarg; break;
        case 'd': f->disabled = 1; break;
        case 't': f->ttl_s = strtod(optarg, NULL); break;
        case 'w': f->workers = number(optarg, 1); break;
        case 'c': f->concurrency = number(optarg, 1); break;
        case 'a': f->prefetch = number(optarg, 0); break;
        case 'b': f->heartbeat_s = strtod(optarg, NULL); break;
        case 'm': f->name = optarg; break;
        case 'h': f->holds = 1; break;
        default: return -1;
        }
    }
    if (f->n_groups == 0)
        group_add(f, "bench");
    return optind == argc ? 0 : -1;
}

int main(int argc, char **argv)
{
    struct fleet f = {.payload = 100, .ttl_s = 86400, .workers = 1,
                      .concurrency = 64, .name = "fleet"};
    sigset_t ends;
    const char *what = argc > 2 ? argv[1] : "";
    if (argc > 2)
        f.url = argv[2];
    optind = 3;
    if (argc < 3 || options(&f, argc, argv)) {
        fputs(usage, stderr);
        return 2;
    }
    /* Blocked before there are threads: only sigwait hears of them. */
    sigemptyset(&ends);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);
    if (strcmp(what, "queue") == 0)
        queue(&f);
    else if (strcmp(what, "work") == 0)
        work(&f, &ends);
    else if (strcmp(what, "ping") == 0)
        ping(&f, &ends);
    else
        fail("%s: queue, work or ping is needed", what);
    return 0;
}
