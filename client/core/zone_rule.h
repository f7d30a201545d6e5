/* SPDX-License-Identifier: MIT */
/* The rule of a time zone for all years: a POSIX TZ string, as in
 * "CET-1CEST,M3.5.0,M10.5.0/3", with the extensions of RFC 9636. */
#ifndef STINT_CORE_ZONE_RULE_H
#define STINT_CORE_ZONE_RULE_H

#include <stdbool.h>
#include <stdint.h>

#include "zone.h"

/* A day of the year in a rule. */
struct rule_day {
    enum { RULE_JULIAN, RULE_ZERO, RULE_WEEKDAY } kind; /* Jn, n, Mm.w.d */
    int month;
    int week;       /* 5: the last */
    int day;        /* of the week, or of the year */
    int64_t time_s; /* local, after midnight; may be negative or days long */
};

struct zone_rule {
    int32_t std_offset_s;
    int32_t dst_offset_s;
    bool has_dst; /* else the rest is unset */
    struct rule_day dst_starts, dst_ends;
};

/* Daylight saving without its days is refused: which they are, is the
 * system's affair. -1: no such rule. */
int zone_rule_read(struct zone_rule *r, const char *text);
/* Cuts a span around the instant down to where the rule has one offset, and
 * sets that. */
void zone_rule_span(const struct zone_rule *r, int64_t at_s,
                    struct zone_span *span);

#endif
