/* SPDX-License-Identifier: MIT */
/* Server-sent events. Those who follow the same group, from the same place,
 * share one reader, which asks Redis while there are any, one question at a
 * time for all of them. What a client does not read is bounded: it is dropped
 * then, and comes again with Last-Event-ID. */
#ifndef STINT_BROKER_STREAM_H
#define STINT_BROKER_STREAM_H

#include <stddef.h>
#include <stdint.h>
#include <stint/stint.h>

struct call;
struct event_base;
struct topic;

#define STREAM_POLL_MS  500
#define STREAM_AGAIN_MS 2000    /* after a failure */
#define STREAM_BEAT_MS  15000   /* a comment, so that proxies see life */
#define STREAM_LIFE_MS  900000  /* then it comes again, and says who it is */
#define STREAM_BATCH    500     /* events a question */

struct streams {
    stint_async *async;    /* borrowed */
    struct event *timer;   /* the next round of questions */
    struct topic *topics;  /* owned list */
    struct topic *asking;  /* whom the question under way is for; or NULL */
    int is_waiting;        /* 1: the timer is set */
    int n;                 /* clients */
    int is_closing;
};

/* -1: out of memory. `async` may be set later. */
int streams_init(struct streams *all, struct event_base *base);
/* Answers a call of ROUTE_STREAM, which lives on until its client has gone. */
void stream_open(struct streams *all, struct call *c);
/* Its client has gone. */
void stream_gone(struct streams *all, struct call *c);
/* Comments, and the end of those who are too slow or there for long. */
void streams_tick(struct streams *all, int64_t now_ms);
/* Ends all streams; no new ones. */
void streams_end(struct streams *all);
void streams_close(struct streams *all); /* when no call is under way */

#endif
