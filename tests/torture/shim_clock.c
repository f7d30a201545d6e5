/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* syscall */
#include "shim_clock.h"

#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static void shim_step(struct timespec *t)
{
    int64_t ms = shim_clock_ms();
    int64_t ns = t->tv_nsec + (ms % 1000) * 1000000;
    t->tv_sec += ms / 1000;
    if (ns < 0) {
        t->tv_sec--;
        ns += 1000000000;
    } else if (ns >= 1000000000) {
        t->tv_sec++;
        ns -= 1000000000;
    }
    t->tv_nsec = ns;
}

SHIM_API int clock_gettime(clockid_t id, struct timespec *t)
{
    int rc = (int)syscall(SYS_clock_gettime, id, t);
    if (rc == 0 && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE))
        shim_step(t);
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
    clock_gettime(CLOCK_REALTIME, &t);
    if (to != NULL)
        *to = t.tv_sec;
    return t.tv_sec;
}
