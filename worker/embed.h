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

/* A C function, to be there in each configuration. */
struct registered {
    struct registered *next;
    char *name;
    stint_handler_fn fn;
    void *arg;
    struct stint_function_options o; /* settings: owned */
};

/* What comes through stop_fd, a byte each. */
#define WORD_STOP   "x"
#define WORD_RELOAD "r"

struct stint_worker {
    int has_warned; /* of Redis's settings */
    struct config *config; /* owned; what new runs go by */
    struct config *older;  /* owned, a list: what others go by still */
    struct config *first;  /* what its forks were made by; it stays */
    int announces;         /* it tells the service manager, see announce.c */
    int is_ready, says_stopping;
    int64_t status_mono_ms, watchdog_ms, watchdog_mono_ms;
    struct log log;
    struct log_limit log_limit;
    struct worker w;
    char *url;             /* owned, or NULL */
    char *name_space;      /* owned, or NULL */
    int64_t grace_ms;
    char *config_path;     /* owned, or NULL */
    char **groups;         /* owned, of the options; NULL: the file's */
    int concurrency;       /* of the options; 0: the file's */
    struct registered *registered; /* owned, a list, the last first */
    int hello_fd;          /* the supervisor hears of groups there; -1 */
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
/* What runs a configuration's tasks of that kind. NULL: err is set. */
struct executor *loop_executor_new(stint_worker *sw, struct config *c,
                                   enum executor_kind kind,
                                   struct stint_err *err);
/* embed.c. The configuration as the options, the file and the registered
 * functions say it. Free it by config_free. NULL: err is set. */
struct config *embed_config_new(const stint_worker *sw, struct stint_err *err);
void config_free(struct config *c);

/* reload.c. Goes on by what the file says now, or, if that cannot be, by what
 * it said before; the log tells. */
void reload_now(stint_worker *sw);
/* Frees those configurations that nothing runs by any more. */
void reload_settle(stint_worker *sw);
/* At the end: ends what runs by all but the present one; and frees all. */
void reload_close(stint_worker *sw);
void reload_free(stint_worker *sw);

/* announce.c. Returns the next deadline. */
void announce_begin(stint_worker *sw);
void announce_ready(stint_worker *sw);
void announce_reload(stint_worker *sw, int is_over);
int64_t announce_tick(stint_worker *sw, int64_t now_ms);

/* Closes and frees its connections. */
void embed_disconnect(stint_worker *sw);

/* testing.c. Off its server in memory; fine if it is on none. */
void testing_detach(stint_worker *sw);

#endif
