/* SPDX-License-Identifier: MIT */
/* The terminal of stint top: ncurses, seen by top_term.c only. */
#ifndef STINT_TOP_TERM_H
#define STINT_TOP_TERM_H

#include "top.h"

/* Keys besides characters. */
enum {
    TERM_NONE = 0, TERM_UP = 0x200000, TERM_DOWN, TERM_LEFT, TERM_RIGHT,
    TERM_PAGE_UP, TERM_PAGE_DOWN, TERM_HOME, TERM_END, TERM_BACK_TAB,
    TERM_BACKSPACE, TERM_REDRAW, TERM_OTHER
};

/* Takes the terminal. -1: it cannot do that, and a message is on stderr. */
int term_start(bool colour);
/* Gives it back as it was. */
void term_stop(void);
/* How large it is now. */
void term_size(size_t *rows, size_t *cols);
/* After it was resized. */
void term_resized(void);
/* Without block characters, or without UTF-8. */
bool term_is_ascii(void);
/* Puts a frame on it. */
void term_show(const struct frame *f);
/* The next key; TERM_NONE: no more for now. */
int term_key(void);

#endif
