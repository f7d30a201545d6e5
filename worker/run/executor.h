/* SPDX-License-Identifier: MIT */
/* What can run a task: a program (program.c), a process that stays (pools.c: a
 * child, or a fork for C functions), or a C function on a pool of threads
 * (thread.c). All calls and
 * callbacks happen on the thread that owns the event loop. */
#ifndef STINT_WORKER_EXECUTOR_H
#define STINT_WORKER_EXECUTOR_H

#include <stdint.h>
#include <stint/stint.h>

#include "bounds.h"
#include "confine.h"

struct buf;
struct children;
struct log;
struct event_base;
struct executor;
struct run;
struct json_t;

/* Which executor has a function's runs. */
enum executor_kind { EXECUTOR_PROGRAM, EXECUTOR_CHILDREN, EXECUTOR_FORKS,
                     EXECUTOR_THREAD, EXECUTOR_N };

enum run_outcome { RUN_COMPLETED, RUN_FAILED, RUN_TIMEOUT, RUN_STOPPED };

/* What a failed run says about the next try. It moves it; how many tries there
 * are is the task's business. */
enum retry_advice { RETRY_AS_ASKED, RETRY_AFTER, RETRY_NEVER };

/* What came of a run. Borrowed during on_done. */
struct run_result {
    enum run_outcome outcome;
    const char *result; /* JSON text, NULL: none */
    size_t result_len;
    const char *output; /* UTF-8 (invalid bytes replaced), NULL: none */
    size_t output_len;
    const char *error;  /* why it did not complete, NULL: nothing to say */
    enum retry_advice retry; /* of RUN_FAILED */
    int64_t retry_ms;   /* RETRY_AFTER: >= 0, from its end */
    int overstays;      /* 1: its function goes on all the same, with the run
                           in its hands until on_return */
    /* Evidence, of programs that did not complete. */
    int has_exit;       /* 1: exit_status, 2: signal */
    int exit_status, signal;
    int64_t max_rss_kb; /* 0: not known */
    const char *stderr_tail; /* its last lines, UTF-8; NULL: none */
};
typedef void (*executor_done_fn)(struct run *run,
                                 const struct run_result *result, void *arg);
/* Something about a run: see executor_options. */
typedef void (*executor_run_fn)(struct run *run, void *arg);

/* What there is to see of a run that goes on. */
struct run_news {
    struct buf *output;  /* the output so far is added: valid UTF-8, at most
                            OUTPUT_BYTES_MAX */
    int has_progress;
    double percent;      /* of the last progress; < 0: not said */
    char text[PROGRESS_BYTES_MAX + 1];
};

/* What is to be run. Owned by the worker, valid until on_done returned. */
struct run {
    const char *id;       /* task id */
    const char *function;
    uint64_t fence;
    int attempt;          /* 1, 2, … */
    const char *traceparent; /* of who queued it (W3C); NULL: none */
    int64_t timeout_ms;   /* > 0 */
    int64_t deadline_wall_ms; /* start + timeout by Redis's clock */
    const char *json;     /* the whole task as JSON, for stdin */
    size_t json_len;
    struct json_t *task;  /* the same, parsed by whoever needs it first
                             (jansson object with args, vars), NULL until
                             then; the worker frees it */
    struct json_t *parents; /* object: what it depends on, by id, with status
                             and result; NULL: none; the worker's */
    const void *how;      /* the executor's own description of the function
                             (struct program, child_pool or function) */
    void *slot;           /* the executor's, NULL when not running */
};

struct executor_ops {
    const char *name;
    /* Takes the run; on_done is called exactly once for it, never inside
     * start. */
    void (*start)(struct executor *e, struct run *run);
    /* Ends it early: SIGTERM, grace, SIGKILL (program) or the cancelled flag
     * (thread); at_once: SIGKILL now. on_done still comes. Threads cannot be
     * killed: their on_done comes when the function returns. */
    void (*stop)(struct executor *e, struct run *run, int at_once);
    /* Time is an argument. Returns the next deadline (mono ms, INT64_MAX:
     * none): timeouts, grace periods. */
    int64_t (*tick)(struct executor *e, int64_t now_mono_ms);
    /* All runs have ended (the worker saw to it), but for threads: waits. */
    void (*close)(struct executor *e);
    /* 1: there is something new since the last time, and all there is was put
     * into news; 0: nothing new. */
    int (*news)(struct executor *e, struct run *run, struct run_news *news);
};

