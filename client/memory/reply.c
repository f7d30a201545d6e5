/* SPDX-License-Identifier: MIT */
#include "reply.h"

#include <hiredis/hiredis.h>
#include <lua.h>
#include <math.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "str.h"

#define BLOCK_MIN 1024

struct reply_block {
    struct reply_block *next;
    size_t cap;
    alignas(max_align_t) char bytes[];
};

/* ---- Memory of a reply --------------------------------------------------- */

static void *reply_take(struct reply *r, size_t n)
{
    n = (n + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
    if (r->blocks == NULL || r->blocks->cap - r->used < n) {
        size_t cap = r->blocks != NULL ? 2 * r->blocks->cap : BLOCK_MIN;
        if (cap < n)
            cap = n;
        struct reply_block *b = memory_alloc(sizeof(*b) + cap);
        *b = (struct reply_block){r->blocks, cap};
        r->blocks = b;
        r->used = 0;
    }
    char *p = r->blocks->bytes + r->used;
    r->used += n;
    return p;
}

void reply_free(struct reply *r)
{
    while (r->blocks != NULL) {
        struct reply_block *next = r->blocks->next;
        free(r->blocks);
        r->blocks = next;
    }
    *r = (struct reply){0};
}

/* The root is the first that was taken, and so begins the first block, which is
 * the last of the list: closed to a ring, the others are found from it. */
redisReply *reply_root_take(struct reply *r)
{
    struct reply_block *first = r->blocks;
    redisReply *root = r->root;
    while (first->next != NULL)
        first = first->next;
    check((char *)root == first->bytes);
    first->next = r->blocks;
    *r = (struct reply){0};
    return root;
}

void reply_root_free(redisReply *root)
{
    if (root == NULL)
        return;
    char *bytes = (char *)root;
    struct reply_block *first =
        (void *)(bytes - offsetof(struct reply_block, bytes));
    struct reply_block *b = first->next;
    first->next = NULL;
    while (b != NULL) {
        struct reply_block *next = b->next;
        free(b);
        b = next;
    }
}

size_t number_write(char *text, int64_t n)
{
    char digits[24];
    size_t len = 0, minus = n < 0;
    uint64_t left = minus ? 0 - (uint64_t)n : (uint64_t)n;
    do {
        digits[len++] = (char)('0' + left % 10);
        left /= 10;
    } while (left > 0);
    text[0] = '-';
    for (size_t i = 0; i < len; i++)
        text[minus + i] = digits[len - 1 - i];
    text[minus + len] = '\0';
    return minus + len;
}

/* ---- Elements ------------------------------------------------------------ */

void out_to_lua(struct out *o, struct lua_State *lua)
{
    o->lua = lua; /* the open arrays are set when they are */
    o->reply = NULL;
    o->failed = o->depth = 0;
}

void out_to_reply(struct out *o, struct reply *reply)
{
    *reply = (struct reply){0};
    o->lua = NULL;
    o->reply = reply;
    o->failed = o->depth = 0;
}

static redisReply *out_place(struct out *o, int type)
{
    redisReply *r = reply_take(o->reply, sizeof(*r));
    memset(r, 0, sizeof(*r));
    r->type = type;
    if (o->depth == 0) {
        check(o->reply->root == NULL);
        o->reply->root = r;
        return r;
    }
    o->open[o->depth - 1].array->element[o->open[o->depth - 1].next] = r;
    return r;
}

static void out_string(struct out *o, int type, const char *bytes, size_t len)
{
    redisReply *r = out_place(o, type);
    r->str = reply_take(o->reply, len + 1);
    memcpy(r->str, bytes, len);
    r->str[len] = '\0';
    r->len = len;
}

/* A value is written (for Lua: pushed); an array that it fills is one, too. */
static void out_done(struct out *o)
{
    while (o->depth > 0) {
        size_t next = ++o->open[o->depth - 1].next;
        if (o->lua != NULL)
            lua_rawseti(o->lua, -2, (int)next);
        if (next < o->open[o->depth - 1].n)
            return;
        o->depth--;
    }
}

void out_bytes(struct out *o, const char *bytes, size_t len)
{
    if (o->lua != NULL)
        lua_pushlstring(o->lua, bytes, len);
    else
        out_string(o, REDIS_REPLY_STRING, bytes, len);
    out_done(o);
}

void out_text(struct out *o, const char *text)
{
    out_bytes(o, text, strlen(text));
}

void out_str(struct out *o, const struct str *s)
{
    if (s != NULL)
        out_bytes(o, s->bytes, s->len);
    else
        out_nil(o);
}

void out_integer(struct out *o, int64_t n)
{
    if (o->lua != NULL)
        lua_pushnumber(o->lua, (lua_Number)n);
    else
        out_place(o, REDIS_REPLY_INTEGER)->integer = n;
    out_done(o);
}

void out_score(struct out *o, double score)
{
    char text[64];
    if (score > -1e15 && score < 1e15 && score == (double)(int64_t)score &&
        !signbit(score)) {
        out_bytes(o, text, number_write(text, (int64_t)score));
        return;
    }
    if (isinf(score))
        snprintf(text, sizeof(text), "%s", score < 0 ? "-inf" : "inf");
    else
        snprintf(text, sizeof(text), "%.17g", score);
    out_text(o, text);
}

/* Lua hears false: a nil would end the list it stands in. */
void out_nil(struct out *o)
{
    if (o->lua != NULL)
        lua_pushboolean(o->lua, 0);
    else
        (void)out_place(o, REDIS_REPLY_NIL);
    out_done(o);
}

void out_null_array(struct out *o)
{
    out_nil(o);
}

static void out_table(struct out *o, const char *field, const char *text,
                      size_t len)
{
    lua_createtable(o->lua, 0, 1);
    lua_pushlstring(o->lua, text, len);
    lua_setfield(o->lua, -2, field);
}

void out_status(struct out *o, const char *text, size_t len)
{
    if (o->lua != NULL)
        out_table(o, "ok", text, len);
    else
        out_string(o, REDIS_REPLY_STATUS, text, len);
    out_done(o);
}

void out_error(struct out *o, const char *text, size_t len)
{
    o->failed |= o->depth == 0;
    if (o->lua != NULL)
        out_table(o, "err", text, len);
    else
        out_string(o, REDIS_REPLY_ERROR, text, len);
    out_done(o);
}

void out_error_text(struct out *o, const char *format, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    out_error(o, text, strlen(text));
}

void out_array(struct out *o, size_t n)
{
    redisReply *r = NULL;
    if (o->lua != NULL) {
        lua_createtable(o->lua, (int)n, 0);
    } else {
        r = out_place(o, REDIS_REPLY_ARRAY);
        r->elements = n;
        r->element = n > 0 ? reply_take(o->reply, n * sizeof(*r->element))
                           : NULL;
    }
    if (n == 0) {
        out_done(o);
        return;
    }
    check(o->depth < REPLY_DEPTH_MAX);
    o->open[o->depth].array = r;
    o->open[o->depth].n = n;
    o->open[o->depth++].next = 0;
}
