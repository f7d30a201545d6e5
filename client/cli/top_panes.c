/* SPDX-License-Identifier: MIT */
/* The tables of stint top: which columns there are, and what stands in them. */
#include "top.h"

#include <inttypes.h>
#include <string.h>

#define CELL(c, ...) snprintf((c)->text, sizeof (c)->text, __VA_ARGS__)

static void count_cell(struct pane_cell *c, int64_t n, enum paint paint)
{
    char text[TIME_TEXT_LEN];
    CELL(c, "%s", top_count_text(n, text));
    c->paint = n ? paint : PAINT_NONE;
}

static void rate_cell(struct pane_cell *c, double rate, enum paint paint)
{
    char text[TIME_TEXT_LEN];
    CELL(c, "%s", top_rate_text(rate, text));
    c->paint = rate > 0 ? paint : PAINT_NONE;
}

static void age_cell(struct pane_cell *c, int64_t ms)
{
    char text[TIME_TEXT_LEN];
    CELL(c, "%s", ms > 0 ? age_text(ms, text) : "-");
}

/* ---- Groups -------------------------------------------------------------- */

enum { SPARK_COLUMNS = 16 };

static const struct pane_column group_columns[] = {
    {"GROUP", 0, false, 0},    {"QUEUED", 7, true, 0},
    {"DUE", 7, true, 60},      {"OLDEST", 7, true, 70},
    {"RUN", 5, true, 0},       {"IN/S", 6, true, 56},
    {"DONE/S", 6, true, 0},    {"FAIL/S", 6, true, 50},
    {"WORKERS", 7, true, 80},  {"DONE", SPARK_COLUMNS, false, 96},
};

static size_t groups_count(const struct top_look *look)
{
    return look->n_groups;
}

static void group_cell(const struct top_look *look, size_t row, size_t column,
                       bool ascii, struct pane_cell *c)
{
    const struct top_group *g = &look->groups[row];
    switch (column) {
    case 0:
        CELL(c, "%s%s", g->paused ? "[PAUSED] " : "", g->name);
        c->paint = g->paused ? PAINT_WARN : PAINT_NONE;
        return;
    case 1: count_cell(c, g->queued, PAINT_NONE); return;
    case 2: count_cell(c, g->due, PAINT_NONE); return;
    case 3: age_cell(c, g->oldest_due_ms); return;
    case 4: count_cell(c, g->running, PAINT_BUSY); return;
    case 5: rate_cell(c, g->queued_rate, PAINT_NONE); return;
    case 6: rate_cell(c, g->done_rate, PAINT_GOOD); return;
    case 7: rate_cell(c, g->failed_rate, PAINT_BAD); return;
    case 8:
        CELL(c, "%" PRId64, g->workers);
        c->paint = g->workers || !g->due ? PAINT_NONE : PAINT_BAD;
        return;
    default:
        top_spark(&g->done_series, SPARK_COLUMNS, ascii, c->text,
                  sizeof c->text);
        c->paint = PAINT_GOOD;
    }
}

static void group_key(const struct top_look *look, size_t row,
                      char key[TOP_KEY_LEN])
{
    snprintf(key, TOP_KEY_LEN, "%s", look->groups[row].name);
}

/* ---- Workers ------------------------------------------------------------- */

static const struct pane_column worker_columns[] = {
    {"WORKER", 0, false, 0},     {"STATE", 11, false, 0},
    {"RUNS", 7, true, 0},        {"LOAD", 5, true, 50},
    {"BEAT", 7, true, 56},       {"GROUPS", 14, false, 70},
    {"HOST", 16, false, 90},
};

static size_t workers_count(const struct top_look *look)
{
    return look->n_workers;
}

