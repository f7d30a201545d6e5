/* SPDX-License-Identifier: MIT */
/* stint stats: the counts of each group; stint groups: those one looks at. */
#include "cli.h"
#include "stats_functions.h"

const char cmd_stats_usage[] =
    "usage: stint stats [options]\n\n"
    "  --group G         of this group only\n"
    "  --functions       runs by function, with the times they waited and\n"
    "                    took: half of them (P50), 95 in 100 (P95) at most\n";
const char cmd_groups_usage[] =
    "usage: stint groups [options]\n\n"
    "Shows all groups: what waits and for how long, what runs, what has ended\n"
    "since the group began (FAILED with those that took too long), and the\n"
    "workers that serve it. See stint stats for every count, and stint group\n"
    "for the parts of one.\n";

/* Every count: name in JSON and member, head of the column, its colour. */
#define STATS_COUNTS(X)                                                        \
    X(queued, "QUEUED", NONE)                                                  \
    X(due, "DUE", NONE)                                                        \
    X(unknown, "UNKNOWN", WARN)                                                \
    X(disabled, "DISABLED", NONE)                                              \
    X(waiting, "WAITING", NONE)                                                \
    X(broadcasts, "BROADCASTS", NONE)                                          \
    X(assigned, "ASSIGNED", BUSY)                                              \
    X(running, "RUNNING", BUSY)                                                \
    X(completed, "COMPLETED", GOOD)                                            \
    X(failed, "FAILED", BAD)                                                   \
    X(timeout, "TIMEOUT", BAD)                                                 \
    X(stopped, "STOPPED", NONE)                                                \
    X(expired, "EXPIRED", NONE)                                                \
    X(retained, "RETAINED", NONE)                                              \
    X(workers, "WORKERS", NONE)

static int row_json(const struct stint_stats *t, void *arg)
{
    (void)arg;
    struct json_out j = {false};
    json_open(&j, NULL, '{');
    json_text(&j, "group", t->group);
#define STATS_JSON(member, head, paint) json_count(&j, #member, t->member);
    STATS_COUNTS(STATS_JSON)
#undef STATS_JSON
    json_count(&j, "oldest_due_ms", t->oldest_due_ms);
    json_bool(&j, "paused", t->paused != 0);
    json_shut(&j, '}');
    putchar('\n');
    return ferror(stdout);
}

static int row_add(const struct stint_stats *t, void *arg)
{
    struct table *table = arg;
    char text[TIME_TEXT_LEN], name[STINT_NAME_LEN + 16];
    snprintf(name, sizeof name, "%s%s", t->group, t->paused ? " (paused)" : "");
    table_add(table, name);
#define STATS_ROW(member, head, paint) table_add_count(table, t->member, PAINT_##paint);
    STATS_COUNTS(STATS_ROW)
#undef STATS_ROW
    table_add_right(table,
                    t->oldest_due_ms ? age_text(t->oldest_due_ms, text) : NULL,
                    PAINT_NONE);
    return 0;
}

static int glance_add(const struct stint_stats *t, void *arg)
{
    struct table *table = arg;
    char text[TIME_TEXT_LEN];
    table_add(table, t->group);
    table_add_count(table, t->queued, PAINT_NONE);
    table_add_count(table, t->due, PAINT_NONE);
    table_add_right(table,
                    t->oldest_due_ms ? age_text(t->oldest_due_ms, text) : NULL,
                    PAINT_NONE);
    table_add_count(table, t->running, PAINT_BUSY);
    table_add_count(table, t->completed, PAINT_GOOD);
    table_add_count(table, t->failed + t->timeout, PAINT_BAD);
    table_add_count(table, t->workers, PAINT_NONE);
    return 0;
}

/* The rows as a table under its heads, or as JSON, which is the same for all. */
static int stats_show(const struct common *common, const char *group,
                      const char *const *heads, size_t n, stint_stats_fn add)
{
    int status = EXIT_DONE;
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    struct stint_err err = {0};
    struct table t = {.colour = colour_on(common)};
    table_heads(&t, heads, n);
    if (stint_stats(s, group, common->json ? row_json : add, &t, &err))
        status = ferror(stdout) ? EXIT_FAILED : error_print(&err);
    if (!common->json && (status == EXIT_DONE || t.n > t.columns))
        table_print(&t); /* on an error, of the groups that could be asked */
    table_free(&t);
    stint_close(s);
    return status;
}

int cmd_stats_run(const struct command *c, int argc, char **argv)
{
#define STATS_HEAD(member, head, paint) head,
    static const char *const heads[] = {
        "GROUP", STATS_COUNTS(STATS_HEAD) "OLDEST DUE"};
#undef STATS_HEAD
    struct common common = {0};
    const char *group = NULL;
    int functions = 0;
    const struct option_row rows[] = {{"group", OPTION_TEXT, &group},
                                      {"functions", OPTION_FLAG, &functions}};
    int status = options_parse(c, rows, 2, &common, argc, argv);
    if (status < 0 && common.words.n)
        status = usage_fail(c, "unexpected word %s", common.words.at[0]);
    if (status < 0)
        status = functions
                     ? functions_show(&common, group)
                     : stats_show(&common, group, heads,
                                  sizeof heads / sizeof *heads, row_add);
    words_free(&common.words);
    return status;
}

int cmd_groups_run(const struct command *c, int argc, char **argv)
{
    static const char *const heads[] = {
        "GROUP",   "QUEUED",    "DUE",    "OLDEST DUE",
        "RUNNING", "COMPLETED", "FAILED", "WORKERS",
    };
    struct common common = {0};
    int status = options_parse(c, NULL, 0, &common, argc, argv);
    if (status < 0 && common.words.n)
        status = usage_fail(c, "unexpected word %s; see stint group",
                            common.words.at[0]);
    if (status < 0)
        status = stats_show(&common, NULL, heads, sizeof heads / sizeof *heads,
                            glance_add);
    words_free(&common.words);
    return status;
}
