/* SPDX-License-Identifier: MIT */
/* What a worker leaves behind when it dies must die, too. Its children carry
 * STINT_WORKER in their environment, which neither the worker nor the guard
 * has; so whoever has it may be killed, wherever it was moved to. */
#define _GNU_SOURCE /* pipe2, close_range by syscall */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "err.h"
#include "executor.h"
#include "orphan.h"

#define PASS_PAUSE_NS 5000000 /* SIGKILL needs a moment to be felt */

/* Looks for the entry in a stream of NUL-terminated entries. *at: how much of
 * it matched, or SIZE_MAX until the next entry begins. */
static int entry_find(const char *data, size_t len, const char *entry,
                      size_t *at)
{
    for (size_t i = 0; i < len; i++) {
        if (*at != SIZE_MAX && data[i] == entry[*at]) {
            if (data[i] == '\0')
                return 1;
            ++*at;
        } else {
            *at = data[i] == '\0' ? 0 : SIZE_MAX;
        }
    }
    return 0;
}

int orphan_has(pid_t pid, const char *entry)
{
    char path[40], data[4096];
    size_t at = 0;
    ssize_t n;
    int fd, found = 0;

    snprintf(path, sizeof(path), "/proc/%ld/environ", (long)pid);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    while (!found && (n = read(fd, data, sizeof(data))) > 0)
        found = entry_find(data, (size_t)n, entry, &at);
    close(fd);
    return found;
}

static int is_own(const char *name)
{
    char path[300];
    struct stat st;

    snprintf(path, sizeof(path), "/proc/%s", name);
    return stat(path, &st) == 0 && st.st_uid == geteuid();
}

int orphans_kill_once(const char *entry)
{
    DIR *dir = opendir("/proc");
    struct dirent *d;
    int n = 0;

    if (!dir)
        return 0;
    while ((d = readdir(dir)) != NULL) {
        char *end;
        pid_t pid = (pid_t)strtol(d->d_name, &end, 10);

        if (*end != '\0' || pid <= 1 || pid == getpid() || pid == getppid() ||
            !is_own(d->d_name) || !orphan_has(pid, entry))
            continue;
        n += kill(pid, SIGKILL) == 0;
    }
    closedir(dir);
    return n;
}

int orphans_kill(const char *worker, int passes)
{
    const struct timespec pause = {0, PASS_PAUSE_NS};
    char entry[STINT_NAME_LEN * 2 + 32];
    int n, all = 0;

    n = snprintf(entry, sizeof(entry), "STINT_WORKER=%s", worker);
    check(n > 0 && (size_t)n < sizeof(entry));
    while (passes-- > 0 && (n = orphans_kill_once(entry)) > 0) {
        all += n;
        nanosleep(&pause, NULL);
    }
    return all;
}

static void fds_close(unsigned first, unsigned last)
{
    long max = sysconf(_SC_OPEN_MAX);

    if (first > last)
        return;
#ifdef SYS_close_range
    if (syscall(SYS_close_range, first, last, 0) == 0)
        return;
#endif
    for (unsigned fd = first; fd <= last && (long)fd < max; fd++)
        close((int)fd);
}

static _Noreturn void guard_run(const char *worker, int fd)
{
    char byte;
    ssize_t n;

    prctl(PR_SET_NAME, "stint-guard");
    setsid();
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (fd > 0)
        fds_close(0, (unsigned)fd - 1);
    fds_close((unsigned)fd + 1, ~0U);
    do {
        n = read(fd, &byte, 1);
    } while (n > 0 || (n < 0 && errno == EINTR));
    orphans_kill(worker, 20);
    _exit(0);
}

int guard_start(const char *worker, int *fd, struct stint_err *err)
{
    sigset_t all, old;
    int ends[2];
    pid_t pid;

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_errno(err, "pipe");
    sigfillset(&all); /* the guard keeps them blocked from its first moment */
    sigprocmask(SIG_SETMASK, &all, &old);
    pid = fork();
    if (pid == 0)
        guard_run(worker, ends[0]);
    sigprocmask(SIG_SETMASK, &old, NULL);
    close(ends[0]);
    if (pid < 0) {
        err_errno(err, "fork");
        close(ends[1]);
        return -1;
    }
    *fd = ends[1];
    return (int)pid;
}
