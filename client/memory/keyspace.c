/* SPDX-License-Identifier: MIT */
#include "keyspace.h"

#include <stdlib.h>
#include <string.h>

static void object_close(struct object *o)
{
    uint32_t at = 0;
    switch (o->kind) {
    case KIND_STRING:
        free(o->as.string);
        break;
    case KIND_LIST:
    case KIND_STREAM:
        list_close(&o->as.list);
        break;
    case KIND_HASH:
        for (struct dict_entry *e; (e = dict_next(&o->as.hash, &at)) != NULL;)
            free(e->value);
        dict_close(&o->as.hash);
        break;
    case KIND_SET:
        dict_close(&o->as.set);
        break;
    case KIND_ZSET:
        zset_close(&o->as.zset);
        break;
    }
}

static void object_unref(struct object *o)
{
    if (--o->n_refs > 0)
        return;
    object_close(o);
    free(o);
}

static void *str_twin(void *value)
{
    const struct str *s = value;
    return str_new(s->bytes, s->len);
}

static void *no_twin(void *value)
{
    return value; /* NULL: of a set */
}

static struct object *object_new(enum kind kind)
{
    struct object *o = memory_alloc(sizeof(*o));
    *o = (struct object){.kind = kind, .n_refs = 1};
    /* The largest of the union is not its first member. */
    if (kind == KIND_ZSET)
        o->as.zset = (struct zset){0};
    else if (kind == KIND_LIST || kind == KIND_STREAM)
        o->as.list = (struct list){0};
    else if (kind != KIND_STRING)
        o->as.hash = (struct dict){0};
    return o;
}

static struct object *object_copy(const struct object *from)
{
    struct object *o = object_new(from->kind);
    o->expire_ms = from->expire_ms;
    switch (from->kind) {
    case KIND_STRING:
        o->as.string = str_twin(from->as.string);
        break;
    case KIND_LIST:
    case KIND_STREAM:
        list_copy(&o->as.list, &from->as.list);
        break;
    case KIND_HASH:
        dict_copy(&o->as.hash, &from->as.hash, str_twin);
        break;
    case KIND_SET:
        dict_copy(&o->as.set, &from->as.set, no_twin);
        break;
    case KIND_ZSET:
        zset_copy(&o->as.zset, &from->as.zset);
        break;
    }
    return o;
}

static void keyspace_drop(struct keyspace *k, struct dict_entry *e)
{
    object_unref(e->value);
    dict_remove(&k->keys, e);
}

static struct dict_entry *keyspace_entry(struct keyspace *k, int64_t now_ms,
                                         const char *key, size_t len)
{
    struct dict_entry *e = dict_find(&k->keys, key, len);
    if (e == NULL)
        return NULL;
    const struct object *o = e->value;
    if (o->expire_ms == 0 || now_ms <= o->expire_ms)
        return e;
    keyspace_drop(k, e);
    return NULL;
}

struct object *keyspace_find(struct keyspace *k, int64_t now_ms,
                             const char *key, size_t len)
{
    const struct dict_entry *e = keyspace_entry(k, now_ms, key, len);
    return e != NULL ? e->value : NULL;
}

struct object *keyspace_own(struct keyspace *k, int64_t now_ms,
                            const char *key, size_t len)
{
    struct dict_entry *e = keyspace_entry(k, now_ms, key, len);
    if (e == NULL)
        return NULL;
    struct object *o = e->value;
    if (o->n_refs > 1) {
        e->value = object_copy(o);
        o->n_refs--;
    }
    return e->value;
}

struct object *keyspace_put(struct keyspace *k, enum kind kind,
                            const char *key, size_t len)
{
    struct dict_entry *e = dict_add(&k->keys, key, len);
    if (e->value != NULL)
        object_unref(e->value);
    e->value = object_new(kind);
    return e->value;
}

