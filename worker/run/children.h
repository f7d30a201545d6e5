/* SPDX-License-Identifier: MIT */
/* The child processes of a worker, whichever executor they are of, from their
 * start until nothing of them is left. A child that ended is reaped by its
 * owner (on_exit). Then what it left behind is killed: as the worker is a
 * subreaper, each process that lost its parent is now the worker's own child,
 * and its signs (orphan.h) tell whose it was. That goes on in passes until one
 * finds nothing, and its cgroup, if it had one, is gone; then comes on_gone.
 *
 * Guaranteed, of a descendant with either sign: it is dead at on_gone, unless
 * it made new processes faster than 100 passes, 2 ms apart, could kill them;
 * those meet the next child's passes, and at last the guard. Of one that took
 * off both signs: it dies with its process group, or its cgroup; else it is
 * not known, and reaped when it ends. A child of the program around the worker
 * has no sign and is never killed, nor reaped if it is in our process group.
 *
 * No signal is used: several workers, and programs around them, fit in one
 * process. */
#ifndef STINT_WORKER_CHILDREN_H
#define STINT_WORKER_CHILDREN_H

#include <event2/event_struct.h>
#include <stdint.h>
#include <stint/stint.h>
#include <sys/types.h>

#include "cgroup.h"

struct children;

/* A child of ours; part of its owner's struct, zeroed before its first use. */
struct kid {
    pid_t pid;            /* 0: never was one */
    uint64_t mark;        /* of it and its descendants */
    const char *entry;    /* "NAME=value" of their environment, and of nobody
                             else's; the owner's */
    /* It ended but still has its pid, nothing else can have it, or its
     * group's. Its group was killed. Must reap it. */
    void (*on_exit)(struct kid *kid);
    /* Nothing of it is left. May free it, or use it for another child. */
    void (*on_gone)(struct kid *kid);
    int was_oom;          /* from on_exit: its cgroup's memory limit had
                             something killed */
    /* -- children.c's own -- */
    struct children *children;
    struct kid *next;     /* in its bucket, or among those that ended */
    struct event ended;   /* its pidfd */
    int pid_fd;           /* -1: there are none here; it is looked at */
    int passes;           /* so often were orphans looked for */
    int n_orphans;        /* killed by the last pass */
    int has_cgroup;
    int cgroup_passes;
    struct cgroup cgroup;
};

/* Makes the process a subreaper. worker as in STINT_WORKER. */
struct children *children_new(struct event_base *base, const char *worker,
                              struct stint_err *err);
/* There are none left. NULL is fine. */
void children_free(struct children *c);

/* Before it is started: gives it a mark, never the guard's, and, if limits say
 * so, a cgroup; kid->cgroup.procs_fd is for the child then. SYSTEM, INVALID: it
 * could not be made; the rest is fine. */
int children_prepare(struct children *c, struct kid *kid,
                     const struct cgroup_limits *limits,
                     struct stint_err *err);
/* It runs, kid->pid, and will be seen to end. */
void children_add(struct children *c, struct kid *kid);
int children_has(const struct children *c, const struct kid *kid);
/* It was prepared, but never was a process: on_gone comes from the loop. */
void children_forgo(struct children *c, struct kid *kid);
/* SIGKILL for it and its group; on_exit comes from the loop. */
void children_kill(struct children *c, struct kid *kid);
/* The same at once: on_exit comes inside, and on_gone does not come; returns
 * when nothing is left. Also for one that has ended and is not quite gone. */
void children_finish(struct children *c, struct kid *kid);

#endif
