/* SPDX-License-Identifier: MIT */
/* Times as people write them. No strtod and no strptime: both follow the
 * locale, and a time must mean the same everywhere. Digits are read by hand
 * into integers, so there is no rounding either: what is finer than a
 * millisecond is cut off. */
#include "time_text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define TIME_MS_MAX INT64_C(253402300799999) /* 9999-12-31T23:59:59.999Z */

/* A decimal number: whole part and billionths. */
struct decimal {
    int64_t whole;
    int64_t nano;
};

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Reads "." digits, if there is a dot. NULL: a dot without digits. */
static const char *fraction_read(const char *at, int64_t *nano)
{
    int64_t unit = 100000000;

    *nano = 0;
    if (*at != '.')
        return at;
    if (!is_digit(*++at))
        return NULL;
    for (; is_digit(*at); at++, unit /= 10)
        *nano += (*at - '0') * unit;
    return at;
}

static const char *decimal_read(const char *at, struct decimal *d)
{
    d->whole = 0;
    if (!is_digit(*at))
        return NULL;
    for (; is_digit(*at); at++) {
        d->whole = d->whole * 10 + (*at - '0');
        if (d->whole > TIME_MS_MAX)
            return NULL;
    }
    return fraction_read(at, &d->nano);
}

/* The number times unit_ms. -1: beyond the year 9999. */
static int decimal_scale(const struct decimal *d, int64_t unit_ms, int64_t *ms)
{
    if (d->whole > TIME_MS_MAX / unit_ms)
        return -1;
    *ms = d->whole * unit_ms + d->nano * unit_ms / 1000000000;
    return *ms > TIME_MS_MAX ? -1 : 0;
}

static int64_t unit_find(const char *name)
{
    static const struct {
        char name[4];
        int64_t ms;
    } units[] = {{"", 1000},      {"s", 1000},     {"ms", 1},
                 {"m", 60000},    {"h", 3600000},  {"d", 86400000},
                 {"w", 604800000}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (!strcmp(units[i].name, name))
            return units[i].ms;
    return 0;
}

static int relative_read(const char *text, int64_t *ms)
{
    struct decimal d;
    const char *unit = decimal_read(text + 1, &d);
    int64_t unit_ms = unit ? unit_find(unit) : 0;

    if (!unit_ms || decimal_scale(&d, unit_ms, ms))
        return -1;
    if (*text == '-')
        *ms = -*ms;
    return 0;
}

static int epoch_read(const char *text, int64_t *ms)
{
    struct decimal d;
    const char *end = decimal_read(text, &d);

    return end && !*end ? decimal_scale(&d, 1000, ms) : -1;
}

/* Follows a pattern: 'D' takes a digit, any other character itself. NULL:
 * does not fit. Numbers (runs of D) go to out, one after the other. */
static const char *pattern_read(const char *at, const char *pattern, int *out)
{
    for (; *pattern; pattern++, at++) {
        if (*pattern != 'D') {
            if (*at != *pattern)
                return NULL;
            out++;
            *out = 0;
        } else {
            if (!is_digit(*at))
                return NULL;
            *out = *out * 10 + (*at - '0');
        }
    }
    return at;
}

static int month_days(int year, int month)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    return days[month - 1] + (month == 2 && leap);
}

/* Z or +hh:mm, up to the end of the text. */
static int zone_read(const char *at, int64_t *offset_s)
{
    int hm[2] = {0, 0};

    *offset_s = 0;
    if (*at == 'Z' || *at == 'z')
        return at[1] ? -1 : 0;
    if (*at != '+' && *at != '-')
        return -1;
    const char *end = pattern_read(at + 1, "DD:DD", hm);
    if (!end || *end || hm[0] > 23 || hm[1] > 59)
        return -1;
    *offset_s = (hm[0] * 60 + hm[1]) * (*at == '-' ? -60 : 60);
    return 0;
}

static int fields_are_valid(const int day[3], const int hms[3])
{
    return day[0] >= 1 && day[1] >= 1 && day[1] <= 12 && day[2] >= 1 &&
           day[2] <= month_days(day[0], day[1]) && hms[0] <= 23 &&
           hms[1] <= 59 && (hms[2] <= 59 || (hms[2] == 60 && hms[1] == 59));
}

static int rfc3339_read(const char *text, int64_t *ms)
{
    int day[3] = {0, 0, 0}, hms[3] = {0, 0, 0};
    int64_t nano, offset_s;
    const char *at = pattern_read(text, "DDDD-DD-DD", day);

    if (!at || (*at != 'T' && *at != 't' && *at != ' '))
        return -1;
    at = pattern_read(at + 1, "DD:DD:DD", hms);
    if (!at || !fields_are_valid(day, hms))
        return -1;
    at = fraction_read(at, &nano);
    if (!at || zone_read(at, &offset_s))
        return -1;
    struct tm tm = {.tm_year = day[0] - 1900, .tm_mon = day[1] - 1,
                    .tm_mday = day[2], .tm_hour = hms[0], .tm_min = hms[1],
                    .tm_sec = hms[2]};
    *ms = ((int64_t)timegm(&tm) - offset_s) * 1000 + nano / 1000000;
    return *ms < 0 || *ms > TIME_MS_MAX ? -1 : 0;
}

int time_text_read(const char *text, int64_t *ms, int *relative)
{
    *ms = 0;
    *relative = *text == '+' || *text == '-' || !strcmp(text, "now");
    if (*relative)
        return *text == 'n' ? 0 : relative_read(text, ms);
    if (strspn(text, "0123456789") == 4 && text[4] == '-')
        return rfc3339_read(text, ms);
    return epoch_read(text, ms);
}

void time_text_write(int64_t ms, char text[static TIME_TEXT_LEN])
{
    int64_t rest = (ms % 1000 + 1000) % 1000;
    time_t seconds = (time_t)((ms - rest) / 1000);
    struct tm tm;
    char day[24];

    if (!gmtime_r(&seconds, &tm) ||
        strftime(day, sizeof(day), "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
        snprintf(text, TIME_TEXT_LEN, "(no time)");
        return;
    }
    snprintf(text, TIME_TEXT_LEN, "%s.%03dZ", day, (int)rest);
}
