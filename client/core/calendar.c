/* SPDX-License-Identifier: MIT */
#include "calendar.h"

#include <stdbool.h>

/* Counted in years that begin in March, so that the leap day is the last. */
int64_t day_number(struct day d)
{
    int64_t year = (int64_t)d.year - (d.month <= 2);
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year =
        (153 * (d.month + (d.month > 2 ? -3 : 9)) + 2) / 5 + d.day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
           719468;
}

struct day day_from_number(int64_t number)
{
    int64_t n = number + 719468;
    int64_t era = (n >= 0 ? n : n - 146096) / 146097;
    int64_t of_era = n - era * 146097;
    int64_t year =
        (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int month = (int)((5 * of_year + 2) / 153); /* 0: March */
    struct day d;
    d.day = (int)(of_year - (153 * month + 2) / 5) + 1;
    d.month = month < 10 ? month + 3 : month - 9;
    d.year = (int)(year + era * 400) + (d.month <= 2);
    return d;
}

int day_weekday(int64_t number)
{
    return (int)(((number + 4) % 7 + 7) % 7);
}

int month_length(int year, int month)
{
    static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

int64_t day_of_time(int64_t at_s)
{
    return (at_s >= 0 ? at_s : at_s - DAY_S + 1) / DAY_S;
}
