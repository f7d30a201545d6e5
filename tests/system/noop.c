/* SPDX-License-Identifier: MIT */
/* A module for the system tests: C functions that take no time, a given time,
 * fail, or crash. Loaded by workers with {"module": ".../noop.so"}. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <stint/stint.h>

extern STINT_API const struct stint_module stint_module;

static int noop(stint_run *run, void *arg)
{
    (void)run;
    (void)arg;
    return 0;
}

/* args[0]: milliseconds, a number. Ends early when cancelled. */
static int sleep_ms(stint_run *run, void *arg)
{
    (void)arg;
    const char *digits = strpbrk(stint_run_args(run), "0123456789");
    if (!digits) {
        stint_run_set_error(run, "args[0]: milliseconds wanted");
        return 1;
    }
    long left_ms = strtol(digits, NULL, 10);
    while (left_ms > 0 && !stint_run_is_cancelled(run)) {
        long step_ms = left_ms < 10 ? left_ms : 10;
        struct timespec step = {0, step_ms * 1000000};
        nanosleep(&step, NULL);
        left_ms -= step_ms;
    }
    return left_ms > 0;
}

/* Its own process, for who wants to look at it; and what it starts stays
 * behind: args[0] marks it. */
static int pid(stint_run *run, void *arg)
{
    char json[32];
    (void)arg;
    snprintf(json, sizeof(json), "%ld", (long)getpid());
    if (!strpbrk(stint_run_args(run), "0123456789"))
        return stint_run_set_result(run, json);
    char *mark = strdup(strpbrk(stint_run_args(run), "0123456789"));
    mark[strcspn(mark, "\"],")] = '\0';
    if (fork() == 0) {
        setsid();
        execle("/bin/sleep", "sleep", mark, (char *)NULL, (char *[]){NULL});
        _exit(127);
    }
    free(mark);
    return stint_run_set_result(run, json);
}

static int fail(stint_run *run, void *arg)
{
    (void)arg;
    stint_run_set_error(run, "fails always");
    return 1;
}

/* Of who queued it, "none" without. */
static int trace(stint_run *run, void *arg)
{
    char json[80];
    const char *parent = stint_run_traceparent(run);
    (void)arg;
    snprintf(json, sizeof(json), "\"%s\"", parent ? parent : "none");
    return stint_run_set_result(run, json);
}

/* Takes the worker with it. */
static int crash(stint_run *run, void *arg)
{
    (void)run;
    (void)arg;
    fputs("about to crash\n", stderr);
    abort();
}

static const struct stint_function functions[] = {
    {"crash", crash, NULL},
    {"noop", noop, NULL},
    {"sleep_ms", sleep_ms, NULL},
    {"fail", fail, NULL},
    {"pid", pid, NULL},
    {"trace", trace, NULL},
};

const struct stint_module stint_module = {
    STINT_MODULE_ABI,
    sizeof(functions) / sizeof(functions[0]),
    functions,
};
