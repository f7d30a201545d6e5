/* SPDX-License-Identifier: MIT */
/* Cron expressions made by a seed, against an oracle that shares no code with
 * them: it knows the numbers an expression was written from, and walks minute
 * by minute over what the C library's localtime_r shows. A failure prints the
 * zone, the seed and the expression. STINT_CRON_SEEDS=N: so many expressions a
 * zone (25). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cron.h"

static uint64_t random_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = *state;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static int random_int(uint64_t *state, int low, int high)
{
    return low + (int)(random_next(state) % (uint64_t)(high - low + 1));
}

static uint64_t seeds_wanted(void)
{
    const char *text = getenv("STINT_CRON_SEEDS");
    uint64_t n = text != NULL ? strtoull(text, NULL, 10) : 0;
    return n > 0 ? n : 25;
}

/* ---- Expressions ------------------------------------------------------- */

struct expression {
    char text[400];
    bool minute[60], hour[24], day[32], month[13], weekday[7];
    bool last_day;
    bool union_of_days;
};

struct part {
    const char *names; /* three letters each, from min */
    int min, max;
    bool *set;
};

static void text_add(struct expression *e, const char *text)
{
    size_t n = strlen(e->text);
    snprintf(e->text + n, sizeof(e->text) - n, "%s", text);
}

static void number_add(struct expression *e, const struct part *p, int n,
                       uint64_t *seed)
{
    char text[16];
    if (*p->names && n <= p->max && random_int(seed, 0, 2) == 0)
        snprintf(text, sizeof(text), "%.3s", p->names + 3 * (n - p->min));
    else
        snprintf(text, sizeof(text), "%d", n);
    text_add(e, text);
}

static void element_add(struct expression *e, const struct part *p,
                        uint64_t *seed)
{
    int size = p->max - p->min + 1;
    int low = random_int(seed, p->min, p->max);
    int high = low;
    int step = 1;
    char text[16];
    int kind = random_int(seed, 0, 9);

    if (kind == 0) {
        text_add(e, "*");
        low = p->min;
        high = p->max;
    } else {
        number_add(e, p, low, seed);
    }
    if (kind >= 7) {
        high = random_int(seed, low, p->max);
        text_add(e, "-");
        number_add(e, p, high, seed);
    }
    if (kind % 3 == 0) {
        step = random_int(seed, 1, random_int(seed, 1, size));
        snprintf(text, sizeof(text), "/%d", step);
        text_add(e, text);
        if (kind < 7)
            high = p->max;
    }
    for (int i = low; i <= high; i += step)
        p->set[i] = true;
}

/* True: it begins with a star. */
static bool field_add(struct expression *e, const struct part *p, int stars,
                      uint64_t *seed)
{
    size_t begin = strlen(e->text);
    if (random_int(seed, 1, 10) <= stars) {
        text_add(e, "*");
        memset(p->set + p->min, true, (size_t)(p->max - p->min + 1));
    } else {
        int n = random_int(seed, 1, random_int(seed, 1, 4));
        for (int i = 0; i < n; i++) {
            if (i > 0)
                text_add(e, ",");
            if (p->max == 31 && random_int(seed, 0, 5) == 0) {
                text_add(e, "L");
                e->last_day = true;
            } else {
                element_add(e, p, seed);
            }
        }
    }
    bool star = e->text[begin] == '*';
    text_add(e, " ");
    return star;
}

/* `sparse`: few days, from the first ones. */
static void expression_make(struct expression *e, uint64_t seed, bool sparse)
{
    memset(e, 0, sizeof(*e));
    const struct part minute = {"", 0, 59, e->minute};
    const struct part hour = {"", 0, 23, e->hour};
    const struct part day = {"", 1, 31, e->day};
    const struct part month = {"janfebmaraprmayjunjulaugsepoctnovdec", 1, 12,
                               e->month};
    const struct part weekday = {"sunmontuewedthufrisat", 0, 6, e->weekday};

    random_next(&seed);
    field_add(e, &minute, 2, &seed);
    field_add(e, &hour, 5, &seed);
    bool day_star = field_add(e, &day, sparse ? 2 : 7, &seed);
    field_add(e, &month, sparse ? 2 : 8, &seed);
    bool weekday_star = field_add(e, &weekday, 7, &seed);
    e->union_of_days = !day_star && !weekday_star;
}

static int length_of_month(const struct tm *tm)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year = tm->tm_year + 1900;
    bool leap = year % 400 == 0 || (year % 4 == 0 && year % 100 != 0);
    return tm->tm_mon == 1 && leap ? 29 : days[tm->tm_mon];
}

