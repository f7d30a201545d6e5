/* SPDX-License-Identifier: MIT */
/* The store on an event loop. hiredis formats, reads and writes on a plain
 * non-blocking context; the list of outstanding calls is ours, not that of
 * redisAsyncContext, so that dropping a connection is simple at any moment,
 * also from inside a callback: the calls move to the list of failed ones, the
 * events and the context go at once, and the reading loop sees by the
 * generation number that its connection is gone. Failed calls are told from
 * the loop by the event `soon`. One timer serves every state: the back-off,
 * the time to connect, and the deadline of the oldest call. */
#include <errno.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <hiredis/sds.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "bounds.h"
#include "clock.h"
#include "err.h"
#include "net_name.h"
#include "net_tls.h"
#include "reply_arena.h"
#include "reply_limit.h"
#include "sentinel.h"
#include "store.h"
#include "store_cluster.h"
#include "store_net.h"

#define BACKOFF_MIN_MS 50
#define BACKOFF_MAX_MS 5000
#define BACKOFF_AUTH_MS 1000

enum async_state {
    ASYNC_DOWN,
    ASYNC_ASKING,     /* sentinels, where the primary is */
    ASYNC_LOOKING_UP, /* the address of a name */
    ASYNC_CONNECTING,
    ASYNC_SHAKING,    /* hands, by TLS */
    ASYNC_HELLO,
    ASYNC_READY
};

struct store_async {
    struct store base;
    struct conf conf;
    struct conf *primary;     /* what the sentinels said; NULL: conf is it */
    struct event_base *events;
    int64_t deadline_ms;
    store_state_fn on_state;
    void *arg;

    enum async_state state;
    struct sentinel_asking *asking;
    unsigned sentinel;        /* the one to be asked first */
    struct name_query *name;
    unsigned address;         /* of several that the host's name has */
    redisContext *c;
    struct tls *tls;          /* of c; NULL: without */
    struct reply_arena *arena; /* its replies */
    unsigned gen;             /* counts connections */
    struct event *readable, *writable; /* of c; before, of name */
    struct event *timer, *soon;
    int64_t connect_until_ms;
    enum hello step;          /* next step of the handshake */
    uint64_t queued;          /* bytes ever given to c */
    size_t unsent;            /* of them, when the timer looked last */

    struct calls calls;       /* in the order of their replies */
    struct calls failed;      /* to be told from the loop */
    struct stint_err why;     /* why there is no connection */
    enum stint_code told;     /* what on_state heard last; OK: connected */
    int tell_lost;            /* on_state has to hear of why */
    int64_t ready_ms;         /* when the connection was made, mono */
    int attempts;             /* since one last stayed for 5 s */
    uint64_t random;
    int busy;                 /* frames of ours below a callback */
    int closing;
};

static void async_connect(struct store_async *s);

static void timer_set(struct store_async *s, int64_t ms)
{
    ms = ms < 0 ? 0 : ms;
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    event_add(s->timer, &tv);
}

static uint64_t random_next(struct store_async *s)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return s->random;
}

/* Full jitter: anything up to 50 ms doubled for each attempt, at most 5 s. */
static int64_t backoff_ms(struct store_async *s)
{
    int64_t max = BACKOFF_MIN_MS;

    for (int i = 0; i < s->attempts && max < BACKOFF_MAX_MS; i++)
        max *= 2;
    max = max < BACKOFF_MAX_MS ? max : BACKOFF_MAX_MS;
    s->attempts++;
    int64_t ms = 1 + (int64_t)(random_next(s) % (uint64_t)max);
    return s->why.code == STINT_AUTH ? ms + BACKOFF_AUTH_MS : ms;
}

static const struct conf *async_conf(const struct store_async *s)
{
    return s->primary ? s->primary : &s->conf;
}

/* ---- Losing a connection ------------------------------------------------ */

