/* SPDX-License-Identifier: MIT */
/* The blocking store of a cluster: one blocking store for each primary,
 * connected at its first call. The map is asked for over a connection of its
 * own when the store is opened, and again before a call when something has
 * failed and nothing is outstanding. wait writes to all nodes first, so that
 * they work at the same time. */
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "store_cluster.h"

#define ASK_DEADLINE_MS 2000 /* one node of several: do not wait for long */
#define ASK_EVERY_MS    100

struct cluster_sync {
    struct cluster c;
    int64_t timeout_ms;
    unsigned candidate; /* the node that answered last */
    int64_t asked_ms;   /* when, mono */
    int is_stale;       /* the map */
    int is_waiting;     /* callbacks may run */
};

/* ---- The map ------------------------------------------------------------ */

struct asking {
    struct cluster_sync *s;
    const char *host;
    struct stint_err err;
};

static void sync_on_slots(const struct redisReply *reply,
                          const struct stint_err *err, void *arg)
{
    struct asking *a = arg;
    if (reply == NULL)
        a->err = *err;
    else
        (void)cluster_learn(&a->s->c, reply, a->host, &a->err);
}

static int sync_ask_node(struct cluster_sync *s, const struct conf_node *at,
                         struct stint_err *err)
{
    struct asking a = {.s = s, .host = at->host};
    struct conf conf;
    conf_of_node(&conf, &s->c.conf, at);
    struct store *node = store_sync_open(
        &conf, s->timeout_ms < ASK_DEADLINE_MS ? s->timeout_ms
                                               : ASK_DEADLINE_MS, err);
    if (node == NULL)
        return -1;
    cluster_ask(node, sync_on_slots, &a);
    node->ops->wait(node);
    node->ops->close(node);
    return a.err.code ? err_set(err, a.err.code, "%s", a.err.text) : 0;
}

/* Asks one node after the other, beginning with the last that answered. */
static int sync_ask(struct cluster_sync *s, struct stint_err *err)
{
    struct stint_err first = {0};
    int n = cluster_candidates(&s->c);
    s->asked_ms = clock_mono_ms();
    for (int i = 0; i < n; i++) {
        struct stint_err why = {0};
        struct conf_node at;
        cluster_candidate(&s->c, s->candidate, &at);
        if (sync_ask_node(s, &at, &why) == 0) {
            s->is_stale = 0;
            cluster_sweep(&s->c);
            return 0;
        }
        err_set(&first, why.code, "%s", why.text);
        s->candidate++;
    }
    return err_set(err, first.code, "%s", first.text);
}

/* Only with nothing outstanding: nodes may be closed. What is known stays
 * known if nobody answers. */
static void sync_refresh_now(struct cluster_sync *s)
{
    struct stint_err ignored = {0};
    if (s->is_stale && !s->is_waiting && s->c.outstanding == 0 &&
        clock_mono_ms() - s->asked_ms >= ASK_EVERY_MS)
        (void)sync_ask(s, &ignored); /* the call itself will tell */
}

/* ---- The form ----------------------------------------------------------- */

static struct store *sync_open_node(struct cluster *c, struct cluster_node *n,
                                    const struct conf *conf,
                                    struct stint_err *err)
{
    (void)n;
    return store_sync_new(conf, ((struct cluster_sync *)c)->timeout_ms, err);
}

static void sync_refresh(struct cluster *c)
{
    ((struct cluster_sync *)c)->is_stale = 1;
}

static void sync_soon(struct cluster *c)
{
    (void)c; /* wait sees to it */
}

static const struct cluster_form sync_form = {sync_open_node, sync_refresh,
                                              sync_soon};

/* ---- store_ops ---------------------------------------------------------- */

static void sync_call(struct store *base, int argc, const char *const *argv,
                      const size_t *argv_len, store_reply_fn fn, void *arg)
{
    sync_refresh_now((struct cluster_sync *)base);
    cluster_call(base, argc, argv, argv_len, fn, arg);
}

static void sync_call_at(struct store *base, const char *key, int argc,
                         const char *const *argv, const size_t *argv_len,
                         store_reply_fn fn, void *arg)
{
    sync_refresh_now((struct cluster_sync *)base);
    cluster_call_at(base, key, argc, argv, argv_len, fn, arg);
}

static void sync_wait_nodes(struct cluster *c)
{
    for (int i = 0; i < c->slots.n_nodes; i++)
        if (c->nodes[i] != NULL)
            store_sync_flush(c->nodes[i]->store);
    for (int i = 0; i < c->slots.n_nodes; i++)
        if (c->nodes[i] != NULL)
            c->nodes[i]->store->ops->wait(c->nodes[i]->store);
}

static void sync_wait(struct store *base)
{
    struct cluster_sync *s = (struct cluster_sync *)base;
    struct cluster *c = &s->c;
    s->is_waiting = 1;
    while (c->outstanding > 0 || c->failed.n > 0) {
        while (c->failed.n > 0)
            cluster_fail_first(c);
        sync_wait_nodes(c);
    }
    s->is_waiting = 0;
}

static void sync_close(struct store *base)
{
    struct cluster_sync *s = (struct cluster_sync *)base;
    s->is_waiting = 1;
    cluster_close_nodes(&s->c);
    while (s->c.failed.n > 0)
        cluster_fail_first(&s->c);
    cluster_free(&s->c);
}

static const struct store_ops sync_ops = {
    .call = sync_call, .wait = sync_wait, .close = sync_close,
    .call_at = sync_call_at};

struct store *store_cluster_sync_open(const struct conf *conf,
                                      int64_t timeout_ms,
                                      struct stint_err *err)
{
    struct cluster_sync *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    cluster_init(&s->c, &sync_ops, &sync_form, conf);
    s->timeout_ms = timeout_ms > 0 ? timeout_ms : 1;
    if (sync_ask(s, err) < 0) {
        sync_close(&s->c.base);
        return NULL;
    }
    return &s->c.base;
}
