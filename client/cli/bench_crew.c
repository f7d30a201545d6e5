/* SPDX-License-Identifier: MIT */
/* The workers, each in a process of its own, forked before there is anything
 * but options, so that what they cost is theirs. They wait at a pipe: a byte
 * lets one begin, its closing lets it end. What they find out is counted in
 * memory that all share: no message a run. */
#include "bench.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct crew_slot {
    atomic_int status; /* exit status */
    atomic_llong user_us, system_us, whole_us;
};

struct crew_shared {
    int64_t runs;                  /* expected; before fork */
    atomic_llong ran;
    atomic_llong first_us, last_us; /* starts of the first and last run */
    atomic_llong bad;              /* runs without a time in their args */
    atomic_llong off_us, error_us; /* of Redis's clock */
    atomic_llong early;            /* started before their start_time */
    struct crew_slot slots[BENCH_WORKERS_MAX];
    struct histogram times;
};

/* ---- Runs ---------------------------------------------------------------- */

static void run_count(struct crew_shared *c, int64_t now_us)
{
    long long n = atomic_fetch_add(&c->ran, 1) + 1;
    if (n == 1)
        atomic_store(&c->first_us, now_us);
    if (n == c->runs)
        atomic_store(&c->last_us, now_us);
}

static int noop_run(stint_run *run, void *arg)
{
    (void)run;
    run_count(arg, bench_now_us());
    return 0;
}

static int64_t date_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* How late a task with a start_time is, by Redis's clock. Before it by more
 * than the clocks are known to is early, and must not be. */
static void start_record(struct crew_shared *c, int64_t start_us,
                         int64_t now_us)
{
    int64_t late_us = now_us + atomic_load(&c->off_us) - start_us;
    if (late_us < -atomic_load(&c->error_us))
        atomic_fetch_add(&c->early, 1);
    histogram_record(&c->times, late_us);
}

static int timed_run(stint_run *run, void *arg)
{
    struct crew_shared *c = arg;
    int64_t now_us = bench_now_us(), date = date_us();
    const char *args = stint_run_args(run);
    char *end = NULL;
    long long us = args && args[0] == '[' ? strtoll(args + 1, &end, 10) : 0;
    long mark = end && *end == ',' ? strtol(end + 1, NULL, 10) : -1;
    if (mark == MARK_DUE)
        histogram_record(&c->times, now_us - us);
    else if (mark == MARK_START)
        start_record(c, us, date);
    else if (mark < 0)
        atomic_fetch_add(&c->bad, 1);
    run_count(c, now_us);
    return mark == MARK_FAIL && stint_run_attempt(run) == 1;
}

/* ---- A worker's process -------------------------------------------------- */

/* For the signal handler only. */
static stint_worker *signalled;

static void signal_stop(int number)
{
    (void)number;
    stint_worker_stop(signalled);
}

static void log_print(enum stint_log_level level, const char *line, void *arg)
{
    (void)arg;
    if (level <= STINT_LOG_WARN)
        message("%s", line);
}

static int64_t timeval_us(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000 + t.tv_usec;
}

static int worker_serve(const struct bench *b, struct crew_shared *c,
                        bool drain)
{
    const char *groups[BENCH_GROUPS_MAX + 1] = {0};
    struct stint_worker_options o = STINT_WORKER_OPTIONS_INIT;
    struct sigaction stop = {.sa_handler = signal_stop};
    struct stint_err err = {0};
    for (int64_t i = 0; i < b->groups; i++)
        groups[i] = b->names[i];
    o.url = b->common.url;
    o.name_space = b->common.name_space;
    o.groups = groups;
    o.concurrency = (int)b->concurrency;
    o.prefetch = (int)b->prefetch;
    o.drain = drain;
    o.log = log_print;
    stint_worker *w = stint_worker_new(&o, &err);
    if (!w || stint_worker_register(w, BENCH_NOOP, noop_run, c, NULL, &err) ||
        stint_worker_register(w, BENCH_TIMED, timed_run, c, NULL, &err)) {
        stint_worker_free(w);
        return error_print(&err);
    }
    signalled = w;
    sigaction(SIGTERM, &stop, NULL);
    int status = stint_worker_run(w, &err) ? error_print(&err) : EXIT_DONE;
    signal(SIGTERM, SIG_IGN);
    stint_worker_free(w);
    return status;
}

