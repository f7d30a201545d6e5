/* SPDX-License-Identifier: MIT */
/* stint set-priority: puts tasks ahead of others, or behind them. */
#include "change.h"

const char cmd_set_priority_usage[] =
    "usage: stint set-priority ID... N [options]\n"
    "       stint set-priority --matching N [options]\n\n"
    "  --group-name G    the group of the tasks (looked up in all)\n"
    MATCHING_USAGE "\n"
    "N is from -100 to 100, higher first; a negative one comes behind --. A\n"
    "QUEUED task changes its place at once; of one that a worker has, the next\n"
    "run does. Exit status 1 if any has ended.\n";

static int set_priority_apply(stint *s, const char *group, const char *id,
                              const struct change *change, const char **word,
                              struct stint_err *err)
{
    *word = "CHANGED";
    return stint_set_priority(s, group, id, change->priority, err);
}

int cmd_set_priority_run(const struct command *c, int argc, char **argv)
{
    struct change change = {.apply = set_priority_apply,
                            .action = "priority",
                            .ended = "given that priority",
                            .has_priority = true};
    return change_run(c, &change, argc, argv);
}
