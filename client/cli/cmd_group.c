/* SPDX-License-Identifier: MIT */
/* stint group: over how many parts a group is spread, and what it keeps; pauses
 * and empties it. */
#include "matching.h"

const char cmd_group_usage[] =
    "usage: stint group GROUP [options]\n\n"
    "  --parts N         spread it over N parts, 1 to 256\n"
    "  --events N        keep N entries of its events, about; 0: write none\n"
    "  --pause           hand out nothing more of it\n"
    "  --resume          hand out its tasks again\n"
    "  --purge           delete its tasks that are QUEUED, those that are due\n"
    "                    later and those that wait for others, too; or\n"
    "  --status COMPLETED|FAILED|TIMEOUT|STOPPED|EXPIRED\n"
    "                    those that ended so; more with commas\n"
    "  --dry-run         only count what would be deleted\n"
    "  --yes             do not ask; without it, stdin has to be a terminal\n\n"
    "What workers of a paused group have in hand goes on, and tasks may be\n"
    "queued.\n"
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
    bool paused; /* any of them */
};

static int part_show(int part, int parts, const struct stint_stats *t,
                     void *arg)
{
    struct showing *g = arg;
    if (g->json && part == 0) {
        json_open(&g->j, NULL, '{');
        json_text(&g->j, "group", t->group);
        json_count(&g->j, "parts", parts);
        json_bool(&g->j, "paused", t->paused != 0);
        json_open(&g->j, "each", '[');
    }
    g->parts = parts;
    g->paused |= t->paused != 0;
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
        printf("group %s: %d part%s%s\n", group, g.parts,
               g.parts == 1 ? "" : "s", g.paused ? ", paused" : "");
        table_print(&g.table);
    }
    table_free(&g.table);
    return rc;
}

struct group_options {
    const char *group;
    int64_t parts; /* 0: not given */
    int64_t keep;  /* events; -1: as it is */
    int pause, resume, purge;
    struct matching m; /* for purge */
};

static int group_show(const struct common *common,
                      const struct group_options *g)
{
    int status = EXIT_DONE;
    struct stint_err err = {0};
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    int rc = g->parts ? stint_set_parts(s, g->group, (int)g->parts, &err) : 0;
    if (!rc && g->parts > 1)
        message("order and priority of tasks hold within a part of the group");
    if (!rc && g->keep >= 0)
        rc = stint_keep_events(s, g->group, g->keep, &err);
    if (!rc && g->pause)
        rc = stint_pause_group(s, g->group, &err);
    if (!rc && g->resume)
        rc = stint_resume_group(s, g->group, &err);
    if (!rc)
        rc = parts_show(s, g->group, common->json, colour_on(common), &err);
    if (rc)
        status = error_print(&err);
    if (rc && err.code == STINT_STATE)
        message("choose the number generously before tasks are queued: parts "
                "cost little, also on one shard");
    stint_close(s);
    return status;
}

/* -1: go on. */
static int group_check(const struct command *c, struct group_options *g,
                       const char *parts)
{
    if (parts && (!count_parse(parts, &g->parts) || g->parts < 1 ||
                  g->parts > 256))
        return usage_fail(c, "--parts: must be from 1 to 256");
    if (!!g->parts + g->pause + g->resume + g->purge > 1)
        return usage_fail(c, "--parts, --pause, --resume, --purge: one at a "
                          "time");
    if (!g->purge && (g->m.filter.status || g->m.dry_run || g->m.yes))
        return usage_fail(c, "--status, --dry-run and --yes go with --purge");
    if (!g->purge)
        return -1;
    g->m.act.action = "delete";
    g->m.ended = "deleted";
    g->m.filter.group = g->group;
    if (!g->m.filter.status)
        g->m.filter.status = "QUEUED";
    return matching_check(c, &g->m);
}

int cmd_group_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    struct group_options g = {.keep = -1,
                              .m = {.act = STINT_ACT_OPTIONS_INIT,
                                    .filter = STINT_SEARCH_OPTIONS_INIT}};
    const char *parts = NULL, *events = NULL;
    const struct option_row rows[] = {
        {"parts", OPTION_TEXT, &parts},
        {"events", OPTION_TEXT, &events},
        {"pause", OPTION_FLAG, &g.pause},
        {"resume", OPTION_FLAG, &g.resume},
        {"purge", OPTION_FLAG, &g.purge},
        {"status", OPTION_TEXT, &g.m.filter.status},
        {"dry-run", OPTION_FLAG, &g.m.dry_run},
        {"yes", OPTION_FLAG, &g.m.yes},
    };
    int status = options_parse(c, rows, sizeof rows / sizeof *rows, &common,
                               argc, argv);
    if (status < 0 && common.words.n != 1)
        status = usage_fail(c, "name one group");
    g.group = common.words.n ? common.words.at[0] : NULL;
    if (status < 0 && events && (!count_parse(events, &g.keep) || g.keep < 0))
        status = usage_fail(c, "--events: must be 0 or more");
    if (status < 0)
        status = group_check(c, &g, parts);
    if (status < 0)
        status = g.purge ? matching_run(&common, &g.m) : group_show(&common, &g);
    words_free(&common.words);
    return status;
}
