/* SPDX-License-Identifier: MIT */
/* The figures of a bench: gathered, their medians, printed. */
#include "bench.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

struct figure {
    const char *key;   /* in JSON */
    const char *label; /* in the table; NULL: JSON only */
    const char *form;  /* of one double */
    const char *unit;
};

static const struct figure figures[M_N] = {
    [M_SECONDS] = {"seconds", "time", "%.6f", "s"},
    [M_TASKS_PER_S] = {"tasks_per_s", "rate", "%.0f", "tasks/s"},
    [M_WHOLE_SECONDS] = {"whole_seconds", "with start and end of the workers",
                         "%.6f", "s"},
    [M_MAKE_SECONDS] = {"make_seconds", NULL, "%.6f", "s"},
    [M_MAKE_TASKS_PER_S] = {"make_tasks_per_s", "making tasks in the client",
                            "%.0f", "tasks/s"},
    [M_CEILING] = {"ceiling_tasks_per_s", "raw scripts", "%.0f", "tasks/s"},
    [M_RATIO] = {"ratio", "of the raw scripts' rate", "%.3f", ""},
    [M_REDIS_CPU] = {"redis_cpu_us_per_task", "CPU of Redis", "%.3f",
                     "us/task"},
    [M_WORKER_CPU] = {"worker_cpu_us_per_task", "CPU of the workers", "%.3f",
                      "us/task"},
    [M_WORKER_USER_S] = {"worker_user_s", NULL, "%.3f", "s"},
    [M_WORKER_SYSTEM_S] = {"worker_system_s", NULL, "%.3f", "s"},
    [M_SCRIPT_CALLS] = {"script_calls_per_task", "script calls", "%.6f",
                        "/task"},
    [M_COMMANDS] = {"commands_per_task", "commands, also inside of scripts",
                    "%.4f", "/task"},
    [M_BYTES] = {"bytes_per_task", "memory of a queued task", "%.1f", "bytes"},
    [M_RUNS] = {"runs", "runs", "%.0f", ""},
    [M_WARM_UP] = {"warm_up_tasks", "tasks before, not counted", "%.0f", ""},
    [M_LATE_SENDS] = {"late_sends", "sends over 1 ms late", "%.0f", ""},
    [M_EARLY] = {"early", "before start_time", "%.0f", ""},
    [M_UNCERTAINTY_MS] = {"uncertainty_ms", "clocks compared to", "%.3f",
                          "ms"},
    [M_TIMES] = {"n", "times", "%.0f", ""},
    [M_P50_MS] = {"p50_ms", "p50", "%.3f", "ms"},
    [M_P90_MS] = {"p90_ms", "p90", "%.3f", "ms"},
    [M_P99_MS] = {"p99_ms", "p99", "%.3f", "ms"},
    [M_P99_9_MS] = {"p99_9_ms", "p99.9", "%.3f", "ms"},
    [M_MAX_MS] = {"max_ms", "longest", "%.3f", "ms"},
};

double bench_rate(int64_t n, double s)
{
    return s > 0 ? (double)n / s : NAN;
}

void measures_init(struct measures *m)
{
    for (int i = 0; i < M_N; i++)
        m->at[i] = NAN;
}

void measures_times(struct measures *m, const struct histogram *times)
{
    static const struct {
        enum measure at;
        double q;
    } rows[] = {{M_P50_MS, 0.5}, {M_P90_MS, 0.9}, {M_P99_MS, 0.99},
                {M_P99_9_MS, 0.999}};
    m->at[M_TIMES] = (double)histogram_count(times);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        m->at[rows[i].at] =
            (double)histogram_quantile_us(times, rows[i].q) / 1e3;
    m->at[M_MAX_MS] = (double)histogram_max_us(times) / 1e3;
}

