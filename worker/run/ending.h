/* SPDX-License-Identifier: MIT */
/* How it is told that somebody ended a run, the same from every executor. */
#ifndef STINT_WORKER_ENDING_H
#define STINT_WORKER_ENDING_H

#include "executor.h"

/* RUN_TIMEOUT: the text says after how long. RUN_STOPPED: what the run has said
 * itself stays. */
void ending_describe(const struct run *run, enum run_outcome ending,
                     char error[static ERROR_BYTES_MAX + 1]);

#endif
