/* SPDX-License-Identifier: MIT */
/* ncurses. One screen a process is what it can, so there is no handle here. */
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700
#endif
#include "top_term.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define NCURSES_NOMACROS
#include <curses.h>
#include <term.h>
#undef lines /* of the many macros there */
#undef columns

static const struct {
    enum paint paint;
    short colour;
} colours[] = {
    {PAINT_BUSY, COLOR_CYAN},
    {PAINT_GOOD, COLOR_GREEN},
    {PAINT_WARN, COLOR_YELLOW},
    {PAINT_BAD, COLOR_RED},
};

int term_start(bool colour)
{
    const char *name = getenv("TERM");
    int status = 0;
    setlocale(LC_CTYPE, ""); /* what the terminal shows, not C.UTF-8 */
    if (!name || !*name || setupterm(NULL, STDOUT_FILENO, &status) != OK) {
        message("no such terminal: TERM=%s; stint top --once needs none",
                name ? name : "");
        return -1;
    }
    const char *move_cursor = tigetstr("cup");
    bool is_able = move_cursor && move_cursor != (char *)-1;
    del_curterm(cur_term);
    if (!is_able) {
        message("TERM=%s cannot place its cursor; stint top --once needs none",
                name);
        return -1;
    }
    if (!newterm(NULL, stdout, stdin)) {
        message("the terminal cannot be used; stint top --once needs none");
        return -1;
    }
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    nodelay(stdscr, TRUE);
    set_escdelay(25);
    curs_set(0);
    if (colour && has_colors()) {
        start_color();
        short back = use_default_colors() == OK ? -1 : COLOR_BLACK;
        for (size_t i = 0; i < sizeof colours / sizeof *colours; i++)
            init_pair((short)colours[i].paint, colours[i].colour, back);
    }
    return 0;
}

void term_stop(void)
{
    endwin();
    delscreen(set_term(NULL));
    setlocale(LC_CTYPE, "C.UTF-8");
}

void term_size(size_t *rows, size_t *cols)
{
    int y, x;
    getmaxyx(stdscr, y, x);
    *rows = y > 0 ? (size_t)y : 1;
    *cols = x > 0 ? (size_t)x : 1;
}

void term_resized(void)
{
    struct winsize w;
    if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) && w.ws_row && w.ws_col)
        resizeterm(w.ws_row, w.ws_col);
    clearok(stdscr, TRUE);
}

bool term_is_ascii(void)
{
    const char *name = getenv("TERM");
    /* The console of Linux has not all of the blocks. */
    return strcmp(nl_langinfo(CODESET), "UTF-8") != 0 ||
           (name && !strcmp(name, "linux"));
}

static attr_t attributes(enum paint paint, bool reverse)
{
    attr_t a = reverse ? A_REVERSE : A_NORMAL;
    if (paint == PAINT_HEAD)
        return a | A_BOLD;
    if (paint == PAINT_BAD)
        a |= A_BOLD; /* also where there are no colours */
    return paint == PAINT_NONE ? a : a | (attr_t)COLOR_PAIR((int)paint);
}

static void line_show(const struct frame_line *line)
{
    for (size_t i = 0; i <= line->n_spans; i++) {
        size_t from = i ? line->spans[i - 1].from : 0;
        size_t to = i < line->n_spans ? line->spans[i].from : line->len;
        enum paint paint = i ? line->spans[i - 1].paint : PAINT_NONE;
        attrset((int)attributes(paint, line->reverse));
        if (to > from)
            addnstr(line->text + from, (int)(to - from));
    }
    attrset(A_NORMAL);
}

void term_show(const struct frame *f)
{
    erase();
    for (size_t i = 0; i < f->rows; i++) {
        move((int)i, 0);
        line_show(&f->lines[i]);
    }
    refresh();
}

int term_key(void)
{
    static const struct {
        int code, key;
    } keys[] = {
        {KEY_UP, TERM_UP},          {KEY_DOWN, TERM_DOWN},
        {KEY_LEFT, TERM_LEFT},      {KEY_RIGHT, TERM_RIGHT},
        {KEY_PPAGE, TERM_PAGE_UP},  {KEY_NPAGE, TERM_PAGE_DOWN},
        {KEY_HOME, TERM_HOME},      {KEY_END, TERM_END},
        {KEY_BTAB, TERM_BACK_TAB},  {KEY_BACKSPACE, TERM_BACKSPACE},
        {0x7f, TERM_BACKSPACE},     {0x08, TERM_BACKSPACE},
        {0x0c, TERM_REDRAW},        {'\r', '\n'},
    };
    int c = getch();
    if (c == ERR)
        return TERM_NONE;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (keys[i].code == c)
            return keys[i].key;
    return c > 0 && c < 0x100 ? c : TERM_OTHER;
}
