/* SPDX-License-Identifier: MIT */
/* The Gregorian calendar, also for the years before it began. */
#ifndef STINT_CORE_CALENDAR_H
#define STINT_CORE_CALENDAR_H

#include <stdint.h>

#define DAY_S 86400 /* seconds of a day */

struct day {
    int year;
    int month; /* 1 to 12 */
    int day;   /* 1 to 31 */
};

/* Days from 1970-01-01; those of a day of the year 10000 and of the year 0
 * are fine too. */
int64_t day_number(struct day d);
struct day day_from_number(int64_t number);
/* 0: Sunday, to 6. */
int day_weekday(int64_t number);
int month_length(int year, int month);
/* The number of the day a time (in seconds from 1970) lies in. */
int64_t day_of_time(int64_t at_s);

#endif
