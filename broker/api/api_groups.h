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

/* How fast they are lately: an object, to be freed, of objects by the group's
 * name (api_history.c). */
int api_rates(stint *s, const char *group, json_t **by_name,
              struct stint_err *err);

#endif
