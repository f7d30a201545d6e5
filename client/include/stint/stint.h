/* SPDX-License-Identifier: MIT */
/* Stint: a distributed task queue on Redis. Include this one; the others say
 * what there is.
 *
 * A handle (stint, stint_async, stint_worker) belongs to one thread at a time;
 * different handles may be used by different threads. The library prints
 * nothing, never exits and installs no signal handlers. Strings are UTF-8, JSON
 * is passed as text. Pointers passed in are borrowed for the call unless a
 * comment says otherwise. Functions return 0, or -1 with *err filled (the first
 * error wins); constructors return NULL instead of -1. `err` may not be NULL.
 *
 * C++ may include it; `struct` is written there before the types that share the
 * name of a function (stint_why, stint_stats and the like). */
#ifndef STINT_STINT_H
#define STINT_STINT_H

#include <stint/base.h>
#include <stint/client.h> /* queue tasks, look at them */
#include <stint/measures.h> /* how long they wait and run */
#include <stint/events.h> /* what happened to them */
#include <stint/async.h>  /* the same on an event loop */
#include <stint/worker.h> /* run tasks */
#include <stint/notify.h> /* tell the service manager */
#include <stint/duties.h> /* keep the fleet's time without running tasks */

#endif
