/* SPDX-License-Identifier: MIT */
/* What a child writes, collected piece by piece and without any I/O: its
 * output (stdout and stderr, in the order they were read), the last lines of
 * stderr, and its result; and what came of the run, by that and by how the
 * child ended.
 *
 * The output is valid UTF-8 without NUL, U+FFFD for each wrong byte, and at
 * most OUTPUT_BYTES_MAX long, mark included. If there is more, its middle is
 * missing and both ends remain, about equally long:
 *
 *     the first lines
 *     [... N bytes cut ...]
 *     the last lines
 *
 * N counts the missing bytes of that text exactly. A line is cut in two only
 * if it is longer than a quarter of the limit. "!clear!" on either stream
 * drops all output before it, what was cut included. Memory is bounded by the
 * limits, whatever is written. */
#ifndef STINT_WORKER_CAPTURE_H
#define STINT_WORKER_CAPTURE_H

#include <stddef.h>
#include <stdint.h>

#include "bounds.h"
#include "buf.h"
#include "child.h"

/* The last bytes of many. */
struct ring {
    char *data;  /* cap bytes; NULL until the first came */
    size_t cap, len;
    size_t next; /* where the next byte goes */
};

/* stdout or stderr, between two reads. */
struct stream {
    size_t match;  /* so much of the marker did the last read end with */
    char held[4];  /* the beginning of a character, its rest is to come */
    size_t n_held;
};

struct capture {
    struct stream streams[PIPE_ERR + 1]; /* by PIPE_OUT and PIPE_ERR */
    struct buf head;       /* the output's first half */
    struct ring rest;      /* the last half of what came after that */
    uint64_t output_bytes; /* all of it, since "!clear!" if there was one */
    int is_new;            /* since capture_news */
    struct ring errors;    /* the last of stderr, as it came */
    struct buf result;
    int result_cut;        /* there was more of it */
    struct buf tail;       /* the last lines of stderr, as evidence */
};

struct run_result;

void capture_init(struct capture *c);
void capture_close(struct capture *c);

/* What was read from PIPE_OUT, PIPE_ERR or PIPE_RESULT. */
void capture_add(struct capture *c, int which, const char *data, size_t len);
/* Nothing more will come: characters only half there are wrong bytes now. */
void capture_end(struct capture *c);

/* Adds the output so far to text, which must have room for OUTPUT_BYTES_MAX. A
 * character whose rest may still come is left out. */
void capture_output(const struct capture *c, struct buf *text);
/* The same, or 0 if nothing came since the last time. A "!clear!" came, too. */
int capture_news(struct capture *c, struct buf *text);
/* Adds the last lines of stderr to text, at most max bytes, valid UTF-8,
 * without white space at the end. Not touched by "!clear!". */
void capture_stderr(const struct capture *c, size_t max, struct buf *text);

/* What came of a run that nobody ended early, by its wait status: outcome and
 * result (without white space around it, borrowed), and error if it failed:
 * "exit status 3" or "killed by signal 11 (SIGSEGV)", with the last lines of
 * stderr; or what is wrong with the result. */
void capture_judge(const struct capture *c, int status, struct run_result *r,
                   char error[static ERROR_BYTES_MAX + 1]);
/* How it ended, and up to 2,000 bytes of stderr's last lines, borrowed. */
void capture_add_evidence(struct capture *c, int status,
                          struct run_result *r);

#endif
