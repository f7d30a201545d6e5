/* SPDX-License-Identifier: MIT */
/* stint disable, resume, terminate, kill: commands for workers. They differ in
 * nothing but the verb, which is the command's name. */
#include "cli.h"

#define FLEET_USAGE(verb)                                                      \
    "usage: stint " verb " --worker NAME|--group G|--all [options]\n\n"        \
    "  --worker NAME     the worker of this name; see stint workers (what\n"   \
    "                    follows the last dot may be left out)\n"              \
    "  --group G         workers that serve this group\n"                      \
    "  --limit N         at most so many of them; 0: all (0)\n"                \
    "  --all             every worker\n\n"

const char cmd_disable_usage[] = FLEET_USAGE("disable")
    "The worker finishes what runs and takes nothing new until stint resume.\n";
const char cmd_resume_usage[] = FLEET_USAGE("resume")
    "A disabled worker takes tasks again.\n";
const char cmd_terminate_usage[] = FLEET_USAGE("terminate")
    "The worker takes nothing new, finishes what runs and ends, as on\n"
    "SIGTERM.\n";
const char cmd_kill_usage[] = FLEET_USAGE("kill")
    "The worker kills what runs, gives it back to the queue and ends.\n";

static int worker_told(const struct stint_worker_status *w, void *arg)
{
    const struct common *common = arg;
    if (common->json) {
        struct json_out j = {false};
        json_open(&j, NULL, '{');
        json_text(&j, "name", w->name);
        json_text(&j, "host", w->host);
        json_count(&j, "pid", w->pid);
        json_text(&j, "groups", w->groups);
        json_shut(&j, '}');
    } else
        cell_print(w->name, 0);
    putchar('\n');
    return ferror(stdout);
}

static int fleet_command(const char *verb, struct common *common,
                         const struct stint_command_options *o)
{
    int status = EXIT_DONE;
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    struct stint_err err = {0};
    if (stint_command(s, verb, o, worker_told, common, NULL, &err))
        status = error_print(&err);
    stint_close(s);
    return status;
}

static int fleet_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    struct stint_command_options o = STINT_COMMAND_OPTIONS_INIT;
    int64_t limit = 0;
    int all = 0;
    const struct option_row rows[] = {
        {"worker", OPTION_TEXT, &o.worker},
        {"group", OPTION_TEXT, &o.group},
        {"limit", OPTION_COUNT, &limit},
        {"all", OPTION_FLAG, &all},
    };
    int status =
        options_parse(c, rows, sizeof rows / sizeof *rows, &common, argc, argv);
    if (status < 0 && common.words.n)
        status = usage_fail(c, "unexpected word %s; --worker %s?",
                            common.words.at[0], common.words.at[0]);
    if (status < 0 && limit < 0)
        status = usage_fail(c, "--limit: must be 0 or more");
    if (status < 0 && !o.worker && !o.group && !limit && !all)
        status = usage_fail(c, "which workers? --worker NAME, --group G, "
                               "--limit N, or --all");
    o.limit = (size_t)limit;
    if (status < 0)
        status = fleet_command(c->name, &common, &o);
    words_free(&common.words);
    return status;
}

int cmd_disable_run(const struct command *c, int argc, char **argv)
{
    return fleet_run(c, argc, argv);
}

int cmd_resume_run(const struct command *c, int argc, char **argv)
{
    return fleet_run(c, argc, argv);
}

int cmd_terminate_run(const struct command *c, int argc, char **argv)
{
    return fleet_run(c, argc, argv);
}

int cmd_kill_run(const struct command *c, int argc, char **argv)
{
    return fleet_run(c, argc, argv);
}
