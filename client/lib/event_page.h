/* SPDX-License-Identifier: MIT */
/* Events that were read from several streams and are being put in order. An
 * entry of a stream is written by prelude_events.lua; here it becomes the events
 * that it stands for. */
#ifndef STINT_LIB_EVENT_PAGE_H
#define STINT_LIB_EVENT_PAGE_H

#include "event_cursor.h"

/* The words of an entry, cut apart in place. */
struct event_text {
    size_t n_refs; /* rows that borrow from it */
    char bytes[];
};

struct event_row {
    struct event_place at;
    int64_t fence;
    const char *verb, *status, *worker, *id; /* in text */
    const char *function; /* in a text, or names; NULL: not known yet */
    struct event_text *text;
};

struct event_page {
    struct event_row *rows; /* owned */
    size_t n, cap;
    size_t want;         /* only the first so many will be */
    const char *task_id; /* borrowed; NULL: any */
    int ended;           /* only end states */
    struct redisReply **names; /* owned: answers that functions are in */
    size_t n_names;
};

void event_page_close(struct event_page *p);
/* The events of one entry behind number `behind` (-1: all). *last: the number of
 * the last one it has. 0, or -1: out of memory. */
int event_page_add(struct event_page *p, const struct event_place *entry,
                   const char *verb, const char *tasks, int64_t behind,
                   uint32_t *last);
/* In their order, and no more than are wanted. */
void event_page_sort(struct event_page *p);
/* What events do not say about functions: from others of the page, then from
 * the tasks. Sorted pages only. 0, or -1: err. */
int event_page_functions(struct event_page *p, struct stint *s,
                         struct stint_err *err);

#endif
