/* SPDX-License-Identifier: MIT */
/* A histogram of times from 1 µs to an hour, of fixed size. Up to 127 µs each
 * microsecond counts by itself; above, every doubling is cut into 128 equal
 * parts, so that a time is known to less than 1 %. Counts are atomic: it may
 * lie in memory that processes share, and is empty when it is all zeros. */
#ifndef STINT_CLI_HISTOGRAM_H
#define STINT_CLI_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>

#define HISTOGRAM_PARTS   128 /* of a doubling: a power of two */
#define HISTOGRAM_BITS    32  /* 2^32 µs: 71 minutes */
#define HISTOGRAM_BUCKETS (HISTOGRAM_PARTS * (HISTOGRAM_BITS - 6))

struct histogram {
    atomic_llong n;
    atomic_llong over;   /* of n: longer than can be told; in the last bucket */
    atomic_llong max_us; /* exact */
    atomic_llong counts[HISTOGRAM_BUCKETS];
};

/* Below 0 counts as 0. Any thread or process, at any time. */
void histogram_record(struct histogram *h, int64_t us);
/* These are exact once nobody records any more. */
int64_t histogram_count(const struct histogram *h);
int64_t histogram_max_us(const struct histogram *h);
/* The time that a part q (0 to 1) of all have not exceeded: at least the true
 * one, and less than 1 % above it; 0 if it is empty. */
int64_t histogram_quantile_us(const struct histogram *h, double q);
void histogram_merge(struct histogram *to, const struct histogram *from);
/* A line for each doubling between the shortest and the longest, in 80 columns:
 * upper bound, count, per cent up to there, a bar. Nothing if it is empty. */
void histogram_print(FILE *to, const struct histogram *h);

#endif
