/* SPDX-License-Identifier: MIT */
/* A child process, from fork to execve: what program.c starts its runs with. */
#ifndef STINT_WORKER_CHILD_H
#define STINT_WORKER_CHILD_H

#include <sys/types.h>

enum { PIPE_OUT, PIPE_ERR, PIPE_RESULT, PIPE_IN, N_PIPES };

/* All a child needs, made before fork; borrowed. */
struct child {
    char **argv, **env;
    char *path;
    int fds[N_PIPES]; /* the child's ends */
    int exec_fd;
    int nice;
    long fd_max;
    pid_t parent;
};

/* The program a name means by PATH, as execvp would find it, but before the
 * fork; a file without "#!" is an error and not a shell script. The caller
 * frees it; NULL with errno. */
char *child_path_find(const char *name);

/* In a process group of its own, dead when we die, its signals reset, nothing
 * open but 0 to 3. If it cannot be run, its errno comes through exec_fd.
 * Returns the pid, or -1 with errno. */
pid_t child_fork(struct child *c);

#endif
