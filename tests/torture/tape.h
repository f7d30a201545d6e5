/* SPDX-License-Identifier: MIT */
/* Records what a worker and Redis say to each other, at the seam: a store
 * around the real one, put there by the linker (--wrap=store_async_open). */
#ifndef STINT_TESTS_TAPE_H
#define STINT_TESTS_TAPE_H

/* Where it goes: DIR/history, and the slot's tickets. The file is opened, and
 * the actor numbered, with the process's first store: a worker that its
 * supervisor forks is an actor of its own. */
void tape_init(const char *dir, int slot);
/* The actor ends by itself. */
void tape_leave(int outcome);

#endif
