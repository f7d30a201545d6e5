/* SPDX-License-Identifier: MIT */
/* The blocking store. A call is appended to the pipeline; wait writes it all
 * and reads the replies in order. When the connection breaks, what was read
 * stays good, the rest fails, and the next call connects anew (once for each
 * batch: a thousand calls do not wait for a thousand time-outs). A callback may
 * call again: wait goes on until nothing is outstanding. close may not be
 * called from a callback. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <hiredis/sds.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "clock.h"
#include "err.h"
#include "store.h"
#include "store_cluster.h"
#include "store_net.h"

struct store_sync {
    struct store base;
    struct conf conf;
    int64_t timeout_ms;
    redisContext *c; /* NULL: not connected */
    struct calls calls;
    struct stint_err why; /* why the last connection failed */
    size_t n_sent; /* of calls: written */
    int tried;   /* connecting failed since the last time all was done */
    int is_bad;  /* a reply said so: connect anew when idle */
};

static struct timeval timeval_from_ms(int64_t ms)
{
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    return tv;
}

static void sync_disconnect(struct store_sync *s)
{
    if (s->c)
        redisFree(s->c);
    s->c = NULL;
    s->is_bad = 0;
}

/* The reason why c is broken, in words. */
static const char *sync_reason(const struct store_sync *s, int saved_errno)
{
    if (s->c->err == REDIS_ERR_IO &&
        (saved_errno == EAGAIN || saved_errno == EWOULDBLOCK))
        return "no reply in time";
    return s->c->errstr;
}

static int sync_dial(struct store_sync *s, struct stint_err *err)
{
    const struct timeval tv = timeval_from_ms(s->timeout_ms);
    const struct conf *conf = &s->conf;

    s->c = *conf->path ? redisConnectUnixWithTimeout(conf->path, tv)
                       : redisConnectWithTimeout(conf->host, conf->port, tv);
    if (!s->c)
        return err_set(err, STINT_NOMEM, "out of memory");
    if (s->c->err)
        return err_set(err, STINT_UNREACHABLE, "cannot reach Redis at %.100s: "
                       "%.60s", conf->shown, s->c->errstr);
    net_tune(s->c->fd, !*conf->path);
    redisSetTimeout(s->c, tv);
    return 0;
}

static int sync_hello_step(struct store_sync *s, enum hello step,
                           struct stint_err *err)
{
    const char *argv[3];
    char db[16];
    int argc = hello_argv(&s->conf, step, argv, db);

    if (argc == 0)
        return 0;
    redisReply *reply = redisCommandArgv(s->c, argc, argv, NULL);
    if (!reply)
        return err_set(err, STINT_UNREACHABLE, "cannot reach Redis at %.100s: "
                       "%.60s", s->conf.shown, sync_reason(s, errno));
    int rc = hello_check(&s->conf, step, reply, err);
    freeReplyObject(reply);
    return rc;
}

static void sync_pause(void)
{
    const struct timespec pause = {0, 50 * 1000 * 1000};
    nanosleep(&pause, NULL);
}

static int sync_hello(struct store_sync *s, struct stint_err *err)
{
    int64_t until = clock_mono_ms() + s->timeout_ms;

    for (int step = 0; step < HELLO_N; step++) {
        struct stint_err why = {0};
        while (sync_hello_step(s, (enum hello)step, &why)) {
            int passes = why.code == STINT_LOADING ||
                         why.code == STINT_READONLY || why.code == STINT_BUSY;
            if (!passes || clock_mono_ms() >= until)
                return err_set(err, why.code, "%s", why.text);
            memset(&why, 0, sizeof(why));
            sync_pause();
        }
    }
    return 0;
}

static int sync_connect(struct store_sync *s, struct stint_err *err)
{
    struct net_sigpipe hold;

    sync_disconnect(s);
    net_sigpipe_hold(&hold);
    int rc = sync_dial(s, err) || sync_hello(s, err) ? -1 : 0;
    if (rc)
        sync_disconnect(s);
    net_sigpipe_release(&hold);
    return rc;
}

/* Connected, if it can be. A connection that died while idle is made anew, so
 * that a restart of Redis between two calls is not noticed. */
static void sync_ready(struct store_sync *s)
{
    if (s->c && s->calls.n == 0 &&
        (s->is_bad || s->c->err || net_is_dead(s->c->fd)))
        sync_disconnect(s);
    if (s->c || s->tried)
        return;
    memset(&s->why, 0, sizeof(s->why));
    s->tried = sync_connect(s, &s->why) != 0;
}