static void async_hangup(struct store_async *s)
{
    if (s->readable)
        event_free(s->readable);
    if (s->writable)
        event_free(s->writable);
    s->readable = s->writable = NULL;
    sentinel_ask_stop(s->asking);
    s->asking = NULL;
    name_query_free(s->name);
    s->name = NULL;
    if (s->c)
        redisFree(s->c);
    s->c = NULL;
    tls_free(s->tls);
    s->tls = NULL;
    s->gen++;
    s->state = ASYNC_DOWN;
}

/* Our own calls, of the handshake, have no fn and are forgotten. */
static void async_fail_all(struct store_async *s)
{
    size_t left = s->c && s->c->obuf ? sdslen(s->c->obuf) : 0;
    uint64_t written = s->queued - left;

    while (s->calls.n > 0) {
        struct call call = calls_pop(&s->calls);
        call.failed = call.begin < written ? STINT_UNKNOWN : STINT_UNREACHABLE;
        if (call.fn)
            calls_push(&s->failed, &call);
    }
}

/* Everything outstanding fails; a new attempt follows after wait_ms, or after
 * the back-off if that is -1. */
static void async_drop(struct store_async *s, const struct stint_err *why,
                       int64_t wait_ms)
{
    const struct stint_err copy = *why; /* of who is about to go, perhaps */

    async_fail_all(s);
    if (s->state != ASYNC_READY) {
        s->address++; /* another one may answer */
        s->sentinel++;
    }
    async_hangup(s);
    s->why = copy;
    if (s->closing)
        return;
    s->tell_lost = s->tell_lost || s->told != copy.code;
    event_active(s->soon, EV_TIMEOUT, 1);
    timer_set(s, wait_ms < 0 ? backoff_ms(s) : wait_ms);
}

static void async_drop_text(struct store_async *s, enum stint_code code,
                            const char *text)
{
    struct stint_err why = {0};

    err_set(&why, code, "%s Redis at %.100s: %.60s", s->state == ASYNC_READY
            ? "lost" : "cannot reach", async_conf(s)->shown, text);
    async_drop(s, &why, -1);
}

/* ---- Telling ------------------------------------------------------------ */

static void async_free(struct store_async *s)
{
    if (s->timer)
        event_free(s->timer);
    if (s->soon)
        event_free(s->soon);
    calls_close(&s->calls);
    calls_close(&s->failed);
    reply_arena_close(s->arena);
    free(s->primary);
    free(s);
}

static void async_tell_state(struct store_async *s, int connected)
{
    struct stint_err why = s->why;

    s->tell_lost = 0;
    s->told = connected ? STINT_OK : why.code;
    if (s->on_state && !s->closing)
        s->on_state(connected, connected ? NULL : &why, s->arg);
}

static void async_tell_failed(struct store_async *s)
{
    struct call call = calls_pop(&s->failed);
    struct stint_err err = {0};

    err_set(&err, call.failed, "%s", s->why.code ? s->why.text
            : stint_code_text(call.failed));
    call.fn(NULL, &err, call.arg);
}

/* Leaves a frame of ours; the last one does the close that waited for it. */
static void async_leave(struct store_async *s)
{
    if (--s->busy > 0 || !s->closing)
        return;
    s->busy++;
    while (s->failed.n > 0)
        async_tell_failed(s);
    async_free(s);
}

/* What fails while this runs is told the next time: no endless loop here. */
static void async_on_soon(evutil_socket_t fd, short what, void *arg)
{
    struct store_async *s = arg;

    (void)fd;
    (void)what;
    s->busy++;
    if (s->tell_lost && s->state != ASYNC_READY)
        async_tell_state(s, 0);
    for (size_t n = s->failed.n; n > 0 && !s->closing; n--)
        async_tell_failed(s);
    if (s->failed.n > 0 && !s->closing)
        event_active(s->soon, EV_TIMEOUT, 1);
    async_leave(s);
}

/* ---- Sending ------------------------------------------------------------ */

