/* SPDX-License-Identifier: MIT */
/* Tasks on their way into Redis: in batches, each into the part of its group
 * where they live, many of them under way at once. */
#ifndef STINT_LIB_FLIGHT_H
#define STINT_LIB_FLIGHT_H

#include "client.h"
#include "task.h"

/* What one queueing is about. */
struct queueing {
    struct stint *s;
    stint_task *const *tasks; /* parents before their children */
    size_t n;
    size_t done;              /* so many of the first are queued */
    size_t bad;               /* index of the one refused, */
    int is_refused;           /* if there is one */
    int again;                /* they may be there: with equal content, fine */
    int sent;                 /* some may have reached Redis */
    struct stint_errors *errors; /* NULL: not wanted */
};

/* Queues all of them. fn may be NULL. Errors: INVALID, EXISTS, NOT_FOUND
 * (refused; q->bad tells which), BUSY (the group's parts are being changed), or
 * of the call. */
int queueing_run(struct queueing *q, stint_progress_fn fn, void *arg,
                 struct stint_err *err);

/* The whole of it, parents first, into Redis. */
int queueing_direct(struct queueing *q, stint_progress_fn fn, void *arg,
                    struct stint_err *err);

/* The whole of queueing one task: 0, 1 (spooled) or -1. */
int queueing_one(struct stint *s, stint_task *t, struct stint_errors *errors,
                 struct stint_err *err);

#endif
