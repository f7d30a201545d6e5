/* SPDX-License-Identifier: MIT */
/* stint stop-task: stops tasks, also those that run. */
#include "change.h"

const char cmd_stop_task_usage[] =
    "usage: stint stop-task ID... [options]\n"
    "       stint stop-task --matching [options]\n\n"
    "  --group-name G    the group of the tasks (looked up in all)\n"
    MATCHING_USAGE "\n"
    "A task that is QUEUED or ASSIGNED is STOPPED at once. Of one that is\n"
    "RUNNING the worker is told to kill it: it is STOPPING, then STOPPED, and\n"
    "not tried again. Exit status 1 if any could not be stopped; the others\n"
    "are stopped all the same.\n";

static int stop_task_apply(stint *s, const char *group, const char *id,
                           const struct change *change, const char **word,
                           struct stint_err *err)
{
    (void)change;
    int rc = stint_stop_task(s, group, id, err);
    *word = rc > 0 ? "STOPPING" : "STOPPED";
    return rc < 0 ? -1 : 0;
}

int cmd_stop_task_run(const struct command *c, int argc, char **argv)
{
    struct change change = {.apply = stop_task_apply,
                            .action = "stop",
                            .ended = "stopped"};
    return change_run(c, &change, argc, argv);
}
