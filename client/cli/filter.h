/* SPDX-License-Identifier: MIT */
/* Which tasks: the options that list and the commands with --matching share. */
#ifndef STINT_CLI_FILTER_H
#define STINT_CLI_FILTER_H

#include "cli.h"

enum { FILTER_ROWS = 11 };

/* Puts the rows there, and returns how many: FILTER_ROWS. `o` is where values
 * go; it is STINT_SEARCH_OPTIONS_INIT before. */
size_t filter_rows(struct option_row *rows, struct stint_search_options *o);
/* Is there any of them? */
bool filter_is_given(const struct stint_search_options *o);

/* Their part of a command's usage. */
#define FILTER_USAGE                                                           \
    "  --status QUEUED|ASSIGNED|RUNNING|COMPLETED|FAILED|TIMEOUT|STOPPED|"     \
    "EXPIRED\n"                                                                \
    "                    in this state; more with commas (all)\n"              \
    "  --group G         of this group (all)\n"                                \
    "  --function F      of this function\n"                                   \
    "  --id ID           of this id; or whose ids begin so\n"                  \
    "  --task-name TEXT  has it in its label; case does not matter here and\n" \
    "                    in the next ones\n"                                   \
    "  --tag T           has this tag\n"                                       \
    "  --error TEXT      has it in the error of its last run\n"                \
    "  --text TEXT       has it in function, id, label, args, vars or error\n" \
    "  --from T          due (what waits), begun (what runs) or ended then or\n" \
    "                    later: a time as for queue-task\n"                    \
    "  --until T         or earlier\n"                                         \
    "  --scheduled       has a cronline, or repeats other than 1\n"

#endif
