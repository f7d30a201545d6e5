/* SPDX-License-Identifier: MIT */
/* A frame of stint top: three lines of sums, the names of the panes, as many of
 * the panes as there is room for, and a line for questions and keys. */
#include "top.h"

#include <inttypes.h>
#include <string.h>
#include <strings.h>

enum {
    HEAD_ROWS = 4,
    FOOT_ROWS = 1,
    STACKED_LEAST = 15 /* rows for panes from which on all are shown */
};

/* ---- Which rows ---------------------------------------------------------- */

static bool text_has(const char *text, const char *part)
{
    size_t len = strlen(part);
    for (; *text; text++)
        if (!strncasecmp(text, part, len))
            return true;
    return len == 0;
}

static bool row_fits(const struct top_view *v, const struct top_look *look,
                     enum top_pane pane, size_t row)
{
    const struct pane_kind *kind = &top_panes[pane];
    if (!*v->filter)
        return true;
    for (size_t i = 0; i < kind->n_columns; i++) {
        struct pane_cell c = {{0}, PAINT_NONE};
        kind->cell(look, row, i, true, &c);
        if (text_has(c.text, v->filter))
            return true;
    }
    return false;
}

/* The rows that are shown, by their numbers in the look. */
struct rows {
    size_t at[TOP_GROUPS_MAX];
    size_t n, selected; /* place in `at` */
};

_Static_assert(TOP_GROUPS_MAX >= TOP_WORKERS_MAX &&
                   TOP_GROUPS_MAX >= TOP_TASKS_MAX,
               "room for the rows of each pane");

static void rows_find(const struct top_view *v, const struct top_model *m,
                      enum top_pane pane, struct rows *rows)
{
    const struct pane_kind *kind = &top_panes[pane];
    size_t n = m->look ? kind->count(m->look) : 0;
    rows->n = rows->selected = 0;
    for (size_t i = 0; i < n; i++) {
        char key[TOP_KEY_LEN];
        if (!row_fits(v, m->look, pane, i))
            continue;
        kind->key(m->look, i, key);
        if (!strcmp(key, v->key[pane]))
            rows->selected = rows->n;
        rows->at[rows->n++] = i;
    }
}

void top_view_move(struct top_view *v, const struct top_model *m, long by)
{
    struct rows rows;
    rows_find(v, m, v->pane, &rows);
    if (rows.n == 0)
        return;
    long to = (long)rows.selected + by;
    to = to < 0 ? 0 : to >= (long)rows.n ? (long)rows.n - 1 : to;
    top_panes[v->pane].key(m->look, rows.at[to], v->key[v->pane]);
}

long top_view_selected(const struct top_view *v, const struct top_model *m)
{
    struct rows rows;
    rows_find(v, m, v->pane, &rows);
    return rows.n ? (long)rows.at[rows.selected] : -1;
}

/* ---- The head ------------------------------------------------------------ */

static void title_draw(const struct top_view *v, const struct top_model *m,
                       int64_t now_ms, struct frame *f)
{
    char text[TIME_TEXT_LEN], line[400];
    frame_put(f, 0, "stint top", 0, false, PAINT_HEAD);
    if (m->away_since_ms) {
        char age[TIME_TEXT_LEN];
        time_text(m->away_since_ms, text);
        snprintf(line, sizeof line, "  Redis away since %.8sZ (%s): %s",
                 strlen(text) > 19 ? text + 11 : text,
                 age_text(now_ms - m->away_since_ms, age), m->away_text);
        frame_put(f, 0, line, 0, false, PAINT_BAD);
    } else {
        time_text(now_ms, text);
        snprintf(line, sizeof line, "  %.8sZ  every %g s%s",
                 strlen(text) > 19 ? text + 11 : text, v->interval_s,
                 m->look ? "" : "  asking Redis ...");
        frame_put(f, 0, line, 0, false, PAINT_NONE);
        if (m->look && (m->look->more_groups || m->look->more_workers))
            frame_put(f, 0, "  (the first 200 only)", 0, false, PAINT_WARN);
    }
}

static void number_draw(struct frame *f, size_t row, const char *name,
                        const char *number, enum paint paint)
{
    frame_put(f, row, name, 0, false, PAINT_NONE);
    frame_put(f, row, " ", 0, false, PAINT_NONE);
    frame_put(f, row, number, 0, false, paint);
    frame_put(f, row, "  ", 0, false, PAINT_NONE);
}

static void sums_draw(const struct top_model *m, struct frame *f)
{
    const struct top_look *look = m->look;
    int64_t queued = 0, due = 0, running = 0, slots = 0, live = 0;
    char text[TIME_TEXT_LEN];
    for (size_t i = 0; look && i < look->n_groups; i++) {
        queued += look->groups[i].queued;
        due += look->groups[i].due;
        running += look->groups[i].running;
    }
    for (size_t i = 0; look && i < look->n_workers; i++)
        if (strcmp(look->workers[i].status, "DEAD")) {
            live++;
            slots += look->workers[i].concurrency;
        }
    number_draw(f, 1, "queued", top_count_text(queued, text), PAINT_HEAD);
    number_draw(f, 1, "due", top_count_text(due, text), PAINT_HEAD);
    number_draw(f, 1, "running", top_count_text(running, text), PAINT_BUSY);
    number_draw(f, 1, "workers", top_count_text(live, text),
                live ? PAINT_GOOD : PAINT_BAD);
    number_draw(f, 1, "slots", top_count_text(slots, text), PAINT_NONE);
}

