/* SPDX-License-Identifier: MIT */
#include "routes.h"

#include <stdio.h>
#include <string.h>

#include "handle.h"
#include "target.h"

static const struct route routes[] = {
    {"GET", "/healthz", ROLE_NONE, ROUTE_OPEN | ROUTE_INLINE, handle_healthz},
    {"GET", "/api/v1", ROLE_READ, 0, handle_root},
};
#define ROUTES (sizeof(routes) / sizeof(*routes))

const struct route *route_at(size_t i)
{
    return i < ROUTES ? &routes[i] : NULL;
}

static void allow_add(char allow[static 64], const char *method)
{
    size_t n = strlen(allow);
    snprintf(allow + n, 64 - n, "%s%s", n > 0 ? ", " : "", method);
}

const struct route *route_find(const char *method, const struct target *t,
                               char allow[static 64])
{
    const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
    allow[0] = '\0';
    for (size_t i = 0; i < ROUTES; i++) {
        if (!target_fits(t, routes[i].path))
            continue;
        if (strcmp(routes[i].method, wanted) == 0)
            return &routes[i];
        if (strcmp(routes[i].method, "GET") == 0)
            allow_add(allow, "GET, HEAD");
        else
            allow_add(allow, routes[i].method);
    }
    if (allow[0] != '\0')
        allow_add(allow, "OPTIONS");
    return NULL;
}
