/* SPDX-License-Identifier: MIT */
/* The keys of a memory server and what they hold. */
#ifndef STINT_MEMORY_KEYSPACE_H
#define STINT_MEMORY_KEYSPACE_H

#include "dict.h"
#include "list.h"
#include "zset.h"

enum kind { KIND_STRING, KIND_LIST, KIND_HASH, KIND_SET, KIND_ZSET };

struct object {
    enum kind kind;
    int64_t expire_ms; /* gone when the clock is past it; 0: never */
    union {
        struct str *string; /* owned */
        struct list list;
        struct dict hash;   /* value: a struct str, owned */
        struct dict set;    /* value: NULL */
        struct zset zset;
    } as;
};

struct keyspace {
    struct dict keys; /* value: its object, owned */
};

/* NULL: not there, or expired at now_ms (and then removed). */
struct object *keyspace_find(struct keyspace *k, int64_t now_ms,
                             const char *key, size_t len);
/* A new, empty one in the place of what may be there. */
struct object *keyspace_put(struct keyspace *k, enum kind kind,
                            const char *key, size_t len);
int keyspace_remove(struct keyspace *k, const char *key, size_t len);
/* Removes the key if what it holds has become empty. */
void keyspace_tidy(struct keyspace *k, const char *key, size_t len,
                   const struct object *o);
void keyspace_close(struct keyspace *k); /* it is empty then */

#endif
