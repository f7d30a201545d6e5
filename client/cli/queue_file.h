/* SPDX-License-Identifier: MIT */
/* stint queue-task --file. */
#ifndef STINT_CLI_QUEUE_FILE_H
#define STINT_CLI_QUEUE_FILE_H

#include "cli.h"

/* Queues the tasks of a file ("-": stdin); returns the exit status. */
int queue_file_run(const struct common *common, const char *path);

/* What err says of depends_on, without the name; NULL: it is of something
 * else. */
const char *depends_on_find(const struct stint_err *err);

#endif
