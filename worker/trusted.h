/* SPDX-License-Identifier: MIT */
/* Files that say what a worker runs: whoever may write to one may run anything
 * as the worker's user. */
#ifndef STINT_WORKER_TRUSTED_H
#define STINT_WORKER_TRUSTED_H

#include <stint/stint.h>

/* Opens it for reading. -1: INVALID (it cannot be opened, or it may be written
 * to by everybody, or by a group that is not ours), NOMEM. */
int trusted_open(const char *path, struct stint_err *err);

#endif
