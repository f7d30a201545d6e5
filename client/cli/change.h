/* SPDX-License-Identifier: MIT */
/* What stop-task, requeue-task, enable-task, disable-task, delete-task,
 * set-priority and run-now have in common: a call for each ID, and a line about
 * it; or, with --matching, all tasks that fit. */
#ifndef STINT_CLI_CHANGE_H
#define STINT_CLI_CHANGE_H

#include "matching.h"

struct change {
    /* Changes one task and names the word to print. -1: err. */
    int (*apply)(stint *s, const char *group, const char *id,
                 const struct change *change, const char **word,
                 struct stint_err *err);
    const char *action; /* of stint_act */
    const char *ended;  /* "stopped" */
    const struct option_row *rows; /* besides those for all */
    size_t n_rows;
    int reset; /* requeue-task only */
    bool has_priority; /* set-priority only: the last word, put to: */
    int priority;
};

/* Parses the options and goes through the IDs. All are tried, except when
 * Redis cannot be reached; the worst exit status wins. */
int change_run(const struct command *c, struct change *change, int argc,
               char **argv);

#endif
