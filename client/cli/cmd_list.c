/* SPDX-License-Identifier: MIT */
/* stint list: tasks, a line each. */
#include "cli.h"

#include <string.h>
#include <strings.h>

const char cmd_list_usage[] =
    "usage: stint list [options]\n\n"
    "  --status QUEUED|ASSIGNED|RUNNING|COMPLETED|FAILED|TIMEOUT|STOPPED|"
    "EXPIRED\n"
    "                    in this state (all)\n"
    "  --group G         of this group (all)\n"
    "  --function F      of this function (all)\n"
    "  --limit N         so many at most (100); 0: all\n\n"
    "Prints id, status, function, group, the time of the next or else of the\n"
    "last run, and the task's name if it has one.\n";

static const char *status_name(const char *text)
{
    static const char *const names[] = {
        "QUEUED", "ASSIGNED", "RUNNING", "COMPLETED",
        "FAILED", "TIMEOUT",  "STOPPED", "EXPIRED",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcasecmp(names[i], text))
            return names[i];
    return NULL;
}

enum { ROWS_AT_ONCE = 100 }; /* aligned together, so that a list can be long */

struct showing {
    bool json;
    size_t n;
    struct table table;
};

static int row_show(const struct stint_status *t, void *arg)
{
    struct showing *l = arg;
    if (l->json) {
        status_json(t, 0);
        return ferror(stdout);
    }
    char text[TIME_TEXT_LEN];
    /* A task still to run: when; an ended one: when it last ran. */
    bool waits = strcmp(t->status, "QUEUED") == 0 ||
                 strcmp(t->status, "ASSIGNED") == 0;
    int64_t ms = waits ? t->next_run_time_ms : t->last_run_time_ms;
    bool named = t->task_name && *t->task_name &&
                 strcmp(t->task_name, t->function);
    table_add(&l->table, t->id);
    table_add_word(&l->table, t->status);
    table_add(&l->table, t->function);
    table_add(&l->table, t->group_name);
    table_add(&l->table, ms ? time_text(ms, text) : NULL);
    table_add_cell(&l->table, named ? t->task_name : "", PAINT_NONE);
    if (++l->n % ROWS_AT_ONCE == 0)
        table_print(&l->table);
    return ferror(stdout);
}

static int list_show(struct common *common, const struct stint_list_options *o)
{
    static const size_t widths[] = {36, 9, 16, 8, 0, 0};
    int status = EXIT_DONE;
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    struct stint_err err = {0};
    struct showing l = {.json = common->json};
    l.table.colour = colour_on(common);
    table_widths(&l.table, widths, sizeof widths / sizeof *widths);
    int rc = stint_list(s, o, row_show, &l, &err);
    table_print(&l.table);
    if (rc && !ferror(stdout))
        status = error_print(&err);
    table_free(&l.table);
    stint_close(s);
    return status;
}

int cmd_list_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    struct stint_list_options o = STINT_LIST_OPTIONS_INIT;
    int64_t limit = 100;
    const char *wanted = NULL;
    const struct option_row rows[] = {
        {"status", OPTION_TEXT, &wanted},
        {"group", OPTION_TEXT, &o.group},
        {"function", OPTION_TEXT, &o.function},
        {"limit", OPTION_COUNT, &limit},
    };
    int status = options_parse(c, rows, sizeof rows / sizeof *rows, &common,
                               argc, argv);
    if (status < 0 && common.words.n)
        status = usage_fail(c, "unexpected word %s", common.words.at[0]);
    if (status < 0 && limit < 0)
        status = usage_fail(c, "--limit: must be 0 or more");
    if (status < 0 && wanted && !(o.status = status_name(wanted)))
        status = usage_fail(c, "--status: no such status: %s", wanted);
    o.limit = (size_t)limit;
    if (status < 0)
        status = list_show(&common, &o);
    words_free(&common.words);
    return status;
}
