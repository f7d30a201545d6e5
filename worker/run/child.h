/* SPDX-License-Identifier: MIT */
/* A child process, from vfork to execve: what program.c starts runs with. */
#ifndef STINT_WORKER_CHILD_H
#define STINT_WORKER_CHILD_H

#include <stdint.h>
#include <sys/types.h>

struct confine;

enum { PIPE_OUT, PIPE_ERR, PIPE_RESULT, PIPE_IN, N_PIPES };

/* All a child needs, made before it is started; borrowed. */
struct child {
    char *const *argv, *const *env;
    const char *path;
    int fds[N_PIPES];   /* the child's ends, close-on-exec */
    int cgroup_fd;      /* cgroup.procs of the one to move to; -1: stays */
    uint64_t mark;      /* see orphan.h */
    const struct confine *confine; /* NULL: nothing */
};

/* The program a name means by PATH, as execvp would find it, but before the
 * fork; a file without "#!" is an error and not a shell script. The caller
 * frees it; NULL with errno. */
char *child_path_find(const char *name);

/* In a process group of its own, dead when we die, its signals reset, marked
 * and confined, nothing open but 0 to 3. Returns the pid once the program
 * runs; or -1 with errno, and *step is what could not be done ("cwd /x"),
 * NULL: to run it. PR_SET_PDEATHSIG makes it die with the calling thread. */
pid_t child_start(const struct child *c, const char **step);

#endif
