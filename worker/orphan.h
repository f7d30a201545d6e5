/* SPDX-License-Identifier: MIT */
/* Finding processes by what stands in their environment. */
#ifndef STINT_WORKER_ORPHAN_H
#define STINT_WORKER_ORPHAN_H

#include <sys/types.h>

/* Whether the environment the process was started with has exactly this
 * "NAME=value". 0 also for zombies and strangers' processes. */
int orphan_has(pid_t pid, const char *entry);
/* Kills, by SIGKILL, all processes of our user that have it, wherever they
 * are. Returns how many. */
int orphans_kill_once(const char *entry);

#endif