static void worker_cell(const struct top_look *look, size_t row, size_t column,
                        bool ascii, struct pane_cell *c)
{
    const struct top_worker *w = &look->workers[row];
    (void)ascii;
    switch (column) {
    case 0: CELL(c, "%s", w->name); return;
    case 1:
        CELL(c, "%s", w->status);
        c->paint = paint_of(w->status);
        return;
    case 2:
        CELL(c, "%" PRId64 "/%" PRId64, w->running, w->concurrency);
        c->paint = w->running ? PAINT_BUSY : PAINT_NONE;
        return;
    case 3:
        if (w->load >= 0)
            CELL(c, "%.2f", w->load);
        else
            CELL(c, "-");
        return;
    case 4: age_cell(c, w->heartbeat_age_ms); return;
    case 5: CELL(c, "%s", w->groups); return;
    default: CELL(c, "%s", w->host);
    }
}

static void worker_key(const struct top_look *look, size_t row,
                       char key[TOP_KEY_LEN])
{
    snprintf(key, TOP_KEY_LEN, "%s", look->workers[row].name);
}

/* ---- Tasks --------------------------------------------------------------- */

static const struct pane_column running_columns[] = {
    {"RUNNING TASK", 0, false, 0}, {"FUNCTION", 14, false, 0},
    {"TIME", 7, true, 0},          {"DONE", 5, true, 50},
    {"GROUP", 10, false, 66},      {"WORKER", 14, false, 80},
    {"SAYS", 24, false, 120},
};

static size_t running_count(const struct top_look *look)
{
    return look->n_running;
}

static void running_cell(const struct top_look *look, size_t row,
                         size_t column, bool ascii, struct pane_cell *c)
{
    const struct top_task *t = &look->running[row];
    (void)ascii;
    switch (column) {
    case 0: CELL(c, "%s", t->id); return;
    case 1: CELL(c, "%s", t->function); return;
    case 2: age_cell(c, t->began_ms ? look->redis_ms - t->began_ms : 0); return;
    case 3:
        if (t->percent >= 0)
            CELL(c, "%.0f%%", t->percent);
        return;
    case 4: CELL(c, "%s", t->group); return;
    case 5: CELL(c, "%s", t->worker); return;
    default: CELL(c, "%s", t->text);
    }
}

static void task_key(const struct top_task *t, char key[TOP_KEY_LEN])
{
    snprintf(key, TOP_KEY_LEN, "%s/%s", t->group, t->id);
}

static void running_key(const struct top_look *look, size_t row,
                        char key[TOP_KEY_LEN])
{
    task_key(&look->running[row], key);
}

static const struct pane_column failed_columns[] = {
    {"FAILED TASK", 0, false, 0}, {"FUNCTION", 12, false, 0},
    {"STATE", 7, false, 0},       {"BEGAN", 7, true, 60},
    {"GROUP", 8, false, 70},      {"WHY", 30, false, 78},
};

static size_t failed_count(const struct top_look *look)
{
    return look->n_failed;
}

static void failed_cell(const struct top_look *look, size_t row, size_t column,
                        bool ascii, struct pane_cell *c)
{
    const struct top_task *t = &look->failed[row];
    (void)ascii;
    switch (column) {
    case 0: CELL(c, "%s", t->id); return;
    case 1: CELL(c, "%s", t->function); return;
    case 2:
        CELL(c, "%s", t->status);
        c->paint = paint_of(t->status);
        return;
    case 3: age_cell(c, t->began_ms ? look->redis_ms - t->began_ms : 0); return;
    case 4: CELL(c, "%s", t->group); return;
    default: CELL(c, "%s", t->text);
    }
}

static void failed_key(const struct top_look *look, size_t row,
                       char key[TOP_KEY_LEN])
{
    task_key(&look->failed[row], key);
}

#define COLUMNS(columns) columns, sizeof columns / sizeof *columns

const struct pane_kind top_panes[PANES] = {
    [PANE_GROUPS] = {"Groups", COLUMNS(group_columns), groups_count,
                     group_cell, group_key},
    [PANE_WORKERS] = {"Workers", COLUMNS(worker_columns), workers_count,
                      worker_cell, worker_key},
    [PANE_RUNNING] = {"Running", COLUMNS(running_columns), running_count,
                      running_cell, running_key},
    [PANE_FAILED] = {"Failed", COLUMNS(failed_columns), failed_count,
                     failed_cell, failed_key},
};
