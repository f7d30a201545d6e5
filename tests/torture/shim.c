/* SPDX-License-Identifier: MIT */
/* LD_PRELOAD for redis-server and for workers: a clock that can be stepped, a
 * disk that is slow, full or broken, and a note of what a log has on it.
 *
 * The note: PATH.synced holds how many bytes of the log PATH were there when
 * its last fsync that succeeded began. After a kill -9 the nemesis cuts the log
 * between that and its length, as a loss of power would.
 *
 * TORTURE_CONTROL is the file of control.h, TORTURE_SHIM "redis N" or
 * "worker N". Without them nothing is different. */
#define _GNU_SOURCE /* RTLD_NEXT */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "control.h"
#include "shim_clock.h"

static struct control_shim none;
static struct control_shim *_Atomic mine;

static struct control_shim *shim_map(void)
{
    const char *path = getenv("TORTURE_CONTROL");
    const char *who = getenv("TORTURE_SHIM");
    int is_redis, n;
    if (path == NULL || who == NULL)
        return &none;
    is_redis = strncmp(who, "redis ", 6) == 0;
    n = (int)strtol(who + (is_redis ? 6 : 7), NULL, 10);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    void *p = fd < 0 ? MAP_FAILED
                     : mmap(NULL, sizeof(struct control),
                            PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    if (p == MAP_FAILED || n < 0 || n >= (is_redis ? 2 : SLOTS_MAX))
        return &none;
    struct control *c = p;
    return is_redis ? &c->redis[n] : &c->workers[n];
}

static struct control_shim *shim(void)
{
    struct control_shim *s = atomic_load(&mine);
    if (s == NULL) {
        s = shim_map();
        atomic_store(&mine, s);
    }
    return s;
}

/* ---- The clock ----------------------------------------------------------- */

int64_t shim_clock_ms(void)
{
    return atomic_load(&shim()->clock_ms);
}

/* ---- The disk ------------------------------------------------------------ */

/* The path of a log, or 0. */
static int shim_is_log(int fd, char *path, size_t cap)
{
    char link[48];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, cap - 1);
    if (n <= 0)
        return 0;
    path[n] = '\0';
    return n > 9 && strcmp(path + n - 9, ".incr.aof") == 0;
}

static void shim_note(const char *path, int64_t bytes)
{
    char note[600], text[24];
    snprintf(note, sizeof(note), "%s.synced", path);
    int fd = open(note, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    int n = snprintf(text, sizeof(text), "%020lld\n", (long long)bytes);
    if (pwrite(fd, text, (size_t)n, 0) != n)
        unlink(note);
    close(fd);
}

static int shim_sync(int fd, const char *name)
{
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    char path[512];
    struct stat st;
    if (!shim_is_log(fd, path, sizeof(path)))
        return real(fd);
    int has_size = fstat(fd, &st) == 0; /* what comes later is not in it */
    int ms = atomic_load(&shim()->fsync_ms);
    if (ms > 0)
        usleep((useconds_t)ms * 1000);
    if (atomic_load(&shim()->fsync_eio)) {
        errno = EIO;
        return -1;
    }
    int rc = real(fd);
    if (rc == 0 && has_size)
        shim_note(path, st.st_size);
    return rc;
}

SHIM_API int fsync(int fd)
{
    return shim_sync(fd, "fsync");
}

SHIM_API int fdatasync(int fd)
{
    return shim_sync(fd, "fdatasync");
}

SHIM_API ssize_t write(int fd, const void *data, size_t len)
{
    char path[512];
    if (atomic_load(&shim()->enospc) && shim_is_log(fd, path, sizeof(path))) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_write, fd, data, len);
}