static void worker_main(const struct bench *b, struct crew_shared *c,
                        struct crew_slot *slot, int go, bool drain)
{
    struct rusage from, to;
    char byte;
    ssize_t n;
    while ((n = read(go, &byte, 1)) < 0 && errno == EINTR)
        continue;
    close(go);
    if (n != 1)
        return;
    getrusage(RUSAGE_SELF, &from);
    int64_t from_us = bench_now_us();
    atomic_store(&slot->status, worker_serve(b, c, drain));
    getrusage(RUSAGE_SELF, &to);
    atomic_store(&slot->whole_us, bench_now_us() - from_us);
    atomic_store(&slot->user_us,
                 timeval_us(to.ru_utime) - timeval_us(from.ru_utime));
    atomic_store(&slot->system_us,
                 timeval_us(to.ru_stime) - timeval_us(from.ru_stime));
}

/* An interrupt from the terminal is for the one who started them: it dies of
 * it, and they are told and give back what they hold. */
static int worker_fork(struct crew *c, int64_t i, const int go[2], bool drain)
{
    pid_t parent = getpid();
    fflush(NULL);
    c->pids[i] = fork();
    if (c->pids[i] < 0) {
        c->pids[i] = 0;
        message("no process for a worker: %s", strerror(errno));
        return EXIT_FAILED;
    }
    if (c->pids[i] > 0)
        return EXIT_DONE;
    signal(SIGINT, SIG_IGN);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    close(go[1]);
    if (getppid() == parent)
        worker_main(c->bench, c->shared, &c->shared->slots[i], go[0], drain);
    fflush(NULL);
    _exit(atomic_load(&c->shared->slots[i].status));
}

/* ---- The crew ------------------------------------------------------------ */

int crew_start(struct crew *c, const struct bench *b, int64_t runs, bool drain)
{
    int go[2], status = EXIT_DONE;
    *c = (struct crew){.bench = b, .go = -1};
    void *memory = mmap(NULL, sizeof *c->shared, PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || pipe(go)) {
        message("no room for the workers: %s", strerror(errno));
        if (memory != MAP_FAILED)
            munmap(memory, sizeof *c->shared);
        return EXIT_FAILED;
    }
    c->shared = memory;
    c->shared->runs = runs;
    c->go = go[1];
    for (int64_t i = 0; i < b->workers && !status; i++)
        status = worker_fork(c, i, go, drain);
    close(go[0]);
    return status;
}

void crew_clock(struct crew *c, int64_t off_us, int64_t error_us)
{
    atomic_store(&c->shared->off_us, off_us);
    atomic_store(&c->shared->error_us, error_us);
}

