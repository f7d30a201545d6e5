/* SPDX-License-Identifier: MIT */
/* Files of the tz database, which a host's administrator may have broken, and a
 * cron expression in such a zone. The input is the file. Laws of zone.h: a span
 * holds its instant, offsets are within bounds, and an instant is at or after
 * zone_first_s(l) if and only if its latest local time is l or more. */
#define _GNU_SOURCE /* memfd_create */
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"

#include "cron.h"
#include "zone.h"

static const int64_t instants_s[] = {
    INT64_C(-62135596800), -2000000000, -1, 0, 86400 * 90, 1000000000,
    1143334799, 1143334800, 1700000000, INT64_C(4102444800),
    INT64_C(253402300799)};
#define INSTANTS (sizeof(instants_s) / sizeof(*instants_s))

static void instant_check(const struct zone *z, int64_t at_s)
{
    struct zone_span span;
    zone_span_at(z, at_s, &span);
    must(span.from_s <= at_s && at_s < span.until_s);
    must(span.offset_s >= -ZONE_OFFSET_S_MAX &&
         span.offset_s <= ZONE_OFFSET_S_MAX);
    int64_t latest_s = zone_latest_local_s(z, at_s);
    for (int64_t off_s = -3600; off_s <= 3600; off_s += 1200) {
        int64_t first_s = zone_first_s(z, latest_s + off_s);
        must((at_s >= first_s) == (off_s <= 0));
    }
}

static void cron_check(const struct zone *z)
{
    struct stint_err err = {0};
    struct cron c;
    int64_t ms = INT64_C(1143000000000);
    must(cron_parse(&c, "30 2 * * *", &err) == 0);
    for (int i = 0; i < 10; i++) {
        int64_t next_ms = cron_next_ms(&c, z, ms);
        must(next_ms > ms);
        ms = next_ms;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int fd = -1;
    char name[16];
    struct stint_err err = {0};
    if (fd < 0) {
        fd = memfd_create("zone", MFD_CLOEXEC);
        must(fd >= 0);
        setenv("TZDIR", "/proc/self/fd", 1);
    }
    must(ftruncate(fd, 0) == 0);
    must(pwrite(fd, data, size, 0) == (ssize_t)size);
    snprintf(name, sizeof(name), "%d", fd);
    struct zone *z = zone_open(name, &err);
    if (z == NULL) {
        must(err.code == STINT_INVALID || err.code == STINT_SYSTEM);
        must(err.text[0] != '\0');
        return 0;
    }
    for (size_t i = 0; i < INSTANTS; i++)
        instant_check(z, instants_s[i]);
    cron_check(z);
    zone_close(z);
    return 0;
}
