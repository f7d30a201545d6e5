/* SPDX-License-Identifier: MIT */
#include "resp.h"

#include <string.h>

/* A line has ended: what it announces. */
static void resp_line(struct resp *r)
{
    int64_t n = r->negative ? -1 : r->number;
    r->open--;
    if (strchr("*~>", r->type) != NULL && n > 0)
        r->open += n;
    else if ((r->type == '%' || r->type == '|') && n > 0)
        r->open += 2 * n;
    else if (strchr("$=!", r->type) != NULL && n >= 0) {
        r->open++;
        r->skip = n + 2;
    }
    r->type = 0;
}

size_t resp_scan(struct resp *r, const char *data, size_t len, int *ended)
{
    size_t i = 0;
    *ended = 0;
    while (i < len) {
        if (r->skip > 0) {
            size_t n = len - i < (size_t)r->skip ? len - i : (size_t)r->skip;
            i += n;
            r->skip -= (int64_t)n;
            if (r->skip > 0)
                return i;
            r->open--;
        } else {
            char c = data[i++];
            if (r->type == 0) {
                r->type = c;
                r->number = r->negative = 0;
                r->open += r->open == 0;
            } else if (c == '-') {
                r->negative = 1;
            } else if (c >= '0' && c <= '9' && r->number < INT64_C(1) << 40) {
                r->number = 10 * r->number + (c - '0');
            } else if (c == '\n') {
                resp_line(r);
            }
        }
        if (r->open == 0 && r->type == 0 && r->skip == 0) {
            *ended = 1;
            return i;
        }
    }
    return i;
}
