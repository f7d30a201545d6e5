/* SPDX-License-Identifier: MIT */
/* Bytes of a known length, as Redis keeps them. Out of memory ends the
 * program: all of this folder serves tests. */
#ifndef STINT_MEMORY_STR_H
#define STINT_MEMORY_STR_H

#include <stddef.h>
#include <stdint.h>

struct str {
    size_t len;
    char bytes[]; /* a NUL follows that does not count */
};

struct str *str_new(const char *bytes, size_t len); /* copied; free() it */
/* As memcmp, and of two of which one begins with the other the shorter one is
 * less. */
int str_compare(const struct str *a, const char *b, size_t b_len);

/* malloc, realloc and calloc that do not fail. */
void *memory_alloc(size_t size);
void *memory_realloc(void *p, size_t size);
void *memory_calloc(size_t n, size_t size);

#endif
