/* SPDX-License-Identifier: MIT */
/* Replies of one connection without an allocation for each of their parts:
 * hiredis builds them in a block that the next reply uses again. A reply lives
 * until the next one is read, and nobody frees it (freeReplyObject must not
 * see it). */
#ifndef STINT_CORE_REPLY_ARENA_H
#define STINT_CORE_REPLY_ARENA_H

struct redisReader;
struct reply_arena;
struct reply_limit;

/* NULL: out of memory. */
struct reply_arena *reply_arena_open(void);
/* From now on this reader, which has not read yet, builds its replies there;
 * one reader at a time. The arena must outlive it. */
void reply_arena_serve(struct reply_arena *a, struct redisReader *reader);
/* What its replies may not exceed, and whether one did (reply_limit.h). */
struct reply_limit *reply_arena_limit(struct reply_arena *a);
void reply_arena_close(struct reply_arena *a); /* NULL is fine */

#endif
