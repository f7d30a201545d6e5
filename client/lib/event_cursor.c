/* SPDX-License-Identifier: MIT */
#include "event_cursor.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* A number without a sign, of at least one digit; NULL: there is none. */
static const char *number_read(const char *text, uint64_t most, uint64_t *n)
{
    const char *at = text;
    *n = 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        uint64_t digit = (uint64_t)(*at - '0');
        if (*n > (most - digit) / 10)
            return NULL;
        *n = 10 * *n + digit;
    }
    return at > text ? at : NULL;
}

int event_entry_read(struct event_place *p, const char *text)
{
    *p = (struct event_place){0};
    const char *at = number_read(text, UINT64_MAX, &p->ms);
    at = at != NULL && *at == '-' ? number_read(at + 1, UINT64_MAX, &p->seq)
                                  : NULL;
    return at != NULL && *at == '\0' ? 0 : -1;
}

int event_place_read(struct event_place *p, const char *text)
{
    uint64_t n;
    *p = (struct event_place){0};
    const char *at = number_read(text, UINT64_MAX, &p->ms);
    if (at != NULL && *at == '\0') {
        p->is_time = 1;
        return 0;
    }
    at = at != NULL && *at == '-' ? number_read(at + 1, UINT64_MAX, &p->seq)
                                  : NULL;
    at = at != NULL && *at == '.' ? number_read(at + 1, EVENT_N_MAX, &n) : NULL;
    if (at == NULL)
        return -1;
    p->n = (uint32_t)n;
    if (*at == '\0')
        return 0;
    size_t len = strlen(at + 1);
    if (*at != '@' || len == 0 || len > STINT_NAME_LEN ||
        strspn(at + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                       "0123456789_.~-") != len)
        return -1;
    memcpy(p->base, at + 1, len + 1);
    return 0;
}

void event_place_write(char text[static STINT_CURSOR_LEN + 1],
                       const struct event_place *p)
{
    if (p->is_time)
        snprintf(text, STINT_CURSOR_LEN + 1, "%" PRIu64, p->ms);
    else
        snprintf(text, STINT_CURSOR_LEN + 1, "%" PRIu64 "-%" PRIu64 ".%" PRIu32
                 "%s%s", p->ms, p->seq, p->n, *p->base ? "@" : "", p->base);
}

static int order_of(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int event_place_order(const struct event_place *a, const struct event_place *b)
{
    int order = order_of(a->ms, b->ms);
    if (order == 0 && (a->is_time || b->is_time))
        return b->is_time - a->is_time;
    order = order != 0 ? order : order_of(a->seq, b->seq);
    order = order != 0 || !*a->base || !*b->base ? order
                                                 : strcmp(a->base, b->base);
    return order != 0 ? order : order_of(a->n, b->n);
}

int64_t event_place_from(char from[static 48], const struct event_place *p,
                         const char *base, int only)
{
    int order = *p->base ? strcmp(base, p->base) : 0;
    if (p->is_time || (!*p->base && !only)) {
        snprintf(from, 48, "%" PRIu64, p->ms);
        return -1;
    }
    snprintf(from, 48, "%s%" PRIu64 "-%" PRIu64, order < 0 ? "(" : "", p->ms,
             p->seq);
    return order == 0 ? (int64_t)p->n : -1;
}
