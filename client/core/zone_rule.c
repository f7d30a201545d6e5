/* SPDX-License-Identifier: MIT */
#include "zone_rule.h"

#include <stddef.h>
#include <string.h>

#include "calendar.h"

/* ---- Reading a rule ---------------------------------------------------- */

/* Each reader gives what comes behind it, or NULL: not understood. */

static const char *rule_read_number(const char *at, int max, int *n)
{
    if (*at < '0' || *at > '9')
        return NULL;
    for (*n = 0; *at >= '0' && *at <= '9'; at++) {
        *n = *n * 10 + (*at - '0');
        if (*n > max)
            return NULL;
    }
    return at;
}

/* [+-]h[h[h]][:mm[:ss]] */
static const char *rule_read_time(const char *at, int hours_max, int64_t *s)
{
    bool negative = *at == '-';
    int hms[3] = {0, 0, 0};

    if (*at == '-' || *at == '+')
        at++;
    at = rule_read_number(at, hours_max, &hms[0]);
    for (int i = 1; i < 3 && at && *at == ':'; i++)
        at = rule_read_number(at + 1, 59, &hms[i]);
    *s = hms[0] * 3600 + hms[1] * 60 + hms[2];
    if (negative)
        *s = -*s;
    return at;
}

/* The letters of CEST, or <+0330>: not needed, but they have to be there. */
static const char *rule_skip_name(const char *at)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "abcdefghijklmnopqrstuvwxyz0123456789+-";
    if (*at == '<') {
        size_t n = strspn(at + 1, letters);
        return n >= 3 && at[1 + n] == '>' ? at + n + 2 : NULL;
    }
    size_t n = 0;
    while ((at[n] >= 'A' && at[n] <= 'Z') || (at[n] >= 'a' && at[n] <= 'z'))
        n++;
    return n >= 3 ? at + n : NULL;
}

static const char *rule_read_day(const char *at, struct rule_day *d)
{
    d->time_s = 2 * 3600;
    if (*at == 'M') {
        d->kind = RULE_WEEKDAY;
        at = rule_read_number(at + 1, 12, &d->month);
        at = at && *at == '.' ? rule_read_number(at + 1, 5, &d->week) : NULL;
        at = at && *at == '.' ? rule_read_number(at + 1, 6, &d->day) : NULL;
        if (!at || d->month < 1 || d->week < 1)
            return NULL;
    } else {
        d->kind = *at == 'J' ? RULE_JULIAN : RULE_ZERO;
        at = rule_read_number(at + (*at == 'J'), 365, &d->day);
        if (!at || (d->kind == RULE_JULIAN && d->day < 1))
            return NULL;
    }
    return *at == '/' ? rule_read_time(at + 1, 167, &d->time_s) : at;
}

/* Offsets count to the west here. */
int zone_rule_read(struct zone_rule *r, const char *text)
{
    int64_t west_s;

    memset(r, 0, sizeof(*r));
    const char *at = rule_skip_name(text);
    at = at ? rule_read_time(at, 24, &west_s) : NULL;
    if (!at)
        return -1;
    r->std_offset_s = (int32_t)-west_s;
    if (!*at)
        return 0;
    r->has_dst = true;
    west_s -= 3600;
    at = rule_skip_name(at);
    if (at && *at != ',')
        at = rule_read_time(at, 24, &west_s);
    r->dst_offset_s = (int32_t)-west_s;
    at = at && *at == ',' ? rule_read_day(at + 1, &r->dst_starts) : NULL;
    at = at && *at == ',' ? rule_read_day(at + 1, &r->dst_ends) : NULL;
    return at && !*at ? 0 : -1;
}

/* ---- Asking ------------------------------------------------------------ */

struct rule_change {
    int64_t at_s;
    int32_t offset_s; /* from then on */
};

/* The local midnight a rule means in a year, in days from 1970. */
static int64_t rule_day_number(const struct rule_day *d, int year)
{
    int64_t january = day_number((struct day){year, 1, 1});
    if (d->kind == RULE_ZERO)
        return january + d->day;
    if (d->kind == RULE_JULIAN) /* 29 February is never counted */
        return january + d->day - 1 +
               (d->day >= 60 && month_length(year, 2) == 29);
    int64_t first = day_number((struct day){year, d->month, 1});
    int day = (d->day - day_weekday(first) + 7) % 7 + 7 * (d->week - 1);
    while (day >= month_length(year, d->month))
        day -= 7;
    return first + day;
}

/* Puts it behind all that are not later. */
static void change_insert(struct rule_change *changes, size_t n, int64_t at_s,
                          int32_t offset_s)
{
    while (n > 0 && changes[n - 1].at_s > at_s) {
        changes[n] = changes[n - 1];
        n--;
    }
    changes[n].at_s = at_s;
    changes[n].offset_s = offset_s;
}

/* All changes of the years around, as a day of a rule may lie a week outside
 * of its year. Where an end and the next start are one instant, daylight
 * saving lasts all year (RFC 9636, 3.3.1): so the start has to come last. */
void zone_rule_span(const struct zone_rule *r, int64_t at_s,
                    struct zone_span *span)
{
    enum { YEARS = 5 };
    struct rule_change changes[2 * YEARS];
    size_t n = 0;

    span->offset_s = r->std_offset_s;
    if (!r->has_dst)
        return;
    int64_t day = day_of_time(at_s);
    int year = day_from_number(day).year - YEARS / 2;
    for (int i = 0; i < YEARS; i++, year++) {
        int64_t end_s = rule_day_number(&r->dst_ends, year) * DAY_S;
        int64_t start_s = rule_day_number(&r->dst_starts, year) * DAY_S;
        change_insert(changes, n++,
                      end_s + r->dst_ends.time_s - r->dst_offset_s,
                      r->std_offset_s);
        change_insert(changes, n++,
                      start_s + r->dst_starts.time_s - r->std_offset_s,
                      r->dst_offset_s);
    }
    size_t next = 1;
    while (next < n - 1 && changes[next].at_s <= at_s)
        next++;
    span->offset_s = changes[next - 1].offset_s;
    if (changes[next - 1].at_s > span->from_s)
        span->from_s = changes[next - 1].at_s;
    span->until_s = changes[next].at_s;
}
