/* SPDX-License-Identifier: MIT */
/* What the machine can do: starts a program again and again by posix_spawn,
 * so many at once, and waits for each. No pipes, no queue, no limits: the
 * number that bench/spawn compares a worker with. */
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_seconds(int who)
{
    struct rusage u;

    getrusage(who, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* -1: one did not run, or not well. */
static int child_end(void)
{
    int status;

    return wait(&status) > 0 && status == 0 ? 0 : -1;
}

static int run(long n, long at_once, char **argv)
{
    char *env[] = {NULL};
    long running = 0;
    pid_t pid;

    for (long i = 0; i < n; i++) {
        if (running == at_once) {
            if (child_end() < 0)
                return -1;
            running--;
        }
        if (posix_spawn(&pid, argv[0], NULL, NULL, argv, env) != 0)
            return -1;
        running++;
    }
    for (; running > 0; running--)
        if (child_end() < 0)
            return -1;
    return 0;
}

int main(int argc, char **argv)
{
    long n = argc > 3 ? strtol(argv[1], NULL, 10) : 0;
    long at_once = argc > 3 ? strtol(argv[2], NULL, 10) : 0;
    double start = seconds();

    if (n < 1 || at_once < 1) {
        fprintf(stderr, "usage: %s N AT_ONCE PROGRAM [ARGUMENT...]\n",
                argv[0]);
        return 2;
    }
    if (run(n, at_once, argv + 3) < 0) {
        fprintf(stderr, "%s: %s does not run\n", argv[0], argv[3]);
        return 1;
    }
    printf("{\"runs_per_s\":%.0f,\"cpu_us_per_run\":%.1f}\n",
           (double)n / (seconds() - start),
           (cpu_seconds(RUSAGE_SELF) + cpu_seconds(RUSAGE_CHILDREN)) * 1e6 /
               (double)n);
    return 0;
}
