/* SPDX-License-Identifier: MIT */
/* What a handle knows of groups in parts: how many parts each has, and so where
 * a task lives. It begins with one part and is corrected by Redis: queue_task
 * refuses another number, and who does not find a task asks. Names of parts
 * (main~3) stay inside the library. */
#ifndef STINT_LIB_PARTS_H
#define STINT_LIB_PARTS_H

#include "client.h"

struct group_known {
    group_name name;
    int parts;
    int sure;       /* Redis's parts said so, not only the fleet's copy */
    int64_t heard_ms; /* when they did */
    int registered; /* the fleet knows it, with so many parts */
};

/* How many parts the group has, as far as is known. */
int parts_of(const struct stint *s, const char *group);
/* Keeps what was heard; what is sure goes before what is not. 1: it is news,
 * 0: it is not, -1: out of memory. */
int parts_learn(struct stint *s, const char *group, int n, int sure);
/* Asks Redis. 1: it is another number than was known, 0: the same, -1: err. */
int parts_refresh(struct stint *s, const char *group, struct stint_err *err);
/* A task was looked for in `group` (NULL: in all) and not found. 1: there is
 * news and it is worth another look; *err is cleared then. */
int parts_look_again(struct stint *s, const char *group, struct stint_err *err);
/* The part in which a task of that id lives. */
void parts_route(const struct stint *s, const char *group, const char *id,
                 group_name base);
/* What the handle knows of a group; a new row if need be, which stays where it
 * is as long as the handle. NULL: out of memory. */
struct group_known *parts_row(struct stint *s, const char *group);

#endif
