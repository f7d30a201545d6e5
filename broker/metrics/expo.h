/* SPDX-License-Identifier: MIT */
/* Writes metrics as Prometheus reads them: its text format 0.0.4, or
 * OpenMetrics 1.0. Families come one after the other, each with its samples. */
#ifndef STINT_BROKER_EXPO_H
#define STINT_BROKER_EXPO_H

#include <stddef.h>
#include <stdint.h>

struct evbuffer;

enum expo_type { EXPO_GAUGE, EXPO_COUNTER, EXPO_HISTOGRAM, EXPO_INFO };

struct expo {
    struct evbuffer *out; /* borrowed */
    int is_open;          /* OpenMetrics */
    const char *name;     /* of the family, borrowed */
    enum expo_type type;
    int failed;           /* out of memory: what was written is of no use */
};

struct expo_label {
    const char *name, *value; /* value: any bytes; what is no UTF-8 is shown
                                 as the character that stands for it */
};

/* Is OpenMetrics asked for? accept: the header. */
int expo_wants_open(const char *accept);
const char *expo_content_type(int is_open);

/* name: without _total and _info. help: one line, ASCII. */
void expo_family(struct expo *e, const char *name, enum expo_type type,
                 const char *help);
/* One sample of the family that was opened last. */
void expo_number(struct expo *e, const struct expo_label *labels, size_t n,
                 double value);
void expo_count(struct expo *e, const struct expo_label *labels, size_t n,
                int64_t value);
/* bounds: n_bounds, ascending; buckets: one more, each with its own only. */
void expo_histogram(struct expo *e, const struct expo_label *labels, size_t n,
                    const double *bounds, size_t n_bounds,
                    const int64_t *buckets, double sum);
/* Behind the last family. */
void expo_end(struct expo *e);

#endif
