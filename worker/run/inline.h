/* SPDX-License-Identifier: MIT */
/* An executor without threads and processes: C functions are called by who
 * drives the worker, one at a time, between two ticks. While one runs, its
 * worker goes on when the function asks (pump). */
#ifndef STINT_WORKER_INLINE_H
#define STINT_WORKER_INLINE_H

#include "config.h"
#include "executor.h"

struct inline_options {
    const struct config *config; /* borrowed: where the functions are */
    executor_done_fn on_done;
    executor_run_fn on_progress;
    void *arg;
    int64_t (*clock)(void);      /* mono ms */
    void (*pump)(void *pump_arg); /* the worker ticks and hears, nothing new
                                     is run */
    void *pump_arg;
};

/* NULL: out of memory. */
struct executor *inline_executor_new(const struct inline_options *o);
/* Calls the function of the run that was started first; on_done comes from
 * inside. 0: there is none. Not while one runs. */
int inline_executor_run(struct executor *e);

#endif
