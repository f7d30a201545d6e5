/* SPDX-License-Identifier: MIT */
/* stint list: tasks, a line each. */
#include "filter.h"

#include <stdlib.h>
#include <string.h>

const char cmd_list_usage[] =
    "usage: stint list [options]\n\n" FILTER_USAGE
    "  --limit N         so many at most (100); 0: all\n"
    "  --page            one page, which looks at a bounded number of tasks,\n"
    "                    and where the next one begins: on stderr, or with\n"
    "                    --json as a last line {\"cursor\": ...}, null: no more\n"
    "  --cursor C        begin there\n\n"
    "Prints id, status, function, group, the time of the next or else of the\n"
    "last run, and the task's name if it has one. Running tasks come first,\n"
    "then assigned ones, queued ones by priority and time, and ended ones,\n"
    "newest first.\n";

enum { ROWS_AT_ONCE = 100 }; /* aligned together, so that a list can be long */

struct showing {
    bool json;
    size_t n;
    size_t left; /* of the limit */
    struct table table;
};

static int row_show(const struct stint_status *t, void *arg)
{
    struct showing *l = arg;
    l->left--;
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

/* Where the next page begins; NULL: there is none. */
static void cursor_print(const struct common *common, const char *cursor)
{
    if (common->json) {
        struct json_out j = {false};
        json_open(&j, NULL, '{');
        json_text(&j, "cursor", cursor);
        json_shut(&j, '}');
        putchar('\n');
    } else if (cursor) {
        message("the next page: --cursor %s", cursor);
    }
}

/* Page by page: each call to the library is a bounded one. Groups of a cluster
 * that are missing are told of once, at the end. */
static int list_show(struct common *common, struct stint_search_options *o,
                     bool one_page)
{
    static const size_t widths[] = {36, 9, 16, 8, 0, 0};
    int status = EXIT_DONE;
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    struct showing show = {.json = common->json, .left = o->limit};
    struct stint_err missing = {0};
    char *cursor = NULL, *next = NULL;
    int failed;
    show.table.colour = colour_on(common);
    table_widths(&show.table, widths, sizeof widths / sizeof *widths);
    do {
        struct stint_err err = {0};
        o->limit = show.left;
        failed = stint_search(s, o, row_show, &show, &next, NULL, &err);
        if (failed && !missing.code)
            missing = err;
        free(cursor);
        o->cursor = cursor = next;
    } while (cursor && !one_page && show.left && !ferror(stdout));
    table_print(&show.table);
    table_free(&show.table);
    if (missing.code && !ferror(stdout))
        status = error_print(&missing);
    else if (one_page && !ferror(stdout))
        cursor_print(common, cursor);
    free(cursor);
    stint_close(s);
    return status;
}

int cmd_list_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    struct stint_search_options o = STINT_SEARCH_OPTIONS_INIT;
    int64_t limit = 100;
    int page = 0;
    struct option_row rows[FILTER_ROWS + 3] = {
        {"limit", OPTION_COUNT, &limit},
        {"page", OPTION_FLAG, &page},
        {"cursor", OPTION_TEXT, &o.cursor},
    };
    int status = options_parse(c, rows, 3 + filter_rows(rows + 3, &o), &common,
                               argc, argv);
    if (status < 0 && common.words.n)
        status = usage_fail(c, "unexpected word %s", common.words.at[0]);
    if (status < 0 && limit < 0)
        status = usage_fail(c, "--limit: must be 0 or more");
    if (status < 0 && page && limit == 0)
        status = usage_fail(c, "--page needs a --limit other than 0");
    o.limit = limit ? (size_t)limit : SIZE_MAX;
    if (status < 0)
        status = list_show(&common, &o, page);
    words_free(&common.words);
    return status;
}
