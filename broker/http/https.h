/* SPDX-License-Identifier: MIT */
/* TLS 1.2 and later, where libevent and OpenSSL were there when this was
 * built. */
#ifndef STINT_BROKER_HTTPS_H
#define STINT_BROKER_HTTPS_H

#include <stint/base.h>

struct bufferevent;
struct event_base;
struct https;

/* The certificate with its chain and its key, PEM; the key must not be readable
 * by others. Errors: INVALID (the files; built without), NOMEM. */
struct https *https_new(const char *certificate_path, const char *key_path,
                    struct stint_err *err);
/* The server's side of a connection that has none yet; NULL: out of memory. */
struct bufferevent *https_accept(struct https *t, struct event_base *base);
void https_free(struct https *t); /* NULL is fine */

#endif
