/* SPDX-License-Identifier: MIT */
/* THE SEAM to Redis. A store sends commands and hands each reply back exactly
 * once: the reply, or NULL and an error (UNREACHABLE: not sent; UNKNOWN: sent,
 * but no reply came, so it may have happened). Error replies of Redis arrive as
 * replies of type REDIS_REPLY_ERROR, not as err. Callbacks are never called
 * from inside store_call. */
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

/* A blocking store (store_sync.c). Connects at once: AUTH, SELECT, CLIENT
 * SETNAME. Reconnects by itself at the next call after a failure. A call's
 * reply later than timeout_ms drops the connection (UNKNOWN). */
struct store *store_sync_open(const struct conf *conf, int64_t timeout_ms,
                              struct stint_err *err);

/* A store on a libevent base (store_async.c). Never blocks; connects and
 * reconnects with jittered back-off (50 ms to 5 s; at least 1 s after refused
 * credentials). on_state hears CONNECTED (1: ready after AUTH, SELECT and a
 * PING that was not LOADING or MASTERDOWN) and lost (0, with the reason).
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
/* Drops the connection now (outstanding calls: UNKNOWN) and connects anew. */
void store_async_reset(struct store *s);

#endif
