/* SPDX-License-Identifier: MIT */
/* Each command that is sent has a record, so that a call can be given up while
 * its replies are still to come: the records stay until then, and belong to
 * nobody. A command for which there is no connection waits for one a little
 * while, as the blocking store dials one first; what then has none fails, and
 * is repeated as every other. */
#include "store_fiber.h"

#include <stdlib.h>

#include "err.h"

#define CONNECTION_MS 250 /* longer than the first attempts to connect again */

/* A command whose reply has not come. */
struct ask {
    struct stint_call *c; /* NULL: given up */
    store_reply_fn fn;
    void *arg;
    struct ask *next, *prev; /* of the call's */
};

static void ask_unlink(struct ask *k)
{
    struct stint_call *c = k->c;
    if (k->next != NULL)
        k->next->prev = k->prev;
    if (k->prev != NULL)
        k->prev->next = k->next;
    else
        c->asks = k->next;
    k->c = NULL;
}

/* fn may ask for more. */
static void ask_on_reply(const struct redisReply *reply,
                         const struct stint_err *err, void *arg)
{
    struct ask k = *(struct ask *)arg;
    if (k.c != NULL)
        ask_unlink(arg);
    free(arg);
    if (k.c == NULL)
        return;
    k.fn(reply, err, k.arg);
    if (k.c->asks == NULL && k.c->state == CALL_REPLIES)
        async_wake(k.c);
}

/* Waits for a connection, unless that was in vain just now. Only to load rules
 * that are missing is something asked from inside of a reply; one load is
 * enough for all calls, and theirs wait for it. Of a cluster each primary has
 * rules of its own: there each call sees to it where it goes. */
static void fiber_connect(struct stint_call *c)
{
    struct stint_async *a = c->a;
    if (a->current != c && !a->is_cluster)
        async_reload(a);
    if (a->is_ready || c->tried || a->current != c)
        return;
    async_load(a);
    async_yield_ms(c, CALL_CONNECTION, c->s.timeout_ms < CONNECTION_MS
                                           ? c->s.timeout_ms
                                           : CONNECTION_MS);
    c->tried = !a->is_ready;
}

static void fiber_fail(struct stint_call *c, enum stint_code code,
                       store_reply_fn fn, void *arg)
{
    struct call call = {.fn = fn, .arg = arg, .failed = code};
    if (calls_reserve(&c->failed, c->failed.n + 1) == 0)
        calls_push(&c->failed, &call);
    else
        call_lacks_memory(fn, arg);
}

/* The record of a command that may go out, or NULL: it has failed. */
static struct ask *fiber_ask(struct stint_call *c, store_reply_fn fn,
                             void *arg)
{
    int as_scripts = c->s.caller.no_functions;
    if (!c->is_cancelled)
        fiber_connect(c);
    enum stint_code code = STINT_OK;
    if (c->is_cancelled)
        code = STINT_CLOSED;
    else if (!c->a->is_ready)
        code = c->a->why.code;
    else if (c->s.caller.no_functions != as_scripts)
        code = STINT_UNREACHABLE; /* it is not how this Redis is called */
    struct ask *k = code == STINT_OK ? malloc(sizeof(*k)) : NULL;
    if (k == NULL) {
        fiber_fail(c, code == STINT_OK ? STINT_NOMEM : code, fn, arg);
        return NULL;
    }
    *k = (struct ask){.c = c, .fn = fn, .arg = arg, .next = c->asks};
    if (c->asks != NULL)
        c->asks->prev = k;
    c->asks = k;
    return k;
}

static void fiber_call(struct store *base, int argc, const char *const *argv,
                       const size_t *argv_len, store_reply_fn fn, void *arg)
{
    struct stint_call *c = (struct stint_call *)base;
    struct ask *k = fiber_ask(c, fn, arg);
    if (k != NULL)
        store_call(c->a->net, argc, argv, argv_len, ask_on_reply, k);
}

static void fiber_call_at(struct store *base, const char *key, int argc,
                          const char *const *argv, const size_t *argv_len,
                          store_reply_fn fn, void *arg)
{
    struct stint_call *c = (struct stint_call *)base;
    struct ask *k = fiber_ask(c, fn, arg);
    if (k != NULL)
        store_call_at(c->a->net, key, argc, argv, argv_len, ask_on_reply, k);
}

static int fiber_is_cluster(const struct store *base)
{
    return store_is_cluster(((const struct stint_call *)base)->a->net);
}

static void fiber_tell_failed(struct stint_call *c)
{
    struct call call = calls_pop(&c->failed);
    struct stint_err err = {0};
    int is_why = call.failed == c->a->why.code;
    err_set(&err, call.failed, "%s",
            is_why ? c->a->why.text : stint_code_text(call.failed));
    call.fn(NULL, &err, call.arg);
}

static void fiber_wait(struct store *base)
{
    struct stint_call *c = (struct stint_call *)base;
    while (c->failed.n > 0 || c->asks != NULL)
        if (c->failed.n > 0)
            fiber_tell_failed(c);
        else
            async_yield(c, CALL_REPLIES);
    c->tried = 0;
}

static void fiber_pause(struct store *base, int64_t ms)
{
    struct stint_call *c = (struct stint_call *)base;
    if (!c->is_cancelled)
        async_yield_ms(c, CALL_TIME, ms);
}

static const struct store_ops fiber_ops = {.call = fiber_call,
                                           .wait = fiber_wait,
                                           .call_at = fiber_call_at,
                                           .is_cluster = fiber_is_cluster,
                                           .pause = fiber_pause};

void store_fiber_init(struct stint_call *c)
{
    c->store.ops = &fiber_ops;
}

void store_fiber_cancel(struct stint_call *c)
{
    struct stint_err err = {0};
    err_set(&err, STINT_CLOSED, "the call was cancelled");
    while (c->asks != NULL) {
        struct ask *k = c->asks;
        ask_unlink(k);
        k->fn(NULL, &err, k->arg);
    }
}

void store_fiber_close(struct stint_call *c)
{
    check(c->asks == NULL && c->failed.n == 0);
    calls_close(&c->failed);
}
