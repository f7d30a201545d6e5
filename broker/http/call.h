/* SPDX-License-Identifier: MIT */
/* What a handler of the HTTP face sees of a request, and how it answers. A
 * handler runs as a function of stint_async_call: it may wait for Redis through
 * `s`, and for nothing else. It answers exactly once, with one of call_json,
 * call_bytes and call_problem, and returns 0; or it returns -1 with err filled,
 * and the answer is the problem that fits err's code. Limits, authentication,
 * roles, CSRF and headers are done before a handler is called. */
#ifndef STINT_BROKER_CALL_H
#define STINT_BROKER_CALL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>
#include <stint/stint.h>

/* What a user may do; each may do what those before it may. */
enum role { ROLE_NONE, ROLE_READ, ROLE_QUEUE, ROLE_ADMIN };

struct call;
typedef int (*handler_fn)(stint *s, struct call *c, struct stint_err *err);

enum route_flags {
    ROUTE_BODY = 1,  /* takes application/json: call_body */
    ROUTE_LINES = 2, /* takes application/x-ndjson: call_line */
    ROUTE_LONG = 4,  /* waits long: counted apart, ends when the client goes */
    ROUTE_OPEN = 8,  /* answered without authentication (healthz, readyz) */
    ROUTE_STREAM = 16, /* server-sent events: not by a handler, see stream.h */
    ROUTE_INLINE = 32, /* answered from the loop: `s` is NULL, nothing waits */
    ROUTE_SHARED = 64 /* the same for everybody: see shared.h. It must not look
                         at who asks, nor set headers */
};

/* One row for each method and path. In a path, {name} stands for one segment,
 * decoded. */
struct route {
    const char *method; /* GET POST PUT DELETE */
    const char *path;   /* "/api/v1/tasks/{id}/stop" */
    enum role role;
    unsigned flags;
    handler_fn run;
};

/* ---- The request: strings are borrowed until the answer ------------------- */

/* A segment {name} of the path; never NULL for those of the route. */
const char *call_segment(const struct call *c, const char *name);
/* ?name=value, decoded; NULL: not given. The first, if it is given twice. */
const char *call_query(const struct call *c, const char *name);
/* The name of the i-th of the query; NULL: there are no more. */
const char *call_query_name(const struct call *c, size_t i);
/* A number of the query: *n is `otherwise` when it is not given. -1, err
 * INVALID: not a number, or not within least and most. */
int call_query_count(const struct call *c, const char *name, int64_t least,
                     int64_t most, int64_t otherwise, int64_t *n,
                     struct stint_err *err);
/* The JSON object that was sent, {} when nothing was; never NULL with
 * ROUTE_BODY: what is no object was refused before. */
json_t *call_body(const struct call *c);
/* ROUTE_LINES: the next line, without its end, and its length; NULL: no more.
 * Empty lines are left out. */
const char *call_line(struct call *c, size_t *len);
/* The Accept header, "" when there is none. */
const char *call_accept(const struct call *c);
enum role call_role(const struct call *c);
const char *role_name(enum role role); /* "read"; "" for none */
const char *call_user(const struct call *c); /* "" : nobody */
const char *call_csrf(const struct call *c); /* of the session; "": none */
const char *call_namespace(const struct call *c);
/* 1: this name of a field of args, vars or result is to be hidden. */
bool call_hides(const struct call *c, const char *field);

/* ---- The answer ----------------------------------------------------------- */

/* Takes the reference. */
void call_json(struct call *c, int status, json_t *answer);
/* Copied. */
void call_bytes(struct call *c, int status, const char *type, const char *bytes,
                size_t len);
/* RFC 9457. `type` is a word, the same in all versions ("not-found"); `detail`
 * is a sentence; `errors` (may be NULL, the reference is taken) an object with
 * a sentence for each wrong field. */
void call_problem(struct call *c, int status, const char *type,
                  const char *detail, json_t *errors);
/* A header of the answer; before it. */
void call_header(struct call *c, const char *name, const char *value);

#endif
