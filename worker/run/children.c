/* SPDX-License-Identifier: MIT */
/* The end of a child is told by its pidfd. Of all that end in one turn of the
 * loop each is reaped first; then one look at our children serves all of them.
 * Where there are no pidfds (an old kernel, a strict sandbox) they are looked
 * at a hundred times a second. */
#define _GNU_SOURCE /* SYS_gettid, SYS_pidfd_open */
#include "children.h"

#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "err.h"
#include "orphan.h"
#include "watch.h"

#define BUCKETS 256 /* a power of two */
#define PASSES  100
#define WAIT_US 2000
#define LOOK_US 10000
#define CGROUP_PASSES 500

struct children {
    struct kid *by_pid[BUCKETS];
    int n_running;
    int n_blind;             /* of them have no pidfd */
    struct kid *settling;
    uint64_t mark;           /* the worker's */
    uint64_t n_marks;
    int list_fd;             /* children of the main thread, -1: no such file */
    struct event_base *base;
    struct event *look, *later;
    char *cgroup_base;       /* NULL: not yet needed */
    unsigned n_cgroups;
};

/* ---- Which is it -------------------------------------------------------- */

static struct kid **bucket(const struct children *c, pid_t pid)
{
    return (struct kid **)&c->by_pid[(unsigned)pid % BUCKETS];
}

static struct kid *kid_by_pid(const struct children *c, pid_t pid)
{
    struct kid *k = *bucket(c, pid);

    while (k && k->pid != pid)
        k = k->next;
    return k;
}

static int mark_is_running(const struct children *c, uint64_t mark)
{
    for (int i = 0; i < BUCKETS; i++)
        for (const struct kid *k = c->by_pid[i]; k; k = k->next)
            if (k->mark == mark)
                return 1;
    return 0;
}

static int mark_is_ours(const struct children *c, uint64_t mark)
{
    return (mark & ~ORPHAN_RUN_MASK) == c->mark;
}


static void kid_remove(struct children *c, struct kid *kid)
{
    struct kid **b = bucket(c, kid->pid);

    while (*b != kid)
        b = &(*b)->next;
    *b = kid->next;
    c->n_running--;
    if (kid->pid_fd < 0) {
        c->n_blind--;
        return;
    }
    event_del(&kid->ended);
    close(kid->pid_fd);
    kid->pid_fd = -1;
}

int children_has(const struct children *c, const struct kid *kid)
{
    return kid->pid > 0 && kid_by_pid(c, kid->pid) == kid;
}

/* ---- What they left behind ---------------------------------------------- */

/* Whose orphan it is, of those that ended, by its environment. */
static struct kid *kid_by_entry(const struct children *c, pid_t pid)
{
    struct kid *k = c->settling;

    while (k && (k->pid == 0 || !orphan_has(pid, k->entry)))
        k = k->next;
    return k;
}

/* Adopted, and of a child that ended: now, or before and was not seen. What has
 * ended by itself is reaped; not what helps us (its mark is the worker's) or
 * belongs to another worker, nor, it seems, to the program around us. */
static void stranger_kill(struct children *c, pid_t pid)
{
    uint64_t mark = orphan_mark(pid);
    int ours = mark_is_ours(c, mark);
    struct kid *k;

    if (mark == c->mark || (mark != 0 && !ours))
        return;
    if ((ours || getpgid(pid) != getpgrp()) &&
        waitpid(pid, NULL, WNOHANG) == pid)
        return;
    if (ours && mark_is_running(c, mark))
        return;
    for (k = c->settling; k && !(ours && k->mark == mark); k = k->next)
        continue;
    if (!ours)
        k = kid_by_entry(c, pid);
    if ((ours || k) && kill(pid, SIGKILL) == 0 && k)
        k->n_orphans++;
}

/* The list is read piece by piece, at an offset in it; a number may be cut in
 * two. Those that end meanwhile may hide others, until the next pass. */
