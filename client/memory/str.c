/* SPDX-License-Identifier: MIT */
#include "str.h"

#include <stdlib.h>
#include <string.h>

#include "err.h"

void *memory_alloc(size_t size)
{
    void *p = malloc(size > 0 ? size : 1);
    check(p != NULL);
    return p;
}

void *memory_realloc(void *p, size_t size)
{
    p = realloc(p, size > 0 ? size : 1);
    check(p != NULL);
    return p;
}

void *memory_calloc(size_t n, size_t size)
{
    void *p = calloc(n > 0 ? n : 1, size);
    check(p != NULL);
    return p;
}

struct str *str_new(const char *bytes, size_t len)
{
    struct str *s = memory_alloc(sizeof(*s) + len + 1);
    s->len = len;
    memcpy(s->bytes, bytes, len);
    s->bytes[len] = '\0';
    return s;
}

int str_compare(const struct str *a, const char *b, size_t b_len)
{
    size_t len = a->len < b_len ? a->len : b_len;
    int order = memcmp(a->bytes, b, len);
    if (order != 0)
        return order;
    return a->len < b_len ? -1 : a->len > b_len;
}
