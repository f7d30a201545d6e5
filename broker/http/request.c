/* SPDX-License-Identifier: MIT */
/* From a request to its handler: each check may answer, and then it ends
 * there. Whatever needs Redis runs as a function of stint_async_call, so that
 * the loop goes on; its answer is sent when it has returned. */
#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admit.h"
#include "answer.h"
#include "assets.h"
#include "http_call.h"
#include "routes.h"

/* ---- Running ------------------------------------------------------------- */

static int request_work(stint *s, void *arg, struct stint_err *err)
{
    struct call *c = arg;
    return c->route->run(s, c, err);
}

/* Of one whose client has gone there is nothing to say. */
static void request_say(struct call *c, int status)
{
    char path[CALL_PATH_LEN + 1];
    if (c->req == NULL)
        return;
    call_path(c, path);
    server_say(c->server, STINT_LOG_DEBUG, "request",
               log_text("method", c->conn->parsed.method),
               log_text("path", path), log_n("status", status),
               log_n("ms", conns_now_ms() - c->began_mono_ms),
               log_text("user", c->user));
}

static void request_finish(struct call *c)
{
    request_say(c, c->status);
    call_send(c);
    call_free(c);
}

static void request_done(int rc, const struct stint_err *err, void *arg)
{
    struct call *c = arg;
    const char *word;
    c->running = NULL;
    if (rc < 0 && c->status == 0) {
        int status = answer_status(err->code, &word);
        call_problem(c, status, word, err->text, NULL);
        if (status == 500)
            server_say(c->server, STINT_LOG_ERROR, "call",
                       log_text("path", c->route->path),
                       log_text("error", err->text));
    } else if (c->status == 0) {
        call_problem(c, 500, "internal", "there was no answer", NULL);
    }
    if (c->route->role == ROLE_ADMIN && strcmp(c->route->method, "GET") != 0)
        shared_change(&c->server->shared);
    shared_done(&c->server->shared, c, request_finish);
    request_finish(c);
}

void call_resume(struct call *c)
{
    request_done(0, NULL, c);
}

static void request_run(struct call *c)
{
    struct stint_err err = {0};
    if (c->route->flags & ROUTE_STREAM) {
        request_say(c, 200); /* it ends when somebody goes */
        stream_open(&c->server->streams, c);
        return;
    }
    if (c->route->flags & ROUTE_INLINE) {
        int rc = c->route->run(NULL, c, &err);
        if (!c->waits)
            request_done(rc, &err, c);
        return;
    }
    enum shared_way way =
        shared_ask(&c->server->shared, c, conns_now_ms());
    if (way == SHARED_WAIT)
        return;
    if (way == SHARED_ANSWER) {
        request_finish(c);
        return;
    }
    if (stint_async_call(c->server->async, request_work, request_done, c,
                         &c->running, &err) < 0) {
        request_done(-1, &err, c);
        return;
    }
    if (c->route->flags & ROUTE_LONG)
        conn_watch(c->conn);
}

/* evhttp frees the request, but for one that it has let go of. */
void server_on_gone(struct call *c, void *arg)
{
    (void)arg;
    struct evhttp_request *req = c->req;
    c->conn = NULL;
    c->req = NULL;
    if (req != NULL && evhttp_request_get_connection(req) == NULL)
        evhttp_request_free(req);
    if (c->stream != NULL)
        stream_gone(&c->server->streams, c);
    else if (c->running != NULL && c->route->flags & ROUTE_LONG)
        stint_async_cancel(c->running);
}

/* ---- Its body ------------------------------------------------------------ */

/* Without its parameters, such as "; charset=utf-8". */
static int type_is(const char *header, const char *type)
{
    size_t len = strcspn(header, "; \t");
    return len == strlen(type) && strncasecmp(header, type, len) == 0;
}

/* Handlers have small stacks: what is nested deep goes no further. */
static int text_is_flat(const char *text, size_t len)
{
    int depth = 0, quoted = 0;
    for (size_t i = 0; i < len; i++) {
        if (quoted) {
            i += text[i] == '\\';
            quoted = i < len && text[i] != '"';
        } else if (text[i] == '[' || text[i] == '{') {
            if (++depth > HTTP_JSON_DEPTH)
                return 0;
        } else {
            depth -= text[i] == ']' || text[i] == '}';
            quoted = text[i] == '"';
        }
    }
    return 1;
}

static void request_parse(struct call *c, const char *text, size_t len)
{
    json_error_t why;
    if (!text_is_flat(text, len)) {
        call_problem(c, 400, "invalid", "the body is nested too deep", NULL);
        return;
    }
    c->body = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (c->body == NULL)
        call_problem(c, 400, "invalid", why.text, NULL);
    else if (!json_is_object(c->body))
        call_problem(c, 400, "invalid", "the body must be an object", NULL);
}

/* A change without a body needs the type, too: no page of another origin can
 * send that unasked. */
