/* SPDX-License-Identifier: MIT */
/* Groups as JSON, for more than one answer. */
#ifndef STINT_BROKER_API_GROUPS_H
#define STINT_BROKER_API_GROUPS_H

#include "call.h"

struct api_groups {
    json_t *groups; /* array */
    json_t *totals; /* object: the counts of all of them */
    size_t n_known; /* that hold something, or have workers */
};
/* One group, or all of them: NULL. */
int api_groups_look(stint *s, const char *group, struct api_groups *to,
                    struct stint_err *err);
void api_groups_free(struct api_groups *g);
/* The totals of nothing. */
json_t *api_totals(void);

/* Tasks a group has ended a second, lately (api_history.c); < 0: not known. */
double api_rate(stint *s, const char *group);

#endif
