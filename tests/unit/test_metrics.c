/* SPDX-License-Identifier: MIT */
/* How metrics are written, and how many workers are advised. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/buffer.h>

#include "expo.h"
#include "metrics.h"
#include "snapshot.h"

static char *written(struct expo *e)
{
    assert_false(e->failed);
    size_t len = evbuffer_get_length(e->out);
    char *text = calloc(1, len + 1);
    assert_int_equal(evbuffer_remove(e->out, text, len), len);
    return text;
}

static void assert_written(struct expo *e, const char *wanted)
{
    char *text = written(e);
    assert_string_equal(text, wanted);
    free(text);
}

static void open_metrics_is_asked_for(void **state)
{
    (void)state;
    assert_false(expo_wants_open(""));
    assert_false(expo_wants_open("*/*"));
    assert_false(expo_wants_open("text/plain;version=0.0.4"));
    assert_false(expo_wants_open(
        "text/plain, application/openmetrics-text;q=0.1"));
    assert_true(expo_wants_open("application/openmetrics-text"));
    /* As Prometheus asks. */
    assert_true(expo_wants_open(
        "application/openmetrics-text;version=1.0.0,"
        "application/openmetrics-text;version=0.0.1;q=0.75,"
        "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"));
}

static void labels_are_escaped(void **state)
{
    (void)state;
    struct expo e = {.out = evbuffer_new()};
    const struct expo_label labels[] = {
        {"a", "\"\\\n{}, "}, {"b", "h\xc3\xa9\xf0\x9f\x8e\x89"},
        /* No UTF-8: a byte alone, too long, a surrogate, beyond the last, cut. */
        {"c", "\xff.\xc0\xaf.\xed\xa0\x80.\xf4\x90\x80\x80.\xe2\x82"}};
    expo_family(&e, "x", EXPO_GAUGE, "Help.");
    expo_count(&e, labels, 3, -7);
    assert_written(
        &e, "# HELP x Help.\n# TYPE x gauge\n"
            "x{a=\"\\\"\\\\\\n{}, \",b=\"h\xc3\xa9\xf0\x9f\x8e\x89\","
            "c=\"\xef\xbf\xbd.\xef\xbf\xbd\xef\xbf\xbd."
            "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd."
            "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd."
            "\xef\xbf\xbd\xef\xbf\xbd\"} -7\n");
    evbuffer_free(e.out);
}

static void both_formats(void **state)
{
    (void)state;
    const double bounds[] = {0.001, 1, 300};
    const int64_t buckets[] = {1, 0, 2, 4};
    struct expo e = {.out = evbuffer_new()};
    for (e.is_open = 0; e.is_open < 2; e.is_open++) {
        const char *total = e.is_open ? "" : "_total";
        const char *info = e.is_open ? "" : "_info";
        char wanted[1000];
        expo_family(&e, "c", EXPO_COUNTER, "C.");
        expo_count(&e, NULL, 0, 9);
        expo_family(&e, "b", EXPO_INFO, "B.");
        expo_count(&e, NULL, 0, 1);
        expo_family(&e, "h", EXPO_HISTOGRAM, "H.");
        expo_histogram(&e, NULL, 0, bounds, 3, buckets, 1234.5);
        expo_end(&e);
        snprintf(wanted, sizeof(wanted),
                 "# HELP c%s C.\n# TYPE c%s counter\nc_total 9\n"
                 "# HELP b%s B.\n# TYPE b%s %s\nb_info 1\n"
                 "# HELP h H.\n# TYPE h histogram\n"
                 "h_bucket{le=\"0.001\"} 1\nh_bucket{le=\"1.0\"} 1\n"
                 "h_bucket{le=\"300.0\"} 3\nh_bucket{le=\"+Inf\"} 7\n"
                 "h_sum 1234.5\nh_count 7\n%s",
                 total, total, info, info, e.is_open ? "info" : "gauge",
                 e.is_open ? "# EOF\n" : "");
        assert_written(&e, wanted);
    }
    evbuffer_free(e.out);
}

static void names_are_found_whole(void **state)
{
    (void)state;
    assert_true(snapshot_lists("main", "main"));
    assert_true(snapshot_lists("a,main", "main"));
    assert_true(snapshot_lists("domain,main,b", "main"));
    assert_false(snapshot_lists("domain,main2", "main"));
    assert_false(snapshot_lists("", "main"));
}

static void workers_are_advised(void **state)
{
    (void)state;
    static const struct {
        struct scale_input in;
        int64_t n;
    } rows[] = {
        /* 50 a second of 0.4 s each are 20 slots, 2.5 workers of 8. */
        {{.arrivals_per_s = 50, .run_mean_s = 0.4, .concurrency = 8,
          .target_s = 30, .least = 1}, 3},
        /* And 600 that are due within 30 s: 8 slots more. */
        {{.arrivals_per_s = 50, .run_mean_s = 0.4, .concurrency = 8,
          .target_s = 30, .due = 600, .least = 1}, 4},
        /* Exactly full. */
        {{.arrivals_per_s = 60, .run_mean_s = 0.4, .concurrency = 8,
          .target_s = 30, .least = 1}, 3},
        /* Nothing to do: to the least, also to none. */
        {{.run_mean_s = 1, .concurrency = 8, .target_s = 30, .workers = 9,
          .least = 2}, 2},
        {{.run_mean_s = 1, .concurrency = 8, .target_s = 30, .workers = 9}, 0},
        /* One task, however short. */
        {{.due = 1, .run_mean_s = 1e-9, .concurrency = 8, .target_s = 30}, 1},
        /* Nobody's run is cut off, whatever the most. */
        {{.run_mean_s = 1, .concurrency = 4, .target_s = 30, .running = 15,
          .assigned = 2, .workers = 9, .most = 2}, 5},
        /* How long a run takes is not known: it stays. */
        {{.due = 1000, .concurrency = 4, .target_s = 30, .workers = 3}, 3},
        {{.due = 1000, .target_s = 30}, 1},
        {{.concurrency = 4, .target_s = 30, .workers = 3}, 0},
        /* 21 to 20, or 19: it stays. 23 to 20 is a change. */
        {{.arrivals_per_s = 21, .run_mean_s = 1, .concurrency = 1,
          .target_s = 30, .workers = 20}, 20},
        {{.arrivals_per_s = 18, .run_mean_s = 1, .concurrency = 1,
          .target_s = 30, .workers = 20}, 20},
        {{.arrivals_per_s = 23, .run_mean_s = 1, .concurrency = 1,
          .target_s = 30, .workers = 20}, 23},
        /* The limits hold, also against staying. */
        {{.arrivals_per_s = 500, .run_mean_s = 1, .concurrency = 1,
          .target_s = 30, .most = 50}, 50},
        {{.arrivals_per_s = 19, .run_mean_s = 1, .concurrency = 1,
          .target_s = 30, .workers = 20, .most = 19}, 19},
        /* Absurd numbers are no overflow. */
        {{.arrivals_per_s = 1e18, .run_mean_s = 1e9, .concurrency = 1,
          .target_s = 1, .due = INT64_MAX}, 1000000},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const char *reason = NULL;
        int64_t n = scale_recommend(&rows[i].in, &reason);
        if (n != rows[i].n)
            fail_msg("row %zu: %lld (%s), not %lld", i, (long long)n, reason,
                     (long long)rows[i].n);
        assert_non_null(reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_metrics_is_asked_for),
        cmocka_unit_test(labels_are_escaped),
        cmocka_unit_test(both_formats),
        cmocka_unit_test(names_are_found_whole),
        cmocka_unit_test(workers_are_advised)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
