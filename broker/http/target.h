/* SPDX-License-Identifier: MIT */
/* What a request is about: the path in decoded segments, the query in decoded
 * pairs. Strict: what a browser or a proxy might understand in another way
 * than we do is refused. No I/O, no memory of its own. */
#ifndef STINT_BROKER_TARGET_H
#define STINT_BROKER_TARGET_H

#include <stddef.h>

#include "http_limits.h"

struct target {
    char text[2 * HTTP_TARGET_MAX + 2]; /* all strings below lie in it */
    size_t n_segments;
    const char *segment[HTTP_SEGMENTS_MAX]; /* "/a/b%20c": "a", "b c" */
    size_t n_pairs;
    struct {
        const char *name, *value;
    } pair[HTTP_PAIRS_MAX];
};

/* "/path?query". 0; or the status to refuse it with: 400 (no path, bad
 * escapes, bytes that are no UTF-8, control bytes, "." and ".." and empty
 * segments, "/" or "\" in one, a fragment), 414 (too long, too many). */
int target_parse(struct target *t, const char *text);
/* The first of that name; NULL: none. */
const char *target_query(const struct target *t, const char *name);
/* Does a route's path ("/api/v1/tasks/{id}") fit? {name} takes any segment. */
int target_fits(const struct target *t, const char *path);
/* The segment that {name} of that path stands for; NULL: it has none. */
const char *target_segment(const struct target *t, const char *path,
                           const char *name);

#endif
