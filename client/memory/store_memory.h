/* SPDX-License-Identifier: MIT */
/* Connections to a memory server. A call is carried out when it is made, in the
 * order of all calls, unless its connection blocks: then when that is over. Its
 * reply waits until it is asked for. */
#ifndef STINT_MEMORY_STORE_MEMORY_H
#define STINT_MEMORY_STORE_MEMORY_H

#include "memory.h"
#include "store.h"

/* Keeps the server alive until it is closed. */
struct store *store_memory_open(struct memory *m);
/* Runs the callbacks of all replies that are there, also of those that come
 * meanwhile. Returns how many. */
int store_memory_step(struct store *s);

/* For the server: calls that block and whose time is over are answered, in the
 * order in which they were made. */
void conns_time_out(struct memory *m);
int64_t conns_next_us(const struct memory *m);

#endif
