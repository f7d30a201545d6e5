/* SPDX-License-Identifier: MIT */
/* Inside of a stint_async: calls on fibers that share one connection. Net
 * replies, timers and cancelling only note that a call may go on
 * (async_wake); one event of the handle's, `soon`, lets calls go on and tells
 * those who made them. So users' code never runs inside of a store's callback,
 * and closing needs to wait for that one frame only. */
#ifndef STINT_LIB_ASYNC_H
#define STINT_LIB_ASYNC_H

#include <stdint.h>
#include <stint/stint.h>

#include "bounds.h"
#include "client.h"
#include "store_net.h"

struct event;
struct event_base;
struct fiber;

/* What a call has stepped aside for. */
enum call_state {
    CALL_NEW,        /* its turn to begin */
    CALL_RUNS,       /* nothing: it has not */
    CALL_CONNECTION, /* that there is one */
    CALL_REPLIES,    /* those of n_asked */
    CALL_TIME        /* that its pause is over */
};

struct stint_call {
    struct store store; /* first: its own, see store_fiber.h */
    struct stint s;     /* what `work` has */
    struct stint_async *a;
    stint_work_fn work;
    stint_done_fn done;
    void *arg;
    int rc;
    struct stint_err err;
    struct fiber *fiber;
    struct event *timer;
    enum call_state state;
    int is_cancelled;
    int is_woken;          /* is among those that may go on */
    int tried;             /* there was no connection in time: the other calls
                              before the next wait need not try, too */
    struct ask *asks;      /* sent; the replies have not come */
    struct calls failed;   /* not sent: told by wait */
    struct stint_call *next, *prev; /* all of the handle's */
    struct stint_call *next_woken;
};

struct stint_async {
    struct event_base *base;
    struct store *net;           /* shared by all */
    struct script_caller caller; /* of net; to load the rules */
    struct learnt learnt;
    int64_t timeout_ms;
    struct spool *spool; /* NULL: none */
    int is_connected; /* net is */
    int is_loading;   /* Redis is being given the rules */
    int is_ready;     /* it has them: calls may go out */
    int is_cluster;
    struct stint_err why; /* why not */
    struct event *soon;
    struct stint_call *calls;                      /* a list */
    size_t n_calls;
    struct stint_call *first_woken, *last_woken;   /* a queue */
    size_t n_woken;
    struct stint_call *current; /* whose fiber runs; NULL: the loop's stack */
    struct fiber *fibers[FIBERS_KEPT_MAX]; /* at rest */
    size_t n_fibers;
    int busy;         /* frames of ours below users' code */
    int is_closing;
};

/* The call goes on soon. */
void async_wake(struct stint_call *c);
/* From its fiber: steps aside until somebody wakes it. */
void async_yield(struct stint_call *c, enum call_state state);
/* The same, but for ms at most. */
void async_yield_ms(struct stint_call *c, enum call_state state, int64_t ms);
/* There is a connection: sees that Redis has the rules. */
void async_load(struct stint_async *a);
/* Redis has lost them: no call goes out until it has them again. */
void async_reload(struct stint_async *a);

#endif
