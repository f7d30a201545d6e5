/* SPDX-License-Identifier: MIT */
/* Making tasks and queueing them. */
#include "bench.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHUNK_TASKS 10000 /* made and queued at a time */

int64_t bench_now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int bench_usage(stint *s, struct stint_server_usage *u)
{
    struct stint_err err = {0};
    *u = (struct stint_server_usage)STINT_SERVER_USAGE_INIT;
    return stint_server_usage(s, u, &err) ? error_print(&err) : EXIT_DONE;
}

/* ---- Arguments ----------------------------------------------------------- */

char *args_noop(size_t bytes)
{
    char *args = memory_new(1, bytes + 1);
    memset(args, 'x', bytes);
    args[0] = '[';
    args[1] = args[bytes - 2] = '"';
    args[bytes - 1] = ']';
    return args;
}

char *args_timed(size_t bytes)
{
    char *args = memory_new(1, bytes + 1);
    args_time(args, bytes, 0, MARK_NONE);
    return args;
}

void args_time(char *args, size_t bytes, int64_t us, int mark)
{
    char head[40];
    size_t len = (size_t)snprintf(head, sizeof head, "[%" PRId64 ",%d,\"", us,
                                  mark);
    memset(args, 'x', bytes);
    memcpy(args, head, len);
    args[bytes - 2] = '"';
    args[bytes - 1] = ']';
}

/* ---- Queueing ------------------------------------------------------------ */

static double us_s(int64_t us)
{
    return (double)us / 1e6;
}

static int chunk_queue(struct load *l, stint_task **tasks, size_t n,
                       struct stint_err *err)
{
    struct stint_errors errors = {0};
    size_t made = 0, done = 0;
    int rc = 0;
    int64_t from_us = bench_now_us();
    for (; made < n && !rc; made += !rc) {
        struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
        l->fill(&o, l->n + (int64_t)made, l->arg);
        tasks[made] = stint_task_new(&o, &errors, err);
        rc = tasks[made] ? 0 : -1;
    }
    int64_t made_us = bench_now_us();
    if (!rc)
        rc = stint_queue_tasks(l->s, tasks, n, &done, NULL, NULL, NULL, err);
    l->make_s += us_s(made_us - from_us);
    l->queue_s += us_s(bench_now_us() - made_us);
    l->n += (int64_t)done;
    while (made > 0)
        stint_task_free(tasks[--made]);
    return rc;
}

int load_queue(struct load *l, int64_t n, struct stint_err *err)
{
    int64_t room = n < CHUNK_TASKS ? n : CHUNK_TASKS, to = l->n + n;
    stint_task **tasks = memory_new((size_t)room, sizeof(stint_task *));
    int rc = 0;
    while (!rc && l->n < to) {
        int64_t left = to - l->n;
        rc = chunk_queue(l, tasks, (size_t)(left < room ? left : room), err);
    }
    free(tasks);
    return rc;
}

int load_queue_one(struct load *l, struct stint_err *err)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors = {0};
    char id[STINT_ID_LEN + 1];
    l->fill(&o, l->n, l->arg);
    if (stint_queue_task(l->s, &o, id, &errors, err))
        return -1;
    l->n++;
    return 0;
}

int load_fill_up(struct load *l, int64_t n)
{
    struct stint_err err = {0};
    struct progress bar;
    int rc = 0;
    progress_start(&bar, (size_t)n);
    while (!rc && l->n < n) {
        int64_t left = n - l->n;
        rc = load_queue(l, left < CHUNK_TASKS ? left : CHUNK_TASKS, &err);
        progress_update((size_t)l->n, (size_t)n, &bar);
    }
    progress_end(&bar);
    return rc ? error_print(&err) : EXIT_DONE;
}
