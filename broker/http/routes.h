/* SPDX-License-Identifier: MIT */
/* The table of all routes. */
#ifndef STINT_BROKER_ROUTES_H
#define STINT_BROKER_ROUTES_H

#include "call.h"

struct target;

/* NULL: there is no i-th. */
const struct route *route_at(size_t i);
/* The one for a request; HEAD is answered by GET's. NULL: none, and *allow is
 * the methods that the path has ("GET, POST"), "" for no such path. */
const struct route *route_find(const char *method, const struct target *t,
                               char allow[static 64]);

#endif
