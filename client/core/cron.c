/* SPDX-License-Identifier: MIT */
/* Reads cron expressions into bit sets, and finds their next run. The search
 * goes month by month, with the days of a month as one set of 31 bits: it
 * never walks over minutes. It works on local time alone. The zone is asked
 * twice: what the clocks have shown already, and when they show the result. */
#include "cron.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "calendar.h"
#include "err.h"

#define YEAR_MAX 9999

enum { MINUTE, HOUR, DAY, MONTH, WEEKDAY, FIELDS };
enum { LAST_DAY = 0 }; /* the bit of L */

struct field_kind {
    const char *name;
    int min, max;
    int numbers_max;    /* the highest that may be written; 7 is a Sunday */
    const char *names;  /* from min, three letters each */
    const char *wanted; /* for messages */
};

static const struct field_kind kinds[FIELDS] = {
    {"minute", 0, 59, 59, "", "a number from 0 to 59"},
    {"hour", 0, 23, 23, "", "a number from 0 to 23"},
    {"day of month", 1, 31, 31, "", "a number from 1 to 31, or L,"},
    {"month", 1, 12, 12, "janfebmaraprmayjunjulaugsepoctnovdec",
     "a number from 1 to 12 or a name (jan, feb, ...)"},
    {"day of week", 0, 6, 7, "sunmontuewedthufrisat",
     "a number from 0 to 7 or a name (sun, mon, ...)"},
};

/* ---- Reading ----------------------------------------------------------- */

/* A piece of the text. */
struct slice {
    const char *at;
    size_t len;
};

/* The field being read, for the readers and their messages. */
struct field {
    const struct field_kind *kind;
    struct slice text;
    struct slice part; /* the element of the list; messages show it */
    uint64_t set;
    struct stint_err *err;
};

/* Messages do not show more of it. */
static int shown_len(struct slice s)
{
    return s.len < 40 ? (int)s.len : 40;
}

static int field_fail(const struct field *f, const char *reason)
{
    return err_set(f->err, STINT_INVALID, "%s \"%.*s\": %s", f->kind->name,
                   shown_len(f->part), f->part.at, reason);
}

/* Up to the first such character, which is not part of it, or to the end. */
static struct slice slice_until(struct slice s, char stop)
{
    const char *end = memchr(s.at, stop, s.len);
    if (end != NULL)
        s.len = (size_t)(end - s.at);
    return s;
}

/* What is behind the first n characters and the one that ended them. */
static struct slice slice_after(struct slice s, size_t n)
{
    struct slice rest = {s.at + n + 1, s.len - n - 1};
    return rest;
}

/* -1: no number, or over 999. */
static int number_read(struct slice s)
{
    int n = 0;
    for (size_t i = 0; i < s.len; i++) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return -1;
        n = n * 10 + (s.at[i] - '0');
        if (n > 999)
            return -1;
    }
    return s.len > 0 ? n : -1;
}

static int name_read(const struct field_kind *kind, struct slice s)
{
    const char *names = kind->names;
    for (int i = 0; s.len == 3 && *names; i++, names += 3)
        if (!strncasecmp(names, s.at, 3))
            return kind->min + i;
    return -1;
}

/* A number or a name, within the field. */
static int value_read(const struct field *f, struct slice s, int *value)
{
    const struct field_kind *kind = f->kind;
    char reason[80];

    *value = name_read(kind, s);
    if (*value < 0)
        *value = number_read(s);
    if (*value >= kind->min && *value <= kind->numbers_max)
        return 0;
    snprintf(reason, sizeof(reason), "%s is wanted", kind->wanted);
    return field_fail(f, reason);
}

static int range_read(const struct field *f, struct slice s, int *low,
                      int *high)
{
    struct slice first = slice_until(s, '-');

    if (value_read(f, first, low))
        return -1;
    *high = *low;
    if (first.len == s.len)
        return 0;
    if (value_read(f, slice_after(s, first.len), high))
        return -1;
    if (*high == 0 && *low > 0 && f->kind == &kinds[WEEKDAY])
        *high = 7; /* the Sunday at the end of the week */
    return *low <= *high
               ? 0
               : field_fail(f, "the range ends before it begins; a list of "
                               "two ranges can say it");
}

static int step_read(const struct field *f, struct slice s, int *step)
{
    char reason[80];
    int size = f->kind->max - f->kind->min + 1;

    *step = number_read(s);
    if (*step >= 1 && *step <= size)
        return 0;
    snprintf(reason, sizeof(reason), "after / a step from 1 to %d is wanted",
             size);
    return field_fail(f, reason);
}

