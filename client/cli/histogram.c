/* SPDX-License-Identifier: MIT */
#include "histogram.h"

#include <inttypes.h>
#include <math.h>

/* The place of the highest bit, of v > 0. */
static int bit_high(uint64_t v)
{
    int bit = 0;
    while (v >>= 1)
        bit++;
    return bit;
}

/* Parts of a doubling as a shift: 2^7 = 128. */
enum { PART_BITS = 7 };
_Static_assert(HISTOGRAM_PARTS == 1 << PART_BITS, "");

static size_t bucket_of(uint64_t us)
{
    if (us < HISTOGRAM_PARTS)
        return (size_t)us;
    int shift = bit_high(us) - PART_BITS;
    size_t part = (size_t)(us >> shift) - HISTOGRAM_PARTS;
    return (size_t)(shift + 1) * HISTOGRAM_PARTS + part;
}

/* The longest time that falls into it. */
static int64_t bucket_top_us(size_t bucket)
{
    if (bucket < HISTOGRAM_PARTS)
        return (int64_t)bucket;
    int shift = (int)(bucket / HISTOGRAM_PARTS) - 1;
    uint64_t part = bucket % HISTOGRAM_PARTS + HISTOGRAM_PARTS;
    return (int64_t)(((part + 1) << shift) - 1);
}

static void raise_max(atomic_llong *max, long long us)
{
    long long seen = atomic_load(max);
    while (us > seen && !atomic_compare_exchange_weak(max, &seen, us))
        continue;
}

void histogram_record(struct histogram *h, int64_t us)
{
    uint64_t v = us > 0 ? (uint64_t)us : 0;
    size_t bucket = HISTOGRAM_BUCKETS - 1;
    if (v >> HISTOGRAM_BITS)
        atomic_fetch_add(&h->over, 1);
    else
        bucket = bucket_of(v);
    atomic_fetch_add(&h->counts[bucket], 1);
    raise_max(&h->max_us, (long long)v);
    atomic_fetch_add(&h->n, 1);
}

int64_t histogram_count(const struct histogram *h)
{
    return atomic_load(&h->n);
}

int64_t histogram_max_us(const struct histogram *h)
{
    return atomic_load(&h->max_us);
}

int64_t histogram_quantile_us(const struct histogram *h, double q)
{
    int64_t n = histogram_count(h), max_us = histogram_max_us(h), sum = 0;
    double wanted = ceil(q * (double)n);
    int64_t rank = wanted < 1 ? 1 : wanted > (double)n ? n : (int64_t)wanted;
    if (n == 0)
        return 0;
    for (size_t i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        sum += atomic_load(&h->counts[i]);
        if (sum >= rank)
            return bucket_top_us(i) < max_us ? bucket_top_us(i) : max_us;
    }
    return max_us; /* the last bucket has no other bound */
}

void histogram_merge(struct histogram *to, const struct histogram *from)
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++)
        atomic_fetch_add(&to->counts[i], atomic_load(&from->counts[i]));
    atomic_fetch_add(&to->over, atomic_load(&from->over));
    atomic_fetch_add(&to->n, atomic_load(&from->n));
    raise_max(&to->max_us, atomic_load(&from->max_us));
}

/* ---- Drawing ------------------------------------------------------------- */

enum { ROWS = HISTOGRAM_BITS + 1, BAR_WIDTH = 44 };

/* Row k holds what is below 2^k µs and not in the row before. */
static void rows_fill(const struct histogram *h, int64_t rows[ROWS])
{
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        int64_t top = bucket_top_us(i);
        rows[top > 0 ? bit_high((uint64_t)top) + 1 : 0] +=
            atomic_load(&h->counts[i]);
    }
}

static void bound_print(FILE *to, int64_t us)
{
    if (us < 1000)
        fprintf(to, "  < %6" PRId64 " us", us);
    else if (us < 1000000)
        fprintf(to, "  < %6.4g ms", (double)us / 1e3);
    else
        fprintf(to, "  < %6.4g s ", (double)us / 1e6);
}

void histogram_print(FILE *to, const struct histogram *h)
{
    static const char bar[] = "############################################";
    int64_t rows[ROWS] = {0}, most = 0, sum = 0;
    int first = ROWS, last = -1;
    rows_fill(h, rows);
    for (int k = 0; k < ROWS; k++) {
        if (rows[k] == 0)
            continue;
        first = first < k ? first : k;
        last = k;
        most = rows[k] > most ? rows[k] : most;
    }
    for (int k = first; k <= last; k++) {
        double part = (double)rows[k] / (double)most;
        int width = (int)ceil(part * BAR_WIDTH);
        sum += rows[k];
        bound_print(to, INT64_C(1) << k);
        fprintf(to, " %9" PRId64 " %6.2f %%%s%.*s\n", rows[k],
                100.0 * (double)sum / (double)histogram_count(h),
                width ? "  " : "", width, bar);
    }
}
