/* SPDX-License-Identifier: MIT */
/* Time zones. A file of the tz database (TZif, RFC 9636) has a table of the
 * changes of the offset, and in its footer a rule (a POSIX TZ string) for the
 * time after the last of them. Files are read whole and checked byte by byte:
 * whatever is in them, the result is an error or a zone whose offsets are
 * within bounds and whose changes are in order.
 *
 * The C library is no help here: localtime() knows one zone in a process, and
 * only the way from instants to local times. */
#include "zone.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"
#include "zone_rule.h"

/* Changes beyond are as good as never; so sums with offsets fit. */
#define NEVER_S (INT64_C(1) << 60)

struct change {
    int64_t at_s;
    int32_t offset_s; /* from then on */
};

struct zone {
    int32_t first_offset_s; /* before the first change */
    bool has_rule;          /* else the last offset stays */
    struct zone_rule rule;
    size_t n;
    struct change changes[]; /* in ascending order */
};

/* ---- Reading a file ---------------------------------------------------- */

/* The counts of a header; what follows it is in this order but for the last
 * two, which come at the end. */
struct header {
    char version; /* 0, or '2' and later */
    size_t n_is_ut, n_is_std, n_leaps, n_changes, n_types, n_chars;
};
#define HEADER_BYTES 44

static uint32_t big_u32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 |
           p[3];
}

static int32_t big_i32(const unsigned char *p)
{
    int64_t n = big_u32(p);
    return (int32_t)(n <= INT32_MAX ? n : n - (INT64_C(1) << 32));
}

static int64_t big_i64(const unsigned char *p)
{
    int64_t high = big_i32(p);
    return high * (INT64_C(1) << 32) + big_u32(p + 4);
}

/* `bytes` is how much there is. A count over it is refused, and so a sum of
 * them cannot overflow. */
static int header_read(struct header *h, const unsigned char *p, size_t bytes)
{
    size_t *const counts[] = {&h->n_is_ut,   &h->n_is_std, &h->n_leaps,
                              &h->n_changes, &h->n_types,  &h->n_chars};

    if (bytes < HEADER_BYTES || memcmp(p, "TZif", 4) != 0)
        return -1;
    h->version = (char)p[4];
    for (size_t i = 0; i < 6; i++) {
        *counts[i] = big_u32(p + 20 + 4 * i);
        if (*counts[i] > bytes)
            return -1;
    }
    return 0;
}

/* Bytes of the block behind the header, whose times have `width` bytes. */
static size_t header_block_bytes(const struct header *h, size_t width)
{
    return h->n_changes * (width + 1) + h->n_types * 6 + h->n_chars +
           h->n_leaps * (width + 4) + h->n_is_std + h->n_is_ut;
}

/* The offset of a type, or INT32_MAX if it has none that is possible. */
static int32_t type_offset_s(const unsigned char *types, size_t n_types,
                             size_t i)
{
    int32_t offset_s = i < n_types ? big_i32(types + 6 * i) : INT32_MAX;
    bool possible =
        offset_s >= -ZONE_OFFSET_S_MAX && offset_s <= ZONE_OFFSET_S_MAX;
    return possible ? offset_s : INT32_MAX;
}

static int64_t never_s(int64_t s)
{
    return s > NEVER_S ? NEVER_S : s < -NEVER_S ? -NEVER_S : s;
}

/* The block's bytes are known to be there. */
static int zone_read_changes(struct zone *z, const struct header *h,
                             const unsigned char *p, size_t width)
{
    const unsigned char *index = p + h->n_changes * width;
    const unsigned char *types = index + h->n_changes;
    int64_t before_s = INT64_MIN;

    z->first_offset_s = type_offset_s(types, h->n_types, 0);
    if (z->first_offset_s == INT32_MAX)
        return -1;
    for (size_t i = 0; i < h->n_changes; i++) {
        const unsigned char *at = p + i * width;
        int64_t at_s = width == 4 ? big_i32(at) : big_i64(at);
        if (i > 0 && at_s <= before_s)
            return -1;
        before_s = at_s;
        struct change *c = &z->changes[z->n++];
        c->at_s = never_s(at_s);
        c->offset_s = type_offset_s(types, h->n_types, index[i]);
        if (c->offset_s == INT32_MAX)
            return -1;
    }
    return 0;
}

