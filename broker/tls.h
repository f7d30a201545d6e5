/* SPDX-License-Identifier: MIT */
/* TLS 1.2 and later, where libevent and OpenSSL were there when this was
 * built. */
#ifndef STINT_BROKER_TLS_H
#define STINT_BROKER_TLS_H

#include <stint/base.h>

struct bufferevent;
struct event_base;
struct tls;

/* The certificate with its chain and its key, PEM; the key must not be readable
 * by others. Errors: INVALID (the files; built without), NOMEM. */
struct tls *tls_new(const char *certificate_path, const char *key_path,
                    struct stint_err *err);
/* The server's side of a connection that has none yet; NULL: out of memory. */
struct bufferevent *tls_accept(struct tls *t, struct event_base *base);
void tls_free(struct tls *t); /* NULL is fine */

#endif
