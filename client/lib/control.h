/* SPDX-License-Identifier: MIT */
/* Calls that change a task may be made again; what that takes. */
#ifndef STINT_LIB_CONTROL_H
#define STINT_LIB_CONTROL_H

#include <stint/base.h>

enum { CONTROL_MARK_CAP = 20 };

/* A call was repeated and refused so. done: the states in which it finds the
 * task when the first one worked (a blank before each); " GONE": it is no more.
 * Is that so? */
int control_is_own(const struct stint_err *why, const char *done);

/* A number by which a requeueing knows itself again. */
void control_mark(char mark[static CONTROL_MARK_CAP]);

#endif
