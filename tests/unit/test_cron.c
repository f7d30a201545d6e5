/* SPDX-License-Identifier: MIT */
/* Cron expressions: what they mean, worked out by hand, and what is refused.
 * test_cron_oracle.c has those that nobody would think of. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cron.h"
#include "time_text.h"

struct example {
    const char *text;
    const char *zone;
    const char *after;
    const char *runs[6]; /* the next ones, in UTC */
};

static int64_t time_of(const char *text)
{
    int64_t ms;
    int relative;
    if (time_text_read(text, &ms, &relative) || relative)
        fail_msg("no time: %s", text);
    return ms;
}

static void example_check(const struct example *e)
{
    struct stint_err err = {0};
    struct cron c;
    if (cron_parse(&c, e->text, &err))
        fail_msg("%s: %s", e->text, err.text);
    struct zone *z = zone_open(e->zone, &err);
    if (z == NULL)
        fail_msg("%s", err.text);
    int64_t at_ms = time_of(e->after);
    for (size_t i = 0; i < 6 && e->runs[i]; i++) {
        char text[TIME_TEXT_LEN];
        at_ms = cron_next_ms(&c, z, at_ms);
        time_text_write(at_ms, text);
        if (at_ms != time_of(e->runs[i]))
            fail_msg("%s in %s after %s: run %zu is at %s, not %s", e->text,
                     e->zone, e->after, i, text, e->runs[i]);
    }
    zone_close(z);
}

#define EXAMPLES_CHECK(examples)                                               \
    do {                                                                       \
        for (size_t i = 0; i < sizeof(examples) / sizeof(*(examples)); i++)    \
            example_check(&(examples)[i]);                                     \
    } while (0)

static void need_database(void)
{
    if (access("/usr/share/zoneinfo", F_OK))
        skip();
}

/* ---- Without a change of clocks ---------------------------------------- */

static void what_advances_resets_what_is_smaller(void **state)
{
    static const struct example examples[] = {
        {"*/10 8 * * *", "UTC", "2026-01-05T05:03:00Z",
         {"2026-01-05T08:00:00Z", "2026-01-05T08:10:00Z"}},
        {"* 8 * * *", "UTC", "2026-01-05T05:03:00Z",
         {"2026-01-05T08:00:00Z", "2026-01-05T08:01:00Z"}},
        {"0 0 * 6 *", "UTC", "2026-01-20T11:12:13Z",
         {"2026-06-01T00:00:00Z", "2026-06-02T00:00:00Z"}},
        {"* * * 2 *", "UTC", "2026-01-31T05:06:00Z",
         {"2026-02-01T00:00:00Z", "2026-02-01T00:01:00Z"}},
        {"59 23 31 12 *", "UTC", "2026-12-31T23:59:00Z",
         {"2027-12-31T23:59:00Z"}},
        {"* * * * *", "UTC", "2026-12-31T23:59:00Z",
         {"2027-01-01T00:00:00Z"}},
        {"* * * * *", "UTC", "2026-12-31T23:59:59.999Z",
         {"2027-01-01T00:00:00Z"}},
        {"* * * * *", "UTC", "2026-12-31T23:58:59.999Z",
         {"2026-12-31T23:59:00Z"}},
        {"0 * * 3 *", "UTC", "2012-01-01T00:00:00Z",
         {"2012-03-01T00:00:00Z", "2012-03-01T01:00:00Z"}},
        {"4/34 * * * *", "UTC", "2010-01-23T12:18:00Z",
         {"2010-01-23T12:38:00Z", "2010-01-23T13:04:00Z"}},
        {"1-9/2 0 1 * *", "UTC", "2013-03-04T00:00:00Z",
         {"2013-04-01T00:01:00Z", "2013-04-01T00:03:00Z",
          "2013-04-01T00:05:00Z", "2013-04-01T00:07:00Z",
          "2013-04-01T00:09:00Z", "2013-05-01T00:01:00Z"}},
        {"0 */3 * * *", "UTC", "2010-01-24T12:02:00Z",
         {"2010-01-24T15:00:00Z", "2010-01-24T18:00:00Z",
          "2010-01-24T21:00:00Z", "2010-01-25T00:00:00Z"}},
        {"00 03 16,30 * *", "UTC", "2013-03-01T12:17:34.257Z",
         {"2013-03-16T03:00:00Z", "2013-03-30T03:00:00Z",
          "2013-04-16T03:00:00Z"}},
        {"0 0 1 */4 *", "UTC", "2010-01-25T00:00:00Z",
         {"2010-05-01T00:00:00Z", "2010-09-01T00:00:00Z",
          "2011-01-01T00:00:00Z"}}};
    (void)state;
    EXAMPLES_CHECK(examples);
}

