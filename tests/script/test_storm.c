/* SPDX-License-Identifier: MIT */
/* Many connections that lose Redis at once, again and again: all are back soon
 * and work, and they do not run it down meanwhile. And a Redis that takes no
 * more connections, or that closes idle ones. Rows 56, 57, 63 and 65.
 *   test_storm [CONNECTIONS [RESTARTS]]   (200 4; the long form: 500 100) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>

#include "clock.h"
#include "conf.h"
#include "server.h"
#include "store.h"

static int n_connections = 200, n_restarts = 4;

struct one {
    struct store *store;
    int connected, n_replies, n_unknown;
    enum stint_code code;
    char why[STINT_ERROR_LEN];
};

static void on_state(int connected, const struct stint_err *why, void *arg)
{
    struct one *o = arg;

    o->connected = connected;
    o->code = why ? why->code : STINT_OK;
    snprintf(o->why, sizeof(o->why), "%s", why ? why->text : "");
}

static void on_reply(const redisReply *reply, const struct stint_err *err,
                     void *arg)
{
    struct one *o = arg;

    if (reply && reply->type != REDIS_REPLY_ERROR)
        o->n_replies++;
    else if (!reply)
        o->n_unknown += err->code == STINT_UNKNOWN;
}

static void call(struct store *s, store_reply_fn fn, void *arg, int argc,
                 const char *a, const char *b, const char *c, const char *d)
{
    const char *argv[] = {a, b, c, d};
    size_t len[4];

    for (int i = 0; i < argc; i++)
        len[i] = strlen(argv[i]);
    store_call(s, argc, argv, len, fn, arg);
}

static void loop_for(struct event_base *base, int ms)
{
    struct timeval tv = {0, ms * 1000};

    event_base_loopexit(base, &tv);
    event_base_loop(base, 0);
}

struct info {
    const char *name;
    long value;
};

static void on_info(const redisReply *reply, const struct stint_err *err,
                    void *arg)
{
    struct info *i = arg;

    assert_non_null(reply);
    (void)err;
    const char *at = strstr(reply->str, i->name);
    i->value = at ? atol(at + strlen(i->name)) : -1;
}

static long info_get(const struct server *server, const char *section,
                     const char *name)
{
    struct info info = {name, -1};
    struct stint_err err = {0};
    struct conf conf;

    assert_int_equal(conf_parse_url(&conf, server->url, &err), 0);
    struct store *s = store_sync_open(&conf, 5000, &err);
    assert_non_null(s);
    call(s, on_info, &info, 2, "INFO", section, NULL, NULL);
    s->ops->wait(s);
    s->ops->close(s);
    return info.value;
}

static int n_where(const struct one *all, int connected, int n_replies)
{
    int n = 0;

    for (int i = 0; i < n_connections; i++)
        n += all[i].connected == connected && all[i].n_replies >= n_replies;
    return n;
}

/* All connected, and each has an answer to a call of its own. */
static int64_t all_work(struct event_base *base, struct one *all, int most_ms)
{
    int64_t from = clock_mono_ms(), ms = 0;

    for (int i = 0; i < n_connections; i++)
        all[i].n_replies = 0;
    while (n_where(all, 1, 1) < n_connections && ms < most_ms) {
        for (int i = 0; i < n_connections; i++)
            if (all[i].connected == 1 && all[i].n_replies == 0)
                call(all[i].store, on_reply, &all[i], 1, "PING", NULL, NULL,
                     NULL);
        loop_for(base, 20);
        ms = clock_mono_ms() - from;
    }
    assert_int_equal(n_where(all, 1, 1), n_connections);
    return ms;
}

static void test_storm(void **state)
{
    struct stint_err err = {0};
    struct server server;
    struct conf conf;
    struct one *all = calloc((size_t)n_connections, sizeof(*all));
    int64_t slowest_ms = 0;
    long connects = 0;

    (void)state;
    assert_non_null(all);
    server_start(&server);
    assert_int_equal(conf_parse_url(&conf, server.url, &err), 0);
    struct event_base *base = event_base_new();
    for (int i = 0; i < n_connections; i++) {
        all[i].store = store_async_open(&conf, base, 5000, on_state, &all[i],
                                        &err);
        assert_non_null(all[i].store);
    }
    all_work(base, all, 10000);
    for (int k = 0; k < n_restarts; k++) {
        server_kill(&server);
        loop_for(base, 100 + 150 * (k % 4)); /* away for up to half a second */
        server_restart(&server);
        int64_t ms = all_work(base, all, 15000);
        slowest_ms = ms > slowest_ms ? ms : slowest_ms;
        /* All since the restart, but for two of server.c and info_get. */
        long n = info_get(&server, "stats", "total_connections_received:") - 2;
        connects += n;
        assert_true(n <= 4L * n_connections);
    }
    print_message("%d connections, %d restarts: all work within %d ms, %ld "
                  "connects\n", n_connections, n_restarts, (int)slowest_ms,
                  connects);
    assert_true(slowest_ms <= 10000);

    /* All are cut by a Redis that lives: each resumes. */
    for (int k = 0; k < n_restarts / 2; k++) {
        struct one admin = {0};
        struct store *s = store_sync_open(&conf, 5000, &err);
        assert_non_null(s);
        call(s, on_reply, &admin, 4, "CLIENT", "KILL", "TYPE", "normal");
        s->ops->wait(s);
        s->ops->close(s);
        all_work(base, all, 15000);
    }
    for (int i = 0; i < n_connections; i++)
        all[i].store->ops->close(all[i].store);
    event_base_free(base);
    free(all);
    server_stop(&server);
}

