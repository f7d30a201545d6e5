/* SPDX-License-Identifier: MIT */
/* The child's side of a run, between fork and execve: async-signal-safe calls
 * only, because the worker has threads. */
#define _GNU_SOURCE /* dup3, close_range by syscall */
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static void signals_reset(void)
{
    struct sigaction sa;
    sigset_t none;

    memset(&sa, 0, sizeof(sa));
    sa.sa_handler = SIG_DFL;
    for (int i = 1; i < NSIG; i++)
        sigaction(i, &sa, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void fds_close_from(unsigned first, long max)
{
#ifdef SYS_close_range
    if (syscall(SYS_close_range, first, ~0U, 0) == 0)
        return;
#endif
    for (long fd = first; fd < max; fd++)
        close((int)fd);
}

/* The pipes to 0, 1, 2, 3 and the exec pipe to 4: first all out of the way. */
static int fds_arrange(struct child *c)
{
    const int order[N_PIPES] = {PIPE_IN, PIPE_OUT, PIPE_ERR, PIPE_RESULT};

    c->exec_fd = fcntl(c->exec_fd, F_DUPFD_CLOEXEC, 10);
    if (c->exec_fd < 0)
        return -1;
    for (int i = 0; i < N_PIPES; i++)
        if ((c->fds[i] = fcntl(c->fds[i], F_DUPFD_CLOEXEC, 10)) < 0)
            return -1;
    for (int i = 0; i < N_PIPES; i++)
        if (dup2(c->fds[order[i]], i) < 0)
            return -1;
    if (dup3(c->exec_fd, 4, O_CLOEXEC) < 0)
        return -1;
    c->exec_fd = 4;
    fds_close_from(5, c->fd_max);
    return 0;
}

static _Noreturn void child_run(struct child *c)
{
    int code;

    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != c->parent)
        _exit(127);
    signals_reset();
    if (c->nice != 0)
        setpriority(PRIO_PROCESS, 0,
                    getpriority(PRIO_PROCESS, 0) + c->nice);
    if (fds_arrange(c) == 0)
        execve(c->path, c->argv, c->env);
    code = errno;
    if (write(c->exec_fd, &code, sizeof(code)) < 0)
        _exit(126);
    _exit(127);
}

pid_t child_fork(struct child *c)
{
    sigset_t all, old;
    pid_t pid;

    c->parent = getpid();
    c->fd_max = sysconf(_SC_OPEN_MAX);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pid = fork();
    if (pid == 0)
        child_run(c);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (pid > 0)
        setpgid(pid, pid); /* either of us is first */
    return pid;
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
