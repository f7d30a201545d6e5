/* SPDX-License-Identifier: MIT */
/* Where Redis is: a parsed URL. redis://[user:password@]host[:port][/db] and
 * unix://[user:password@]/path[?db=N]. User, password: percent-decoded. */
#ifndef STINT_CORE_CONF_H
#define STINT_CORE_CONF_H

#include <stint/stint.h>

struct conf {
    char host[256];     /* "" for a unix socket */
    int port;           /* 6379 */
    char path[108];     /* of the unix socket, "" for TCP */
    char user[128];     /* "": none */
    char password[512]; /* "": none */
    int db;             /* 0 */
    char shown[400];    /* the URL with the password as ***, for messages */
};

/* Errors: INVALID, with what is wrong; rediss://, redis+sentinel:// and
 * redis+cluster:// are refused as not supported by this version. */
int conf_parse_url(struct conf *c, const char *url, struct stint_err *err);

/* url NULL: STINT_URL; with none or an empty one the embedded Redis, which is
 * started when it does not run (embedded.c). */
int conf_resolve(struct conf *c, const char *url, struct stint_err *err);

#endif
