/* SPDX-License-Identifier: MIT */
#include "store_memory.h"

#include <hiredis/hiredis.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "err.h"

/* HELD: waits behind a call that blocks. */
enum call_state { CALL_HELD, CALL_BLOCKED, CALL_DONE };

struct memory_call {
    struct memory_call *next;
    store_reply_fn fn;
    void *arg;
    enum call_state state;
    struct reply reply;  /* DONE; without a root: the connection was reset */
    int argc;            /* HELD, BLOCKED: copies */
    struct arg *argv;    /* owned, in one block with what it points to */
    int64_t until_us;    /* BLOCKED: INT64_MAX: for ever */
    uint64_t order;      /* BLOCKED: of all that ever did */
};

struct memory_conn {
    struct store base; /* first */
    struct memory *m;
    struct memory_conn *next, **here; /* in m->conns */
    struct memory_call *first, **end; /* outstanding */
    int is_blocked;                   /* one of them is */
};

/* ---- Carrying out -------------------------------------------------------- */

static void call_copy_args(struct memory_call *call, int argc,
                           const struct arg *argv)
{
    size_t bytes = (size_t)argc * sizeof(*argv);
    for (int i = 0; i < argc; i++)
        bytes += argv[i].len;
    call->argc = argc;
    call->argv = memory_alloc(bytes);
    char *at = (char *)(call->argv + argc);
    for (int i = 0; i < argc; i++) {
        memcpy(at, argv[i].at, argv[i].len);
        call->argv[i] = (struct arg){at, argv[i].len};
        at += argv[i].len;
    }
}

static void call_done(struct memory_call *call)
{
    call->state = CALL_DONE;
    free(call->argv);
    call->argv = NULL;
}

/* When a BZPOPMIN that found nothing ends. */
static int64_t call_end_us(const struct memory *m, const struct arg *timeout)
{
    char text[32];
    size_t len = timeout->len < sizeof(text) ? timeout->len : 0;
    memcpy(text, timeout->at, len);
    text[len] = '\0';
    double seconds = strtod(text, NULL);
    return seconds > 0 && seconds < 1e9
               ? m->now_us + (int64_t)ceil(seconds * 1e6)
               : INT64_MAX;
}

/* 1: it is done; 0: it blocks, its arguments are copied. */
static int call_carry_out(struct memory_conn *conn, struct memory_call *call,
                          int argc, const struct arg *argv)
{
    struct memory *m = conn->m;
    struct out out;
    out_to_reply(&out, &call->reply);
    memory_call(m, argc, argv, &out);
    int is_pop = argc > 2 && arg_is(&argv[0], "BZPOPMIN");
    if (!is_pop || call->reply.root->type != REDIS_REPLY_NIL) {
        call_done(call);
        return 1;
    }
    reply_free(&call->reply);
    call->state = CALL_BLOCKED;
    if (call->argv == NULL)
        call_copy_args(call, argc, argv);
    call->until_us = call_end_us(m, &call->argv[argc - 1]);
    call->order = ++m->n_blocked;
    conn->is_blocked = 1;
    return 0;
}

static struct memory_call *conn_blocked(const struct memory_conn *conn)
{
    struct memory_call *call = conn->first;
    while (call != NULL && call->state != CALL_BLOCKED)
        call = call->next;
    return call;
}

/* What stood behind a call that blocked. */
static void conn_go_on(struct memory_conn *conn)
{
    struct memory_call *call = conn->first;
    conn->is_blocked = 0;
    for (; call != NULL; call = call->next)
        if (call->state == CALL_HELD &&
            !call_carry_out(conn, call, call->argc, call->argv))
            return;
}

/* ---- Those that block ---------------------------------------------------- */

/* The one that has blocked for longest of those behind `order`, and, if
 * `over`, whose time is over. */
static struct memory_conn *conns_longest(const struct memory *m,
                                         uint64_t order, int over)
{
    struct memory_conn *found = NULL;
    uint64_t least = UINT64_MAX;
    for (struct memory_conn *conn = m->conns; conn != NULL; conn = conn->next) {
        const struct memory_call *call =
            conn->is_blocked ? conn_blocked(conn) : NULL;
        if (call == NULL || call->order <= order || call->order >= least ||
            (over && call->until_us > m->now_us))
            continue;
        found = conn;
        least = call->order;
    }
    return found;
}

/* Something was added: who waits for it, first come, first served? */
static void conns_serve(struct memory *m)
{
    while (m->is_pushed) {
        uint64_t order = 0;
        m->is_pushed = 0;
        for (struct memory_conn *conn;
             (conn = conns_longest(m, order, 0)) != NULL;) {
            struct memory_call *call = conn_blocked(conn);
            struct out out;
            order = call->order;
            out_to_reply(&out, &call->reply);
            memory_call(m, call->argc, call->argv, &out);
            if (call->reply.root->type == REDIS_REPLY_NIL) {
                reply_free(&call->reply);
                continue;
            }
            call_done(call);
            conn_go_on(conn);
        }
    }
}

