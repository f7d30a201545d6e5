/* SPDX-License-Identifier: MIT */
/* For programs that run tasks: a worker inside of them, and modules with C
 * functions for the program's worker. */
#ifndef STINT_WORKER_H
#define STINT_WORKER_H

#include <stint/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Workers ----------------------------------------------------------- */

/* A run as a handler sees it. */
typedef struct stint_run stint_run;
STINT_API const char *stint_run_id(const stint_run *r);      /* task id */
STINT_API const char *stint_run_function(const stint_run *r);
STINT_API const char *stint_run_args(const stint_run *r);    /* JSON array */
STINT_API const char *stint_run_vars(const stint_run *r);    /* JSON object */
STINT_API uint64_t stint_run_fence(const stint_run *r);
STINT_API int stint_run_attempt(const stint_run *r);         /* 1, 2, … */
STINT_API int stint_run_is_cancelled(const stint_run *r);
/* JSON text, copied. -1 if it is no JSON or too big (the run then fails). */
STINT_API int stint_run_set_result(stint_run *r, const char *json);
/* Text, copied, cut at 1,000 bytes: why the run failed. */
STINT_API void stint_run_set_error(stint_run *r, const char *text);

/* Returns 0: COMPLETED; anything else: FAILED. Called on a pool thread, many
 * at once; must not fork without exec. */
typedef int (*stint_handler_fn)(stint_run *run, void *arg);

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
};
#define STINT_WORKER_OPTIONS_INIT                                              \
    {sizeof(struct stint_worker_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  \
     0, 0}

typedef struct stint_worker stint_worker;
/* Reads the configuration; does not connect. Errors: INVALID. */
STINT_API STINT_CHECKED stint_worker *
stint_worker_new(const struct stint_worker_options *o, struct stint_err *err);
/* Before stint_worker_run. `name` is copied. Errors: INVALID, EXISTS. */
STINT_API STINT_CHECKED int stint_worker_register(stint_worker *w,
                                                  const char *name,
                                                  stint_handler_fn fn,
                                                  void *arg,
                                                  struct stint_err *err);
/* Runs until stopped or drained. Redis being away is not an error, once it
 * was there. */
STINT_API STINT_CHECKED int stint_worker_run(stint_worker *w,
                                             struct stint_err *err);
/* Async-signal-safe. First call: takes nothing new, finishes what runs (up to
 * shutdown_s), releases the rest. Second call: releases all at once. */
STINT_API void stint_worker_stop(stint_worker *w);
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
STINT_API void stint_supervisor_free(stint_supervisor *s);

#ifdef __cplusplus
}
#endif
#endif
