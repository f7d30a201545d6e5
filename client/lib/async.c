/* SPDX-License-Identifier: MIT */
/* The life of a stint_async and of its calls. A call is made, waits for its
 * turn, runs on a fiber, steps aside and is woken again, and ends: then its
 * fiber is free for the next one, and whoever made it is told from the loop's
 * stack. Out of memory, a call is refused before it begins. */
#include "async.h"

#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

#include "err.h"
#include "fiber.h"
#include "spool_dir.h"
#include "store_fiber.h"

/* ---- Stepping aside, going on ------------------------------------------- */

void async_wake(struct stint_call *c)
{
    struct stint_async *a = c->a;
    if (c->is_woken)
        return;
    c->is_woken = 1;
    c->next_woken = NULL;
    if (a->last_woken != NULL)
        a->last_woken->next_woken = c;
    else
        a->first_woken = c;
    a->last_woken = c;
    a->n_woken++;
    event_active(a->soon, EV_TIMEOUT, 1);
}

static struct stint_call *woken_take(struct stint_async *a)
{
    struct stint_call *c = a->first_woken;
    a->first_woken = c->next_woken;
    if (a->first_woken == NULL)
        a->last_woken = NULL;
    a->n_woken--;
    c->is_woken = 0;
    return c;
}

void async_yield(struct stint_call *c, enum call_state state)
{
    check(c->a->current == c); /* `s` is for `work` alone */
    c->state = state;
    fiber_yield(c->fiber);
    c->state = CALL_RUNS;
}

void async_yield_ms(struct stint_call *c, enum call_state state, int64_t ms)
{
    ms = ms > 0 ? ms : 0;
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    if (event_add(c->timer, &tv))
        async_wake(c); /* out of memory: no pause rather than no end */
    async_yield(c, state);
    event_del(c->timer);
}

static void call_on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    async_wake(arg);
}

/* ---- A call ------------------------------------------------------------- */

static struct fiber *fiber_take(struct stint_async *a)
{
    return a->n_fibers > 0 ? a->fibers[--a->n_fibers] : fiber_new();
}

static void fiber_give(struct stint_async *a, struct fiber *f)
{
    if (f != NULL && a->n_fibers < FIBERS_KEPT_MAX)
        a->fibers[a->n_fibers++] = f;
    else
        fiber_free(f);
}

static void call_free(struct stint_call *c)
{
    fiber_give(c->a, c->fiber);
    if (c->timer != NULL)
        event_free(c->timer);
    free(c);
}

static struct stint_call *call_new(struct stint_async *a)
{
    struct stint_call *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->a = a;
    c->fiber = fiber_take(a);
    c->timer = evtimer_new(a->base, call_on_timer, c);
    if (c->fiber == NULL || c->timer == NULL) {
        call_free(c);
        return NULL;
    }
    store_fiber_init(c);
    c->s.store = &c->store;
    c->s.caller = a->caller;
    c->s.caller.store = &c->store;
    c->s.timeout_ms = a->timeout_ms;
    c->s.learnt = &a->learnt;
    c->s.spool = a->spool;
    c->next = a->calls;
    if (a->calls != NULL)
        a->calls->prev = c;
    a->calls = c;
    a->n_calls++;
    return c;
}

static void call_main(void *arg)
{
    struct stint_call *c = arg;
    c->rc = c->work(&c->s, c->arg, &c->err);
}

/* The handle may be closed by `done`, but is freed later. */
static void call_end(struct stint_call *c)
{
    struct stint_async *a = c->a;
    if (c->next != NULL)
        c->next->prev = c->prev;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        a->calls = c->next;
    a->n_calls--;
    store_fiber_close(c);
    fiber_give(a, c->fiber); /* `done` may make another call */
    c->fiber = NULL;
    if (c->done != NULL)
        c->done(c->rc, &c->err, c->arg);
    call_free(c);
}

/* Lets it go on, or begin. */
static void call_step(struct stint_call *c)
{
    struct stint_async *a = c->a;
    if (c->state == CALL_NEW) {
        c->state = CALL_RUNS;
        if (c->is_cancelled) {
            c->rc = err_set(&c->err, STINT_CLOSED, "the call was cancelled");
            call_end(c);
            return;
        }
        fiber_start(c->fiber, call_main, c);
    }
    a->current = c;
    int ended = fiber_resume(c->fiber);
    a->current = NULL;
    if (ended)
        call_end(c);
}

