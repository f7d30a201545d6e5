/* SPDX-License-Identifier: MIT */
/* Where Redis is: a parsed URL.
 *   redis://[user:password@]host[:port][/db]
 *   unix://[user:password@]/path[?db=N]
 *   redis+cluster://[user:password@]host[:port],host[:port]...
 *     some nodes of a cluster, which name the others
 *   redis+sentinel://[user:password@]host[:port],.../NAME[/db]
 *     sentinels (26379), which know where the primary NAME is
 * and rediss://, rediss+cluster://, rediss+sentinel:// by TLS. A query may
 * follow: ?name=value&name=value, see conf_query.c. User, password and values
 * are percent-decoded. */
#ifndef STINT_CORE_CONF_H
#define STINT_CORE_CONF_H

#include <stint/stint.h>

#define CONF_NODES_MAX 16  /* that a URL names: one that answers is enough */
#define CONF_PATH_CAP  256 /* of files it names */

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
    int is_node;        /* a node of a cluster, primary or replica */
    int n_sentinels;    /* 0: the address is known without them */
    struct conf_node nodes[CONF_NODES_MAX]; /* or the sentinels */

    char password_file[CONF_PATH_CAP]; /* "": none; read at each connect */
    char master[128];                  /* what the sentinels call it */
    char sentinel_user[128];           /* what they want to hear themselves */
    char sentinel_password[512];
    char sentinel_password_file[CONF_PATH_CAP];
    int of_primary;     /* sentinels said that it is the primary */

    int tls;                     /* all of it goes through TLS */
    char tls_ca[CONF_PATH_CAP];  /* file or directory; "": the system's */
    char tls_cert[CONF_PATH_CAP]; /* ours, for those who ask; "": none */
    char tls_key[CONF_PATH_CAP];
    char tls_name[256];          /* in the server's certificate; "": host */
};

/* What the URL does not say is taken from the environment: STINT_PASSWORD_FILE,
 * STINT_TLS_CA, STINT_TLS_CERT, STINT_TLS_KEY, STINT_TLS_NAME. Errors: INVALID,
 * with what is wrong; a URL that wants TLS where this was built without. */
int conf_parse_url(struct conf *c, const char *url, struct stint_err *err);

/* How to reach one node of the cluster `c`, or the primary that its sentinels
 * named: its user and password, the node's address. *to is a single Redis. */
void conf_of_node(struct conf *to, const struct conf *c,
                  const struct conf_node *node);

/* How to reach one of its sentinels. */
void conf_of_sentinel(struct conf *to, const struct conf *c,
                      const struct conf_node *node);

/* The password, as it is now: of the URL, or the first line of the file. out:
 * "" if there is none. Errors: AUTH: the file cannot be read, or is too long;
 * the text says which. */
#define CONF_PASSWORD_CAP 512
int conf_password(const struct conf *c, char out[static CONF_PASSWORD_CAP],
                  struct stint_err *err);

/* Reads what follows the `?` of a URL (all of "?a=b&c=d", or ""). with_db: db=
 * is allowed. */
int conf_read_query(struct conf *c, const char *at, int with_db,
                    struct stint_err *err);
/* %-decodes len bytes. INVALID names the part (`what`). */
int conf_decode(const char *at, size_t len, char *out, size_t cap,
                const char *what, struct stint_err *err);
int conf_number(const char *at, size_t len, int min, int max, int *value,
                const char *what, struct stint_err *err);

/* url NULL: STINT_URL; with none or an empty one the embedded Redis, which is
 * started when it does not run (embedded.c). */
int conf_resolve(struct conf *c, const char *url, struct stint_err *err);

#endif
