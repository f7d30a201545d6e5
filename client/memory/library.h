/* SPDX-License-Identifier: MIT */
/* Lua 5.1, and in it the function library that a client loads with FUNCTION
 * LOAD, as Redis 7.0 runs it: the same conversions of values, the same texts of
 * errors, no roll-back after one. Globals can be neither made nor read unless
 * they are there. */
#ifndef STINT_MEMORY_LIBRARY_H
#define STINT_MEMORY_LIBRARY_H

struct library;
struct memory;

/* NULL: Lua got no memory. */
struct library *library_new(struct memory *m);
void library_free(struct library *l);

#endif
