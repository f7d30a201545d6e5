/* SPDX-License-Identifier: MIT */
/* Text that others wrote, for a terminal: whatever could steer it is escaped,
 * and columns are counted as it counts them. Widths are those of C.UTF-8, which
 * main() sets, whatever the user's locale is: the same text makes the same
 * bytes everywhere. */
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700 /* wcwidth */
#endif
#include "cli.h"

#include <string.h>
#include <wchar.h>

size_t text_utf8(const unsigned char *p)
{
    size_t n = *p < 0x80 ? 1
               : *p >= 0xc2 && *p < 0xe0 ? 2
               : *p >= 0xe0 && *p < 0xf0 ? 3
               : *p >= 0xf0 && *p < 0xf5 ? 4
                                         : 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
        (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

static unsigned long code_point(const unsigned char *p, size_t n)
{
    unsigned long c = n == 1 ? *p : *p & (0xffu >> (n + 1));
    for (size_t i = 1; i < n; i++)
        c = c << 6 | (p[i] & 0x3fu);
    return c;
}

/* Marks that turn the direction of what follows, and ends of lines that are no
 * control characters: with them a name could look like another. */
static bool is_misleading(unsigned long c)
{
    return c == 0x61c || c == 0x200e || c == 0x200f ||
           (c >= 0x2028 && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069);
}

size_t text_step(const char *text, struct text_piece *piece)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t n = text_utf8(p);
    unsigned long c = n ? code_point(p, n) : *p;
    if (!n || c < 0x20 || (c >= 0x7f && c < 0xa0)) {
        snprintf(piece->text, sizeof piece->text, "\\x%02x", (unsigned)(c & 0xff));
        piece->columns = 4;
        return n ? n : 1;
    }
    if (is_misleading(c)) {
        snprintf(piece->text, sizeof piece->text, "\\u%04x",
                 (unsigned)(c & 0xffff));
        piece->columns = 6;
        return n;
    }
    memcpy(piece->text, p, n);
    piece->text[n] = '\0';
    int columns = c < 0x7f ? 1 : wcwidth((wchar_t)c);
    piece->columns = columns < 0 ? 1 : (size_t)columns;
    return n;
}

size_t text_columns(const char *text)
{
    struct text_piece piece;
    size_t columns = 0;
    while (*text) {
        text += text_step(text, &piece);
        columns += piece.columns;
    }
    return columns;
}

size_t text_print_lines(FILE *to, const char *text, int indent)
{
    struct text_piece piece;
    size_t columns = 0;
    while (*text) {
        if (indent > 0 && *text == '\n') {
            if (*++text)
                fprintf(to, "\n%*s", indent, "");
        } else if (indent > 0 && *text == '\t') {
            fputc(*text++, to);
        } else {
            text += text_step(text, &piece);
            fputs(piece.text, to);
            columns += piece.columns;
        }
    }
    return columns;
}

size_t text_print(FILE *to, const char *text)
{
    return text_print_lines(to, text, 0);
}

void cell_print(const char *text, size_t width)
{
    size_t columns = text_print(stdout, text);
    for (; columns < width; columns++)
        fputc(' ', stdout);
}
