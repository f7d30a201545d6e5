/* SPDX-License-Identifier: MIT */
/* Times as people write them. */
#ifndef STINT_CORE_TIME_TEXT_H
#define STINT_CORE_TIME_TEXT_H

#include <stddef.h>
#include <stdint.h>

#define TIME_TEXT_LEN 40

/* Reads "now", "+45s", "-60s", "+2h" (units ms s m h d w, fraction allowed,
 * no unit: seconds), RFC 3339 with zone, or seconds since the epoch with
 * fraction. *relative = 1: *ms is an offset to Redis's clock; 0: *ms is since
 * the epoch. Range: years 1970 to 9999. -1: not a time. */
int time_text_read(const char *text, int64_t *ms, int *relative);
/* RFC 3339 in UTC with milliseconds: "2026-11-23T20:02:50.123Z". */
void time_text_write(int64_t ms, char text[static TIME_TEXT_LEN]);

#endif
