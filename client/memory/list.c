/* SPDX-License-Identifier: MIT */
#include "list.h"

#include <stdlib.h>

static void list_grow(struct list *l)
{
    size_t cap = l->cap > 0 ? 2 * l->cap : 4;
    struct str **ring = memory_alloc(cap * sizeof(struct str *));
    for (size_t i = 0; i < l->n; i++)
        ring[i] = l->ring[(l->head + i) & (l->cap - 1)];
    free(l->ring);
    l->ring = ring;
    l->head = 0;
    l->cap = cap;
}

void list_push(struct list *l, int at_head, const char *bytes, size_t len)
{
    if (l->n == l->cap)
        list_grow(l);
    if (at_head)
        l->head = (l->head - 1) & (l->cap - 1);
    l->ring[(l->head + (at_head ? 0 : l->n)) & (l->cap - 1)] =
        str_new(bytes, len);
    l->n++;
}

const struct str *list_at(const struct list *l, size_t i)
{
    return l->ring[(l->head + i) & (l->cap - 1)];
}

void list_trim(struct list *l, size_t first, size_t count)
{
    for (size_t i = 0; i < l->n; i++)
        if (i < first || i >= first + count)
            free(l->ring[(l->head + i) & (l->cap - 1)]);
    l->head = l->cap > 0 ? (l->head + first) & (l->cap - 1) : 0;
    l->n = count;
}

void list_copy(struct list *to, const struct list *from)
{
    for (size_t i = 0; i < from->n; i++) {
        const struct str *s = list_at(from, i);
        list_push(to, 0, s->bytes, s->len);
    }
}

void list_close(struct list *l)
{
    list_trim(l, 0, 0);
    free(l->ring);
    *l = (struct list){0};
}
