/* SPDX-License-Identifier: MIT */
/* A worker with threads must not fork C code: a lock that another thread held
 * would never be released in the child. So the worker forks once, early; this
 * process has one thread and no descriptors but a control socket, over which
 * each request brings those of a new child. The children are the worker's own,
 * by CLONE_PARENT: they are waited for like any other, and die with it. As the
 * worker cannot make another one when it has threads, the nursery does: there
 * are always two, and when one has died the other takes over. */
#define _GNU_SOURCE /* CLONE_PARENT, SOCK_CLOEXEC */
#include "executor.h"
#include "nursery.h"
#include "resident.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"
#include "children.h"
#include "confine.h"
#include "err.h"
#include "orphan.h"
#include "process.h"
#include "serve.h"

#define ANSWER_S 5
#define N_FDS    3 /* sent: PIPE_OUT, PIPE_ERR and PIPE_RESULT */

extern char **environ;

struct request {
    int wants_nursery; /* not a child, but one like itself: all of what is sent
                          is its socket, and the rest is unset */
    char entry[STINT_NAME_LEN * 2 + 48];
    uint64_t mark;
    const struct confine *confine; /* it has been there since before the fork */
};

/* What the nursery has. */
struct nest {
    pid_t worker;
    uint64_t mark;        /* as the guard's: it is not to be killed by it */
    char *const *env;
    const struct function *(*find)(const char *name, void *arg);
    void *find_arg;
    int *tid;             /* where the C library has its thread's number */
};

/* ---- In the nursery and its children ------------------------------------ */

/* Those to 0, 1, …, and nothing else stays open. They are moved out of the way
 * first. */
static void fds_keep(int *fds, int n)
{
    for (int i = 0; i < n; i++)
        fds[i] = fcntl(fds[i], F_DUPFD, 10);
    for (int i = 0; i < n; i++)
        if (fds[i] < 0 || dup2(fds[i], i) < 0)
            _exit(126);
    process_fds_close((unsigned)n, ~0U);
}

static void life_tie(pid_t worker)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != worker)
        _exit(127);
}

/* What it may inherit; its own come first in the nursery's. */
static void env_arrange(const struct confine *confine)
{
    size_t max = confine_env_max(confine, environ) + RESIDENT_ENV_OWN + 1;
    char **env = calloc(max, sizeof(*env)), **old = environ;
    if (env == NULL)
        _exit(126);
    memcpy(env, old, RESIDENT_ENV_OWN * sizeof(*env));
    confine_env(confine, old + RESIDENT_ENV_OWN, env + RESIDENT_ENV_OWN);
    environ = env;
}

/* PR_SET_PDEATHSIG comes late: a change of the user clears it. What cannot be
 * done is told on stderr, which is the child's own by then. */
static _Noreturn void nest_child(const struct nest *nest, struct request *req,
                                 const int *got)
{
    int fds[] = {0, got[0], got[1], got[2]};
    char *equals = strchr(req->entry, '=');
    const char *step = NULL;
    orphan_mark_set(req->mark);
    life_tie(nest->worker);
    process_signals_reset();
    process_oom_first();
    prctl(PR_SET_NAME, "stint-child");
    fds_keep(fds, 4);
    env_arrange(req->confine);
    if (equals != NULL) {
        *equals = '\0';
        setenv(req->entry, equals + 1, 1);
    }
    if (confine_apply(req->confine, &step) < 0) {
        fprintf(stderr, "%s: %s\n", step, strerror(errno));
        _exit(126);
    }
    life_tie(nest->worker);
    _exit(serve(3, nest->find, nest->find_arg));
}

/* fork, but for whose child it is. The C library keeps the thread's number in
 * a place that its own fork has the kernel renew; so do we. Machines differ in
 * whether that place is the 4th or the 5th argument; the other is not used. */
static pid_t sibling_fork(const struct nest *nest)
{
    unsigned long flags = CLONE_PARENT | SIGCHLD;
    if (nest->tid != NULL)
        flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
#ifdef __s390__
    return (pid_t)syscall(SYS_clone, NULL, flags, NULL, nest->tid, nest->tid);
#else
    return (pid_t)syscall(SYS_clone, flags, NULL, NULL, nest->tid, nest->tid);
#endif
}

