/* SPDX-License-Identifier: MIT */
#include "http_call.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "answer.h"

/* ---- Its life ------------------------------------------------------------ */

struct call *call_new(struct server *s, struct conn *conn,
                      struct evhttp_request *req)
{
    struct call *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->answer = evbuffer_new();
    if (c->answer == NULL) {
        free(c);
        return NULL;
    }
    c->server = s;
    c->began_mono_ms = conns_now_ms();
    c->conn = conn;
    c->req = req;
    c->next = s->calls;
    if (s->calls != NULL)
        s->calls->prev = c;
    s->calls = c;
    s->n_calls++;
    return c;
}

void call_free(struct call *c)
{
    struct server *s = c->server;
    if (c->next != NULL)
        c->next->prev = c->prev;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        s->calls = c->next;
    s->n_calls--;
    if (c->route != NULL && c->route->flags & ROUTE_LONG)
        s->n_long--;
    if (c->conn != NULL)
        c->conn->call = NULL;
    json_decref(c->body);
    if (c->lines != NULL)
        evbuffer_free(c->lines);
    evbuffer_free(c->answer);
    free(c->line);
    free(c);
}

void call_path(const struct call *c, char path[static CALL_PATH_LEN + 1])
{
    const char *uri = evhttp_request_get_uri(c->req);
    size_t len = uri != NULL ? strcspn(uri, "?#") : 0;
    snprintf(path, CALL_PATH_LEN + 1, "%.*s",
             (int)(len < CALL_PATH_LEN ? len : CALL_PATH_LEN),
             uri != NULL ? uri : "");
}

static void call_on_complete(struct evhttp_request *req, void *arg)
{
    (void)req;
    conn_end(arg);
}

/* The headers that do not depend on the answer. */
static struct evkeyvalq *call_headers(struct call *c)
{
    struct evkeyvalq *to = evhttp_request_get_output_headers(c->req);
    answer_headers(to);
    if (evhttp_find_header(to, "Cache-Control") == NULL)
        evhttp_add_header(to, "Cache-Control", "no-store");
    if (c->type[0] != '\0')
        evhttp_add_header(to, "Content-Type", c->type);
    return to;
}

void call_detach(struct call *c)
{
    evhttp_request_set_on_complete_cb(c->req, call_on_complete, c->conn);
    conn_answered(c->conn);
    c->conn = NULL;
    c->req = NULL;
}

void call_stream(struct call *c, const char *type)
{
    snprintf(c->type, sizeof(c->type), "%s", type);
    c->status = 200;
    evhttp_add_header(call_headers(c), "X-Accel-Buffering", "no");
    conn_stream(c->conn);
    evhttp_send_reply_start(c->req, 200, answer_phrase(200));
}

/* evhttp frees the request once it is written. */
void call_send(struct call *c)
{
    struct evhttp_request *req = c->req;
    char text[32];
    if (req == NULL)
        return; /* nobody is there to read it */
    struct evkeyvalq *to = call_headers(c);
    snprintf(text, sizeof(text), "%zu", evbuffer_get_length(c->answer));
    if (c->status != 304)
        evhttp_add_header(to, "Content-Length", text);
    /* Who sends the next one before he has this answer is told to stop. */
    size_t early =
        evbuffer_get_length(bufferevent_get_input(c->conn->bev));
    if (c->must_close || c->server->is_stopping || early > 0)
        evhttp_add_header(to, "Connection", "close");
    int has_body = evhttp_request_get_command(req) != EVHTTP_REQ_HEAD &&
                   c->status != 304 && c->status != 204;
    call_detach(c);
    evhttp_send_reply(req, c->status, answer_phrase(c->status),
                      has_body ? c->answer : NULL);
}

/* ---- The request --------------------------------------------------------- */

const char *call_segment(const struct call *c, const char *name)
{
    return target_segment(&c->target, c->route->path, name);
}

const char *call_query(const struct call *c, const char *name)
{
    return target_query(&c->target, name);
}

const char *call_query_name(const struct call *c, size_t i)
{
    return i < c->target.n_pairs ? c->target.pair[i].name : NULL;
}

