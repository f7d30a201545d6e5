/* SPDX-License-Identifier: MIT */
/* Connections. A call is sent, arrives, is carried out, and its reply comes,
 * each after a time, in the order of the connection as TCP has it. When a
 * connection breaks, what is outstanding fails, as store_async.c does it; what
 * was under way may arrive all the same, even (fault "late") when the next
 * connection is in use: a closed socket sends again what was not received. */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "sim.h"

#define ARGC_MAX 4096

enum call_state { CALL_SENT, CALL_BLOCKED, CALL_DONE };

struct sim_call {
    struct sim_call *next;
    struct sim_conn *conn;
    int argc;
    const char **argv;    /* owned, one block with the lengths and texts */
    size_t *len;
    store_reply_fn fn;    /* NULL: nobody listens any more */
    void *arg;
    int64_t sent_ms;
    enum call_state state;
    int loses_request, loses_reply;
    redisReply *reply;    /* DONE: owned, or NULL and failed */
    enum stint_code failed;
};

/* A call that failed: its caller is to be told, from the loop. */
struct sim_failure {
    struct sim_failure *next;
    store_reply_fn fn;
    void *arg;
    enum stint_code code;
};

struct sim_conn {
    struct sim_conn *next;   /* of the seed */
    struct sim *sim;
    struct sim_store *store; /* NULL: closed on our side */
    struct sim_call *first, *last;
    int64_t arrive_ms;       /* the next arrives not before this */
    int64_t reply_ms;
    int n_late;              /* closed: so many of the calls still arrive */
    int64_t late_ms;         /* and not before this */
    const char *name;
};

struct sim_store {
    struct store base;       /* first */
    struct sim_store *next;  /* of the seed */
    struct sim *sim;
    struct sim_life *owner;  /* NULL: a client */
    const char *name;
    int64_t deadline_ms;
    store_state_fn on_state;
    void *arg;
    struct sim_conn *conn;   /* NULL: not connected */
    struct sim_failure *failed, **failed_end;
    int tell_lost;
    int soon;                /* the event that tells is pushed */
    int attempts;
    int deadline;            /* the event that looks for late calls is */
    int closed;
    unsigned gen;            /* of connection attempts */
    int64_t again_ms;        /* when to connect */
};

static void store_connect(struct sim *s, void *arg);

struct store *sim_store_base(struct sim_store *st)
{
    return &st->base;
}

/* ---- Calls -------------------------------------------------------------- */

static struct sim_call *call_new(int argc, const char *const *argv,
                                 const size_t *argv_len)
{
    size_t bytes = 0;
    for (int i = 0; i < argc; i++)
        bytes += (argv_len != NULL ? argv_len[i] : strlen(argv[i])) + 1;
    size_t head = (size_t)argc * (sizeof(char *) + sizeof(size_t));
    struct sim_call *c = calloc(1, sizeof(*c));
    char *block = malloc(head + bytes);
    check(c != NULL && block != NULL && argc < ARGC_MAX);
    c->argc = argc;
    c->argv = (const char **)(void *)block;
    c->len = (size_t *)(void *)(block + (size_t)argc * sizeof(char *));
    char *at = block + head;
    for (int i = 0; i < argc; i++) {
        c->len[i] = argv_len != NULL ? argv_len[i] : strlen(argv[i]);
        memcpy(at, argv[i], c->len[i]);
        at[c->len[i]] = '\0';
        c->argv[i] = at;
        at += c->len[i] + 1;
    }
    return c;
}

static void call_free(struct sim_call *c)
{
    if (c->state == CALL_BLOCKED)
        sim_redis_forget(c->conn->sim, c);
    if (c->reply != NULL)
        sim_redis_free(c->conn->sim, c->reply);
    free(c->argv);
    free(c);
}

static void conn_unlink(struct sim_conn *conn, struct sim_call *c)
{
    struct sim_call **at = &conn->first, *before = NULL;
    while (*at != c) {
        before = *at;
        at = &(*at)->next;
    }
    *at = c->next;
    if (conn->last == c)
        conn->last = before;
}