static void days(void **state)
{
    static const struct example examples[] = {
        {"0 0 */3 * *", "UTC", "2010-02-24T12:09:00Z",
         {"2010-02-25T00:00:00Z", "2010-02-28T00:00:00Z",
          "2010-03-01T00:00:00Z"}},
        {"0 0 L * *", "UTC", "1996-02-27T00:00:00Z",
         {"1996-02-29T00:00:00Z", "1996-03-31T00:00:00Z",
          "1996-04-30T00:00:00Z"}},
        {"0 0 15,L * *", "UTC", "2026-01-20T00:00:00Z",
         {"2026-01-31T00:00:00Z", "2026-02-15T00:00:00Z",
          "2026-02-28T00:00:00Z", "2026-03-15T00:00:00Z"}},
        {"0 0 l 2 *", "UTC", "2026-01-20T00:00:00Z",
         {"2026-02-28T00:00:00Z", "2027-02-28T00:00:00Z",
          "2028-02-29T00:00:00Z"}},
        {"0 0 31 * *", "UTC", "2026-01-31T00:00:00Z",
         {"2026-03-31T00:00:00Z", "2026-05-31T00:00:00Z",
          "2026-07-31T00:00:00Z", "2026-08-31T00:00:00Z"}},
        {"0 0 29 2 *", "UTC", "2096-03-01T00:00:00Z",
         {"2104-02-29T00:00:00Z", "2108-02-29T00:00:00Z"}},
        {"0 0 30,31 2,4 *", "UTC", "2026-01-01T00:00:00Z",
         {"2026-04-30T00:00:00Z", "2027-04-30T00:00:00Z"}},
        {"0 0 * * sat", "UTC", "2010-02-25T00:00:00Z",
         {"2010-02-27T00:00:00Z", "2010-03-06T00:00:00Z"}},
        {"0 0 * * */2", "UTC", "2010-02-22T00:00:00Z",
         {"2010-02-23T00:00:00Z", "2010-02-25T00:00:00Z",
          "2010-02-27T00:00:00Z", "2010-02-28T00:00:00Z"}},
        {"30 22 * * sun-thu", "UTC", "2010-08-25T15:56:00Z",
         {"2010-08-25T22:30:00Z", "2010-08-26T22:30:00Z",
          "2010-08-29T22:30:00Z"}}};
    (void)state;
    EXAMPLES_CHECK(examples);
}

