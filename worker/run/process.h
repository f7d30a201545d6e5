/* SPDX-License-Identifier: MIT */
/* What a new process of ours does first. Async-signal-safe. */
#ifndef STINT_WORKER_PROCESS_H
#define STINT_WORKER_PROCESS_H

/* All signals as if nobody had touched them, none blocked: what is ignored
 * would stay so in a program, and our handlers are not for others. */
void process_signals_reset(void);
/* Closes the descriptors from first to last; ~0U: all there are. */
void process_fds_close(unsigned first, unsigned last);

#endif
