/* SPDX-License-Identifier: MIT */
/* Asking sentinels on the loop. From one to the next it goes outside of the
 * store's callbacks, by an event of its own. */
#include <event2/event.h>
#include <stdlib.h>

#include "err.h"
#include "sentinel.h"

struct sentinel_asking {
    const struct conf *conf;
    unsigned *first;
    struct event_base *base;
    sentinel_done_fn fn;
    void *arg;
    struct conf at;          /* who is asked */
    struct store *store;     /* how; NULL: the next one is to be asked */
    struct event *soon;
    int n_asked, is_asked, is_done;
    struct conf_node to;     /* the answer */
    struct stint_err why;    /* what the first one said */
};

/* The store may be calling us: it is closed from the loop. */
static void asking_end(struct sentinel_asking *a, const struct stint_err *err)
{
    if (err != NULL)
        err_set(&a->why, err->code, "%s", err->text);
    a->is_done = err == NULL;
    event_active(a->soon, EV_TIMEOUT, 1);
}

static void asking_on_reply(const struct redisReply *reply,
                            const struct stint_err *err, void *arg)
{
    struct sentinel_asking *a = arg;
    struct stint_err why = {0};
    if (a->store == NULL)
        return; /* it is being closed */
    if (reply == NULL)
        asking_end(a, err);
    else if (sentinel_answer(reply, a->conf, a->at.shown, &a->to, &why) < 0)
        asking_end(a, &why);
    else
        asking_end(a, NULL);
}

static void asking_on_state(int connected, const struct stint_err *why,
                            void *arg)
{
    struct sentinel_asking *a = arg;
    if (a->store == NULL || a->is_asked)
        return; /* the call itself tells */
    if (!connected) {
        asking_end(a, why);
        return;
    }
    a->is_asked = 1;
    sentinel_call(a->store, a->conf, asking_on_reply, a);
}

static void asking_leave(struct sentinel_asking *a)
{
    struct store *s = a->store;
    a->store = NULL;
    if (s != NULL)
        s->ops->close(s);
}

static void asking_next(struct sentinel_asking *a)
{
    if (a->n_asked > 0)
        ++*a->first;
    a->n_asked++;
    a->is_asked = 0;
    sentinel_choose(a->conf, *a->first, &a->at);
    a->store = store_async_open(&a->at, a->base, SENTINEL_ASK_MS, asking_on_state, a,
                                &a->why);
    if (a->store == NULL)
        event_active(a->soon, EV_TIMEOUT, 1);
}

static void asking_on_soon(evutil_socket_t fd, short what, void *arg)
{
    struct sentinel_asking *a = arg;
    (void)fd, (void)what;
    asking_leave(a);
    if (a->is_done)
        a->fn(&a->to, NULL, a->arg);
    else if (a->n_asked < a->conf->n_sentinels)
        asking_next(a);
    else
        a->fn(NULL, &a->why, a->arg);
}

struct sentinel_asking *sentinel_ask_start(const struct conf *conf,
                                           unsigned *first,
                                           struct event_base *base,
                                           sentinel_done_fn fn, void *arg,
                                           struct stint_err *err)
{
    struct sentinel_asking *a = calloc(1, sizeof(*a));
    struct event *soon =
        a != NULL ? event_new(base, -1, 0, asking_on_soon, a) : NULL;
    if (soon == NULL) {
        free(a);
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    a->conf = conf;
    a->first = first;
    a->base = base;
    a->fn = fn;
    a->arg = arg;
    a->soon = soon;
    asking_next(a);
    return a;
}

void sentinel_ask_stop(struct sentinel_asking *a)
{
    if (a == NULL)
        return;
    asking_leave(a);
    event_free(a->soon);
    free(a);
}
