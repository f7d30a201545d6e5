/* SPDX-License-Identifier: MIT */
/* Where a command's answer goes: onto the stack of the script that called it,
 * as Redis converts replies for Lua, or into a redisReply for who called from
 * outside. A command writes exactly one reply; an array is opened with the
 * number of its elements, which are the next to be written. */
#ifndef STINT_MEMORY_REPLY_H
#define STINT_MEMORY_REPLY_H

#include <stddef.h>
#include <stdint.h>

#define REPLY_DEPTH_MAX 16

struct lua_State;
struct redisReply;
struct str;
struct reply_block;

/* A reply for the outside, in blocks of its own. */
struct reply {
    struct redisReply *root; /* NULL: none yet */
    struct reply_block *blocks;
    size_t used;             /* of the first block */
};
void reply_free(struct reply *r);
/* The root, which now stands for all of it: free it by reply_root_free. */
struct redisReply *reply_root_take(struct reply *r);
void reply_root_free(struct redisReply *root); /* NULL: nothing */

struct out {
    struct lua_State *lua; /* NULL: into `reply` */
    struct reply *reply;
    int failed;            /* the reply is an error */
    int depth;             /* arrays that are open */
    struct {
        struct redisReply *array;
        size_t n, next;
    } open[REPLY_DEPTH_MAX];
};

/* In decimal, with a NUL; returns the length, 20 at most. */
size_t number_write(char *text, int64_t n);

void out_to_lua(struct out *o, struct lua_State *lua);
void out_to_reply(struct out *o, struct reply *reply);

void out_bytes(struct out *o, const char *bytes, size_t len);
void out_text(struct out *o, const char *text);
void out_str(struct out *o, const struct str *s); /* NULL: nil */
void out_integer(struct out *o, int64_t n);
void out_score(struct out *o, double score); /* as bytes, "%.17g" */
void out_nil(struct out *o);
void out_status(struct out *o, const char *text, size_t len);
/* "WORD text", without the minus sign. */
void out_error(struct out *o, const char *text, size_t len);
void out_error_text(struct out *o, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void out_array(struct out *o, size_t n);
void out_null_array(struct out *o); /* nil: what BZPOPMIN says in the end */

#endif
