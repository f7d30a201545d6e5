/* SPDX-License-Identifier: MIT */
/* The text that Redis answers INFO with: lines "name:value". */
#ifndef STINT_CORE_INFO_H
#define STINT_CORE_INFO_H

#include <stddef.h>
#include <stdint.h>

#define INFO_COUNT_MAX (INT64_C(1) << 53) /* what is more is no count */

/* What follows "name:" at the start of a line, up to its end; NULL: none. */
const char *info_find(const char *text, const char *name);
/* The sum of a count and one more, which may be any number: the text may be
 * anything. */
int64_t info_add(int64_t n, int64_t more);
/* Sums: a cluster answers with the lines of each of its primaries. */
int64_t info_count(const char *text, const char *name);
/* The first of them, cut to fit; 0: none. */
int info_text(const char *text, const char *name, char *to, size_t cap);

#endif
