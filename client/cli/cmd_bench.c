/* SPDX-License-Identifier: MIT */
/* stint bench: a load generator. Here are the options, the table of kinds
 * and the rounds; see bench.h for the rest. */
#include "bench.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define PAYLOAD_MAX  (512 * 1024)
#define TASKS_MAX    100000000
#define RATE_MAX     1e6
#define SECONDS_MAX  3600.0
#define NOT_GIVEN    INT64_MIN
#define TIMED_BYTES  32 /* [time,mark,""] */

const char cmd_bench_usage[] =
    "usage: stint bench drain|queue|latency|schedule|mixed|clean [options]\n\n"
    "  drain     tasks that do nothing are queued, then run by the workers\n"
    "  queue     tasks are queued in bulk (then run, unless --keep)\n"
    "  latency   tasks are sent at a steady rate; from when each was due to\n"
    "            be sent to the start of its run\n"
    "  schedule  tasks with a start_time; how late they start\n"
    "  mixed     as latency, of a mix: 60 % plain, 15 % with a start_time,\n"
    "            10 % with a priority, 5 % fail once, 5 % run twice, 5 % are\n"
    "            10 times as large; the times are those of the plain ones\n"
    "  clean     what an interrupted bench left is run and removed\n\n"
    "  --tasks N         drain, queue: so many (100000); schedule: (2000)\n"
    "  --payload BYTES   of arguments a task (100)\n"
    "  --groups N        the tasks go to bench, bench.2, ... (1)\n"
    "  --workers N       worker processes (1)\n"
    "  --concurrency N   of each worker (64)\n"
    "  --prefetch N      each worker holds so many more (0)\n"
    "  --rate N          latency, mixed: tasks a second (200)\n"
    "  --seconds S       latency, mixed, schedule: for so long (10)\n"
    "  --ceiling         drain, queue: also what the raw scripts reach, in\n"
    "                    turns with Stint\n"
    "  --rounds N        drain, queue: so often; medians are printed (1, with\n"
    "                    --ceiling 3)\n"
    "  --keep            leave the tasks in Redis (for one round)\n"
    "  --fsck            check the groups' keys before they are removed\n\n"
    "The groups bench, bench.2 and so on are for this alone: they must hold\n"
    "no live tasks, and what has ended in them is removed. Workers of others\n"
    "must not serve them.\n\n"
    "A bench takes all that Redis can give. On a Redis that others use it\n"
    "slows them down, and what they do is in its figures: CPU, commands and\n"
    "script calls are counted by Redis for all its users together. Use a\n"
    "Redis of its own.\n\n"
    "Exit status 1 if a task was lost or ran too often, or the check found\n"
    "faults.\n";

static const struct bench_kind kinds[] = {
    {"drain", bench_drain, 100000, 0, 0, 4, true, false},
    {"queue", bench_queue, 100000, 0, 0, 4, true, false},
    {"latency", bench_latency, 0, 200, 10, TIMED_BYTES, false, false},
    {"schedule", bench_schedule, 2000, 0, 10, TIMED_BYTES, false, false},
    {"mixed", bench_mixed, 0, 200, 10, TIMED_BYTES, false, false},
    {"clean", bench_clean, 0, 0, 0, 0, false, true},
};

/* ---- Rounds -------------------------------------------------------------- */

static int bench_round(const struct bench *b, struct measures *m,
                       struct histogram *times)
{
    double ceiling = NAN;
    int status = EXIT_DONE;
    measures_init(m);
    if (b->ceiling)
        status = ceiling_run(b, &ceiling);
    if (!status)
        status = b->kind->run(b, m, times);
    m->at[M_CEILING] = ceiling;
    m->at[M_RATIO] = m->at[M_TASKS_PER_S] / ceiling;
    return status;
}

/* What would be refused only after the first turn of the raw scripts. */
static int bench_ready(const struct bench *b)
{
    struct bench_counts n;
    char path[4096];
    int status = b->ceiling ? ceiling_find(path) : EXIT_DONE;
    stint *s = b->ceiling && !status ? common_open(&b->common, &status) : NULL;
    if (s)
        status = groups_refuse_live(s, b, &n);
    stint_close(s);
    return status;
}

/* Each round has a connection of its own: the workers are forked first. */
static int bench_rounds(const struct bench *b)
{
    struct measures rounds[BENCH_ROUNDS_MAX], median;
    struct histogram *times = memory_new(1, sizeof *times);
    int status = bench_ready(b);
    for (int64_t i = 0; i < b->rounds && !status; i++)
        status = bench_round(b, &rounds[i], times);
    if (!status && !b->kind->no_figures) {
        measures_median(&median, rounds, (size_t)b->rounds);
        bench_show(b, &median, times);
    }
    free(times);
    return status;
}

/* ---- Options ------------------------------------------------------------- */

static const struct bench_kind *kind_find(const struct common *common)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (common->words.n == 1 &&
            !strcmp(common->words.at[0], kinds[i].name))
            return &kinds[i];
    return NULL;
}

/* A count within its bounds; -1: it is. */
static int count_check(const struct command *c, const char *name, int64_t n,
                       int64_t least, int64_t most)
{
    if (n >= least && n <= most)
        return -1;
    return usage_fail(c, "--%s: must be %lld to %lld", name, (long long)least,
                      (long long)most);
}