/* The element of the list that `part` is. */
static int part_read(struct field *f)
{
    struct slice part = f->part;
    struct slice range = slice_until(part, '/');
    bool all = range.len == 1 && *range.at == '*';
    int low = f->kind->min, high = f->kind->max, step = 1;

    if (f->kind == &kinds[DAY] && (*part.at == 'L' || *part.at == 'l')) {
        f->set |= UINT64_C(1) << LAST_DAY;
        return part.len == 1 ? 0 : field_fail(f, "L stands alone or in a list");
    }
    if (!all && range_read(f, range, &low, &high))
        return -1;
    if (range.len < part.len) {
        bool open = memchr(range.at, '-', range.len) == NULL;
        if (step_read(f, slice_after(part, range.len), &step))
            return -1;
        if (open && high < f->kind->max)
            high = f->kind->max;
    }
    for (int i = low; i <= high; i += step) /* 7 is a Sunday, as 0 is */
        f->set |= UINT64_C(1) << (i > f->kind->max ? f->kind->min : i);
    return 0;
}

static int field_read(struct field *f)
{
    struct slice rest = f->text;
    for (;;) {
        f->part = slice_until(rest, ',');
        if (f->part.len == 0) {
            f->part = f->text;
            return field_fail(f, "an element of the list is empty");
        }
        if (part_read(f))
            return -1;
        if (f->part.len == rest.len)
            return 0;
        rest = slice_after(rest, f->part.len);
    }
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct slice word_next(const char **at)
{
    while (is_blank(**at))
        ++*at;
    struct slice s = {*at, 0};
    while ((*at)[0] && !is_blank((*at)[0]))
        ++*at;
    s.len = (size_t)(*at - s.at);
    return s;
}

/* Their number first: with one too many, every other complaint misleads. */
static int fields_count(const char *text, struct stint_err *err)
{
    int n = 0;
    struct slice word = word_next(&text);

    for (; word.len > 0 && n < FIELDS; n++)
        word = word_next(&text);
    if (n < FIELDS)
        return err_set(err, STINT_INVALID,
                       "%d of five fields: the %s is missing (minute, hour, "
                       "day of month, month, day of week)",
                       n, kinds[n].name);
    if (word.len > 0)
        return err_set(err, STINT_INVALID,
                       "more than five fields: \"%.*s\" is left over. There "
                       "are none for seconds, years or users: leave them out",
                       shown_len(word), word.at);
    return 0;
}

/* "@daily" to its fields; any other text stays. NULL: err is set. */
static const char *macro_expand(const char *text, struct stint_err *err)
{
    static const struct {
        const char *name;
        const char *text;
    } macros[] = {{"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},
                  {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
                  {"@monthly", "0 0 1 * *"},  {"@yearly", "0 0 1 1 *"},
                  {"@annually", "0 0 1 1 *"}};
    const char *at = text;
    struct slice word = word_next(&at);

    if (word.len == 0 || *word.at != '@')
        return text;
    if (word_next(&at).len > 0) {
        err_set(err, STINT_INVALID,
                "\"%.40s\": nothing may follow a name with @", text);
        return NULL;
    }
    for (size_t i = 0; i < sizeof(macros) / sizeof(macros[0]); i++)
        if (strlen(macros[i].name) == word.len &&
            !strncasecmp(macros[i].name, word.at, word.len))
            return macros[i].text;
    if (word.len == 7 && !strncasecmp("@reboot", word.at, word.len))
        err_set(err, STINT_INVALID,
                "@reboot is no time: let the host queue a task without a "
                "cronline when it starts");
    else
        err_set(err, STINT_INVALID,
                "\"%.*s\": @hourly, @daily, @midnight, @weekly, @monthly, "
                "@yearly or @annually is wanted",
                shown_len(word), word.at);
    return NULL;
}

/* A day of the month that none of the months has. With `either` the day of
 * the week brings a match; else every date meets every day of the week in
 * the 400 years after which the calendar begins anew. */
static int days_check(const struct cron *c, struct slice days,
                      struct stint_err *err)
{
    uint32_t possible = 1u << LAST_DAY;

    for (int month = 1; month <= 12; month++)
        for (int day = 1; day <= month_length(2000, month); day++)
            if (c->months >> month & 1)
                possible |= 1u << day;
    if (c->either || (c->days & possible))
        return 0;
    return err_set(err, STINT_INVALID,
                   "day of month \"%.*s\": no month of this expression has "
                   "such a day, it would never run",
                   shown_len(days), days.at);
}

int cron_parse(struct cron *c, const char *text, struct stint_err *err)
{
    struct slice words[FIELDS] = {{NULL, 0}};
    uint64_t sets[FIELDS] = {0};

    if (strnlen(text, CRON_TEXT_LEN + 1) > CRON_TEXT_LEN)
        return err_set(err, STINT_INVALID, "longer than %d bytes",
                       CRON_TEXT_LEN);
    text = macro_expand(text, err);
    if (text == NULL || fields_count(text, err))
        return -1;
    for (int i = 0; i < FIELDS; i++) {
        words[i] = word_next(&text);
        struct field f = {&kinds[i], words[i], words[i], 0, err};
        if (field_read(&f))
            return -1;
        sets[i] = f.set;
    }
    c->minutes = sets[MINUTE];
    c->hours = (uint32_t)sets[HOUR];
    c->days = (uint32_t)sets[DAY];
    c->months = (uint32_t)sets[MONTH];
    c->weekdays = (uint32_t)sets[WEEKDAY];
    c->either = *words[DAY].at != '*' && *words[WEEKDAY].at != '*';
    return days_check(c, words[DAY], err);
}

/* ---- Searching --------------------------------------------------------- */

/* The lowest member from n on, or -1. */
static int set_next(uint64_t set, int n)
{
    for (; n < 64; n++)
        if (set >> n & 1)
            return n;
    return -1;
}

/* The days of a month that match, bits 1 to 31. */
static uint32_t days_of_month(const struct cron *c, int year, int month)
{
    int length = month_length(year, month);
    int weekday = day_weekday(day_number((struct day){year, month, 1}));
    uint32_t days = c->days & ~(1u << LAST_DAY);
    uint32_t weekdays = 0;

    if (c->days >> LAST_DAY & 1)
        days |= 1u << length;
    for (int day = 1; day <= 31; day++, weekday = (weekday + 1) % 7)
        weekdays |= (c->weekdays >> weekday & 1) << day;
    days = c->either ? days | weekdays : days & weekdays;
    return days & (uint32_t)((UINT64_C(2) << length) - 1);
}

/* The first day from this one on that matches. -1: none up to YEAR_MAX. */
static int day_find(const struct cron *c, struct day *d)
{
    for (; d->year <= YEAR_MAX; d->year++, d->month = 1) {
        for (; d->month <= 12; d->month++, d->day = 1) {
            if (!(c->months >> d->month & 1))
                continue;
            int day = set_next(days_of_month(c, d->year, d->month), d->day);
            if (day < 0)
                continue;
            d->day = day;
            return 0;
        }
    }
    return -1;
}

/* The first time from this minute of a day on that matches. -1: none. */
static int minute_find(const struct cron *c, int minute)
{
    int hour = set_next(c->hours, minute / 60);
    if (hour < 0)
        return -1;
    int from = hour == minute / 60 ? minute % 60 : 0;
    int found = set_next(c->minutes, from);
    if (found < 0) {
        hour = set_next(c->hours, hour + 1);
        found = set_next(c->minutes, 0);
    }
    return hour < 0 ? -1 : hour * 60 + found;
}

/* The first local time that matches, not before this one. -1: none. */
static int local_find(const struct cron *c, int64_t from_s, int64_t *found_s)
{
    int64_t number = day_of_time(from_s);
    int minute = (int)((from_s - number * DAY_S + 59) / 60);
    struct day d = day_from_number(number);

    if (day_find(c, &d))
        return -1;
    int64_t day = day_number(d);
    minute = minute_find(c, day == number ? minute : 0);
    if (minute < 0) { /* too late on the day we came from */
        d = day_from_number(day + 1);
        if (day_find(c, &d))
            return -1;
        day = day_number(d);
        minute = minute_find(c, 0);
    }
    *found_s = day * DAY_S + minute * INT64_C(60);
    return 0;
}

int64_t cron_next_ms(const struct cron *c, const struct zone *z,
                     int64_t after_ms)
{
    const int64_t from_ms = day_number((struct day){1, 1, 1}) * DAY_S * 1000;
    const int64_t to_ms =
        day_number((struct day){YEAR_MAX + 1, 1, 1}) * DAY_S * 1000;
    int64_t local_s;

    if (after_ms >= to_ms)
        return -1;
    if (after_ms < from_ms)
        after_ms = from_ms;
    int64_t after_s = (after_ms - from_ms) / 1000 + from_ms / 1000;
    if (local_find(c, zone_latest_local_s(z, after_s) + 1, &local_s))
        return -1;
    int64_t next_ms = zone_first_s(z, local_s) * 1000;
    return next_ms < to_ms ? next_ms : -1;
}
