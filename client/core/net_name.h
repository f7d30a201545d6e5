/* SPDX-License-Identifier: MIT */
/* Looking up a name without waiting for it: getaddrinfo knows all that the
 * system is set up for, but may take many seconds, so it runs in a thread of
 * its own, for as long as it takes. An address needs no thread. */
#ifndef STINT_CORE_NET_NAME_H
#define STINT_CORE_NET_NAME_H

#include <stint/stint.h>

#define NAME_ADDRESSES_MAX 8
#define NAME_ADDRESS_CAP   128 /* an address as text */

struct name_query;

/* Begins. NULL: *err (UNREACHABLE, NOMEM). */
struct name_query *name_query_start(const char *host, struct stint_err *err);
/* Becomes readable when there is an answer; the query's. */
int name_query_fd(const struct name_query *q);
int name_query_is_answered(const struct name_query *q);
/* The k-th address, going round (IPv4 first), as text; borrowed. Only when fd
 * was readable. NULL: *err (UNREACHABLE: the resolver's reason). */
const char *name_query_address(const struct name_query *q, unsigned k,
                               struct stint_err *err);
/* Whether it has been answered or not; NULL is fine. */
void name_query_free(struct name_query *q);

#endif
