/* SPDX-License-Identifier: MIT */
/* What stop-task, requeue-task, enable-task, disable-task and delete-task have
 * in common: a call for each ID, and a line about it. */
#ifndef STINT_CLI_CHANGE_H
#define STINT_CLI_CHANGE_H

#include "cli.h"

struct change {
    /* Changes one task and names the word to print. -1: err. */
    int (*apply)(stint *s, const char *group, const char *id,
                 const struct change *change, const char **word,
                 struct stint_err *err);
    const struct option_row *rows; /* besides --group-name */
    size_t n_rows;
    int reset; /* requeue-task only */
};

/* Parses the options and goes through the IDs. All are tried, except when
 * Redis cannot be reached; the worst exit status wins. */
int change_run(const struct command *c, const struct change *change, int argc,
               char **argv);

#endif