static void list_read(struct children *c, int fd)
{
    char data[4096];
    off_t at = 0;
    ssize_t n;
    pid_t pid = 0;

    while ((n = pread(fd, data, sizeof(data), at)) > 0) {
        at += n;
        for (ssize_t i = 0; i < n; i++) {
            if (data[i] >= '0' && data[i] <= '9') {
                pid = pid * 10 + (data[i] - '0');
                continue;
            }
            if (pid > 0 && !kid_by_pid(c, pid))
                stranger_kill(c, pid);
            pid = 0;
        }
    }
}

/* Adopted processes hang at the main thread, while there is one. */
static void orphans_pass(struct children *c)
{
    pid_t own = (pid_t)syscall(SYS_gettid);
    char path[64];
    int fd;

    if (c->list_fd >= 0)
        list_read(c, c->list_fd);
    if (own == getpid())
        return;
    snprintf(path, sizeof(path), "/proc/self/task/%ld/children", (long)own);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    list_read(c, fd);
    close(fd);
}

/* 0: something in it still lives; it will not for long. */
static int cgroup_is_gone(struct kid *kid)
{
    if (!kid->has_cgroup || cgroup_remove(&kid->cgroup) == 0 ||
        kid->cgroup_passes++ == CGROUP_PASSES)
        return 1;
    cgroup_kill(&kid->cgroup);
    return 0;
}

/* Still not gone, or it never was: later is now, or in a while. */
static void settle_later(struct children *c, struct kid *kid, int wait_us)
{
    const struct timeval tv = {0, wait_us};

    kid->next = c->settling;
    c->settling = kid;
    if (wait_us > 0)
        evtimer_add(c->later, &tv);
    else
        event_active(c->later, 0, 0);
}

/* After a pass: whether there is nothing more to wait for. */
static int kid_is_gone(struct kid *kid)
{
    return (kid->n_orphans == 0 || kid->passes++ >= PASSES) &&
           cgroup_is_gone(kid);
}

/* One look for all that ended. on_gone may start others and end them. */
static void settle(struct children *c)
{
    struct kid *kid, *next;

    for (kid = c->settling; kid; kid = kid->next)
        kid->n_orphans = 0;
    orphans_pass(c);
    kid = c->settling;
    c->settling = NULL;
    for (; kid; kid = next) {
        next = kid->next;
        if (kid_is_gone(kid))
            kid->on_gone(kid);
        else
            settle_later(c, kid, WAIT_US);
    }
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    struct children *c = arg;

    (void)fd;
    (void)what;
    if (c->settling)
        settle(c);
}

/* ---- The end of one ----------------------------------------------------- */

static void kid_exit(struct children *c, struct kid *kid)
{
    kid_remove(c, kid);
    kill(-kid->pid, SIGKILL);
    if (kid->has_cgroup) {
        kid->was_oom = cgroup_was_oom(&kid->cgroup);
        cgroup_kill(&kid->cgroup);
    }
    kid->on_exit(kid);
}

static void on_ended(evutil_socket_t fd, short what, void *arg)
{
    struct kid *kid = arg;

    (void)fd;
    (void)what;
    kid_exit(kid->children, kid);
    settle_later(kid->children, kid, 0);
}

static int has_exited(pid_t pid)
{
    siginfo_t si;

    memset(&si, 0, sizeof(si));
    return waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           si.si_pid == pid;
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    const struct timeval tv = {0, LOOK_US};
    struct children *c = arg;
    struct kid *kid, *next;

    (void)fd;
    (void)what;
    for (int i = 0; i < BUCKETS && c->n_blind > 0; i++)
        for (kid = c->by_pid[i]; kid; kid = next) {
            next = kid->next;
            if (kid->pid_fd < 0 && has_exited(kid->pid)) {
                kid_exit(c, kid);
                settle_later(c, kid, 0);
            }
        }
    if (c->n_blind > 0)
        evtimer_add(c->look, &tv);
}

