/* SPDX-License-Identifier: MIT */
/* The life of a broker: it listens, serves and stops. */
#define _GNU_SOURCE /* struct sigaction in signal.h with strict C */
#include "http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LISTEN_DEFAULT "127.0.0.1:7420"
#define BACKLOG        128

static int fail(struct stint_err *err, enum stint_code code,
                const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static int fail(struct stint_err *err, enum stint_code code,
                const char *format, ...)
{
    va_list ap;
    err->code = code;
    va_start(ap, format);
    vsnprintf(err->text, sizeof(err->text), format, ap);
    va_end(ap);
    return -1;
}

/* ---- Listening ----------------------------------------------------------- */

static struct bufferevent *server_on_accept(struct event_base *base, void *arg)
{
    struct server *s = arg;
    struct bufferevent *bev =
        s->access.tls != NULL
            ? https_accept(s->access.tls, base)
            : bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    struct conn *c = bev != NULL ? conn_new(&s->conns, bev) : NULL;
    if (c == NULL)
        return bev;
    if (s->conns.n > HTTP_CONNS_MAX)
        conn_refuse_later(c);
    for (size_t i = 0; i < s->n_listeners; i++)
        if (s->conns.n >= HTTP_CONNS_MAX + HTTP_CONNS_SPARE)
            evconnlistener_disable(s->listeners[i]);
    return bev;
}

/* "127.0.0.1:7420", "[::1]:0", "localhost:7420" */
static int listen_parse(const char *text, struct sockaddr_storage *at,
                        int *len, struct stint_err *err)
{
    char numeric[80];
    *len = sizeof(*at);
    memset(at, 0, sizeof(*at));
    if (strncmp(text, "localhost:", 10) == 0) {
        snprintf(numeric, sizeof(numeric), "127.0.0.1:%s", text + 10);
        text = numeric;
    }
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon[1] < '0' || colon[1] > '9' ||
        strlen(colon + 1) > 5 || atol(colon + 1) > 65535)
        return fail(err, STINT_INVALID, "listen: %.80s: no ADDRESS:PORT",
                    text);
    /* It takes no port 0. */
    char address[80];
    const int is_any = atol(colon + 1) == 0;
    snprintf(address, sizeof(address), "%.*s:%s", (int)(colon - text), text,
             is_any ? "1" : colon + 1);
    if (strlen(text) > 70 ||
        evutil_parse_sockaddr_port(address, (struct sockaddr *)at, len) < 0)
        return fail(err, STINT_INVALID, "listen: %.80s: no ADDRESS:PORT",
                    text);
    if (is_any && at->ss_family == AF_INET6)
        ((struct sockaddr_in6 *)at)->sin6_port = 0;
    else if (is_any)
        ((struct sockaddr_in *)at)->sin_port = 0;
    return 0;
}

/* What listens where, before anything listens at all. */
static int listen_check(struct server *s, const char *text,
                        struct stint_err *err)
{
    struct sockaddr_storage at;
    char host[64] = "", name[70];
    int len;
    if (listen_parse(text, &at, &len, err) < 0)
        return -1;
    int is_6 = at.ss_family == AF_INET6;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&at;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&at;
    inet_ntop(at.ss_family, is_6 ? (const void *)&v6->sin6_addr
                                 : (const void *)&v4->sin_addr,
              host, sizeof(host));
    snprintf(name, sizeof(name), "%s%s%s", is_6 ? "[" : "", host,
             is_6 ? "]" : "");
    return access_listens(&s->access, name, rate_is_loopback(host),
                          strcmp(host, "0.0.0.0") == 0 ||
                              strcmp(host, "::") == 0, err);
}

/* Says where, with the port that it got. */
static void listen_tell(struct server *s, struct evconnlistener *l)
{
    struct sockaddr_storage at;
    socklen_t len = sizeof(at);
    char host[64] = "", url[100];
    if (getsockname(evconnlistener_get_fd(l), (struct sockaddr *)&at, &len))
        return;
    int is_6 = at.ss_family == AF_INET6;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)&at;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)&at;
    inet_ntop(at.ss_family, is_6 ? (const void *)&v6->sin6_addr
                                 : (const void *)&v4->sin_addr,
              host, sizeof(host));
    snprintf(url, sizeof(url), "%s://%s%s%s:%d",
             s->access.tls != NULL ? "https" : "http", is_6 ? "[" : "", host,
             is_6 ? "]" : "", ntohs(is_6 ? v6->sin6_port : v4->sin_port));
    server_say(s, STINT_LOG_INFO, "listen", log_text("url", url));
    if (s->o->listening != NULL)
        s->o->listening(url, s->o->listening_arg);
}

