/* SPDX-License-Identifier: MIT */
/* The server in memory behind "memory:". It lives in a module of its own, to
 * be loaded when one is wanted: libstint itself does not depend on Lua. */
#ifndef STINT_CORE_MEMORY_LINK_H
#define STINT_CORE_MEMORY_LINK_H

#include <stint/stint.h>

#include "memory_api.h"

#define MEMORY_URL "memory:"

/* One user's hold on a server; all zero: none. */
struct memory_link {
    void *module;                 /* of dlopen */
    const struct memory_api *api;
    struct memory *server;
};

/* Is this what stint_open is asked for? url NULL or "": what STINT_URL says. */
int memory_is_url(const char *url);
/* Loads the module and makes a server. Errors: INVALID (no such module, or of
 * another version), NOMEM. */
int memory_link_open(struct memory_link *l, struct stint_err *err);
/* Another hold on the same server. Errors: as above. */
int memory_link_share(struct memory_link *l, const struct memory_link *of,
                      struct stint_err *err);
void memory_link_close(struct memory_link *l); /* all zero is fine */

/* client/lib: of a handle; NULL: it is one on a real Redis. */
struct memory_link *client_memory(stint *s);
const char *client_name_space(const stint *s);

#endif
