/* SPDX-License-Identifier: MIT */
/* Text that came from strangers, made fit to be kept: valid UTF-8 without
 * NUL, cut only between characters. */
#ifndef STINT_WORKER_TEXT_H
#define STINT_WORKER_TEXT_H

#include <stddef.h>

struct buf;

/* Adds s to the buffer with U+FFFD for each invalid or NUL byte. -1: full or
 * out of memory; what fitted was added. */
int text_clean(struct buf *to, const char *s, size_t len);
/* The length, at most max, at which valid UTF-8 may be cut. */
size_t text_cut(const char *s, size_t len, size_t max);
/* How many bytes at the end of s begin a character whose rest is not there
 * yet: 0 to 3. What is before them can be cleaned, whatever follows. */
size_t text_open(const char *s, size_t len);
/* Why it cannot be a run's result, a constant; NULL: it is one JSON value
 * without duplicate keys, of at most RESULT_BYTES_MAX bytes. */
const char *text_result_fault(const char *s, size_t len);

#endif
