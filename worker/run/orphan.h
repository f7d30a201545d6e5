/* SPDX-License-Identifier: MIT */
/* Whose process is it? Every child of a run carries two signs, which its
 * descendants inherit:
 *
 * - STINT_WORKER and STINT_RUN_ID in its environment, for all to see; `env -i`
 *   takes them off;
 * - a mark, a number in its soft RLIMIT_LOCKS. Linux has not looked at that
 *   limit since 2.4.25, but hands it down through fork, exec and setsid and
 *   shows it. A process loses it only on purpose.
 *
 * The upper bits of a mark are the worker's, the lower ones the run's; there
 * its guard has 0 and is spared. No process that a worker did not start has
 * them, so that it may be killed wherever it moved to, and the children of a
 * program around the worker may not. */
#ifndef STINT_WORKER_ORPHAN_H
#define STINT_WORKER_ORPHAN_H

#include <stdint.h>
#include <sys/types.h>

#define ORPHAN_RUN_BITS 23
#define ORPHAN_RUN_MASK ((UINT64_C(1) << ORPHAN_RUN_BITS) - 1)

/* Whether the environment the process was started with has exactly this
 * "NAME=value". 0 also for zombies and strangers' processes. */
int orphan_has(pid_t pid, const char *entry);

/* The worker's mark, with 0 as the run's part; always the same for a name. No
 * mark is 0. */
uint64_t orphan_mark_of(const char *worker);
/* Marks the calling process; async-signal-safe. A hard limit below is no
 * error: then there is the environment only. */
void orphan_mark_set(uint64_t mark);
/* Of any process, also of a zombie; 0: cannot be told. */
uint64_t orphan_mark(pid_t pid);

#endif
