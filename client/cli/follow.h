/* SPDX-License-Identifier: MIT */
/* stint task-status --follow: a task as it changes, until it ends. */
#ifndef STINT_CLI_FOLLOW_H
#define STINT_CLI_FOLLOW_H

#include "cli.h"

/* With STINT_WITH_OUTPUT in flags: prints the output of its runs as it grows;
 * without: a line for each change of state; with json: an object for each.
 * Returns the exit status: 0 only if the task is COMPLETED in the end. */
int follow_task(stint *s, const char *group, const char *id, unsigned flags,
                bool json);

#endif