int stint_async_call(stint_async *a, stint_work_fn work, stint_done_fn done,
                     void *arg, stint_call **call, struct stint_err *err)
{
    if (a->is_closing)
        return err_set(err, STINT_CLOSED, "the handle is being closed");
    if (a->n_calls >= ASYNC_CALLS_MAX)
        return err_set(err, STINT_BUSY, "%d calls are under way already",
                       ASYNC_CALLS_MAX);
    struct stint_call *c = call_new(a);
    if (c == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    c->work = work;
    c->done = done;
    c->arg = arg;
    async_wake(c);
    if (call != NULL)
        *call = c;
    return 0;
}

void stint_async_cancel(stint_call *c)
{
    if (c->is_cancelled)
        return;
    c->is_cancelled = 1;
    store_fiber_cancel(c);
    if (c->state != CALL_RUNS)
        async_wake(c);
}

size_t stint_async_pending(const stint_async *a)
{
    return a->n_calls;
}

/* ---- The connection ----------------------------------------------------- */

static void async_wake_waiting(struct stint_async *a)
{
    for (struct stint_call *c = a->calls; c != NULL; c = c->next)
        if (c->state == CALL_CONNECTION)
            async_wake(c);
}

static void async_on_loaded(const struct redisReply *reply,
                            const struct stint_err *err, void *arg)
{
    struct stint_async *a = arg;
    a->is_loading = 0;
    if (!a->is_connected)
        return;
    int is_lost = reply == NULL && (err->code == STINT_UNREACHABLE ||
                                    err->code == STINT_UNKNOWN);
    /* Of a cluster what the fleet is with may be away, and others not. */
    a->is_ready = reply != NULL || (is_lost && a->is_cluster);
    if (!a->is_ready)
        a->why = *err;
    for (struct stint_call *c = a->calls; c != NULL; c = c->next)
        c->s.caller.no_functions = a->caller.no_functions;
    async_wake_waiting(a);
}

void async_load(struct stint_async *a)
{
    if (!a->is_connected || a->is_ready || a->is_loading)
        return;
    a->is_loading = 1;
    script_load(&a->caller, NULL, async_on_loaded, a);
}

void async_reload(struct stint_async *a)
{
    if (!a->is_ready)
        return;
    a->is_ready = 0;
    a->why = (struct stint_err){0};
    err_set(&a->why, STINT_NOSCRIPT, "Redis is being given our functions");
    async_load(a);
}

static void async_on_state(int connected, const struct stint_err *why,
                           void *arg)
{
    struct stint_async *a = arg;
    a->is_connected = connected;
    if (connected) {
        a->is_loading = 0; /* what is still to come is of the last one */
        async_load(a);
    } else {
        a->is_ready = 0;
        a->why = *why;
    }
}

/* ---- The handle --------------------------------------------------------- */

static void async_free(struct stint_async *a)
{
    if (a->net != NULL)
        a->net->ops->close(a->net);
    if (a->soon != NULL)
        event_free(a->soon);
    while (a->n_fibers > 0)
        fiber_free(a->fibers[--a->n_fibers]);
    learnt_close(&a->learnt);
    spool_close(a->spool);
    free(a);
}

/* Leaves a frame of ours; the last one does the close that waited for it. All
 * calls are cancelled then: each runs to its end without stepping aside. */
static void async_leave(struct stint_async *a)
{
    if (a->busy > 1 || !a->is_closing) {
        a->busy--;
        return;
    }
    while (a->n_woken > 0)
        call_step(woken_take(a));
    check(a->calls == NULL);
    async_free(a);
}

/* Who is woken while this runs goes on the next time: no endless loop here. */
static void async_on_soon(evutil_socket_t fd, short what, void *arg)
{
    struct stint_async *a = arg;
    (void)fd, (void)what;
    a->busy++;
    for (size_t n = a->n_woken; n > 0 && !a->is_closing; n--)
        call_step(woken_take(a));
    if (a->n_woken > 0 && !a->is_closing)
        event_active(a->soon, EV_TIMEOUT, 1);
    async_leave(a);
}

static int async_connect(struct stint_async *a, const struct stint_options *o,
                         struct stint_err *err)
{
    struct client_settings to;
    if (client_settings(&to, o, err))
        return -1;
    a->spool = to.spool;
    a->timeout_ms = to.timeout_ms;
    a->is_cluster = to.conf.n_nodes > 0;
    err_set(&a->why, STINT_UNREACHABLE, "cannot reach Redis at %.100s: no "
            "answer yet", to.conf.shown);
    a->soon = event_new(a->base, -1, 0, async_on_soon, a);
    if (a->soon == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    a->net = store_async_open(&to.conf, a->base, to.deadline_ms,
                              async_on_state, a, err);
    if (a->net == NULL)
        return -1;
    script_caller_init(&a->caller, a->net, to.name_space);
    return 0;
}

stint_async *stint_async_open(const struct stint_options *o,
                              struct event_base *base, struct stint_err *err)
{
    struct stint_async *a = calloc(1, sizeof(*a));
    if (a == NULL) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    a->base = base;
    if (async_connect(a, o, err)) {
        async_free(a);
        return NULL;
    }
    return a;
}

void stint_async_close(stint_async *a)
{
    if (a == NULL || a->is_closing)
        return;
    a->is_closing = 1;
    for (struct stint_call *c = a->calls; c != NULL; c = c->next)
        stint_async_cancel(c);
    a->busy++;
    async_leave(a);
}
