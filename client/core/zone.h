/* SPDX-License-Identifier: MIT */
/* Time zones by the system's tz database, and the calendar.
 *
 * An *instant* is in seconds since the epoch. A *local time* is what the
 * clocks of a zone show, as the instant at which UTC shows the same. The two
 * differ by the offset: local = instant + offset, east of Greenwich positive.
 * Local times are skipped where clocks go forward, and come twice where they
 * go back. There is no state but the zone itself: TZ and tzset() are not
 * touched, and a zone may be read by any number of threads. Instants and local
 * times asked about lie within the years 1 to 9999. */
#ifndef STINT_CORE_ZONE_H
#define STINT_CORE_ZONE_H

#include <stdint.h>

#include <stint/stint.h>

#define ZONE_NAME_LEN       64            /* the longest now has 32 bytes */
#define ZONE_FILE_BYTES_MAX (1024 * 1024) /* the largest now has 4 KB */
#define ZONE_OFFSET_S_MAX   (26 * 3600)   /* either way; a format's limit */

struct zone;

/* Reads a zone, by its IANA name, below $TZDIR or else /usr/share/zoneinfo.
 * "UTC" and "Etc/UTC" need no database. Free with zone_close. Errors: INVALID
 * (no such zone, or no name of one), SYSTEM (no database, or its file is not
 * readable or corrupt), NOMEM. */
struct zone *zone_open(const char *name, struct stint_err *err)
    __attribute__((warn_unused_result));
/* NULL is fine. */
void zone_close(struct zone *z);

/* A stretch of time with one offset. Two neighbours may have the same. */
struct zone_span {
    int64_t from_s;   /* its first instant; INT64_MIN: always was so */
    int64_t until_s;  /* the first instant after it; INT64_MAX: no end */
    int32_t offset_s; /* local - instant, within +-ZONE_OFFSET_S_MAX */
};
/* The span an instant lies in. */
void zone_span_at(const struct zone *z, int64_t at_s, struct zone_span *span);

/* The latest local time that the clocks have shown up to that instant, with
 * it. While clocks repeat an hour, that is the end of it. */
int64_t zone_latest_local_s(const struct zone *z, int64_t at_s);
/* The first instant at which the clocks show that local time, or a later one:
 * of a doubled local time the first, of a skipped one the first instant after
 * the gap. Never falls when the local time grows. An instant t is after
 * zone_first_s(z, l) or at it if and only if zone_latest_local_s(z, t) >= l. */
int64_t zone_first_s(const struct zone *z, int64_t local_s);

#endif
