/* SPDX-License-Identifier: MIT */
/* A hash table that keeps the order of insertion, so that all replies have an
 * order that depends on nothing but the calls before. Entries stand in an array
 * in that order; one that is removed leaves a hole until the array is made anew
 * (which is when it is full). Each entry has a number that never changes: the
 * cursor of the SCAN family, which so returns everything that was there all the
 * time, and nothing twice. */
#ifndef STINT_MEMORY_DICT_H
#define STINT_MEMORY_DICT_H

#include "str.h"

struct dict_entry {
    struct str *key; /* owned; NULL: a hole */
    void *value;     /* the user's */
    uint64_t hash;
    uint64_t seq;    /* from 1 */
};

struct dict {
    struct dict_entry *entries;
    uint32_t *index;    /* of entries by hash; NULL while there are few */
    uint32_t index_mask;
    uint32_t n;         /* entries without holes */
    uint32_t used;      /* with them */
    uint32_t cap;
    uint32_t first;     /* there are only holes before */
    uint64_t seq;       /* of the last one */
};

/* All zero is an empty one. */
struct dict_entry *dict_find(const struct dict *d, const char *key,
                             size_t len); /* NULL: not there */
/* The entry, a new one with value NULL if there was none. Other entries may
 * move. */
struct dict_entry *dict_add(struct dict *d, const char *key, size_t len);
/* Frees the key; the value is the caller's. */
void dict_remove(struct dict *d, struct dict_entry *e);
/* The first entry at or behind place *at, and the place behind it to *at; NULL:
 * no more. Begin with 0; nothing may be added meanwhile. */
struct dict_entry *dict_next(const struct dict *d, uint32_t *at);
/* The place of the first entry numbered `seq` or more. */
uint32_t dict_seek(const struct dict *d, uint64_t seq);
/* A twin with the same order and numbers; `to` is empty. copy: of a value,
 * which may become NULL. */
void dict_copy(struct dict *to, const struct dict *from,
               void *(*copy)(void *value));
/* Frees the keys and the memory; the values are the caller's. */
void dict_close(struct dict *d);

#endif
