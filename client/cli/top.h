/* SPDX-License-Identifier: MIT */
/* stint top in four pieces: a look at Redis (top_look.c), what is made of several
 * looks (top_model.c), a frame drawn of that as text (top_view.c, top_panes.c),
 * and the terminal it is put on (top_screen.c). Only the first and the last do
 * I/O, and none of them reads a clock. */
#ifndef STINT_TOP_H
#define STINT_TOP_H

#include "cli.h"

/* What a look asks for at most, so that it costs Redis no more in a large
 * fleet. */
enum {
    TOP_GROUPS_MAX = 200,
    TOP_WORKERS_MAX = 200,
    TOP_TASKS_MAX = 100,
    TOP_FAILED_GROUPS_MAX = 20, /* that are asked for failed tasks */
    TOP_FAILED_SCAN = 500,      /* ended tasks looked at in each of them */
    TOP_SAMPLES = 120           /* of a rate, for the sparklines */
};

/* ---- A look ---------------------------------------------------------------- */

/* The last samples of a rate, a second each or so. */
struct top_series {
    size_t n;               /* all there ever were */
    float at[TOP_SAMPLES];  /* sample i is at[i % TOP_SAMPLES]; < 0: unknown */
};

struct top_group {
    char name[STINT_NAME_LEN + 1];
    int64_t queued, due, running, workers, oldest_due_ms;
    int64_t paused;      /* since when; 0: it is not */
    int64_t live;        /* tasks that have not ended */
    int64_t done, failed, ended; /* since the group began */
    /* Made by the model: a second; < 0: not known yet. */
    double queued_rate, done_rate, failed_rate;
    struct top_series done_series;
};

struct top_worker {
    char name[2 * STINT_NAME_LEN]; /* with its incarnation */
    char host[STINT_NAME_LEN];
    char groups[STINT_NAME_LEN];
    char status[16];
    int64_t running, concurrency, heartbeat_age_ms;
    double load; /* < 0: not known */
};

struct top_task {
    char id[STINT_ID_LEN + 1];
    char group[STINT_NAME_LEN + 1];
    char function[STINT_NAME_LEN + 1];
    char worker[2 * STINT_NAME_LEN];
    char status[16];
    char text[200];    /* of a failed one: why; of a running one: how far */
    int64_t began_ms;  /* its last run; 0: never */
    double percent;    /* < 0: it does not say */
};

struct top_look {
    int64_t at_mono_ms;   /* when it was complete */
    int64_t redis_ms;     /* Redis's time then, as far as it is known */
    bool has_failed;      /* whether failed tasks were asked for */
    size_t n_groups, n_workers, n_running, n_failed;
    bool more_groups, more_workers; /* there are more than these */
    struct top_group groups[TOP_GROUPS_MAX];
    struct top_worker workers[TOP_WORKERS_MAX];
    struct top_task running[TOP_TASKS_MAX], failed[TOP_TASKS_MAX];
};

/* Asks Redis, a bounded number of calls. look->has_failed says what for. */
int top_look_take(stint *s, struct top_look *look, struct stint_err *err);

/* ---- What is made of looks ------------------------------------------------- */

struct top_model {
    struct top_look *look; /* the last one that succeeded; NULL: none yet */
    struct top_series queued, done, failed; /* of all groups */
    double queued_rate, done_rate, failed_rate; /* < 0: not known yet */
    int64_t away_since_ms; /* wall time of the first look that failed; 0: the
                              last one succeeded */
    char away_text[STINT_ERROR_LEN];
};
/* Takes the look. */
void top_model_take(struct top_model *m, struct top_look *look);
/* A look failed at that wall time. */
void top_model_away(struct top_model *m, int64_t now_ms, const char *text);
void top_model_free(struct top_model *m);

/* `width` characters of the last samples, the largest as high as can be. */
void top_spark(const struct top_series *series, size_t width, bool ascii,
               char *text, size_t size);
/* At most six characters: "0.25", "12.3", "4711", "12.3k"; < 0: "-". */
const char *top_rate_text(double rate, char text[TIME_TEXT_LEN]);
const char *top_count_text(int64_t n, char text[TIME_TEXT_LEN]);

/* ---- A frame --------------------------------------------------------------- */

enum { FRAME_COLS_LEAST = 40, FRAME_ROWS_LEAST = 10, FRAME_COLS_MAX = 500,
       FRAME_ROWS_MAX = 1000, FRAME_SPANS = 32 };

/* From this byte of the line on, so. */
struct frame_span {
    size_t from;
    enum paint paint;
};
struct frame_line {
    char text[4 * FRAME_COLS_MAX + 64];
    size_t len;     /* bytes */
    size_t columns; /* that they take */
    bool reverse;
    size_t n_spans;
    struct frame_span spans[FRAME_SPANS];
};
struct frame {
    size_t rows, cols;
    bool ascii; /* other characters become question marks */
    struct frame_line *lines;
};
void frame_init(struct frame *f, size_t rows, size_t cols, bool ascii);
void frame_free(struct frame *f);
/* Adds text to a line (past the last one: nothing), cut or filled to `width`
 * columns; 0: as wide as it is. What could steer a terminal is escaped. */
void frame_put(struct frame *f, size_t row, const char *text, size_t width,
               bool right, enum paint paint);
/* Fills the line with blanks to the end. */
void frame_fill(struct frame *f, size_t row);
/* As plain lines without blanks at their ends. */
void frame_print(const struct frame *f, FILE *to);

/* ---- The view -------------------------------------------------------------- */

enum top_pane { PANE_GROUPS, PANE_WORKERS, PANE_RUNNING, PANE_FAILED, PANES };
enum { TOP_KEY_LEN = STINT_NAME_LEN + STINT_ID_LEN + 2 };

struct top_view {
    enum top_pane pane;            /* where the keys go */
    char key[PANES][TOP_KEY_LEN];  /* of the selected row; "": the first */
    size_t first[PANES];           /* row that is shown first */
    char filter[64];               /* rows that have it somewhere; "": all */
    bool is_filtering;             /* it is being typed */
    bool is_help;
    bool is_once;                  /* every row, nothing is selected */
    char question[400];            /* a change waits for y or n; "": none */
    char note[400];                /* what the last one did */
    double interval_s;
};
/* Draws it into the lines. */
void top_view_draw(struct top_view *v, const struct top_model *m,
                   int64_t now_ms, struct frame *f);
/* Rows that are needed to show all. */
size_t top_view_rows(const struct top_view *v, const struct top_model *m);
/* Moves the selection in the pane. */
void top_view_move(struct top_view *v, const struct top_model *m, long rows);
/* The selected row of the pane: an index into the look's rows; -1: none. */
long top_view_selected(const struct top_view *v, const struct top_model *m);

/* Of the panes, for the view. */
struct pane_cell {
    char text[300];
    enum paint paint;
};
struct pane_column {
    const char *head;
    size_t width; /* 0: what is left */
    bool right;
    size_t least; /* columns of the screen from which on it is there */
};
struct pane_kind {
    const char *title;
    const struct pane_column *columns;
    size_t n_columns;
    size_t (*count)(const struct top_look *look);
    void (*cell)(const struct top_look *look, size_t row, size_t column,
                 bool ascii, struct pane_cell *cell);
    /* What the row is known by while others come and go. */
    void (*key)(const struct top_look *look, size_t row, char key[TOP_KEY_LEN]);
};
extern const struct pane_kind top_panes[PANES];

/* ---- The terminal ---------------------------------------------------------- */

/* Runs until the user quits; returns the exit status. */
int top_screen_run(const struct stint_options *o, double interval_s,
                   bool colour);

#endif