void measures_usage(struct measures *m, const struct stint_server_usage *from,
                    const struct stint_server_usage *to, double n)
{
    m->at[M_REDIS_CPU] = (double)(to->cpu_us - from->cpu_us) / n;
    m->at[M_SCRIPT_CALLS] =
        (double)(to->script_calls - from->script_calls) / n;
    m->at[M_COMMANDS] = (double)(to->commands - from->commands) / n;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void measures_median(struct measures *m, const struct measures *rounds,
                     size_t n)
{
    double values[BENCH_ROUNDS_MAX];
    measures_init(m);
    for (int i = 0; i < M_N; i++) {
        size_t have = 0;
        for (size_t r = 0; r < n; r++)
            if (!isnan(rounds[r].at[i]))
                values[have++] = rounds[r].at[i];
        qsort(values, have, sizeof *values, by_size);
        if (have)
            m->at[i] = (values[(have - 1) / 2] + values[have / 2]) / 2;
    }
}

/* ---- Printing ------------------------------------------------------------ */

/* What was asked for: numbers that are not measured. */
struct setting {
    const char *key, *label, *unit;
    double value;
};

static size_t settings_list(const struct bench *b, struct setting at[static 8])
{
    const struct setting all[] = {
        {"tasks", "tasks", "", (double)b->tasks},
        {"payload_bytes", "arguments", "bytes", (double)b->payload},
        {"groups", "groups", "", (double)b->groups},
        {"workers", "workers", "", (double)b->workers},
        {"concurrency", "concurrency of each", "", (double)b->concurrency},
        {"prefetch", "prefetch of each", "", (double)b->prefetch},
        {"rate_per_s", "sends a second", "", b->kind->rate > 0 ? b->rate : NAN},
        {"rounds", "rounds (figures: medians)", "",
         b->kind->ceiling ? (double)b->rounds : NAN},
    };
    size_t n = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!isnan(all[i].value))
            at[n++] = all[i];
    return n;
}

static void number_json(struct json_out *j, const char *key, const char *form,
                        double value)
{
    char text[64];
    snprintf(text, sizeof text, form, value);
    json_value(j, key, text);
}

static void show_json(const struct bench *b, const struct measures *m)
{
    struct setting settings[8];
    struct json_out j = {false};
    size_t n = settings_list(b, settings);
    json_open(&j, NULL, '{');
    json_text(&j, "bench", b->kind->name);
    for (size_t i = 0; i < n; i++)
        number_json(&j, settings[i].key, "%.10g", settings[i].value);
    for (int i = 0; i < M_N; i++)
        if (!isnan(m->at[i]))
            number_json(&j, figures[i].key, figures[i].form, m->at[i]);
    json_shut(&j, '}');
    putchar('\n');
}

enum { LABEL_WIDTH = 34, NUMBER_WIDTH = 14 };

static void line_print(const char *label, const char *form, double value,
                       const char *unit)
{
    char text[64];
    snprintf(text, sizeof text, form, value);
    printf("%-*s%*s%s%s\n", LABEL_WIDTH, label, NUMBER_WIDTH, text,
           *unit ? " " : "", unit);
}

void bench_show(const struct bench *b, const struct measures *m,
                const struct histogram *times)
{
    struct setting settings[8];
    if (b->common.json) {
        show_json(b, m);
        return;
    }
    printf("%-*s%*s\n", LABEL_WIDTH, "bench", NUMBER_WIDTH, b->kind->name);
    size_t n = settings_list(b, settings);
    for (size_t i = 0; i < n; i++)
        line_print(settings[i].label, "%.10g", settings[i].value,
                   settings[i].unit);
    putchar('\n');
    for (int i = 0; i < M_N; i++)
        if (figures[i].label && !isnan(m->at[i]))
            line_print(figures[i].label, figures[i].form, m->at[i],
                       figures[i].unit);
    if (!histogram_count(times))
        return;
    printf("\n%13s %9s %8s\n", "time", "number", "up to it");
    histogram_print(stdout, times);
}
