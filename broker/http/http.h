/* SPDX-License-Identifier: MIT */
/* A broker with all that it consists of. http.c is its life, request.c what
 * happens to a request until a handler has it, http_call.c what a handler sees.
 */
#ifndef STINT_BROKER_HTTP_H
#define STINT_BROKER_HTTP_H

#include <event2/event.h>
#include <event2/http.h>
#include <stint/stint.h>

#include "access.h"
#include "broker.h"
#include "call.h"
#include "conn.h"
#include "log.h"
#include "manager.h"
#include "shared.h"
#include "stream.h"
#include "webhook.h"

struct server {
    const struct broker_options *o; /* borrowed */
    const char *name_space;
    struct log log;
    struct log_limit log_limit;
    struct manager manager;
    struct settings settings;
    struct access access;
    struct event_base *base;
    struct evhttp *http;
    struct conns conns;
    stint_async *async;
    struct streams streams;
    struct shared shared;
    stint_duties *duties;
    struct webhooks *hooks;  /* NULL: none */
    int has_resigned;        /* 1: another does them, or will */
    struct call *calls;      /* a list */
    size_t n_calls, n_long;
    struct event *signals[3];
    struct evconnlistener *listeners[HTTP_LISTENS_MAX]; /* evhttp's */
    size_t n_listeners;
    int is_stopping;
    int64_t stop_mono_ms;    /* and then the rest is given up */
};

/* request.c: an evhttp callback. */
void server_on_request(struct evhttp_request *req, void *arg);
/* The client of a call has gone. */
void server_on_gone(struct call *c, void *arg);
/* The most bytes of a body. */
size_t server_body_max(const struct head *h, void *arg);

/* A line of the log. Never logged: bodies, query strings, passwords, tokens,
 * cookies. */
#define server_say(s, level, event, ...)                                       \
    log_at(&(s)->log, level, log_event(event), __VA_ARGS__)

#endif