static void request_body(struct call *c)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(c->req);
    size_t len = evbuffer_get_length(input);
    int lines = c->route->flags & ROUTE_LINES;
    const char *type = lines ? "application/x-ndjson" : "application/json";
    if (strcmp(c->route->method, "POST") != 0 &&
        strcmp(c->route->method, "PUT") != 0)
        return;
    if (!type_is(call_input(c, "Content-Type"), type)) {
        char text[80];
        snprintf(text, sizeof(text), "the Content-Type must be %s", type);
        call_problem(c, 415, "unsupported-media-type", text, NULL);
        return;
    }
    if (lines) {
        c->lines = evbuffer_new();
        if (c->lines == NULL || evbuffer_add_buffer(c->lines, input) < 0)
            call_problem(c, 503, "busy", "out of memory", NULL);
    } else if (len == 0) {
        c->body = json_object();
    } else {
        const char *text = (const char *)evbuffer_pullup(input, -1);
        if (text != NULL)
            request_parse(c, text, len);
    }
    if (!lines && c->body == NULL && c->status == 0)
        call_problem(c, 503, "busy", "out of memory", NULL);
}

size_t server_body_max(const struct head *h, void *arg)
{
    struct target t;
    char text[HTTP_TARGET_MAX + 1], allow[64];
    (void)arg;
    memcpy(text, h->target, h->target_len);
    text[h->target_len] = '\0';
    const struct route *r =
        target_parse(&t, text) == 0 ? route_find(h->method, &t, allow) : NULL;
    return r != NULL && r->flags & ROUTE_LINES ? HTTP_LINES_MAX
                                               : HTTP_BODY_MAX;
}

/* ---- The dashboard's files ----------------------------------------------- */

static const struct asset *asset_find(const struct target *t)
{
    for (size_t i = 0; i < assets_n; i++)
        if (target_fits(t, assets[i].path) ||
            (t->n_segments == 0 && strcmp(assets[i].path, "/index.html") == 0))
            return &assets[i];
    return NULL;
}

static void request_asset(struct call *c, const struct asset *a)
{
    call_header(c, "ETag", a->etag);
    call_header(c, "Cache-Control", "no-cache");
    if (strcmp(call_input(c, "If-None-Match"), a->etag) == 0)
        call_bytes(c, 304, "", "", 0);
    else
        call_bytes(c, 200, a->type, (const char *)a->bytes, a->len);
}

/* ---- Checks in their order: each returns, or has answered ---------------- */

static void request_target(struct call *c)
{
    int status = target_parse(&c->target, evhttp_request_get_uri(c->req));
    if (status != 0)
        call_problem(c, status, answer_word(status), "the path is broken",
                     NULL);
}

/* There is no such route, or it has other methods. */
static void request_miss(struct call *c, const char *allow)
{
    if (allow[0] == '\0') {
        call_problem(c, 404, "not-found", "there is nothing here", NULL);
        return;
    }
    call_header(c, "Allow", allow);
    if (strcmp(c->conn->parsed.method, "OPTIONS") == 0)
        call_bytes(c, 204, "", "", 0);
    else
        call_problem(c, 405, "method-not-allowed",
                     "this path has other methods", NULL);
}

/* The files of the dashboard hold nothing of anybody's; all else is for those
 * who come in, even whether it is there. */
static void request_route(struct call *c)
{
    char allow[64];
    const char *method = c->conn->parsed.method;
    const struct route *r = route_find(method, &c->target, allow);
    const struct asset *a = r == NULL && allow[0] == '\0'
                                ? asset_find(&c->target) : NULL;
    c->route = r;
    if (r != NULL)
        c->server->n_long += (r->flags & ROUTE_LONG) != 0;
    admit_gate(c, r != NULL ? (r->flags & ROUTE_OPEN) != 0 : a != NULL);
    if (c->status != 0 || r != NULL)
        return;
    if (a == NULL)
        request_miss(c, allow);
    else if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        request_asset(c, a);
    else
        request_miss(c, "GET, HEAD, OPTIONS");
}

static void request_limits(struct call *c)
{
    const struct server *s = c->server;
    if (s->is_stopping)
        call_problem(c, 503, "busy", "the broker stops", NULL);
    else if (s->n_calls > HTTP_CALLS_MAX && !(c->route->flags & ROUTE_INLINE))
        call_problem(c, 503, "busy", "too many requests are under way", NULL);
    else if (c->route->flags & ROUTE_LONG && s->n_long > HTTP_LONG_MAX)
        call_problem(c, 503, "busy", "too many requests wait", NULL);
}

void server_on_request(struct evhttp_request *req, void *arg)
{
    static void (*const checks[])(struct call *c) = {
        admit_rate, request_target, request_route, request_limits,
        request_body, request_run};
    struct server *s = arg;
    struct conn *conn = conn_of(&s->conns, req);
    const char *detail = "";
    int status = conn != NULL ? conn_begin(conn, req, &detail) : 0;
    struct call *c = conn != NULL ? call_new(s, conn, req) : NULL;
    if (c == NULL) {
        evhttp_send_error(req, 503, NULL);
        return;
    }
    conn->call = c;
    if (status != 0) {
        c->must_close = 1;
        call_problem(c, status, answer_word(status), detail, NULL);
        request_finish(c);
        return;
    }
    for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++) {
        checks[i](c);
        if (checks[i] == request_run)
            return; /* it may be gone */
        if (c->status != 0)
            break;
    }
    request_finish(c);
}
