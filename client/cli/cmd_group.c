/* SPDX-License-Identifier: MIT */
/* stint group: over how many parts a group is spread, and what it keeps. */
#include "cli.h"

const char cmd_group_usage[] =
    "usage: stint group GROUP [options]\n\n"
    "  --parts N         spread it over N parts, 1 to 256\n"
    "  --events N        keep N entries of its events, about; 0: write none\n\n"
    "Prints how many parts the group has, and what each of them holds. The\n"
    "rate of a group in parts grows with the shards of a Redis Cluster. The\n"
    "number can be set only while the group holds no tasks, ended ones\n"
    "included; choose it generously, for parts cost little. Order and\n"
    "priority hold within a part.\n";

struct showing {
    bool json;
    struct json_out j;
    struct table table;
    int parts;
};

static int part_show(int part, int parts, const struct stint_stats *t,
                     void *arg)
{
    struct showing *g = arg;
    if (g->json && part == 0) {
        json_open(&g->j, NULL, '{');
        json_text(&g->j, "group", t->group);
        json_count(&g->j, "parts", parts);
        json_open(&g->j, "each", '[');
    }
    g->parts = parts;
    if (!g->json) {
        table_add_count(&g->table, part, PAINT_NONE);
        table_add_count(&g->table, t->queued, PAINT_NONE);
        table_add_count(&g->table, t->running, PAINT_BUSY);
        table_add_count(&g->table, t->retained, PAINT_NONE);
        return 0;
    }
    json_open(&g->j, NULL, '{');
    json_count(&g->j, "part", part);
    json_count(&g->j, "queued", t->queued);
    json_count(&g->j, "assigned", t->assigned);
    json_count(&g->j, "running", t->running);
    json_count(&g->j, "retained", t->retained);
    json_shut(&g->j, '}');
    return ferror(stdout);
}

static int parts_show(stint *s, const char *group, bool json, bool colour,
                      struct stint_err *err)
{
    static const char *const heads[] = {"PART", "QUEUED", "RUNNING",
                                        "RETAINED"};
    struct showing g = {.json = json};
    g.table.colour = colour;
    table_heads(&g.table, heads, sizeof heads / sizeof *heads);
    int rc = stint_parts(s, group, part_show, &g, err);
    if (json && g.parts) {
        json_shut(&g.j, ']');
        json_shut(&g.j, '}');
        putchar('\n');
    } else if (!rc) {
        printf("group %s: %d part%s\n", group, g.parts,
               g.parts == 1 ? "" : "s");
        table_print(&g.table);
    }
    table_free(&g.table);
    return rc;
}

/* keep: events, -1: as it is. */
static int group_show(const struct common *common, const char *group,
                      int64_t parts, int64_t keep)
{
    int status = EXIT_DONE;
    struct stint_err err = {0};
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    int rc = parts ? stint_set_parts(s, group, (int)parts, &err) : 0;
    if (!rc && parts > 1)
        message("order and priority of tasks hold within a part of the group");
    if (!rc && keep >= 0)
        rc = stint_keep_events(s, group, keep, &err);
    if (!rc)
        rc = parts_show(s, group, common->json, colour_on(common), &err);
    if (rc)
        status = error_print(&err);
    if (rc && err.code == STINT_STATE)
        message("choose the number generously before tasks are queued: parts "
                "cost little, also on one shard");
    stint_close(s);
    return status;
}

int cmd_group_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    int64_t parts = 0, keep = -1;
    const char *text = NULL, *events = NULL;
    const struct option_row rows[] = {{"parts", OPTION_TEXT, &text},
                                      {"events", OPTION_TEXT, &events}};
    int status = options_parse(c, rows, sizeof rows / sizeof *rows, &common,
                               argc, argv);
    if (status < 0 && common.words.n != 1)
        status = usage_fail(c, "name one group");
    if (status < 0 && text &&
        (!count_parse(text, &parts) || parts < 1 || parts > 256))
        status = usage_fail(c, "--parts: must be from 1 to 256");
    if (status < 0 && events && (!count_parse(events, &keep) || keep < 0))
        status = usage_fail(c, "--events: must be 0 or more");
    if (status < 0)
        status = group_show(&common, common.words.at[0], parts, keep);
    words_free(&common.words);
    return status;
}
