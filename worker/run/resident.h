/* SPDX-License-Identifier: MIT */
/* A process that stays: from its start, over the frames it sends and what it
 * writes, until nothing of it is left. What it is told and what its frames
 * mean is its owner's business (pools.c, errand.c). */
#ifndef STINT_WORKER_RESIDENT_H
#define STINT_WORKER_RESIDENT_H

#include <event2/event_struct.h>
#include <stdint.h>
#include <stint/stint.h>
#include <sys/resource.h>

#include "capture.h"
#include "children.h"
#include "frame.h"

struct child_pool;
struct json_t;
struct log;
struct nursery;
struct resident;

/* What all residents of a worker share; borrowed by each. */
struct resident_home {
    struct event_base *base;
    struct children *children;
    const struct log *log;
    struct nursery *nursery;  /* for those without argv */
    char worker[STINT_NAME_LEN * 2 + 1]; /* as in STINT_WORKER */
    char **env;               /* theirs; the first entry is each one's own */
    uint64_t n_started;
    char scratch[FRAME_READ];
    /* A frame came: object of that type, json its text; both borrowed. */
    void (*on_frame)(struct resident *r, const char *type,
                     struct json_t *frame, const char *json);
    /* No frame of it comes any more, and none should be sent: it has closed
     * its socket, and may end by itself, or it was broken. May come twice. */
    void (*on_silent)(struct resident *r);
    /* Nothing is left of it, or of what it started: status, usage, capture
     * and fault tell how it ended. May start it anew. */
    void (*on_gone)(struct resident *r);
};

struct resident {
    struct kid kid;          /* first; its pid is 0 once it was reaped */
    struct resident_home *home;
    const struct child_pool *how; /* borrowed */
    int is_up;               /* from resident_start until on_gone */
    char entry[STINT_NAME_LEN * 2 + 48]; /* STINT_CHILD_ID=…, in its
                                environment and in those of its children */
    char fault[200];         /* how it broke the protocol, or why it could not
                                be started; "": nothing known */
    int at_eof;              /* it has closed its socket */
    int unread;              /* it did so before it had read all it was sent */
    int status;              /* once reaped, as the next; -1: not known: there
                                was no process, or somebody else reaped it */
    struct rusage usage;
    int listens;             /* what it writes is kept in capture; else it goes
                                to the log */
    int has_capture;         /* something was */
    struct capture capture;
    /* -- its own -- */
    int fd;                  /* -1: closed, or there is none */
    int out_fd[PIPE_ERR + 1];
    struct event on_socket, on_room, on_out[PIPE_ERR + 1];
    int has_events;
    struct frames frames;
    struct buf unsent;
};

#define RESIDENT_ENV_OWN 4 /* the first entries: what they must have */

/* env for resident_home, from ours: without what is not for children. NULL:
 * out of memory. Free with template_free. */
char **resident_env(const char *worker);

/* home and how are set. -1: it could not be started, fault says why. */
int resident_start(struct resident *r);
/* What it writes from now on is kept, from nothing. */
void resident_listen(struct resident *r);
/* It, also if nothing came. */
struct capture *resident_capture(struct resident *r);
/* That is at an end. */
void resident_ignore(struct resident *r);
/* What it has written and was not read yet. Bounded. */
void resident_drain(struct resident *r);
/* Its memory now, bytes; 0: not known. */
int64_t resident_rss(const struct resident *r);
/* A frame as frame_end left it; copied. What it does not read at once is kept;
 * if that gets too much, it is killed. */
void resident_send(struct resident *r, const struct buf *frame);
/* SIGKILL for it and its process group; on_gone comes. */
void resident_kill(struct resident *r);
/* The same, and the first fault is kept. */
void resident_break(struct resident *r, const char *why);
/* At the worker's end: 1: it is gone, without on_gone; 0: not yet. must: kill
 * it and wait. */
int resident_close(struct resident *r, int must);

#endif
