/* SPDX-License-Identifier: MIT */
/* The keys of a memory server and what they hold. Objects are counted, so that
 * a twin of all keys costs little: whoever writes to one that is shared writes
 * to a copy. */
#ifndef STINT_MEMORY_KEYSPACE_H
#define STINT_MEMORY_KEYSPACE_H

#include "dict.h"
#include "list.h"
#include "zset.h"

enum kind {
    KIND_STRING, KIND_LIST, KIND_HASH, KIND_SET, KIND_ZSET, KIND_STREAM
};

struct object {
    enum kind kind;
    uint32_t n_refs;   /* keyspaces that have it */
    int64_t expire_ms; /* gone when the clock is past it; 0: never */
    union {
        struct str *string; /* owned */
        struct list list;   /* of a stream its entries, too (cmd_stream.c) */
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
/* The same, to be written to. */
struct object *keyspace_own(struct keyspace *k, int64_t now_ms,
                            const char *key, size_t len);
/* A new, empty one in the place of what may be there. */
struct object *keyspace_put(struct keyspace *k, enum kind kind,
                            const char *key, size_t len);
int keyspace_remove(struct keyspace *k, const char *key, size_t len);
/* What is there under another name, in the place of what has it. 0: nothing. */
int keyspace_rename(struct keyspace *k, int64_t now_ms, const char *key,
                    size_t len, const char *to, size_t to_len);
/* Removes the key if what it holds has become empty. */
void keyspace_tidy(struct keyspace *k, const char *key, size_t len,
                   const struct object *o);
void keyspace_close(struct keyspace *k); /* it is empty then */
/* A twin; `to` is empty. */
void keyspace_copy(struct keyspace *to, const struct keyspace *from);
/* NULL: both hold the same (whenever it expires); else a key that differs,
 * borrowed. */
const struct str *keyspace_difference(const struct keyspace *a,
                                      const struct keyspace *b);

#endif
