/* SPDX-License-Identifier: MIT */
/* stint top on a terminal: one loop of events that never waits for Redis. A timer
 * has it looked at; a look or a change that Redis does not answer ends after its
 * time, and keys work all the while. */
#include "top_change.h"
#include "top_term.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

enum {
    ANSWER_MS = 3000,  /* Redis is away after so long */
    CLOCK_LOOKS = 60,  /* Redis's clock is read with every so many looks */
    SIGNALS = 4
};

struct screen {
    struct event_base *base;
    stint_async *async;
    struct event *keys, *timer, *signals[SIGNALS];
    struct top_model model;
    struct top_view view;
    struct top_look *look;      /* under way; NULL: none */
    int64_t looks;
    int64_t redis_off_ms;       /* Redis's clock less ours */
    struct top_change asked;    /* waits for y or n */
    struct top_change change;   /* under way */
    bool is_changing, colour;
    int status;
};

static int64_t clock_ms(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void draw(struct screen *s)
{
    struct frame f;
    size_t rows, cols;
    term_size(&rows, &cols);
    frame_init(&f, rows, cols, term_is_ascii());
    top_view_draw(&s->view, &s->model, clock_ms(CLOCK_REALTIME), &f);
    term_show(&f);
    frame_free(&f);
}

/* ---- Looks --------------------------------------------------------------- */

static int look_work(stint *handle, void *arg, struct stint_err *err)
{
    struct screen *s = arg;
    if (s->looks++ % CLOCK_LOOKS == 0) {
        struct stint_server_usage u = STINT_SERVER_USAGE_INIT;
        struct stint_err ignored = {0}; /* it may not be allowed to us */
        if (!stint_server_usage(handle, &u, &ignored))
            s->redis_off_ms = u.time_off_us / 1000;
    }
    if (top_look_take(handle, s->look, err))
        return -1;
    s->look->at_mono_ms = clock_ms(CLOCK_MONOTONIC);
    s->look->redis_ms = clock_ms(CLOCK_REALTIME) + s->redis_off_ms;
    return 0;
}

static void look_done(int rc, const struct stint_err *err, void *arg)
{
    struct screen *s = arg;
    struct top_look *look = s->look;
    s->look = NULL;
    if (err->code == STINT_CLOSED) {
        free(look);
        return;
    }
    if (rc) {
        free(look);
        top_model_away(&s->model, clock_ms(CLOCK_REALTIME),
                       *err->text ? err->text : stint_code_text(err->code));
    } else
        top_model_take(&s->model, look);
    draw(s);
}

static void look_start(struct screen *s)
{
    struct stint_err err = {0};
    if (s->look)
        return; /* the last one is still under way */
    s->look = memory_new(1, sizeof *s->look);
    s->look->has_failed = s->view.pane == PANE_FAILED;
    if (stint_async_call(s->async, look_work, look_done, s, NULL, &err)) {
        free(s->look);
        s->look = NULL;
        top_model_away(&s->model, clock_ms(CLOCK_REALTIME), err.text);
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct screen *s = arg;
    (void)fd;
    (void)what;
    look_start(s);
    if (s->model.away_since_ms || !s->model.look)
        draw(s); /* the clock goes on */
}

/* ---- Changes ------------------------------------------------------------- */

static int change_work(stint *handle, void *arg, struct stint_err *err)
{
    struct screen *s = arg;
    return top_change_work(handle, &s->change, err);
}

static void change_done(int rc, const struct stint_err *err, void *arg)
{
    struct screen *s = arg;
    s->is_changing = false;
    if (err->code == STINT_CLOSED)
        return;
    s->change.rc = rc;
    s->change.err = *err;
    top_change_tell(&s->change, s->view.note);
    look_start(s);
    draw(s);
}

static void change_start(struct screen *s)
{
    struct stint_err err = {0};
    if (s->is_changing) {
        snprintf(s->view.note, sizeof s->view.note,
                 "the last change is still under way");
        return;
    }
    s->change = s->asked;
    if (stint_async_call(s->async, change_work, change_done, s, NULL, &err)) {
        snprintf(s->view.note, sizeof s->view.note, "%s", err.text);
        return;
    }
    s->is_changing = true;
    snprintf(s->view.note, sizeof s->view.note, "...");
}

/* ---- Keys ---------------------------------------------------------------- */

static void pane_turn(struct screen *s, int by)
{
    s->view.pane = (enum top_pane)((s->view.pane + PANES + by) % PANES);
    if (s->view.pane == PANE_FAILED)
        look_start(s);
}

static void filter_key(struct screen *s, int key)
{
    char *filter = s->view.filter;
    size_t len = strlen(filter);
    if (key == '\n' || key == 0x1b) {
        s->view.is_filtering = false;
        if (key == 0x1b)
            *filter = '\0';
    } else if (key == TERM_BACKSPACE && len > 0)
        filter[len - 1] = '\0';
    else if (key >= ' ' && key < 0x7f && len + 1 < sizeof s->view.filter) {
        filter[len] = (char)key;
        filter[len + 1] = '\0';
    }
}

static void plain_key(struct screen *s, int key)
{
    struct top_view *v = &s->view;
    size_t rows, cols;
    term_size(&rows, &cols);
    switch (key) {
    case 'q': event_base_loopbreak(s->base); return;
    case '\t':
    case TERM_RIGHT: pane_turn(s, 1); return;
    case TERM_BACK_TAB:
    case TERM_LEFT: pane_turn(s, -1); return;
    case 'j':
    case TERM_DOWN: top_view_move(v, &s->model, 1); return;
    case 'k':
    case TERM_UP: top_view_move(v, &s->model, -1); return;
    case TERM_PAGE_DOWN: top_view_move(v, &s->model, (long)rows / 2); return;
    case TERM_PAGE_UP: top_view_move(v, &s->model, -(long)rows / 2); return;
    case 'g':
    case TERM_HOME: top_view_move(v, &s->model, -TOP_GROUPS_MAX); return;
    case 'G':
    case TERM_END: top_view_move(v, &s->model, TOP_GROUPS_MAX); return;
    case '/': v->is_filtering = true; return;
    case '?': v->is_help = !v->is_help; return;
    case 0x1b:
        v->is_help = false;
        *v->filter = '\0';
        return;
    case TERM_REDRAW: term_resized(); return;
    default:
        top_change_ask(v, &s->model, key, &s->asked, v->question, v->note);
    }
}

static void key_take(struct screen *s, int key)
{
    if (*s->view.question) {
        *s->view.question = '\0';
        if (key == 'y')
            change_start(s);
        return;
    }
    *s->view.note = '\0';
    if (s->view.is_filtering)
        filter_key(s, key);
    else
        plain_key(s, key);
}

static void on_keys(evutil_socket_t fd, short what, void *arg)
{
    struct screen *s = arg;
    int key, waiting = 0;
    (void)what;
    if (ioctl(fd, FIONREAD, &waiting) || waiting == 0) {
        event_base_loopbreak(s->base); /* nobody is there any more */
        return;
    }
    for (int i = 0; i < 100 && (key = term_key()) != TERM_NONE; i++)
        key_take(s, key);
    draw(s);
}

static void on_signal(evutil_socket_t sig, short what, void *arg)
{
    struct screen *s = arg;
    (void)what;
    if (sig != SIGWINCH) {
        event_base_loopbreak(s->base);
        return;
    }
    term_resized();
    draw(s);
}

/* ---- From beginning to end ----------------------------------------------- */

static int screen_open(struct screen *s, const struct stint_options *o)
{
    struct stint_err err = {0};
    struct stint_options with = *o;
    with.timeout_s = ANSWER_MS / 1000.0;
    s->base = event_base_new();
    if (!s->base) {
        message("no loop of events");
        return EXIT_FAILED;
    }
    s->async = stint_async_open(&with, s->base, &err);
    return s->async ? EXIT_DONE : error_print(&err);
}

static void screen_events(struct screen *s)
{
    static const int numbers[SIGNALS] = {SIGWINCH, SIGINT, SIGTERM, SIGHUP};
    struct timeval every = {
        (time_t)s->view.interval_s,
        (suseconds_t)((s->view.interval_s - (double)(time_t)s->view.interval_s) *
                      1e6)};
    s->keys = event_new(s->base, STDIN_FILENO, EV_READ | EV_PERSIST, on_keys, s);
    s->timer = event_new(s->base, -1, EV_PERSIST, on_timer, s);
    for (size_t i = 0; i < SIGNALS; i++)
        s->signals[i] = evsignal_new(s->base, numbers[i], on_signal, s);
    event_add(s->keys, NULL);
    event_add(s->timer, &every);
    for (size_t i = 0; i < SIGNALS; i++)
        event_add(s->signals[i], NULL);
}

static void screen_close(struct screen *s)
{
    stint_async_close(s->async);
    for (size_t i = 0; i < SIGNALS; i++)
        if (s->signals[i])
            event_free(s->signals[i]);
    if (s->timer)
        event_free(s->timer);
    if (s->keys)
        event_free(s->keys);
    if (s->base)
        event_base_free(s->base);
    top_model_free(&s->model);
    free(s);
}

int top_screen_run(const struct stint_options *o, double interval_s,
                   bool colour)
{
    struct screen *s = memory_new(1, sizeof *s);
    s->view.interval_s = interval_s;
    s->status = screen_open(s, o);
    if (s->status == EXIT_DONE && term_start(colour))
        s->status = EXIT_USAGE;
    else if (s->status == EXIT_DONE) {
        screen_events(s); /* after ncurses has set its own handlers */
        look_start(s);
        draw(s);
        event_base_dispatch(s->base);
        term_stop();
    }
    int status = s->status;
    screen_close(s);
    return status;
}
