/* SPDX-License-Identifier: MIT */
/* What an answer to queue_task promises: whether Redis is set up for it, and
 * waiting for replicas. */
#ifndef STINT_LIB_DURABILITY_H
#define STINT_LIB_DURABILITY_H

#include "client.h"
#include "task.h"

/* Before anything is queued. Errors: INVALID ("durability: …": Redis is not
 * set up for it, and how), or of the call. */
int durability_check(struct stint *s, const struct durability *d,
                     struct stint_err *err);

/* After it was: until so many replicas have it. Errors: UNKNOWN (it is queued,
 * but fewer have confirmed it), or of the call. */
int durability_wait(struct stint *s, const struct durability *d,
                    const char *group, struct stint_err *err);

#endif
