/* SPDX-License-Identifier: MIT */
/* Time zones: real ones against the C library, and files made here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "calendar.h"
#include "zone.h"

static void need_database(void)
{
    if (access("/usr/share/zoneinfo", F_OK))
        skip();
}

static uint64_t random_next(uint64_t *state)
{
    *state += UINT64_C(0x9e3779b97f4a7c15);
    uint64_t x = *state;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

static int64_t utc_s(int year, int month, int day, int hour, int minute)
{
    struct tm tm = {.tm_year = year - 1900, .tm_mon = month - 1,
                    .tm_mday = day, .tm_hour = hour, .tm_min = minute};
    return timegm(&tm);
}

static struct zone *zone_get(const char *name)
{
    struct stint_err err = {0};
    struct zone *z = zone_open(name, &err);
    if (z == NULL)
        fail_msg("%s: %s", name, err.text);
    return z;
}

static int32_t offset_at(const struct zone *z, int64_t at_s)
{
    struct zone_span span;
    zone_span_at(z, at_s, &span);
    assert_true(span.from_s <= at_s && at_s < span.until_s);
    return span.offset_s;
}

static enum stint_code code_of(const char *name)
{
    struct stint_err err = {0};
    struct zone *z = zone_open(name, &err);
    assert_int_equal(z == NULL, err.code != STINT_OK);
    zone_close(z);
    return err.code;
}

/* ---- Files made here --------------------------------------------------- */

static char dir[] = "/tmp/stint-zone.XXXXXX";

struct bytes {
    unsigned char at[4096];
    size_t n;
};

static void put(struct bytes *b, uint64_t value, int width)
{
    while (width-- > 0)
        b->at[b->n++] = (unsigned char)(value >> 8 * width);
}

static void put_header(struct bytes *b, int version, unsigned n_leaps,
                       unsigned n_changes, unsigned n_types)
{
    memcpy(b->at + b->n, "TZif", 4);
    b->n += 4;
    put(b, (uint64_t)version, 1);
    put(b, 0, 8);
    put(b, 0, 7);
    put(b, 0, 4); /* isutcnt */
    put(b, 0, 4); /* isstdcnt */
    put(b, n_leaps, 4);
    put(b, n_changes, 4);
    put(b, n_types, 4);
    put(b, 4, 4); /* charcnt */
}

static void put_types(struct bytes *b, int32_t first_s, int32_t second_s)
{
    put(b, (uint32_t)first_s, 4);
    put(b, 0, 2);
    put(b, (uint32_t)second_s, 4);
    put(b, 0, 2);
    put(b, 0, 4); /* the letters */
}

/* Two changes, at 0 and at `second_at`, from -1 h to +1 h and back. */
static void put_block(struct bytes *b, int width, int64_t second_at)
{
    put(b, 0, width);
    put(b, (uint64_t)second_at, width);
    put(b, 1, 1);
    put(b, 0, 1);
    put_types(b, -3600, 3600);
}

static struct bytes file_v2(int64_t second_at, const char *footer)
{
    struct bytes b = {.n = 0};
    put_header(&b, '2', 0, 0, 1); /* the least there may be in 32 bits */
    put(&b, 0, 6);
    put(&b, 0, 4);
    put_header(&b, '2', 0, 2, 2);
    put_block(&b, 8, second_at);
    b.n += (size_t)snprintf((char *)b.at + b.n, sizeof(b.at) - b.n, "\n%s\n",
                            footer);
    return b;
}

static void file_write(const void *at, size_t n)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/Made", dir);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, at, n), (ssize_t)n);
    close(fd);
}

static enum stint_code made_code(const struct bytes *b)
{
    file_write(b->at, b->n);
    return code_of("Made");
}

static int made_setup(void **state)
{
    (void)state;
    memcpy(strstr(dir, "zone.") + 5, "XXXXXX", 6);
    return mkdtemp(dir) == NULL || setenv("TZDIR", dir, 1);
}

static int made_teardown(void **state)
{
    char path[64];
    (void)state;
    snprintf(path, sizeof(path), "%s/Made", dir);
    unlink(path);
    unsetenv("TZDIR");
    return rmdir(dir);
}

