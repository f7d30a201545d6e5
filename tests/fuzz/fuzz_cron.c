/* SPDX-License-Identifier: MIT */
/* Cron expressions. The oracle: what comes next by the sets that were parsed is
 * found by walking minute by minute over a plain calendar, and an expression
 * written from the sets in plain numbers parses to the same ones. */
#include <time.h>

#include "fuzz.h"

#include "cron.h"

#define WALK_MINUTES 3000
#define FROM_S       INT64_C(1709078400) /* two days before a leap day's end */

static int is_last(const struct tm *t)
{
    time_t s = timegm(&(struct tm){.tm_year = t->tm_year, .tm_mon = t->tm_mon,
                                   .tm_mday = t->tm_mday, .tm_hour = 12});
    struct tm next;
    s += 86400;
    return gmtime_r(&s, &next) != NULL && next.tm_mday == 1;
}

static int matches(const struct cron *c, int64_t at_s)
{
    struct tm t;
    time_t s = (time_t)at_s;
    must(gmtime_r(&s, &t) != NULL);
    int day = (c->days >> t.tm_mday & 1) || ((c->days & 1) && is_last(&t));
    int weekday = c->weekdays >> t.tm_wday & 1;
    return (c->minutes >> t.tm_min & 1) && (c->hours >> t.tm_hour & 1) &&
           (c->months >> (t.tm_mon + 1) & 1) &&
           (c->either ? day || weekday : day && weekday);
}

static void list_write(char *to, size_t room, uint64_t set, int first, int last)
{
    size_t len = 0;
    for (int i = first; i <= last; i++)
        if (set >> i & 1)
            len += (size_t)snprintf(to + len, room - len, "%s%d",
                                    len > 0 ? "," : "", i);
}

/* Not for days of both kinds: whether a field was a star is not in the sets. */
static void rewrite_check(const struct cron *c)
{
    char minutes[200] = "", hours[100] = "", months[60] = "", text[400];
    struct stint_err err = {0};
    struct cron again;
    list_write(minutes, sizeof(minutes), c->minutes, 0, 59);
    list_write(hours, sizeof(hours), c->hours, 0, 23);
    list_write(months, sizeof(months), c->months, 1, 12);
    snprintf(text, sizeof(text), "%s %s * %s *", minutes, hours, months);
    must(cron_parse(&again, text, &err) == 0);
    must(again.minutes == c->minutes && again.hours == c->hours &&
         again.months == c->months);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct zone *utc;
    struct stint_err err = {0};
    struct cron c;
    char *text = text_of(data, size);
    if (utc == NULL)
        utc = zone_open("UTC", &err);
    must(utc != NULL);
    if (cron_parse(&c, text, &err)) {
        must(err.code == STINT_INVALID && err.text[0] != '\0');
    } else {
        int64_t next_s = cron_next_ms(&c, utc, FROM_S * 1000) / 1000;
        must(next_s > FROM_S && matches(&c, next_s));
        for (int64_t i = 1; i < WALK_MINUTES; i++) {
            int64_t at_s = FROM_S + i * 60;
            if (at_s >= next_s)
                break;
            must(!matches(&c, at_s));
        }
        rewrite_check(&c);
    }
    free(text);
    return 0;
}
