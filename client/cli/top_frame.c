/* SPDX-License-Identifier: MIT */
/* Lines of text with colours, as many and as wide as a terminal is: what stint
 * top draws, before it is put on one or printed. */
#include "top.h"

#include <stdlib.h>
#include <string.h>

void frame_init(struct frame *f, size_t rows, size_t cols, bool ascii)
{
    memset(f, 0, sizeof *f);
    f->rows = rows < FRAME_ROWS_MAX ? rows : FRAME_ROWS_MAX;
    f->cols = cols < FRAME_COLS_MAX ? cols : FRAME_COLS_MAX;
    f->ascii = ascii;
    f->lines = memory_new(f->rows, sizeof *f->lines);
}

void frame_free(struct frame *f)
{
    free(f->lines);
    f->lines = NULL;
}

static void line_add(struct frame_line *line, const char *text, size_t columns)
{
    size_t len = strlen(text);
    if (line->len + len >= sizeof line->text)
        return; /* many marks without a width of their own */
    memcpy(line->text + line->len, text, len + 1);
    line->len += len;
    line->columns += columns;
}

static void line_blanks(struct frame_line *line, size_t n)
{
    for (; n > 0; n--)
        line_add(line, " ", 1);
}

static void line_paint(struct frame_line *line, enum paint paint)
{
    if (line->n_spans < FRAME_SPANS)
        line->spans[line->n_spans++] = (struct frame_span){line->len, paint};
}

static size_t piece_next(const char *text, bool ascii, struct text_piece *piece)
{
    size_t n = text_step(text, piece);
    if (ascii && (unsigned char)piece->text[0] >= 0x80) {
        piece->text[0] = '?';
        piece->text[1] = '\0';
        piece->columns = 1;
    }
    return n;
}

void frame_put(struct frame *f, size_t row, const char *text, size_t width,
               bool right, enum paint paint)
{
    if (row >= f->rows)
        return;
    struct frame_line *line = &f->lines[row];
    struct text_piece piece;
    size_t room = line->columns < f->cols ? f->cols - line->columns : 0;
    size_t needed = 0, used = 0;
    for (const char *p = text; *p; needed += piece.columns)
        p += piece_next(p, f->ascii, &piece);
    if (width == 0 || width > room)
        width = width == 0 && needed < room ? needed : room;
    if (width == 0)
        return;
    if (right && needed < width)
        line_blanks(line, width - needed);
    line_paint(line, paint);
    bool cut = needed > width; /* the last column says so */
    while (*text) {
        text += piece_next(text, f->ascii, &piece);
        if (used + piece.columns > width - cut)
            break;
        line_add(line, piece.text, piece.columns);
        used += piece.columns;
    }
    if (cut) {
        line_blanks(line, width - 1 - used);
        line_add(line, f->ascii ? "~" : "\u2026", 1);
    }
    line_paint(line, PAINT_NONE);
    if (!cut && !right && used < width)
        line_blanks(line, width - used);
}

void frame_fill(struct frame *f, size_t row)
{
    if (row < f->rows && f->lines[row].columns < f->cols)
        line_blanks(&f->lines[row], f->cols - f->lines[row].columns);
}

void frame_print(const struct frame *f, FILE *to)
{
    for (size_t i = 0; i < f->rows; i++) {
        size_t len = f->lines[i].len;
        while (len > 0 && f->lines[i].text[len - 1] == ' ')
            len--;
        fprintf(to, "%.*s\n", (int)len, f->lines[i].text);
    }
}
