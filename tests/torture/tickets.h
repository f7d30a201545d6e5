/* SPDX-License-Identifier: MIT */
/* What a worker was assigned, in a mapped file of its slot, so that the task's
 * own code can say whose it is: a program is told its fence, but neither token
 * nor actor. Bounded: old entries are written over. */
#ifndef STINT_TESTS_TICKETS_H
#define STINT_TESTS_TICKETS_H

#include <stdint.h>

struct tickets;
struct ticket {
    uint64_t token;
    uint32_t actor;
};

/* Maps DIR/tickets.SLOT, made if it is not there; NULL: no. */
struct tickets *tickets_map(const char *dir, int slot);
void tickets_unmap(struct tickets *t);
void tickets_put(struct tickets *t, const char *id, uint64_t fence,
                 struct ticket ticket);
/* All 0: not there any more. */
struct ticket tickets_get(const struct tickets *t, const char *id,
                          uint64_t fence);

#endif
