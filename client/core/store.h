/* SPDX-License-Identifier: MIT */
/* THE SEAM to Redis. A store sends commands and hands each reply back exactly
 * once: the reply, or NULL and an error (UNREACHABLE: not sent; UNKNOWN: sent,
 * but no reply came, so it may have happened). Error replies of Redis arrive as
 * replies of type REDIS_REPLY_ERROR, not as err. Callbacks are never called
 * from inside store_call, but for one case: out of memory (NOMEM) there may be
 * no place to note the call. */
#ifndef STINT_CORE_STORE_H
#define STINT_CORE_STORE_H

#include <stdint.h>
#include <stint/stint.h>

struct redisReply;
struct event_base;
struct conf;
struct store;

typedef void (*store_reply_fn)(const struct redisReply *reply,
                               const struct stint_err *err, void *arg);

struct store_ops {
    /* Borrowed: argv and what it points to, during the call. A call always
     * succeeds; what goes wrong comes through fn. */
    void (*call)(struct store *s, int argc, const char *const *argv,
                 const size_t *argv_len, store_reply_fn fn, void *arg);
    /* Sends what was collected and runs callbacks until all replies came or
     * failed. Only for blocking stores (NULL otherwise). */
    void (*wait)(struct store *s);
    /* Fails what is outstanding (callbacks run), closes and frees. */
    void (*close)(struct store *s);
    /* As call, but in a cluster the command goes to the node that has `key`;
     * NULL: there is one Redis only. */
    void (*call_at)(struct store *s, const char *key, int argc,
                    const char *const *argv, const size_t *argv_len,
                    store_reply_fn fn, void *arg);
    /* 1: a cluster. NULL: it is one if there is a call_at. */
    int (*is_cluster)(const struct store *s);
    /* Lets ms pass, or less if the store is given up meanwhile, while others
     * go on. NULL: nobody else is there, and the caller sleeps. */
    void (*pause)(struct store *s, int64_t ms);
    /* What store_async_reset does; NULL: store_async.c knows how. */
    void (*reset)(struct store *s);
};

struct store {
    const struct store_ops *ops; /* implementations embed this struct first */
};

static inline void store_call(struct store *s, int argc,
                              const char *const *argv, const size_t *argv_len,
                              store_reply_fn fn, void *arg)
{
    s->ops->call(s, argc, argv, argv_len, fn, arg);
}

/* For commands that name no key: the one Redis, or in a cluster the node that
 * has `key`, a C string. */
static inline void store_call_at(struct store *s, const char *key, int argc,
                                 const char *const *argv,
                                 const size_t *argv_len, store_reply_fn fn,
                                 void *arg)
{
    if (s->ops->call_at != NULL)
        s->ops->call_at(s, key, argc, argv, argv_len, fn, arg);
    else
        s->ops->call(s, argc, argv, argv_len, fn, arg);
}

static inline int store_is_cluster(const struct store *s)
{
    return s->ops->is_cluster != NULL ? s->ops->is_cluster(s)
                                      : s->ops->call_at != NULL;
}

/* Of a cluster (conf->n_nodes > 0; store_cluster*.c) a store has a connection
 * for each primary. A call goes where its first key is. One without a key
 * (CONFIG, WAIT, PING...) goes to all primaries, and is answered by the first
 * failure or error if there is one, else by the smallest of integers, else by
 * one of the replies; those to CONFIG must all be the same. A slot that has
 * moved, or is being moved, is answered UNREACHABLE: nothing has happened, and
 * another try finds its new node. The map is asked for again, from any node it
 * knows, when calls or connections fail. A store of a cluster must not be
 * closed from a callback. */

/* A blocking store (store_sync.c). Connects at once: AUTH, SELECT, CLIENT
 * SETNAME. Reconnects by itself at the next call after a failure. A call's
 * reply later than timeout_ms drops the connection (UNKNOWN). */
struct store *store_sync_open(const struct conf *conf, int64_t timeout_ms,
                              struct stint_err *err);

/* A store on a libevent base (store_async.c). Never blocks; connects and
 * reconnects with jittered back-off (50 ms to 5 s; at least 1 s after refused
 * credentials). on_state hears CONNECTED (1: ready after AUTH, SELECT and a
 * HELLO that did not tell of a replica; Redis may be LOADING still, which the
 * first call hears) and lost (0, with the reason).
 * While not connected, call answers UNREACHABLE (from the loop, not inside).
 * An error reply READONLY, LOADING, MASTERDOWN or NOAUTH to any command is
 * handed over, then the connection is dropped and made anew.
 * deadline_ms: a reply later than that drops the connection; 0: none (used
 * for the blocking connection, see store_async_set_deadline). */
typedef void (*store_state_fn)(int connected, const struct stint_err *why,
                               void *arg);
struct store *store_async_open(const struct conf *conf,
                               struct event_base *base, int64_t deadline_ms,
                               store_state_fn on_state, void *arg,
                               struct stint_err *err);
/* The same, but of a cluster only the node that has `key` is connected to: for
 * calls that block. Without a key, in a cluster: on_state hears 1 when the map
 * is known and all primaries have been tried, one with success; 1 again when
 * another one comes (back), so that whoever listens looks at everything anew;
 * 1 with a reason when one is lost and others are not: what was outstanding
 * there has failed, the rest goes on; and 0 when none is left. */
struct store *store_async_open_at(const struct conf *conf,
                                  struct event_base *base,
                                  int64_t deadline_ms, const char *key,
                                  store_state_fn on_state, void *arg,
                                  struct stint_err *err);
/* Drops the connection now (outstanding calls: UNKNOWN) and connects anew. */
void store_async_reset(struct store *s);
/* In a cluster: asks for the map soon. For those who know that it has changed
 * better than this store, on which nothing is going on. */
void store_async_refresh(struct store *s);

#endif
