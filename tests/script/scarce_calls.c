/* SPDX-License-Identifier: MIT */
/* System calls that fail when scarce.h says so, each with errors that it may
 * have (the manual pages of Linux), or in part: a read or write of one byte. A
 * close that fails has closed all the same, as on Linux. What cannot fail in
 * practice (clock_gettime, kill of an own child) is not here, nor vfork, which
 * nobody can stand before. */
#undef _FILE_OFFSET_BITS /* open and open64 are both meant here */
#define _GNU_SOURCE /* RTLD_NEXT, accept4, pipe2... */
#include "scarce.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OURS   __attribute__((visibility("default"), noinline))
#define CALLER __builtin_return_address(0)
#define IN_PART (-1) /* no error: it does less */


static void *next(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

/* The error of this request, 0: it is carried out; IN_PART. */
static int fault_of(enum scarce what, const char *call, const void *caller,
                    const int *errors, unsigned n)
{
    if (!scarce_refuses(what, call, caller))
        return 0;
    int error = errors[scarce_now()->errors % n];
    scarce_now()->error = error == IN_PART ? 0 : error;
    if (error != IN_PART)
        errno = error;
    return error;
}

#define FAULT_(what, call, ...)                                                \
    fault_of(what, call, CALLER, (const int[]){__VA_ARGS__},                   \
             sizeof((const int[]){__VA_ARGS__}) / sizeof(int))
#define FAULT(call, ...) FAULT_(SCARCE_CALLS, call, __VA_ARGS__)

/* ---- Reading and writing -------------------------------------------------- */

/* An eventfd knows neither parts nor errors, if nobody waits for it. */
static int is_counter(int fd)
{
    char path[40], what[40];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(path, what, sizeof(what) - 1);
    return n == 20 && memcmp(what, "anon_inode:[eventfd]", 20) == 0;
}

#define TRANSFER(name, args, call, part, ...)                                  \
    OURS ssize_t name args                                                     \
    {                                                                          \
        typedef ssize_t name##_fn args;                                        \
        int fault = FAULT(#name, __VA_ARGS__);                                 \
        if (fault != 0 && is_counter(fd))                                      \
            fault = 0;                                                         \
        if (fault > 0)                                                         \
            return -1;                                                         \
        if (fault == IN_PART) {                                                \
            part;                                                              \
        }                                                                      \
        return ((name##_fn *)next(#name))call;                                 \
    }
#define ONE n = n > 1 ? 1 : n

TRANSFER(read, (int fd, void *to, size_t n), (fd, to, n), ONE, EINTR, EAGAIN,
         IN_PART, ECONNRESET, EIO)
/* What a fortified build calls where the compiler knows the buffer's size. */
TRANSFER(__read_chk, (int fd, void *to, size_t n, size_t cap),
         (fd, to, n, cap), ONE, EINTR, EAGAIN, IN_PART, ECONNRESET, EIO)
/* A byte to a pipe of one's own, which wakes somebody, has nothing to fail by
 * but a signal. */
OURS ssize_t write(int fd, const void *from, size_t n)
{
    typedef ssize_t write_fn(int, const void *, size_t);
    int fault = FAULT("write", EINTR, EPIPE, IN_PART, ENOSPC, EIO);
    if (fault != 0 && (is_counter(fd) || (n == 1 && fault != EINTR)))
        fault = 0;
    if (fault > 0)
        return -1;
    return ((write_fn *)next("write"))(fd, from, fault && n > 1 ? 1 : n);
}

TRANSFER(send, (int fd, const void *from, size_t n, int flags),
         (fd, from, n, flags), ONE, EINTR, EPIPE, IN_PART, EAGAIN, ENOBUFS)
TRANSFER(recv, (int fd, void *to, size_t n, int flags), (fd, to, n, flags), ONE,
         EINTR, ECONNRESET, IN_PART, EAGAIN)
TRANSFER(readv, (int fd, const struct iovec *v, int n), (fd, v, n), (void)0,
         EINTR, ECONNRESET, EAGAIN)
TRANSFER(writev, (int fd, const struct iovec *v, int n), (fd, v, n), (void)0,
         EINTR, EPIPE, EAGAIN)
TRANSFER(sendmsg, (int fd, const struct msghdr *m, int flags), (fd, m, flags),
         (void)0, EINTR, EPIPE, EAGAIN, ENOBUFS)
TRANSFER(recvmsg, (int fd, struct msghdr *m, int flags), (fd, m, flags),
         (void)0, EINTR, ECONNRESET, EAGAIN)
TRANSFER(pread, (int fd, void *to, size_t n, off_t at), (fd, to, n, at), ONE,
         EINTR, EIO, IN_PART)

/* ---- All others that return -1 -------------------------------------------- */

#define FAILS_(what, type, name, failed, args, call, ...)                      \
    OURS type name args                                                        \
    {                                                                          \
        typedef type name##_fn args;                                           \
        if (FAULT_(what, #name, __VA_ARGS__))                                  \
            return failed;                                                     \
        return ((name##_fn *)next(#name))call;                                 \
    }
#define FAILS(name, args, call, ...)                                           \
    FAILS_(SCARCE_CALLS, int, name, -1, args, call, __VA_ARGS__)

FAILS_(SCARCE_SOCKETS, int, socket, -1, (int domain, int type, int protocol),
       (domain, type, protocol), EMFILE, ENOMEM, ENOBUFS)
FAILS_(SCARCE_SOCKETS, int, connect, -1,
       (int fd, const struct sockaddr *to, socklen_t len), (fd, to, len),
       ECONNREFUSED, EAGAIN, ETIMEDOUT)
FAILS(socketpair, (int domain, int type, int protocol, int fds[2]),
      (domain, type, protocol, fds), EMFILE, ENOMEM)
FAILS(accept4, (int fd, struct sockaddr *a, socklen_t *len, int flags),
      (fd, a, len, flags), EINTR, EMFILE, ECONNABORTED)
FAILS(setsockopt, (int fd, int level, int name, const void *v, socklen_t len),
      (fd, level, name, v, len), ENOMEM, EINVAL)
FAILS(getsockopt, (int fd, int level, int name, void *v, socklen_t *len),
      (fd, level, name, v, len), ENOBUFS, EINVAL)
FAILS(bind, (int fd, const struct sockaddr *a, socklen_t len), (fd, a, len),
      EADDRINUSE, ENOMEM)
FAILS(listen, (int fd, int n), (fd, n), EADDRINUSE)
FAILS(poll, (struct pollfd *fds, nfds_t n, int ms), (fds, n, ms), EINTR, ENOMEM)
FAILS(select, (int n, fd_set *r, fd_set *w, fd_set *e, struct timeval *t),
      (n, r, w, e, t), EINTR, ENOMEM)
FAILS(epoll_create1, (int flags), (flags), EMFILE, ENOMEM)
FAILS(epoll_ctl, (int fd, int op, int to, struct epoll_event *e),
      (fd, op, to, e), ENOMEM, ENOSPC)
FAILS(epoll_wait, (int fd, struct epoll_event *e, int n, int ms),
      (fd, e, n, ms), EINTR)
FAILS(eventfd, (unsigned n, int flags), (n, flags), EMFILE, ENOMEM)
FAILS(timerfd_create, (clockid_t id, int flags), (id, flags), EMFILE, ENOMEM)
FAILS(timerfd_settime,
      (int fd, int flags, const struct itimerspec *n, struct itimerspec *old),
      (fd, flags, n, old), EINVAL)
FAILS(pipe, (int fds[2]), (fds), EMFILE, ENFILE)
FAILS(pipe2, (int fds[2], int flags), (fds, flags), EMFILE, ENFILE)
FAILS(dup2, (int fd, int to), (fd, to), EINTR, EMFILE)
FAILS(ftruncate, (int fd, off_t n), (fd, n), EINTR, EIO)
FAILS(mkdir, (const char *path, mode_t mode), (path, mode), ENOSPC, EACCES)
FAILS(rmdir, (const char *path), (path), EBUSY)
FAILS(flock, (int fd, int op), (fd, op), EINTR, ENOLCK)
FAILS(fstat, (int fd, struct stat *st), (fd, st), EIO)
FAILS(stat, (const char *path, struct stat *st), (path, st), ENOMEM, EACCES)
FAILS(setpgid, (pid_t pid, pid_t to), (pid, to), EPERM)
FAILS_(SCARCE_CALLS, pid_t, fork, -1, (void), (), EAGAIN, ENOMEM)
FAILS_(SCARCE_CALLS, pid_t, waitpid, -1, (pid_t pid, int *status, int flags),
       (pid, status, flags), EINTR)
FAILS_(SCARCE_CALLS, pid_t, wait4, -1,
       (pid_t pid, int *status, int flags, struct rusage *u),
       (pid, status, flags, u), EINTR)
FAILS(waitid, (idtype_t type, id_t id, siginfo_t *in, int flags),
      (type, id, in, flags), EINTR)
FAILS(execve, (const char *path, char *const *argv, char *const *env),
      (path, argv, env), ENOMEM, E2BIG, EAGAIN)
FAILS_(SCARCE_CALLS, FILE *, fopen, NULL, (const char *path, const char *mode),
       (path, mode), EMFILE, EACCES)
FAILS_(SCARCE_CALLS, FILE *, tmpfile, NULL, (void), (), EMFILE, ENOSPC)
FAILS_(SCARCE_CALLS, FILE *, open_memstream, NULL, (char **p, size_t *n),
       (p, n), ENOMEM)
FAILS_(SCARCE_CALLS, DIR *, opendir, NULL, (const char *path), (path), EMFILE,
       ENOMEM)
FAILS_(SCARCE_CALLS, void *, mmap, MAP_FAILED,
       (void *at, size_t n, int prot, int flags, int fd, off_t offset),
       (at, n, prot, flags, fd, offset), ENOMEM)
FAILS(mprotect, (void *at, size_t n, int prot), (at, n, prot), ENOMEM)

OURS int pthread_create(pthread_t *t, const pthread_attr_t *a,
                        void *(*fn)(void *), void *arg)
{
    typedef int create_fn(pthread_t *, const pthread_attr_t *,
                          void *(*)(void *), void *);
    if (FAULT("pthread_create", EAGAIN))
        return EAGAIN;
    return ((create_fn *)next("pthread_create"))(t, a, fn, arg);
}

OURS int close(int fd)
{
    typedef int close_fn(int);
    int fault = FAULT("close", EIO, EINTR);
    int rc = ((close_fn *)next("close"))(fd);
    if (fault)
        errno = fault;
    return fault ? -1 : rc;
}

#define OPENS(name)                                                            \
    OURS int name(const char *path, int flags, ...)                            \
    {                                                                          \
        typedef int open_fn(const char *, int, ...);                           \
        va_list ap;                                                            \
        va_start(ap, flags);                                                   \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, int) : 0;        \
        va_end(ap);                                                            \
        if (FAULT(#name, EMFILE, EINTR, EACCES, EIO))                          \
            return -1;                                                         \
        return ((open_fn *)next(#name))(path, flags, mode);                    \
    }
OPENS(open)
OPENS(open64)

#define OPENS_AT(name)                                                         \
    OURS int name(int dir, const char *path, int flags, ...)                   \
    {                                                                          \
        typedef int open_fn(int, const char *, int, ...);                      \
        va_list ap;                                                            \
        va_start(ap, flags);                                                   \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(ap, int) : 0;        \
        va_end(ap);                                                            \
        if (FAULT(#name, EMFILE, EINTR, EACCES, EIO))                          \
            return -1;                                                         \
        return ((open_fn *)next(#name))(dir, path, flags, mode);               \
    }
OPENS_AT(openat)
OPENS_AT(openat64)

#define CONTROLS(name)                                                         \
    OURS int name(int fd, int command, ...)                                    \
    {                                                                          \
        typedef int fcntl_fn(int, int, ...);                                   \
        va_list ap;                                                            \
        va_start(ap, command);                                                 \
        void *arg = va_arg(ap, void *);                                        \
        va_end(ap);                                                            \
        if (FAULT("fcntl", EMFILE, EINTR))                                     \
            return -1;                                                         \
        return ((fcntl_fn *)next(#name))(fd, command, arg);                    \
    }
CONTROLS(fcntl)
CONTROLS(fcntl64)

/* How children are made: with their memory shared until they exec. */
OURS int clone(int (*fn)(void *), void *stack, int flags, void *arg, ...)
{
    typedef int clone_fn(int (*)(void *), void *, int, void *, ...);
    va_list ap;
    va_start(ap, arg);
    void *more[3];
    for (int i = 0; i < 3; i++)
        more[i] = va_arg(ap, void *);
    va_end(ap);
    if (FAULT("clone", EAGAIN, ENOMEM))
        return -1;
    return ((clone_fn *)next("clone"))(fn, stack, flags, arg, more[0], more[1],
                                       more[2]);
}

/* pidfd_open and its like: an older kernel has none. */
OURS long syscall(long number, ...)
{
    typedef long syscall_fn(long, ...);
    long a[6];
    va_list ap;
    va_start(ap, number);
    for (int i = 0; i < 6; i++)
        a[i] = va_arg(ap, long);
    va_end(ap);
    if (FAULT("syscall", ENOSYS, EMFILE, ENOMEM, EAGAIN))
        return -1;
    return ((syscall_fn *)next("syscall"))(number, a[0], a[1], a[2], a[3], a[4],
                                           a[5]);
}

/* In one process nobody waits while something fails. */
OURS int nanosleep(const struct timespec *pause, struct timespec *left)
{
    typedef int nanosleep_fn(const struct timespec *, struct timespec *);
    if (atomic_load(&scarce_now()->on) && !scarce_now()->program[0])
        return 0;
    return ((nanosleep_fn *)next("nanosleep"))(pause, left);
}
