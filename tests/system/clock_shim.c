/* SPDX-License-Identifier: MIT */
/* LD_PRELOAD for test_clock.sh: a wall clock that somebody has set wrong. The
 * file STINT_TEST_CLOCK has the seconds that are added, as 20 characters, and
 * may be written anew at any time; what measures durations is left alone. */
#define _GNU_SOURCE /* syscall */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SHIM_API __attribute__((visibility("default")))

static const char none[] = "0";
static const char *_Atomic mapped;

static const char *clock_map(void)
{
    const char *path = getenv("STINT_TEST_CLOCK");
    int fd = path != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return none;
    void *p = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    return p != MAP_FAILED ? p : none;
}

static time_t clock_step(void)
{
    const char *text = atomic_load(&mapped);
    if (text == NULL) {
        text = clock_map();
        atomic_store(&mapped, text);
    }
    return (time_t)strtoll(text, NULL, 10);
}

SHIM_API int clock_gettime(clockid_t id, struct timespec *t)
{
    int rc = (int)syscall(SYS_clock_gettime, id, t);
    if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        t->tv_sec += clock_step();
    return rc;
}

SHIM_API int gettimeofday(struct timeval *tv, void *zone)
{
    struct timespec t;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &t) < 0)
        return -1;
    tv->tv_sec = t.tv_sec;
    tv->tv_usec = t.tv_nsec / 1000;
    return 0;
}

SHIM_API time_t time(time_t *to)
{
    struct timespec t;
    if (clock_gettime(CLOCK_REALTIME, &t) < 0)
        return -1;
    if (to != NULL)
        *to = t.tv_sec;
    return t.tv_sec;
}
