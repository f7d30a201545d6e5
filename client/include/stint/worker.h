/* SPDX-License-Identifier: MIT */
/* For programs that run tasks: a worker inside of them, and modules with C
 * functions for the program's worker. */
#ifndef STINT_WORKER_H
#define STINT_WORKER_H

#include <stint/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct json_t;     /* of jansson, where a handler wants it */
struct event_base; /* of libevent, for stint_worker_start */

/* ---- Runs ---------------------------------------------------------------- */

/* A run as its handler sees it. It belongs to the thread that called the
 * handler, until that returns; so does every string and value it gives out. */
typedef struct stint_run stint_run;

/* What is to be done. */
STINT_API const char *stint_run_id(const stint_run *r); /* of the task */
STINT_API const char *stint_run_function(const stint_run *r);
STINT_API const char *stint_run_args(const stint_run *r); /* JSON array */
STINT_API const char *stint_run_vars(const stint_run *r); /* JSON object */
/* The same for programs that have jansson: borrowed; NULL: there is none. */
STINT_API const struct json_t *stint_run_arg(const stint_run *r, size_t i);
STINT_API const struct json_t *stint_run_var(const stint_run *r,
                                             const char *name);
/* Grows with every assignment of the task: what is written to can refuse the
 * smaller one. */
STINT_API uint64_t stint_run_fence(const stint_run *r);
STINT_API int stint_run_attempt(const stint_run *r); /* 1, 2, … */
/* The trace of who queued it, as W3C's Trace Context writes it; NULL: none. A
 * span of the run is its child. */
STINT_API const char *stint_run_traceparent(const stint_run *r);

/* How long there is. The instant the timeout passes, in ms since the epoch by
 * Redis's clock; and the seconds until then by ours, < 0 once it has. */
STINT_API int64_t stint_run_deadline_ms(const stint_run *r);
STINT_API double stint_run_left_s(const stint_run *r);
/* 1: the run was stopped, its timeout passed, or its worker leaves: return
 * soon. On a thread nobody can force a handler to; one that goes on for the
 * grace period after this is reported all the same, and its thread is lost to
 * the worker until it returns. In a process it is killed then. Cheap: meant to
 * be called in loops. */
STINT_API int stint_run_is_cancelled(const stint_run *r);

/* What people see while it runs. How far it is, 0 to 100 (< 0: not said), and
 * a word on that (NULL: none; cut at 200 bytes). Published at once, then at
 * most once a second, or as often as the task's sync_output says. */
STINT_API void stint_run_progress(stint_run *r, double percent,
                                  const char *text);