/* ---- Telling of failures ------------------------------------------------ */

static void store_tell(struct sim *s, void *arg)
{
    struct sim_store *st = arg;
    if (st->closed || sim_worker_defers(st->owner, store_tell, st))
        return;
    st->soon = 0;
    if (st->tell_lost && st->conn == NULL) {
        struct stint_err why = {STINT_UNREACHABLE, "the connection is lost"};
        st->tell_lost = 0;
        st->on_state(0, &why, st->arg);
    }
    struct sim_failure *list = st->failed;
    st->failed = NULL;
    st->failed_end = &st->failed;
    while (list != NULL) {
        struct sim_failure *f = list;
        struct stint_err err = {f->code, "the call failed"};
        list = f->next;
        sim_trace(s, "%s: a call fails: %s", st->name,
                  stint_code_text(f->code));
        f->fn(NULL, &err, f->arg);
        free(f);
    }
}

static void store_soon(struct sim_store *st)
{
    if (!st->soon && !st->closed) {
        st->soon = 1;
        sim_push(st->sim, st->sim->now_ms, store_tell, st);
    }
}

static void store_fail(struct sim_store *st, store_reply_fn fn, void *arg,
                       enum stint_code code)
{
    struct sim_failure *f = malloc(sizeof(*f));
    check(f != NULL);
    *f = (struct sim_failure){NULL, fn, arg, code};
    *st->failed_end = f;
    st->failed_end = &f->next;
    store_soon(st);
}

/* ---- Replies ------------------------------------------------------------ */

/* The next reply of the connection is here. */
static void conn_on_reply(struct sim *s, void *arg)
{
    struct sim_conn *conn = arg;
    struct sim_store *st = conn->store;
    (void)s;
    if (st == NULL || conn->first == NULL ||
        sim_worker_defers(st->owner, conn_on_reply, conn))
        return;
    struct sim_call *c = conn->first;
    if (c->state != CALL_DONE)
        return; /* that of a call that failed with its connection */
    conn_unlink(conn, c);
    st->attempts = 0;
    struct stint_err err = {c->failed, "it was lost"};
    c->fn(c->reply, c->reply != NULL ? NULL : &err, c->arg);
    call_free(c);
}

static int64_t conn_delay(struct sim *s)
{
    int64_t ms = sim_between(s, 0, s->latency_ms_max);
    if (!s->ends_quietly && (s->faults & FAULT_DELAY) && sim_chance(s, 8))
        ms += sim_between(s, 100, 9000);
    return ms;
}

/* A slow connection explains what its owner's lease suffers. */
static void conn_excuse(struct sim_conn *conn, int64_t until_ms)
{
    struct sim_life *life = conn->store != NULL ? conn->store->owner : NULL;
    int64_t ms = until_ms + 8 * conn->sim->heartbeat_ms;
    if (life != NULL && until_ms - conn->sim->now_ms >= 100 &&
        life->excuse_ms < ms)
        life->excuse_ms = ms;
}

static void conn_done(struct sim_conn *conn, struct sim_call *c,
                      redisReply *reply)
{
    struct sim *s = conn->sim;
    c->state = CALL_DONE;
    c->reply = reply;
    if (c->loses_reply) {
        sim_redis_free(s, reply);
        c->reply = NULL;
        c->failed = STINT_UNKNOWN;
    }
    if (conn->store == NULL) { /* nobody is there */
        conn_unlink(conn, c);
        call_free(c);
        return;
    }
    int64_t at = s->now_ms + conn_delay(s);
    conn->reply_ms = at > conn->reply_ms ? at : conn->reply_ms;
    conn_excuse(conn, conn->reply_ms);
    sim_push(s, conn->reply_ms, conn_on_reply, conn);
}

/* ---- Arriving ----------------------------------------------------------- */

