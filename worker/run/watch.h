/* SPDX-License-Identifier: MIT */
/* Waiting for a descriptor of a process of ours. The kernel may lack memory for
 * it (or a user watch too many), which passes; a worker that never heard of the
 * end or the output of a run would be worse than none, and so it dies of it. */
#ifndef STINT_WORKER_WATCH_H
#define STINT_WORKER_WATCH_H

#include <event2/event.h>
#include <time.h>

#include "err.h"

#define WATCH_TRIES    20
#define WATCH_PAUSE_NS 1000000 /* the loop stands still for 20 ms at most */

static inline void watch_add(struct event *e)
{
    int rc = event_add(e, NULL);
    for (int i = 1; rc < 0 && i < WATCH_TRIES; i++) {
        const struct timespec pause = {0, WATCH_PAUSE_NS};
        nanosleep(&pause, NULL);
        rc = event_add(e, NULL);
    }
    check(rc == 0);
}

#endif
