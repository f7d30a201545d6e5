/* SPDX-License-Identifier: MIT */
/* For programs that keep a fleet's time without being a worker: what is due of
 * retries, schedules, broadcasts, expiry, tasks of lost workers and messages
 * between groups is seen to by whoever of all workers and duties is elected.
 * Any number may run; nothing is needed beyond what any worker does already,
 * but where all workers may be gone at times. */
#ifndef STINT_DUTIES_H
#define STINT_DUTIES_H

#include <stint/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

struct event_base;

struct stint_duties_options {
    size_t size;
    const char *url;        /* as in stint_options */
    const char *name_space;
    double heartbeat_s;     /* between two elections; 0: 3 s */
    stint_log_fn log;       /* NULL: no log */
    void *log_arg;
};
#define STINT_DUTIES_OPTIONS_INIT {sizeof(struct stint_duties_options), \
                                   0, 0, 0, 0, 0}

typedef struct stint_duties stint_duties;
/* On `base`, which must outlive them, with a connection of their own. Does not
 * wait for Redis: the loop connects, and again whenever the connection is
 * lost. They keep event_base_dispatch running until they are stopped. `o` may
 * be NULL. Errors: INVALID (url, namespace, heartbeat_s not from 0.1 to 600),
 * NOMEM, SYSTEM (embedded Redis could not be started). */
STINT_API STINT_CHECKED stint_duties *
stint_duties_start(const struct stint_duties_options *o,
                   struct event_base *base, struct stint_err *err);
/* Does nothing from now on, and tells Redis, so that another is elected at once
 * and not when its lease ends. *done (may be NULL) is called from the loop when
 * Redis has answered or cannot be asked, or never if they are stopped before;
 * once is enough. */
STINT_API void stint_duties_resign(stint_duties *d, void (*done)(void *arg),
                                   void *arg);
/* Ends and frees at once; not from `done`, nor from `log`. NULL is fine. */
STINT_API void stint_duties_stop(stint_duties *d);

#ifdef __cplusplus
}
#endif
#endif
