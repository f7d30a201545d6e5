/* SPDX-License-Identifier: MIT */
/* Which tasks are meant: the same words in a query and in a body. */
#ifndef STINT_BROKER_API_FILTER_H
#define STINT_BROKER_API_FILTER_H

#include "call.h"

/* The names, for api_takes. */
#define API_FILTER                                                             \
    "status group_name function id task_name tag error text from until "       \
    "scheduled"

/* Reads them, and answers with a problem if one is wrong (false). Borrowed of
 * the request. What only the library can judge it refuses later. */
bool api_filter_query(struct call *c, struct stint_search_options *o);
bool api_filter_body(struct call *c, const json_t *filter,
                     struct stint_search_options *o);

#endif
