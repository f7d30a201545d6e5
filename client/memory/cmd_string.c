/* SPDX-License-Identifier: MIT */
/* Keys of any kind, and strings. */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"

void cmd_del(struct command *c)
{
    int64_t n = 0;
    for (int i = 1; i < c->argc; i++) {
        const struct arg *key = &c->argv[i];
        if (keyspace_find(&c->m->keys, c->m->now_us / 1000, key->at,
                          key->len) != NULL)
            n += keyspace_remove(&c->m->keys, key->at, key->len);
    }
    out_integer(c->out, n);
}

void cmd_exists(struct command *c)
{
    int64_t n = 0;
    for (int i = 1; i < c->argc; i++)
        n += keyspace_find(&c->m->keys, c->m->now_us / 1000, c->argv[i].at,
                           c->argv[i].len) != NULL;
    out_integer(c->out, n);
}

/* A pattern means what it does in Redis, but for "[^" and a slash in one. */
void cmd_keys(struct command *c)
{
    const struct dict *keys = &c->m->keys.keys;
    struct dict_entry *e;
    uint32_t at = 0;
    size_t n = 0;
    char pattern[256];
    if (c->argv[1].len >= sizeof(pattern)) {
        out_error_text(c->out, "ERR a pattern so long is not supported here");
        return;
    }
    memcpy(pattern, c->argv[1].at, c->argv[1].len);
    pattern[c->argv[1].len] = '\0';
    while ((e = dict_next(keys, &at)) != NULL)
        n += fnmatch(pattern, e->key->bytes, 0) == 0;
    out_array(c->out, n);
    for (at = 0; (e = dict_next(keys, &at)) != NULL;)
        if (fnmatch(pattern, e->key->bytes, 0) == 0)
            out_str(c->out, e->key);
}

void cmd_type(struct command *c)
{
    static const char *const names[] = {"string", "list", "hash", "set",
                                        "zset", "stream"};
    const struct object *o = keyspace_find(
        &c->m->keys, c->m->now_us / 1000, c->argv[1].at, c->argv[1].len);
    const char *name = o != NULL ? names[o->kind] : "none";
    out_status(c->out, name, strlen(name));
}

void cmd_flushall(struct command *c)
{
    keyspace_close(&c->m->keys);
    out_status(c->out, "OK", 2);
}

void cmd_get(struct command *c)
{
    struct object *o;
    if (command_look(c, 1, KIND_STRING, &o) == 0)
        out_str(c->out, o != NULL ? o->as.string : NULL);
}

void cmd_rename(struct command *c)
{
    const struct arg *from = &c->argv[1], *to = &c->argv[2];
    if (keyspace_rename(&c->m->keys, c->m->now_us / 1000, from->at, from->len,
                        to->at, to->len))
        out_status(c->out, "OK", 2);
    else
        out_error_text(c->out, "ERR no such key");
}

/* -2: not there, -1: lives for ever. */
void cmd_pexpire(struct command *c)
{
    int64_t now_ms = c->m->now_us / 1000, ttl_ms;
    const struct arg *key = &c->argv[1];
    if (command_integer(c, 2, &ttl_ms))
        return;
    struct object *o = keyspace_own(&c->m->keys, now_ms, key->at, key->len);
    if (o != NULL && ttl_ms > 0)
        o->expire_ms = now_ms + ttl_ms;
    else if (o != NULL)
        (void)keyspace_remove(&c->m->keys, key->at, key->len);
    out_integer(c->out, o != NULL);
}

void cmd_pttl(struct command *c)
{
    int64_t now_ms = c->m->now_us / 1000;
    const struct arg *key = &c->argv[1];
    const struct object *o = keyspace_find(&c->m->keys, now_ms, key->at,
                                           key->len);
    out_integer(c->out, o == NULL ? -2 : o->expire_ms == 0
                                             ? -1 : o->expire_ms - now_ms);
}

/* What SET is asked for besides. */
struct set_options {
    int64_t ttl_ms; /* 0: none */
    int if_there, if_not;
};

static int set_read(struct command *c, struct set_options *s)
{
    for (int i = 3; i < c->argc; i++) {
        const struct arg *word = &c->argv[i];
        int seconds = arg_is(word, "EX");
        if (arg_is(word, "NX") && !s->if_there) {
            s->if_not = 1;
        } else if (arg_is(word, "XX") && !s->if_not) {
            s->if_there = 1;
        } else if ((seconds || arg_is(word, "PX")) && s->ttl_ms == 0 &&
                   i + 1 < c->argc) {
            if (command_integer(c, ++i, &s->ttl_ms))
                return -1;
            if (s->ttl_ms <= 0 || s->ttl_ms > INT64_MAX / 4000) {
                out_error_text(c->out,
                               "ERR invalid expire time in 'set' command");
                return -1;
            }
            s->ttl_ms *= seconds ? 1000 : 1;
        } else {
            return command_refuse_syntax(c);
        }
    }
    return 0;
}

void cmd_set(struct command *c)
{
    const struct arg *key = &c->argv[1];
    struct set_options s = {0};
    if (set_read(c, &s))
        return;
    struct object *o = keyspace_find(&c->m->keys, c->m->now_us / 1000,
                                     key->at, key->len);
    if ((s.if_not && o != NULL) || (s.if_there && o == NULL)) {
        out_nil(c->out);
        return;
    }
    o = keyspace_put(&c->m->keys, KIND_STRING, key->at, key->len);
    o->as.string = str_new(c->argv[2].at, c->argv[2].len);
    if (s.ttl_ms > 0)
        o->expire_ms = c->m->now_us / 1000 + s.ttl_ms;
    out_status(c->out, "OK", 2);
}
