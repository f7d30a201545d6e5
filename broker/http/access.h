/* SPDX-License-Identifier: MIT */
/* What a broker knows of who may come in, while it runs: read at its start and
 * again at SIGHUP. */
#ifndef STINT_BROKER_ACCESS_H
#define STINT_BROKER_ACCESS_H

#include "gate.h"
#include "rate.h"
#include "settings.h"
#include "https.h"
#include "verify.h"

struct event_base;

struct access {
    const struct settings *settings; /* borrowed */
    struct auth auth;
    struct sessions sessions;
    struct gate gate;
    struct rate *rates;         /* owned, ACCESS_RATES of them */
    struct verify *verify;      /* NULL: there are no users */
    struct https *tls;            /* NULL: none is spoken */
};

enum { RATE_REQUESTS, RATE_LOGINS, RATE_LOGINS_ALL,
       ACCESS_RATES };

/* Addresses to listen on must be added by access_listens before. Errors:
 * INVALID, NOMEM, SYSTEM. access_close in any case. */
int access_open(struct access *a, const struct settings *s,
                struct event_base *base, struct stint_err *err);
/* It will listen there: beyond loopback somebody must be asked who he is.
 * Errors: INVALID. After access_open. */
int access_listens(struct access *a, const char *host, int is_loopback,
                   int is_any, struct stint_err *err);
/* Reads users, tokens and certificate again; on an error all stays. */
int access_reload(struct access *a, struct stint_err *err);
void access_close(struct access *a);

#endif
