/* SPDX-License-Identifier: MIT */
/* The histogram against a sorted array of the same times. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "histogram.h"

#define TIMES 20000

static const double quantiles[] = {0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999,
                                   0.9999, 1};

static struct histogram *histogram_new(void)
{
    struct histogram *h = calloc(1, sizeof(*h));
    assert_non_null(h);
    return h;
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The least time that at least q of all do not exceed. */
static int64_t oracle(const int64_t *sorted, size_t n, double q)
{
    double rank = ceil(q * (double)n);
    return sorted[rank < 1 ? 0 : (size_t)rank - 1];
}

static uint64_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) +
             UINT64_C(1442695040888963407);
    return *state >> 33;
}

static void check_against(const struct histogram *h, int64_t *times, size_t n)
{
    qsort(times, n, sizeof(*times), by_size);
    assert_int_equal(histogram_count(h), n);
    assert_int_equal(histogram_max_us(h), times[n - 1]);
    for (size_t i = 0; i < sizeof(quantiles) / sizeof(*quantiles); i++) {
        int64_t want = oracle(times, n, quantiles[i]);
        int64_t got = histogram_quantile_us(h, quantiles[i]);
        assert_true(got >= want);
        assert_true((double)got <= (double)want * 1.01);
    }
}

/* Times of all sizes: every power of two is as likely. */
static void quantiles_are_those_of_a_sorted_array(void **state)
{
    (void)state;
    static int64_t times[TIMES];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct histogram *h = histogram_new();
        uint64_t random = seed;
        size_t n = seed == 1 ? 1 : seed == 2 ? 2 : TIMES / seed;
        for (size_t i = 0; i < n; i++) {
            int bits = (int)(next_random(&random) % HISTOGRAM_BITS);
            times[i] = (int64_t)(next_random(&random) &
                                 ((UINT64_C(1) << bits) - 1));
            histogram_record(h, times[i]);
        }
        check_against(h, times, n);
        free(h);
    }
}

/* Around every power of two, where the buckets change their width. */
static void boundaries_are_within_a_bucket(void **state)
{
    (void)state;
    for (int bit = 0; bit < HISTOGRAM_BITS; bit++) {
        for (int64_t d = -1; d <= 1; d++) {
            struct histogram *h = histogram_new();
            int64_t us = (INT64_C(1) << bit) + d;
            histogram_record(h, us);
            histogram_record(h, us * 3); /* so that max says nothing */
            int64_t got = histogram_quantile_us(h, 0.5);
            assert_true(got >= us);
            assert_true((double)got <= (double)us * 1.01);
            if (us < 2 * HISTOGRAM_PARTS)
                assert_int_equal(got, us);
            free(h);
        }
    }
}

static void an_empty_one_says_zero(void **state)
{
    (void)state;
    struct histogram *h = histogram_new();
    assert_int_equal(histogram_count(h), 0);
    assert_int_equal(histogram_max_us(h), 0);
    assert_int_equal(histogram_quantile_us(h, 0.5), 0);
    assert_int_equal(histogram_quantile_us(h, 1), 0);
    FILE *f = tmpfile();
    assert_non_null(f);
    histogram_print(f, h);
    assert_int_equal(ftell(f), 0);
    fclose(f);
    free(h);
}

static void too_long_is_counted_and_told_by_max(void **state)
{
    (void)state;
    struct histogram *h = histogram_new();
    histogram_record(h, 5);
    histogram_record(h, INT64_C(1) << HISTOGRAM_BITS);
    histogram_record(h, INT64_MAX);
    assert_int_equal(histogram_count(h), 3);
    assert_int_equal(h->over, 2);
    assert_int_equal(histogram_max_us(h), INT64_MAX);
    assert_int_equal(histogram_quantile_us(h, 0.3), 5);
    assert_int_equal(histogram_quantile_us(h, 0.5), INT64_MAX);
    free(h);
}

static void below_zero_is_zero(void **state)
{
    (void)state;
    struct histogram *h = histogram_new();
    histogram_record(h, -7);
    histogram_record(h, 0);
    assert_int_equal(histogram_count(h), 2);
    assert_int_equal(histogram_quantile_us(h, 1), 0);
    free(h);
}

static void merging_is_recording_into_one(void **state)
{
    (void)state;
    static int64_t times[TIMES];
    struct histogram *h[2] = {histogram_new(), histogram_new()};
    uint64_t random = 77;
    for (size_t i = 0; i < TIMES; i++) {
        times[i] = (int64_t)(next_random(&random) % 3000000);
        histogram_record(h[i % 2], times[i]);
    }
    histogram_record(h[1], INT64_C(1) << 40);
    histogram_merge(h[0], h[1]);
    assert_int_equal(h[0]->over, 1);
    assert_int_equal(histogram_count(h[0]), TIMES + 1);
    assert_int_equal(histogram_max_us(h[0]), INT64_C(1) << 40);
    qsort(times, TIMES, sizeof(*times), by_size);
    int64_t want = oracle(times, TIMES, 0.5);
    int64_t got = histogram_quantile_us(h[0], 0.5);
    assert_true((double)got >= (double)want * 0.99);
    assert_true((double)got <= (double)want * 1.01);
    free(h[0]);
    free(h[1]);
}

static void the_drawing_fits_and_adds_up(void **state)
{
    (void)state;
    struct histogram *h = histogram_new();
    for (int64_t us = 0; us < INT64_C(1) << 40; us = us * 3 + 1)
        for (int i = 0; i < 1000; i++)
            histogram_record(h, us);
    char line[200];
    long long n, sum = 0;
    double percent = 0;
    FILE *f = tmpfile();
    assert_non_null(f);
    histogram_print(f, h);
    rewind(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        double bound, before = percent;
        char unit[3];
        assert_true(strlen(line) <= 80);
        assert_int_equal(sscanf(line, " < %lf %2s %lld %lf", &bound, unit, &n,
                                &percent), 4);
        assert_true(percent >= before);
        sum += n;
    }
    assert_int_equal(sum, histogram_count(h));
    assert_true(percent == 100.0);
    fclose(f);
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_those_of_a_sorted_array),
        cmocka_unit_test(boundaries_are_within_a_bucket),
        cmocka_unit_test(an_empty_one_says_zero),
        cmocka_unit_test(too_long_is_counted_and_told_by_max),
        cmocka_unit_test(below_zero_is_zero),
        cmocka_unit_test(merging_is_recording_into_one),
        cmocka_unit_test(the_drawing_fits_and_adds_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
