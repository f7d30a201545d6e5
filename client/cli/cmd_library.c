/* SPDX-License-Identifier: MIT */
/* stint library: the functions in Redis, where users may not load them. */
#include "cli.h"

#include <string.h>

const char cmd_library_usage[] =
    "usage: stint library status|load [options]\n\n"
    "  status            which version Redis has; exit status 1 if it is\n"
    "                    missing or older than this program\n"
    "  load              load it where it is; a newer one is left alone\n\n"
    "Every command and worker loads the library by itself if its user may.\n"
    "Where users may not, run this as stint-deploy after each upgrade, before\n"
    "the new programs.\n";

struct showing {
    bool json;
    struct json_out j;
    int behind;
};

static const char *state_word(enum stint_library_state state)
{
    switch (state) {
    case STINT_LIBRARY_MISSING:
        return "missing";
    case STINT_LIBRARY_OLDER:
        return "older";
    case STINT_LIBRARY_SAME:
        return "same";
    case STINT_LIBRARY_OTHER:
        return "other";
    case STINT_LIBRARY_NEWER:
        return "newer";
    }
    return "?";
}

static void row_print(const struct stint_library *row)
{
    cell_print(row->at, 0);
    switch (row->state) {
    case STINT_LIBRARY_MISSING:
        printf(": no library; this program has version %d", row->needed);
        break;
    case STINT_LIBRARY_OLDER:
        printf(": version %ld, older than this program's %d", row->version,
               row->needed);
        break;
    case STINT_LIBRARY_SAME:
        printf(": version %ld, that of this program", row->version);
        break;
    case STINT_LIBRARY_OTHER:
        printf(": version %ld, another build than this program's",
               row->version);
        break;
    case STINT_LIBRARY_NEWER:
        printf(": version %ld, newer than this program's %d", row->version,
               row->needed);
        break;
    }
    puts(row->loaded ? " (just loaded)" : "");
}

static void row_show(const struct stint_library *row, void *arg)
{
    struct showing *s = arg;
    s->behind |= row->state == STINT_LIBRARY_MISSING ||
                 row->state == STINT_LIBRARY_OLDER;
    if (!s->json) {
        row_print(row);
        return;
    }
    json_open(&s->j, NULL, '{');
    json_text(&s->j, "at", row->at);
    json_text(&s->j, "state", state_word(row->state));
    json_count(&s->j, "version", row->version);
    json_text(&s->j, "sha1", row->sha1[0] ? row->sha1 : NULL);
    json_count(&s->j, "needed", row->needed);
    json_text(&s->j, "needed_sha1", row->needed_sha1);
    json_bool(&s->j, "loaded", row->loaded);
    json_shut(&s->j, '}');
}

static int library_show(const struct common *common, bool load)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    struct showing s = {.json = common->json};
    o.url = common->url;
    o.name_space = common->name_space;
    if (s.json)
        json_open(&s.j, NULL, '[');
    int rc = load ? stint_library_load(&o, row_show, &s, &err)
                  : stint_library_status(&o, row_show, &s, &err);
    if (s.json) {
        json_shut(&s.j, ']');
        putchar('\n');
    }
    if (rc)
        return error_print(&err);
    return s.behind ? EXIT_FAILED : EXIT_DONE;
}

int cmd_library_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    int status = options_parse(c, NULL, 0, &common, argc, argv);
    if (status < 0) {
        const char *verb = common.words.n == 1 ? common.words.at[0] : "";
        if (!strcmp(verb, "status") || !strcmp(verb, "load"))
            status = library_show(&common, !strcmp(verb, "load"));
        else
            status = usage_fail(c, "library needs one word: status or load");
    }
    words_free(&common.words);
    return status;
}
