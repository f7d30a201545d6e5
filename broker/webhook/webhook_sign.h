/* SPDX-License-Identifier: MIT */
/* What of webhooks needs OpenSSL: the signature, and https. */
#ifndef STINT_BROKER_WEBHOOK_SIGN_H
#define STINT_BROKER_WEBHOOK_SIGN_H

#include <stddef.h>
#include <stdint.h>

struct bufferevent;
struct event_base;

#define WEBHOOK_SIGNATURE_LEN 100

int webhook_can_sign(void);
int webhook_can_https(void);

/* "t=SECONDS,v1=HEX": HMAC-SHA256 of "SECONDS.BODY". 0, or -1. */
int webhook_sign(char text[static WEBHOOK_SIGNATURE_LEN + 1],
                 const void *secret, size_t secret_len, int64_t now_s,
                 const char *body, size_t len);

/* TLS contexts for the calls of a program: one; NULL: there is none, or it could
 * not be made. */
struct webhook_tls;
struct webhook_tls *webhook_tls_open(void);
void webhook_tls_close(struct webhook_tls *t);
/* A connection that checks the certificate against the system's authorities and
 * that it is the host's. NULL: no. */
struct bufferevent *webhook_tls_connect(struct webhook_tls *t,
                                        struct event_base *base,
                                        const char *host);

#endif
