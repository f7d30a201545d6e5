/* SPDX-License-Identifier: MIT */
/* A place in the events: "MS-SEQ.N", the Nth event (from 0) of an entry of the
 * one stream that is looked at; "MS-SEQ.N@BASE", the same where there are
 * several streams, whose events are in the order of MS, SEQ, BASE, N; and "MS",
 * the beginning of that millisecond. */
#ifndef STINT_LIB_EVENT_CURSOR_H
#define STINT_LIB_EVENT_CURSOR_H

#include <stdint.h>
#include <stint/stint.h>

#include "client.h"

#define EVENT_N_MAX UINT32_MAX /* behind all events of the entry */

struct event_place {
    uint64_t ms, seq;
    uint32_t n;
    int is_time;     /* only ms counts: the place before the first of it */
    group_name base; /* "": it does not say which */
};

/* 0, or -1: it is none. */
int event_place_read(struct event_place *p, const char *text);
void event_place_write(char text[static STINT_CURSOR_LEN + 1],
                       const struct event_place *p);
/* "MS-SEQ", as Redis writes it. 0, or -1. */
int event_entry_read(struct event_place *p, const char *text);
/* < 0: a is before b. Those without a base are equal where only it differs. */
int event_place_order(const struct event_place *a,
                      const struct event_place *b);
/* Where the stream of `base` has to be read on: from which entry, for XRANGE,
 * and behind which of its events (-1: all of it is wanted). only: it is the one
 * stream that is looked at. */
int64_t event_place_from(char from[static 48], const struct event_place *p,
                         const char *base, int only);

#endif
