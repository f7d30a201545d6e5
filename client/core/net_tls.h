/* SPDX-License-Identifier: MIT */
/* TLS on a connection of hiredis, as a URL asks for it: at least 1.2, with the
 * server's chain and name verified; there is no way to leave that out, and
 * nothing ever goes on without TLS. hiredis 1.0 and its libhiredis_ssl are
 * needed; without them (STINT_HAVE_TLS) this refuses. Files are read at each
 * connect: certificates are renewed without a restart. */
#ifndef STINT_CORE_NET_TLS_H
#define STINT_CORE_NET_TLS_H

#include <stint/stint.h>

struct conf;
struct redisContext;
struct tls;

/* A format for the scheme's name. */
#define TLS_MISSING                                                            \
    "%s needs TLS, and this Stint was built without it: it takes hiredis 1.0 " \
    "or newer with libhiredis_ssl. Build it with that, or let stunnel encrypt "\
    "(stint(1), TLS)"

int tls_is_built(void);

/* Begins on a connected context, which must be non-blocking meanwhile. NULL:
 * *err (INVALID: what a file lacks; AUTH: the server's certificate is refused;
 * UNREACHABLE: what else the server did). */
struct tls *tls_start(struct redisContext *c, const struct conf *conf,
                      struct stint_err *err);
/* Goes on as far as it can. -1: *err (AUTH, UNREACHABLE; the connection is of
 * no use). After TLS_READ and TLS_WRITE: again when the socket is ready for it. */
enum tls_step { TLS_DONE, TLS_READ, TLS_WRITE };
int tls_shake(struct tls *t, struct stint_err *err);
/* 1: there is more to read, though the socket may not say so. */
int tls_has_more(const struct tls *t);
/* c was read: once there are bytes of Redis's, the server has taken us. */
void tls_heard(struct tls *t, const struct redisContext *c);
/* Why a read or write failed, if it was TLS, else `otherwise`. */
const char *tls_reason(const struct tls *t, const char *otherwise);
/* After redisFree. NULL is fine. */
void tls_free(struct tls *t);

#endif
