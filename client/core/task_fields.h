/* SPDX-License-Identifier: MIT */
/* The fields of a task as people write them, checked one by one by a table.
 * Only task.c uses this. */
#ifndef STINT_CORE_TASK_FIELDS_H
#define STINT_CORE_TASK_FIELDS_H

#include <jansson.h>
#include <stdint.h>
#include <stint/stint.h>

#include "task.h"

struct task_time {
    int64_t ms;
    int relative; /* to Redis's clock */
    int given;
};

/* Strings and JSON borrow from the object read; NULL: not given. */
struct task_fields {
    const char *function, *id, *task_name, *group_name;
    const char *cronline, *timezone, *on_dependency, *traceparent;
    json_t *args, *vars, *timeout, *depends_on, *tags;
    struct task_time start_time, stop_time;
    int64_t period_ms, delay_ms, cap_ms, ttl_ms; /* delay -1: not given */
    int64_t timeout_ms, sync_ms;
    int64_t repeats, retry_failed, priority; /* repeats -1: not given */
    int64_t max_crashes;
    int64_t backoff; /* in 1/100000 */
    struct durability durability;
    int prevent_drift, immediate, disabled, discard_results, broadcast;
};

#define BACKOFF_UNIT 100000

/* Reads every field of the object; adds a sentence for each wrong one. -1: out
 * of memory. */
int task_fields_read(struct task_fields *f, json_t *object,
                     struct stint_errors *errors);

/* An object of what differs from the defaults; args and vars are parsed, and
 * are left out and reported when they are not JSON. NULL: out of memory. */
json_t *task_fields_from_options(const struct stint_task_options *o,
                                 struct stint_errors *errors);

#endif
