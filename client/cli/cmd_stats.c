/* SPDX-License-Identifier: MIT */
/* stint stats: the counts of each group. */
#include "cli.h"

const char cmd_stats_usage[] =
    "usage: stint stats [options]\n\n"
    "  --group G         of this group only\n";

/* Every count: name in JSON and member, head of the column. */
#define STATS_COUNTS(X)                                                        \
    X(queued, "QUEUED")                                                        \
    X(due, "DUE")                                                              \
    X(unknown, "UNKNOWN")                                                      \
    X(disabled, "DISABLED")                                                    \
    X(waiting, "WAITING")                                                      \
    X(broadcasts, "BROADCASTS")                                                \
    X(assigned, "ASSIGNED")                                                    \
    X(running, "RUNNING")                                                      \
    X(completed, "COMPLETED")                                                  \
    X(failed, "FAILED")                                                        \
    X(timeout, "TIMEOUT")                                                      \
    X(stopped, "STOPPED")                                                      \
    X(expired, "EXPIRED")                                                      \
    X(retained, "RETAINED")                                                    \
    X(workers, "WORKERS")

static int row_json(const struct stint_stats *t, void *arg)
{
    (void)arg;
    struct json_out j = {false};
    json_open(&j, NULL, '{');
    json_text(&j, "group", t->group);
#define STATS_JSON(member, head) json_count(&j, #member, t->member);
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
#define STATS_ROW(member, head) table_add_count(table, t->member);
    STATS_COUNTS(STATS_ROW)
#undef STATS_ROW
    table_add(table,
              t->oldest_due_ms ? age_text(t->oldest_due_ms, text) : NULL);
    return 0;
}

static int stats_show(const struct common *common, const char *group)
{
#define STATS_HEAD(member, head) head,
    static const char *const heads[] = {
        "GROUP", STATS_COUNTS(STATS_HEAD) "OLDEST DUE"};
#undef STATS_HEAD
    int status = EXIT_DONE;
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    struct stint_err err = {0};
    struct table t = {.columns = sizeof heads / sizeof *heads};
    for (size_t i = 0; i < t.columns; i++)
        table_add(&t, heads[i]);
    if (stint_stats(s, group, common->json ? row_json : row_add, &t, &err))
        status = ferror(stdout) ? EXIT_FAILED : error_print(&err);
    if (!common->json && (status == EXIT_DONE || t.n > t.columns))
        table_print(&t); /* on an error, of the groups that could be asked */
    table_free(&t);
    stint_close(s);
    return status;
}

int cmd_stats_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    const char *group = NULL;
    const struct option_row rows[] = {{"group", OPTION_TEXT, &group}};
    int status = options_parse(c, rows, 1, &common, argc, argv);
    if (status < 0 && common.words.n)
        status = usage_fail(c, "unexpected word %s", common.words.at[0]);
    if (status < 0)
        status = stats_show(&common, group);
    words_free(&common.words);
    return status;
}