static int server_listen_at(struct server *s, const char *text,
                            struct stint_err *err)
{
    struct sockaddr_storage at;
    int len;
    if (listen_parse(text, &at, &len, err) < 0)
        return -1;
    if (s->n_listeners == HTTP_LISTENS_MAX)
        return fail(err, STINT_INVALID, "listen: %d addresses at most",
                    HTTP_LISTENS_MAX);
    unsigned flags = LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
                     LEV_OPT_REUSEABLE;
    if (at.ss_family == AF_INET6)
        flags |= LEV_OPT_BIND_IPV6ONLY;
    struct evconnlistener *l = evconnlistener_new_bind(
        s->base, NULL, NULL, flags, BACKLOG,
        (struct sockaddr *)&at, len);
    if (l == NULL)
        return fail(err, STINT_SYSTEM, "cannot listen on %.80s: %s", text,
                    strerror(errno));
    /* What it accepts is the same: the end of a long answer does not wait until
     * the client has acknowledged the rest, which takes 40 ms. */
    int on = 1;
    setsockopt(evconnlistener_get_fd(l), IPPROTO_TCP, TCP_NODELAY, &on,
               sizeof(on));
    if (evhttp_bind_listener(s->http, l) == NULL) {
        evconnlistener_free(l);
        return fail(err, STINT_NOMEM, "out of memory");
    }
    s->listeners[s->n_listeners++] = l;
    listen_tell(s, l);
    return 0;
}

static int server_listen(struct server *s, struct stint_err *err)
{
    struct settings_words *listen = &s->settings.listen;
    if (listen->n == 0)
        listen->at[listen->n++] = LISTEN_DEFAULT;
    for (size_t i = 0; i < listen->n; i++)
        if (listen_check(s, listen->at[i], err) < 0)
            return -1;
    for (size_t i = 0; i < listen->n; i++)
        if (server_listen_at(s, listen->at[i], err) < 0)
            return -1;
    return 0;
}

/* ---- Stopping ------------------------------------------------------------ */

static void server_on_resigned(void *arg)
{
    struct server *s = arg;
    s->has_resigned = 1;
}

/* What is broken is said, and what was there goes on. */
static void server_reload(struct server *s)
{
    struct stint_err err = {0};
    manager_reloading(1);
    if (access_reload(&s->access, &err) < 0)
        server_say(s, STINT_LOG_ERROR, "reload", log_text("error", err.text),
                   log_text("text", "the old ones hold"));
    else
        server_say(s, STINT_LOG_INFO, "reload",
                   log_n("users", (int64_t)s->access.auth.n_users),
                   log_n("tokens", (int64_t)s->access.auth.n_tokens));
    manager_reloading(0);
}

static void server_on_signal(evutil_socket_t number, short what, void *arg)
{
    struct server *s = arg;
    (void)what;
    if (number == SIGHUP)
        server_reload(s);
    if (number == SIGHUP || s->is_stopping)
        return;
    server_say(s, STINT_LOG_INFO, "stop", log_n("signal", number));
    manager_stopping();
    streams_end(&s->streams);
    stint_duties_resign(s->duties, server_on_resigned, s);
    s->is_stopping = 1;
    s->stop_mono_ms = conns_now_ms() + HTTP_STOP_MS;
    for (size_t i = 0; i < s->n_listeners; i++)
        evconnlistener_disable(s->listeners[i]);
}

/* Answers that are still being read. */
static int server_is_writing(const struct server *s)
{
    for (const struct conn *c = s->conns.first; c != NULL; c = c->next)
        if (c->state == CONN_WRITE || c->state == CONN_REFUSED)
            return 1;
    return 0;
}

static void server_on_tick(int64_t now_ms, void *arg)
{
    struct server *s = arg;
    streams_tick(&s->streams, now_ms);
    log_settle(&s->log, 0);
    shared_tick(&s->shared, now_ms);
    if (!s->is_stopping && s->conns.n < HTTP_CONNS_MAX + HTTP_CONNS_SPARE)
        for (size_t i = 0; i < s->n_listeners; i++)
            evconnlistener_enable(s->listeners[i]);
    if (s->is_stopping && (now_ms > s->stop_mono_ms ||
                           (s->n_calls == 0 && s->has_resigned &&
                            !server_is_writing(s))))
        event_base_loopbreak(s->base);
}

