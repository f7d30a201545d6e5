/* SPDX-License-Identifier: MIT */
/* Connections of the HTTP face, as far as evhttp does not bound them: how many
 * there are, what they hold, how long they may take. Each has a second
 * reference to evhttp's bufferevent and sees every byte before evhttp does; so
 * a head that head.h refuses, or a body that is too long, never comes to
 * evhttp. Answers to these are written here. */
#ifndef STINT_BROKER_CONN_H
#define STINT_BROKER_CONN_H

#include <event2/bufferevent.h>
#include <event2/http.h>
#include <stddef.h>
#include <stdint.h>

#include "head.h"
#include "http_limits.h"

struct call;

/* FIRST: nothing has come yet. HEAD, BODY: a request is coming. CALL: it is
 * being answered. WRITE: the answer is being read. IDLE: the next may come.
 * REFUSED: it reads why, and is closed. STREAM: server-sent events. */
enum conn_state { CONN_FIRST, CONN_HEAD, CONN_BODY, CONN_CALL, CONN_WRITE,
                  CONN_IDLE, CONN_REFUSED, CONN_STREAM };

struct conns;
struct conn {
    struct conn *prev, *next;
    struct conns *all;
    struct bufferevent *bev;      /* a reference of ours */
    struct evbuffer_cb_entry *on_input, *on_output;
    struct call *call;            /* under way; NULL: none */
    enum conn_state state;
    int64_t since_mono_ms;        /* it has this state */
    size_t held;                  /* bytes of the request, part of all->held */
    int is_shut;                  /* REFUSED: nothing more is sent */
    int bad_status;               /* of a head that came with the request
                                     before: to be refused with, or 0 */
    const char *bad_detail;
    struct head parsed;           /* from BODY on */
    size_t head_len;
    char head[HTTP_HEAD_MAX + 1];
};

struct conns {
    struct event_base *base;      /* borrowed */
    struct event *sweep;          /* soon, or a tick later */
    struct conn *first;
    size_t n;
    size_t held;                  /* bytes of requests */
    /* The most bytes that the body of such a request may have. */
    size_t (*body_max)(const struct head *h, void *arg);
    /* The client has gone, and evhttp has let go of the request or will. */
    void (*on_gone)(struct call *call, void *arg);
    /* Each tick, before the connections are looked at. */
    void (*on_tick)(int64_t now_mono_ms, void *arg);
    void *arg;
};

/* Errors: NOMEM (-1). */
int conns_init(struct conns *all, struct event_base *base);
/* Forgets all of them; after evhttp_free. */
void conns_close(struct conns *all);
int64_t conns_now_ms(void); /* monotonic */

/* A new connection: takes `bev`, and is told of it. NULL: out of memory, and
 * bev stays the caller's. */
struct conn *conn_new(struct conns *all, struct bufferevent *bev);
/* The one that a request came on; NULL: it is not ours. */
struct conn *conn_of(struct conns *all, struct evhttp_request *req);
/* evhttp has the whole request. 0; or the status to refuse it with, and
 * *detail why. */
int conn_begin(struct conn *c, struct evhttp_request *req,
               const char **detail);
/* Lets us hear when the client goes while it is answered. */
void conn_watch(struct conn *c);
/* Server-sent events are written to it. */
void conn_stream(struct conn *c);
/* The answer has been handed to evhttp. */
void conn_answered(struct conn *c);
/* It has been written. */
void conn_end(struct conn *c);
/* Answers with a problem, past evhttp, and closes. */
void conn_refuse(struct conn *c, int status, const char *detail);
/* There are too many: refused when evhttp has made a connection of it. */
void conn_refuse_later(struct conn *c);
/* As if the client had gone. */
void conn_drop(struct conn *c);

#endif
