/* SPDX-License-Identifier: MIT */
/* latency and mixed: an open loop. Task i is due to be sent at a fixed time,
 * t0 + i / rate, whatever became of those before; its latency counts from then
 * to the start of its run, so that a stall of the sender, of Redis or of a
 * worker is in the figures of all that were due meanwhile. One that is due is
 * sent by a call for one task. When more are due the sender is behind: they go
 * in one bulk call, which catches up sooner than one call each. */
#include "bench.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

enum {
    WARM_UP_S = 1,
    BULK_MAX = 1000, /* tasks a bulk call */
    LATE_US = 1000,  /* after its time a send is late */
    MIX = 20         /* tasks of mixed after which it begins anew */
};

/* What mixed sends, in shares of 5 %. */
enum mix { PLAIN, AHEAD, URGENT, FAILING, REPEATED, BIG };
static const enum mix mix[MIX] = {
    PLAIN, AHEAD, PLAIN,    PLAIN, URGENT,
    PLAIN, PLAIN, FAILING,  PLAIN, PLAIN,
    AHEAD, PLAIN, REPEATED, PLAIN, PLAIN,
    PLAIN, BIG,   URGENT,   AHEAD, PLAIN,
};
#define BIG_FACTOR  10
#define AGAIN_S     0.2 /* period of what runs twice */
#define AHEAD_MS    2000

struct open_loop {
    const struct bench *bench;
    bool mixed;
    struct crew crew;
    struct load load;
    int64_t warm_up, tasks; /* tasks: with those of the warm-up */
    int64_t t0_us, late;
    char *args, *big;       /* of the task at hand */
    char start[24];
    stint *s;
};

static int64_t due_us(const struct open_loop *o, int64_t i)
{
    return o->t0_us + (int64_t)((double)i * 1e6 / o->bench->rate);
}

static enum mix kind_of(const struct open_loop *o, int64_t i)
{
    return o->mixed && i >= o->warm_up ? mix[i % MIX] : PLAIN;
}

static int64_t runs_of(const struct open_loop *o)
{
    int64_t runs = 0;
    for (int64_t i = 0; i < o->tasks; i++) {
        enum mix kind = kind_of(o, i);
        runs += kind == FAILING || kind == REPEATED ? 2 : 1;
    }
    return runs;
}

/* ---- Sending ------------------------------------------------------------- */

/* The rules of a task that is not plain. */
static void open_rules(struct open_loop *l, struct stint_task_options *o,
                       int64_t i)
{
    switch (kind_of(l, i)) {
    case PLAIN:
    case BIG:
        break;
    case AHEAD: /* 7919 is a prime: spread, and the same in each bench */
        snprintf(l->start, sizeof l->start, "+%.3fs",
                 (double)(i * 7919 % AHEAD_MS) / 1e3);
        o->start_time = l->start;
        break;
    case URGENT:
        o->priority = 1;
        break;
    case FAILING:
        o->retry_failed = 1;
        o->period_s = AGAIN_S;
        break;
    case REPEATED:
        o->repeats = 2;
        o->period_s = AGAIN_S;
        break;
    }
}

static void open_fill(struct stint_task_options *o, int64_t i, void *arg)
{
    struct open_loop *l = arg;
    const struct bench *b = l->bench;
    enum mix kind = kind_of(l, i);
    int mark = i < l->warm_up ? MARK_NONE
               : kind == PLAIN ? MARK_DUE
               : kind == FAILING ? MARK_FAIL
                                 : MARK_NONE;
    size_t bytes = (size_t)b->payload * (kind == BIG ? BIG_FACTOR : 1);
    char *args = kind == BIG ? l->big : l->args;
    args_time(args, bytes, due_us(l, i), mark);
    o->function = BENCH_TIMED;
    o->args = args;
    o->group_name = b->names[i / MIX % b->groups];
    open_rules(l, o, i);
}

