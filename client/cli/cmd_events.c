/* SPDX-License-Identifier: MIT */
/* stint events: what happened to tasks, a line each. */
#include "cli.h"

#include <string.h>
#include <time.h>

const char cmd_events_usage[] =
    "usage: stint events [options]\n\n"
    "  --group G         of this group (all)\n"
    "  --id ID           of this task\n"
    "  --ended           only that tasks came to their end\n"
    "  --after CURSOR    behind this place, as --json shows it, or from this\n"
    "                    time on (ms since the epoch); without it all that is\n"
    "                    kept, with --follow what happens from now on\n"
    "  --limit N         so many at most; 0: all\n"
    "  --follow          go on as they happen, until interrupted\n\n"
    "Prints time, event, state, function, group, id, worker and fence. A\n"
    "group has events only when told to: stint group GROUP --events 2000.\n";

enum { PAGE = 1000, LOOK_MS = 250 };

struct showing {
    const struct common *common;
    struct stint_events_options o;
    bool follow;
    size_t left; /* to be shown; 0 with no_limit */
    bool no_limit;
    bool moved; /* something was shown */
    bool lost;  /* Redis was not there last time */
    char after[STINT_CURSOR_LEN + 1];
};

static void event_json(const struct stint_event *e)
{
    struct json_out j = {0};
    json_open(&j, NULL, '{');
    json_text(&j, "cursor", e->cursor);
    json_text(&j, "group_name", e->group_name);
    json_time(&j, "at", e->at_ms);
    json_text(&j, "verb", e->verb);
    json_text(&j, "id", e->task_id);
    json_text(&j, "function", e->function);
    json_text(&j, "status", e->status);
    json_text(&j, "worker", e->worker);
    json_count(&j, "fence", e->fence);
    json_shut(&j, '}');
    putchar('\n');
}

static void event_line(const struct stint_event *e)
{
    char at[TIME_TEXT_LEN], fence[24];
    snprintf(fence, sizeof(fence), "%lld", (long long)e->fence);
    const struct {
        const char *text;
        size_t width;
    } cells[] = {{time_text(e->at_ms, at), 24}, {e->verb, 12},
                 {e->status, 9}, {e->function, 16}, {e->group_name, 8},
                 {e->task_id, 36}, {*e->worker ? e->worker : "-", 20},
                 {fence, 0}};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        fputs(i > 0 ? "  " : "", stdout);
        cell_print(*cells[i].text ? cells[i].text : "-", cells[i].width);
    }
    putchar('\n');
}

static int event_show(const struct stint_event *e, void *arg)
{
    struct showing *w = arg;
    w->moved = true;
    (w->common->json ? event_json : event_line)(e);
    if (!w->no_limit)
        w->left--;
    return ferror(stdout) || (!w->no_limit && w->left == 0);
}

static void look_pause(void)
{
    struct timespec t = {0, LOOK_MS * 1000000L};
    nanosleep(&t, NULL);
}

/* One page. -1: go on; else the exit status. */
static int page_show(struct showing *w, stint *s)
{
    struct stint_err err = {0};
    char cursor[STINT_CURSOR_LEN + 1];
    w->moved = false;
    w->o.limit = w->no_limit || w->left > PAGE ? PAGE : w->left;
    if (stint_events(s, &w->o, event_show, w, cursor, &err)) {
        if (!w->follow || error_status(err.code) != EXIT_REDIS)
            return error_print(&err);
        if (!w->lost)
            message("%s; trying again", err.text);
        w->lost = true;
        look_pause();
        return -1;
    }
    w->lost = false;
    bool stays = w->o.after != NULL && strcmp(w->after, cursor) == 0;
    memcpy(w->after, cursor, sizeof(w->after));
    w->o.after = w->after;
    if (fflush(stdout) || ferror(stdout) || (!w->no_limit && w->left == 0))
        return EXIT_DONE;
    if (stays && !w->moved && !w->follow)
        return EXIT_DONE;
    if (!w->moved && w->follow)
        look_pause();
    return -1;
}

static int events_show(struct showing *w)
{
    int status = EXIT_DONE;
    stint *s = common_open(w->common, &status);
    if (!s)
        return status;
    if (w->follow && w->o.after == NULL)
        w->o.after = "$";
    do {
        status = page_show(w, s);
    } while (status < 0);
    stint_close(s);
    return status;
}

int cmd_events_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    struct showing w = {.common = &common, .o = STINT_EVENTS_OPTIONS_INIT};
    int64_t limit = 0;
    int follow = 0;
    const struct option_row rows[] = {
        {"group", OPTION_TEXT, &w.o.group},
        {"id", OPTION_TEXT, &w.o.task_id},
        {"ended", OPTION_FLAG, &w.o.ended},
        {"after", OPTION_TEXT, &w.o.after},
        {"limit", OPTION_COUNT, &limit},
        {"follow", OPTION_FLAG, &follow},
    };
    int status = options_parse(c, rows, sizeof rows / sizeof *rows, &common,
                               argc, argv);
    if (status < 0 && common.words.n)
        status = usage_fail(c, "unexpected word %s", common.words.at[0]);
    if (status < 0 && limit < 0)
        status = usage_fail(c, "--limit: must be 0 or more");
    w.left = (size_t)limit;
    w.no_limit = limit == 0;
    w.follow = follow;
    if (status < 0)
        status = events_show(&w);
    words_free(&common.words);
    return status;
}
