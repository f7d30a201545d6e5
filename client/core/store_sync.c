/* SPDX-License-Identifier: MIT */
/* The blocking store. A call is appended to the pipeline; wait writes it all
 * and reads the replies in order. When the connection breaks, what was read
 * stays good, the rest fails, and the next call connects anew (once for each
 * batch: a thousand calls do not wait for a thousand time-outs). A callback may
 * call again: wait goes on until nothing is outstanding. close may not be
 * called from a callback. */
#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <hiredis/sds.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>

#include "clock.h"
#include "err.h"
#include "net_name.h"
#include "net_tls.h"
#include "reply_limit.h"
#include "sentinel.h"
#include "store.h"
#include "store_cluster.h"
#include "store_net.h"

struct store_sync {
    struct store base;
    struct conf conf;
    struct conf *primary; /* what the sentinels said; NULL: conf is it */
    unsigned sentinel;    /* the one to be asked first */
    unsigned address;     /* of several that the host's name has */
    int64_t timeout_ms;
    redisContext *c; /* NULL: not connected */
    struct tls *tls; /* of c; NULL: without */
    struct reply_limit limit;
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
    tls_free(s->tls);
    s->c = NULL;
    s->tls = NULL;
    s->is_bad = 0;
}

/* The reason why c is broken, in words. No error in c: it was us who waited. */
static const char *sync_reason(const struct store_sync *s, int saved_errno)
{
    if (s->limit.is_over)
        return reply_limit_reason(&s->limit, "");
    if (s->c->err == 0 || (s->c->err == REDIS_ERR_IO &&
        (saved_errno == EAGAIN || saved_errno == EWOULDBLOCK)))
        return "no reply in time";
    return net_is_cut(s->c) ? tls_reason(s->tls, s->c->errstr) : s->c->errstr;
}

static int fd_wait(int fd, short events, int64_t until)
{
    struct pollfd p = {.fd = fd, .events = events};
    int64_t left;

    do {
        left = until - clock_mono_ms();
        int n = left > 0 ? poll(&p, 1, left < 60000 ? (int)left : 60000) : 0;
        if (n > 0)
            return 0;
        if (n < 0 && errno != EINTR)
            return -1;
    } while (left > 0);
    return -1;
}

/* Something to read, or time is up and the other end takes nothing any more:
 * half a deadline is counted from when it was last seen to. */
static int sync_wait_bytes(struct store_sync *s, int64_t *until)
{
    int64_t half = s->timeout_ms / 2 + 1;
    size_t before, unsent = 0;

    if (tls_has_more(s->tls))
        return 0;
    for (;;) {
        int64_t now = clock_mono_ms();
        if (!fd_wait(s->c->fd, POLLIN,
                     now + half < *until ? now + half : *until))
            return 0;
        before = unsent;
        unsent = net_unsent(s->c->fd);
        now = clock_mono_ms();
        if (unsent < before && *until < now + half)
            *until = now + half;
        if (now >= *until)
            return -1;
    }
}

/* The next reply, however slowly it drips: by `until` it is whole, or -1. */
static int sync_read(struct store_sync *s, void **reply, int64_t until)
{
    for (;;) {
        if (redisGetReplyFromReader(s->c, reply) != REDIS_OK)
            return -1;
        if (*reply)
            return 0;
        if (reply_limit_look(&s->limit, s->c->reader) ||
            sync_wait_bytes(s, &until) ||
            redisBufferRead(s->c) != REDIS_OK)
            return -1;
        tls_heard(s->tls, s->c);
    }
}

/* The address of the host, by its name. */
static int sync_look_up(struct store_sync *s, const struct conf *conf,
                        int64_t until, char host[static NAME_ADDRESS_CAP],
                        struct stint_err *err)
{
    struct name_query *q = name_query_start(conf->host, err);

    if (!q)
        return -1;
    const char *at = NULL;
    if (fd_wait(name_query_fd(q), POLLIN, until))
        err_set(err, STINT_UNREACHABLE, "cannot look up %.100s in time",
                conf->host);
    else
        at = name_query_address(q, s->address, err);
    if (at)
        snprintf(host, NAME_ADDRESS_CAP, "%s", at);
    name_query_free(q);
    return at ? 0 : -1;
}

