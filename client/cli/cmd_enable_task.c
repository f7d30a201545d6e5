/* SPDX-License-Identifier: MIT */
/* stint enable-task: lets disabled tasks run. */
#include "change.h"

const char cmd_enable_task_usage[] =
    "usage: stint enable-task ID... [options]\n"
    "       stint enable-task --matching [options]\n\n"
    "  --group-name G    the group of the tasks (looked up in all)\n"
    MATCHING_USAGE "\n"
    "What was queued with --disabled, or disabled since, may run. Fine if it\n"
    "may already. Exit status 1 if any has ended.\n";

static int enable_task_apply(stint *s, const char *group, const char *id,
                             const struct change *change, const char **word,
                             struct stint_err *err)
{
    (void)change;
    *word = "ENABLED";
    return stint_enable_task(s, group, id, err);
}

int cmd_enable_task_run(const struct command *c, int argc, char **argv)
{
    struct change change = {.apply = enable_task_apply,
                            .action = "enable",
                            .ended = "enabled"};
    return change_run(c, &change, argc, argv);
}
