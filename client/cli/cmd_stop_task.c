/* SPDX-License-Identifier: MIT */
/* stint stop-task: stops tasks that do not run yet. */
#include "cli.h"

const char cmd_stop_task_usage[] =
    "usage: stint stop-task ID... [options]\n\n"
    "  --group-name G    the group of the tasks (looked up in all)\n\n"
    "Stops tasks that are QUEUED or ASSIGNED. Exit status 1 if any could not\n"
    "be stopped; the others are stopped all the same.\n";

static void result_print(bool json, const char *id, const char *error)
{
    if (json) {
        struct json_out j = {false};
        json_open(&j, NULL, '{');
        json_text(&j, "id", id);
        json_text(&j, "status", error ? NULL : "STOPPED");
        json_text(&j, "error", error);
        json_shut(&j, '}');
        putchar('\n');
    } else if (!error) {
        cell_print(id, 0);
        puts(" STOPPED");
    }
}

/* One task; anything but "not this one" ends the command. */
static int task_stop(stint *s, const struct common *common, const char *group,
                     const char *id, bool *go_on)
{
    struct stint_err err = {0};
    if (!stint_stop_task(s, group, id, &err)) {
        result_print(common->json, id, NULL);
        return EXIT_DONE;
    }
    if (err.code == STINT_NOT_FOUND)
        message("%s: no such task", id);
    else
        message("%s: %s", id,
                err.text[0] ? err.text : stint_code_text(err.code));
    *go_on = error_status(err.code) != EXIT_REDIS;
    if (*go_on)
        result_print(common->json, id, err.code == STINT_NOT_FOUND
                                           ? "no such task"
                                           : err.text);
    return *go_on && err.code != STINT_INVALID ? EXIT_FAILED
                                               : error_status(err.code);
}

int cmd_stop_task_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    const char *group = NULL;
    const struct option_row rows[] = {{"group-name", OPTION_TEXT, &group}};
    int status = options_parse(c, rows, 1, &common, argc, argv);
    if (status < 0 && !common.words.n)
        status = usage_fail(c, "stop-task needs an ID");
    if (status < 0) {
        stint *s = common_open(&common, &status);
        bool go_on = s;
        if (s)
            status = EXIT_DONE;
        for (size_t i = 0; go_on && i < common.words.n; i++) {
            int one = task_stop(s, &common, group, common.words.at[i], &go_on);
            if (one > status)
                status = one;
        }
        stint_close(s);
    }
    words_free(&common.words);
    return status;
}