/* What a clock shows, small. */
struct shown {
    int64_t minute; /* of the local time */
    unsigned char min, hour, day, month, weekday, length;
};

static struct shown shown_of(const struct tm *tm, int64_t minute)
{
    struct shown s = {.minute = minute};
    s.min = (unsigned char)tm->tm_min;
    s.hour = (unsigned char)tm->tm_hour;
    s.day = (unsigned char)tm->tm_mday;
    s.month = (unsigned char)(tm->tm_mon + 1);
    s.weekday = (unsigned char)tm->tm_wday;
    s.length = (unsigned char)length_of_month(tm);
    return s;
}

static bool day_matches(const struct expression *e, const struct shown *s)
{
    bool by_day = e->day[s->day] || (e->last_day && s->day == s->length);
    bool by_weekday = e->weekday[s->weekday];
    return e->month[s->month] &&
           (e->union_of_days ? by_day || by_weekday : by_day && by_weekday);
}

static bool shown_matches(const struct expression *e, const struct shown *s)
{
    return e->minute[s->min] && e->hour[s->hour] && day_matches(e, s);
}

/* ---- Zones, minute by minute ------------------------------------------- */

enum { MINUTES = 245 * 1440, BEFORE = 2 * 1440 };

struct window {
    const char *name;
    int64_t begin_s;
    struct zone *zone;
    struct shown *shown; /* MINUTES */
};

static void window_fill(struct window *w)
{
    assert_int_equal(setenv("TZ", w->name, 1), 0);
    tzset();
    for (int i = 0; i < MINUTES; i++) {
        time_t t = w->begin_s + i * 60;
        struct tm tm;
        assert_non_null(localtime_r(&t, &tm));
        assert_int_equal(tm.tm_sec, 0);
        w->shown[i] = shown_of(&tm, (t + tm.tm_gmtoff) / 60);
    }
}

/* Is it due for what the clock passed over? */
static bool skipped_matches(const struct expression *e, int64_t from,
                            int64_t to)
{
    for (; from < to; from++) {
        time_t t = from * 60;
        struct tm tm;
        assert_non_null(gmtime_r(&t, &tm));
        struct shown s = shown_of(&tm, from);
        if (shown_matches(e, &s))
            return true;
    }
    return false;
}

static void run_check(const struct window *w, const struct expression *e,
                      const struct cron *c, uint64_t seed, int64_t after_ms,
                      int64_t run_ms)
{
    int64_t next_ms = cron_next_ms(c, w->zone, after_ms);
    if (next_ms != run_ms)
        fail_msg("%s, seed %llu, \"%s\" after %lld: %lld, not %lld", w->name,
                 (unsigned long long)seed, e->text, (long long)after_ms,
                 (long long)next_ms, (long long)run_ms);
}

/* Goes along the clock and has each run compared that is one of the first, or
 * near a change of the clock, and a few of the others. */
static void window_walk(const struct window *w, const struct expression *e,
                        const struct cron *c, uint64_t seed)
{
    const struct shown *s = w->shown;
    uint64_t dice = seed;
    int64_t latest = s[0].minute, last_ms = -1;
    int runs = 0, near = 0;

    for (int i = 1; i < MINUTES; i++) {
        near += s[i].minute != s[i - 1].minute + 1 ? 1440 : -(near > 0);
        if (s[i].minute <= latest)
            continue;
        bool due = skipped_matches(e, latest + 1, s[i].minute);
        latest = s[i].minute;
        if (!due && !shown_matches(e, &s[i]))
            continue;
        int64_t run_ms = (w->begin_s + i * 60) * 1000;
        if (i >= BEFORE && last_ms >= 0 &&
            (runs++ < 100 || near || random_next(&dice) % 64 == 0)) {
            uint64_t between = (uint64_t)(run_ms - last_ms);
            run_check(w, e, c, seed, last_ms, run_ms);
            run_check(w, e, c, seed, run_ms - 1, run_ms);
            run_check(w, e, c, seed,
                      last_ms + (int64_t)(random_next(&dice) % between),
                      run_ms);
        }
        last_ms = run_ms;
    }
    if (last_ms >= 0)
        assert_true(cron_next_ms(c, w->zone, last_ms) >=
                    (w->begin_s + MINUTES * INT64_C(60)) * 1000);
}