static void changes_and_an_empty_footer(void **state)
{
    (void)state;
    struct bytes b = file_v2(86400, "");
    file_write(b.at, b.n);
    struct zone *z = zone_get("Made");
    assert_int_equal(offset_at(z, -1), -3600);
    assert_int_equal(offset_at(z, 0), 3600);
    assert_int_equal(offset_at(z, 86399), 3600);
    assert_int_equal(offset_at(z, 86400), -3600);
    assert_int_equal(offset_at(z, utc_s(9999, 1, 1, 0, 0)), -3600);
    /* The gap of -01:00 to 01:00, and the doubled 23:00 to 01:00. */
    assert_int_equal(zone_first_s(z, -3601), -1);
    assert_int_equal(zone_first_s(z, -3600), 0);
    assert_int_equal(zone_first_s(z, 3600), 0);
    assert_int_equal(zone_first_s(z, 3601), 1);
    assert_int_equal(zone_first_s(z, 86400 - 3600), 86400 - 7200);
    assert_int_equal(zone_first_s(z, 86400 + 3599), 86399);
    assert_int_equal(zone_first_s(z, 86400 + 3600), 86400 + 7200);
    assert_int_equal(zone_latest_local_s(z, 86400), 86400 + 3599);
    assert_int_equal(zone_latest_local_s(z, 86400 + 7199), 86400 + 3599);
    assert_int_equal(zone_latest_local_s(z, 86400 + 7200), 86400 + 3600);
    zone_close(z);
}

static void version_1_and_leap_seconds(void **state)
{
    (void)state;
    struct bytes b = {.n = 0};
    put_header(&b, 0, 0, 2, 2);
    put_block(&b, 4, 86400);
    assert_int_equal(made_code(&b), STINT_OK);
    struct zone *z = zone_get("Made");
    assert_int_equal(offset_at(z, 5), 3600);
    zone_close(z);

    struct bytes leap = {.n = 0};
    put_header(&leap, 0, 1, 2, 2);
    put_block(&leap, 4, 86400);
    put(&leap, 0, 8);
    assert_int_equal(made_code(&leap), STINT_INVALID);
}

static void what_is_wrong_in_a_file_is_an_error(void **state)
{
    (void)state;
    struct bytes b = file_v2(0, ""); /* not ascending */
    assert_int_equal(made_code(&b), STINT_SYSTEM);
    b = file_v2(INT64_MAX, "");
    assert_int_equal(made_code(&b), STINT_OK);
    b = file_v2(-1, "");
    assert_int_equal(made_code(&b), STINT_SYSTEM);
    b = file_v2(1, "");
    memset(b.at + 44 + 10 + 20, 0xff, 24); /* its counts */
    assert_int_equal(made_code(&b), STINT_SYSTEM);
    b = file_v2(1, "");
    b.at[44 + 10 + 44 + 16] = 2; /* a type that is not there */
    assert_int_equal(made_code(&b), STINT_SYSTEM);
    b = file_v2(1, "");
    b.at[44 + 10 + 44 + 18] = 0x7f; /* an offset of years */
    assert_int_equal(made_code(&b), STINT_SYSTEM);
    b.n = 0;
    assert_int_equal(made_code(&b), STINT_SYSTEM);
    b.n = (size_t)snprintf((char *)b.at, sizeof(b.at), "# a list\n");
    assert_int_equal(made_code(&b), STINT_INVALID);
    size_t size = ZONE_FILE_BYTES_MAX + 1;
    char *large = calloc(1, size);
    assert_non_null(large);
    file_write(large, size);
    free(large);
    assert_int_equal(code_of("Made"), STINT_SYSTEM);
}

static void cut_or_damaged_files_do_no_harm(void **state)
{
    (void)state;
    const struct bytes whole = file_v2(86400, "CET-1CEST,M3.5.0,M10.5.0/3");
    uint64_t seed = 1;

    for (size_t n = 4; n < whole.n; n++) {
        struct bytes b = whole;
        b.n = n;
        assert_int_equal(made_code(&b), STINT_SYSTEM);
    }
    for (int i = 0; i < 2000; i++) {
        struct bytes b = whole;
        size_t at = (size_t)(random_next(&seed) % b.n);
        b.at[at] ^= (unsigned char)(1u << random_next(&seed) % 8);
        file_write(b.at, b.n);
        struct stint_err err = {0};
        struct zone *z = zone_open("Made", &err);
        if (z == NULL)
            continue;
        for (int k = 0; k < 20; k++) {
            int64_t at_s = (int64_t)(random_next(&seed) % 250000000000);
            int64_t local_s = zone_latest_local_s(z, at_s);
            assert_true(zone_first_s(z, local_s) <= at_s);
            assert_true(zone_first_s(z, local_s + 1) > at_s);
        }
        zone_close(z);
    }
}