/* Options that the kind does not take. */
static int bench_refuse(const struct command *c, const struct bench *b)
{
    const struct {
        const char *name;
        bool given, taken;
    } rows[] = {
        {"tasks", b->tasks != NOT_GIVEN, b->kind->tasks > 0},
        {"rate", !isnan(b->rate), b->kind->rate > 0},
        {"seconds", !isnan(b->seconds), b->kind->seconds > 0},
        {"ceiling", b->ceiling, b->kind->ceiling},
        {"rounds", b->rounds != NOT_GIVEN, b->kind->ceiling},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].given && !rows[i].taken)
            return usage_fail(c, "--%s is not for bench %s", rows[i].name,
                              b->kind->name);
    return -1;
}

static void bench_defaults(struct bench *b)
{
    const struct bench_kind *kind = b->kind;
    if (isnan(b->rate))
        b->rate = kind->rate;
    if (isnan(b->seconds))
        b->seconds = kind->seconds;
    if (b->tasks == NOT_GIVEN)
        b->tasks = kind->tasks;
    if (b->rounds == NOT_GIVEN)
        b->rounds = b->ceiling ? 3 : 1;
}

static bool is_cluster(const struct bench *b)
{
    static const char scheme[] = "redis+cluster:";
    const char *url = b->common.url ? b->common.url : getenv("STINT_URL");
    return url && !strncmp(url, scheme, sizeof scheme - 1);
}

static int bench_check(const struct command *c, const struct bench *b)
{
    const struct {
        const char *name;
        int64_t n, least, most;
    } rows[] = {
        {"tasks", b->tasks, b->kind->tasks ? 1 : 0, TASKS_MAX},
        {"payload", b->payload, b->kind->payload_min,
         !strcmp(b->kind->name, "mixed") ? PAYLOAD_MAX / 10 : PAYLOAD_MAX},
        {"groups", b->groups, 1, BENCH_GROUPS_MAX},
        {"workers", b->workers, 1, BENCH_WORKERS_MAX},
        {"concurrency", b->concurrency, 1, INT_MAX},
        {"prefetch", b->prefetch, 0, INT_MAX},
        {"rounds", b->rounds, 1, BENCH_ROUNDS_MAX},
    };
    int status = -1;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && status < 0; i++)
        status = count_check(c, rows[i].name, rows[i].n, rows[i].least,
                             rows[i].most);
    if (status < 0 && b->kind->rate > 0 &&
        !(b->rate > 0 && b->rate <= RATE_MAX))
        status = usage_fail(c, "--rate: must be over 0, at most %.0f",
                            RATE_MAX);
    if (status < 0 && b->kind->seconds > 0 &&
        !(b->seconds > 0 && b->seconds <= SECONDS_MAX))
        status = usage_fail(c, "--seconds: must be over 0, at most %.0f",
                            SECONDS_MAX);
    if (status < 0 && b->keep && b->rounds > 1)
        status = usage_fail(c, "--keep is for one round");
    if (status < 0 && b->ceiling && is_cluster(b))
        status = usage_fail(c, "--ceiling needs one Redis, not a cluster");
    return status;
}

/* What follows from the options once they are right. */
static int bench_complete(const struct command *c, struct bench *b)
{
    if (!b->kind->tasks)
        b->tasks = (int64_t)ceil(b->rate * b->seconds);
    if (b->tasks > TASKS_MAX)
        return usage_fail(c, "--rate and --seconds: more than %d tasks",
                          TASKS_MAX);
    for (int64_t i = 0; i < b->groups; i++)
        snprintf(b->names[i], sizeof b->names[i],
                 i ? BENCH_GROUP ".%d" : BENCH_GROUP, (int)i + 1);
    return -1;
}

int cmd_bench_run(const struct command *c, int argc, char **argv)
{
    struct bench b = {.tasks = NOT_GIVEN, .payload = 100, .groups = 1,
                      .workers = 1, .concurrency = 64, .rounds = NOT_GIVEN,
                      .rate = NAN, .seconds = NAN};
    const struct option_row rows[] = {
        {"tasks", OPTION_COUNT, &b.tasks},
        {"payload", OPTION_COUNT, &b.payload},
        {"groups", OPTION_COUNT, &b.groups},
        {"workers", OPTION_COUNT, &b.workers},
        {"concurrency", OPTION_COUNT, &b.concurrency},
        {"prefetch", OPTION_COUNT, &b.prefetch},
        {"rate", OPTION_NUMBER, &b.rate},
        {"seconds", OPTION_NUMBER, &b.seconds},
        {"rounds", OPTION_COUNT, &b.rounds},
        {"ceiling", OPTION_FLAG, &b.ceiling},
        {"keep", OPTION_FLAG, &b.keep},
        {"fsck", OPTION_FLAG, &b.fsck},
    };
    int status = options_parse(c, rows, sizeof rows / sizeof *rows, &b.common,
                               argc, argv);
    if (status < 0 && !(b.kind = kind_find(&b.common)))
        status = usage_fail(c, "bench needs one of drain, queue, latency, "
                               "schedule, mixed, clean");
    if (status < 0)
        status = bench_refuse(c, &b);
    if (status < 0)
        bench_defaults(&b);
    if (status < 0)
        status = bench_check(c, &b);
    if (status < 0)
        status = bench_complete(c, &b);
    if (status < 0)
        status = bench_rounds(&b);
    words_free(&b.common.words);
    return status;
}
