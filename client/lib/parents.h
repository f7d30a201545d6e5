/* SPDX-License-Identifier: MIT */
/* Tasks that depend on others: who is meant, and in which order to queue
 * them. */
#ifndef STINT_LIB_PARENTS_H
#define STINT_LIB_PARENTS_H

#include "client.h"
#include "task.h"

/* Completes each task's parents to GROUP/ID and puts parents before children,
 * generation after generation.
 * An id alone means a task of the array, then one in Redis, of its own group
 * first. *ordered: a new array of the same tasks, or NULL if no task has
 * parents; free() it. -1: *bad is the index of the task at fault. Errors:
 * NOT_FOUND (no such parent), INVALID (a cycle, named), or of the call. */
int parents_order(struct stint *s, stint_task *const *tasks, size_t n,
                  stint_task ***ordered, size_t *bad, struct stint_err *err);

/* GROUP/ID becomes PART/ID, as Redis names a parent. cap: bytes of ref. */
void parents_place(const struct stint *s, char *ref, size_t cap);

/* Is a parent of the task (they are complete) in another part, or group? */
int parents_are_far(const struct stint *s, const stint_task *t);

/* Hands messages of a group to those they are for, until there are none. What
 * fails is left to the reaper. */
void parents_deliver(struct stint *s, const char *group);

#endif
