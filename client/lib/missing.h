/* SPDX-License-Identifier: MIT */
/* A part of a cluster may be away while one looks at all groups: the others are
 * shown all the same, and the error at the end names what is missing. */
#ifndef STINT_LIB_MISSING_H
#define STINT_LIB_MISSING_H

#include "client.h"

struct missing {
    struct stint *s;    /* borrowed */
    int64_t timeout_ms; /* the handle's own */
    int n;              /* groups that are missing */
    char names[120];    /* the first of them, separated by blanks */
    struct stint_err first;
};

/* all: more than one group was asked for; if not, the handle's whole time is
 * for that one. */
void missing_init(struct missing *m, struct stint *s, int all);
/* rc: of looking at the group, with its err. A group that cannot be reached is
 * noted, and 0 returned with err cleared; the next ones are not waited for so
 * long. Anything else: rc. Of one Redis that is no cluster: rc. */
int missing_note(struct missing *m, const char *group, int rc,
                 struct stint_err *err);
/* After the last group, always: the handle is as before. rc, or -1 and err if
 * groups are missing. */
int missing_end(struct missing *m, int rc, struct stint_err *err);

/* `each` for `group`, or (NULL) for every group there is, until it returns
 * something other than 0; groups that are missing are told of at the end. 0, or
 * -1 and err. */
int missing_each_group(struct stint *s, const char *group,
                       int (*each)(struct stint *s, const char *group,
                                   void *arg, struct stint_err *err),
                       void *arg, struct stint_err *err);

#endif
