/* SPDX-License-Identifier: MIT */
/* The directory of a spool: its locks and files, and what makes them outlive a
 * power cut. Files:
 *
 *   lock                 held (flock) for each change
 *   replay.lock          held by the one who replays
 *   N.spool              segments, N of 20 digits: 1, 2, … (spool_format.h)
 *   cursor               how far the replay is
 *   N.damaged            a segment that is done and had bytes in it that were
 *                        no frames
 *   refused              what Redis would not have, a JSON object a line
 *
 * All of them are 0600 and no symbolic links, in a directory 0700 of this
 * user. */
#ifndef STINT_LIB_SPOOL_DIR_H
#define STINT_LIB_SPOOL_DIR_H

#include <stdint.h>

#include "client.h"
#include "spool_format.h"

#define SPOOL_BYTES_MAX     (INT64_C(64) * 1024 * 1024) /* if nothing is said */
#define SPOOL_SEGMENT_BYTES (4 * 1024 * 1024) /* a new one is begun then */

struct spool {
    int dir;
    char *path;
    int64_t max_bytes;
    int64_t next_try_ms; /* Redis was away: not asked again before; monotonic */
    uint64_t tail;       /* the segment we appended to last, */
    size_t tail_end;     /* and its end then: known to be good up to there */
};

/* Opens it; makes the directory if `create`. Errors: INVALID (somebody else
 * could read or change it), NOT_FOUND, SYSTEM, NOMEM. */
struct spool *spool_open(const char *path, int64_t max_bytes, int create,
                         struct stint_err *err);
void spool_close(struct spool *sp); /* NULL is fine */

/* Takes a lock, waiting up to wait_ms by `s`. A descriptor to be closed; -1:
 * err, BUSY if another has it. */
int spool_lock(struct spool *sp, struct stint *s, const char *name,
               int64_t wait_ms, struct stint_err *err);

/* Gives it back. */
void spool_lock_end(int lock);

struct spool_list {
    uint64_t *segments; /* ascending; owned */
    size_t n;
    int64_t bytes;    /* of all files */
    int64_t damaged_bytes; /* of N.damaged */
};
int spool_list(struct spool *sp, struct spool_list *list,
               struct stint_err *err);
void spool_list_close(struct spool_list *list);

/* A segment as a whole; free(*data). -1: err; NOT_FOUND: it is gone. */
int spool_segment_read(struct spool *sp, uint64_t segment, char **data,
                       size_t *len, struct stint_err *err);
/* Removes one that is done; keeps it as N.damaged if it has been. */
int spool_segment_end(struct spool *sp, uint64_t segment, int was_damaged,
                      struct stint_err *err);

/* With `lock` held: appends a frame, cutting off what was torn before. When it
 * returns 0 the frame is on the disk; otherwise nothing of it is in the file,
 * but for UNKNOWN: it may be. Errors: TOO_BIG (the spool is full), SYSTEM,
 * PROTOCOL (a newer version's file), NOMEM. */
int spool_append(struct spool *sp, const struct buf *frame,
                 struct stint_err *err);
/* The same for whole lines behind `refused`. */
int spool_refuse(struct spool *sp, const struct buf *lines,
                 struct stint_err *err);
/* Lines in `refused`. -1: err. */
int64_t spool_refused_count(struct spool *sp, struct stint_err *err);

/* 1: it was read; 0: there is none (all zero then); -1: damaged. -2: err. */
int spool_cursor_load(struct spool *sp, struct spool_cursor *c,
                      struct stint_err *err);
/* With `lock` held. */
int spool_cursor_store(struct spool *sp, const struct spool_cursor *c,
                       struct stint_err *err);

#endif
