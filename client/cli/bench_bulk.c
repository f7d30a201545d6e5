/* SPDX-License-Identifier: MIT */
/* drain: tasks are queued, then run as fast as it goes. queue: how fast they
 * are queued, and what they take there; then they are run, too. */
#include "bench.h"

#include <stdlib.h>
#include <time.h>

#define MEMORY_STEADY 4096 /* bytes that come and go */

struct bulk {
    const struct bench *bench;
    struct crew crew;
    struct bench_counts before;
    struct load load;
    char *args;
    struct stint_server_usage from, to;
    int64_t from_bytes, to_bytes;
    stint *s;
};

static void bulk_fill(struct stint_task_options *o, int64_t i, void *arg)
{
    const struct bulk *k = arg;
    o->function = BENCH_NOOP;
    o->args = k->args;
    o->group_name = k->bench->names[i / BENCH_RUN % k->bench->groups];
}

static int bulk_open(struct bulk *k, const struct bench *b)
{
    *k = (struct bulk){.bench = b};
    int status = crew_start(&k->crew, b, b->tasks, true);
    if (!status)
        k->s = common_open(&b->common, &status);
    if (!status)
        status = groups_refuse_live(k->s, b, &k->before);
    k->args = args_noop((size_t)b->payload);
    k->load = (struct load){.s = k->s, .fill = bulk_fill, .arg = k};
    return status;
}

static void bulk_close(struct bulk *k)
{
    crew_free(&k->crew);
    stint_close(k->s);
    free(k->args);
}

/* All tasks are there: let them run, and see that all was right. */
static int bulk_run(struct bulk *k)
{
    int status = crew_go(&k->crew, NULL);
    if (!status)
        status = crew_wait_runs(&k->crew, 0);
    if (!status)
        status = crew_end(&k->crew, false);
    return status;
}

static int bulk_check(struct bulk *k)
{
    const struct bench *b = k->bench;
    int status = groups_check(k->s, b, &k->before, b->tasks, b->tasks,
                              crew_runs(&k->crew));
    return status ? status : groups_clean(k->s, b);
}

int bench_drain(const struct bench *b, struct measures *m,
                struct histogram *times)
{
    struct bulk k;
    (void)times;
    int status = bulk_open(&k, b);
    if (!status)
        status = load_fill_up(&k.load, b->tasks);
    if (!status)
        status = bench_usage(k.s, &k.from);
    if (!status)
        status = bulk_run(&k);
    if (!status)
        status = bench_usage(k.s, &k.to);
    if (!status)
        status = bulk_check(&k);
    if (!status) {
        m->at[M_SECONDS] = crew_seconds(&k.crew);
        m->at[M_TASKS_PER_S] = bench_rate(b->tasks, m->at[M_SECONDS]);
        crew_measure(&k.crew, m, b->tasks);
        measures_usage(m, &k.from, &k.to, (double)b->tasks);
    }
    bulk_close(&k);
    return status;
}

/* Redis's memory, when what was removed before is really gone (Redis frees it
 * in the background), by a connection of its own: the buffers of one that has
 * just queued are no small part of few tasks. */
static int memory_look(const struct bench *b, int64_t *bytes)
{
    const struct timespec pause = {.tv_nsec = 20000000};
    struct stint_server_usage u = {0};
    int status = EXIT_DONE;
    stint *s = common_open(&b->common, &status);
    *bytes = INT64_MAX;
    for (int tries = 0; !status && tries < 100; tries++) {
        status = bench_usage(s, &u);
        if (!status && u.used_memory_bytes + MEMORY_STEADY >= *bytes)
            break;
        *bytes = u.used_memory_bytes;
        nanosleep(&pause, NULL);
    }
    *bytes = u.used_memory_bytes;
    stint_close(s);
    return status;
}

static void queue_measure(const struct bulk *k, struct measures *m)
{
    double n = (double)k->bench->tasks;
    m->at[M_SECONDS] = k->load.queue_s;
    m->at[M_TASKS_PER_S] = bench_rate(k->load.n, k->load.queue_s);
    m->at[M_MAKE_SECONDS] = k->load.make_s;
    m->at[M_MAKE_TASKS_PER_S] = bench_rate(k->load.n, k->load.make_s);
    measures_usage(m, &k->from, &k->to, n);
    m->at[M_BYTES] = (double)(k->to_bytes - k->from_bytes) / n;
}

int bench_queue(const struct bench *b, struct measures *m,
                struct histogram *times)
{
    struct bulk k;
    (void)times;
    int status = bulk_open(&k, b);
    if (!status)
        status = memory_look(b, &k.from_bytes);
    if (!status)
        status = bench_usage(k.s, &k.from);
    if (!status)
        status = load_fill_up(&k.load, b->tasks);
    if (!status)
        status = bench_usage(k.s, &k.to);
    stint_close(k.s); /* its buffers are not the tasks' */
    k.s = status ? NULL : common_open(&b->common, &status);
    if (!status)
        status = memory_look(b, &k.to_bytes);
    if (!status)
        queue_measure(&k, m);
    if (!status && b->keep)
        status = groups_fsck(k.s, b);
    else if (!status)
        status = bulk_run(&k);
    if (!status && !b->keep)
        status = bulk_check(&k);
    bulk_close(&k);
    return status;
}
