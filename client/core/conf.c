/* SPDX-License-Identifier: MIT */
/* Reads the URL of a Redis. The URL is cut into slices first (user, password,
 * host, port, path, db), then each slice is decoded and checked, so that a
 * message can say which part is wrong. A message never repeats the URL: it may
 * hold a password. */
#include "conf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embedded.h"
#include "err.h"
#include "net_tls.h"

struct slice {
    const char *at;
    size_t len;
};

static struct slice slice_to(const char *at, const char *end)
{
    struct slice s = {at, (size_t)(end - at)};
    return s;
}

/* Everything up to the first of `stops`, or to the end. */
static struct slice slice_until(const char *at, const char *stops)
{
    return slice_to(at, at + strcspn(at, stops));
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

int conf_decode(const char *at, size_t len, char *out, size_t cap,
                const char *what, struct stint_err *err)
{
    const struct slice s = {at, len};
    size_t n = 0;

    for (size_t i = 0; i < s.len; i++) {
        int c = (unsigned char)s.at[i];
        if (c == '%') {
            int hi = i + 2 < s.len ? hex_value(s.at[i + 1]) : -1;
            int lo = hi >= 0 ? hex_value(s.at[i + 2]) : -1;
            if (hi < 0 || lo < 0)
                return err_set(err, STINT_INVALID, "the %s of the URL has a %% "
                               "that two hex digits do not follow", what);
            c = hi * 16 + lo;
            i += 2;
        }
        if (c == 0)
            return err_set(err, STINT_INVALID,
                           "the %s of the URL has a NUL in it", what);
        if (n + 1 >= cap)
            return err_set(err, STINT_INVALID, "the %s of the URL is too long "
                           "(at most %zu bytes)", what, cap - 1);
        out[n++] = (char)c;
    }
    out[n] = '\0';
    return 0;
}

int conf_number(const char *at, size_t len, int min, int max, int *value,
                const char *what, struct stint_err *err)
{
    const struct slice s = {at, len};
    long n = 0;
    int ok = s.len > 0 && s.len <= 6;

    for (size_t i = 0; ok && i < s.len; i++) {
        ok = s.at[i] >= '0' && s.at[i] <= '9';
        n = n * 10 + (s.at[i] - '0');
    }
    if (!ok || n < min || n > max)
        return err_set(err, STINT_INVALID, "the %s of the URL must be a number "
                       "from %d to %d", what, min, max);
    *value = (int)n;
    return 0;
}

static int slice_decode(struct slice s, char *out, size_t cap,
                        const char *what, struct stint_err *err)
{
    return conf_decode(s.at, s.len, out, cap, what, err);
}

static int slice_number(struct slice s, int min, int max, int *value,
                        const char *what, struct stint_err *err)
{
    return conf_number(s.at, s.len, min, max, value, what, err);
}

static int conf_read_user(struct conf *c, struct slice info, struct slice *user,
                          struct stint_err *err)
{
    const char *colon = memchr(info.at, ':', info.len);
    const char *end = info.at + info.len;

    *user = slice_to(info.at, colon ? colon : end);
    struct slice pass = slice_to(colon ? colon + 1 : end, end);
    if (slice_decode(*user, c->user, sizeof(c->user), "user", err) ||
        slice_decode(pass, c->password, sizeof(c->password), "password", err))
        return -1;
    if (colon && *c->user && !*c->password)
        return err_set(err, STINT_INVALID,
                       "the URL has a user with an empty password");
    return 0;
}

static int conf_read_port(struct conf *c, const char *at, const char *end,
                          struct stint_err *err)
{
    if (at == end)
        return 0;
    if (*at != ':')
        return err_set(err, STINT_INVALID, "after the host of the URL a "
                       ":PORT or a /DB is expected");
    return slice_number(slice_to(at + 1, end), 1, 65535, &c->port, "port", err);
}

static int conf_read_host(struct conf *c, struct slice hostport,
                          struct stint_err *err)
{
    const char *end = hostport.at + hostport.len;
    struct slice host;
    const char *rest;

    if (hostport.len > 0 && *hostport.at == '[') {
        rest = memchr(hostport.at, ']', hostport.len);
        if (!rest)
            return err_set(err, STINT_INVALID,
                           "the host of the URL has a [ without a ]");
        host = slice_to(hostport.at + 1, rest++);
    } else {
        rest = memchr(hostport.at, ':', hostport.len);
        if (!rest)
            rest = end;
        host = slice_to(hostport.at, rest);
    }
    if (host.len == 0)
        return err_set(err, STINT_INVALID, "the URL has no host");
    if (slice_decode(host, c->host, sizeof(c->host), "host", err))
        return -1;
    return conf_read_port(c, rest, end, err);
}

static const char *slice_rfind(struct slice s, char c)
{
    for (size_t i = s.len; i > 0; i--)
        if (s.at[i - 1] == c)
            return s.at + i - 1;
    return NULL;
}

/* user:password@ before the rest of the authority; cuts it off. */
static int conf_cut_user(struct conf *c, struct slice *authority,
                         struct slice *user, struct stint_err *err)
{
    const char *at = slice_rfind(*authority, '@');

