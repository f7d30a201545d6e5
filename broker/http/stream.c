/* SPDX-License-Identifier: MIT */
#include "stream.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stint/events.h>

#include "api_events.h"
#include "http_call.h"

/* A client. */
struct stream {
    struct stream *next;    /* of its topic */
    struct topic *topic;
    struct call *call;
    int64_t made_mono_ms, beat_mono_ms;
    int is_dropped;         /* it is told so, and goes soon */
};

/* A place in the events of a group, and who follows from there. */
struct topic {
    struct topic *next;
    char group[STINT_NAME_LEN + 1];    /* "": all */
    char cursor[STINT_CURSOR_LEN + 1]; /* "$": the end, wherever that is */
    struct stream *streams;
    struct evbuffer *news;             /* of the question under way */
    int asked;                         /* in this round */
    int n_new;                         /* events that it brought */
};

static void streams_ask(struct streams *all);

/* ---- Topics -------------------------------------------------------------- */

static void topic_free(struct streams *all, struct topic *t)
{
    struct topic **at = &all->topics;
    while (*at != t)
        at = &(*at)->next;
    *at = t->next;
    evbuffer_free(t->news);
    free(t);
}

static struct topic *topic_find(const struct streams *all, const char *group,
                                const char *cursor, const struct topic *but)
{
    for (struct topic *t = all->topics; t != NULL; t = t->next)
        if (t != but && strcmp(t->group, group) == 0 &&
            strcmp(t->cursor, cursor) == 0)
            return t;
    return NULL;
}

static struct topic *topic_get(struct streams *all, const char *group,
                               const char *cursor)
{
    struct topic *t = topic_find(all, group, cursor, NULL);
    if (t != NULL && t != all->asking)
        return t;
    t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->news = evbuffer_new();
    if (t->news == NULL) {
        free(t);
        return NULL;
    }
    snprintf(t->group, sizeof(t->group), "%s", group);
    snprintf(t->cursor, sizeof(t->cursor), "%s", cursor);
    t->next = all->topics;
    all->topics = t;
    return t;
}

static void topic_take(struct topic *t, struct stream *st)
{
    st->topic = t;
    st->next = t->streams;
    t->streams = st;
}

/* Who has come to where others are goes on with them. */
static void topic_join(struct streams *all, struct topic *t)
{
    struct topic *other = topic_find(all, t->group, t->cursor, t);
    while (other != NULL && t->streams != NULL) {
        struct stream *st = t->streams;
        t->streams = st->next;
        topic_take(other, st);
    }
    if (t->streams == NULL)
        topic_free(all, t);
}

/* ---- Clients ------------------------------------------------------------- */

static void stream_unlink(struct streams *all, struct stream *st)
{
    struct topic *t = st->topic;
    struct stream **at = &t->streams;
    while (*at != st)
        at = &(*at)->next;
    *at = st->next;
    all->n--;
    if (t->streams == NULL && t != all->asking)
        topic_free(all, t);
    st->call->stream = NULL;
    free(st);
}

void stream_gone(struct streams *all, struct call *c)
{
    stream_unlink(all, c->stream);
    call_free(c);
}

/* Our end: it has all that was written. */
static void stream_end(struct streams *all, struct stream *st)
{
    struct call *c = st->call;
    struct evhttp_request *req = c->req;
    stream_unlink(all, st);
    call_detach(c);
    call_free(c);
    evhttp_send_reply_end(req);
}

static void stream_write(struct stream *st, const void *bytes, size_t len)
{
    struct evbuffer *chunk = evbuffer_new();
    if (chunk == NULL)
        return; /* it misses it; out of memory it will miss more */
    evbuffer_add(chunk, bytes, len);
    evhttp_send_reply_chunk(st->call->req, chunk);
    evbuffer_free(chunk);
}

/* "GROUP/CURSOR" of Last-Event-ID; of all groups only the time of it counts. */
static const char *stream_after(const struct call *c)
{
    const char *id = call_input(c, "Last-Event-ID");
    const char *slash = strrchr(id, '/');
    const char *cursor = slash != NULL ? slash + 1 : id;
    size_t len = strlen(cursor);
    return len > 0 && len <= STINT_CURSOR_LEN ? cursor : "$";
}

void stream_open(struct streams *all, struct call *c)
{
    const char *group = call_query(c, "group_name");
    struct stream *st = NULL;
    struct topic *t = NULL;
    group = group != NULL ? group : "";
    if (strlen(group) > STINT_NAME_LEN) {
        call_problem(c, 400, "invalid", "no name of a group", NULL);
    } else if (evhttp_request_get_command(c->req) == EVHTTP_REQ_HEAD) {
        call_bytes(c, 200, "text/event-stream", "", 0);
    } else if (all->n >= HTTP_STREAMS_MAX || all->is_closing) {
        call_problem(c, 503, "busy", "too many follow the events", NULL);
    } else {
        st = calloc(1, sizeof(*st));
        t = st != NULL ? topic_get(all, group, stream_after(c)) : NULL;
        if (t == NULL)
            call_problem(c, 503, "busy", "out of memory", NULL);
    }
    if (t == NULL) {
        free(st);
        call_resume(c);
        return;
    }
    st->call = c;
    st->made_mono_ms = st->beat_mono_ms = conns_now_ms();
    c->stream = st;
    topic_take(t, st);
    all->n++;
    call_stream(c, "text/event-stream");
    stream_write(st, ": stint\n\n", 9);
    streams_ask(all);
}

