/* SPDX-License-Identifier: MIT */
/* A task's status in the making; shared by what looks at tasks. */
#ifndef STINT_LIB_STATUS_H
#define STINT_LIB_STATUS_H

#include "client.h"
#include "task.h"

struct box_text;

/* A status and the memory of its strings; zeroed before use. */
struct status_box {
    struct stint_status pub; /* first: what the caller has */
    struct stint_run_status *runs;
    struct box_text *texts;
    int failed; /* out of memory */
};
void status_box_clear(struct status_box *b);

/* The elements of a reply: state record at i, task at i + 1, due at i + 2.
 * Decodes the record into *st and fills b with all but runs and reason. -1: out
 * of memory. */
int status_fill(struct status_box *b, struct task_state *st, const char *group,
                const char *id, const struct redisReply *r, size_t i);
/* Its error, out of what a run left behind. */
void status_error(struct status_box *b, const char *payload, size_t len);
/* Why the task is in its state, in a few words, "": nothing to say. */
const char *status_reason(struct status_box *b, const struct task_state *st,
                          int64_t now_ms);

int status_has_ended(const char *status);

/* task_status for n ids (at most BATCH_TASKS_MAX) of a group: five elements
 * each, from 1. depth: see lua/task_status.lua. */
struct redisReply *status_call(struct stint *s, const char *group,
                               const char *depth, const char *const *ids,
                               size_t n, struct stint_err *err);

/* The part of a group that has the task: of `group`, if it is there at all, or
 * if that is NULL of the first of all in which it is. Errors: NOT_FOUND; then
 * parts_look_again. */
int status_locate(struct stint *s, const char *group, const char *id,
                  group_name found, struct stint_err *err);

#endif
