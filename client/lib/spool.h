/* SPDX-License-Identifier: MIT */
/* Queueing when Redis is away: into a directory (spool_dir.h), from where it is
 * replayed in order when Redis is back. */
#ifndef STINT_LIB_SPOOL_H
#define STINT_LIB_SPOOL_H

#include "flight.h"
#include "spool_dir.h"

/* Of the handle's options; *to stays NULL without a spool. */
int spool_of_options(struct spool **to, const struct stint_options *full,
                     struct stint_err *err);

/* queueing_direct on a handle with a spool: what is spooled goes first, and
 * where Redis cannot take the tasks they are spooled: 1. */
int spool_queue(struct queueing *q, stint_progress_fn fn, void *arg,
                struct stint_err *err);

/* Redis was not reached: for a moment it is not asked again. */
void spool_rest(struct spool *sp);

/* One line for `refused`: a JSON object. -1: out of memory. */
int spool_refused_line(struct buf *to, const struct stint_task *t,
                       const struct stint_err *why, int64_t queued_ms,
                       int64_t now_ms);

#endif
