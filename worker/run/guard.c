/* SPDX-License-Identifier: MIT */
/* What a worker leaves behind when it dies must die, too. Its children carry
 * its signs (orphan.h), which neither the worker nor the guard has; so whoever
 * has one may be killed, wherever it was moved to. */
#define _GNU_SOURCE /* pipe2 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "cgroup.h"
#include "err.h"
#include "executor.h"
#include "orphan.h"
#include "process.h"

#define PASS_PAUSE_NS 5000000 /* SIGKILL needs a moment to be felt */

static int is_killable(const char *name)
{
    char path[300];
    struct stat st;

    if (geteuid() == 0)
        return 1; /* its runs may be other users' */
    snprintf(path, sizeof(path), "/proc/%s", name);
    return stat(path, &st) == 0 && st.st_uid == geteuid();
}

static int is_orphan(pid_t pid, const char *entry, uint64_t mark)
{
    uint64_t own = orphan_mark(pid);

    if (own == mark)
        return 0; /* a guard's */
    return (own & ~ORPHAN_RUN_MASK) == mark || orphan_has(pid, entry);
}

static int orphans_pass(const char *entry, uint64_t mark)
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
            !is_killable(d->d_name) || !is_orphan(pid, entry, mark))
            continue;
        n += kill(pid, SIGKILL) == 0;
    }
    closedir(dir);
    return n;
}

int orphans_kill(const char *worker, int passes)
{
    const struct timespec pause = {0, PASS_PAUSE_NS};
    const uint64_t mark = orphan_mark_of(worker);
    char entry[STINT_NAME_LEN * 2 + 32];
    int n, all = 0;

    n = snprintf(entry, sizeof(entry), "STINT_WORKER=%s", worker);
    check(n > 0 && (size_t)n < sizeof(entry));
    while (passes-- > 0 && (n = orphans_pass(entry, mark)) > 0) {
        all += n;
        nanosleep(&pause, NULL);
    }
    return all;
}

static void cgroups_sweep(pid_t parent)
{
    char base[CGROUP_PATH_MAX];
    struct stint_err err = {STINT_OK, ""};

    if (cgroup_base_find(base, &err) == 0)
        cgroup_base_sweep(base, parent);
}

static _Noreturn void guard_run(const char *worker, int fd)
{
    const pid_t parent = getppid();
    char byte;
    ssize_t n;

    prctl(PR_SET_NAME, "stint-guard");
    orphan_mark_set(orphan_mark_of(worker));
    setsid();
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    if (fd > 0)
        process_fds_close(0, (unsigned)fd - 1);
    process_fds_close((unsigned)fd + 1, ~0U);
    do {
        n = read(fd, &byte, 1);
    } while (n > 0 || (n < 0 && errno == EINTR));
    orphans_kill(worker, 20);
    cgroups_sweep(parent);
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
