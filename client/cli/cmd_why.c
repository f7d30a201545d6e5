/* SPDX-License-Identifier: MIT */
/* stint why: what keeps a task from running, or what became of it. */
#include "cli.h"

const char cmd_why_usage[] =
    "usage: stint why ID [options]\n\n"
    "  --group-name G    the group of the task (looked up in all)\n\n"
    "Says in plain sentences why a task does not run: when it is due, whom it\n"
    "waits for, which workers are missing, how many tasks are ahead of it; or\n"
    "where it runs, or how it ended.\n";

/* Seconds to a tenth, or null. */
static void seconds_json(struct json_out *j, const char *key, double s)
{
    char text[32];
    snprintf(text, sizeof text, "%.1f", s);
    json_value(j, key, s >= 0 ? text : NULL);
}

static void why_json(const char *id, const struct stint_why *why)
{
    struct json_out j = {false};
    json_open(&j, NULL, '{');
    json_text(&j, "id", id);
    json_text(&j, "status", why->status);
    json_text(&j, "reason", why->reason);
    if (why->ahead >= 0)
        json_count(&j, "ahead", why->ahead);
    else
        json_value(&j, "ahead", NULL);
    seconds_json(&j, "about_s", why->about_s);
    json_shut(&j, '}');
    putchar('\n');
}

static int why_show(const struct common *common, const char *group)
{
    int status = EXIT_DONE;
    const char *id = common->words.at[0];
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    struct stint_err err = {0};
    struct stint_why why;
    if (stint_why(s, group, id, &why, &err)) {
        if (err.code == STINT_NOT_FOUND)
            message("%s: no such task", id);
        status = err.code == STINT_NOT_FOUND ? EXIT_FAILED : error_print(&err);
    } else if (common->json)
        why_json(id, &why);
    else {
        printf("%s: ", why.status);
        cell_print(why.reason, 0);
        putchar('\n');
    }
    stint_close(s);
    return status;
}

int cmd_why_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    const char *group = NULL;
    const struct option_row rows[] = {{"group-name", OPTION_TEXT, &group}};
    int status = options_parse(c, rows, 1, &common, argc, argv);
    if (status < 0 && common.words.n != 1)
        status = usage_fail(c, "why needs one ID");
    if (status < 0)
        status = why_show(&common, group);
    words_free(&common.words);
    return status;
}