static void rates_draw(const struct top_model *m, struct frame *f)
{
    const struct {
        const char *name;
        double rate;
        const struct top_series *series;
        enum paint paint;
    } rates[] = {
        {"in/s", m->queued_rate, &m->queued, PAINT_BUSY},
        {"done/s", m->done_rate, &m->done, PAINT_GOOD},
        {"failed/s", m->failed_rate, &m->failed, PAINT_BAD},
    };
    size_t taken = sizeof "in/sdone/sfailed/s" - 1 + 3 * 7;
    size_t spark = f->cols >= taken + 3 * 6 ? (f->cols - taken) / 3 - 1 : 0;
    if (spark > TOP_SAMPLES)
        spark = TOP_SAMPLES;
    for (size_t i = 0; i < 3; i++) {
        char text[4 * TOP_SAMPLES + 8];
        frame_put(f, 2, rates[i].name, 0, false, PAINT_NONE);
        frame_put(f, 2, " ", 0, false, PAINT_NONE);
        frame_put(f, 2, top_rate_text(rates[i].rate, text), 5, true,
                  PAINT_HEAD);
        frame_put(f, 2, " ", 0, false, PAINT_NONE);
        if (!spark)
            continue;
        top_spark(rates[i].series, spark, f->ascii, text, sizeof text);
        frame_put(f, 2, text, spark, false, rates[i].paint);
        frame_put(f, 2, " ", 0, false, PAINT_NONE);
    }
}

static void tabs_draw(const struct top_view *v, const struct top_model *m,
                      struct frame *f)
{
    for (int i = 0; i < PANES; i++) {
        char text[80];
        bool here = !v->is_once && v->pane == (enum top_pane)i;
        if (i == PANE_FAILED && (!m->look || !m->look->has_failed))
            snprintf(text, sizeof text, here ? "[%s] " : " %s  ",
                     top_panes[i].title);
        else
            snprintf(text, sizeof text, here ? "[%s %zu] " : " %s %zu  ",
                     top_panes[i].title,
                     m->look ? top_panes[i].count(m->look) : 0);
        frame_put(f, 3, text, 0, false, here ? PAINT_HEAD : PAINT_NONE);
    }
    if (*v->filter || v->is_filtering) {
        frame_put(f, 3, "/", 0, false, PAINT_WARN);
        frame_put(f, 3, v->filter, 0, false, PAINT_WARN);
        frame_put(f, 3, v->is_filtering ? "_" : "", 0, false, PAINT_WARN);
    }
}

/* ---- The panes ----------------------------------------------------------- */

/* Of the column that takes the rest. */
static size_t rest_width(const struct pane_kind *kind, size_t cols)
{
    size_t taken = 0;
    for (size_t i = 0; i < kind->n_columns; i++)
        if (kind->columns[i].width && cols >= kind->columns[i].least)
            taken += kind->columns[i].width + 1;
    return cols > taken + 8 ? cols - taken : 8;
}

static void cells_draw(struct frame *f, size_t at, const struct pane_kind *kind,
                       const struct top_look *look, long row)
{
    size_t rest = rest_width(kind, f->cols);
    for (size_t i = 0; i < kind->n_columns; i++) {
        const struct pane_column *column = &kind->columns[i];
        struct pane_cell c = {{0}, PAINT_NONE};
        if (f->cols < column->least)
            continue;
        if (row < 0) {
            snprintf(c.text, sizeof c.text, "%s", column->head);
            c.paint = PAINT_HEAD;
        } else
            kind->cell(look, (size_t)row, i, f->ascii, &c);
        if (i > 0)
            frame_put(f, at, " ", 1, false, PAINT_NONE);
        frame_put(f, at, c.text, column->width ? column->width : rest,
                  column->right, c.paint);
    }
}

static void pane_draw(struct top_view *v, const struct top_model *m,
                      enum top_pane pane, size_t at, size_t height,
                      struct frame *f)
{
    struct rows rows;
    size_t *first = &v->first[pane];
    bool here = !v->is_once && pane == v->pane;
    if (height < 2)
        return;
    rows_find(v, m, pane, &rows);
    cells_draw(f, at, &top_panes[pane], m->look, -1);
    if (rows.selected >= *first + height - 1)
        *first = rows.selected + 2 - height;
    if (rows.selected < *first)
        *first = rows.selected;
    if (*first + height - 1 > rows.n)
        *first = rows.n > height - 1 ? rows.n - (height - 1) : 0;
    for (size_t i = 0; i + 1 < height && *first + i < rows.n; i++) {
        size_t row = at + 1 + i;
        cells_draw(f, row, &top_panes[pane], m->look,
                   (long)rows.at[*first + i]);
        if (here && *first + i == rows.selected && row < f->rows) {
            frame_fill(f, row);
            f->lines[row].reverse = true;
        }
    }
    if (rows.n == 0)
        frame_put(f, at + 1, *v->filter ? "  none fits" : "  none", 0, false,
                  PAINT_NONE);
}

