/* SPDX-License-Identifier: MIT */
/* One SIGCHLD may stand for many ends, so all are reaped first; then one look
 * at our children serves all of them. */
#define _GNU_SOURCE /* SYS_gettid */
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
#include <unistd.h>

#include "err.h"
#include "orphan.h"

#define BUCKETS 256 /* a power of two */
#define PASSES  100
#define WAIT_US 2000

struct children {
    struct kid *by_pid[BUCKETS];
    int n_running;
    struct kid *settling;
    uint64_t mark;           /* the worker's */
    uint64_t n_marks;
    int list_fd;             /* children of the main thread, -1: no such file */
    struct event *on_child, *later;
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

uint64_t children_mark(struct children *c)
{
    return c->mark | (c->n_marks++ % ORPHAN_RUN_MASK + 1);
}

void children_add(struct children *c, struct kid *kid)
{
    struct kid **b = bucket(c, kid->pid);

    kid->next = *b;
    *b = kid;
    c->n_running++;
}

static void kid_remove(struct children *c, struct kid *kid)
{
    struct kid **b = bucket(c, kid->pid);

    while (*b != kid)
        b = &(*b)->next;
    *b = kid->next;
    c->n_running--;
}

int children_has(const struct children *c, const struct kid *kid)
{
    return kid->pid > 0 && kid_by_pid(c, kid->pid) == kid;
}

int children_is_empty(const struct children *c)
{
    return c->n_running == 0 && !c->settling;
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

/* Adopted, and of a run that ended: now, or before and was not seen. */
static void stranger_kill(struct children *c, pid_t pid)
{
    uint64_t mark = orphan_mark(pid);
    int ours = mark_is_ours(c, mark);
    struct kid *k;

    if (mark == c->mark || (ours && mark_is_running(c, mark)))
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

void children_settle(struct children *c, struct kid *kid, int wait_us)
{
    const struct timeval tv = {0, wait_us};

    kid->next = c->settling;
    c->settling = kid;
    if (wait_us > 0)
        evtimer_add(c->later, &tv);
    else
        event_active(c->later, 0, 0);
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
        if (kid->n_orphans > 0 && kid->passes++ < PASSES)
            children_settle(c, kid, WAIT_US);
        else
            kid->on_gone(kid);
    }
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    settle(arg);
}

/* ---- The end of one ----------------------------------------------------- */

static void kid_exit(struct children *c, struct kid *kid)
{
    kid_remove(c, kid);
    kid->on_exit(kid);
    kid->next = c->settling;
    c->settling = kid;
}

/* 0: it is a child of the program around us. */
static int stranger_reap(struct children *c, pid_t pid)
{
    if (!mark_is_ours(c, orphan_mark(pid)) && getpgid(pid) == getpgrp())
        return 0;
    return waitpid(pid, NULL, WNOHANG) == pid;
}

static int has_exited(pid_t pid)
{
    siginfo_t si;

    memset(&si, 0, sizeof(si));
    return waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 &&
           si.si_pid == pid;
}

/* Each by itself, as somebody else's that was not reaped hides the others. */
static void children_reap_each(struct children *c)
{
    struct kid *kid, *next;

    for (int i = 0; i < BUCKETS; i++)
        for (kid = c->by_pid[i]; kid; kid = next) {
            next = kid->next;
            if (has_exited(kid->pid))
                kid_exit(c, kid);
        }
}

static void children_reap(struct children *c)
{
    siginfo_t si;

    for (;;) {
        struct kid *kid;

        memset(&si, 0, sizeof(si));
        if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 ||
            si.si_pid == 0)
            return;
        kid = kid_by_pid(c, si.si_pid);
        if (kid) {
            kid_exit(c, kid);
        } else if (!stranger_reap(c, si.si_pid)) {
            children_reap_each(c);
            return;
        }
    }
}

static void on_sigchld(evutil_socket_t fd, short what, void *arg)
{
    struct children *c = arg;

    (void)fd;
    (void)what;
    children_reap(c);
    if (c->settling)
        settle(c);
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
    c->on_child = evsignal_new(base, SIGCHLD, on_sigchld, c);
    c->later = evtimer_new(base, on_later, c);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0) {
        err_errno(err, "subreaper");
    } else if (!c->on_child || !c->later || event_add(c->on_child, NULL) < 0) {
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
    check(children_is_empty(c));
    if (c->on_child)
        event_free(c->on_child);
    if (c->later)
        event_free(c->later);
    if (c->list_fd >= 0)
        close(c->list_fd);
    free(c);
}