int keyspace_rename(struct keyspace *k, int64_t now_ms, const char *key,
                    size_t len, const char *to, size_t to_len)
{
    struct dict_entry *e = keyspace_entry(k, now_ms, key, len);
    if (e == NULL)
        return 0;
    if (len == to_len && memcmp(key, to, len) == 0)
        return 1;
    struct object *o = e->value;
    dict_remove(&k->keys, e);
    e = dict_add(&k->keys, to, to_len);
    if (e->value != NULL)
        object_unref(e->value);
    e->value = o;
    return 1;
}

int keyspace_remove(struct keyspace *k, const char *key, size_t len)
{
    struct dict_entry *e = dict_find(&k->keys, key, len);
    if (e == NULL)
        return 0;
    keyspace_drop(k, e);
    return 1;
}

void keyspace_tidy(struct keyspace *k, const char *key, size_t len,
                   const struct object *o)
{
    int is_empty = (o->kind == KIND_LIST && o->as.list.n == 0) ||
                   (o->kind == KIND_HASH && o->as.hash.n == 0) ||
                   (o->kind == KIND_SET && o->as.set.n == 0) ||
                   (o->kind == KIND_ZSET && o->as.zset.members.n == 0);
    if (is_empty)
        (void)keyspace_remove(k, key, len);
}

void keyspace_close(struct keyspace *k)
{
    uint32_t at = 0;
    for (struct dict_entry *e; (e = dict_next(&k->keys, &at)) != NULL;)
        object_unref(e->value);
    dict_close(&k->keys);
}

/* ---- Twins --------------------------------------------------------------- */

static void *object_twin(void *value)
{
    struct object *o = value;
    o->n_refs++;
    return o;
}

void keyspace_copy(struct keyspace *to, const struct keyspace *from)
{
    dict_copy(&to->keys, &from->keys, object_twin);
}

static int str_is(const struct str *a, const struct str *b)
{
    return a->len == b->len && memcmp(a->bytes, b->bytes, a->len) == 0;
}

/* 1: each of the entries is in b, too, with the same value. */
static int dict_is(const struct dict *a, const struct dict *b,
                   int (*is)(const void *a, const void *b))
{
    uint32_t at = 0;
    if (a->n != b->n)
        return 0;
    for (struct dict_entry *e; (e = dict_next(a, &at)) != NULL;) {
        const struct dict_entry *o = dict_find(b, e->key->bytes, e->key->len);
        if (o == NULL || (e->value != o->value && !is(e->value, o->value)))
            return 0;
    }
    return 1;
}

static int value_is(const void *a, const void *b)
{
    return str_is(a, b);
}

static int node_is(const void *a, const void *b)
{
    const struct zset_node *x = a, *y = b;
    return x->score <= y->score && x->score >= y->score;
}

static int list_is(const struct list *a, const struct list *b)
{
    for (size_t i = 0; i < a->n && a->n == b->n; i++)
        if (!str_is(list_at(a, i), list_at(b, i)))
            return 0;
    return a->n == b->n;
}

static int object_is(const struct object *a, const struct object *b)
{
    if (a == b || a->kind != b->kind)
        return a == b;
    switch (a->kind) {
    case KIND_STRING:
        return str_is(a->as.string, b->as.string);
    case KIND_LIST:
    case KIND_STREAM:
        return list_is(&a->as.list, &b->as.list);
    case KIND_HASH:
        return dict_is(&a->as.hash, &b->as.hash, value_is);
    case KIND_SET:
        return dict_is(&a->as.set, &b->as.set, value_is);
    case KIND_ZSET:
        return dict_is(&a->as.zset.members, &b->as.zset.members, node_is);
    }
    return 0;
}

static const struct str *keys_missing(const struct keyspace *a,
                                      const struct keyspace *b)
{
    uint32_t at = 0;
    for (struct dict_entry *e; (e = dict_next(&a->keys, &at)) != NULL;) {
        const struct dict_entry *o =
            dict_find(&b->keys, e->key->bytes, e->key->len);
        if (o == NULL || !object_is(e->value, o->value))
            return e->key;
    }
    return NULL;
}

const struct str *keyspace_difference(const struct keyspace *a,
                                      const struct keyspace *b)
{
    const struct str *key = keys_missing(a, b);
    return key != NULL || a->keys.n == b->keys.n ? key : keys_missing(b, a);
}
