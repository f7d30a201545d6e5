/* SPDX-License-Identifier: MIT */
/* Memory and sockets that run out when a test says so. The program's own
 * malloc and its like, and socket and connect, stand before those of libc, so
 * that every library of the process comes by here. */
#ifndef STINT_TESTS_SCARCE_H
#define STINT_TESTS_SCARCE_H

enum scarce { SCARCE_MEMORY, SCARCE_SOCKETS };

/* From now on the n-th request (1: the next) is refused, and if it lasts, all
 * behind it. Memory is refused to this program, jansson and libevent; to
 * hiredis only from its version 1 on, as it aborts before. Meanwhile nanosleep
 * does not sleep. For one thread. */
void scarce_begin(enum scarce what, long n, int lasts);
/* No more. 1: something was refused. */
int scarce_end(void);

/* Allocations of the whole process that have not been freed. */
long scarce_live(void);

#endif