static void sleep_until(int64_t us)
{
    const struct timespec t = {.tv_sec = us / 1000000,
                               .tv_nsec = us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
        continue;
}

/* Sends what is due now, at least the next; -1: err. */
static int open_send(struct open_loop *l, struct stint_err *err)
{
    int64_t first = l->load.n, n = 0, now_us = bench_now_us();
    while (first + n < l->tasks && n < BULK_MAX &&
           due_us(l, first + n) <= now_us) {
        l->late += first + n >= l->warm_up &&
                   now_us - due_us(l, first + n) > LATE_US;
        n++;
    }
    return n > 1 ? load_queue(&l->load, n, err)
                 : load_queue_one(&l->load, err);
}

static int open_send_all(struct open_loop *l)
{
    struct stint_err err = {0};
    struct progress bar;
    int rc = 0;
    prctl(PR_SET_TIMERSLACK, 1000UL); /* ns: it would count as latency */
    l->t0_us = bench_now_us() + 10000;
    progress_start(&bar, (size_t)l->tasks);
    while (!rc && l->load.n < l->tasks) {
        sleep_until(due_us(l, l->load.n));
        rc = open_send(l, &err);
        progress_update((size_t)l->load.n, (size_t)l->tasks, &bar);
    }
    progress_end(&bar);
    return rc ? error_print(&err) : EXIT_DONE;
}

/* ---- One round ----------------------------------------------------------- */

static void open_init(struct open_loop *l, const struct bench *b, bool mixed)
{
    *l = (struct open_loop){.bench = b, .mixed = mixed};
    l->warm_up = (int64_t)ceil(b->rate * WARM_UP_S);
    l->tasks = l->warm_up + b->tasks;
    l->args = args_timed((size_t)b->payload);
    l->big = args_timed((size_t)b->payload * BIG_FACTOR);
    l->load = (struct load){.fill = open_fill, .arg = l};
}

static void open_measure(const struct open_loop *l, struct measures *m,
                         const struct stint_server_usage *from,
                         const struct stint_server_usage *to)
{
    const struct bench *b = l->bench;
    m->at[M_SECONDS] =
        (double)(crew_last_us(&l->crew) - due_us(l, l->warm_up)) / 1e6;
    m->at[M_TASKS_PER_S] = bench_rate(b->tasks, m->at[M_SECONDS]);
    m->at[M_RUNS] = (double)crew_runs(&l->crew);
    m->at[M_WARM_UP] = (double)l->warm_up;
    m->at[M_LATE_SENDS] = (double)l->late;
    measures_times(m, crew_times(&l->crew));
    crew_measure(&l->crew, m, l->tasks);
    measures_usage(m, from, to, (double)l->tasks);
}

static int open_run(struct open_loop *l, struct measures *m)
{
    const struct bench *b = l->bench;
    struct stint_server_usage from, to;
    struct bench_counts before;
    int64_t runs = runs_of(l);
    int status = groups_refuse_live(l->s, b, &before);
    if (!status)
        status = crew_go(&l->crew, l->s);
    if (!status)
        status = bench_usage(l->s, &from);
    if (!status)
        status = open_send_all(l);
    if (!status)
        status = crew_wait_runs(&l->crew,
                                bench_now_us() + AHEAD_MS * INT64_C(1000));
    if (!status)
        status = groups_wait_completed(l->s, b, &before, l->tasks);
    if (!status)
        status = bench_usage(l->s, &to);
    if (!status)
        status = crew_end(&l->crew, true);
    if (!status)
        status = groups_check(l->s, b, &before, l->tasks, runs,
                              crew_runs(&l->crew));
    if (!status)
        status = groups_clean(l->s, b);
    if (!status)
        open_measure(l, m, &from, &to);
    return status;
}

static int open_bench(const struct bench *b, bool mixed, struct measures *m,
                      struct histogram *times)
{
    struct open_loop l;
    open_init(&l, b, mixed);
    int status = crew_start(&l.crew, b, runs_of(&l), false);
    if (!status)
        l.s = common_open(&b->common, &status);
    l.load.s = l.s;
    if (!status)
        status = open_run(&l, m);
    if (!status)
        histogram_merge(times, crew_times(&l.crew));
    crew_free(&l.crew);
    stint_close(l.s);
    free(l.args);
    free(l.big);
    return status;
}

int bench_latency(const struct bench *b, struct measures *m,
                  struct histogram *times)
{
    return open_bench(b, false, m, times);
}

int bench_mixed(const struct bench *b, struct measures *m,
                struct histogram *times)
{
    return open_bench(b, true, m, times);
}
