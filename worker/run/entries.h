/* SPDX-License-Identifier: MIT */
/* Texts like "NAME=value" in allocated memory, and NULL-terminated lists. */
#ifndef STINT_WORKER_ENTRIES_H
#define STINT_WORKER_ENTRIES_H

#include <stddef.h>

/* Both in one; the caller frees it. NULL: out of memory. */
char *entry_join(const char *prefix, const char *text);

/* NULL is an empty list. */
size_t entries_count(char *const *entries);
void entries_free(char **entries);

#endif