static void both_days_are_a_union_unless_one_begins_with_a_star(void **state)
{
    static const struct example examples[] = {
        {"0 0 1 * wed", "UTC", "2010-01-25T00:00:00Z",
         {"2010-01-27T00:00:00Z", "2010-02-01T00:00:00Z",
          "2010-02-03T00:00:00Z"}},
        /* Never a 31st, but Mondays there are. */
        {"0 0 31 2 1", "UTC", "2026-01-25T00:00:00Z",
         {"2026-02-02T00:00:00Z", "2026-02-09T00:00:00Z"}},
        {"0 0 L * fri", "UTC", "2026-02-26T00:00:00Z",
         {"2026-02-27T00:00:00Z", "2026-02-28T00:00:00Z",
          "2026-03-06T00:00:00Z"}},
        /* Odd days that are Mondays. */
        {"0 0 */2 * mon", "UTC", "2026-06-01T00:00:00Z",
         {"2026-06-15T00:00:00Z", "2026-06-29T00:00:00Z",
          "2026-07-13T00:00:00Z"}},
        {"0 0 13 * */5", "UTC", "2026-02-01T00:00:00Z", /* sun or fri */
         {"2026-02-13T00:00:00Z", "2026-03-13T00:00:00Z",
          "2026-09-13T00:00:00Z", "2026-11-13T00:00:00Z"}},
        /* A leap day on a Sunday, with a century between. */
        {"0 0 29 2 */7", "UTC", "2072-01-01T00:00:00Z",
         {"2088-02-29T00:00:00Z", "2128-02-29T00:00:00Z"}}};
    (void)state;
    EXAMPLES_CHECK(examples);
}

static void same(const char *text, const char *other)
{
    struct stint_err err = {0};
    struct cron c, d;
    memset(&c, 0, sizeof(c));
    memset(&d, 0, sizeof(d));
    if (cron_parse(&c, text, &err) || cron_parse(&d, other, &err))
        fail_msg("%s or %s: %s", text, other, err.text);
    if (c.minutes != d.minutes || c.hours != d.hours || c.days != d.days ||
        c.months != d.months || c.weekdays != d.weekdays ||
        c.either != d.either)
        fail_msg("%s is not %s", text, other);
}

static void ways_to_write_the_same(void **state)
{
    (void)state;
    same("@hourly", "0 * * * *");
    same("@daily", "0 0 * * *");
    same(" @Midnight ", "0 0 * * *");
    same("@weekly", "0 0 * * sun");
    same("@monthly", "0 0 1 * *");
    same("@yearly", "0 0 1 1 *");
    same("@annually", "@yearly");
    same(" \t0\t0  * *   * ", "0 0 * * *");
    same("* * * JAN-mar,Dec *", "* * * 1,2,3,12 *");
    same("* * * * 7", "* * * * 0");
    same("* * * * Sun", "* * * * 0");
    same("* * * * 5-7", "* * * * 0,5,6");
    same("* * * * fri-sun", "* * * * 0,5,6");
    same("* * * * sat-sun", "* * * * 6,7");
    same("* * * * 0-7", "* * * * 0-6");
    same("* * * * 1-7/2", "* * * * 0,1,3,5");
    same("* * * * 2/2", "* * * * 2,4,6");
    same("50/5 20/2 29/1 11/1 *", "50,55 20,22 29-31 11,12 *");
    same("*/60 */24 */31 */12 *", "0 0 1 1 *");
    same("10-10 5,5,5 * * *", "10 5 * * *");
    same("007 8 * * *", "7 8 * * *");
}

/* ---- Changes of clocks ------------------------------------------------- */