    if (!at)
        return 0;
    if (conf_read_user(c, slice_to(authority->at, at), user, err))
        return -1;
    *authority = slice_to(at + 1, authority->at + authority->len);
    return 0;
}

/* scheme://user:***@ into c->shown. Returns its length. */
static int conf_show_user(struct conf *c, const char *scheme, struct slice user)
{
    int len = user.len < 60 ? (int)user.len : 60;
    const char *stars = *c->password ? ":***@" : len > 0 ? "@" : "";

    return snprintf(c->shown, sizeof(c->shown), "%s%s%.*s%s", scheme,
                    "://", len, user.at, stars);
}

static void conf_show(struct conf *c, struct slice user)
{
    int n = conf_show_user(c, *c->path ? "unix" : c->tls ? "rediss" : "redis",
                           user);
    size_t left = sizeof(c->shown) - (size_t)n;

    if (*c->path)
        snprintf(c->shown + n, left, c->db ? "%s?db=%d" : "%s", c->path, c->db);
    else
        snprintf(c->shown + n, left, strchr(c->host, ':') ? "[%s]:%d/%d"
                 : "%s:%d/%d", c->host, c->port, c->db);
}

/* host:port, with [] around an IPv6 address. Returns what snprintf does. */
static int node_show(char *out, size_t cap, const struct conf_node *node)
{
    return snprintf(out, cap, strchr(node->host, ':') ? "[%.80s]:%d"
                    : "%.80s:%d", node->host, node->port);
}

/* The list that the scheme and user stand before. Returns the length. */
static int conf_show_nodes(struct conf *c, int n, int n_nodes)
{
    for (int i = 0; i < n_nodes; i++) {
        char node[100];
        int more = node_show(node, sizeof(node), &c->nodes[i]);
        if (n + more + 5 > (int)sizeof(c->shown))
            return n + snprintf(c->shown + n, sizeof(c->shown) - (size_t)n,
                                "...");
        n += snprintf(c->shown + n, sizeof(c->shown) - (size_t)n, "%s%s",
                      i > 0 ? "," : "", node);
    }
    return n;
}

static void conf_show_cluster(struct conf *c, struct slice user)
{
    int n = conf_show_user(c, c->tls ? "rediss+cluster" : "redis+cluster", user);
    conf_show_nodes(c, n, c->n_nodes);
}

/* What is said first is what they are called: the list may be long. */
static void conf_show_sentinel(struct conf *c, struct slice user)
{
    int n = conf_show_user(c, c->tls ? "rediss+sentinel" : "redis+sentinel",
                           user);
    n = conf_show_nodes(c, n, c->n_sentinels);
    if ((size_t)n < sizeof(c->shown))
        snprintf(c->shown + n, sizeof(c->shown) - (size_t)n, "/%.100s/%d",
                 c->master, c->db);
}

void conf_of_node(struct conf *to, const struct conf *c,
                  const struct conf_node *node)
{
    *to = *c;
    to->is_node = c->n_nodes > 0;
    to->n_nodes = 0;
    to->of_primary = c->n_sentinels > 0;
    to->n_sentinels = 0;
    to->port = node->port;
    snprintf(to->host, sizeof(to->host), "%s", node->host);
    node_show(to->shown, sizeof(to->shown), node);
}

void conf_of_sentinel(struct conf *to, const struct conf *c,
                      const struct conf_node *node)
{
    conf_of_node(to, c, node);
    to->of_primary = 0;
    to->db = 0;
    memcpy(to->user, c->sentinel_user, sizeof(to->user));
    memcpy(to->password, c->sentinel_password, sizeof(to->password));
    memcpy(to->password_file, c->sentinel_password_file,
           sizeof(to->password_file));
}

static int conf_parse_tcp(struct conf *c, const char *at, struct stint_err *err)
{
    struct slice user = {"", 0};
    struct slice authority = slice_until(at, "/?#");

    at += authority.len;
    if (conf_cut_user(c, &authority, &user, err) ||
        conf_read_host(c, authority, err))
        return -1;
    if (*at == '/') {
        struct slice db = slice_until(++at, "?#");
        if (db.len > 0 && slice_number(db, 0, 999999, &c->db, "db", err))
            return -1;
        at += db.len;
    }
    if (conf_read_query(c, at, 1, err))
        return -1;
    conf_show(c, user);
    return 0;
}

static int conf_parse_unix(struct conf *c, const char *at,
                           struct stint_err *err)
{
    struct slice user = {"", 0};
    struct slice authority = slice_until(at, "/?#");

