/* SPDX-License-Identifier: MIT */
/* What several looks at Redis say: rates, and how they were of late. A group's
 * counts of what has ended grow; what it was given is how much more is there
 * than before, and what has ended since. */
#include "top.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static void series_add(struct top_series *s, double value)
{
    s->at[s->n++ % TOP_SAMPLES] = (float)value;
}

static const struct top_group *group_before(const struct top_look *before,
                                            const struct top_group *g,
                                            size_t likely)
{
    if (!before)
        return NULL;
    if (likely < before->n_groups &&
        !strcmp(before->groups[likely].name, g->name))
        return &before->groups[likely];
    for (size_t i = 0; i < before->n_groups; i++)
        if (!strcmp(before->groups[i].name, g->name))
            return &before->groups[i];
    return NULL;
}

/* A count that has become smaller was begun anew. */
static double rate_of(int64_t now, int64_t before, double seconds)
{
    return now > before ? (double)(now - before) / seconds : 0;
}

static void group_rate(struct top_group *g, const struct top_group *before,
                       double seconds)
{
    if (before) {
        g->done_series = before->done_series;
        g->done_rate = rate_of(g->done, before->done, seconds);
        g->failed_rate = rate_of(g->failed, before->failed, seconds);
        g->queued_rate = rate_of(g->live + g->ended,
                                 before->live + before->ended, seconds);
    }
    series_add(&g->done_series, g->done_rate);
}

void top_model_take(struct top_model *m, struct top_look *look)
{
    struct top_look *before = m->look;
    double seconds =
        before ? (double)(look->at_mono_ms - before->at_mono_ms) / 1000 : 0;
    if (seconds < 0.001)
        seconds = 0.001;
    double queued = 0, done = 0, failed = 0;
    for (size_t i = 0; i < look->n_groups; i++) {
        struct top_group *g = &look->groups[i];
        group_rate(g, group_before(before, g, i), seconds);
        queued += g->queued_rate > 0 ? g->queued_rate : 0;
        done += g->done_rate > 0 ? g->done_rate : 0;
        failed += g->failed_rate > 0 ? g->failed_rate : 0;
    }
    m->queued_rate = before ? queued : -1;
    m->done_rate = before ? done : -1;
    m->failed_rate = before ? failed : -1;
    series_add(&m->queued, m->queued_rate);
    series_add(&m->done, m->done_rate);
    series_add(&m->failed, m->failed_rate);
    m->look = look;
    m->away_since_ms = 0;
    free(before);
}

void top_model_away(struct top_model *m, int64_t now_ms, const char *text)
{
    if (!m->away_since_ms)
        m->away_since_ms = now_ms;
    snprintf(m->away_text, sizeof m->away_text, "%s", text);
    series_add(&m->queued, -1);
    series_add(&m->done, -1);
    series_add(&m->failed, -1);
}

void top_model_free(struct top_model *m)
{
    free(m->look);
    m->look = NULL;
}

/* ---- As text ------------------------------------------------------------- */

void top_spark(const struct top_series *series, size_t width, bool ascii,
               char *text, size_t size)
{
    static const char *const blocks[] = {
        "\u2581", "\u2582", "\u2583", "\u2584",
        "\u2585", "\u2586", "\u2587", "\u2588",
    };
    static const char *const signs[] = {"_", ".", ":", "-", "=", "+", "*", "#"};
    const char *const *levels = ascii ? signs : blocks;
    size_t used = 0, room = width < TOP_SAMPLES ? width : TOP_SAMPLES;
    size_t n = series->n < room ? series->n : room;
    double most = 0;
    text[0] = '\0';
    for (size_t i = series->n - n; i < series->n; i++)
        if ((double)series->at[i % TOP_SAMPLES] > most)
            most = (double)series->at[i % TOP_SAMPLES];
    for (size_t i = 0; i < width && used + 4 < size; i++) {
        double x = i + n < width ? -1
                   : (double)series->at[(series->n + i - width) % TOP_SAMPLES];
        int level = x <= 0 ? 0 : (int)(x / most * 7 + 0.5);
        if (x > 0 && level == 0)
            level = 1; /* little is not nothing */
        used += (size_t)snprintf(text + used, size - used, "%s",
                                 x < 0 ? " " : levels[level]);
    }
}

const char *top_rate_text(double rate, char text[TIME_TEXT_LEN])
{
    if (rate < 0)
        snprintf(text, TIME_TEXT_LEN, "-");
    else if (rate > 0 && rate < 9.995)
        snprintf(text, TIME_TEXT_LEN, "%.2f", rate);
    else if (rate > 0 && rate < 99.95)
        snprintf(text, TIME_TEXT_LEN, "%.1f", rate);
    else
        return top_count_text((int64_t)(rate + 0.5), text);
    return text;
}

const char *top_count_text(int64_t n, char text[TIME_TEXT_LEN])
{
    if (n < 100000)
        snprintf(text, TIME_TEXT_LEN, "%" PRId64, n);
    else if (n < 9999500)
        snprintf(text, TIME_TEXT_LEN, "%" PRId64 "k", (n + 500) / 1000);
    else
        snprintf(text, TIME_TEXT_LEN, "%" PRId64 "M", (n + 500000) / 1000000);
    return text;
}