static void gaps_run_right_after_and_doubled_times_once(void **state)
{
    static const struct example examples[] = {
        {"30 2 * * *", "Europe/Rome", "2026-03-28T00:00:00Z",
         {"2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z",
          "2026-03-30T00:30:00Z"}},
        {"0,20,40 2,3 * * *", "Europe/Rome", "2026-03-29T00:00:00Z",
         {"2026-03-29T01:00:00Z", "2026-03-29T01:20:00Z",
          "2026-03-29T01:40:00Z", "2026-03-30T00:00:00Z"}},
        {"*/15 * * * *", "Europe/Rome", "2026-03-29T00:30:00Z",
         {"2026-03-29T00:45:00Z", "2026-03-29T01:00:00Z",
          "2026-03-29T01:15:00Z"}},
        {"30 2 * * *", "Europe/Rome", "2026-10-24T12:00:00Z",
         {"2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"}},
        /* Asked from within the second 02:00 to 03:00. */
        {"30 2 * * *", "Europe/Rome", "2026-10-25T01:10:00Z",
         {"2026-10-26T01:30:00Z"}},
        {"*/20 * * * *", "Europe/Rome", "2026-10-25T00:20:00Z",
         {"2026-10-25T00:40:00Z", "2026-10-25T02:00:00Z",
          "2026-10-25T02:20:00Z"}},
        {"30 2 * * *", "America/New_York", "2026-03-07T12:00:00Z",
         {"2026-03-08T07:00:00Z", "2026-03-09T06:30:00Z"}},
        {"30 1 * * *", "America/New_York", "2026-10-31T12:00:00Z",
         {"2026-11-01T05:30:00Z", "2026-11-02T06:30:00Z"}},
        /* Half an hour: 02:00 +10:30 to 02:30 +11, and back on 5 April. */
        {"*/10 2 * * *", "Australia/Lord_Howe", "2026-10-03T15:00:00Z",
         {"2026-10-03T15:30:00Z", "2026-10-03T15:40:00Z",
          "2026-10-03T15:50:00Z", "2026-10-04T15:00:00Z"}},
        {"15,45 1,2 * * *", "Australia/Lord_Howe", "2026-04-04T14:00:00Z",
         {"2026-04-04T14:15:00Z", "2026-04-04T14:45:00Z",
          "2026-04-04T15:45:00Z", "2026-04-04T16:15:00Z",
          "2026-04-05T14:45:00Z"}},
        /* A whole day that is not there. */
        {"0 9,12 * * *", "Pacific/Apia", "2011-12-29T20:00:00Z",
         {"2011-12-29T22:00:00Z", "2011-12-30T10:00:00Z",
          "2011-12-30T19:00:00Z", "2011-12-30T22:00:00Z"}},
        {"0 0 30 12 *", "Pacific/Apia", "2011-01-01T00:00:00Z",
         {"2011-12-30T10:00:00Z", "2012-12-29T10:00:00Z"}},
        /* Clocks that skip or repeat midnight. */
        {"0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00Z",
         {"2018-11-04T03:00:00Z", "2018-11-05T02:00:00Z"}},
        {"30 23 * * *", "America/Sao_Paulo", "2018-02-17T12:00:00Z",
         {"2018-02-18T01:30:00Z", "2018-02-19T02:30:00Z"}},
        {"0 0 * * sun", "America/Sao_Paulo", "2018-02-17T12:00:00Z",
         {"2018-02-18T03:00:00Z"}},
        /* Daylight saving below zero: back for Ramadan, on again after. */
        {"30 2 * * *", "Africa/Casablanca", "2026-02-14T12:00:00Z",
         {"2026-02-15T01:30:00Z", "2026-02-16T02:30:00Z"}},
        {"30 2 * * *", "Africa/Casablanca", "2026-03-21T12:00:00Z",
         {"2026-03-22T02:00:00Z", "2026-03-23T01:30:00Z"}},
        {"0 6 * * *", "Asia/Kathmandu", "1985-12-30T12:00:00Z",
         {"1985-12-31T00:30:00Z", "1986-01-01T00:15:00Z"}},
        {"0 0 1 1 *", "Asia/Kathmandu", "1985-06-01T00:00:00Z",
         {"1985-12-31T18:30:00Z", "1986-12-31T18:15:00Z"}},
        /* By the rule in the footer, beyond every table. */
        {"30 2 * * *", "Europe/Rome", "2150-03-28T12:00:00Z",
         {"2150-03-29T01:00:00Z", "2150-03-30T00:30:00Z"}}};
    (void)state;
    need_database();
    EXAMPLES_CHECK(examples);
}

/* ---- Refusals ---------------------------------------------------------- */