/* A line for the run's output; cut at 4,000 bytes, a line feed is added. */
STINT_API void stint_run_log(stint_run *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What came of it. JSON text or a jansson value, copied. -1 if it is no JSON
 * or over 256 KiB: the run then fails. */
STINT_API int stint_run_set_result(stint_run *r, const char *json);
STINT_API int stint_run_set_result_json(stint_run *r,
                                        const struct json_t *value);
/* Text, copied, cut at 1,000 bytes: why the run failed. */
STINT_API void stint_run_set_error(stint_run *r, const char *text);
/* Advice, should the run fail: when to try again, instead of the task's
 * retry_delay. It does not add tries to those that retry_failed allows;
 * STINT_RETRY_NEVER forgoes the rest of them. */
#define STINT_RETRY_NOW   0
#define STINT_RETRY_NEVER (-1)
STINT_API void stint_run_set_retry(stint_run *r, double delay_s);

/* Returns 0: COMPLETED; anything else: FAILED. With STINT_THREAD it is called
 * on a pool thread, many at once, and must not fork without exec; with
 * STINT_PROCESS on the only thread of its process. */
typedef int (*stint_handler_fn)(stint_run *run, void *arg);

/* ---- Functions ----------------------------------------------------------- */

/* Where a function runs. STINT_THREAD: on a pool of threads of the worker's
 * process: microseconds, no protection. STINT_PROCESS: in processes that were
 * forked from the worker when it started, and are used again and again: a
 * crash costs one run, and who does not end in time is killed. */
enum stint_isolation { STINT_THREAD, STINT_PROCESS };

struct stint_function_options {
    size_t size;
    enum stint_isolation isolation;
    double timeout_s;     /* of a task that says nothing; 0: 60 s */
    int processes;        /* STINT_PROCESS; 0: as many as the concurrency */
    const char *settings; /* JSON object: further keys of a function, as in
                             the configuration file; NULL: none */
};
#define STINT_FUNCTION_OPTIONS_INIT                                            \
    {sizeof(struct stint_function_options), STINT_THREAD, 0, 0, 0}

/* What a module (shared object) exports under the name `stint_module`. */
#define STINT_MODULE_ABI 1
struct stint_function {
    const char *name;
    stint_handler_fn fn;
    void *arg;
};
struct stint_module {
    uint32_t abi; /* STINT_MODULE_ABI */
    uint32_t n_functions;
    const struct stint_function *functions;
};

/* A line is one event, as text: `event=WORD key=value …`, in UTF-8 without
 * control characters, at most 1,000 bytes. A value that is not plain stands in
 * quotes, exactly as a JSON string would; one that is bare and looks like a
 * number is one. Of an event and level at most 20 lines a second come (500 at
 * STINT_LOG_DEBUG); of the rest `event=suppressed of=WORD lines=N` tells.
 * Arguments, results and output of tasks are never in it. Called on the
 * worker's thread. */
enum stint_log_level { STINT_LOG_ERROR, STINT_LOG_WARN, STINT_LOG_INFO,
                       STINT_LOG_DEBUG };
typedef void (*stint_log_fn)(enum stint_log_level level, const char *line,
                             void *arg);

struct stint_worker_options {
    size_t size;
    const char *url;         /* as in stint_options */
    const char *name_space;
    const char *config_path; /* JSON file, NULL: none */
    const char *const *groups; /* NULL-terminated; one named twice counts
                                  double; NULL: the file's, else "main" */
    int concurrency;         /* 0: the file's, else the number of cores */
    int prefetch;            /* tasks kept ASSIGNED beyond that; 0 */
    const char *name;        /* NULL: host.pid */
    double heartbeat_s;      /* 0: 3 s */
    double grace_s;          /* SIGTERM to SIGKILL; 0: 5 s */
    double shutdown_s;       /* at stop, wait so long for runs; 0: 30 s */
    int drain;               /* 1: return when nothing is left to do */
    stint_log_fn log;        /* NULL: no log */
    void *log_arg;
    int max_empty_runs;      /* return after so many looks in a row, a
                                heartbeat apart, found nothing to do; 0:
                                never */
    int log_runs;            /* 1: a line (STINT_LOG_DEBUG) at the start and
                                end of each run, and why it failed in its own
                                words; 0: only one of those that did not
                                complete, without these */
    int announce;            /* 1: tells the service manager how it is, see
                                <stint/notify.h>: READY, STATUS, RELOADING,
                                STOPPING, WATCHDOG; for programs that are
                                nothing but this worker */
};
#define STINT_WORKER_OPTIONS_INIT                                              \
    {sizeof(struct stint_worker_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  \
     0, 0, 0, 0}

typedef struct stint_worker stint_worker;
/* Reads the configuration; does not connect. Errors: INVALID. */
STINT_API STINT_CHECKED stint_worker *
stint_worker_new(const struct stint_worker_options *o, struct stint_err *err);
/* Before the worker runs. `name` and `o` are copied, o may be NULL. `fn` and
 * `arg` must be good as long as it runs. Errors: INVALID, EXISTS, NOMEM. */
STINT_API STINT_CHECKED int
stint_worker_register(stint_worker *w, const char *name, stint_handler_fn fn,
                      void *arg, const struct stint_function_options *o,
                      struct stint_err *err);

/* Runs on a base of its own, in the calling thread, until stopped or drained;
 * once: for another time make another worker.
 * Redis being away is not an error, once it was there. Processes are forked at
 * its start: call it before the program has threads that hold locks, or use no
 * STINT_PROCESS. Errors: those of stint_open; TOO_BIG (its groups have too
 * many parts); STATE (every thread is lost to a handler that does not return:
 * start the program anew). */
STINT_API STINT_CHECKED int stint_worker_run(stint_worker *w,
                                             struct stint_err *err);

/* The same on a base of the caller's: returns once all is set up (it connects
 * to Redis, for which it waits up to 5 s), and the worker lives in the base's
 * events. When it has gone, by stint_worker_stop or drained, on_end is called
 * from the loop with what stint_worker_run would return; it may free the
 * worker. A base made with EVENT_BASE_FLAG_PRECISE_TIMER keeps scheduled tasks
 * from starting a few milliseconds late. Several workers may share a base. */
typedef void (*stint_worker_end_fn)(int rc, const struct stint_err *err,
                                    void *arg);
STINT_API STINT_CHECKED int
stint_worker_start(stint_worker *w, struct event_base *base,
                   stint_worker_end_fn on_end, void *arg,
                   struct stint_err *err);

/* Async-signal-safe. First call: takes nothing new, finishes what runs (up to
 * shutdown_s), releases the rest. Second call: releases all at once. */
STINT_API void stint_worker_stop(stint_worker *w);
/* Async-signal-safe. Reads the configuration file again, as the worker's loop
 * comes to it: groups, concurrency, functions and all of their settings. What
 * runs goes on by the old one; functions that were registered, and options,
 * stay. A file that cannot be used is refused as a whole, and the old one goes
 * on. The log tells either (event=reload). C functions in processes can be
 * removed, but to add or to change them takes a restart, as does new code of a
 * module that is loaded already. */
STINT_API void stint_worker_reload(stint_worker *w);
/* Not while it runs, but from on_end. NULL is fine. */
STINT_API void stint_worker_free(stint_worker *w);

/* A worker in a child process, made anew when it dies (not when it ends).
 * Redis is told at once how it died, and gives its tasks to others. What the
 * options point to must stay valid; call it before there are threads. */
typedef struct stint_supervisor stint_supervisor;
STINT_API STINT_CHECKED stint_supervisor *
stint_supervisor_new(const struct stint_worker_options *o,
                     struct stint_err *err);
/* Runs until the worker ends by itself or is stopped. Errors: those of the
 * first worker's start; SYSTEM. */
STINT_API STINT_CHECKED int stint_supervisor_run(stint_supervisor *s,
                                                 struct stint_err *err);
/* Async-signal-safe, as stint_worker_stop. The child inherits the caller's
 * signal handlers, so calling it from one is right in both processes. */
STINT_API void stint_supervisor_stop(stint_supervisor *s);
/* Async-signal-safe, as stint_worker_reload; the next worker reads the file in
 * any case. */
STINT_API void stint_supervisor_reload(stint_supervisor *s);
STINT_API void stint_supervisor_free(stint_supervisor *s);

#ifdef __cplusplus
}
#endif
#endif
