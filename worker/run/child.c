/* SPDX-License-Identifier: MIT */
/* The child's side of a run, until execve. It borrows our memory, as after
 * vfork: with no page table to be copied a start costs a third, however big
 * the worker is. So the child has a stack of its own and makes
 * async-signal-safe calls only, and all signals stay blocked until none of our
 * handlers is left in it. We stand still meanwhile; what went wrong is in
 * memory when we go on, and needs no pipe.
 *
 * It gets a copy of our memory instead, and only what it reports is shared,
 * - if it becomes another user, who could do something to it before execve,
 *   and because the kernel then makes its memory, ours, not dumpable;
 * - under the sanitizers, whose books of stack and thread are in memory. */
#define _GNU_SOURCE /* clone */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "confine.h"
#include "orphan.h"
#include "process.h"

#define STACK_BYTES 16384 /* the child's few calls take hundreds */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MEMORY_SHARED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||    \
    __has_feature(memory_sanitizer)
#define MEMORY_SHARED 0
#endif
#endif
#ifndef MEMORY_SHARED
#define MEMORY_SHARED CLONE_VM
#endif

/* Of the child, to us. */
struct report {
    int code;         /* errno; 0: the program runs */
    const char *step; /* NULL: execve */
};

struct start {
    const struct child *child;
    struct report *report;
    pid_t parent;
};

/* The pipes to 0, 1, 2, 3: first all out of the way. */
static int fds_arrange(const struct child *c)
{
    const int order[N_PIPES] = {PIPE_IN, PIPE_OUT, PIPE_ERR, PIPE_RESULT};
    int fds[N_PIPES];

    for (int i = 0; i < N_PIPES; i++) {
        fds[i] = c->fds[order[i]];
        if (fds[i] < N_PIPES &&
            (fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, N_PIPES)) < 0)
            return -1;
    }
    for (int i = 0; i < N_PIPES; i++)
        if (dup2(fds[i], i) < 0)
            return -1;
    process_fds_close(N_PIPES, ~0U);
    return 0;
}

/* The fd is used before the pipes are arranged, which closes it. */
static int cgroup_join(const struct child *c, const char **step)
{
    *step = "cgroup";
    return c->cgroup_fd < 0 || write(c->cgroup_fd, "0", 1) == 1 ? 0 : -1;
}

/* Returns only if something went wrong. PR_SET_PDEATHSIG comes late: a change
 * of the user clears it. */
static void child_run(const struct start *s, const char **step)
{
    const struct child *c = s->child;

    setpgid(0, 0);
    if (cgroup_join(c, step) < 0)
        return;
    process_oom_first();
    *step = "descriptors";
    if (fds_arrange(c) < 0)
        return;
    orphan_mark_set(c->mark);
    if (c->confine && confine_apply(c->confine, step) < 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != s->parent)
        _exit(127);
    process_signals_reset();
    *step = NULL;
    execve(c->path, c->argv, c->env);
}

static int child_main(void *arg)
{
    struct start *s = arg;
    const char *step = NULL;

    child_run(s, &step);
    s->report->step = step;
    s->report->code = errno;
    _exit(127);
}

/* Also without CLONE_VM we wait until it runs. */
static pid_t child_clone(struct start *s, int flags)
{
    _Alignas(64) char stack[STACK_BYTES];
    sigset_t all, old;
    pid_t pid;
    int code;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pid = clone(child_main, stack + sizeof(stack),
                flags | CLONE_VFORK | SIGCHLD, s);
    code = errno;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = code;
    return pid;
}

/* The pid, or -1: it is reaped, and what it reported stands in *r. */
static pid_t child_judge(pid_t pid, const struct report *r, const char **step)
{
    if (pid < 0 || r->code == 0)
        return pid;
    waitpid(pid, NULL, 0);
    *step = r->step;
    errno = r->code;
    return -1;
}

static pid_t child_start_copied(struct start *s, const char **step)
{
    struct report *r = mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE,
                            MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pid_t pid;
    int code;

    if (r == MAP_FAILED)
        return -1;
    s->report = r;
    pid = child_judge(child_clone(s, 0), r, step);
    code = errno;
    munmap(r, sizeof(*r));
    errno = code;
    return pid;
}

pid_t child_start(const struct child *c, const char **step)
{
    struct report r = {0, NULL};
    struct start s = {.child = c, .report = &r, .parent = getpid()};

    *step = NULL;
    if (!MEMORY_SHARED || (c->confine && c->confine->user.text))
        return child_start_copied(&s, step);
    return child_judge(child_clone(&s, MEMORY_SHARED), &r, step);
}

static int is_program(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return 0;
    if (!S_ISREG(st.st_mode)) {
        errno = EACCES;
        return 0;
    }
    return access(path, X_OK) == 0;
}

char *child_path_find(const char *name)
{
    const char *dirs = getenv("PATH");
    size_t name_len = strlen(name);
    int code = ENOENT;

    if (strchr(name, '/'))
        return strdup(name);
    for (const char *d = dirs ? dirs : "/bin:/usr/bin"; d;) {
        size_t n = strcspn(d, ":");
        char *path = malloc(n + name_len + 3);

        if (!path)
            return NULL;
        memcpy(path, n ? d : ".", n ? n : 1);
        snprintf(path + (n ? n : 1), name_len + 2, "/%s", name);
        if (is_program(path))
            return path;
        code = errno == EACCES ? EACCES : code;
        free(path);
        d = d[n] ? d + n + 1 : NULL;
    }
    errno = code;
    return NULL;
}