static void what_is_refused_is_told_with_its_field(void **state)
{
    static const struct {
        const char *text;
        const char *said; /* in the message */
    } bad[] = {{"", "minute is missing"},
               {" ", "minute is missing"},
               {"* * * *", "day of week is missing"},
               {"* * * * * *", "more than five fields"},
               {"0 0 12 * * ?", "seconds"},
               {"@reboot", "queue a task"},
               {"@dayly", "@daily"},
               {"@", "@daily"},
               {"@daily 5", "nothing may follow"},
               {"60 * * * *", "minute \"60\": a number from 0 to 59"},
               {"0 24 * * *", "hour \"24\": a number from 0 to 23"},
               {"0 0 0 * *", "day of month \"0\": a number from 1 to 31"},
               {"0 0 32 * *", "day of month"},
               {"0 0 * 0 *", "month \"0\": a number from 1 to 12"},
               {"0 0 * 13 *", "month"},
               {"0 0 * * 8", "day of week \"8\": a number from 0 to 7"},
               {"jan * * * *", "minute \"jan\""},
               {"* * * sun *", "month \"sun\""},
               {"* * * * jan", "day of week \"jan\""},
               {"* * * january *", "a name (jan, feb, ...)"},
               {"* * * janu-jun *", "month \"janu-jun\""},
               {"1- * * * *", "minute \"1-\""},
               {"-1 * * * *", "minute \"-1\""},
               {"+1 * * * *", "minute"},
               {"1.5 * * * *", "minute"},
               {"1--2 * * * *", "minute"},
               {"1-2-3 * * * *", "minute"},
               {"99999999999999999999 * * * *", "minute"},
               {"* * 5-1 * *", "ends before it begins"},
               {"* * * dec-feb *", "ends before it begins"},
               {"* * * * fri-mon", "ends before it begins"},
               {", * * * *", "minute \",\": an element"},
               {"1,,2 * * * *", "an element of the list is empty"},
               {"* 1, * * *", "hour \"1,\": an element"},
               {"*/0 * * * *", "a step from 1 to 60"},
               {"*/ * * * *", "a step"},
               {"*/-5 * * * *", "a step"},
               {"*/x * * * *", "a step"},
               {"*/5/5 * * * *", "a step"},
               {"*/61 * * * *", "a step from 1 to 60"},
               {"* */25 * * *", "hour \"*/25\": after / a step from 1 to 24"},
               {"/5 * * * *", "minute \"/5\""},
               {"** * * * *", "minute \"**\""},
               {"*-5 * * * *", "minute \"*-5\""},
               {"* L * * *", "hour \"L\""},
               {"* * * * L", "day of week \"L\""},
               {"* * L-3 * *", "L stands alone"},
               {"* * LW * *", "L stands alone"},
               {"* * L/2 * *", "L stands alone"},
               {"* * 1-L * *", "day of month \"1-L\""},
               {"* * ? * *", "day of month \"?\""},
               {"* * * * mon#1", "day of week"},
               {"* * * * *\n", "day of week"},
               {"0 0 31 2 *", "it would never run"},
               {"0 0 30 2 *", "it would never run"},
               {"0 0 31 4,6,9,11 *", "it would never run"},
               {"0 0 30-31 feb */2", "it would never run"}};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct stint_err err = {0};
        struct cron c;
        if (cron_parse(&c, bad[i].text, &err) == 0)
            fail_msg("\"%s\" is not refused", bad[i].text);
        assert_int_equal(err.code, STINT_INVALID);
        if (strstr(err.text, bad[i].said) == NULL)
            fail_msg("\"%s\": no \"%s\" in \"%s\"", bad[i].text, bad[i].said,
                     err.text);
    }
}

