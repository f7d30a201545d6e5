/* SPDX-License-Identifier: MIT */
/* A stack of its own, on which a function runs until it ends or yields. The one
 * who resumed it goes on then; no threads. A fiber belongs to one thread. */
#ifndef STINT_LIB_FIBER_H
#define STINT_LIB_FIBER_H

struct fiber;

typedef void (*fiber_fn)(void *arg);

/* A fiber at rest. NULL: out of memory. */
struct fiber *fiber_new(void);
/* It must be at rest, or is never resumed again: what its function has not
 * freed is lost. NULL is fine. */
void fiber_free(struct fiber *f);

/* Gives a fiber at rest its function; it starts with fiber_resume. */
void fiber_start(struct fiber *f, fiber_fn fn, void *arg);
/* Lets it run until it yields (0) or its function ends (1): at rest again, good
 * for another one. Not from inside of itself. */
int fiber_resume(struct fiber *f);
/* From inside: back to who resumed it. */
void fiber_yield(struct fiber *f);

#endif