static void pause_ms(long ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

/* Takes note of those that have ended; how many are left. */
static int crew_reap(struct crew *c, int *status)
{
    int left = 0;
    for (int i = 0; i < BENCH_WORKERS_MAX; i++) {
        int how = 0;
        if (!c->pids[i])
            continue;
        if (waitpid(c->pids[i], &how, WNOHANG) != c->pids[i]) {
            left++;
            continue;
        }
        c->pids[i] = 0;
        int died = WIFSIGNALED(how) ? WTERMSIG(how) : 0;
        if (died && died != SIGTERM) /* of that one if it has not begun */
            message("a worker died of signal %d", died);
        int ended = died ? EXIT_FAILED : WEXITSTATUS(how);
        *status = *status ? *status : ended;
    }
    return left;
}

int crew_go(struct crew *c, stint *s)
{
    int64_t until_us = bench_now_us() + 15 * INT64_C(1000000);
    struct bench_counts n = {0};
    int status = EXIT_DONE;
    for (int64_t i = 0; i < c->bench->workers; i++)
        if (write(c->go, "", 1) != 1)
            return EXIT_FAILED;
    while (s && !status && n.served < c->bench->groups) {
        if (crew_reap(c, &status) < c->bench->workers ||
            bench_now_us() > until_us) {
            message("the workers did not come up");
            return status ? status : EXIT_FAILED;
        }
        pause_ms(20);
        status = groups_look(s, c->bench, &n);
    }
    return status;
}

int crew_wait_runs(struct crew *c, int64_t until_us)
{
    struct crew_shared *m = c->shared;
    const int64_t patience_us = BENCH_PATIENCE_S * INT64_C(1000000);
    int64_t seen = -1, deadline_us = 0, ran;
    int status = EXIT_DONE;
    struct progress bar;
    progress_start(&bar, (size_t)m->runs);
    while ((ran = atomic_load(&m->ran)) < m->runs && !status) {
        int64_t now_us = bench_now_us();
        if (ran > seen)
            deadline_us = (now_us > until_us ? now_us : until_us) + patience_us;
        seen = ran;
        bool left = crew_reap(c, &status) > 0;
        if (!left || now_us > deadline_us) {
            progress_end(&bar);
            message("only %" PRId64 " of %" PRId64 " runs were made",
                    crew_runs(c), m->runs);
            return status ? status : EXIT_FAILED;
        }
        pause_ms(5);
        progress_update((size_t)ran, (size_t)m->runs, &bar);
    }
    progress_update((size_t)ran, (size_t)m->runs, &bar);
    progress_end(&bar);
    return status;
}

int crew_end(struct crew *c, bool stop)
{
    int64_t until_us = bench_now_us() + BENCH_PATIENCE_S * INT64_C(1000000);
    int status = EXIT_DONE;
    for (int i = 0; stop && i < BENCH_WORKERS_MAX; i++)
        if (c->pids[i])
            kill(c->pids[i], SIGTERM);
    while (crew_reap(c, &status) > 0) {
        if (bench_now_us() > until_us) {
            message("the workers do not end");
            return EXIT_FAILED;
        }
        pause_ms(2);
    }
    return status;
}

void crew_free(struct crew *c)
{
    int status = EXIT_DONE;
    if (c->go >= 0)
        close(c->go);
    for (int i = 0; i < BENCH_WORKERS_MAX; i++)
        if (c->pids[i])
            kill(c->pids[i], SIGTERM);
    for (int tries = 0; crew_reap(c, &status) > 0 && tries < 300; tries++)
        pause_ms(10); /* they give back what they hold */
    for (int i = 0; i < BENCH_WORKERS_MAX; i++) {
        if (!c->pids[i])
            continue;
        kill(c->pids[i], SIGKILL);
        while (waitpid(c->pids[i], NULL, 0) < 0 && errno == EINTR)
            continue;
    }
    if (c->shared)
        munmap(c->shared, sizeof *c->shared);
}

/* ---- What they found out ------------------------------------------------- */

int64_t crew_runs(const struct crew *c)
{
    return atomic_load(&c->shared->ran) - atomic_load(&c->shared->bad);
}

int64_t crew_early(const struct crew *c)
{
    return atomic_load(&c->shared->early);
}

int64_t crew_last_us(const struct crew *c)
{
    return atomic_load(&c->shared->last_us);
}

double crew_seconds(const struct crew *c)
{
    return (double)(crew_last_us(c) - atomic_load(&c->shared->first_us)) / 1e6;
}

const struct histogram *crew_times(const struct crew *c)
{
    return &c->shared->times;
}

void crew_measure(const struct crew *c, struct measures *m, int64_t tasks)
{
    int64_t user_us = 0, system_us = 0, whole_us = 0;
    for (int64_t i = 0; i < c->bench->workers; i++) {
        const struct crew_slot *slot = &c->shared->slots[i];
        int64_t took_us = atomic_load(&slot->whole_us);
        user_us += atomic_load(&slot->user_us);
        system_us += atomic_load(&slot->system_us);
        whole_us = took_us > whole_us ? took_us : whole_us;
    }
    m->at[M_WHOLE_SECONDS] = (double)whole_us / 1e6;
    m->at[M_WORKER_CPU] = (double)(user_us + system_us) / (double)tasks;
    m->at[M_WORKER_USER_S] = (double)user_us / 1e6;
    m->at[M_WORKER_SYSTEM_S] = (double)system_us / 1e6;
}