    at += authority.len;
    if (conf_cut_user(c, &authority, &user, err))
        return -1;
    if (authority.len > 0 || *at != '/')
        return err_set(err, STINT_INVALID, "the path of a unix:// URL must "
                       "start with / (unix:///path)");
    struct slice path = slice_until(at, "?#");
    at += path.len;
    if (slice_decode(path, c->path, sizeof(c->path), "path", err) ||
        conf_read_query(c, at, 1, err))
        return -1;
    conf_show(c, user);
    return 0;
}

/* One of a list of nodes. */
static int conf_add_node(struct conf *c, struct slice hostport, int *n,
                         int port, struct stint_err *err)
{
    if (*n == CONF_NODES_MAX)
        return err_set(err, STINT_INVALID, "the URL names more than %d nodes "
                       "(some are enough)", CONF_NODES_MAX);
    c->port = port;
    if (conf_read_host(c, hostport, err))
        return -1;
    struct conf_node *node = &c->nodes[(*n)++];
    memcpy(node->host, c->host, sizeof(node->host));
    node->port = c->port;
    return 0;
}

/* host[:port],host[:port]...; the first is c->host, too. */
static int conf_read_nodes(struct conf *c, struct slice list, int *n, int port,
                           struct stint_err *err)
{
    const char *end = list.at + list.len;

    for (const char *node = list.at;;) {
        const char *comma = memchr(node, ',', (size_t)(end - node));
        if (conf_add_node(c, slice_to(node, comma ? comma : end), n, port, err))
            return -1;
        if (!comma)
            break;
        node = comma + 1;
    }
    memcpy(c->host, c->nodes[0].host, sizeof(c->host));
    c->port = c->nodes[0].port;
    return 0;
}

static int conf_parse_cluster(struct conf *c, const char *at,
                              struct stint_err *err)
{
    struct slice user = {"", 0};
    struct slice authority = slice_until(at, "/?#");

    at += authority.len;
    if (*at == '/')
        at++;
    if (*at && *at != '?')
        return err_set(err, STINT_INVALID, "nothing but a ? may follow the "
                       "nodes of a redis+cluster:// URL (a cluster has "
                       "database 0 only)");
    if (conf_cut_user(c, &authority, &user, err) ||
        conf_read_nodes(c, authority, &c->n_nodes, 6379, err) ||
        conf_read_query(c, at, 0, err))
        return -1;
    conf_show_cluster(c, user);
    return 0;
}

static int conf_parse_sentinel(struct conf *c, const char *at,
                               struct stint_err *err)
{
    struct slice user = {"", 0};
    struct slice authority = slice_until(at, "/?#");

    at += authority.len;
    if (conf_cut_user(c, &authority, &user, err) ||
        conf_read_nodes(c, authority, &c->n_sentinels, 26379, err))
        return -1;
    struct slice master = slice_until(*at == '/' ? ++at : at, "/?#");
    if (master.len == 0)
        return err_set(err, STINT_INVALID, "behind the sentinels of the URL "
                       "the primary's name is expected "
                       "(redis+sentinel://h1,h2/NAME)");
    at += master.len;
    if (slice_decode(master, c->master, sizeof(c->master), "primary's name",
                     err))
        return -1;
    if (*at == '/') {
        struct slice db = slice_until(++at, "?#");
        if (db.len > 0 && slice_number(db, 0, 999999, &c->db, "db", err))
            return -1;
        at += db.len;
    }
    if (conf_read_query(c, at, 1, err))
        return -1;
    conf_show_sentinel(c, user);
    return 0;
}

static const char *scheme_skip(const char *url, const char *scheme)
{
    size_t n = strlen(scheme);
    return strncmp(url, scheme, n) ? NULL : url + n;
}

static const struct scheme {
    const char *name;
    int tls;
    int (*parse)(struct conf *c, const char *at, struct stint_err *err);
} schemes[] = {
    {"redis://", 0, conf_parse_tcp},
    {"unix://", 0, conf_parse_unix},
    {"redis+cluster://", 0, conf_parse_cluster},
    {"redis+sentinel://", 0, conf_parse_sentinel},
    {"rediss://", 1, conf_parse_tcp},
    {"rediss+cluster://", 1, conf_parse_cluster},
    {"rediss+sentinel://", 1, conf_parse_sentinel},
};

int conf_parse_url(struct conf *c, const char *url, struct stint_err *err)
{
    memset(c, 0, sizeof(*c));
    c->port = 6379;
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        const char *rest = scheme_skip(url, schemes[i].name);
        if (!rest)
            continue;
        c->tls = schemes[i].tls;
        if (c->tls && !tls_is_built())
            return err_set(err, STINT_INVALID, TLS_MISSING, schemes[i].name);
        return schemes[i].parse(c, rest, err);
    }
    if (strcmp(url, "memory:") == 0)
        return err_set(err, STINT_INVALID, "memory: has no server that others "
                       "could reach: see stint/testing.h");
    return err_set(err, STINT_INVALID, "the URL of Redis must start with "
                   "redis://, rediss://, unix://, redis+sentinel:// or "
                   "redis+cluster://");
}

int conf_resolve(struct conf *c, const char *url, struct stint_err *err)
{
    char embedded[600];

    if (!url || !*url)
        url = getenv("STINT_URL");
    if (!url || !*url) {
        if (embedded_start(embedded, sizeof(embedded), err))
            return -1;
        url = embedded;
    }
    return conf_parse_url(c, url, err);
}
