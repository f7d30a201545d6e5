/* SPDX-License-Identifier: MIT */
/* Frames of PROTOCOL.md, taken apart and put together, without any I/O: 4
 * bytes of length, most significant first, and a JSON object. */
#ifndef STINT_WORKER_FRAME_H
#define STINT_WORKER_FRAME_H

#include <stddef.h>
#include <stint/stint.h>

#include "bounds.h"
#include "buf.h"

struct json_t;

#define FRAME_HEAD 4
#define FRAME_READ 65536 /* bytes read, and so added, at once */

/* What was read and not yet taken. Bounded by one frame and one read. */
struct frames {
    struct buf bytes;
    size_t at; /* the first that was not taken */
};

void frames_init(struct frames *f);
void frames_close(struct frames *f);
/* At most FRAME_READ bytes, copied; before, all there was must have been taken
 * by frames_next. What that returned is gone. -1: out of memory. */
int frames_add(struct frames *f, const char *data, size_t len);
/* 1: the text of the next frame, borrowed until frames_add; 0: there is no
 * whole one; -1: STATE, it is empty or over FRAME_BYTES_MAX. */
int frames_next(struct frames *f, const char **json, size_t *len,
                struct stint_err *err);
/* Of a frame whose end is not there: its bytes so far. */
size_t frames_left(const struct frames *f);

/* The object, which the caller decrefs, with *type in it. NULL: STATE, it is
 * no JSON object or has no type. Numbers that do not fit become reals and
 * NULs in strings are let through: they are faults of a value, and not of the
 * frame. */
struct json_t *frame_parse(const char *json, size_t len, const char **type,
                           struct stint_err *err);
/* The text of a value of an object that frame_parse took, as it was written;
 * NULL: there is none. */
const char *frame_value(const char *json, const char *key, size_t *len);

/* A frame is written to a buffer with room for FRAME_HEAD + FRAME_BYTES_MAX:
 * first frame_begin, which empties it, then its text, then frame_end. -1: it
 * was too long, or out of memory. */
int frame_begin(struct buf *to);
int frame_end(struct buf *to);
/* The same for an object, which is taken. */
int frame_write(struct buf *to, struct json_t *object);

#endif
