/* SPDX-License-Identifier: MIT */
/* Counts by buckets of time, as lua/prelude_measures.lua keeps them. */
#ifndef STINT_LIB_MEASURES_H
#define STINT_LIB_MEASURES_H

#include <stint/measures.h>

#define MEASURE_BOUNDS  18
#define MEASURE_BUCKETS (MEASURE_BOUNDS + 1)

struct durations {
    int64_t sum_ms;
    int64_t bucket[MEASURE_BUCKETS];
};

/* A number of at least 0 in base 10, which ends the text or stands before `end`;
 * *rest is behind it. -1: it is none. */
int64_t measure_number(const char *text, char end, const char **rest);
/* The number of a bucket from 1, as the rules write it, to its index; -1. */
int measure_index(const char *digits, size_t len);
void durations_add(struct durations *to, const struct durations *more);
void durations_tell(const struct durations *d, struct stint_quantiles *q);

#endif