static int async_send(struct store_async *s, int argc, const char *const *argv,
                      const size_t *argv_len, store_reply_fn fn, void *arg)
{
    struct call call = {.fn = fn, .arg = arg, .sent_ms = clock_mono_ms(),
                        .begin = s->queued};
    size_t before = sdslen(s->c->obuf);

    /* What fails later finds its place already there. */
    if (calls_reserve(&s->calls, s->calls.n + 1) ||
        calls_reserve(&s->failed, s->failed.n + s->calls.n + 1))
        return -1;
    /* hiredis forgot the const: it does not write to argv. */
    if (redisAppendCommandArgv(s->c, argc, (const char **)(size_t)argv,
                               argv_len) != REDIS_OK)
        return -1;
    s->queued += sdslen(s->c->obuf) - before;
    calls_push(&s->calls, &call);
    if (event_add(s->writable, NULL)) /* written without waiting, then */
        event_active(s->writable, EV_WRITE, 0);
    return 0;
}

static void async_call(struct store *base, int argc, const char *const *argv,
                       const size_t *argv_len, store_reply_fn fn, void *arg)
{
    struct store_async *s = (struct store_async *)base;
    int is_first = s->calls.n == 0;

    if (s->state == ASYNC_READY && !s->closing &&
        !async_send(s, argc, argv, argv_len, fn, arg)) {
        if (is_first && s->deadline_ms > 0) {
            s->unsent = 0;
            timer_set(s, s->deadline_ms / 2 + 1);
        }
        return;
    }
    struct call call = {.fn = fn, .arg = arg, .failed = STINT_UNREACHABLE};
    if (calls_reserve(&s->failed, s->failed.n + s->calls.n + 1)) {
        call_lacks_memory(fn, arg);
        return;
    }
    calls_push(&s->failed, &call);
    if (!s->closing)
        event_active(s->soon, EV_TIMEOUT, 1);
}

/* ---- The handshake ------------------------------------------------------ */

static void async_hello_next(struct store_async *s)
{
    for (; s->step < HELLO_N; s->step++) {
        struct stint_err why = {0};
        struct hello_words w;
        if (hello_argv(async_conf(s), s->step, &w, &why)) {
            async_drop(s, &why, -1);
            return;
        }
        if (w.argc == 0)
            continue;
        if (async_send(s, w.argc, w.argv, NULL, NULL, NULL))
            async_drop_text(s, STINT_NOMEM, "out of memory");
        return;
    }
    s->state = ASYNC_READY;
    s->ready_ms = clock_mono_ms();
    event_del(s->timer);
    if (s->tell_lost)
        async_tell_state(s, 0);
    if (s->state == ASYNC_READY && !s->closing)
        async_tell_state(s, 1);
}

static void async_hello_reply(struct store_async *s, const redisReply *reply)
{
    struct stint_err why = {0};

    if (hello_check(async_conf(s), s->step, reply, &why)) {
        async_drop(s, &why, -1);
        return;
    }
    s->step++;
    async_hello_next(s);
}

/* ---- Events of the connection ------------------------------------------- */

static void async_reply(struct store_async *s, redisReply *reply)
{
    struct call call = calls_pop(&s->calls);
    unsigned gen = s->gen;

    if (!call.fn) {
        async_hello_reply(s, reply);
        return;
    }
    /* A replica answers reads and refuses writes: only what lasts counts. */
    if (clock_mono_ms() - s->ready_ms > BACKOFF_MAX_MS)
        s->attempts = 0;
    int is_fatal = reply_sends_away(&s->conf, reply);
    struct stint_err why = {0};
    if (is_fatal)
        err_from_reply(&why, reply->str, reply->len);
    call.fn(reply, NULL, call.arg);
    if (is_fatal && gen == s->gen && !s->closing)
        async_drop(s, &why, -1);
}

