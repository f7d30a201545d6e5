/* SPDX-License-Identifier: MIT */
/* For LD_PRELOAD into a redis-server: while the file $STINT_EIO is there, every
 * fsync says EIO, as a disk does that has lost what was written to it. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static int is_broken(void)
{
    const char *path = getenv("STINT_EIO");
    return path != NULL && access(path, F_OK) == 0;
}

static int sync_call(const char *name, int fd)
{
    int (*real)(int);
    void *found = dlsym(RTLD_NEXT, name);
    __builtin_memcpy(&real, &found, sizeof(real));
    if (is_broken()) {
        errno = EIO;
        return -1;
    }
    return real(fd);
}

__attribute__((visibility("default"))) int fsync(int fd)
{
    return sync_call("fsync", fd);
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    return sync_call("fdatasync", fd);
}
