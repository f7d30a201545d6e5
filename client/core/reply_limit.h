/* SPDX-License-Identifier: MIT */
/* How large a reply may be (bounds.h): a server that is broken or not what it
 * seems cannot take all memory. How deep, hiredis knows itself (7 or 9). */
#ifndef STINT_CORE_REPLY_LIMIT_H
#define STINT_CORE_REPLY_LIMIT_H

#include <stddef.h>

struct redisReader;

struct reply_limit {
    size_t bytes, elements; /* of the reply that is being read */
    int is_over;            /* one was refused */
    void *inner;            /* hiredis's own functions */
};

/* A part of a reply comes; is_first: of a new one. -1: it is too large. */
int reply_limit_take(struct reply_limit *l, int is_first, size_t bytes,
                     size_t elements);
/* -1: what has been read and is no whole reply yet is too large. */
int reply_limit_look(struct reply_limit *l, const struct redisReader *reader);
/* Keeps to it with hiredis's own replies, to be freed as always. *l must
 * outlive the reader. */
void reply_limit_serve(struct reply_limit *l, struct redisReader *reader);
/* `text`, or that a reply was too large. */
const char *reply_limit_reason(const struct reply_limit *l, const char *text);

#endif