/* The C library reads such a rule from TZ. */
static void footers_as_the_c_library_has_them(void **state)
{
    static const char *const rules[] = {
        "CET-1CEST,M3.5.0,M10.5.0/3",
        "EST5EDT,M3.2.0,M11.1.0",
        "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0",
        "IST-1GMT0,M10.5.0,M3.5.0/1",
        "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
        "IST-2IDT,M3.4.4/26,M10.5.0",
        "EET-2EEST,M3.4.4/50,M10.4.4/50",
        "NZST-12NZDT,M9.5.0,M4.1.0/3",
        "AAA3BBB,J60/2,J300/2:30:15",
        "AAA-3BBB,59/0,299",
        "<+0545>-5:45",
        "UTC0"};
    (void)state;
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        struct bytes b = file_v2(86400, rules[i]);
        file_write(b.at, b.n);
        struct zone *z = zone_get("Made");
        assert_int_equal(setenv("TZ", rules[i], 1), 0);
        tzset();
        time_t t = utc_s(2023, 1, 1, 0, 0) + 7;
        for (; t < utc_s(2029, 1, 1, 0, 0); t += 900) {
            struct tm tm;
            assert_non_null(localtime_r(&t, &tm));
            if (offset_at(z, t) != tm.tm_gmtoff)
                fail_msg("%s at %lld: %d, not %ld", rules[i], (long long)t,
                         (int)offset_at(z, t), tm.tm_gmtoff);
        }
        zone_close(z);
    }
    unsetenv("TZ");
    tzset();
}

static void daylight_saving_all_year(void **state)
{
    (void)state;
    struct bytes b = file_v2(86400, "XXX3EDT4,0/0,J365/23");
    file_write(b.at, b.n);
    struct zone *z = zone_get("Made");
    for (int64_t t = utc_s(2024, 1, 1, 0, 0); t < utc_s(2029, 1, 1, 0, 0);
         t += 1800)
        assert_int_equal(offset_at(z, t), -4 * 3600);
    zone_close(z);
}

static void footers_that_are_refused(void **state)
{
    static const char *const bad[] = {
        "C", "CET", "CET-", "CET-1CEST", "CET-1CEST,M3.5.0",
        "CET-1CEST,M13.5.0,M10.5.0", "CET-1CEST,M3.6.0,M10.5.0",
        "CET-1CEST,M3.0.0,M10.5.0", "CET-1CEST,M3.5.7,M10.5.0",
        "CET-1CEST,M3.5.0,M10.5.0/168", "CET-1CEST,M3.5.0,M10.5.0x",
        "CET-1CEST,J0,J5", "CET-1CEST,366,5", "CET-25", "CET-1:60",
        "<+1>-1", "<+01-1", "CET-99999999999999999999", "CET-1CEST,,",
        "CET-1CEST,M3.5,M10.5.0", " CET-1"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct bytes b = file_v2(86400, bad[i]);
        if (made_code(&b) != STINT_SYSTEM)
            fail_msg("%s is not refused", bad[i]);
    }
}

/* ---- Names and the database -------------------------------------------- */

static void utc_needs_no_database(void **state)
{
    (void)state;
    assert_int_equal(setenv("TZDIR", "/nowhere/at/all", 1), 0);
    struct zone *z = zone_get("UTC");
    assert_int_equal(offset_at(z, utc_s(2026, 7, 1, 0, 0)), 0);
    assert_int_equal(zone_first_s(z, 12345), 12345);
    assert_int_equal(zone_latest_local_s(z, -12345), -12345);
    zone_close(z);
    zone_close(zone_get("Etc/UTC"));
    assert_int_equal(code_of("Europe/Rome"), STINT_SYSTEM);
    unsetenv("TZDIR");
    zone_close(NULL);
}

