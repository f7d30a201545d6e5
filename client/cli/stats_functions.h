/* SPDX-License-Identifier: MIT */
#ifndef STINT_CLI_STATS_FUNCTIONS_H
#define STINT_CLI_STATS_FUNCTIONS_H

#include "cli.h"

/* A row for each function of the group (NULL: of all); exit status. */
int functions_show(const struct common *common, const char *group);

#endif