/* ---- Questions ----------------------------------------------------------- */

static int topic_note(const struct stint_event *e, void *arg)
{
    struct topic *t = arg;
    json_t *o = api_event(e);
    char *text = json_dumps(o, JSON_COMPACT);
    if (text != NULL)
        evbuffer_add_printf(t->news, "id: %s/%s\nevent: %s\ndata: %s\n\n",
                            e->group_name, e->cursor, e->verb, text);
    t->n_new++;
    free(text);
    json_decref(o);
    return 0;
}

static int topic_work(stint *s, void *arg, struct stint_err *err)
{
    const struct streams *all = arg;
    struct topic *t = all->asking;
    char cursor[STINT_CURSOR_LEN + 1] = "";
    struct stint_events_options o = STINT_EVENTS_OPTIONS_INIT;
    o.group = t->group[0] != '\0' ? t->group : NULL;
    o.after = t->cursor;
    o.limit = STREAM_BATCH;
    int rc = stint_events(s, &o, topic_note, t, cursor, err);
    if (rc == 0 && cursor[0] != '\0')
        snprintf(t->cursor, sizeof(t->cursor), "%s", cursor);
    return rc;
}

static void topic_tell(struct topic *t)
{
    size_t len = evbuffer_get_length(t->news);
    const void *bytes = len > 0 ? evbuffer_pullup(t->news, -1) : NULL;
    for (struct stream *st = t->streams; bytes != NULL && st != NULL;
         st = st->next)
        stream_write(st, bytes, len);
    evbuffer_drain(t->news, len);
}

static void streams_later(struct streams *all, int64_t ms)
{
    struct timeval tv = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    all->is_waiting = 1;
    evtimer_add(all->timer, &tv);
}

static void topic_done(int rc, const struct stint_err *err, void *arg)
{
    struct streams *all = arg;
    struct topic *t = all->asking;
    all->asking = NULL;
    topic_tell(t);
    if (rc < 0 && err->code == STINT_INVALID) {
        while (t->streams != NULL && t->streams->next != NULL)
            stream_end(all, t->streams);
        if (t->streams != NULL) {
            stream_end(all, t->streams); /* and the topic */
            t = NULL;
        }
    }
    if (t != NULL)
        topic_join(all, t);
    if (rc < 0 && err->code != STINT_INVALID)
        streams_later(all, STREAM_AGAIN_MS);
    else
        streams_ask(all);
}

/* The next topic of this round; after the last one the next round. */
static void streams_ask(struct streams *all)
{
    struct stint_err err = {0};
    struct topic *t = all->topics;
    int has_more = 0;
    if (all->asking != NULL || all->is_waiting || all->is_closing)
        return;
    while (t != NULL && t->asked)
        t = t->next;
    if (t == NULL) {
        for (t = all->topics; t != NULL; t = t->next) {
            has_more |= t->n_new >= STREAM_BATCH;
            t->asked = 0;
        }
        if (all->topics != NULL)
            streams_later(all, has_more ? 1 : STREAM_POLL_MS);
        return;
    }
    t->asked = 1;
    t->n_new = 0;
    all->asking = t;
    if (stint_async_call(all->async, topic_work, topic_done, all, NULL,
                         &err) < 0) {
        all->asking = NULL;
        streams_later(all, STREAM_AGAIN_MS);
    }
}

static void streams_on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct streams *all = arg;
    (void)fd, (void)what;
    all->is_waiting = 0;
    streams_ask(all);
}

/* ---- All of them --------------------------------------------------------- */

/* 1: it has ended. */
static int stream_look(struct streams *all, struct stream *st, int64_t now_ms)
{
    struct conn *conn = st->call->conn;
    size_t unread = evbuffer_get_length(bufferevent_get_output(conn->bev));
    if (st->is_dropped)
        return 0;
    if (unread > HTTP_STREAM_BYTES_MAX) {
        st->is_dropped = 1;
        conn_drop(conn);
        return 1;
    }
    if (now_ms - st->made_mono_ms > STREAM_LIFE_MS) {
        stream_end(all, st);
        return 1;
    }
    if (now_ms - st->beat_mono_ms > STREAM_BEAT_MS) {
        st->beat_mono_ms = now_ms;
        stream_write(st, ":\n\n", 3);
    }
    return 0;
}

void streams_tick(struct streams *all, int64_t now_ms)
{
    /* Whoever ends takes the list apart: begin anew then. */
    for (struct topic *t = all->topics; t != NULL;) {
        int ended = 0;
        for (struct stream *st = t->streams; st != NULL && !ended;) {
            struct stream *next = st->next;
            ended = stream_look(all, st, now_ms);
            st = next;
        }
        t = ended ? all->topics : t->next;
    }
}

int streams_init(struct streams *all, struct event_base *base)
{
    all->timer = evtimer_new(base, streams_on_timer, all);
    return all->timer != NULL ? 0 : -1;
}

void streams_end(struct streams *all)
{
    all->is_closing = 1;
    while (all->n > 0)
        for (struct topic *t = all->topics; t != NULL; t = t->next)
            if (t->streams != NULL) {
                stream_end(all, t->streams);
                break;
            }
}

void streams_close(struct streams *all)
{
    while (all->topics != NULL)
        topic_free(all, all->topics);
    if (all->timer != NULL)
        event_free(all->timer);
    all->timer = NULL;
}
