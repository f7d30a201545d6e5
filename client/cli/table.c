/* SPDX-License-Identifier: MIT */
/* Aligned tables on stdout. A column is as wide as its widest cell; one that
 * was given a number is aligned at the right, with its head. */
#include "cli.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 2 }; /* blanks between columns */

void table_add_cell(struct table *t, const char *cell, enum paint paint)
{
    if (t->n == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->cells = memory_grow(t->cells, t->room, sizeof *t->cells);
    }
    struct table_cell *c = &t->cells[t->n++];
    c->text = text_copy(cell, strlen(cell));
    c->paint = paint;
}

void table_heads(struct table *t, const char *const *heads, size_t n)
{
    t->columns = n;
    for (size_t i = 0; i < n; i++)
        table_add_cell(t, heads[i], PAINT_HEAD);
}

void table_add(struct table *t, const char *cell)
{
    table_add_cell(t, cell && *cell ? cell : "-", PAINT_NONE);
}

void table_add_word(struct table *t, const char *word)
{
    table_add_cell(t, word, paint_of(word));
}

void table_add_right(struct table *t, const char *cell, enum paint paint)
{
    t->right |= UINT64_C(1) << t->n % t->columns;
    table_add_cell(t, cell && *cell ? cell : "-", paint);
}

void table_add_count(struct table *t, int64_t n, enum paint paint)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, n);
    table_add_right(t, text, n ? paint : PAINT_NONE);
}

static void blanks_print(size_t n)
{
    for (; n > 0; n--)
        putchar(' ');
}

/* Blanks are printed only when something follows them. */
static void row_print(const struct table *t, const struct table_cell *row,
                      const size_t *width)
{
    size_t blanks = 0;
    for (size_t i = 0; i < t->columns; i++) {
        size_t columns = text_columns(row[i].text);
        size_t rest = columns < width[i] ? width[i] - columns : 0;
        bool right = t->right >> i & 1;
        if (right)
            blanks += rest;
        if (columns) {
            blanks_print(blanks);
            blanks = 0;
            const char *code = t->colour ? paint_code(row[i].paint) : "";
            fputs(code, stdout);
            text_print(stdout, row[i].text);
            fputs(*code ? "\x1b[0m" : "", stdout);
        }
        blanks += GAP + (right ? 0 : rest);
    }
    putchar('\n');
}

void table_print(struct table *t)
{
    if (!t->width)
        t->width = memory_new(t->columns, sizeof *t->width);
    for (size_t i = 0; i < t->n; i++) {
        size_t columns = text_columns(t->cells[i].text);
        if (columns > t->width[i % t->columns])
            t->width[i % t->columns] = columns;
    }
    for (size_t i = 0; i + t->columns <= t->n; i += t->columns)
        row_print(t, &t->cells[i], t->width);
    for (size_t i = 0; i < t->n; i++)
        free(t->cells[i].text);
    t->n = 0;
}

void table_widths(struct table *t, const size_t *widths, size_t n)
{
    t->columns = n;
    t->width = memory_new(n, sizeof *t->width);
    memcpy(t->width, widths, n * sizeof *widths);
}

void table_free(struct table *t)
{
    for (size_t i = 0; i < t->n; i++)
        free(t->cells[i].text);
    free(t->cells);
    free(t->width);
}
