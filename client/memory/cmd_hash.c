/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "command.h"

/* The value of a field, or NULL. */
static const struct str *hash_get(const struct object *o,
                                  const struct arg *field)
{
    const struct dict_entry *e =
        o != NULL ? dict_find(&o->as.hash, field->at, field->len) : NULL;
    return e != NULL ? e->value : NULL;
}

/* 1: the field is new. */
static int hash_put(struct object *o, const struct arg *field,
                    const char *value, size_t len)
{
    struct dict_entry *e = dict_add(&o->as.hash, field->at, field->len);
    int is_new = e->value == NULL;
    free(e->value);
    e->value = str_new(value, len);
    return is_new;
}

void cmd_hset(struct command *c)
{
    struct object *o;
    int64_t n = 0;
    if (c->argc % 2 != 0) {
        out_error_text(c->out,
                       "ERR wrong number of arguments for 'hset' command");
        return;
    }
    if (command_open(c, 1, KIND_HASH, &o))
        return;
    for (int i = 2; i < c->argc; i += 2)
        n += hash_put(o, &c->argv[i], c->argv[i + 1].at, c->argv[i + 1].len);
    out_integer(c->out, n);
}

void cmd_hsetnx(struct command *c)
{
    struct object *o;
    if (command_open(c, 1, KIND_HASH, &o))
        return;
    int is_new = hash_get(o, &c->argv[2]) == NULL;
    if (is_new)
        hash_put(o, &c->argv[2], c->argv[3].at, c->argv[3].len);
    out_integer(c->out, is_new);
}

void cmd_hget(struct command *c)
{
    struct object *o;
    if (command_look(c, 1, KIND_HASH, &o) == 0)
        out_str(c->out, hash_get(o, &c->argv[2]));
}

void cmd_hmget(struct command *c)
{
    struct object *o;
    if (command_look(c, 1, KIND_HASH, &o))
        return;
    out_array(c->out, (size_t)c->argc - 2);
    for (int i = 2; i < c->argc; i++)
        out_str(c->out, hash_get(o, &c->argv[i]));
}

static void hash_emit(struct out *out, const struct dict_entry *e)
{
    out_str(out, e->key);
    out_str(out, e->value);
}

void cmd_hgetall(struct command *c)
{
    struct object *o;
    uint32_t at = 0;
    if (command_look(c, 1, KIND_HASH, &o))
        return;
    out_array(c->out, o != NULL ? 2 * (size_t)o->as.hash.n : 0);
    for (struct dict_entry *e;
         o != NULL && (e = dict_next(&o->as.hash, &at)) != NULL;)
        hash_emit(c->out, e);
}

void cmd_hscan(struct command *c)
{
    struct object *o;
    if (command_look(c, 1, KIND_HASH, &o) == 0)
        command_scan(c, o != NULL ? &o->as.hash : NULL, 2, hash_emit);
}

void cmd_hlen(struct command *c)
{
    struct object *o;
    if (command_look(c, 1, KIND_HASH, &o) == 0)
        out_integer(c->out, o != NULL ? o->as.hash.n : 0);
}

void cmd_hstrlen(struct command *c)
{
    struct object *o;
    if (command_look(c, 1, KIND_HASH, &o))
        return;
    const struct str *value = hash_get(o, &c->argv[2]);
    out_integer(c->out, value != NULL ? (int64_t)value->len : 0);
}

void cmd_hdel(struct command *c)
{
    struct object *o;
    int64_t n = 0;
    if (command_look(c, 1, KIND_HASH, &o))
        return;
    for (int i = 2; o != NULL && i < c->argc; i++) {
        struct dict_entry *e =
            dict_find(&o->as.hash, c->argv[i].at, c->argv[i].len);
        if (e == NULL)
            continue;
        free(e->value);
        dict_remove(&o->as.hash, e);
        n++;
    }
    if (o != NULL)
        command_tidy(c, 1, o);
    out_integer(c->out, n);
}

void cmd_hincrby(struct command *c)
{
    struct object *o;
    int64_t by, old = 0;
    char text[24];
    if (command_integer(c, 3, &by) || command_look(c, 1, KIND_HASH, &o))
        return;
    const struct str *value = hash_get(o, &c->argv[2]);
    if (value != NULL && integer_read(value->bytes, value->len, &old) != 0) {
        out_error_text(c->out, "ERR hash value is not an integer");
        return;
    }
    if ((by > 0 && old > INT64_MAX - by) || (by < 0 && old < INT64_MIN - by)) {
        out_error_text(c->out,
                       "ERR increment or decrement would overflow");
        return;
    }
    if (o == NULL)
        o = keyspace_put(&c->m->keys, KIND_HASH, c->argv[1].at,
                         c->argv[1].len);
    int len = snprintf(text, sizeof(text), "%" PRId64, old + by);
    hash_put(o, &c->argv[2], text, (size_t)len);
    out_integer(c->out, old + by);
}