/* "\nRULE\n", where the rule may be empty. */
static int zone_read_footer(struct zone *z, unsigned char *p, size_t bytes)
{
    unsigned char *end = bytes > 1 ? memchr(p + 1, '\n', bytes - 1) : NULL;

    if (!end || *p != '\n')
        return -1;
    *end = '\0';
    if (end == p + 1)
        return 0;
    if (memchr(p + 1, '\0', (size_t)(end - p - 1)) != NULL ||
        zone_rule_read(&z->rule, (const char *)p + 1))
        return -1;
    z->has_rule = true;
    return 0;
}

static struct zone *zone_new(size_t n_changes, struct stint_err *err)
{
    struct zone *z = calloc(1, sizeof(*z) + n_changes * sizeof(struct change));
    if (z == NULL)
        err_set(err, STINT_NOMEM, "no memory for a time zone");
    return z;
}

/* From version 2 on, everything comes a second time in 64 bits, and a footer.
 * What counts leap seconds (right/…) is refused: the epoch has none. */
static struct zone *zone_decode(unsigned char *p, size_t bytes,
                                struct stint_err *err)
{
    struct header h;
    struct zone *z = NULL;
    size_t width = 4;

    if (bytes < 4 || memcmp(p, "TZif", 4) != 0) {
        err_set(err, STINT_INVALID, "no such zone"); /* a list, perhaps */
        return NULL;
    }
    if (header_read(&h, p, bytes))
        goto corrupt;
    if (h.version != 0) {
        size_t skip = HEADER_BYTES + header_block_bytes(&h, 4);
        if (skip > bytes || header_read(&h, p + skip, bytes - skip))
            goto corrupt;
        p += skip;
        bytes -= skip;
        width = 8;
    }
    p += HEADER_BYTES;
    bytes -= HEADER_BYTES;
    size_t block = header_block_bytes(&h, width);
    if (block > bytes)
        goto corrupt;
    if (h.n_leaps > 0) {
        err_set(err, STINT_INVALID, "it counts leap seconds");
        return NULL;
    }
    z = zone_new(h.n_changes, err);
    if (z == NULL)
        return NULL;
    if (zone_read_changes(z, &h, p, width) ||
        (width == 8 && zone_read_footer(z, p + block, bytes - block)))
        goto corrupt;
    return z;
corrupt:
    zone_close(z);
    err_set(err, STINT_SYSTEM, "its file is corrupt");
    return NULL;
}

/* ---- Opening ----------------------------------------------------------- */

static bool name_is_valid(const char *name)
{
    size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                            "abcdefghijklmnopqrstuvwxyz0123456789_+-/");
    return n > 0 && n <= ZONE_NAME_LEN && !name[n] && *name != '/';
}

