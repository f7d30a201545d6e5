/* SPDX-License-Identifier: MIT */
/* Times as people write them, and those that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "time_text.h"

static void test_read(void **state)
{
    static const struct {
        const char *text;
        int64_t ms;
        int relative;
    } good[] = {{"now", 0, 1},
                {"+45s", 45000, 1},
                {"-60s", -60000, 1},
                {"+2h", 7200000, 1},
                {"+1.5", 1500, 1},
                {"+250ms", 250, 1},
                {"+3m", 180000, 1},
                {"-0.5d", -43200000, 1},
                {"+1w", 604800000, 1},
                {"0", 0, 0},
                {"1700000000.1239", INT64_C(1700000000123), 0},
                {"1970-01-01T00:00:00Z", 0, 0},
                {"2024-02-29 12:00:00.5+02:00", INT64_C(1709200800500), 0},
                {"2000-02-29T00:00:00-00:30", INT64_C(951784200000), 0},
                {"2016-12-31T23:59:60Z", INT64_C(1483228800000), 0},
                {"9999-12-31T23:59:59.999Z", INT64_C(253402300799999), 0}};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t ms;
        int relative;
        assert_int_equal(time_text_read(good[i].text, &ms, &relative), 0);
        assert_true(ms == good[i].ms);
        assert_int_equal(relative, good[i].relative);
    }
}

static void test_refused(void **state)
{
    static const char *const bad[] = {
        "", "+", "-", "nowx", "+s", "+1x", "+1.s", "+.5s", "1.", "1e9", " 1",
        "+99999999999999w", "99999999999999999999", "253402300800",
        "2023-02-29T00:00:00Z", "1900-02-29T00:00:00Z", "2024-13-01T00:00:00Z",
        "2024-01-00T00:00:00Z", "2024-04-31T00:00:00Z", "2024-01-01",
        "2024-01-01T24:00:00Z", "2024-01-01T00:60:00Z", "2024-01-01T00:00:00",
        "2024-01-01T00:00:00.Z", "2024-01-01T00:00:00Zx",
        "2024-01-01T00:00:00+2:00", "2024-01-01T00:00:00+24:00",
        "1969-12-31T23:59:59Z", "1970-01-01T00:00:00+00:01"};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t ms;
        int relative;
        assert_int_equal(time_text_read(bad[i], &ms, &relative), -1);
    }
}

static void test_write(void **state)
{
    char text[TIME_TEXT_LEN];

    (void)state;
    time_text_write(INT64_C(1709200800005), text);
    assert_string_equal(text, "2024-02-29T10:00:00.005Z");
    time_text_write(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_write)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
