/* SPDX-License-Identifier: MIT */
/* stint requeue-task: brings ended tasks back. */
#include "change.h"

const char cmd_requeue_task_usage[] =
    "usage: stint requeue-task ID... [options]\n"
    "       stint requeue-task --matching [options]\n\n"
    "  --reset           count its successful runs anew\n"
    "  --group-name G    the group of the tasks (looked up in all)\n"
    MATCHING_USAGE "\n"
    "An ended task is QUEUED again, due now. Its failures are counted anew;\n"
    "a stop_time that has passed is dropped. Exit status 1 if any has not\n"
    "ended.\n";

static int requeue_task_apply(stint *s, const char *group, const char *id,
                              const struct change *change, const char **word,
                              struct stint_err *err)
{
    *word = "QUEUED";
    return stint_requeue_task(s, group, id, change->reset, err);
}

int cmd_requeue_task_run(const struct command *c, int argc, char **argv)
{
    struct change change = {.apply = requeue_task_apply,
                            .action = "requeue",
                            .ended = "queued again",
                            .n_rows = 1};
    const struct option_row rows[] = {{"reset", OPTION_FLAG, &change.reset}};
    change.rows = rows;
    return change_run(c, &change, argc, argv);
}
