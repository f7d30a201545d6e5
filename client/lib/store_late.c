/* SPDX-License-Identifier: MIT */
#include "store_late.h"

#include <stdlib.h>

#include "err.h"
#include "store_net.h"

struct store_late {
    struct store base;
    struct conf conf;
    int64_t timeout_ms;
    struct store *real; /* NULL: not reached yet */
    struct calls calls; /* that wait for their failure */
    struct stint_err why;
    int tried; /* since the last wait */
};

static int late_ready(struct store_late *s)
{
    if (s->real == NULL && !s->tried) {
        s->why = (struct stint_err){0};
        s->real = store_sync_open(&s->conf, s->timeout_ms, &s->why);
        s->tried = 1;
    }
    return s->real != NULL;
}

static void late_call_at(struct store *base, const char *key, int argc,
                         const char *const *argv, const size_t *argv_len,
                         store_reply_fn fn, void *arg)
{
    struct store_late *s = (struct store_late *)base;
    struct call call = {.fn = fn, .arg = arg, .failed = STINT_UNREACHABLE};
    if (s->calls.n == 0 && late_ready(s)) {
        if (key != NULL)
            store_call_at(s->real, key, argc, argv, argv_len, fn, arg);
        else
            store_call(s->real, argc, argv, argv_len, fn, arg);
    } else if (calls_reserve(&s->calls, s->calls.n + 1)) {
        call_lacks_memory(fn, arg);
    } else {
        calls_push(&s->calls, &call);
    }
}

static void late_call(struct store *base, int argc, const char *const *argv,
                      const size_t *argv_len, store_reply_fn fn, void *arg)
{
    late_call_at(base, NULL, argc, argv, argv_len, fn, arg);
}

static void late_wait(struct store *base)
{
    struct store_late *s = (struct store_late *)base;
    while (s->calls.n > 0) {
        struct call call = calls_pop(&s->calls);
        struct stint_err err = s->why;
        call.fn(NULL, &err, call.arg);
    }
    s->tried = 0;
    if (s->real != NULL)
        s->real->ops->wait(s->real);
}

static void late_close(struct store *base)
{
    struct store_late *s = (struct store_late *)base;
    s->tried = 1; /* calls made by callbacks fail, too */
    err_set(&s->why, STINT_UNREACHABLE, "closed");
    late_wait(base);
    if (s->real != NULL)
        s->real->ops->close(s->real);
    calls_close(&s->calls);
    free(s);
}

static int late_is_cluster(const struct store *base)
{
    return ((const struct store_late *)base)->conf.n_nodes > 0;
}

struct store *store_late_open(const struct conf *conf, int64_t timeout_ms,
                              struct stint_err *err)
{
    static const struct store_ops ops = {.call = late_call, .wait = late_wait,
                                         .close = late_close,
                                         .call_at = late_call_at,
                                         .is_cluster = late_is_cluster};
    struct store_late *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    *s = (struct store_late){.base = {&ops}, .conf = *conf,
                             .timeout_ms = timeout_ms};
    return &s->base;
}