static void conn_on_popped(struct sim *s, void *arg, redisReply *reply)
{
    struct sim_call *c = arg;
    sim_trace(s, "%s: pops %s %s", c->conn->name,
              reply->elements > 0 ? reply->element[0]->str : "nothing",
              reply->elements > 0 ? reply->element[2]->str : "");
    conn_done(c->conn, c, reply);
}

/* The time of the first call that blocks is over: nil. */
static void conn_on_timeout(struct sim *s, void *arg)
{
    struct sim_conn *conn = arg;
    struct sim_call *c = conn->first;
    while (c != NULL && c->state != CALL_BLOCKED)
        c = c->next;
    if (c == NULL)
        return;
    int64_t wait_ms = 1000 * strtoll(c->argv[c->argc - 1], NULL, 10);
    if (s->now_ms < c->sent_ms + wait_ms)
        return; /* not this one */
    sim_redis_forget(s, c);
    conn_done(conn, c, sim_server_nil(s->server));
}

static void conn_carry_out(struct sim_conn *conn, struct sim_call *c)
{
    struct sim *s = conn->sim;
    if (c->loses_request) {
        sim_trace(s, "%s: %s is lost on its way", conn->name, c->argv[1]);
        c->failed = sim_chance(s, 500) ? STINT_UNREACHABLE : STINT_UNKNOWN;
        c->loses_reply = 0;
        conn_done(conn, c, NULL);
    } else if (strcmp(c->argv[0], "BZPOPMIN") == 0) {
        if (conn->store == NULL && !(s->faults & FAULT_GHOST)) {
            /* Behind the call Redis reads that the connection is closed. */
            conn_unlink(conn, c);
            call_free(c);
            return;
        }
        int64_t wait_ms = 1000 * strtoll(c->argv[c->argc - 1], NULL, 10);
        c->state = CALL_BLOCKED;
        sim_push(s, s->now_ms + wait_ms, conn_on_timeout, conn);
        sim_redis_wait(s, c->argc, c->argv, c->len, conn_on_popped, c);
    } else {
        conn_done(conn, c, sim_redis_call(s, conn->name, c->argc, c->argv,
                                          c->len));
    }
}

/* The first call that has not arrived yet does. */
static void conn_on_arrive(struct sim *s, void *arg)
{
    struct sim_conn *conn = arg;
    int64_t not_before = conn->store == NULL ? conn->late_ms : 0;
    if (not_before < s->stall_until_ms)
        not_before = s->stall_until_ms;
    if (not_before > s->now_ms) {
        sim_push(s, not_before, conn_on_arrive, conn);
        return;
    }
    struct sim_call *c = conn->first;
    while (c != NULL && c->state != CALL_SENT)
        c = c->next;
    if (c == NULL)
        return;
    /* Without the fault "late", what a closed socket holds comes soon. */
    if (conn->store == NULL && !(s->faults & FAULT_LATE) &&
        s->now_ms > conn->late_ms + 100)
        conn->n_late = 0;
    if (conn->store == NULL && conn->n_late-- <= 0) {
        conn_unlink(conn, c);
        call_free(c);
        return;
    }
    if (conn->store == NULL)
        sim_trace(s, "%s: %s arrives from a dead connection", conn->name,
                  c->argv[1]);
    s->from_dead = conn->store == NULL;
    conn_carry_out(conn, c);
    s->from_dead = 0;
}

/* ---- Dropping ----------------------------------------------------------- */

/* What has been sent and not carried out: some of it, from the first on, may
 * still arrive. */
