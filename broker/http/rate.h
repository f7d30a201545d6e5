/* SPDX-License-Identifier: MIT */
/* How often an address may ask: a bucket of so many requests, which fills up
 * again with so many a second. Memory is bounded: where many addresses meet,
 * the one not heard of for longest is forgotten. Time is an argument. */
#ifndef STINT_BROKER_RATE_H
#define STINT_BROKER_RATE_H

#include <stdint.h>

#define RATE_SETS 1024
#define RATE_WAYS 4

struct rate_bucket {
    uint64_t key; /* 0: free */
    double left;
    int64_t at_ms;
};

struct rate {
    double per_s, burst;
    uint64_t seed; /* of hashes, not known outside */
    struct rate_bucket at[RATE_SETS][RATE_WAYS];
};

/* Of an allocated one. burst < 1: no limit. */
void rate_init(struct rate *r, double per_s, double burst, uint64_t seed);
/* `address` is text; of IPv6 only the network (/64) counts. 1: it may. */
int rate_take(struct rate *r, const char *address, int64_t now_ms);
/* "127.…", "::1" and "::ffff:127.…". */
int rate_is_loopback(const char *address);

#endif
