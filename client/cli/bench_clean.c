/* SPDX-License-Identifier: MIT */
/* clean: what a bench that was interrupted, or told to keep its tasks, has left
 * is run by workers of ours, as nothing else removes many live tasks at once,
 * and then removed as any bench's tasks are. */
#include "bench.h"

#include <inttypes.h>
#include <string.h>

static int clean_see(const struct stint_stats *t, void *arg)
{
    struct bench *b = arg;
    if (groups_is_bench(t->group) && strlen(t->group) < sizeof b->names[0])
        snprintf(b->names[b->groups++], sizeof b->names[0], "%s", t->group);
    return b->groups == BENCH_GROUPS_MAX;
}

/* Which groups there are, and how much is live in them. */
static int clean_look(struct bench *b, struct bench_counts *n)
{
    struct stint_err err = {0};
    int status = EXIT_DONE;
    stint *s = common_open(&b->common, &status);
    b->groups = 0;
    if (s && stint_stats(s, NULL, clean_see, b, &err))
        status = error_print(&err);
    if (s && !status)
        status = groups_look(s, b, n);
    stint_close(s);
    return status;
}

static int clean_run(const struct bench *b, int64_t live)
{
    struct crew crew;
    int status = crew_start(&crew, b, live, true);
    if (!status)
        status = crew_go(&crew, NULL);
    if (!status)
        status = crew_wait_runs(&crew, 0);
    if (!status)
        status = crew_end(&crew, false);
    crew_free(&crew);
    return status;
}

static int clean_forget(const struct bench *b)
{
    struct stint_err err = {0};
    struct bench_counts n;
    uint64_t removed = 0, one = 0;
    int status = EXIT_DONE;
    stint *s = common_open(&b->common, &status);
    for (int64_t i = 0; i < b->groups && !status; i++, removed += one)
        if (stint_forget_group(s, b->names[i], &one, &err))
            status = error_print(&err);
    if (!status)
        status = groups_refuse_live(s, b, &n);
    if (!status && !b->common.json)
        printf("removed %" PRIu64 " tasks\n", removed);
    else if (!status)
        printf("{\"bench\":\"clean\",\"removed\":%" PRIu64 "}\n", removed);
    stint_close(s);
    return status;
}

int bench_clean(const struct bench *given, struct measures *m,
                struct histogram *times)
{
    struct bench b = *given;
    struct bench_counts n = {0};
    (void)m;
    (void)times;
    int status = clean_look(&b, &n);
    if (!status && n.live)
        status = clean_run(&b, n.live);
    return status ? status : clean_forget(&b);
}
