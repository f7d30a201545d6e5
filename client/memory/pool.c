/* SPDX-License-Identifier: MIT */
#include "pool.h"

#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

#include "str.h"

#define STEP       16
#define SMALL_MAX  256
#define SLAB_BYTES 65536

struct piece {
    struct piece *next;
};

struct slab {
    struct slab *next;
    alignas(max_align_t) char bytes[SLAB_BYTES];
};

struct pool {
    struct piece *pieces[SMALL_MAX / STEP]; /* by size: STEP, 2 * STEP… */
    struct slab *slabs;                     /* owned */
    size_t used;                            /* of the first slab */
};

struct pool *pool_new(void)
{
    struct pool *p = memory_calloc(1, sizeof(*p));
    p->used = SLAB_BYTES;
    return p;
}

static size_t kind_of(size_t size)
{
    return (size - 1) / STEP;
}

static void *small_take(struct pool *p, size_t size)
{
    size_t kind = kind_of(size), bytes = (kind + 1) * STEP;
    struct piece *piece = p->pieces[kind];
    if (piece != NULL) {
        p->pieces[kind] = piece->next;
        return piece;
    }
    if (SLAB_BYTES - p->used < bytes) {
        struct slab *s = memory_alloc(sizeof(*s));
        s->next = p->slabs;
        p->slabs = s;
        p->used = 0;
    }
    p->used += bytes;
    return p->slabs->bytes + p->used - bytes;
}

static void small_give(struct pool *p, void *at, size_t size)
{
    struct piece *piece = at;
    piece->next = p->pieces[kind_of(size)];
    p->pieces[kind_of(size)] = piece;
}

static void *take(struct pool *p, size_t size)
{
    return size <= SMALL_MAX ? small_take(p, size) : malloc(size);
}

static void give(struct pool *p, void *at, size_t size)
{
    if (size <= SMALL_MAX)
        small_give(p, at, size);
    else
        free(at);
}

void *pool_alloc(void *ud, void *at, size_t old_size, size_t new_size)
{
    struct pool *p = ud;
    if (at == NULL)
        return new_size > 0 ? take(p, new_size) : NULL;
    if (new_size == 0) {
        give(p, at, old_size);
        return NULL;
    }
    if (old_size > SMALL_MAX && new_size > SMALL_MAX)
        return realloc(at, new_size);
    if (old_size <= SMALL_MAX && new_size <= SMALL_MAX &&
        kind_of(old_size) == kind_of(new_size))
        return at;
    void *to = take(p, new_size);
    if (to == NULL)
        return NULL;
    memcpy(to, at, old_size < new_size ? old_size : new_size);
    give(p, at, old_size);
    return to;
}

void pool_free(struct pool *p)
{
    while (p->slabs != NULL) {
        struct slab *next = p->slabs->next;
        free(p->slabs);
        p->slabs = next;
    }
    free(p);
}
