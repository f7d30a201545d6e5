/* SPDX-License-Identifier: MIT */
/* A run as a handler sees it: what stint_run_* of <stint/worker.h> read and
 * write, whoever runs the handler. Executors embed it and say through ops what
 * differs between them. */
#ifndef STINT_WORKER_STINT_RUN_H
#define STINT_WORKER_STINT_RUN_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stint/stint.h>

#include "bounds.h"
#include "executor.h"

/* Called on the handler's thread. */
struct stint_run_ops {
    int (*is_cancelled)(struct stint_run *r);
    /* text: valid UTF-8 of at most PROGRESS_BYTES_MAX bytes. */
    void (*progress)(struct stint_run *r, double percent, const char *text);
    /* For the output, as it came. */
    void (*log)(struct stint_run *r, const char *text, size_t len);
    /* The clock of end_mono_ms; NULL: clock_mono_ms. */
    int64_t (*mono_ms)(struct stint_run *r);
};

struct stint_run {
    const struct stint_run_ops *ops;
    /* Borrowed, good until the handler has returned: */
    const char *id, *function;
    const char *json;         /* an object with args and vars */
    size_t json_len;
    uint64_t fence;
    int attempt;
    int64_t deadline_wall_ms; /* by Redis's clock */
    int64_t end_mono_ms;      /* the same instant by ours */
    /* What it says: */
    char *result;             /* JSON, owned, or NULL */
    size_t result_len;
    const char *refused;      /* why it fails by our judgement; constant */
    enum retry_advice retry;
    int64_t retry_ms;
    char error[ERROR_BYTES_MAX + 1];
    /* Made when it asks: */
    json_t *task;
    char *args, *vars;
};

/* Frees what the handler left and clears everything but ops. */
void stint_run_clear(struct stint_run *r);

/* What came of it when nobody ended it early and the handler returned that.
 * What result points to is r's. */
void stint_run_judge(struct stint_run *r, int status,
                     struct run_result *result);

#endif
