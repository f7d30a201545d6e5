/* SPDX-License-Identifier: MIT */
/* Inside of a call. It lives until it is answered and its function has
 * returned; its request may go before that. */
#ifndef STINT_BROKER_HTTP_CALL_H
#define STINT_BROKER_HTTP_CALL_H

#include <event2/buffer.h>
#include <event2/http.h>

#include "http.h"
#include "target.h"

#define CALL_PATH_LEN 200

struct call {
    struct call *prev, *next;     /* of the server's */
    struct server *server;
    struct conn *conn;            /* NULL: the client has gone */
    struct evhttp_request *req;   /* NULL: the same, or answered */
    const struct route *route;    /* NULL: it is refused or an asset */
    struct call *waits_next;      /* of those whose answer another gets */
    struct stream *stream;        /* ROUTE_STREAM, from stream_open on */
    stint_call *running;          /* NULL: no function of it runs */
    int64_t began_mono_ms;
    enum role role;
    char user[AUTH_NAME_LEN + 1];
    char csrf[SECRET_TEXT + 1];   /* of its session; "" */
    char checked[AUTH_HASH_LEN + 1]; /* what a password is held against */
    json_t *body;                 /* ROUTE_BODY */
    struct evbuffer *lines;       /* ROUTE_LINES */
    char *line;                   /* the last one given out */
    /* The answer: */
    int status;                   /* 0: there is none yet */
    struct evbuffer *answer;
    char type[80];
    int waits;                    /* the handler has returned, and somebody
                                     calls call_resume when it is answered */
    int must_close;               /* the connection is not to be used again */
    struct target target;
};

/* One for a request of a connection; NULL: out of memory. */
struct call *call_new(struct server *s, struct conn *conn,
                      struct evhttp_request *req);
/* A header of the request, "" when there is none. */
const char *call_input(const struct call *c, const char *name);
/* What it asks for, without the query, as far as it goes: for the log. Its
 * request is there. */
void call_path(const struct call *c, char path[static CALL_PATH_LEN + 1]);
/* ROUTE_INLINE: the answer comes later, and then call_resume. */
void call_wait(struct call *c);
void call_resume(struct call *c); /* request.c */
/* Begins an answer without an end: parts of it follow by evhttp. */
void call_stream(struct call *c, const char *type);
/* Its request is evhttp's now: it is being ended. */
void call_detach(struct call *c);
/* Hands the answer to evhttp. */
void call_send(struct call *c);
void call_free(struct call *c);

#endif