static void set(const struct server *server, const char *name,
                const char *value)
{
    struct one one = {0};
    struct stint_err err = {0};
    struct conf conf;

    assert_int_equal(conf_parse_url(&conf, server->url, &err), 0);
    struct store *s = store_sync_open(&conf, 5000, &err);
    assert_non_null(s);
    call(s, on_reply, &one, 4, "CONFIG", "SET", name, value);
    s->ops->wait(s);
    s->ops->close(s);
    assert_int_equal(one.n_replies, 1);
}

/* No place is free: said so, tried again without haste, and in at last. */
static void test_maxclients(void **state)
{
    struct stint_err err = {0};
    struct one one = {.connected = -1};
    struct store *full[8];
    struct server server;
    struct conf conf;

    (void)state;
    server_start(&server);
    set(&server, "maxclients", "8");
    assert_int_equal(conf_parse_url(&conf, server.url, &err), 0);
    for (int i = 0; i < 8; i++) {
        full[i] = store_sync_open(&conf, 2000, &err);
        if (!full[i]) { /* that of `set` was not gone yet */
            memset(&err, 0, sizeof(err));
            i--;
        }
    }
    assert_null(store_sync_open(&conf, 2000, &err));
    assert_int_equal(err.code, STINT_UNREACHABLE);
    assert_non_null(strstr(err.text, "max number of clients"));
    struct event_base *base = event_base_new();
    struct store *s = store_async_open(&conf, base, 2000, on_state, &one, &err);
    for (int i = 0; i < 200 && one.connected < 0; i++)
        loop_for(base, 10);
    assert_int_equal(one.connected, 0);
    assert_int_equal(one.code, STINT_UNREACHABLE);
    assert_non_null(strstr(one.why, "max number of clients"));
    loop_for(base, 900);
    full[0]->ops->close(full[0]);
    for (int i = 0; i < 1000 && one.connected != 1; i++)
        loop_for(base, 10);
    assert_int_equal(one.connected, 1);
    s->ops->close(s);
    for (int i = 1; i < 8; i++)
        full[i]->ops->close(full[i]);
    long refused = info_get(&server, "stats", "rejected_connections:");
    print_message("refused %ld times\n", refused);
    assert_true(refused >= 2 && refused < 100);
    event_base_free(base);
    server_stop(&server);
}

/* Whoever is idle for a second is cut off, as by a proxy: the next call of a
 * blocking store notices nothing, and a store on a loop is back at once. */
static void test_idle_cut(void **state)
{
    struct stint_err err = {0};
    struct one sync = {0}, async = {.connected = -1};
    struct server server;
    struct conf conf;

    (void)state;
    server_start(&server);
    set(&server, "timeout", "1");
    assert_int_equal(conf_parse_url(&conf, server.url, &err), 0);
    struct store *blocking = store_sync_open(&conf, 2000, &err);
    struct event_base *base = event_base_new();
    struct store *s = store_async_open(&conf, base, 2000, on_state, &async,
                                       &err);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 30; i++)
            loop_for(base, 100);
        call(blocking, on_reply, &sync, 1, "PING", NULL, NULL, NULL);
        blocking->ops->wait(blocking);
        assert_int_equal(sync.n_replies, round + 1);
        for (int i = 0; i < 200 && async.n_replies <= round; i++) {
            if (async.connected == 1)
                call(s, on_reply, &async, 1, "PING", NULL, NULL, NULL);
            loop_for(base, 50);
        }
        assert_true(async.n_replies > round);
        assert_int_equal(sync.n_unknown, 0);
    }
    s->ops->close(s);
    blocking->ops->close(blocking);
    event_base_free(base);
    server_stop(&server);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_storm),
                                       cmocka_unit_test(test_maxclients),
                                       cmocka_unit_test(test_idle_cut)};
    if (argc > 1)
        n_connections = atoi(argv[1]);
    if (argc > 2)
        n_restarts = atoi(argv[2]);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
