/* SPDX-License-Identifier: MIT */
/* A seed that fails is run again, in a process of its own for each try: first
 * without one fault or feature after the other, as long as it still fails; then
 * with what is left, and its lines are shown. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "err.h"
#include "sim.h"

_Noreturn void sim_shrink_begin(const struct sim *s)
{
    char seed[24], probes[24];
    const char *argv[16] = {"sim_fleet", "--shrink", "--seed", seed};
    int n = 4;
    snprintf(seed, sizeof(seed), "%" PRIu64, s->seed);
    if (s->fault_list != NULL) {
        argv[n++] = "--faults";
        argv[n++] = s->fault_list;
    }
    if (s->feature_list != NULL) {
        argv[n++] = "--features";
        argv[n++] = s->feature_list;
    }
    if (s->is_large)
        argv[n++] = "--large";
    if (s->probe_fails)
        argv[n++] = "--strict";
    snprintf(probes, sizeof(probes), "%d", s->probes);
    argv[n++] = "--probes";
    argv[n++] = probes;
    fprintf(stderr, "\nseed %s fails\n", seed);
    fflush(stdout);
    execv("/proc/self/exe", (char *const *)(uintptr_t)argv);
    perror("/proc/self/exe");
    exit(1);
}

/* 1: it fails with these. */
static int shrink_try(sim_try_fn fn, void *arg, int faults, int features)
{
    int status = 0;
    pid_t pid = fork();
    check(pid >= 0);
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        check(dup2(null, 1) == 1 && dup2(null, 2) == 2);
        fn(arg, faults, features);
        _exit(0);
    }
    while (waitpid(pid, &status, 0) < 0)
        check(errno == EINTR);
    return !WIFEXITED(status) || WEXITSTATUS(status) != 0;
}

/* Without each bit of *set that is not needed. */
static void shrink_set(sim_try_fn fn, void *arg, int *faults, int *features,
                       int *set)
{
    for (int bit = 1; bit <= *set; bit <<= 1) {
        if ((*set & bit) == 0)
            continue;
        *set &= ~bit;
        if (!shrink_try(fn, arg, *faults, *features))
            *set |= bit;
    }
}

void sim_shrink(sim_try_fn fn, void *arg, int *faults, int *features)
{
    if (!shrink_try(fn, arg, *faults, *features))
        return;
    shrink_set(fn, arg, faults, features, faults);
    shrink_set(fn, arg, faults, features, features);
}
