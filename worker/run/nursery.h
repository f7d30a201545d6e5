/* SPDX-License-Identifier: MIT */
/* Where processes for C functions come from: a fork of the worker, made before
 * it has threads, that does nothing but fork itself again. */
#ifndef STINT_WORKER_NURSERY_H
#define STINT_WORKER_NURSERY_H

#include <stint/stint.h>
#include <sys/types.h>

struct confine;
struct function;
struct kid;

/* One that dies, by whatever hand, is replaced: a second one waits for that,
 * and makes the next to wait. */
struct nursery {
    pid_t pid; /* 0: there is none */
    int fd;
    pid_t spare_pid; /* 0: there is none */
    int spare_fd;
    int is_lost; /* it does not answer any more, and there is no other */
};

/* worker as in STINT_WORKER. find_arg, and each confine of a fork, is seen as
 * it is at this moment. Errors: SYSTEM. Before there are
 * threads: what they hold would stay held in every child. */
int nursery_start(struct nursery *n, const char *worker, char *const *env,
                  const struct function *(*find)(const char *name, void *arg),
                  void *find_arg, struct stint_err *err);
/* A new child of ours, prepared as kid and confined so, that serves PROTOCOL.md (serve.c) on fds[PIPE_RESULT],
 * with stdout and stderr: in a process group of its own, dead when we die; the
 * caller has to wait for it. entry is put into its environment. Waits for the
 * answer, 5 s at most, and that twice if it has to be replaced. -1 with
 * errno. */
pid_t nursery_fork(struct nursery *n, const struct kid *kid,
                   const char *entry, const struct confine *confine,
                   const int *fds);
/* Its children stay. */
void nursery_stop(struct nursery *n);

#endif
