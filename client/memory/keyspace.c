/* SPDX-License-Identifier: MIT */
#include "keyspace.h"

#include <stdlib.h>

static void object_close(struct object *o)
{
    uint32_t at = 0;
    switch (o->kind) {
    case KIND_STRING:
        free(o->as.string);
        break;
    case KIND_LIST:
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

static void keyspace_drop(struct keyspace *k, struct dict_entry *e)
{
    struct object *o = e->value;
    object_close(o);
    free(o);
    dict_remove(&k->keys, e);
}

struct object *keyspace_find(struct keyspace *k, int64_t now_ms,
                             const char *key, size_t len)
{
    struct dict_entry *e = dict_find(&k->keys, key, len);
    if (e == NULL)
        return NULL;
    struct object *o = e->value;
    if (o->expire_ms == 0 || now_ms <= o->expire_ms)
        return o;
    keyspace_drop(k, e);
    return NULL;
}

struct object *keyspace_put(struct keyspace *k, enum kind kind,
                            const char *key, size_t len)
{
    struct dict_entry *e = dict_add(&k->keys, key, len);
    if (e->value == NULL)
        e->value = memory_alloc(sizeof(struct object));
    else
        object_close(e->value);
    struct object *o = e->value;
    *o = (struct object){.kind = kind};
    /* The largest of the union is not its first member. */
    if (kind == KIND_ZSET)
        o->as.zset = (struct zset){0};
    else if (kind == KIND_LIST)
        o->as.list = (struct list){0};
    else if (kind != KIND_STRING)
        o->as.hash = (struct dict){0};
    return o;
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
    for (struct dict_entry *e; (e = dict_next(&k->keys, &at)) != NULL;) {
        object_close(e->value);
        free(e->value);
    }
    dict_close(&k->keys);
}
