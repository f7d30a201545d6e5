/* SPDX-License-Identifier: MIT */
/* The tasks of a campaign: the n-th of a client is what the seed says, however
 * often the client is killed. */
#ifndef STINT_TESTS_SPEC_H
#define STINT_TESTS_SPEC_H

#include <stint/stint.h>

struct spec {
    char id[32], args[48], start[32], stop[32], depends[48];
    int64_t start_ms, stop_ms; /* by Redis's clock; 0: none */
    struct stint_task_options o; /* points into the rest: do not copy */
};

/* now_ms: Redis's clock. */
void spec_make(struct spec *s, uint64_t seed, int slot, int64_t n,
               int64_t now_ms, int level);
/* "c3.17": the 17th of slot 3. */
void spec_id(char id[32], int slot, int64_t n);
/* -1: it is not this slot's. */
int64_t spec_number(const char *id, int slot);

/* SplitMix64: the next of *state. */
uint64_t spec_random(uint64_t *state);

#endif