static int path_open(int dir_fd, const char *path, int flags)
{
    int fd;
    do {
        fd = openat(dir_fd, path, O_RDONLY | O_CLOEXEC | flags);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

/* -1 with errno: no such file. */
static int name_open(const char *name)
{
    const char *dir = getenv("TZDIR");
    if (dir == NULL || !*dir)
        dir = "/usr/share/zoneinfo";
    int dir_fd = path_open(AT_FDCWD, dir, O_DIRECTORY);
    if (dir_fd < 0) {
        if (errno == ENOENT || errno == ENOTDIR)
            errno = ENODEV; /* tells no database from no zone */
        return -1;
    }
    int fd = path_open(dir_fd, name, O_NONBLOCK);
    int saved = errno;
    close(dir_fd);
    errno = saved;
    return fd;
}

/* The bytes of a regular file that is not empty; malloc'ed. */
static unsigned char *file_read(int fd, size_t *bytes, struct stint_err *err)
{
    struct stat st;
    if (fstat(fd, &st)) {
        err_errno(err, "fstat");
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        err_set(err, STINT_INVALID, "no such zone");
        return NULL;
    }
    if (st.st_size <= 0 || st.st_size > ZONE_FILE_BYTES_MAX) {
        err_set(err, STINT_SYSTEM, "its file is corrupt");
        return NULL;
    }
    size_t size = (size_t)st.st_size;
    unsigned char *p = malloc(size);
    if (p == NULL) {
        err_set(err, STINT_NOMEM, "no memory for a time zone");
        return NULL;
    }
    *bytes = 0;
    while (*bytes < size) {
        ssize_t n = read(fd, p + *bytes, size - *bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err_errno(err, "read");
            free(p);
            return NULL;
        }
        if (n == 0)
            break; /* a file that shrank fails when it is decoded */
        *bytes += (size_t)n;
    }
    return p;
}

static struct zone *zone_load(const char *name, struct stint_err *err)
{
    int fd = name_open(name);
    if (fd < 0) {
        if (errno == ENODEV)
            err_set(err, STINT_SYSTEM,
                    "this host has no database of time zones (package "
                    "tzdata)");
        else if (errno == ENOENT || errno == ENOTDIR)
            err_set(err, STINT_INVALID, "no such zone");
        else
            err_errno(err, "open");
        return NULL;
    }
    struct zone *z = NULL;
    size_t bytes = 0;
    unsigned char *p = file_read(fd, &bytes, err);
    if (p != NULL)
        z = zone_decode(p, bytes, err);
    free(p);
    close(fd);
    return z;
}

struct zone *zone_open(const char *name, struct stint_err *err)
{
    if (!name_is_valid(name)) {
        err_set(err, STINT_INVALID,
                "time zone \"%.*s\": a name like Europe/Rome is wanted",
                ZONE_NAME_LEN, name);
        return NULL;
    }
    if (!strcmp(name, "UTC") || !strcmp(name, "Etc/UTC"))
        return zone_new(0, err);
    struct zone *z = zone_load(name, err);
    if (z == NULL)
        err_wrap(err, "time zone %s", name);
    return z;
}

void zone_close(struct zone *z)
{
    free(z);
}

/* ---- Asking ------------------------------------------------------------ */

void zone_span_at(const struct zone *z, int64_t at_s, struct zone_span *span)
{
    size_t low = 0, high = z->n; /* changes before low are not later */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (z->changes[middle].at_s <= at_s)
            low = middle + 1;
        else
            high = middle;
    }
    span->from_s = low > 0 ? z->changes[low - 1].at_s : INT64_MIN;
    span->until_s = low < z->n ? z->changes[low].at_s : INT64_MAX;
    span->offset_s = low > 0 ? z->changes[low - 1].offset_s : z->first_offset_s;
    if (low == z->n && z->has_rule)
        zone_rule_span(&z->rule, at_s, span);
}

/* Longer ago than offsets can differ, no clock has shown a later time. */
int64_t zone_latest_local_s(const struct zone *z, int64_t at_s)
{
    const int64_t long_ago_s = at_s - 2 * ZONE_OFFSET_S_MAX;
    struct zone_span span;

    zone_span_at(z, at_s, &span);
    int64_t latest_s = at_s + span.offset_s;
    while (span.from_s > long_ago_s) {
        int64_t last_s = span.from_s - 1;
        zone_span_at(z, last_s, &span);
        if (last_s + span.offset_s > latest_s)
            latest_s = last_s + span.offset_s;
    }
    return latest_s;
}

int64_t zone_first_s(const struct zone *z, int64_t local_s)
{
    int64_t at_s = local_s - ZONE_OFFSET_S_MAX; /* not before this one */
    struct zone_span span;

    for (;;) { /* ends: the spans grow, and their offsets are bounded */
        zone_span_at(z, at_s, &span);
        if (local_s - span.offset_s > at_s)
            at_s = local_s - span.offset_s;
        if (at_s < span.until_s)
            return at_s;
        at_s = span.until_s;
    }
}