static void conn_close(struct sim_conn *conn)
{
    struct sim *s = conn->sim;
    struct sim_store *st = conn->store;
    int is_down = s->down_until_ms > s->now_ms, n_sent = 0;
    for (struct sim_call *c = conn->first; c != NULL; c = c->next)
        n_sent += c->state == CALL_SENT;
    conn->n_late = is_down || n_sent == 0 ? 0
                   : (int)sim_random(s, (uint64_t)n_sent + 1);
    conn->late_ms = s->now_ms;
    if ((s->faults & FAULT_LATE) && !s->ends_quietly && sim_chance(s, 500))
        conn->late_ms += sim_between(s, 1, 12000);
    /* A server that was not told keeps whom it blocks, and wakes the dead. */
    int keeps = !is_down && (s->faults & FAULT_GHOST) && sim_chance(s, 300);
    int n = 0;
    for (struct sim_call *c = conn->first, *next; c != NULL; c = next) {
        next = c->next;
        enum stint_code code = STINT_UNKNOWN;
        if (c->state == CALL_SENT && n++ >= conn->n_late && sim_chance(s, 500))
            code = STINT_UNREACHABLE;
        store_fail(st, c->fn, c->arg, code);
        c->fn = NULL;
        if (c->state == CALL_SENT || (c->state == CALL_BLOCKED && keeps))
            continue;
        conn_unlink(conn, c);
        call_free(c);
    }
    conn->store = NULL;
    st->conn = NULL;
}

void sim_store_drop(struct sim_store *st, int64_t again_ms)
{
    struct sim *s = st->sim;
    if (st->conn == NULL || st->closed)
        return;
    sim_trace(s, "%s: the connection is lost", st->name);
    conn_close(st->conn);
    st->tell_lost = 1;
    store_soon(st);
    st->again_ms = s->now_ms + again_ms;
    st->gen++;
    sim_push(s, st->again_ms, store_connect, st);
}

void sim_store_drop_all(struct sim *s)
{
    for (struct sim_store *st = s->stores; st != NULL; st = st->next)
        sim_store_drop(st, sim_between(s, 1, 50));
}

int sim_store_is_late(const struct sim *s)
{
    for (const struct sim_conn *conn = s->conns; conn; conn = conn->next)
        if (conn->store == NULL && conn->n_late > 0 && conn->first != NULL)
            return 1;
        else if (conn->store != NULL && conn->first != NULL &&
                 (conn->arrive_ms > s->now_ms + 50 ||
                  conn->reply_ms > s->now_ms + 50))
            return 1;
    return 0;
}

/* The product's own way to drop one (exchange.c). */
void store_async_reset(struct store *base)
{
    sim_store_drop((struct sim_store *)base, 0);
}

/* Looks whether the oldest call is late. */
static void store_on_deadline(struct sim *s, void *arg)
{
    struct sim_store *st = arg;
    if (st->closed || sim_worker_defers(st->owner, store_on_deadline, st))
        return;
    st->deadline = 0;
    struct sim_call *c = st->conn != NULL ? st->conn->first : NULL;
    if (c == NULL)
        return;
    if (c->sent_ms + st->deadline_ms > s->now_ms) {
        st->deadline = 1;
        sim_push(s, c->sent_ms + st->deadline_ms, store_on_deadline, st);
        return;
    }
    sim_trace(s, "%s: no reply in time", st->name);
    sim_store_drop(st, sim_between(s, 1, 50));
}

/* ---- Connecting --------------------------------------------------------- */

static void store_connect(struct sim *s, void *arg)
{
    struct sim_store *st = arg;
    if (st->closed || st->conn != NULL || s->now_ms < st->again_ms ||
        sim_worker_defers(st->owner, store_connect, st))
        return;
    int64_t blocked_ms = s->down_until_ms > s->stall_until_ms
                             ? s->down_until_ms : s->stall_until_ms;
    if (blocked_ms > s->now_ms) {
        int64_t most = 50;
        for (int i = 0; i < st->attempts && most < 5000; i++)
            most *= 2;
        st->attempts++;
        st->again_ms = s->now_ms + sim_between(s, 1, most < 5000 ? most : 5000);
        sim_push(s, st->again_ms, store_connect, st);
        return;
    }
    struct sim_conn *conn = calloc(1, sizeof(*conn));
    check(conn != NULL);
    conn->sim = s;
    conn->store = st;
    conn->name = st->name;
    conn->next = s->conns;
    s->conns = conn;
    /* Without the fault "late" the dead ones are silent from now on. */
    for (struct sim_conn *old = conn->next; old != NULL; old = old->next)
        if (old->store == NULL && old->name == st->name &&
            !(s->faults & FAULT_LATE))
            old->n_late = 0;
    if (st->tell_lost)
        store_tell(s, st);
    st->conn = conn;
    sim_trace(s, "%s: connected", st->name);
    st->on_state(1, NULL, st->arg);
}