static void conn_end_wait(struct memory_conn *conn, struct memory_call *call)
{
    struct out out;
    out_to_reply(&out, &call->reply);
    out_nil(&out);
    call_done(call);
    conn_go_on(conn);
    conns_serve(conn->m);
}

void conns_time_out(struct memory *m)
{
    struct memory_conn *conn;
    while ((conn = conns_longest(m, 0, 1)) != NULL)
        conn_end_wait(conn, conn_blocked(conn));
}

int64_t conns_next_us(const struct memory *m)
{
    int64_t next = INT64_MAX;
    for (struct memory_conn *conn = m->conns; conn != NULL; conn = conn->next) {
        const struct memory_call *call = conn_blocked(conn);
        if (call != NULL && call->until_us < next)
            next = call->until_us;
    }
    return next;
}

/* ---- The store ----------------------------------------------------------- */

static void memory_store_call(struct store *base, int argc,
                              const char *const *argv, const size_t *argv_len,
                              store_reply_fn fn, void *arg)
{
    struct memory_conn *conn = (struct memory_conn *)base;
    struct memory_call *call = memory_calloc(1, sizeof(*call));
    struct arg few[64], *args = few;
    if (argc > 64)
        args = memory_alloc((size_t)argc * sizeof(*args));
    for (int i = 0; i < argc; i++)
        args[i] = (struct arg){argv[i], argv_len != NULL ? argv_len[i]
                                                         : strlen(argv[i])};
    call->fn = fn;
    call->arg = arg;
    *conn->end = call;
    conn->end = &call->next;
    if (conn->is_blocked)
        call_copy_args(call, argc, args);
    else if (call_carry_out(conn, call, argc, args))
        conns_serve(conn->m);
    if (args != few)
        free(args);
}

static struct memory_call *conn_take(struct memory_conn *conn)
{
    struct memory_call *call = conn->first;
    conn->first = call->next;
    if (conn->first == NULL)
        conn->end = &conn->first;
    return call;
}

int store_memory_step(struct store *base)
{
    struct memory_conn *conn = (struct memory_conn *)base;
    int n = 0;
    for (; conn->first != NULL && conn->first->state == CALL_DONE; n++) {
        struct memory_call *call = conn_take(conn);
        struct stint_err err = {0};
        if (call->reply.root == NULL)
            err_set(&err, STINT_UNKNOWN, "the connection is made anew");
        call->fn(call->reply.root, call->reply.root != NULL ? NULL : &err,
                 call->arg);
        reply_free(&call->reply);
        free(call);
    }
    return n;
}

static void memory_store_wait(struct store *base)
{
    struct memory_conn *conn = (struct memory_conn *)base;
    while (conn->first != NULL) {
        (void)store_memory_step(base);
        if (conn->first != NULL)
            conn_end_wait(conn, conn->first);
    }
}

static void conn_fail(struct memory_conn *conn)
{
    struct stint_err err = {0};
    conn->is_blocked = 0;
    err_set(&err, STINT_UNREACHABLE, "closed");
    while (conn->first != NULL) {
        struct memory_call *call = conn_take(conn);
        call->fn(NULL, &err, call->arg);
        reply_free(&call->reply);
        free(call->argv);
        free(call);
    }
}

static void memory_store_close(struct store *base)
{
    struct memory_conn *conn = (struct memory_conn *)base;
    struct memory *m = conn->m;
    conn_fail(conn);
    *conn->here = conn->next;
    if (conn->next != NULL)
        conn->next->here = conn->here;
    else
        m->conns_end = conn->here;
    free(conn);
    memory_unref(m);
}

/* What is outstanding is lost, as with a connection. */
static void memory_store_reset(struct store *base)
{
    struct memory_conn *conn = (struct memory_conn *)base;
    conn->is_blocked = 0;
    for (struct memory_call *call = conn->first; call != NULL;
         call = call->next) {
        reply_free(&call->reply);
        call_done(call);
    }
}

static const struct store_ops memory_store_ops = {
    .call = memory_store_call,
    .wait = memory_store_wait,
    .close = memory_store_close,
    .reset = memory_store_reset,
};

struct store *store_memory_open(struct memory *m)
{
    struct memory_conn *conn = memory_calloc(1, sizeof(*conn));
    conn->base.ops = &memory_store_ops;
    conn->m = m;
    conn->end = &conn->first;
    conn->here = m->conns_end;
    *m->conns_end = conn;
    m->conns_end = &conn->next;
    memory_ref(m);
    return &conn->base;
}
