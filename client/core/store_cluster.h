/* SPDX-License-Identifier: MIT */
/* What the blocking and the async form of the cluster store share: the map,
 * a store for each primary, and the way of a call to the right one and of its
 * answer back. */
#ifndef STINT_CORE_STORE_CLUSTER_H
#define STINT_CORE_STORE_CLUSTER_H

#include "conf.h"
#include "slots.h"
#include "store.h"
#include "store_net.h"

struct cluster;

/* A primary and what connects us to it. */
struct cluster_node {
    struct cluster *cluster;
    struct conf_node at;
    struct store *store;       /* owned */
    struct cluster_node *next; /* of the leaving ones */
    int is_up;                 /* async: connected */
    int is_tried;              /* async: connected or failed once */
    int is_leaving;            /* not of the map any more, to be closed */
};

/* What a form does in its own way. */
struct cluster_form {
    /* A store for the node; NULL: err. Calls nobody back. */
    struct store *(*open_node)(struct cluster *c, struct cluster_node *n,
                               const struct conf *conf, struct stint_err *err);
    /* The map seems to be out of date: ask for it some time soon. */
    void (*refresh)(struct cluster *c);
    /* Something is in `failed` or `leaving`: see to it, not from here. */
    void (*soon)(struct cluster *c);
};

struct cluster {
    struct store base;
    const struct cluster_form *form;
    struct conf conf;          /* the URL's: nodes to begin with, password */
    struct slots slots;
    struct cluster_node *nodes[SLOTS_NODES_MAX]; /* by index of slots.nodes;
                                                    NULL: not opened yet */
    struct cluster_node *leaving;
    size_t outstanding;        /* calls that nodes have not answered */
    struct calls failed;       /* that no node got */
    struct stint_err why;      /* why there is no map, or a node not opened */
};

void cluster_init(struct cluster *c, const struct store_ops *ops,
                  const struct cluster_form *form, const struct conf *conf);
/* What store_ops asks for: by the key among the arguments (to all primaries if
 * there is none), or by a key that is not. */
void cluster_call(struct store *base, int argc, const char *const *argv,
                  const size_t *argv_len, store_reply_fn fn, void *arg);
void cluster_call_at(struct store *base, const char *key, int argc,
                     const char *const *argv, const size_t *argv_len,
                     store_reply_fn fn, void *arg);

/* Sends CLUSTER SLOTS to an ordinary store. */
void cluster_ask(struct store *node, store_reply_fn fn, void *arg);
/* The answer of the node at asked_host becomes the map; what is not of it any
 * more goes to `leaving`. Errors (the map stays): INVALID: this is no cluster;
 * UNREACHABLE: it has no slots yet; of slots_parse. */
int cluster_learn(struct cluster *c, const struct redisReply *reply,
                  const char *asked_host, struct stint_err *err);
/* The k-th node to ask for the map, going round: those of the URL, then those
 * of the map. */
void cluster_candidate(const struct cluster *c, unsigned k,
                       struct conf_node *at);
int cluster_candidates(const struct cluster *c); /* how many */

/* The node's store, opened if it was not. NULL: c->why. */
struct cluster_node *cluster_node_open(struct cluster *c, int index);
void cluster_node_leave(struct cluster *c, int index);
/* Closes those that leave. Never from a callback of a node's. */
void cluster_sweep(struct cluster *c);
void cluster_fail_first(struct cluster *c); /* tells one of `failed` */
/* All nodes; callbacks run. */
void cluster_close_nodes(struct cluster *c);
void cluster_free(struct cluster *c);

/* store_cluster_sync.c, store_cluster_async.c; see store.h. */
struct store *store_cluster_sync_open(const struct conf *conf,
                                      int64_t timeout_ms,
                                      struct stint_err *err);
struct store *store_cluster_async_open(const struct conf *conf,
                                       struct event_base *base,
                                       int64_t deadline_ms, const char *key,
                                       store_state_fn on_state, void *arg,
                                       struct stint_err *err);
void store_cluster_async_reset(struct store *s);

/* store_sync.c: without connecting yet; and a push on what was collected, so
 * that several nodes work at the same time. */
struct store *store_sync_new(const struct conf *conf, int64_t timeout_ms,
                             struct stint_err *err);
void store_sync_flush(struct store *s);

#endif