static void sync_call(struct store *base, int argc, const char *const *argv,
                      const size_t *argv_len, store_reply_fn fn, void *arg)
{
    struct store_sync *s = (struct store_sync *)base;
    struct call call = {.fn = fn, .arg = arg};

    if (calls_reserve(&s->calls, s->calls.n + 1)) {
        call_lacks_memory(fn, arg);
        return;
    }
    sync_ready(s);
    /* hiredis forgot the const: it does not write to argv. */
    if (!s->c || redisAppendCommandArgv(s->c, argc, (const char **)(size_t)argv,
                                        argv_len) != REDIS_OK)
        call.failed = STINT_UNREACHABLE;
    calls_push(&s->calls, &call);
}

/* The connection is lost: all that waits for a reply fails. */
static void sync_fail(struct store_sync *s, enum stint_code code,
                      const char *reason)
{
    memset(&s->why, 0, sizeof(s->why));
    err_set(&s->why, code, "lost Redis at %.100s: %.60s", s->conf.shown,
            reason);
    for (size_t i = 0; i < s->calls.n; i++)
        if (calls_peek(&s->calls, i)->failed == STINT_OK)
            calls_peek(&s->calls, i)->failed = code;
    sync_disconnect(s);
    s->n_sent = 0;
    s->tried = 0;
}

/* Bytes. Without memory hiredis 1 has written all, and lost its buffer. */
static size_t sync_unwritten(const struct store_sync *s)
{
    return s->c->obuf ? sdslen(s->c->obuf) : 0;
}

/* Writes what was collected. */
static void sync_flush(struct store_sync *s)
{
    size_t before = sync_unwritten(s);
    struct net_sigpipe hold;
    int done = before == 0, rc = REDIS_OK;

    if (done)
        return;
    net_sigpipe_hold(&hold);
    while (!done && rc == REDIS_OK)
        rc = redisBufferWrite(s->c, &done);
    int saved = errno;
    net_sigpipe_release(&hold);
    if (rc == REDIS_OK) {
        s->n_sent = s->calls.n;
        return;
    }
    int nothing = s->n_sent == 0 && sync_unwritten(s) == before;
    sync_fail(s, nothing ? STINT_UNREACHABLE : STINT_UNKNOWN,
              sync_reason(s, saved));
}

static void sync_deliver(struct store_sync *s, redisReply *reply)
{
    struct call call = calls_pop(&s->calls);

    s->n_sent--;
    if (reply_is_fatal(reply))
        s->is_bad = 1;
    call.fn(reply, NULL, call.arg);
    freeReplyObject(reply);
}

static void sync_deliver_failed(struct store_sync *s)
{
    struct call call = calls_pop(&s->calls);
    struct stint_err err = {0};

    err_set(&err, call.failed, "%s",
            s->why.code ? s->why.text : stint_code_text(call.failed));
    call.fn(NULL, &err, call.arg);
}

static void sync_step(struct store_sync *s)
{
    void *reply = NULL;

    if (calls_peek(&s->calls, 0)->failed != STINT_OK) {
        sync_deliver_failed(s);
        return;
    }
    sync_flush(s);
    if (!s->c)
        return;
    if (redisGetReply(s->c, &reply) == REDIS_OK && reply)
        sync_deliver(s, reply);
    else
        sync_fail(s, STINT_UNKNOWN, sync_reason(s, errno));
}

static void sync_wait(struct store *base)
{
    struct store_sync *s = (struct store_sync *)base;

    while (s->calls.n > 0)
        sync_step(s);
    s->tried = 0;
}

static void sync_close(struct store *base)
{
    struct store_sync *s = (struct store_sync *)base;

    if (s->c)
        sync_fail(s, STINT_UNREACHABLE, "closed");
    s->tried = 1;
    while (s->calls.n > 0)
        sync_deliver_failed(s);
    calls_close(&s->calls);
    free(s);
}

void store_sync_flush(struct store *base)
{
    struct store_sync *s = (struct store_sync *)base;

    if (s->c && s->calls.n > 0)
        sync_flush(s);
}

static const struct store_ops sync_ops = {
    .call = sync_call, .wait = sync_wait, .close = sync_close};

struct store *store_sync_new(const struct conf *conf, int64_t timeout_ms,
                             struct stint_err *err)
{
    struct store_sync *s = calloc(1, sizeof(*s));

    if (!s) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    s->base.ops = &sync_ops;
    s->conf = *conf;
    s->timeout_ms = timeout_ms > 0 ? timeout_ms : 1;
    return &s->base;
}

struct store *store_sync_open(const struct conf *conf, int64_t timeout_ms,
                              struct stint_err *err)
{
    if (conf->n_nodes > 0)
        return store_cluster_sync_open(conf, timeout_ms, err);
    struct store *base = store_sync_new(conf, timeout_ms, err);
    if (base && sync_connect((struct store_sync *)base, err)) {
        free(base);
        return NULL;
    }
    return base;
}
