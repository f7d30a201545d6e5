/* SPDX-License-Identifier: MIT */
/* stint bench. A kind of bench is a row of a table in cmd_bench.c with a
 * function that runs it once: bench_bulk.c (drain, queue), bench_open.c
 * (latency, mixed), bench_schedule.c, bench_clean.c. They share the crew
 * (workers in processes of their own, bench_crew.c), the load (making and
 * queueing tasks, bench_load.c), the groups (bench_groups.c) and the figures
 * (bench_show.c). */
#ifndef STINT_CLI_BENCH_H
#define STINT_CLI_BENCH_H

#include <sys/types.h>

#include "cli.h"
#include "histogram.h"

#define BENCH_GROUP "bench" /* and bench.2, bench.3, … */
#define BENCH_NOOP  "bench.noop"  /* does nothing */
#define BENCH_TIMED "bench.timed" /* args: a time in µs, a mark, filling */

enum {
    BENCH_GROUPS_MAX = 32,
    BENCH_WORKERS_MAX = 64,
    BENCH_ROUNDS_MAX = 99,
    BENCH_RUN = 250, /* tasks in a row for one group: a call's worth */
    BENCH_PATIENCE_S = 60 /* without a run, it has failed */
};

/* ---- What was asked for -------------------------------------------------- */

struct measures;
struct bench;

struct bench_kind {
    const char *name;
    /* One round; the figures go to m, and of the times of runs to *times (NULL
     * for kinds that have none). Returns the exit status. */
    int (*run)(const struct bench *b, struct measures *m,
               struct histogram *times);
    int64_t tasks;       /* default; 0: rate and seconds say how many */
    double rate;         /* default; 0: takes no --rate */
    double seconds;      /* default; 0: takes no --seconds */
    int64_t payload_min; /* bytes: what the args need */
    bool ceiling;        /* takes --ceiling and --rounds */
    bool no_figures;     /* it is no bench */
};

struct bench {
    struct common common;
    const struct bench_kind *kind;
    int64_t tasks, payload, groups, workers, concurrency, prefetch, rounds;
    double rate, seconds;
    int ceiling, keep, fsck;
    char names[BENCH_GROUPS_MAX][16]; /* of the groups */
};

/* ---- Figures ------------------------------------------------------------- */

enum measure {
    M_SECONDS, M_TASKS_PER_S, M_WHOLE_SECONDS, M_MAKE_SECONDS,
    M_MAKE_TASKS_PER_S, M_CEILING, M_RATIO, M_REDIS_CPU, M_WORKER_CPU,
    M_WORKER_USER_S, M_WORKER_SYSTEM_S, M_SCRIPT_CALLS, M_COMMANDS, M_BYTES,
    M_RUNS, M_WARM_UP, M_LATE_SENDS, M_EARLY, M_UNCERTAINTY_MS,
    M_TIMES, M_P50_MS, M_P90_MS, M_P99_MS, M_P99_9_MS, M_MAX_MS, M_N
};

/* NAN: not measured. */
struct measures {
    double at[M_N];
};

void measures_init(struct measures *m);
void measures_times(struct measures *m, const struct histogram *times);
/* What Redis spent between two looks, for each of n tasks. */
void measures_usage(struct measures *m, const struct stint_server_usage *from,
                    const struct stint_server_usage *to, double n);
/* Of each figure the median of the rounds. */
void measures_median(struct measures *m, const struct measures *rounds,
                     size_t n);
/* A second; NAN if no time has passed. */
double bench_rate(int64_t n, double s);
void bench_show(const struct bench *b, const struct measures *m,
                const struct histogram *times);

/* CLOCK_MONOTONIC, which all processes of a host share. */
int64_t bench_now_us(void);
/* A look at Redis; returns the exit status. */
int bench_usage(stint *s, struct stint_server_usage *u);

/* ---- The load ------------------------------------------------------------ */

/* Sets what task number i has other than the defaults. What it points to must
 * stay until the next call. */
typedef void (*load_fill_fn)(struct stint_task_options *o, int64_t i,
                             void *arg);

struct load {
    stint *s;
    load_fill_fn fill;
    void *arg;
    int64_t n;               /* queued so far */
    double make_s, queue_s;  /* making them, and having Redis take them */
};

