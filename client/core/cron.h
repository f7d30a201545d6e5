/* SPDX-License-Identifier: MIT */
/* Cron expressions: "minute hour day-of-month month day-of-week".
 *
 * A field is a list of `*`, `n`, `a-b`, each with a step if wanted: `*` and a
 * number with a step (`a/n`, from a on) run to the end of the field. Months
 * and days of the week have names (jan, sun; any case); Sunday is 0 and 7, and
 * a range may end with it (`fri-sun`). `L` in a list of days of the month is
 * the last one. @hourly, @daily, @midnight, @weekly, @monthly, @yearly and
 * @annually stand for a whole expression.
 *
 * As in Vixie's cron, a day matches by its day of the month or by its day of
 * the week if both fields are restricted; a field that begins with `*` is not,
 * and then a day has to match both.
 *
 * With a time zone, an expression runs at the first instant at which the
 * zone's clocks show a matching time, or have passed one. So what falls into
 * the gap of a clock change runs once, right after it; and a time that comes
 * twice counts the first time only. That holds for `*` as well: each local
 * time runs once, and an hourly task rests for the hour that is repeated. */
#ifndef STINT_CORE_CRON_H
#define STINT_CORE_CRON_H

#include <stdbool.h>
#include <stdint.h>

#include <stint/stint.h>

#include "zone.h"

#define CRON_TEXT_LEN 500 /* bytes; all minutes, hours, days by name: 400 */

/* A value: bit n of a set is the number n. Every set has a member, and some
 * date matches them all. */
struct cron {
    uint64_t minutes;
    uint32_t hours;
    uint32_t days; /* of the month; bit 0: the last one */
    uint32_t months;
    uint32_t weekdays; /* 0 to 6 */
    bool either;       /* a match of days or of weekdays is enough */
};

/* Errors: INVALID; the text names the field and what is wrong with it. What
 * could never run (`0 0 30 2 *`) is refused too. */
int cron_parse(struct cron *c, const char *text, struct stint_err *err)
    __attribute__((warn_unused_result));

/* The first run strictly after that instant, in ms since the epoch; what is
 * before the year 1 counts as that. -1: none before the year 10000. Otherwise
 * there is one within 40 years, and it takes microseconds to find. */
int64_t cron_next_ms(const struct cron *c, const struct zone *z,
                     int64_t after_ms);

#endif
