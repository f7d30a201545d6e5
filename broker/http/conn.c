/* SPDX-License-Identifier: MIT */
/* evhttp frees its connections without a word to those who never had a request
 * of them. A bufferevent that it has let go of has no callbacks any more: that
 * is how the sweep finds it. */
#include "conn.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "answer.h"

int64_t conns_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void conns_sweep_soon(struct conns *all)
{
    event_active(all->sweep, EV_TIMEOUT, 0);
}

static void conn_move(struct conn *c, enum conn_state state)
{
    c->state = state;
    c->since_mono_ms = conns_now_ms();
}

static void conn_hold(struct conn *c, size_t held)
{
    c->all->held += held - c->held;
    c->held = held;
}

/* ---- Refusing ------------------------------------------------------------ */

static void conn_on_waste(struct bufferevent *bev, void *arg)
{
    (void)arg;
    struct evbuffer *input = bufferevent_get_input(bev);
    evbuffer_drain(input, evbuffer_get_length(input));
}

void conn_refuse(struct conn *c, int status, const char *detail)
{
    bufferevent_data_cb on_read, on_write;
    bufferevent_event_cb on_event;
    void *arg;
    if (c->state == CONN_REFUSED)
        return;
    conn_move(c, CONN_REFUSED);
    conn_hold(c, 0);
    bufferevent_getcb(c->bev, &on_read, &on_write, &on_event, &arg);
    if (on_event == NULL)
        return; /* gone */
    bufferevent_setcb(c->bev, conn_on_waste, NULL, on_event, arg);
    answer_refusal(bufferevent_get_output(c->bev), status, detail);
    bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

void conn_refuse_later(struct conn *c)
{
    c->bad_status = 503;
    conns_sweep_soon(c->all);
}

void conn_drop(struct conn *c)
{
    bufferevent_trigger_event(c->bev, BEV_EVENT_READING | BEV_EVENT_EOF, 0);
}

/* ---- Bytes that come ----------------------------------------------------- */

/* Where the head ends, looking at what is new; 0: not yet. */
static size_t head_end(const struct conn *c, size_t old_len)
{
    for (size_t i = old_len > 3 ? old_len - 3 : 0; i + 4 <= c->head_len; i++)
        if (memcmp(c->head + i, "\r\n\r\n", 4) == 0)
            return i + 4;
    return 0;
}

/* The head is there, or as much of it as is allowed. 0; or the status to
 * refuse it with. */
static int conn_on_head(struct conn *c, size_t old_len, const char **detail)
{
    size_t end = head_end(c, old_len);
    if (end == 0) {
        *detail = "the head of the request is too long";
        return c->head_len == HTTP_HEAD_MAX ? 431 : 0;
    }
    int status = head_check(&c->parsed, c->head, end, detail);
    if (status != 0)
        return status;
    size_t most = c->all->body_max(&c->parsed, c->all->arg);
    *detail = "the body is too long";
    if ((uint64_t)c->parsed.body_len > most)
        return 413;
    conn_move(c, CONN_BODY);
    return 0;
}

/* The last n bytes of the input are new. */
static int conn_feed(struct conn *c, struct evbuffer *input, size_t n,
                     const char **detail)
{
    struct evbuffer_ptr at;
    if (c->state == CONN_FIRST || c->state == CONN_IDLE) {
        conn_move(c, CONN_HEAD);
        c->head_len = 0;
    }
    conn_hold(c, c->held + n);
    *detail = "too many requests at once hold too much";
    if (c->all->held > HTTP_HELD_MAX)
        return 503;
    if (c->state != CONN_HEAD)
        return 0;
    size_t room = HTTP_HEAD_MAX - c->head_len, old_len = c->head_len;
    size_t take = n < room ? n : room;
    if (evbuffer_ptr_set(input, &at, evbuffer_get_length(input) - n,
                         EVBUFFER_PTR_SET) < 0)
        return 503;
    ev_ssize_t got = evbuffer_copyout_from(input, &at, c->head + old_len, take);
    c->head_len += got > 0 ? (size_t)got : 0;
    return conn_on_head(c, old_len, detail);
}

static void conn_on_input(struct evbuffer *input,
                          const struct evbuffer_cb_info *info, void *arg)
{
    struct conn *c = arg;
    const char *detail = "";
    int status = 0;
    if (info->n_added == 0 || c->state == CONN_REFUSED)
        return;
    if (c->state == CONN_CALL || c->state == CONN_WRITE ||
        c->state == CONN_STREAM) { /* the next request, too early */
        if (evbuffer_get_length(input) > HTTP_NEXT_MAX)
            bufferevent_disable(c->bev, EV_READ);
        return;
    }
    status = conn_feed(c, input, info->n_added, &detail);
    if (status != 0)
        conn_refuse(c, status, detail);
}

static void conn_on_output(struct evbuffer *output,
                           const struct evbuffer_cb_info *info, void *arg)
{
    struct conn *c = arg;
    if (info->n_deleted > 0 && c->state == CONN_REFUSED &&
        evbuffer_get_length(output) == 0)
        conns_sweep_soon(c->all);
}

/* ---- A request ----------------------------------------------------------- */

struct conn *conn_of(struct conns *all, struct evhttp_request *req)
{
    struct bufferevent *bev = evhttp_connection_get_bufferevent(
        evhttp_request_get_connection(req));
    for (struct conn *c = all->first; c != NULL; c = c->next)
        if (c->bev == bev)
            return c;
    return NULL;
}

/* From evhttp_connection_free, which goes on with it. */
static void conn_on_close(struct evhttp_connection *evcon, void *arg)
{
    struct conn *c = arg;
    (void)evcon;
    struct call *call = c->call;
    c->call = NULL;
    conns_sweep_soon(c->all);
    if (call != NULL)
        c->all->on_gone(call, c->all->arg);
}

int conn_begin(struct conn *c, struct evhttp_request *req, const char **detail)
{
    evhttp_connection_set_closecb(evhttp_request_get_connection(req),
                                  conn_on_close, c);
    int status = c->bad_status;
    *detail = c->bad_detail;
    if (status == 0 && c->state != CONN_BODY) {
        *detail = "the request is broken";
        status = 400; /* evhttp saw an end of the head that is none */
    }
    conn_move(c, CONN_CALL);
    return status;
}

void conn_watch(struct conn *c)
{
    bufferevent_data_cb on_read, on_write;
    bufferevent_event_cb on_event;
    void *arg;
    bufferevent_getcb(c->bev, &on_read, &on_write, &on_event, &arg);
    bufferevent_setcb(c->bev, NULL, on_write, on_event, arg);
    bufferevent_set_timeouts(c->bev, NULL, NULL);
    bufferevent_enable(c->bev, EV_READ);
}

void conn_stream(struct conn *c)
{
    conn_move(c, CONN_STREAM);
}

void conn_answered(struct conn *c)
{
    c->call = NULL;
    conn_move(c, CONN_WRITE);
}

/* What has come of the next one meanwhile is looked at as if it came now; and
 * refused later, when evhttp has made a request of it. */
void conn_end(struct conn *c)
{
    struct evbuffer *input = bufferevent_get_input(c->bev);
    size_t n = evbuffer_get_length(input);
    conn_hold(c, 0);
    conn_move(c, CONN_IDLE);
    c->bad_status = n > 0 ? conn_feed(c, input, n, &c->bad_detail) : 0;
}

/* ---- All of them --------------------------------------------------------- */

static void conn_free(struct conn *c)
{
    conn_hold(c, 0);
    c->all->n--;
    if (c->next != NULL)
        c->next->prev = c->prev;
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        c->all->first = c->next;
    evbuffer_remove_cb_entry(bufferevent_get_input(c->bev), c->on_input);
    evbuffer_remove_cb_entry(bufferevent_get_output(c->bev), c->on_output);
    bufferevent_disable(c->bev, EV_READ | EV_WRITE);
    bufferevent_decref(c->bev);
    free(c);
}

struct conn *conn_new(struct conns *all, struct bufferevent *bev)
{
    struct conn *c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->on_input = evbuffer_add_cb(bufferevent_get_input(bev), conn_on_input,
                                  c);
    c->on_output = evbuffer_add_cb(bufferevent_get_output(bev),
                                   conn_on_output, c);
    if (c->on_input == NULL || c->on_output == NULL) {
        if (c->on_input != NULL)
            evbuffer_remove_cb_entry(bufferevent_get_input(bev), c->on_input);
        free(c);
        return NULL;
    }
    bufferevent_incref(bev);
    c->bev = bev;
    c->all = all;
    conn_move(c, CONN_FIRST);
    c->next = all->first;
    if (all->first != NULL)
        all->first->prev = c;
    all->first = c;
    all->n++;
    return c;
}

static int conn_is_free(const struct conn *c)
{
    bufferevent_data_cb on_read, on_write;
    bufferevent_event_cb on_event;
    void *arg;
    bufferevent_getcb(c->bev, &on_read, &on_write, &on_event, &arg);
    return on_event == NULL;
}

/* A client that is refused reads why, and its own bytes are read meanwhile:
 * closed with some unread, its system would throw our answer away. */
static void conn_look_refused(struct conn *c, int64_t age_ms)
{
    int is_written = evbuffer_get_length(bufferevent_get_output(c->bev)) == 0;
    if (age_ms > 2 * HTTP_LINGER_MS || (c->is_shut && age_ms > HTTP_LINGER_MS))
        conn_drop(c);
    else if (is_written && !c->is_shut) {
        c->is_shut = 1;
        shutdown(bufferevent_getfd(c->bev), SHUT_WR);
    }
}

static void conn_look(struct conn *c, int64_t now_ms)
{
    int64_t age_ms = now_ms - c->since_mono_ms;
    int64_t body_ms = HTTP_REQUEST_MS + c->parsed.body_len / HTTP_BYTES_PER_MS;
    switch (c->state) {
    case CONN_FIRST:
        if (c->bad_status != 0)
            conn_refuse(c, c->bad_status, "too many connections");
        else if (age_ms > HTTP_FIRST_MS)
            conn_drop(c);
        break;
    case CONN_HEAD:
        if (age_ms > HTTP_REQUEST_MS)
            conn_refuse(c, 408, "the request came too slowly");
        break;
    case CONN_BODY:
        if (age_ms > body_ms)
            conn_refuse(c, 408, "the request came too slowly");
        break;
    case CONN_WRITE:
        if (age_ms > HTTP_WRITE_MS)
            conn_drop(c);
        break;
    case CONN_IDLE:
        if (age_ms > HTTP_IDLE_MS)
            conn_drop(c);
        break;
    case CONN_REFUSED:
        conn_look_refused(c, age_ms);
        break;
    case CONN_CALL:
    case CONN_STREAM:
        break; /* bounded by who answers */
    }
}

static void conns_on_sweep(evutil_socket_t fd, short what, void *arg)
{
    struct conns *all = arg;
    const struct timeval tick = {0, HTTP_TICK_MS * 1000};
    int64_t now_ms = conns_now_ms();
    (void)fd, (void)what;
    all->on_tick(now_ms, all->arg);
    for (struct conn *c = all->first, *next; c != NULL; c = next) {
        next = c->next;
        if (!conn_is_free(c))
            conn_look(c, now_ms);
        if (conn_is_free(c))
            conn_free(c);
    }
    evtimer_add(all->sweep, &tick);
}

int conns_init(struct conns *all, struct event_base *base)
{
    all->base = base;
    all->sweep = evtimer_new(base, conns_on_sweep, all);
    if (all->sweep == NULL)
        return -1;
    conns_sweep_soon(all);
    return 0;
}

void conns_close(struct conns *all)
{
    while (all->first != NULL)
        conn_free(all->first);
    if (all->sweep != NULL)
        event_free(all->sweep);
    all->sweep = NULL;
}