/* The next n tasks, in bulk; -1: err. */
int load_queue(struct load *l, int64_t n, struct stint_err *err);
/* The next one, by a call for one. */
int load_queue_one(struct load *l, struct stint_err *err);
/* As load_queue until there are n, with a progress bar; the exit status. */
int load_fill_up(struct load *l, int64_t n);

/* JSON arrays of `bytes` bytes; args_time writes a time and a mark into one.
 * The caller frees it. */
char *args_noop(size_t bytes);
char *args_timed(size_t bytes);
void args_time(char *args, size_t bytes, int64_t us, int mark);

/* ---- The crew ------------------------------------------------------------ */

/* What a run of BENCH_TIMED does with its time. */
enum { MARK_NONE, MARK_DUE /* by bench_now_us */, MARK_START /* by Redis's
       clock */, MARK_FAIL /* nothing, but the first run fails */ };

struct crew_shared; /* memory that all processes see: bench_crew.c */

struct crew {
    const struct bench *bench;
    struct crew_shared *shared;
    pid_t pids[BENCH_WORKERS_MAX]; /* 0: ended */
    int go; /* a byte lets a worker begin, closing it lets it end; -1 */
};

/* Forks the workers; they wait. Call it before there is a connection. `runs`:
 * how many runs there will be. drain: they end when nothing is left. */
int crew_start(struct crew *c, const struct bench *b, int64_t runs,
               bool drain);
/* For MARK_START: how far Redis's clock is off, and how far that may be. */
void crew_clock(struct crew *c, int64_t off_us, int64_t error_us);
/* Lets them begin; with s, waits until Redis has leases of all of them. */
int crew_go(struct crew *c, stint *s);
/* Waits until all runs were made; nothing new for BENCH_PATIENCE_S after
 * until_us (0: now) is a failure. */
int crew_wait_runs(struct crew *c, int64_t until_us);
/* Waits until they have ended, by themselves or (stop) because they are told
 * to; the exit status. */
int crew_end(struct crew *c, bool stop);
/* Ends what is left, whatever the state, and frees. */
void crew_free(struct crew *c);

int64_t crew_runs(const struct crew *c);
int64_t crew_early(const struct crew *c);
/* From the first run's start to the last one's. */
double crew_seconds(const struct crew *c);
int64_t crew_last_us(const struct crew *c);
const struct histogram *crew_times(const struct crew *c);
void crew_measure(const struct crew *c, struct measures *m, int64_t tasks);

/* ---- Groups -------------------------------------------------------------- */

struct bench_counts {
    int64_t live;      /* of all bench groups */
    int64_t ended;     /* of ours, ever, other than COMPLETED */
    int64_t completed; /* of ours, ever */
    int64_t served;    /* ours that each worker of the crew has a lease on */
};

/* Of any bench: "bench", or that and a number. */
bool groups_is_bench(const char *group);
/* The others return the exit status. */
int groups_look(stint *s, const struct bench *b, struct bench_counts *n);
/* Refuses if they hold live tasks. */
int groups_refuse_live(stint *s, const struct bench *b,
                       struct bench_counts *n);
/* Waits until Redis has heard the end of `tasks` tasks since `before`, at most
 * BENCH_PATIENCE_S. */
int groups_wait_completed(stint *s, const struct bench *b,
                          const struct bench_counts *before, int64_t tasks);
/* Were `tasks` tasks COMPLETED since `before`, and `runs` runs made, `ran`
 * being what the workers counted? With --fsck: is all in order? */
int groups_check(stint *s, const struct bench *b,
                 const struct bench_counts *before, int64_t tasks,
                 int64_t runs, int64_t ran);
int groups_fsck(stint *s, const struct bench *b);
/* Removes the ended tasks, unless they are to be kept. */
int groups_clean(stint *s, const struct bench *b);

/* ---- The kinds ----------------------------------------------------------- */

int bench_drain(const struct bench *b, struct measures *m,
                struct histogram *times);
int bench_queue(const struct bench *b, struct measures *m,
                struct histogram *times);
int bench_latency(const struct bench *b, struct measures *m,
                  struct histogram *times);
int bench_mixed(const struct bench *b, struct measures *m,
                struct histogram *times);
int bench_schedule(const struct bench *b, struct measures *m,
                   struct histogram *times);
/* Prints by itself. */
int bench_clean(const struct bench *b, struct measures *m,
                struct histogram *times);

/* The raw scripts' program: is it there, and its tasks a second. */
int ceiling_find(char path[4096]);
int ceiling_run(const struct bench *b, double *tasks_per_s);

#endif