static void fd_block(int fd, int is_on)
{
    int flags = fcntl(fd, F_GETFL);

    fcntl(fd, F_SETFL, is_on ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

/* Non-blocking meanwhile, so that there is a deadline. */
static int sync_tls(struct store_sync *s, const struct conf *conf,
                    int64_t until, struct stint_err *err)
{
    int step = TLS_READ, rc = -1;

    s->c->flags &= ~REDIS_BLOCK;
    fd_block(s->c->fd, 0);
    s->tls = tls_start(s->c, conf, err);
    while (s->tls && step > TLS_DONE) {
        step = tls_shake(s->tls, err);
        if (step > TLS_DONE &&
            fd_wait(s->c->fd, step == TLS_READ ? POLLIN : POLLOUT, until)) {
            err_set(err, STINT_UNREACHABLE, "no TLS with Redis at %.80s: no "
                    "answer in time (does it speak TLS there?)", conf->shown);
            step = -1;
        }
    }
    if (s->tls && step == TLS_DONE)
        rc = 0;
    fd_block(s->c->fd, 1);
    s->c->flags |= REDIS_BLOCK;
    return rc;
}

static int sync_dial(struct store_sync *s, const struct conf *conf,
                     int64_t until, struct stint_err *err)
{
    char host[NAME_ADDRESS_CAP];

    if (!*conf->path && sync_look_up(s, conf, until, host, err))
        return -1;
    int64_t left = until - clock_mono_ms();
    const struct timeval tv = timeval_from_ms(left > 0 ? left : 1);
    s->c = *conf->path ? redisConnectUnixWithTimeout(conf->path, tv)
                       : redisConnectWithTimeout(host, conf->port, tv);
    if (!s->c)
        return err_set(err, STINT_NOMEM, "out of memory");
    s->limit.is_over = 0;
    if (s->c->err) {
        s->address++;
        return err_set(err, STINT_UNREACHABLE, "cannot reach Redis at %.100s: "
                       "%.60s", conf->shown, s->c->errstr);
    }
    net_tune(s->c->fd, !*conf->path);
    redisSetTimeout(s->c, timeval_from_ms(s->timeout_ms));
    reply_limit_serve(&s->limit, s->c->reader);
    return conf->tls ? sync_tls(s, conf, until, err) : 0;
}

static int sync_hello_step(struct store_sync *s, const struct conf *conf,
                           enum hello step, struct stint_err *err)
{
    struct hello_words words;
    void *reply = NULL;
    int done = 0;

    if (hello_argv(conf, step, &words, err))
        return -1;
    if (words.argc == 0)
        return 0;
    int rc = redisAppendCommandArgv(s->c, words.argc, words.argv, NULL);
    if (rc != REDIS_OK)
        return err_set(err, STINT_NOMEM, "out of memory");
    while (rc == REDIS_OK && !done)
        rc = redisBufferWrite(s->c, &done);
    if (rc != REDIS_OK && !net_is_cut(s->c)) /* without memory: of no use */
        return err_set(err, STINT_UNREACHABLE, "cannot reach Redis at %.100s: "
                       "%.60s", conf->shown, s->c->errstr);
    s->c->err = 0; /* why it was closed before we spoke may be there to read */
    if (sync_read(s, &reply, clock_mono_ms() + s->timeout_ms) < 0)
        return err_set(err, STINT_UNREACHABLE, "cannot reach Redis at %.100s: "
                       "%.60s", conf->shown, sync_reason(s, errno));
    rc = hello_check(conf, step, reply, err);
    freeReplyObject(reply);
    return rc;
}

static void sync_pause(void)
{
    const struct timespec pause = {0, 50 * 1000 * 1000};
    nanosleep(&pause, NULL);
}

/* Where sentinels know the primary, a replica is not waited for. */
static int sync_hello_passes(const struct conf *conf, enum stint_code code)
{
    return code == STINT_LOADING || code == STINT_BUSY ||
           (code == STINT_READONLY && !conf->of_primary);
}

static int sync_hello(struct store_sync *s, const struct conf *conf,
                      int64_t until, struct stint_err *err)
{
    for (int step = 0; step < HELLO_N; step++) {
        struct stint_err why = {0};
        while (sync_hello_step(s, conf, (enum hello)step, &why)) {
            if (!sync_hello_passes(conf, why.code) || clock_mono_ms() >= until)
                return err_set(err, why.code, "%s", why.text);
            memset(&why, 0, sizeof(why));
            sync_pause();
        }
    }
    return 0;
}

/* Where it is, if sentinels have to be asked. NULL: *err. */
static const struct conf *sync_find(struct store_sync *s, int64_t until,
                                    struct stint_err *err)
{
    struct conf_node at;

    if (s->conf.n_sentinels == 0)
        return &s->conf;
    if (sentinel_ask(&s->conf, &s->sentinel, until - clock_mono_ms(), &at, err))
        return NULL;
    if (!s->primary)
        s->primary = malloc(sizeof(*s->primary));
    if (s->primary)
        conf_of_node(s->primary, &s->conf, &at);
    else
        err_set(err, STINT_NOMEM, "out of memory");
    return s->primary;
}

static int sync_connect_once(struct store_sync *s, int64_t until,
                             struct stint_err *err)
{
    struct net_sigpipe hold;
    const struct conf *conf = sync_find(s, until, err);

    if (!conf)
        return -1;
    net_sigpipe_hold(&hold);
    int rc = sync_dial(s, conf, until, err) || sync_hello(s, conf, until, err)
                 ? -1 : 0;
    if (rc)
        sync_disconnect(s);
    net_sigpipe_release(&hold);
    return rc;
}

/* With sentinels again and again while there is time: a failover takes some,
 * and they know when it is over. */
static int sync_connect(struct store_sync *s, struct stint_err *err)
{
    int64_t until = clock_mono_ms() + s->timeout_ms;

    sync_disconnect(s);
    for (;;) {
        struct stint_err why = {0};
        if (sync_connect_once(s, until, &why) == 0)
            return 0;
        int passes = s->conf.n_sentinels > 0 &&
                     (why.code == STINT_UNREACHABLE ||
                      why.code == STINT_READONLY);
        if (!passes || clock_mono_ms() >= until)
            return err_set(err, why.code, "%s", why.text);
        s->sentinel++; /* this one may be behind */
        sync_pause();
    }
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
    const struct conf *at = s->primary ? s->primary : &s->conf;

    memset(&s->why, 0, sizeof(s->why));
    err_set(&s->why, code, "lost Redis at %.100s: %.60s", at->shown,
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
    if (reply_sends_away(&s->conf, reply))
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
    if (sync_read(s, &reply, clock_mono_ms() + s->timeout_ms) == 0)
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
    free(s->primary);
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
        base->ops->close(base);
        return NULL;
    }
    return base;
}
