/* SPDX-License-Identifier: MIT */
/* A growing byte buffer, born with its maximum. data is always followed by a
 * NUL (not counted) once anything was added. Over the maximum, or out of
 * memory: -1 and the buffer is unchanged. */
#ifndef STINT_CORE_BUF_H
#define STINT_CORE_BUF_H

#include <stddef.h>

struct buf {
    char *data; /* NULL while nothing was added */
    size_t len;
    size_t cap;
    size_t max;
};

void buf_init(struct buf *b, size_t max);
int buf_add(struct buf *b, const void *data, size_t len);
int buf_add_str(struct buf *b, const char *s);
int buf_printf(struct buf *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
void buf_clear(struct buf *b);  /* keeps the memory */
char *buf_take(struct buf *b);  /* the caller frees it; NULL if empty */
void buf_close(struct buf *b);

#endif