/* 0: the worker has gone. */
static int request_receive(int fd, struct request *req, int got[N_FDS])
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(N_FDS * sizeof(int))];
    } control;
    struct iovec iov = {req, sizeof(*req)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    ssize_t n;
    do {
        n = recvmsg(fd, &msg, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    const struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (n != sizeof(*req) || c == NULL || c->cmsg_type != SCM_RIGHTS ||
        c->cmsg_len != CMSG_LEN(N_FDS * sizeof(int)))
        return 0;
    memcpy(got, CMSG_DATA(c), N_FDS * sizeof(int));
    return 1;
}

/* What the worker had not written yet is not ours to write. */
static void streams_reset(void)
{
    fflush(stdout);
    fflush(stderr);
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
}

static _Noreturn void nest_run(struct nest *nest, int fd)
{
    struct request req;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    int fds[] = {null, null, null, fd};
    int got[N_FDS];
    orphan_mark_set(nest->mark);
    life_tie(nest->worker);
    prctl(PR_SET_NAME, "stint-nursery");
    process_signals_reset();
    signal(SIGINT, SIG_IGN); /* it goes when the worker has gone */
    signal(SIGTERM, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    fds_keep(fds, 4);
    streams_reset();
    environ = (char **)nest->env;
#if defined(PR_GET_TID_ADDRESS) && defined(__GLIBC__)
    if (prctl(PR_GET_TID_ADDRESS, &nest->tid) < 0)
        nest->tid = NULL;
#endif
    while (request_receive(3, &req, got)) {
        pid_t pid = sibling_fork(nest);
        if (pid == 0 && req.wants_nursery) {
            int mine[] = {0, 1, 2, got[PIPE_RESULT]};
            life_tie(nest->worker);
            fds_keep(mine, 4);
            continue;
        }
        if (pid == 0)
            nest_child(nest, &req, got);
        int answer = pid > 0 ? (int)pid : -errno;
        for (int i = 0; i < N_FDS; i++)
            close(got[i]);
        if (send(3, &answer, sizeof(answer), MSG_NOSIGNAL) < 0)
            break;
    }
    _exit(0);
}

/* ---- In the worker ------------------------------------------------------ */

/* A control socket, whose ends[0] is the worker's. */
static int socket_make(int ends[2])
{
    const struct timeval limit = {ANSWER_S, 0};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    setsockopt(ends[0], SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    return 0;
}

static int request_send(int fd, const struct request *req, const int *fds)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(N_FDS * sizeof(int))];
    } control;
    struct iovec iov = {(void *)(uintptr_t)req, sizeof(*req)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = &control,
                         .msg_controllen = sizeof(control)};
    memset(&control, 0, sizeof(control));
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(N_FDS * sizeof(int));
    memcpy(CMSG_DATA(c), fds, N_FDS * sizeof(int)); /* PIPE_OUT, …RESULT */
    return sendmsg(fd, &msg, MSG_NOSIGNAL) == sizeof(*req) ? 0 : -1;
}

/* It has no run yet, so it has used nothing. */
static void cgroup_enter(const struct kid *kid, pid_t pid)
{
    if (kid->cgroup.procs_fd >= 0 &&
        dprintf(kid->cgroup.procs_fd, "%ld", (long)pid) < 0)
        kill(pid, SIGKILL); /* not without its limits */
}

/* An answer that comes late would be taken for that of the next request: so
 * after the first that is missing it counts as lost, and is_lost is set. */
static pid_t request_make(struct nursery *n, const struct request *req,
                          const int *fds)
{
    int answer = 0;
    ssize_t got;
    if (request_send(n->fd, req, fds) < 0) {
        n->is_lost |= errno == EPIPE || errno == ECONNRESET ||
                      errno == ECONNREFUSED;
        return -1;
    }
    do {
        got = recv(n->fd, &answer, sizeof(answer), 0);
    } while (got < 0 && errno == EINTR);
    if (got != sizeof(answer)) {
        n->is_lost = 1;
        errno = ECONNRESET;
        return -1;
    }
    if (answer > 0)
        return answer;
    errno = -answer;
    return -1;
}

static void nursery_end(pid_t pid, int fd)
{
    close(fd);
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

/* Without one it works as well, until it dies itself. */
static void spare_make(struct nursery *n)
{
    const struct request req = {.wants_nursery = 1};
    int ends[2];
    if (socket_make(ends) < 0)
        return;
    int fds[N_FDS] = {ends[1], ends[1], ends[1]};
    pid_t pid = request_make(n, &req, fds);
    close(ends[1]);
    if (pid > 0) {
        n->spare_pid = pid;
        n->spare_fd = ends[0];
    } else {
        close(ends[0]);
    }
}

/* The lost one is replaced by the spare one, if there is one. */
static void nursery_replace(struct nursery *n)
{
    nursery_end(n->pid, n->fd);
    n->pid = n->spare_pid;
    n->fd = n->spare_fd;
    n->spare_pid = 0;
    n->is_lost = n->pid <= 0;
    if (!n->is_lost)
        spare_make(n);
}

int nursery_start(struct nursery *n, const char *worker, char *const *env,
                  const struct function *(*find)(const char *name, void *arg),
                  void *find_arg, struct stint_err *err)
{
    struct nest nest = {getpid(), orphan_mark_of(worker), env,
                        find,     find_arg,               NULL};
    sigset_t all, old;
    int ends[2];
    if (socket_make(ends) < 0)
        return err_errno(err, "socketpair");
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    pid_t pid = fork();
    if (pid == 0)
        nest_run(&nest, ends[1]);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    close(ends[1]);
    if (pid < 0) {
        err_errno(err, "fork");
        close(ends[0]);
        return -1;
    }
    *n = (struct nursery){.pid = pid, .fd = ends[0]};
    spare_make(n);
    return 0;
}

pid_t nursery_fork(struct nursery *n, const struct kid *kid,
                   const char *entry, const struct confine *confine,
                   const int *fds)
{
    static_assert(PIPE_OUT == 0 && PIPE_ERR == 1 && PIPE_RESULT == 2,
                  "these three are sent");
    struct request req = {.mark = kid->mark, .confine = confine};
    pid_t pid = -1;
    snprintf(req.entry, sizeof(req.entry), "%s", entry);
    errno = ECONNRESET;
    for (int tries = 0; pid < 0 && tries < 2 && n->pid > 0; tries++) {
        pid = request_make(n, &req, fds);
        if (pid >= 0 || !n->is_lost)
            break;
        nursery_replace(n);
        errno = ECONNRESET;
    }
    if (pid > 0)
        cgroup_enter(kid, pid);
    return pid;
}

void nursery_stop(struct nursery *n)
{
    if (n->spare_pid > 0)
        nursery_end(n->spare_pid, n->spare_fd);
    if (n->pid > 0)
        nursery_end(n->pid, n->fd);
    n->pid = n->spare_pid = 0;
}