static int server_signals(struct server *s, struct stint_err *err)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP};
    for (int i = 0; i < 3; i++) {
        s->signals[i] = evsignal_new(s->base, numbers[i], server_on_signal, s);
        if (s->signals[i] == NULL || evsignal_add(s->signals[i], NULL) < 0)
            return fail(err, STINT_NOMEM, "out of memory");
    }
    signal(SIGPIPE, SIG_IGN);
    return 0;
}

/* ---- All of it ----------------------------------------------------------- */

static int server_http(struct server *s, struct stint_err *err)
{
    s->http = evhttp_new(s->base);
    if (s->http == NULL || conns_init(&s->conns, s->base) < 0 ||
        streams_init(&s->streams, s->base) < 0)
        return fail(err, STINT_NOMEM, "out of memory");
    s->conns.body_max = server_body_max;
    s->conns.on_gone = server_on_gone;
    s->conns.on_tick = server_on_tick;
    s->conns.arg = s;
    evhttp_set_allowed_methods(
        s->http, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD | EVHTTP_REQ_POST |
                     EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS);
    evhttp_set_max_headers_size(s->http, HTTP_HEAD_MAX);
    evhttp_set_max_body_size(s->http, HTTP_LINES_MAX);
    evhttp_set_default_content_type(s->http, NULL);
    evhttp_set_bevcb(s->http, server_on_accept, s);
    evhttp_set_gencb(s->http, server_on_request, s);
    return 0;
}

/* Before all that takes time: what is wrong with them ends it. */
static int server_hooks(struct server *s, struct stint_err *err)
{
    if (s->settings.webhooks == NULL)
        return 0;
    s->hooks = webhooks_new(s->settings.webhooks, s->o->log, s->o->log_arg,
                            err);
    return s->hooks != NULL ? 0 : -1;
}

static int server_open(struct server *s, struct stint_err *err)
{
    struct stint_options to = STINT_OPTIONS_INIT;
    to.url = s->o->url;
    to.name_space = s->o->name_space;
    to.timeout_s = HTTP_CALL_S;
    s->base = event_base_new();
    if (s->base == NULL)
        return fail(err, STINT_NOMEM, "out of memory");
    if (settings_read(&s->settings, s->o, err) < 0 ||
        server_hooks(s, err) < 0 ||
        access_open(&s->access, &s->settings, s->base, err) < 0 ||
        server_signals(s, err) < 0 || server_http(s, err) < 0)
        return -1;
    s->async = stint_async_open(&to, s->base, err);
    struct stint_duties_options duties = STINT_DUTIES_OPTIONS_INIT;
    duties.url = s->o->url;
    duties.name_space = s->o->name_space;
    duties.log = s->o->log;
    duties.log_arg = s->o->log_arg;
    s->streams.async = s->async;
    if (s->async != NULL)
        s->duties = stint_duties_start(&duties, s->base, err);
    if (s->duties == NULL || server_listen(s, err) < 0)
        return -1;
    if (s->hooks != NULL &&
        webhooks_start(s->hooks, s->base, s->async, err) < 0)
        return -1;
    return manager_ready(&s->manager, s->base) < 0
               ? fail(err, STINT_NOMEM, "out of memory") : 0;
}

/* Calls end first: their answers still have somewhere to go. */
static void server_close(struct server *s)
{
    manager_close(&s->manager);
    streams_end(&s->streams);
    webhooks_stop(s->hooks);
    stint_async_close(s->async);
    streams_close(&s->streams);
    stint_duties_stop(s->duties);
    access_close(&s->access); /* answers logins that wait */
    if (s->http != NULL)
        evhttp_free(s->http);
    conns_close(&s->conns);
    shared_close(&s->shared);
    settings_close(&s->settings);
    for (int i = 0; i < 3; i++)
        if (s->signals[i] != NULL)
            event_free(s->signals[i]);
    if (s->base != NULL)
        event_base_free(s->base);
}

int broker_run(const struct broker_options *o, struct stint_err *err)
{
    struct server s = {.o = o, .log_limit = {.clock = conns_now_ms},
                       .name_space = o->name_space != NULL ? o->name_space
                                                          : "stint"};
    s.log = (struct log){o->log, o->log_arg, &s.log_limit};
    int rc = server_open(&s, err);
    if (rc == 0 && event_base_dispatch(s.base) < 0)
        rc = fail(err, STINT_SYSTEM, "the event loop failed");
    server_close(&s);
    return rc;
}
