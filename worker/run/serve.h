/* SPDX-License-Identifier: MIT */
/* The child's side of PROTOCOL.md, for C functions. */
#ifndef STINT_WORKER_SERVE_H
#define STINT_WORKER_SERVE_H

struct function;

/* Runs on this thread what comes over the socket, until it ends or says so.
 * Returns the exit status: 0, or 1: the worker makes no sense. */
int serve(int fd, const struct function *(*find)(const char *name, void *arg),
          void *find_arg);

#endif
