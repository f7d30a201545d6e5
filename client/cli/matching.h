/* SPDX-License-Identifier: MIT */
/* Changing all tasks that fit: count, ask, and go on step by step. */
#ifndef STINT_CLI_MATCHING_H
#define STINT_CLI_MATCHING_H

#include "filter.h"

struct matching {
    struct stint_act_options act; /* all but filter, dry_run and the callback */
    struct stint_search_options filter;
    const char *ended; /* "stopped": what they are then */
    int dry_run, yes;
};

#define MATCHING_USAGE                                                         \
    "  --matching        all tasks that fit, in the place of IDs:\n"           \
    FILTER_USAGE                                                               \
    "  --dry-run         only count them\n"                                    \
    "  --yes             do not ask; without it, stdin has to be a terminal\n"

/* -1: go on; else the exit status: there is nobody to ask. */
int matching_check(const struct command *c, const struct matching *m);
/* The exit status: 1 if any could not be changed, or the answer was no. */
int matching_run(const struct common *common, struct matching *m);

#endif