static size_t pane_rows(const struct top_view *v, const struct top_model *m,
                        enum top_pane pane)
{
    struct rows rows;
    rows_find(v, m, pane, &rows);
    return 1 + (rows.n ? rows.n : 1);
}

/* Which panes, one above the other; returns how many. Failed tasks stand where
 * running ones do. */
static size_t panes_shown(const struct top_view *v, size_t room,
                          enum top_pane shown[PANES])
{
    if (room < STACKED_LEAST && !v->is_once) {
        shown[0] = v->pane;
        return 1;
    }
    shown[0] = PANE_GROUPS;
    shown[1] = PANE_WORKERS;
    shown[2] = v->pane == PANE_FAILED ? PANE_FAILED : PANE_RUNNING;
    return 3;
}

static void panes_draw(struct top_view *v, const struct top_model *m,
                       struct frame *f)
{
    size_t room = f->rows - HEAD_ROWS - (v->is_once ? 0 : FOOT_ROWS);
    enum top_pane shown[PANES];
    size_t height[PANES], n = panes_shown(v, room, shown), left = room;
    /* Each gets what it needs of its share; then, what is left goes to the one
     * with the keys first, and then to the others. */
    for (size_t i = 0; i < n; i++) {
        size_t needed = pane_rows(v, m, shown[i]);
        height[i] = needed < room / n ? needed : room / n;
        left -= height[i];
    }
    for (size_t turn = 0; turn < 2; turn++)
        for (size_t i = 0; i < n; i++) {
            size_t needed = pane_rows(v, m, shown[i]);
            size_t more = needed > height[i] ? needed - height[i] : 0;
            if (turn == 0 && shown[i] != v->pane)
                continue;
            more = more < left ? more : left;
            height[i] += more;
            left -= more;
        }
    for (size_t i = 0, at = HEAD_ROWS; i < n; at += height[i++])
        pane_draw(v, m, shown[i], at, height[i], f);
}

/* ---- The rest ------------------------------------------------------------ */

static void help_draw(struct frame *f)
{
    static const char *const lines[] = {
        "tab, arrows  another pane       j k g G pages  another row",
        "s  stop the running task        r  requeue the failed task",
        "p  pause or resume the group    d  disable or resume the worker",
        "/  only rows that have a text   esc  all of them again",
        "q  quit                         ?  this text",
        "",
        "A change asks before it is made: y does it, any other key does not.",
        "in/s, done/s: tasks queued and completed a second. The small charts",
        "show the last looks, each to its own highest value.",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        frame_put(f, HEAD_ROWS + i, lines[i], 0, false, PAINT_NONE);
}

static void foot_draw(const struct top_view *v, struct frame *f)
{
    static const char *const keys[PANES] = {
        [PANE_GROUPS] = "p pause", [PANE_WORKERS] = "d disable",
        [PANE_RUNNING] = "s stop", [PANE_FAILED] = "r requeue",
    };
    char text[200];
    size_t row = f->rows - 1;
    if (*v->question) {
        /* Its end is what matters: it stays when the line is too short. */
        size_t tail = sizeof " y/n" - 1;
        frame_put(f, row, v->question,
                  text_columns(v->question) + tail > f->cols ? f->cols - tail
                                                              : 0,
                  false, PAINT_WARN);
        frame_put(f, row, " y/n", 0, false, PAINT_WARN);
    } else if (*v->note)
        frame_put(f, row, v->note, 0, false, PAINT_HEAD);
    else {
        snprintf(text, sizeof text, "q quit  ? help  tab pane  %s  / filter",
                 keys[v->pane]);
        frame_put(f, row, text, 0, false, PAINT_NONE);
    }
}

size_t top_view_rows(const struct top_view *v, const struct top_model *m)
{
    enum top_pane shown[PANES];
    size_t rows = HEAD_ROWS, n = panes_shown(v, STACKED_LEAST, shown);
    for (size_t i = 0; i < n; i++)
        rows += pane_rows(v, m, shown[i]);
    return rows;
}

void top_view_draw(struct top_view *v, const struct top_model *m,
                   int64_t now_ms, struct frame *f)
{
    if (f->rows < FRAME_ROWS_LEAST || f->cols < FRAME_COLS_LEAST) {
        char text[80];
        snprintf(text, sizeof text, "too small: %zux%zu, needs %dx%d", f->cols,
                 f->rows, FRAME_COLS_LEAST, FRAME_ROWS_LEAST);
        frame_put(f, 0, text, 0, false, PAINT_WARN);
        return;
    }
    title_draw(v, m, now_ms, f);
    sums_draw(m, f);
    rates_draw(m, f);
    tabs_draw(v, m, f);
    if (v->is_help)
        help_draw(f);
    else
        panes_draw(v, m, f);
    if (!v->is_once)
        foot_draw(v, f);
}