static void as_the_clocks_of_zones_show(void **state)
{
    static const struct {
        const char *name;
        struct tm begin;
    } zones[] = {
#define FROM(year, month) {.tm_year = (year) - 1900, .tm_mon = (month) - 1,    \
                           .tm_mday = 1}
        {"UTC", FROM(2027, 8)},
        {"Europe/Rome", FROM(2026, 3)},
        {"America/New_York", FROM(2026, 3)},
        {"Australia/Lord_Howe", FROM(2026, 3)},
        {"Pacific/Apia", FROM(2011, 8)},
        {"America/Sao_Paulo", FROM(2018, 1)},
        {"Africa/Casablanca", FROM(2026, 1)},
        {"Asia/Kathmandu", FROM(1985, 10)},
        {"Asia/Pyongyang", FROM(2018, 1)},
        {"Antarctica/Troll", FROM(2026, 3)},
        {"Europe/Dublin", FROM(2060, 3)},
        {"Pacific/Auckland", FROM(2045, 3)}};
    uint64_t n = seeds_wanted();
    (void)state;
    if (access("/usr/share/zoneinfo", F_OK))
        skip();
    struct shown *shown = calloc(MINUTES, sizeof(*shown));
    assert_non_null(shown);
    printf("seeds 1 to %llu\n", (unsigned long long)n);
    for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++) {
        struct stint_err err = {0};
        struct tm begin = zones[i].begin;
        struct window w = {zones[i].name, timegm(&begin),
                           zone_open(zones[i].name, &err), shown};
        if (w.zone == NULL)
            fail_msg("%s", err.text);
        window_fill(&w);
        for (uint64_t seed = 1; seed <= n; seed++) {
            struct expression e;
            struct cron c;
            expression_make(&e, seed, false);
            if (cron_parse(&c, e.text, &err) == 0)
                window_walk(&w, &e, &c, seed);
            else if (strstr(err.text, "never run") == NULL)
                fail_msg("seed %llu, \"%s\": %s", (unsigned long long)seed,
                         e.text, err.text);
            err.code = STINT_OK;
        }
        zone_close(w.zone);
    }
    free(shown);
    unsetenv("TZ");
    tzset();
}

/* ---- Rare days, over many years ---------------------------------------- */

enum { DAYS = 60 * 366 };

/* The first minute of a day that matches. */
static int first_minute(const struct expression *e)
{
    int minute = 0;
    while (!e->hour[minute / 60] || !e->minute[minute % 60])
        minute++;
    return minute;
}

/* True: there was a day. */
static bool days_walk(const struct window *w, const struct expression *e,
                      const struct cron *c, uint64_t seed)
{
    bool any = false;
    int64_t after_ms = w->begin_s * 1000 - 1;
    for (int i = 0; i < DAYS; i++) {
        if (!day_matches(e, &w->shown[i]))
            continue;
        any = true;
        int64_t day_ms = (w->begin_s + i * INT64_C(86400)) * 1000;
        if (c != NULL)
            run_check(w, e, c, seed, after_ms,
                      day_ms + first_minute(e) * 60000);
        after_ms = day_ms + 86400000 - 1;
    }
    return any;
}

static void as_the_days_of_sixty_years_match(void **state)
{
    struct stint_err err = {0};
    struct tm begin = {.tm_year = 90, .tm_mon = 0, .tm_mday = 1};
    struct window w = {"UTC", timegm(&begin), zone_open("UTC", &err), NULL};
    uint64_t n = 20 * seeds_wanted();
    (void)state;
    assert_non_null(w.zone);
    w.shown = calloc(DAYS, sizeof(*w.shown));
    assert_non_null(w.shown);
    for (int i = 0; i < DAYS; i++) {
        time_t t = w.begin_s + i * INT64_C(86400);
        struct tm tm;
        assert_non_null(gmtime_r(&t, &tm));
        w.shown[i] = shown_of(&tm, t / 60);
    }
    for (uint64_t seed = 1; seed <= n; seed++) {
        struct expression e;
        struct cron c;
        expression_make(&e, seed, true);
        int refused = cron_parse(&c, e.text, &err);
        bool any = days_walk(&w, &e, refused ? NULL : &c, seed);
        if (any == (refused != 0))
            fail_msg("seed %llu, \"%s\": %s", (unsigned long long)seed, e.text,
                     refused ? err.text : "accepted, but never due");
        err.code = STINT_OK;
    }
    free(w.shown);
    zone_close(w.zone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_clocks_of_zones_show),
        cmocka_unit_test(as_the_days_of_sixty_years_match)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
