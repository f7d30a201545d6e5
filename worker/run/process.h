/* SPDX-License-Identifier: MIT */
/* What a new process of ours does first. Async-signal-safe. */
#ifndef STINT_WORKER_PROCESS_H
#define STINT_WORKER_PROCESS_H

/* All signals as if nobody had touched them, none blocked: what is ignored
 * would stay so in a program, and our handlers are not for others. */
void process_signals_reset(void);
/* Closes the descriptors from first to last; ~0U: all there are. */
void process_fds_close(unsigned first, unsigned last);
/* When memory ends, the kernel takes a run before the worker, whose end would
 * cost all of them. A worker's value + PROCESS_OOM_STEP, or what there is left
 * of it; where there is no /proc, nothing. */
#define PROCESS_OOM_STEP 200
#define PROCESS_OOM_MAX  1000
void process_oom_first(void);

#endif