/* Bytes, as many as come at once. */
static int async_read_bytes(struct store_async *s)
{
    struct reply_limit *limit = reply_arena_limit(s->arena);
    int rc = redisBufferRead(s->c) != REDIS_OK;

    if (!rc && reply_limit_look(limit, s->c->reader) == 0) {
        tls_heard(s->tls, s->c);
        return 0;
    }
    async_drop_text(s, s->state == ASYNC_READY ? STINT_UNKNOWN
                    : STINT_UNREACHABLE, reply_limit_reason(limit,
                    net_is_cut(s->c) ? tls_reason(s->tls, s->c->errstr)
                                     : s->c->errstr));
    return -1;
}

/* What came, reply by reply. 0: the connection is still the same. */
static int async_read_replies(struct store_async *s)
{
    unsigned gen = s->gen;
    void *reply = NULL;

    for (;;) {
        if (redisGetReplyFromReader(s->c, &reply) != REDIS_OK) {
            async_drop_text(s, STINT_UNREACHABLE, reply_limit_reason(
                            reply_arena_limit(s->arena), s->c->errstr));
            return -1;
        }
        if (!reply)
            return 0;
        if (s->calls.n == 0) { /* a farewell nobody asked for */
            async_drop_text(s, STINT_UNREACHABLE, "unexpected reply");
            return -1;
        }
        async_reply(s, reply);
        if (gen != s->gen)
            return -1;
    }
}

static void async_read(struct store_async *s)
{
    do {
        if (async_read_bytes(s) || async_read_replies(s))
            return;
    } while (tls_has_more(s->tls));
}

static void async_shake(struct store_async *s);

static void async_on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct store_async *s = arg;

    (void)fd;
    (void)what;
    s->busy++;
    if (s->state == ASYNC_SHAKING)
        async_shake(s);
    else
        async_read(s);
    async_leave(s);
}

static void async_hello(struct store_async *s)
{
    s->state = ASYNC_HELLO;
    s->step = HELLO_AUTH;
    async_hello_next(s);
}

static void async_shake(struct store_async *s)
{
    struct stint_err why = {0};
    int step = tls_shake(s->tls, &why);

    if (step < 0)
        async_drop(s, &why, -1);
    else if (step == TLS_DONE)
        async_hello(s);
    else if (step == TLS_WRITE && event_add(s->writable, NULL))
        async_drop_text(s, STINT_UNREACHABLE, "cannot wait to write");
}

static void async_tls(struct store_async *s)
{
    struct stint_err why = {0};

    s->state = ASYNC_SHAKING;
    s->tls = tls_start(s->c, async_conf(s), &why);
    if (s->tls)
        async_shake(s);
    else
        async_drop(s, &why, -1);
}

static void async_connected(struct store_async *s)
{
    int error = 0;
    socklen_t len = sizeof(error);

    if (getsockopt(s->c->fd, SOL_SOCKET, SO_ERROR, &error, &len))
        error = errno;
    if (error) {
        async_drop_text(s, STINT_UNREACHABLE, strerror(error));
        return;
    }
    if (event_add(s->readable, NULL))
        async_drop_text(s, STINT_UNREACHABLE, "cannot wait for replies");
    else if (async_conf(s)->tls)
        async_tls(s);
    else
        async_hello(s);
}

static void async_write(struct store_async *s)
{
    struct net_sigpipe hold;
    int done = 0;

    net_sigpipe_hold(&hold);
    int rc = redisBufferWrite(s->c, &done);
    net_sigpipe_release(&hold);
    unsigned gen = s->gen;
    if (rc != REDIS_OK && s->state == ASYNC_HELLO && net_is_cut(s->c)) {
        s->c->err = 0; /* why it was closed may be there to read */
        async_read(s);
    }
    if (gen != s->gen)
        return;
    if (rc != REDIS_OK)
        async_drop_text(s, STINT_UNREACHABLE, s->c->err
                        ? tls_reason(s->tls, s->c->errstr) : "closed");
    else if (!done && event_add(s->writable, NULL))
        async_drop_text(s, STINT_UNREACHABLE, "cannot wait to write");
}

static void async_on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct store_async *s = arg;

    (void)fd;
    (void)what;
    s->busy++;
    if (s->state == ASYNC_CONNECTING)
        async_connected(s);
    else if (s->state == ASYNC_SHAKING)
        async_shake(s);
    else
        async_write(s);
    async_leave(s);
}

