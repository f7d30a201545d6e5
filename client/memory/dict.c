/* SPDX-License-Identifier: MIT */
#include "dict.h"

#include <stdlib.h>
#include <string.h>

#include "err.h"

#define FEW  8 /* so many are looked through without an index */
#define NONE UINT32_MAX

/* The same on every run: nothing here is exposed to an enemy. */
static uint64_t hash_of(const char *key, size_t len)
{
    const uint64_t factor = UINT64_C(0x9e3779b97f4a7c15);
    uint64_t h = len * factor;
    for (; len >= 8; key += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, key, 8);
        h = (h ^ word) * factor;
        h ^= h >> 32;
    }
    uint64_t word = 0;
    memcpy(&word, key, len);
    h = (h ^ word) * factor;
    return h ^ h >> 29;
}

static int entry_is(const struct dict_entry *e, uint64_t hash, const char *key,
                    size_t len)
{
    return e->hash == hash && e->key != NULL && e->key->len == len &&
           memcmp(e->key->bytes, key, len) == 0;
}

static struct dict_entry *dict_look(const struct dict *d, uint64_t hash,
                                    const char *key, size_t len)
{
    if (d->index == NULL) {
        for (uint32_t i = d->first; i < d->used; i++)
            if (entry_is(&d->entries[i], hash, key, len))
                return &d->entries[i];
        return NULL;
    }
    for (uint32_t at = (uint32_t)hash & d->index_mask; d->index[at] != NONE;
         at = (at + 1) & d->index_mask)
        if (entry_is(&d->entries[d->index[at]], hash, key, len))
            return &d->entries[d->index[at]];
    return NULL;
}

struct dict_entry *dict_find(const struct dict *d, const char *key, size_t len)
{
    return d->n > 0 ? dict_look(d, hash_of(key, len), key, len) : NULL;
}

static void index_put(struct dict *d, uint32_t place)
{
    uint32_t at = (uint32_t)d->entries[place].hash & d->index_mask;
    while (d->index[at] != NONE)
        at = (at + 1) & d->index_mask;
    d->index[at] = place;
}

/* Without holes, and with room for as many again. */
static void dict_rebuild(struct dict *d)
{
    uint32_t n = 0, cap = FEW / 2;
    while (cap < 2 * d->n)
        cap *= 2;
    check(cap <= UINT32_MAX / 4);
    struct dict_entry *entries = memory_alloc(cap * sizeof(*entries));
    for (uint32_t i = d->first; i < d->used; i++)
        if (d->entries[i].key != NULL)
            entries[n++] = d->entries[i];
    free(d->entries);
    free(d->index);
    d->entries = entries;
    d->index = NULL;
    d->used = n;
    d->cap = cap;
    d->first = 0;
    if (cap <= FEW)
        return;
    d->index_mask = 2 * cap - 1;
    d->index = memory_alloc(2 * (size_t)cap * sizeof(*d->index));
    memset(d->index, 0xff, 2 * (size_t)cap * sizeof(*d->index));
    for (uint32_t i = 0; i < n; i++)
        index_put(d, i);
}

struct dict_entry *dict_add(struct dict *d, const char *key, size_t len)
{
    uint64_t hash = hash_of(key, len);
    struct dict_entry *e = d->n > 0 ? dict_look(d, hash, key, len) : NULL;
    if (e != NULL)
        return e;
    if (d->used == d->cap)
        dict_rebuild(d);
    e = &d->entries[d->used++];
    *e = (struct dict_entry){.key = str_new(key, len), .hash = hash,
                             .seq = ++d->seq};
    d->n++;
    if (d->index != NULL)
        index_put(d, d->used - 1);
    return e;
}

void dict_remove(struct dict *d, struct dict_entry *e)
{
    free(e->key);
    e->key = NULL;
    d->n--;
    while (d->first < d->used && d->entries[d->first].key == NULL)
        d->first++;
}

struct dict_entry *dict_next(const struct dict *d, uint32_t *at)
{
    uint32_t i = *at < d->first ? d->first : *at;
    while (i < d->used && d->entries[i].key == NULL)
        i++;
    *at = i + 1;
    return i < d->used ? &d->entries[i] : NULL;
}

uint32_t dict_seek(const struct dict *d, uint64_t seq)
{
    uint32_t low = d->first, high = d->used;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (d->entries[middle].seq < seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

void dict_copy(struct dict *to, const struct dict *from,
               void *(*copy)(void *value))
{
    *to = *from;
    if (from->cap == 0)
        return;
    to->entries = memory_alloc(from->cap * sizeof(*to->entries));
    memcpy(to->entries, from->entries, from->used * sizeof(*to->entries));
    if (from->index != NULL) {
        size_t bytes = ((size_t)from->index_mask + 1) * sizeof(*to->index);
        to->index = memory_alloc(bytes);
        memcpy(to->index, from->index, bytes);
    }
    for (uint32_t i = to->first; i < to->used; i++) {
        struct dict_entry *e = &to->entries[i];
        if (e->key == NULL)
            continue;
        e->key = str_new(e->key->bytes, e->key->len);
        e->value = copy(e->value);
    }
}

void dict_close(struct dict *d)
{
    for (uint32_t i = d->first; i < d->used; i++)
        free(d->entries[i].key);
    free(d->entries);
    free(d->index);
    *d = (struct dict){0};
}
