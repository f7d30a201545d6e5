/* SPDX-License-Identifier: MIT */
/* Where Redis is: a parsed URL. redis://[user:password@]host[:port][/db],
 * unix://[user:password@]/path[?db=N] and
 * redis+cluster://[user:password@]host[:port],host[:port]...: some nodes of a
 * cluster, which name the others. User, password: percent-decoded. */
#ifndef STINT_CORE_CONF_H
#define STINT_CORE_CONF_H

#include <stint/stint.h>

#define CONF_NODES_MAX 16 /* that a URL names: one that answers is enough */

struct conf_node {
    char host[256];
    int port;
};

struct conf {
    char host[256];     /* "" for a unix socket; of a cluster the first */
    int port;           /* 6379 */
    char path[108];     /* of the unix socket, "" for TCP */
    char user[128];     /* "": none */
    char password[512]; /* "": none */
    int db;             /* 0 */
    char shown[400];    /* the URL with the password as ***, for messages;
                           of a long list of nodes only the beginning */
    int n_nodes;        /* of a cluster; 0: this is none */
    struct conf_node nodes[CONF_NODES_MAX];
    int is_node;        /* a node of a cluster, primary or replica */
};

/* Errors: INVALID, with what is wrong; rediss:// and redis+sentinel:// are
 * refused as not supported by this version. */
int conf_parse_url(struct conf *c, const char *url, struct stint_err *err);

/* How to reach one node of the cluster `c`: its user and password, the node's
 * address. *to is no cluster. */
void conf_of_node(struct conf *to, const struct conf *c,
                  const struct conf_node *node);

/* url NULL: STINT_URL; with none or an empty one the embedded Redis, which is
 * started when it does not run (embedded.c). */
int conf_resolve(struct conf *c, const char *url, struct stint_err *err);

#endif
