/* SPDX-License-Identifier: MIT */
/* The child processes of a worker, from their start until nothing of them is
 * left. A child that ended is reaped by its owner (on_exit). Then what it left
 * behind is killed: as the worker is a subreaper, each process that lost its
 * parent is now the worker's own child, and its signs (orphan.h) tell whose it
 * was. That goes on in passes until one finds nothing; then comes on_gone.
 *
 * Guaranteed, of a descendant with either sign: it is dead at on_gone, unless
 * it made new processes faster than 100 passes, 2 ms apart, could kill them;
 * those meet the next child's passes, and at last the guard. Of one that took
 * off both signs: it dies with its process group, or its cgroup; else it is
 * not known, and reaped when it ends. A child of the program around the worker
 * has no sign and is never killed, nor reaped if it is in our process group. */
#ifndef STINT_WORKER_CHILDREN_H
#define STINT_WORKER_CHILDREN_H

#include <stdint.h>
#include <stint/stint.h>
#include <sys/types.h>

struct children;
struct event_base;

/* A child of ours; part of its owner's struct. */
struct kid {
    struct kid *next;     /* in its bucket, or among those that ended */
    pid_t pid;            /* 0: never was one */
    uint64_t mark;        /* of it and its descendants */
    const char *entry;    /* "STINT_RUN_ID=…" of their environment; the
                             owner's */
    int passes;           /* so often were orphans looked for */
    int n_orphans;        /* killed by the last pass */
    /* It ended but still has its pid, nothing else can have it, or its
     * group's. Must reap it. */
    void (*on_exit)(struct kid *kid);
    /* Nothing of it is left. May free it, or call children_settle again. */
    void (*on_gone)(struct kid *kid);
};

/* Makes the process a subreaper. worker as in STINT_WORKER. */
struct children *children_new(struct event_base *base, const char *worker,
                              struct stint_err *err);
/* There are none left. NULL is fine. */
void children_free(struct children *c);

/* A mark for the next child, never the guard's. */
uint64_t children_mark(struct children *c);
/* It runs, and will be seen to end. The rest of the struct is filled in. */
void children_add(struct children *c, struct kid *kid);
int children_has(const struct children *c, const struct kid *kid);
/* on_gone comes from the loop, in wait_us at the latest; for one that never
 * was a process, or is not quite gone. */
void children_settle(struct children *c, struct kid *kid, int wait_us);
int children_is_empty(const struct children *c);

#endif
