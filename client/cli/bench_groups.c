/* SPDX-License-Identifier: MIT */
/* The groups bench, bench.2 and so on: what Redis counts in them before and
 * after, whether that is what it must be, and leaving nothing behind. */
#include "bench.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

struct look {
    const struct bench *bench;
    struct bench_counts *n;
};

static bool is_ours(const struct bench *b, const char *group)
{
    for (int64_t i = 0; i < b->groups; i++)
        if (!strcmp(b->names[i], group))
            return true;
    return false;
}

bool groups_is_bench(const char *group)
{
    size_t len = strlen(BENCH_GROUP);
    if (strncmp(group, BENCH_GROUP, len))
        return false;
    group += len;
    return !*group || (*group == '.' && group[1] &&
                       strspn(group + 1, "0123456789") == strlen(group + 1));
}

static int look_see(const struct stint_stats *t, void *arg)
{
    struct look *l = arg;
    if (!groups_is_bench(t->group))
        return 0;
    l->n->live += t->queued + t->unknown + t->disabled + t->assigned +
                  t->running + t->waiting + t->broadcasts;
    if (!is_ours(l->bench, t->group))
        return 0;
    l->n->completed += t->completed;
    l->n->ended += t->failed + t->timeout + t->stopped + t->expired;
    l->n->served += t->workers >= l->bench->workers;
    return 0;
}

int groups_look(stint *s, const struct bench *b, struct bench_counts *n)
{
    struct stint_err err = {0};
    struct look l = {b, n};
    *n = (struct bench_counts){0};
    return stint_stats(s, NULL, look_see, &l, &err) ? error_print(&err)
                                                    : EXIT_DONE;
}

int groups_refuse_live(stint *s, const struct bench *b, struct bench_counts *n)
{
    int status = groups_look(s, b, n);
    if (status || !n->live)
        return status;
    message("the groups " BENCH_GROUP ", " BENCH_GROUP ".2 and so on are not "
            "empty: %" PRId64 " tasks; if a bench left them, stint bench clean "
            "removes them", n->live);
    return EXIT_FAILED;
}

int groups_wait_completed(stint *s, const struct bench *b,
                          const struct bench_counts *before, int64_t tasks)
{
    int64_t until_us = bench_now_us() + BENCH_PATIENCE_S * INT64_C(1000000);
    const struct timespec pause = {.tv_nsec = 20000000};
    for (;;) {
        struct bench_counts n;
        int status = groups_look(s, b, &n);
        int64_t ended = n.completed + n.ended - before->completed -
                        before->ended;
        if (status || ended >= tasks || bench_now_us() > until_us)
            return status; /* whether it is right is for groups_check */
        nanosleep(&pause, NULL);
    }
}

/* ---- Is all in order? ---------------------------------------------------- */

struct faults {
    const struct bench *bench;
    int64_t n;
};

static void fault_see(const char *group, const char *fault, void *arg)
{
    struct faults *f = arg;
    if (!group || !is_ours(f->bench, group))
        return;
    if (f->n++ < 20)
        message("fsck: %s: %s", group, fault);
}

int groups_fsck(stint *s, const struct bench *b)
{
    struct stint_err err = {0};
    struct faults f = {b, 0};
    if (!b->fsck)
        return EXIT_DONE;
    if (stint_fsck(s, fault_see, &f, NULL, NULL, &err))
        return error_print(&err);
    if (f.n)
        message("fsck: %" PRId64 " faults", f.n);
    return f.n ? EXIT_FAILED : EXIT_DONE;
}

int groups_check(stint *s, const struct bench *b,
                 const struct bench_counts *before, int64_t tasks,
                 int64_t runs, int64_t ran)
{
    struct bench_counts after;
    int status = groups_look(s, b, &after);
    if (status)
        return status;
    int64_t completed = after.completed - before->completed;
    int64_t ended = after.ended - before->ended;
    if (ran == runs && completed == tasks && !ended && !after.live)
        return groups_fsck(s, b);
    message("%" PRId64 " tasks should have made %" PRId64 " runs: %" PRId64
            " runs were made, %" PRId64 " tasks are counted COMPLETED, %" PRId64
            " ended otherwise, %" PRId64 " are still there",
            tasks, runs, ran, completed, ended, after.live);
    return EXIT_FAILED;
}

int groups_clean(stint *s, const struct bench *b)
{
    struct stint_err err = {0};
    for (int64_t i = 0; i < b->groups && !b->keep; i++)
        if (stint_forget_group(s, b->names[i], NULL, &err))
            return error_print(&err);
    return EXIT_DONE;
}