static void text_has_a_limit(void **state)
{
    char text[CRON_TEXT_LEN + 2];
    struct stint_err err = {0};
    struct cron c;
    (void)state;
    memset(text, ' ', sizeof(text));
    memcpy(text, "@daily", 6);
    text[CRON_TEXT_LEN] = '\0';
    assert_int_equal(cron_parse(&c, text, &err), 0);
    text[CRON_TEXT_LEN] = ' ';
    text[CRON_TEXT_LEN + 1] = '\0';
    assert_int_equal(cron_parse(&c, text, &err), -1);
    assert_int_equal(err.code, STINT_INVALID);
}

static void time_has_its_ends(void **state)
{
    static const struct {
        const char *text;
        const char *after;
    } none[] = {{"* * * * *", "9999-12-31T23:59:00Z"},
                {"@yearly", "9999-01-01T00:00:00Z"},
                {"0 0 29 2 *", "9996-02-29T00:00:00Z"}};
    struct stint_err err = {0};
    struct cron c;
    struct zone *z = zone_open("UTC", &err);
    (void)state;
    assert_non_null(z);
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_int_equal(cron_parse(&c, none[i].text, &err), 0);
        assert_true(cron_next_ms(&c, z, time_of(none[i].after)) == -1);
    }
    assert_true(cron_next_ms(&c, z, INT64_MAX) == -1);
    assert_true(cron_next_ms(&c, z, INT64_MIN) ==
                INT64_C(-62035891200000)); /* 29 February of the year 4 */
    assert_int_equal(cron_parse(&c, "* * * * *", &err), 0);
    assert_true(cron_next_ms(&c, z, -1) == 0);
    assert_true(cron_next_ms(&c, z, -60001) == -60000);
    assert_true(cron_next_ms(&c, z, -60000) == 0);
    assert_true(cron_next_ms(&c, z, 0) == 60000);
    zone_close(z);
}

/* ---- The public face --------------------------------------------------- */

static void the_public_function(void **state)
{
    struct stint_cron_options o = STINT_CRON_OPTIONS_INIT;
    struct stint_cron_time times[3];
    struct stint_err err = {0};
    (void)state;
    assert_int_equal(stint_cron_next(&o, times, 3, &err), -1);
    assert_int_equal(err.code, STINT_INVALID);
    o.expression = "@daily";
    o.from = "2026-02-28T00:00:00Z";
    err.code = STINT_OK;
    assert_int_equal(stint_cron_next(&o, times, 3, &err), 0);
    assert_true(times[0].ms == time_of("2026-03-01T00:00:00Z"));
    assert_true(times[2].ms == time_of("2026-03-03T00:00:00Z"));
    assert_int_equal(times[2].offset_s, 0);
    o.from = NULL;
    assert_int_equal(stint_cron_next(&o, times, 1, &err), 0);
    o.from = "yesterday";
    assert_int_equal(stint_cron_next(&o, times, 1, &err), -1);
    assert_int_equal(err.code, STINT_INVALID);
    o.from = "9999-12-30T00:00:00Z";
    err.code = STINT_OK;
    assert_int_equal(stint_cron_next(&o, times, 3, &err), -1);
    assert_int_equal(err.code, STINT_NOT_FOUND);
    need_database();
    o.from = "2026-03-29T00:00:00Z";
    o.expression = "30 2 * * *";
    o.time_zone = "Europe/Rome";
    err.code = STINT_OK;
    assert_int_equal(stint_cron_next(&o, times, 1, &err), 0);
    assert_true(times[0].ms == time_of("2026-03-29T01:00:00Z"));
    assert_int_equal(times[0].offset_s, 7200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_advances_resets_what_is_smaller),
        cmocka_unit_test(days),
        cmocka_unit_test(both_days_are_a_union_unless_one_begins_with_a_star),
        cmocka_unit_test(ways_to_write_the_same),
        cmocka_unit_test(gaps_run_right_after_and_doubled_times_once),
        cmocka_unit_test(what_is_refused_is_told_with_its_field),
        cmocka_unit_test(text_has_a_limit),
        cmocka_unit_test(time_has_its_ends),
        cmocka_unit_test(the_public_function)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