struct executor {
    const struct executor_ops *ops; /* implementations embed this first */
};

struct executor_options {
    struct event_base *base;
    int64_t grace_ms;
    const char *worker;       /* WORKER, for the children's environment */
    struct children *children; /* of this worker; not for threads */
    executor_done_fn on_done;
    executor_run_fn on_progress; /* the run has said how far it is; may be
                                    called often */
    executor_run_fn on_return;   /* one that overstayed has returned: the run
                                    is the worker's again */
    void *arg;
    int n_threads;            /* thread.c; pools.c: where a pool says nothing */
    const struct log *log;    /* NULL: none */
    /* pools.c: all there are, good as long as the executor; and the C function
     * of a name, NULL: none. What find_arg points to is seen by other
     * processes as it was when the executor was made. */
    struct child_pool *const *pools;
    int n_pools;
    const struct function *(*find)(const char *name, void *find_arg);
    void *find_arg;
};

/* A program template of the configuration: exec: ["a", "{args.0}", …]. */
struct program {
    char **argv;  /* NULL-terminated, with {args}, {args.N}, {vars.NAME},
                     {parents.ID.result}, {parents.ID.status} */
    struct confine confine; /* owned */
};
/* Checks templates ("{args.x}", "{foo}", unbalanced). -1 and err INVALID. */
int program_check(const struct program *p, struct stint_err *err);
struct executor *program_executor_new(const struct executor_options *o,
                                      struct stint_err *err);

/* A C function. */
struct function {
    stint_handler_fn fn;
    void *arg;
};
struct executor *thread_executor_new(const struct executor_options *o,
                                     struct stint_err *err);
/* Makes it n threads; it never has fewer than before. Errors: NOMEM, SYSTEM. */
int thread_executor_grow(struct executor *e, int n, struct stint_err *err);
/* Instead of close, when a function does not return: leaves it and its thread
 * to themselves. Nothing is called back any more, and what they use stays. */
void thread_executor_abandon(struct executor *e);

/* Processes that stay and take run after run: pools of programs ("child"), or
 * of forks of a process that knows the C functions (isolation "process"). */
struct child_pool {
    char **argv;           /* NULL-terminated, owned; NULL: C functions */
    int processes;         /* 0: as many as the worker's concurrency */
    int64_t max_tasks;     /* runs of a child, then a new one; 0: any */
    int64_t max_rss_bytes; /* memory after a run, then a new one; 0: any */
    struct confine confine; /* of each process; owned */
    char *settings;        /* JSON of all of it: entries with equal ones share
                              the pool; owned */
};
/* Starts the processes. To be made before there are threads, as C functions
 * run in forks of this process (nursery.h). Errors: NOMEM, SYSTEM. */
struct executor *children_executor_new(const struct executor_options *o,
                                       struct stint_err *err);
/* Few runs will come, if any: its processes go as soon as they have none. */
void children_executor_retire(struct executor *e);
/* All of them have gone: close does not wait. */
int children_executor_is_gone(const struct executor *e);

/* Kills, by SIGKILL, every process with a sign of this worker (orphan.h),
 * until a pass finds none or `passes` are done. Used at a worker's end and by
 * the guard. Returns the number killed. */
int orphans_kill(const char *worker, int passes);

/* A tiny process that outlives the worker by a moment: when the worker's end
 * of the pipe closes, however it died, it kills what the worker left behind
 * (orphans_kill) and exits. Fork it before threads are made. Returns the pid
 * (the worker reaps it), or -1. *fd is the worker's end, close-on-exec. */
int guard_start(const char *worker, int *fd, struct stint_err *err);

#endif
