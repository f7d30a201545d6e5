/* SPDX-License-Identifier: MIT */
/* Inside of stint_fsck and stint_repair: what the walk of the groups, the walk
 * of the keys' names and the mending of dependencies share. */
#ifndef STINT_LIB_FSCK_H
#define STINT_LIB_FSCK_H

#include "client.h"

#define FSCK_STEP 500 /* ids or names a call, about */

struct fsck {
    struct stint *s;
    const struct stint_repair_options *o; /* borrowed */
    struct stint_repaired sum;
    const char *group; /* at hand; NULL: the fleet */
    int part, parts;   /* of the group at hand */
    group_name *groups;
    size_t n_groups;
};

/* Tells of a fault. What: as lua/repair.lua says it; NULL: nothing was done. */
void fsck_tell(struct fsck *f, const char *group, const char *fault,
               const char *what);
/* The faults of a reply from its element `at` on: one string each, or two in a
 * repair. Goes on with those that a script could not mend alone. */
int fsck_hear(struct fsck *f, const char *base, const struct redisReply *r,
              size_t at, struct stint_err *err);
/* Walks one set, or all of them from key 1 and cursor "0"; base NULL: the
 * fleet. */
int fsck_walk(struct fsck *f, const char *base, int64_t key,
              const char *cursor, struct stint_err *err);

/* Looks at the names of all keys of the namespace. */
int fsck_keys(struct fsck *f, struct stint_err *err);

/* Whom a task waits for, anew from what was queued. *what: as of
 * lua/repair.lua. -1: err. */
int repair_parents(struct fsck *f, const char *base, const char *id,
                   const char **what, struct stint_err *err);

#endif
