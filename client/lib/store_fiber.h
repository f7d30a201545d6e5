/* SPDX-License-Identifier: MIT */
/* The store of a call on a fiber: it hands over to the connection of all, and
 * waits by stepping aside. */
#ifndef STINT_LIB_STORE_FIBER_H
#define STINT_LIB_STORE_FIBER_H

#include "async.h"

void store_fiber_init(struct stint_call *c);
/* Answers CLOSED to what was asked and has not been answered; replies that
 * come still are thrown away. */
void store_fiber_cancel(struct stint_call *c);
/* Nothing may be outstanding. */
void store_fiber_close(struct stint_call *c);

#endif
