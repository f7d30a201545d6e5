/* SPDX-License-Identifier: MIT */
/* The bytes of a spool, without any I/O. Numbers are little-endian.
 *
 * A segment is a file of frames behind 16 bytes: "stintspl", u32 version, u32
 * CRC-32C of these. A frame is what one call queued, so it is there as a whole
 * or not at all:
 *
 *   head   4 bytes  FF 53 54 01: no JSON text has an FF, so that nothing in a
 *                   task can look like a frame
 *          u32      bytes of the body
 *          u32      tasks in it
 *          u64      when they were queued, by this host's clock, ms
 *          u64      when they may have been sent to Redis first, the same; 0:
 *                   they never were
 *          u32      CRC-32C of the head so far
 *   body            namespace, then the tasks
 *   u32             CRC-32C of head and body
 *
 * Texts are a u32 of their length and the bytes. A task is: u8 flags (1: start
 * was relative, 2: stop was), u32 durability level, u32 replicas, and the texts
 * id, group, function, start, stop, rules, depends, cronline, timezone, text.
 * Relative times are resolved by this host's clock.
 *
 * The cursor tells how far the replay is, in a file of 48 bytes that is
 * replaced as a whole: "stintcur", u32 version, u64 segment, u64 offset of the
 * first frame to come, u64 offset up to which frames may have been sent, u64
 * since when, u32 CRC-32C. */
#ifndef STINT_LIB_SPOOL_FORMAT_H
#define STINT_LIB_SPOOL_FORMAT_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "task.h"

#define SPOOL_VERSION     1
#define SPOOL_START_BYTES 16
#define SPOOL_HEAD_BYTES  32
#define SPOOL_CURSOR_BYTES 48

/* ---- Frames -------------------------------------------------------------- */

struct spool_frame {
    size_t at, len; /* of the whole, in the segment */
    uint32_t n_tasks;
    int64_t queued_ms;
    int64_t sent_ms; /* 0: never sent */
    const char *body; /* borrowed */
    size_t body_len;
};

/* What every segment begins with. -1: out of memory. */
int spool_write_start(struct buf *to);
/* 1: a newer version of Stint wrote this segment. */
int spool_is_newer(const char *data, size_t len);

/* Appends a frame. -1: over the maximum of `to`, or out of memory. */
int spool_write_frame(struct buf *to, const char *name_space,
                      stint_task *const *tasks, size_t n, int64_t queued_ms,
                      int64_t sent_ms);

enum spool_found {
    SPOOL_END,    /* nothing behind *at */
    SPOOL_FRAME,  /* *f; *at is behind it */
    SPOOL_TORN,   /* from *at on: the beginning of something; nobody was told
                     that it is kept */
    SPOOL_DAMAGE  /* f->at, f->len: bytes that once meant something else; *at
                     is behind them */
};
/* What is next in a segment; *at is 0 at first. */
enum spool_found spool_next(const char *data, size_t len, size_t *at,
                            struct spool_frame *f);

/* The tasks of a frame: an array to be given back to spool_tasks_free.
 * *name_space: into the frame, not ended by a NUL. Relative times are moved by
 * shift_ms. NULL: err is NOMEM, or INVALID (it makes no sense). */
stint_task **spool_tasks(const struct spool_frame *f, int64_t shift_ms,
                         const char **name_space, size_t *name_space_len,
                         struct stint_err *err);
void spool_tasks_free(stint_task **tasks, size_t n);

/* ---- The cursor ---------------------------------------------------------- */

struct spool_cursor {
    uint64_t segment, offset; /* the first frame that is not done */
    uint64_t sent_to; /* frames of the segment before this may have been sent */
    int64_t sent_ms;  /* since then; 0: none was */
};
void spool_cursor_write(const struct spool_cursor *c,
                        char data[static SPOOL_CURSOR_BYTES]);
/* -1: it is damaged. */
int spool_cursor_read(struct spool_cursor *c, const char *data, size_t len);

#endif