static void names_that_are_refused(void **state)
{
    static const char *const bad[] = {
        "", "/etc/passwd", "..", "../passwd", "Europe/../Europe/Rome",
        "Europe/Rome ", " UTC", "Europe/Rome\n", "a\\b", "zone.tab", "%s",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(code_of(bad[i]), STINT_INVALID);
    need_database();
    assert_int_equal(code_of("Europe/Nowhere"), STINT_INVALID);
    assert_int_equal(code_of("Europe"), STINT_INVALID);
    assert_int_equal(code_of("Europe/Rome/x"), STINT_INVALID);
}

static void the_changes_of_rome_in_2026(void **state)
{
    struct zone_span span;
    (void)state;
    need_database();
    struct zone *z = zone_get("Europe/Rome");
    int64_t spring = utc_s(2026, 3, 29, 1, 0);
    int64_t autumn = utc_s(2026, 10, 25, 1, 0);
    zone_span_at(z, spring, &span);
    assert_true(span.from_s == spring && span.until_s == autumn);
    assert_int_equal(span.offset_s, 7200);
    assert_int_equal(offset_at(z, spring - 1), 3600);
    assert_int_equal(offset_at(z, autumn), 3600);
    for (int minute = 0; minute <= 60; minute++)
        assert_true(zone_first_s(z, utc_s(2026, 3, 29, 2, minute)) == spring);
    for (int minute = 0; minute < 60; minute++)
        assert_true(zone_first_s(z, utc_s(2026, 10, 25, 2, minute)) ==
                    autumn - 3600 + minute * 60);
    assert_true(zone_first_s(z, utc_s(2026, 10, 25, 3, 0)) == autumn + 3600);
    assert_true(zone_latest_local_s(z, autumn + 1800) ==
                utc_s(2026, 10, 25, 3, 0) - 1);
    zone_close(z);
}

/* Both ways between instants and local times, at any time of 600 years. */
static void zones_as_the_c_library_has_them(void **state)
{
    static const char *const names[] = {
        "Europe/Rome",         "America/New_York", "Australia/Lord_Howe",
        "Pacific/Apia",        "America/Sao_Paulo", "Africa/Casablanca",
        "Asia/Kathmandu",      "Europe/Dublin",    "Asia/Gaza",
        "America/Scoresbysund", "Antarctica/Troll", "Asia/Manila",
        "America/Juneau",      "Africa/Monrovia",  "Etc/GMT+12",
        "Pacific/Kiritimati"};
    const int64_t begin = utc_s(1800, 1, 1, 0, 0);
    const int64_t length = utc_s(2400, 1, 1, 0, 0) - begin;
    uint64_t seed = 1;
    (void)state;
    need_database();
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct zone *z = zone_get(names[i]);
        assert_int_equal(setenv("TZ", names[i], 1), 0);
        tzset();
        for (int k = 0; k < 20000; k++) {
            struct tm tm;
            time_t t = begin + (int64_t)(random_next(&seed) % (uint64_t)length);
            assert_non_null(localtime_r(&t, &tm));
            if (offset_at(z, t) != tm.tm_gmtoff)
                fail_msg("%s at %lld: %d, not %ld", names[i], (long long)t,
                         (int)offset_at(z, t), tm.tm_gmtoff);
            int64_t local_s = zone_latest_local_s(z, t);
            assert_true(local_s >= t + tm.tm_gmtoff);
            assert_true(zone_first_s(z, local_s) <= t);
            assert_true(zone_first_s(z, local_s + 1) > t);
        }
        zone_close(z);
    }
    unsetenv("TZ");
    tzset();
}

static void the_calendar(void **state)
{
    (void)state;
    int64_t first = day_number((struct day){1, 1, 1});
    int64_t last = day_number((struct day){9999, 12, 31});
    assert_true(first == -719162 && last == 2932896);
    struct day before = {0, 12, 31};
    for (int64_t n = first; n <= last; n++) {
        struct day d = day_from_number(n);
        if (day_number(d) != n)
            fail_msg("day %lld", (long long)n);
        if (d.day == before.day + 1)
            assert_true(d.month == before.month && d.year == before.year);
        else
            assert_true(d.day == 1 &&
                        before.day == month_length(before.year, before.month));
        before = d;
    }
    assert_int_equal(day_weekday(0), 4);
    assert_int_equal(day_weekday(-5), 6);
    assert_int_equal(day_of_time(-1), -1);
    assert_int_equal(day_of_time(86400), 1);
}

int main(void)
{
#define MADE(test)                                                             \
    cmocka_unit_test_setup_teardown(test, made_setup, made_teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_calendar),
        cmocka_unit_test(utc_needs_no_database),
        cmocka_unit_test(names_that_are_refused),
        MADE(changes_and_an_empty_footer),
        MADE(version_1_and_leap_seconds),
        MADE(what_is_wrong_in_a_file_is_an_error),
        MADE(cut_or_damaged_files_do_no_harm),
        MADE(footers_as_the_c_library_has_them),
        MADE(daylight_saving_all_year),
        MADE(footers_that_are_refused),
        cmocka_unit_test(the_changes_of_rome_in_2026),
        cmocka_unit_test(zones_as_the_c_library_has_them)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
