/* SPDX-License-Identifier: MIT */
/* A list: a ring that grows. */
#ifndef STINT_MEMORY_LIST_H
#define STINT_MEMORY_LIST_H

#include "str.h"

struct list {
    struct str **ring;
    size_t head, n, cap; /* cap is a power of two */
};

/* All zero is an empty one. */
void list_push(struct list *l, int at_head, const char *bytes, size_t len);
const struct str *list_at(const struct list *l, size_t i); /* i < n */
/* Keeps `count` from `first` on. */
void list_trim(struct list *l, size_t first, size_t count);
void list_copy(struct list *to, const struct list *from); /* `to` is empty */
void list_close(struct list *l);

#endif