static int64_t async_patience_ms(const struct store_async *s)
{
    return s->deadline_ms > 0 && s->deadline_ms < CALL_DEADLINE_MS
               ? s->deadline_ms : CALL_DEADLINE_MS;
}

/* host: an address; NULL with a unix socket. */
static void async_dial(struct store_async *s, const char *host)
{
    const struct conf *conf = async_conf(s);

    s->c = *conf->path ? redisConnectUnixNonBlock(conf->path)
                       : redisConnectNonBlock(host, conf->port);
    if (!s->c || s->c->err) {
        async_drop_text(s, STINT_UNREACHABLE, s->c ? s->c->errstr
                        : "out of memory");
        return;
    }
    net_tune(s->c->fd, !*conf->path);
    reply_arena_serve(s->arena, s->c->reader);
    s->queued = 0;
    s->state = ASYNC_CONNECTING;
    s->readable = event_new(s->events, s->c->fd, EV_READ | EV_PERSIST,
                            async_on_readable, s);
    s->writable = event_new(s->events, s->c->fd, EV_WRITE, async_on_writable,
                            s);
    if (!s->readable || !s->writable || event_add(s->writable, NULL)) {
        async_drop_text(s, STINT_UNREACHABLE, "out of memory");
        return;
    }
    timer_set(s, async_patience_ms(s));
}

static void async_looked_up(struct store_async *s)
{
    struct stint_err why = {0};
    struct name_query *q = s->name;
    const char *host = name_query_address(q, s->address, &why);

    if (s->readable)
        event_free(s->readable);
    s->readable = NULL;
    s->name = NULL;
    if (host)
        async_dial(s, host);
    else
        async_drop(s, &why, -1);
    name_query_free(q);
}

static void async_on_name(evutil_socket_t fd, short what, void *arg)
{
    struct store_async *s = arg;

    (void)fd;
    (void)what;
    s->busy++;
    async_looked_up(s);
    async_leave(s);
}

static void async_look_up(struct store_async *s)
{
    struct stint_err why = {0};

    s->state = ASYNC_LOOKING_UP;
    s->name = name_query_start(async_conf(s)->host, &why);
    if (!s->name) {
        async_drop(s, &why, -1);
        return;
    }
    if (name_query_is_answered(s->name)) {
        async_looked_up(s);
        return;
    }
    s->readable = event_new(s->events, name_query_fd(s->name), EV_READ,
                            async_on_name, s);
    if (!s->readable || event_add(s->readable, NULL))
        async_drop_text(s, STINT_UNREACHABLE, "out of memory");
    else
        timer_set(s, async_patience_ms(s));
}

static void async_reach(struct store_async *s)
{
    if (*async_conf(s)->path)
        async_dial(s, NULL);
    else
        async_look_up(s);
}

static void async_on_found(const struct conf_node *to,
                           const struct stint_err *err, void *arg)
{
    struct store_async *s = arg;

    s->busy++;
    if (to && !s->primary)
        s->primary = malloc(sizeof(*s->primary));
    if (!to)
        async_drop(s, err, -1);
    else if (!s->primary)
        async_drop_text(s, STINT_NOMEM, "out of memory");
    else {
        conf_of_node(s->primary, &s->conf, to);
        sentinel_ask_stop(s->asking);
        s->asking = NULL;
        async_reach(s);
    }
    async_leave(s);
}

/* No timer: whoever asks has one for each sentinel. */
static void async_connect(struct store_async *s)
{
    struct stint_err why = {0};

    if (s->conf.n_sentinels == 0) {
        async_reach(s);
        return;
    }
    s->state = ASYNC_ASKING;
    s->asking = sentinel_ask_start(&s->conf, &s->sentinel, s->events,
                                   async_on_found, s, &why);
    if (!s->asking)
        async_drop(s, &why, -1);
}

