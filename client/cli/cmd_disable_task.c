/* SPDX-License-Identifier: MIT */
/* stint disable-task: holds tasks back. */
#include "change.h"

const char cmd_disable_task_usage[] =
    "usage: stint disable-task ID... [options]\n"
    "       stint disable-task --matching [options]\n\n"
    "  --group-name G    the group of the tasks (looked up in all)\n"
    MATCHING_USAGE "\n"
    "The task does not run until it is enabled; a run that is going on ends\n"
    "as it would. Fine if it is disabled already. Exit status 1 if any has\n"
    "ended.\n";

static int disable_task_apply(stint *s, const char *group, const char *id,
                              const struct change *change, const char **word,
                              struct stint_err *err)
{
    (void)change;
    *word = "DISABLED";
    return stint_disable_task(s, group, id, err);
}

int cmd_disable_task_run(const struct command *c, int argc, char **argv)
{
    struct change change = {.apply = disable_task_apply,
                            .action = "disable",
                            .ended = "disabled"};
    return change_run(c, &change, argc, argv);
}
