/* SPDX-License-Identifier: MIT */
/* A sentinel is reached by an ordinary store, opened for one call. */
#include "sentinel.h"

#include <hiredis/hiredis.h>
#include <string.h>

#include "clock.h"
#include "err.h"
#include "store.h"

/* ---- The question and the answer ----------------------------------------- */

void sentinel_call(struct store *s, const struct conf *conf,
                   store_reply_fn fn, void *arg)
{
    const char *argv[] = {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", conf->master};
    const size_t len[] = {strlen(argv[0]), strlen(argv[1]), strlen(argv[2])};
    store_call(s, 3, argv, len, fn, arg);
}

static int port_read(const redisReply *r, int *port)
{
    long n = 0;
    if (r->type != REDIS_REPLY_STRING || r->len == 0 || r->len > 5)
        return -1;
    for (size_t i = 0; i < r->len; i++) {
        if (r->str[i] < '0' || r->str[i] > '9')
            return -1;
        n = n * 10 + (r->str[i] - '0');
    }
    *port = (int)n;
    return n > 0 && n < 65536 ? 0 : -1;
}

/* An address of two strings; nil: it does not know the name. */
int sentinel_answer(const redisReply *r, const struct conf *conf,
                    const char *asked, struct conf_node *to,
                    struct stint_err *err)
{
    if (r->type == REDIS_REPLY_ERROR) {
        struct stint_err why = {0};
        err_from_reply(&why, r->str, r->len);
        return err_set(err, why.code == STINT_AUTH ? STINT_AUTH
                                                   : STINT_UNREACHABLE,
                       "the sentinel at %.80s: %.100s", asked, why.text);
    }
    if (r->type == REDIS_REPLY_NIL ||
        (r->type == REDIS_REPLY_ARRAY && r->elements == 0))
        return err_set(err, STINT_UNREACHABLE, "the sentinel at %.80s knows no "
                       "primary %.80s", asked, conf->master);
    if (r->type != REDIS_REPLY_ARRAY || r->elements != 2 ||
        r->element[0]->type != REDIS_REPLY_STRING ||
        r->element[0]->len == 0 ||
        r->element[0]->len >= sizeof(to->host) ||
        strlen(r->element[0]->str) != r->element[0]->len ||
        port_read(r->element[1], &to->port) < 0)
        return err_set(err, STINT_UNREACHABLE, "the sentinel at %.80s answers "
                       "with no address", asked);
    memcpy(to->host, r->element[0]->str, r->element[0]->len + 1);
    return 0;
}

void sentinel_choose(const struct conf *conf, unsigned k, struct conf *at)
{
    conf_of_sentinel(at, conf,
                     &conf->nodes[k % (unsigned)conf->n_sentinels]);
}

/* ---- Blocking ------------------------------------------------------------- */

struct blocking {
    const struct conf *conf, *at;
    struct conf_node *to;
    struct stint_err err;
};

static void blocking_on_reply(const struct redisReply *reply,
                              const struct stint_err *err, void *arg)
{
    struct blocking *b = arg;
    if (reply == NULL)
        b->err = *err;
    else
        (void)sentinel_answer(reply, b->conf, b->at->shown, b->to, &b->err);
}

static int sentinel_ask_one(const struct conf *conf, unsigned k,
                            int64_t timeout_ms, struct conf_node *to,
                            struct stint_err *err)
{
    struct conf at;
    sentinel_choose(conf, k, &at);
    struct store *s = store_sync_open(&at, timeout_ms, err);
    if (s == NULL)
        return -1;
    struct blocking b = {.conf = conf, .at = &at, .to = to};
    sentinel_call(s, conf, blocking_on_reply, &b);
    s->ops->wait(s);
    s->ops->close(s);
    return b.err.code ? err_set(err, b.err.code, "%s", b.err.text) : 0;
}

int sentinel_ask(const struct conf *conf, unsigned *first, int64_t timeout_ms,
                 struct conf_node *to, struct stint_err *err)
{
    int64_t until = clock_mono_ms() + timeout_ms;
    struct stint_err why = {0};
    for (int i = 0; i < conf->n_sentinels; i++) {
        struct stint_err one = {0};
        int64_t left = until - clock_mono_ms();
        if (left <= 0 && i > 0)
            break;
        if (left < SENTINEL_ASK_MIN_MS) /* one is asked anyway: it says why */
            left = SENTINEL_ASK_MIN_MS;
        if (sentinel_ask_one(conf, *first, left < SENTINEL_ASK_MS
                             ? left : SENTINEL_ASK_MS, to, &one) == 0)
            return 0;
        err_set(&why, one.code, "%s", one.text);
        ++*first;
    }
    return err_set(err, why.code, "%s", why.text);
}
