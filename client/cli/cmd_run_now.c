/* SPDX-License-Identifier: MIT */
/* stint run-now: does not wait until tasks are due. */
#include "change.h"

const char cmd_run_now_usage[] =
    "usage: stint run-now ID... [options]\n"
    "       stint run-now --matching [options]\n\n"
    "  --group-name G    the group of the tasks (looked up in all)\n"
    MATCHING_USAGE "\n"
    "A QUEUED task that is due later is due now. The times of a cronline, and\n"
    "the grid of --prevent-drift, stay as they are. Exit status 1 if any is\n"
    "not QUEUED, is disabled, or waits for other tasks.\n";

static int run_now_apply(stint *s, const char *group, const char *id,
                         const struct change *change, const char **word,
                         struct stint_err *err)
{
    (void)change;
    *word = "QUEUED";
    return stint_run_now(s, group, id, err);
}

int cmd_run_now_run(const struct command *c, int argc, char **argv)
{
    struct change change = {.apply = run_now_apply,
                            .action = "run-now",
                            .ended = "made due now"};
    return change_run(c, &change, argc, argv);
}
