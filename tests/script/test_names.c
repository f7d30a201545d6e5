/* SPDX-License-Identifier: MIT */
/* Names of hosts: looked up at each connect, so that a failover by DNS is
 * followed, and never by the loop, which goes on however slow the resolver is.
 * This file has a getaddrinfo of its own. Row 60 of the catalogue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <dlfcn.h>
#include <netdb.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>

#include "clock.h"
#include "conf.h"
#include "server.h"
#include "store.h"

/* ---- The resolver -------------------------------------------------------------- */

static atomic_int slow_ms, n_asked;
static _Atomic(const char *) answer = "127.0.0.1";

typedef int (*getaddrinfo_fn)(const char *, const char *,
                              const struct addrinfo *, struct addrinfo **);

int getaddrinfo(const char *node, const char *service,
                const struct addrinfo *hints, struct addrinfo **list)
{
    getaddrinfo_fn real;
    void *at = dlsym(RTLD_NEXT, "getaddrinfo");

    memcpy(&real, &at, sizeof(real));
    if (node == NULL || strcmp(node, "redis.test") != 0)
        return real(node, service, hints, list);
    if (hints->ai_flags & AI_NUMERICHOST)
        return EAI_NONAME;
    int ms = atomic_load(&slow_ms);
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&pause, NULL);
    atomic_fetch_add(&n_asked, 1);
    const char *address = atomic_load(&answer);
    return address != NULL ? real(address, service, hints, list) : EAI_AGAIN;
}

/* ---- The tests ------------------------------------------------------------------ */

struct seen {
    int connected, n_lost, n_ticks, n_ok;
    int64_t last_ms, gap_ms; /* of ticks */
    char why[STINT_ERROR_LEN];
};

static void on_state(int connected, const struct stint_err *why, void *arg)
{
    struct seen *s = arg;

    s->connected = connected;
    s->n_lost += !connected;
    if (why)
        snprintf(s->why, sizeof(s->why), "%s", why->text);
}

static void on_reply(const redisReply *reply, const struct stint_err *err,
                     void *arg)
{
    struct seen *s = arg;

    (void)err;
    s->n_ok += reply != NULL;
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct seen *s = arg;
    int64_t now = clock_mono_ms();

    (void)fd, (void)what;
    if (s->n_ticks++ > 0 && now - s->last_ms > s->gap_ms)
        s->gap_ms = now - s->last_ms;
    s->last_ms = now;
}

static void loop_until(struct event_base *base, const int *value, int wanted)
{
    for (int i = 0; i < 1000 && *value != wanted; i++) {
        struct timeval tv = {0, 10000};
        event_base_loopexit(base, &tv);
        event_base_loop(base, 0);
    }
    assert_int_equal(*value, wanted);
}

/* The server's port: it listens on TCP, too, at 127.0.0.1 only. */
static int server_port(const struct server *server)
{
    struct stint_err err = {0};
    struct conf conf;
    int port = 20000 + rand() % 10000;

    for (int tries = 0; tries < 50; tries++, port++) {
        char text[16];
        struct seen seen = {0};
        const char *argv[] = {"CONFIG", "SET", "bind", "127.0.0.1", "port",
                              text};
        snprintf(text, sizeof(text), "%d", port);
        assert_int_equal(conf_parse_url(&conf, server->url, &err), 0);
        struct store *s = store_sync_open(&conf, 2000, &err);
        assert_non_null(s);
        const size_t len[] = {6, 3, 4, 9, 4, strlen(text)};
        store_call(s, 6, argv, len, on_reply, &seen);
        s->ops->wait(s);
        s->ops->close(s);
        char url[60];
        snprintf(url, sizeof(url), "redis://127.0.0.1:%d", port);
        assert_int_equal(conf_parse_url(&conf, url, &err), 0);
        s = store_sync_open(&conf, 2000, &err);
        if (s) {
            s->ops->close(s);
            return port;
        }
        memset(&err, 0, sizeof(err));
    }
    fail_msg("no port");
    return 0;
}

static void test_sync(void **state)
{
    struct stint_err err = {0};
    struct server server;
    struct conf conf;
    char url[60];

    (void)state;
    srand((unsigned)clock_mono_us());
    server_start(&server);
    snprintf(url, sizeof(url), "redis://redis.test:%d", server_port(&server));
    assert_int_equal(conf_parse_url(&conf, url, &err), 0);
    struct store *s = store_sync_open(&conf, 1000, &err);
    assert_non_null(s);
    s->ops->close(s);

    /* Slower than the caller has time. */
    atomic_store(&slow_ms, 3000);
    int64_t from = clock_mono_ms();
    assert_null(store_sync_open(&conf, 300, &err));
    assert_true(clock_mono_ms() - from < 1500);
    assert_int_equal(err.code, STINT_UNREACHABLE);
    assert_non_null(strstr(err.text, "look up redis.test"));
    atomic_store(&slow_ms, 0);

    /* Nobody knows it. */
    atomic_store(&answer, NULL);
    memset(&err, 0, sizeof(err));
    assert_null(store_sync_open(&conf, 1000, &err));
    assert_non_null(strstr(err.text, "redis.test"));
    atomic_store(&answer, "127.0.0.1");
    server_stop(&server);
}

static void test_async(void **state)
{
    struct stint_err err = {0};
    struct seen seen = {.connected = -1};
    struct server server;
    struct conf conf;
    char url[60];
    const struct timeval tick = {0, 10000};

    (void)state;
    server_start(&server);
    snprintf(url, sizeof(url), "redis://redis.test:%d", server_port(&server));
    assert_int_equal(conf_parse_url(&conf, url, &err), 0);
    struct event_base *base = event_base_new();
    struct event *timer = event_new(base, -1, EV_PERSIST, on_tick, &seen);
    event_add(timer, &tick);

    /* The loop goes on while the resolver thinks. */
    atomic_store(&slow_ms, 1500);
    int64_t from = clock_mono_ms();
    struct store *s = store_async_open(&conf, base, 3000, on_state, &seen,
                                       &err);
    loop_until(base, &seen.connected, 1);
    assert_true(clock_mono_ms() - from >= 1400);
    assert_true(seen.n_ticks > 20);
    print_message("longest gap of the loop: %d ms\n", (int)seen.gap_ms);
    assert_true(seen.gap_ms < 1000);

    /* Another address, by the next connection: nobody is there, then here. */
    atomic_store(&slow_ms, 0);
    atomic_store(&answer, "127.7.7.7");
    int asked = atomic_load(&n_asked);
    store_async_reset(s);
    seen.n_lost = 0;
    loop_until(base, &seen.connected, 0);
    atomic_store(&answer, "127.0.0.1");
    loop_until(base, &seen.connected, 1);
    assert_true(atomic_load(&n_asked) >= asked + 1);

    /* No answer at all for a while; then closed while it still thinks. */
    atomic_store(&answer, NULL);
    store_async_reset(s);
    loop_until(base, &seen.connected, 0);
    atomic_store(&answer, "127.0.0.1");
    loop_until(base, &seen.connected, 1);
    atomic_store(&slow_ms, 500);
    store_async_reset(s);
    const struct timeval soon = {0, 50000};
    event_base_loopexit(base, &soon);
    event_base_loop(base, 0);
    from = clock_mono_ms();
    s->ops->close(s);
    assert_true(clock_mono_ms() - from < 300);
    event_free(timer);
    event_base_free(base);
    const struct timespec rest = {0, 700000000}; /* of the resolver's thread */
    nanosleep(&rest, NULL);
    server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sync),
                                       cmocka_unit_test(test_async)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
