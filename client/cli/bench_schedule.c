/* SPDX-License-Identifier: MIT */
/* schedule: tasks with start_times spread evenly, all queued before the first
 * is due. How late they start is told by Redis's clock, as start_time is. The
 * workers read this host's, so what lies between the two is measured first, and
 * once more at the end: the larger doubt of the two is the uncertainty. */
#include "bench.h"

#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#define AHEAD_MS       2000 /* the first is due so much later */
#define QUEUED_A_MS    20   /* and more where queueing takes longer */

struct schedule {
    const struct bench *bench;
    struct crew crew;
    struct load load;
    struct stint_server_usage from, to;
    int64_t begin_ms; /* start_time of the first, by Redis's clock */
    char *args, start[32];
    stint *s;
};

static int64_t date_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* Redis's clock as far as it is known here. */
static int64_t redis_ms(const struct schedule *c)
{
    return (date_us() + c->from.time_off_us) / 1000;
}

static void schedule_fill(struct stint_task_options *o, int64_t i, void *arg)
{
    struct schedule *c = arg;
    const struct bench *b = c->bench;
    int64_t ms = c->begin_ms + (int64_t)((double)i * b->seconds * 1e3 /
                                         (double)b->tasks);
    args_time(c->args, (size_t)b->payload, ms * 1000, MARK_START);
    snprintf(c->start, sizeof c->start, "%" PRId64 ".%03d", ms / 1000,
             (int)(ms % 1000));
    o->function = BENCH_TIMED;
    o->args = c->args;
    o->start_time = c->start;
    o->group_name = b->names[i / BENCH_RUN % b->groups];
}

static int schedule_queue(struct schedule *c)
{
    const struct bench *b = c->bench;
    c->begin_ms = redis_ms(c) + AHEAD_MS + b->tasks / QUEUED_A_MS;
    int status = load_fill_up(&c->load, b->tasks);
    if (status || redis_ms(c) < c->begin_ms)
        return status;
    message("queueing took so long that the first were late: fewer --tasks");
    return EXIT_FAILED;
}

/* Whether the clocks could be compared so well that "early" means something. */
static int schedule_judge(struct schedule *c, struct measures *m)
{
    int64_t moved_us = c->to.time_off_us - c->from.time_off_us;
    int64_t error_us = c->from.time_error_us > c->to.time_error_us
                           ? c->from.time_error_us
                           : c->to.time_error_us;
    bool moved = llabs(moved_us) > 2 * error_us;
    if (moved)
        error_us = llabs(moved_us);
    m->at[M_UNCERTAINTY_MS] = (double)error_us / 1e3;
    m->at[M_EARLY] = (double)crew_early(&c->crew);
    if (!crew_early(&c->crew))
        return EXIT_DONE;
    if (moved) {
        message("the clocks moved apart by %.3f ms: what is early cannot be "
                "told", (double)error_us / 1e3);
        return EXIT_DONE;
    }
    message("%" PRId64 " tasks started before their start_time (the clocks "
            "are compared to %.3f ms)", crew_early(&c->crew),
            (double)error_us / 1e3);
    return EXIT_FAILED;
}

static int schedule_run(struct schedule *c, struct measures *m)
{
    const struct bench *b = c->bench;
    struct bench_counts before;
    int status = groups_refuse_live(c->s, b, &before);
    if (!status)
        status = crew_go(&c->crew, c->s);
    if (!status)
        status = bench_usage(c->s, &c->from);
    if (!status) {
        crew_clock(&c->crew, c->from.time_off_us, c->from.time_error_us);
        status = schedule_queue(c);
    }
    if (!status) {
        int64_t left_ms = c->begin_ms - redis_ms(c) +
                          (int64_t)(b->seconds * 1e3);
        status = crew_wait_runs(&c->crew, bench_now_us() + left_ms * 1000);
    }
    if (!status)
        status = groups_wait_completed(c->s, b, &before, b->tasks);
    if (!status)
        status = bench_usage(c->s, &c->to);
    if (!status)
        status = crew_end(&c->crew, true);
    if (!status)
        status = groups_check(c->s, b, &before, b->tasks, b->tasks,
                              crew_runs(&c->crew));
    if (!status)
        status = groups_clean(c->s, b);
    return status ? status : schedule_judge(c, m);
}

int bench_schedule(const struct bench *b, struct measures *m,
                   struct histogram *times)
{
    struct schedule c = {.bench = b};
    int status = crew_start(&c.crew, b, b->tasks, false);
    if (!status)
        c.s = common_open(&b->common, &status);
    c.args = args_timed((size_t)b->payload);
    c.load = (struct load){.s = c.s, .fill = schedule_fill, .arg = &c};
    if (!status)
        status = schedule_run(&c, m);
    if (!status) {
        m->at[M_SECONDS] = crew_seconds(&c.crew);
        m->at[M_TASKS_PER_S] = bench_rate(b->tasks, m->at[M_SECONDS]);
        measures_times(m, crew_times(&c.crew));
        crew_measure(&c.crew, m, b->tasks);
        measures_usage(m, &c.from, &c.to, (double)b->tasks);
        histogram_merge(times, crew_times(&c.crew));
    }
    crew_free(&c.crew);
    stint_close(c.s);
    free(c.args);
    return status;
}
