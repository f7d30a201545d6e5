/* SPDX-License-Identifier: MIT */
/* A worker that only runs: the executor of processes that stay, on a loop of
 * its own, with pools of child_helper.c and of C functions. */
#ifndef STINT_CHILDREN_FIXTURE_H
#define STINT_CHILDREN_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>

#include "bounds.h"
#include "buf.h"
#include "executor.h"
#include "log.h"

#define GRACE_MS 200

struct fixture {
    struct event_base *base;
    struct event *timer;
    struct executor *e;
    struct children *children;
    int n_open;              /* runs that have not ended */
    int n_progress;
    struct child_pool pools[3], *list[3];
    int n_pools;
    char *argv[3][4];
    struct buf log;
    struct log to_log;
    int n_fds;
};

/* A run and what came of it. */
struct job {
    struct run run;
    struct fixture *fixture;
    char *json;
    int is_done;
    int64_t start_ms, end_ms;
    struct run_result r;     /* its numbers */
    char *result, *output, *error, *tail;
};

/* Each test's own C functions; arg is not used. */
const struct function *function_find(const char *name, void *arg);

/* begin, pool_add as often as wanted, go; or setup for one pool. A pool of the
 * helper in that mode, noting its starts in the file note; or, without a mode,
 * of C functions. */
void begin(struct fixture *f);
struct child_pool *pool_add(struct fixture *f, const char *mode,
                            const char *note, int processes);
void go(struct fixture *f);
void setup(struct fixture *f, const char *mode, int processes);
/* No descriptor and no process may be left. */
void teardown(struct fixture *f);

void job_start(struct fixture *f, struct job *j, int pool,
               const char *function, const char *args, int64_t timeout_ms);
/* Until all runs have ended, or for so long. */
void loop(struct fixture *f, int ms);
void loop_all(struct fixture *f);
/* Until it is so, or the test fails. */
void loop_until(struct fixture *f, const int *flag);
void loop_until_logged(struct fixture *f, const char *text);
void job_run(struct fixture *f, struct job *j, const char *function,
             const char *args);
void job_free(struct job *j);
/* Its pool runs as if nothing had been. */
void works(struct fixture *f, int pool);
/* How many processes have answered these. */
int pids_count(struct job *jobs, int n);
/* The same for n new runs of the first pool. */
int runs_count_pids(struct fixture *f, struct job *jobs, int n);

#endif