void children_kill(struct children *c, struct kid *kid)
{
    if (!children_has(c, kid))
        return;
    kill(-kid->pid, SIGKILL);
    kill(kid->pid, SIGKILL);
}

static void settling_remove(struct children *c, struct kid *kid)
{
    struct kid **at = &c->settling;

    while (*at && *at != kid)
        at = &(*at)->next;
    if (*at)
        *at = kid->next;
}

void children_finish(struct children *c, struct kid *kid)
{
    const struct timespec pause = {0, WAIT_US * 1000};

    if (children_has(c, kid)) {
        children_kill(c, kid);
        kid_exit(c, kid);
    } else {
        settling_remove(c, kid);
    }
    for (;;) {
        kid->next = c->settling;
        c->settling = kid;
        kid->n_orphans = 0;
        orphans_pass(c);
        settling_remove(c, kid);
        if (kid_is_gone(kid))
            return;
        nanosleep(&pause, NULL);
    }
}

/* ---- Its beginning ------------------------------------------------------ */

int children_prepare(struct children *c, struct kid *kid,
                     const struct cgroup_limits *limits, struct stint_err *err)
{
    char base[CGROUP_PATH_MAX];

    kid->mark = c->mark | (c->n_marks++ % ORPHAN_RUN_MASK + 1);
    kid->pid = 0;
    kid->children = c;
    kid->pid_fd = kid->cgroup.procs_fd = -1;
    kid->was_oom = kid->has_cgroup = 0;
    kid->passes = kid->n_orphans = kid->cgroup_passes = 0;
    if (!limits->is_set)
        return 0;
    if (!c->cgroup_base && cgroup_base_find(base, err) == 0)
        c->cgroup_base = strdup(base);
    if (!c->cgroup_base ||
        cgroup_make(&kid->cgroup, c->cgroup_base, limits, &c->n_cgroups,
                    err) < 0)
        return err_set(err, STINT_NOMEM, "out of memory");
    kid->has_cgroup = 1;
    return 0;
}

void children_add(struct children *c, struct kid *kid)
{
    struct kid **b = bucket(c, kid->pid);

    kid->next = *b;
    *b = kid;
    c->n_running++;
    kid->pid_fd = (int)syscall(SYS_pidfd_open, kid->pid, 0);
    if (kid->pid_fd < 0) {
        c->n_blind++;
        event_active(c->look, 0, 0);
        return;
    }
    fcntl(kid->pid_fd, F_SETFD, FD_CLOEXEC);
    event_assign(&kid->ended, c->base, kid->pid_fd, EV_READ, on_ended, kid);
    watch_add(&kid->ended);
}

void children_forgo(struct children *c, struct kid *kid)
{
    settle_later(c, kid, 0);
}

/* ---- All of them -------------------------------------------------------- */

struct children *children_new(struct event_base *base, const char *worker,
                              struct stint_err *err)
{
    struct children *c = calloc(1, sizeof(*c));
    char path[64];

    if (!c) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    snprintf(path, sizeof(path), "/proc/self/task/%ld/children",
             (long)getpid());
    c->list_fd = open(path, O_RDONLY | O_CLOEXEC);
    c->mark = orphan_mark_of(worker);
    c->base = base;
    c->look = evtimer_new(base, on_look, c);
    c->later = evtimer_new(base, on_later, c);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
        err_errno(err, "subreaper");
    } else if (!c->look || !c->later) {
        err_set(err, STINT_SYSTEM, "events for children");
    } else {
        return c;
    }
    children_free(c);
    return NULL;
}

void children_free(struct children *c)
{
    if (!c)
        return;
    check(c->n_running == 0 && !c->settling);
    if (c->look)
        event_free(c->look);
    if (c->later)
        event_free(c->later);
    if (c->list_fd >= 0)
        close(c->list_fd);
    free(c->cgroup_base);
    free(c);
}
