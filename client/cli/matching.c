/* SPDX-License-Identifier: MIT */
#include "matching.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FAILURES_SHOWN = 10 };

struct going {
    struct progress bar;
    size_t failed, done;
};

int matching_check(const struct command *c, const struct matching *m)
{
    if (!m->dry_run && !m->yes && !isatty(STDIN_FILENO))
        return usage_fail(c, "stdin is no terminal, so nobody can be asked: "
                          "say --yes, or --dry-run");
    return -1;
}

static void on_task(const char *group, const char *id,
                    const struct stint_err *why, void *arg)
{
    struct going *g = arg;
    (void)group;
    g->done++;
    if (!why)
        return;
    if (g->failed < FAILURES_SHOWN) {
        progress_end(&g->bar);
        message("%s: %s", id,
                why->code == STINT_NOT_FOUND ? "no such task" : why->text);
    }
    g->failed++;
}

/* Step by step to the end. total: how many there are, 0: not known. The sums are
 * added to *sum. */
static int all_steps(stint *s, struct matching *m, bool dry, uint64_t total,
                     struct stint_acted *sum, struct stint_err *err)
{
    struct going g = {.failed = 0};
    char *cursor = NULL, *next = NULL;
    int rc;
    progress_start(&g.bar, (size_t)total);
    do {
        struct stint_acted step = STINT_ACTED_INIT;
        m->act.filter = &m->filter;
        m->act.dry_run = dry;
        m->act.cursor = cursor;
        m->act.on_task = on_task;
        m->act.arg = &g;
        rc = stint_act(s, &m->act, &step, &next, err);
        free(cursor);
        cursor = next;
        sum->matched += step.matched;
        sum->done += step.done;
        sum->failed += step.failed;
        sum->scanned += step.scanned;
        progress_update(g.done, g.done, &g.bar);
    } while (!rc && cursor);
    free(cursor);
    progress_end(&g.bar);
    if (g.failed > FAILURES_SHOWN)
        message("and %zu more", g.failed - FAILURES_SHOWN);
    return rc;
}

static void sum_print(const struct common *common, const struct matching *m,
                      const struct stint_acted *sum)
{
    if (common->json) {
        struct json_out j = {false};
        json_open(&j, NULL, '{');
        json_count(&j, "matched", (int64_t)sum->matched);
        json_count(&j, "done", (int64_t)sum->done);
        json_count(&j, "failed", (int64_t)sum->failed);
        json_count(&j, "scanned", (int64_t)sum->scanned);
        json_shut(&j, '}');
        putchar('\n');
        return;
    }
    uint64_t n = m->dry_run ? sum->matched : sum->done;
    printf("%" PRIu64 " task%s %s%s", n, n == 1 ? "" : "s",
           m->dry_run ? "would be " : "", m->ended);
    if (sum->failed)
        printf(", %" PRIu64 " could not be", sum->failed);
    putchar('\n');
}

static bool is_agreed(const struct matching *m, uint64_t n)
{
    char answer[16];
    fprintf(stderr, "%" PRIu64 " task%s will be %s. Go on? [y/N] ", n,
            n == 1 ? "" : "s", m->ended);
    fflush(stderr);
    if (!fgets(answer, sizeof answer, stdin))
        return false;
    answer[strcspn(answer, "\n")] = '\0';
    return !strcmp(answer, "y") || !strcmp(answer, "Y") ||
           !strcmp(answer, "yes");
}

int matching_run(const struct common *common, struct matching *m)
{
    int status = EXIT_DONE;
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    struct stint_acted sum = STINT_ACTED_INIT;
    struct stint_err err = {0};
    bool counts = m->dry_run || !m->yes;
    int rc = counts ? all_steps(s, m, true, 0, &sum, &err) : 0;
    if (!rc && !m->dry_run) {
        if (counts && sum.matched && !is_agreed(m, sum.matched)) {
            message("nothing was changed");
            stint_close(s);
            return EXIT_FAILED;
        }
        uint64_t total = sum.matched;
        sum = (struct stint_acted)STINT_ACTED_INIT;
        rc = all_steps(s, m, false, total, &sum, &err);
    }
    stint_close(s);
    if (!rc || sum.done)
        sum_print(common, m, &sum);
    if (rc)
        return error_print(&err);
    return sum.failed ? EXIT_FAILED : EXIT_DONE;
}
