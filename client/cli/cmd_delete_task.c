/* SPDX-License-Identifier: MIT */
/* stint delete-task: removes tasks. */
#include "change.h"

const char cmd_delete_task_usage[] =
    "usage: stint delete-task ID... [options]\n"
    "       stint delete-task --matching [options]\n\n"
    "  --group-name G    the group of the tasks (looked up in all)\n"
    MATCHING_USAGE "\n"
    "Removes a task that is QUEUED or has ended, with its runs; its id is\n"
    "free again. What depends on a QUEUED one fails. Exit status 1 if any\n"
    "runs or is not there.\n";

static int delete_task_apply(stint *s, const char *group, const char *id,
                             const struct change *change, const char **word,
                             struct stint_err *err)
{
    (void)change;
    *word = "DELETED";
    return stint_delete_task(s, group, id, err);
}

int cmd_delete_task_run(const struct command *c, int argc, char **argv)
{
    struct change change = {.apply = delete_task_apply,
                            .action = "delete",
                            .ended = "deleted"};
    return change_run(c, &change, argc, argv);
}
