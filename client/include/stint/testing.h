/* SPDX-License-Identifier: MIT */
/* For an application's own tests: tasks are queued and run without Redis, in
 * the calling thread, in an order that is the same every time, on a clock that
 * the test sets.
 *
 * stint_open with the url "memory:" makes a new, empty server in the memory of
 * this process. The rules that it follows are those of production, run by the
 * same language on a small data store. It lives until the last handle on it is
 * closed and the last worker that ran on it is freed. All of these belong to
 * one thread at a time, together. Nothing happens there by itself:
 * stint_testing_run has a worker run what is due.
 *
 * The server's clock stands still, at first at 2000-01-01T00:00:00Z, and moves
 * only by the functions below. All that goes by Redis's clock goes by it.
 * Nothing is lost there, so tasks may ask for any durability.
 *
 * Not with these handles: stint_worker_run, stint_worker_start and supervisors,
 * which need a Redis that other threads and processes reach. stint_wait only
 * looks, whatever its timeout: run first.
 *
 * The module libstint-memory.so is needed beside libstint; it is built where
 * there is Lua 5.1. Include this file by itself, stint.h does not. */
#ifndef STINT_TESTING_H
#define STINT_TESTING_H

#include <stint/stint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Another handle on the server in memory of `s`, as if another program had
 * connected. `o` may be NULL; its url is not looked at. Errors: those of
 * stint_open; INVALID (`s` is no handle on one). */
STINT_API STINT_CHECKED stint *
stint_testing_open_beside(stint *s, const struct stint_options *o,
                          struct stint_err *err);

/* ---- The clock ----------------------------------------------------------- */

/* In ms since the epoch; -1: `s` is no handle on a server in memory. */
STINT_API int64_t stint_testing_now_ms(stint *s);

/* Moves the clock; nothing runs by that. Only a handler that calls one of these
 * lets its worker go on meanwhile, as in production: its lease is renewed, and
 * when the run's timeout passes or somebody stops it, it is cancelled. Errors:
 * INVALID (backwards; `s` is no handle on a server in memory). */
STINT_API STINT_CHECKED int stint_testing_set_now(stint *s, int64_t ms,
                                                  struct stint_err *err);
STINT_API STINT_CHECKED int stint_testing_advance(stint *s, double seconds,
                                                  struct stint_err *err);

/* ---- Running ------------------------------------------------------------- */

/* Runs every task that is due now in the groups of `w`, and what these queue or
 * bring due, one after the other in the calling thread, with the functions that
 * `w` was given by stint_worker_register or its configuration (in whatever
 * isolation: there are no processes here); does what else is due, as expiring.
 * The clock stands still, unless a handler moves it. *n_runs (may be NULL): how
 * many runs there were.
 *
 * The first call attaches `w`, made by stint_worker_new, to the server for
 * good. Its url is not looked at; without a name_space it has that of `s`. It
 * is the worker of production with one slot and no prefetch, so that priorities
 * hold for each single run; its heartbeats are ten minutes apart. It stays
 * alive for others between the calls as long as the clock allows. Of a
 * broadcast it runs its own part; other workers theirs, when they are run.
 *
 * A handler's timeout passes only as it moves the clock; it cannot be given up
 * while it goes on, but is TIMEOUT when it returns. stint_worker_stop, called
 * by a handler, ends the call when that has returned; what is due stays due.
 *
 * A handler that does not return but jumps out of the call, as a failed
 * assertion may do, leaves `w` good for nothing but stint_worker_free.
 *
 * Errors: INVALID (`s` is no handle on a server in memory; `w` is attached to
 * another, knows no function, or knows one that is a program), STATE (called by
 * a handler; `w` has run on Redis, or has left by a command), TOO_BIG (over
 * 20,000 runs at one instant: a task with a period of 0 s, say; the next call
 * goes on), NOMEM. */
STINT_API STINT_CHECKED int stint_testing_run(stint *s, stint_worker *w,
                                              uint64_t *n_runs,
                                              struct stint_err *err);

/* The same, and goes on until the clock is at `ms`: it jumps from one instant
 * at which something is due to the next: scheduled tasks, repeats, retries,
 * cronlines, stop_times, retention, heartbeats. What is due at `ms` itself is
 * run. In the past: as stint_testing_run. */
STINT_API STINT_CHECKED int stint_testing_run_until(stint *s, stint_worker *w,
                                                    int64_t ms,
                                                    uint64_t *n_runs,
                                                    struct stint_err *err);

#ifdef __cplusplus
}
#endif
#endif