static int fail(struct stint_err *err, enum stint_code code, const char *format,
                const char *name, int64_t least, int64_t most)
{
    err->code = code;
    snprintf(err->text, sizeof(err->text), format, name, (long long)least,
             (long long)most);
    return -1;
}

int call_query_count(const struct call *c, const char *name, int64_t least,
                     int64_t most, int64_t otherwise, int64_t *n,
                     struct stint_err *err)
{
    const char *text = call_query(c, name);
    char *end;
    *n = otherwise;
    if (text == NULL)
        return 0;
    errno = 0;
    *n = strtoll(text, &end, 10);
    if (text[strspn(text, "-0123456789")] != '\0' || *text == '\0' || *end ||
        errno != 0 || *n < least || *n > most)
        return fail(err, STINT_INVALID,
                    "%.60s must be a number from %lld to %lld", name, least,
                    most);
    return 0;
}

json_t *call_body(const struct call *c)
{
    return c->body;
}

const char *call_line(struct call *c, size_t *len)
{
    while (c->lines != NULL && evbuffer_get_length(c->lines) > 0) {
        free(c->line);
        c->line = evbuffer_readln(c->lines, len, EVBUFFER_EOL_LF);
        if (c->line == NULL) { /* the last one, without its end */
            size_t n = evbuffer_get_length(c->lines);
            c->line = calloc(1, n + 1);
            if (c->line == NULL)
                return NULL;
            evbuffer_remove(c->lines, c->line, n);
            *len = n;
        }
        while (*len > 0 && c->line[*len - 1] == '\r')
            c->line[--*len] = '\0';
        if (*len > 0)
            return c->line;
    }
    return NULL;
}

const char *call_input(const struct call *c, const char *name)
{
    const char *value =
        c->req != NULL
            ? evhttp_find_header(evhttp_request_get_input_headers(c->req),
                                 name) : NULL;
    return value != NULL ? value : "";
}

const char *call_accept(const struct call *c)
{
    return call_input(c, "Accept");
}

void call_wait(struct call *c)
{
    c->waits = 1;
}

const char *role_name(enum role role)
{
    static const char *const names[] = {"", "read", "queue", "admin"};
    return names[role];
}

enum role call_role(const struct call *c)
{
    return c->role;
}

const char *call_user(const struct call *c)
{
    return c->user;
}

const char *call_csrf(const struct call *c)
{
    return c->csrf;
}

const char *call_namespace(const struct call *c)
{
    return c->server->name_space;
}

bool call_hides(const struct call *c, const char *field)
{
    const struct settings_words *hide = &c->server->settings.hide;
    for (size_t i = 0; i < hide->n; i++)
        if (strcasecmp(hide->at[i], field) == 0)
            return true;
    return false;
}

/* ---- The answer ---------------------------------------------------------- */

static int call_begins(struct call *c, int status, const char *type)
{
    if (c->status != 0)
        return 0; /* the first one counts */
    c->status = status;
    snprintf(c->type, sizeof(c->type), "%s", type);
    return 1;
}

void call_bytes(struct call *c, int status, const char *type, const char *bytes,
                size_t len)
{
    if (call_begins(c, status, type))
        evbuffer_add(c->answer, bytes, len);
}

static int call_dump(const char *bytes, size_t len, void *to)
{
    return evbuffer_add(to, bytes, len);
}

static void call_json_as(struct call *c, int status, const char *type,
                         json_t *answer)
{
    if (answer == NULL)
        call_begins(c, 500, "");
    else if (call_begins(c, status, type))
        json_dump_callback(answer, call_dump, c->answer, JSON_COMPACT);
    json_decref(answer);
}

void call_json(struct call *c, int status, json_t *answer)
{
    call_json_as(c, status, "application/json", answer);
}

void call_problem(struct call *c, int status, const char *type,
                  const char *detail, json_t *errors)
{
    call_json_as(c, status, ANSWER_PROBLEM,
                 answer_problem(status, type, detail, errors));
}

void call_header(struct call *c, const char *name, const char *value)
{
    if (c->req != NULL)
        evhttp_add_header(evhttp_request_get_output_headers(c->req), name,
                          value);
}
