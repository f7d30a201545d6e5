/* SPDX-License-Identifier: MIT */
/* stint stats --functions: the runs of each function, and their times. */
#include "stats_functions.h"

static const char *share_text(double s, char text[TIME_TEXT_LEN])
{
    if (s < 0.9995)
        snprintf(text, TIME_TEXT_LEN, "%.3g ms", s * 1000);
    else if (s < 119.5)
        snprintf(text, TIME_TEXT_LEN, "%.3g s", s);
    else
        snprintf(text, TIME_TEXT_LEN, "%.0f min", s / 60);
    return text;
}

static void times_json(struct json_out *j, const char *key,
                       const struct stint_quantiles *q)
{
    const struct {
        const char *name;
        double s;
    } rows[] = {{"sum_s", q->sum_s},
                {"p50_s", q->p50_s},
                {"p95_s", q->p95_s},
                {"p99_s", q->p99_s}};
    char text[40];
    json_open(j, key, '{');
    json_count(j, "count", q->count);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(text, sizeof text, "%.6f", rows[i].s);
        json_value(j, rows[i].name, text);
    }
    json_shut(j, '}');
}

static int function_json(const struct stint_measure *m, void *arg)
{
    (void)arg;
    struct json_out j = {false};
    json_open(&j, NULL, '{');
    json_text(&j, "group", m->group_name);
    json_text(&j, "function", m->function);
    json_count(&j, "started", m->started);
    json_count(&j, "completed", m->completed);
    json_count(&j, "failed", m->failed);
    json_count(&j, "timeout", m->timeout);
    json_count(&j, "stopped", m->stopped);
    json_count(&j, "lost", m->lost);
    times_json(&j, "queue_time", &m->queue_time);
    times_json(&j, "run_time", &m->run_time);
    json_shut(&j, '}');
    putchar('\n');
    return ferror(stdout);
}

static void times_add(struct table *t, const struct stint_quantiles *q)
{
    char text[TIME_TEXT_LEN];
    table_add_right(t, q->count ? share_text(q->p50_s, text) : NULL,
                    PAINT_NONE);
    table_add_right(t, q->count ? share_text(q->p95_s, text) : NULL,
                    PAINT_NONE);
}

static int function_add(const struct stint_measure *m, void *arg)
{
    struct table *t = arg;
    if (!*m->function)
        return 0; /* the group in all: stint stats */
    table_add(t, m->group_name);
    table_add(t, m->function);
    table_add_count(t, m->started, PAINT_NONE);
    table_add_count(t, m->completed, PAINT_GOOD);
    table_add_count(t, m->failed, PAINT_BAD);
    table_add_count(t, m->timeout, PAINT_BAD);
    table_add_count(t, m->stopped, PAINT_NONE);
    table_add_count(t, m->lost, PAINT_WARN);
    times_add(t, &m->queue_time);
    times_add(t, &m->run_time);
    return 0;
}

int functions_show(const struct common *common, const char *group)
{
    static const char *const heads[] = {
        "GROUP", "FUNCTION", "STARTED", "COMPLETED", "FAILED", "TIMEOUT",
        "STOPPED", "LOST", "QUEUED P50", "P95", "RAN P50", "P95"};
    int status = EXIT_DONE;
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    struct stint_err err = {0};
    struct table t = {.colour = colour_on(common)};
    table_heads(&t, heads, sizeof heads / sizeof *heads);
    if (stint_measures(s, group, common->json ? function_json : function_add,
                       &t, &err))
        status = ferror(stdout) ? EXIT_FAILED : error_print(&err);
    if (!common->json && (status == EXIT_DONE || t.n > t.columns))
        table_print(&t);
    table_free(&t);
    stint_close(s);
    return status;
}