/* ---- The store ---------------------------------------------------------- */

static void store_send(struct sim_store *st, struct sim_call *c)
{
    struct sim *s = st->sim;
    struct sim_conn *conn = st->conn;
    c->conn = conn;
    c->sent_ms = s->now_ms;
    if (conn->last != NULL)
        conn->last->next = c;
    else
        conn->first = c;
    conn->last = c;
    if ((s->faults & FAULT_LOST) && !s->ends_quietly && sim_chance(s, 12)) {
        c->loses_request = sim_chance(s, 500);
        c->loses_reply = !c->loses_request;
        conn_excuse(conn, s->now_ms + 100);
    }
    int64_t at = s->now_ms + conn_delay(s);
    conn->arrive_ms = at > conn->arrive_ms ? at : conn->arrive_ms;
    conn_excuse(conn, conn->arrive_ms);
    sim_push(s, conn->arrive_ms, conn_on_arrive, conn);
    if (!st->deadline) {
        st->deadline = 1;
        sim_push(s, s->now_ms + st->deadline_ms, store_on_deadline, st);
    }
}

static void store_take(struct store *base, int argc, const char *const *argv,
                       const size_t *argv_len, store_reply_fn fn, void *arg)
{
    struct sim_store *st = (struct sim_store *)base;
    if (st->conn == NULL) {
        store_fail(st, fn, arg, STINT_UNREACHABLE);
        return;
    }
    struct sim_call *c = call_new(argc, argv, argv_len);
    c->fn = fn;
    c->arg = arg;
    store_send(st, c);
}

void sim_store_close(struct sim_store *st)
{
    if (st->closed)
        return;
    if (st->conn != NULL)
        conn_close(st->conn);
    st->closed = 1;
    while (st->failed != NULL) {
        struct sim_failure *f = st->failed;
        struct stint_err err = {STINT_CLOSED, "closed"};
        st->failed = f->next;
        if (st->failed == NULL)
            st->failed_end = &st->failed;
        f->fn(NULL, &err, f->arg);
        free(f);
    }
}

static void store_close(struct store *base)
{
    sim_store_close((struct sim_store *)base);
}

static const struct store_ops sim_store_ops = {.call = store_take,
                                               .close = store_close};

struct sim_store *sim_store_new(struct sim *s, struct sim_life *owner,
                                const char *name, int64_t deadline_ms,
                                store_state_fn on_state, void *arg)
{
    struct sim_store *st = calloc(1, sizeof(*st));
    check(st != NULL);
    st->base.ops = &sim_store_ops;
    st->sim = s;
    st->owner = owner;
    st->name = name;
    st->deadline_ms = deadline_ms;
    st->on_state = on_state;
    st->arg = arg;
    st->failed_end = &st->failed;
    st->next = s->stores;
    s->stores = st;
    sim_push(s, s->now_ms, store_connect, st);
    return st;
}

void sim_store_end(struct sim *s)
{
    for (struct sim_store *st = s->stores; st != NULL; st = st->next)
        sim_store_close(st);
    while (s->conns != NULL) {
        struct sim_conn *conn = s->conns;
        s->conns = conn->next;
        while (conn->first != NULL) {
            struct sim_call *c = conn->first;
            conn_unlink(conn, c);
            call_free(c);
        }
        free(conn);
    }
    while (s->stores != NULL) {
        struct sim_store *st = s->stores;
        s->stores = st->next;
        free(st);
    }
}