/* Bytes that the other end has not taken become fewer. */
static int async_is_moving(struct store_async *s)
{
    size_t before = s->unsent;

    s->unsent = sdslen(s->c->obuf) + net_unsent(s->c->fd);
    return s->unsent < before;
}

/* Half a deadline has passed, or all of it for the oldest call: what has come
 * meanwhile is read first, in case it was this process that slept. */
static void async_deadline(struct store_async *s)
{
    unsigned gen = s->gen;

    if (s->calls.n > 0 && net_is_dead(s->c->fd))
        async_read(s);
    if (gen != s->gen || s->closing || s->calls.n == 0 || !s->deadline_ms)
        return;
    int64_t half = s->deadline_ms / 2 + 1;
    int64_t left = calls_peek(&s->calls, 0)->sent_ms + s->deadline_ms -
                   clock_mono_ms();
    if (async_is_moving(s) || left > half)
        timer_set(s, half);
    else if (left > 0)
        timer_set(s, left);
    else
        async_drop_text(s, STINT_UNKNOWN, "no reply in time");
}

static void async_on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct store_async *s = arg;

    (void)fd;
    (void)what;
    s->busy++;
    if (s->state == ASYNC_DOWN)
        async_connect(s);
    else if (s->state == ASYNC_READY)
        async_deadline(s);
    else
        async_drop_text(s, STINT_UNREACHABLE, "no answer in time");
    async_leave(s);
}

/* ---- Opening, closing --------------------------------------------------- */

static void async_close(struct store *base)
{
    struct store_async *s = (struct store_async *)base;
    struct stint_err why = {0};

    err_set(&why, STINT_CLOSED, "the connection was closed");
    s->closing = 1;
    event_del(s->timer);
    event_del(s->soon);
    async_drop(s, &why, -1);
    s->busy++;
    async_leave(s);
}

static const struct store_ops async_ops = {
    .call = async_call, .close = async_close};

void store_async_reset(struct store *base)
{
    struct store_async *s = (struct store_async *)base;
    struct stint_err why = {0};

    if (base->ops->reset != NULL) {
        base->ops->reset(base);
        return;
    }
    if (base->ops != &async_ops) {
        store_cluster_async_reset(base);
        return;
    }
    if (s->state != ASYNC_READY || s->closing)
        return;
    err_set(&why, STINT_UNREACHABLE, "the connection is made anew");
    async_drop(s, &why, 0);
}

struct store *store_async_open(const struct conf *conf,
                               struct event_base *base, int64_t deadline_ms,
                               store_state_fn on_state, void *arg,
                               struct stint_err *err)
{
    return store_async_open_at(conf, base, deadline_ms, NULL, on_state, arg,
                               err);
}

struct store *store_async_open_at(const struct conf *conf,
                                  struct event_base *base,
                                  int64_t deadline_ms, const char *key,
                                  store_state_fn on_state, void *arg,
                                  struct stint_err *err)
{
    if (conf->n_nodes > 0)
        return store_cluster_async_open(conf, base, deadline_ms, key,
                                        on_state, arg, err);
    struct store_async *s = calloc(1, sizeof(*s));

    if (!s) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    s->base.ops = &async_ops;
    s->conf = *conf;
    s->events = base;
    s->deadline_ms = deadline_ms;
    s->on_state = on_state;
    s->arg = arg;
    err_set(&s->why, STINT_UNREACHABLE, "not connected to Redis yet");
    if (getrandom(&s->random, sizeof(s->random), GRND_NONBLOCK) < 0)
        s->random = (uint64_t)clock_mono_us();
    s->random |= 1;
    s->timer = event_new(base, -1, 0, async_on_timer, s);
    s->soon = event_new(base, -1, 0, async_on_soon, s);
    s->arena = reply_arena_open();
    if (!s->timer || !s->soon || !s->arena) {
        err_set(err, STINT_NOMEM, "out of memory");
        async_free(s);
        return NULL;
    }
    timer_set(s, 0);
    return &s->base;
}
