/* SPDX-License-Identifier: MIT */
/* A worker with all that it lives in. embed.c is the public face, loop.c the
 * connections, the executors and the timer on an event base. */
#ifndef STINT_WORKER_EMBED_H
#define STINT_WORKER_EMBED_H

#include <sys/types.h>

#include "conf.h"
#include "store.h"
#include "worker.h"

struct children;
struct event;

struct stint_worker {
    int has_warned; /* of Redis's settings */
    struct config config;
    struct log log;
    struct log_limit log_limit;
    struct worker w;
    char *url;             /* owned, or NULL */
    char *name_space;      /* owned, or NULL */
    int64_t grace_ms;
    int stop_fd[2];        /* stint_worker_stop writes, the loop reads */
    int guard_fd;
    pid_t guard;
    /* From loop_open to loop_close: */
    struct event_base *base; /* borrowed */
    struct event *timer, *stop, *end;
    struct event *again;     /* pending: the functions are to be asked for
                                again */
    enum stint_code told;    /* why they are not there, as logged last */
    struct children *children; /* NULL: it has none */
    stint_worker_end_fn on_end;
    void *end_arg;
    struct store *store;
    struct script_caller caller;
    int has_run;             /* once is all it can */
    int is_stuck;            /* a function never returned: some of this stays
                                for ever */
    struct conf conf;
    struct embed_wait *waits; /* owned, a list */
    struct bed *bed;         /* testing.c: driven by a test; NULL: it is not */
};

/* The connection behind one of w.waits. */
struct embed_wait {
    struct embed_wait *next;
    struct store *store;
    struct script_caller caller;
};

/* Connects, makes the executors and adds the worker's events to sw->base.
 * sw->on_end is called once it has gone, after loop_close. On an error nothing
 * is left. */
int loop_open(stint_worker *sw, struct stint_err *err);
/* Closes and frees its connections. */
void embed_disconnect(stint_worker *sw);

/* testing.c. Off its server in memory; fine if it is on none. */
void testing_detach(stint_worker *sw);

#endif
