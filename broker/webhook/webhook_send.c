/* SPDX-License-Identifier: MIT */
#include "webhook_send.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "webhook_sign.h"

#define ANSWER_BYTES_MAX  (64 * 1024)
#define HEADERS_BYTES_MAX (16 * 1024)

struct delivery {
    const struct webhook_net *net;
    const struct webhook_config *to;
    char *body, *id;
    delivery_done_fn done;
    void *arg;
    int tries;
    int code;                       /* of the last try */
    int is_answered;                /* it has one, or it is over */
    struct event *timer;            /* the next try, or the end */
    struct evhttp_connection *conn; /* NULL: none is under way */
};

const char *delivery_id(const struct delivery *d)
{
    return d->id;
}

void delivery_cancel(struct delivery *d)
{
    if (d->conn != NULL)
        evhttp_connection_free(d->conn);
    if (d->timer != NULL)
        event_free(d->timer);
    free(d->body);
    free(d->id);
    free(d);
}

static void delivery_later(struct delivery *d, int64_t ms)
{
    struct timeval t = {ms / 1000, ms % 1000 * 1000};
    (void)event_add(d->timer, &t); /* no memory is asked for */
}

/* What follows a try. */
static void delivery_tried(struct delivery *d)
{
    int64_t wait_ms = WEBHOOK_WAIT_MS;
    if ((d->code >= 200 && d->code < 300) || d->tries >= WEBHOOK_TRIES_MAX) {
        d->done(d, d->code, d->arg);
        delivery_cancel(d);
        return;
    }
    for (int i = 1; i < d->tries && wait_ms < WEBHOOK_WAIT_MS_MAX; i++)
        wait_ms *= 2;
    delivery_later(d, wait_ms < WEBHOOK_WAIT_MS_MAX ? wait_ms
                                                    : WEBHOOK_WAIT_MS_MAX);
}

/* Perhaps from inside of evhttp_make_request; and the connection must not be
 * freed here. So it is only noted. */
static void delivery_on_answer(struct evhttp_request *req, void *arg)
{
    struct delivery *d = arg;
    d->code = req != NULL ? evhttp_request_get_response_code(req) : 0;
    d->is_answered = 1;
    delivery_later(d, 0);
}

static struct evhttp_connection *delivery_connect(struct delivery *d)
{
    const struct webhook_net *net = d->net;
    struct bufferevent *tls = NULL;
    if (d->to->is_https) {
        tls = webhook_tls_connect(net->tls, net->base, d->to->host);
        if (tls == NULL)
            return NULL;
    }
    struct evhttp_connection *conn = evhttp_connection_base_bufferevent_new(
        net->base, net->dns, tls, d->to->host, (unsigned short)d->to->port);
    if (conn == NULL) {
        if (tls != NULL)
            bufferevent_free(tls);
        return NULL;
    }
    struct timeval t = {(time_t)d->to->timeout_s,
                        (suseconds_t)((d->to->timeout_s -
                                       (double)(time_t)d->to->timeout_s) *
                                      1e6)};
    evhttp_connection_set_timeout_tv(conn, &t);
    evhttp_connection_set_max_body_size(conn, ANSWER_BYTES_MAX);
    evhttp_connection_set_max_headers_size(conn, HEADERS_BYTES_MAX);
    return conn;
}

static int header_add(struct evhttp_request *req, const char *name,
                      const char *value)
{
    return evhttp_add_header(evhttp_request_get_output_headers(req), name,
                             value);
}

static int delivery_fill(struct delivery *d, struct evhttp_request *req)
{
    char signature[WEBHOOK_SIGNATURE_LEN + 1], agent[64];
    size_t len = strlen(d->body);
    snprintf(agent, sizeof(agent), "stint/%s", stint_version());
    if (header_add(req, "Host", d->to->host_header) ||
        header_add(req, "User-Agent", agent) ||
        header_add(req, "Connection", "close") ||
        header_add(req, "Content-Type", "application/json") ||
        header_add(req, "Stint-Delivery", d->id) ||
        evbuffer_add(evhttp_request_get_output_buffer(req), d->body, len))
        return -1;
    if (d->to->secret_len == 0)
        return 0;
    return webhook_sign(signature, d->to->secret, d->to->secret_len,
                        (int64_t)time(NULL), d->body, len) ||
                   header_add(req, "Stint-Signature", signature) ? -1 : 0;
}

/* One try; -1: it could not even begin. */
static int delivery_try(struct delivery *d)
{
    struct evhttp_connection *conn = delivery_connect(d);
    if (conn == NULL)
        return -1;
    struct evhttp_request *req = evhttp_request_new(delivery_on_answer, d);
    if (req == NULL || delivery_fill(d, req)) {
        if (req != NULL)
            evhttp_request_free(req);
        evhttp_connection_free(conn);
        return -1;
    }
    d->conn = conn;
    return evhttp_make_request(conn, req, EVHTTP_REQ_POST, d->to->path);
}

static void delivery_on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct delivery *d = arg;
    (void)fd, (void)what;
    if (d->conn != NULL)
        evhttp_connection_free(d->conn);
    d->conn = NULL;
    if (d->is_answered) {
        d->is_answered = 0;
        delivery_tried(d);
        return;
    }
    d->tries++;
    d->code = 0;
    if (delivery_try(d) && !d->is_answered) {
        d->is_answered = 1;
        delivery_later(d, 0);
    }
}

struct delivery *delivery_start(const struct webhook_net *net,
                                const struct webhook_config *to,
                                const char *id, char *body,
                                delivery_done_fn done, void *arg)
{
    struct delivery *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        free(body);
        return NULL;
    }
    *d = (struct delivery){.net = net, .to = to, .body = body,
                           .id = strdup(id), .done = done, .arg = arg};
    d->timer = evtimer_new(net->base, delivery_on_timer, d);
    if (d->id == NULL || d->timer == NULL) {
        delivery_cancel(d);
        return NULL;
    }
    delivery_later(d, 0);
    return d;
}
