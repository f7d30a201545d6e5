/* SPDX-License-Identifier: MIT */
/* stint top: a live screen of groups, workers and tasks; or one frame of it. */
#include "top.h"

#include <stdlib.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

const char cmd_top_usage[] =
    "usage: stint top [options]\n\n"
    "  --interval S      look at Redis every so many seconds (2)\n"
    "  --once            print one frame as text, after two looks, and end\n\n"
    "A screen of groups, workers, running and failed tasks, with what is queued\n"
    "and done a second. Keys: tab, arrows, j and k select a pane and a row;\n"
    "s stops a running task, r queues a failed one again, p pauses or resumes a\n"
    "group, d disables or resumes a worker, each after a question; / shows only\n"
    "rows with a text; ? explains, q quits.\n";

static int64_t clock_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Of the terminal; else COLUMNS, else 80. */
static size_t columns_here(void)
{
    const char *text = getenv("COLUMNS");
    struct winsize w;
    int64_t n = 80;
    if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) && w.ws_col)
        n = w.ws_col;
    else if (text && *text && !count_parse(text, &n))
        n = 80;
    return n < FRAME_COLS_LEAST ? FRAME_COLS_LEAST
           : n > FRAME_COLS_MAX ? FRAME_COLS_MAX
                                : (size_t)n;
}

static int look_once(stint *s, struct top_model *m, struct stint_err *err)
{
    struct top_look *look = memory_new(1, sizeof *look);
    if (top_look_take(s, look, err)) {
        free(look);
        return -1;
    }
    look->at_mono_ms = clock_ms(CLOCK_MONOTONIC);
    look->redis_ms = clock_ms(CLOCK_REALTIME);
    top_model_take(m, look);
    return 0;
}

static int frame_once(const struct common *common, double interval_s)
{
    int status = EXIT_DONE;
    stint *s = common_open(common, &status);
    if (!s)
        return status;
    struct top_model m = {0};
    struct top_view v = {.is_once = true, .interval_s = interval_s};
    struct stint_err err = {0};
    struct timespec nap = {
        (time_t)interval_s,
        (long)((interval_s - (double)(time_t)interval_s) * 1e9)};
    if (look_once(s, &m, &err) ||
        (nanosleep(&nap, NULL), look_once(s, &m, &err)))
        status = error_print(&err);
    else {
        struct frame f;
        size_t rows = top_view_rows(&v, &m);
        frame_init(&f, rows > FRAME_ROWS_LEAST ? rows : FRAME_ROWS_LEAST,
                   columns_here(), true);
        top_view_draw(&v, &m, clock_ms(CLOCK_REALTIME), &f);
        frame_print(&f, stdout);
        frame_free(&f);
    }
    top_model_free(&m);
    stint_close(s);
    return status;
}

static int screen(const struct command *c, const struct common *common,
                  double interval_s)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return usage_fail(c, "this is not a terminal; --once prints one frame");
#ifdef STINT_HAVE_CURSES
    struct stint_options o = STINT_OPTIONS_INIT;
    int status = common_options(common, &o);
    if (status)
        return status;
    return top_screen_run(&o, interval_s, colour_on(common));
#else
    (void)common;
    (void)interval_s;
    message("built without ncurses: stint top --once prints one frame");
    return EXIT_FAILED;
#endif
}

int cmd_top_run(const struct command *c, int argc, char **argv)
{
    struct common common = {0};
    double interval_s = 2;
    int once = 0;
    const struct option_row rows[] = {
        {"interval", OPTION_NUMBER, &interval_s},
        {"once", OPTION_FLAG, &once},
    };
    int status = options_parse(c, rows, sizeof rows / sizeof *rows, &common,
                               argc, argv);
    if (status < 0 && common.words.n)
        status = usage_fail(c, "unexpected word %s", common.words.at[0]);
    if (status < 0 && (interval_s < 0.1 || interval_s > 3600))
        status = usage_fail(c, "--interval: must be from 0.1 to 3600");
    if (status < 0 && common.json)
        status = usage_fail(c, "it is for people; see stint stats --json, "
                               "stint workers --json");
    if (status < 0)
        status = once ? frame_once(&common, interval_s)
                      : screen(c, &common, interval_s);
    words_free(&common.words);
    return status;
}
