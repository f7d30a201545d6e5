/* SPDX-License-Identifier: MIT */
/* What may follow the ? of a URL, and where else it may come from. A name
 * stands once; what the URL does not say is looked for in the environment, so
 * that one environment serves all programs of a host:
 *
 *   db                      the number of the database
 *   password_file           (STINT_PASSWORD_FILE) read at each connect, so
 *                           that a password is changed without a restart
 *   sentinel_user, sentinel_password, sentinel_password_file
 *   tls_ca                  (STINT_TLS_CA) a file, or a directory of hashes
 *   tls_cert, tls_key       (STINT_TLS_CERT, STINT_TLS_KEY) ours
 *   tls_name                (STINT_TLS_NAME) the name in the certificate */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "err.h"

enum query_use { USE_ALWAYS, USE_SENTINEL, USE_TLS };

static const struct query {
    const char *name;
    const char *variable; /* of the environment, or NULL */
    size_t at, cap;       /* in struct conf */
    enum query_use use;
} queries[] = {
#define QUERY(name, variable, use)                                             \
    {#name, variable, offsetof(struct conf, name),                             \
     sizeof(((struct conf *)0)->name), use}
    QUERY(password_file, "STINT_PASSWORD_FILE", USE_ALWAYS),
    QUERY(sentinel_user, NULL, USE_SENTINEL),
    QUERY(sentinel_password, NULL, USE_SENTINEL),
    QUERY(sentinel_password_file, NULL, USE_SENTINEL),
    QUERY(tls_ca, "STINT_TLS_CA", USE_TLS),
    QUERY(tls_cert, "STINT_TLS_CERT", USE_TLS),
    QUERY(tls_key, "STINT_TLS_KEY", USE_TLS),
    QUERY(tls_name, "STINT_TLS_NAME", USE_TLS),
#undef QUERY
};
#define N_QUERIES (sizeof(queries) / sizeof(queries[0]))

static char *query_place(struct conf *c, const struct query *q)
{
    return (char *)c + q->at;
}

static int query_is_of_use(const struct conf *c, const struct query *q)
{
    return q->use == USE_ALWAYS || (q->use == USE_TLS && c->tls) ||
           (q->use == USE_SENTINEL && c->n_sentinels > 0);
}

static int query_is(const char *at, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(at, name, len) == 0;
}

/* One name=value. */
static int query_read(struct conf *c, const char *at, size_t len, int with_db,
                      struct stint_err *err)
{
    const char *equals = memchr(at, '=', len);
    size_t name_len = equals != NULL ? (size_t)(equals - at) : len;
    const char *value = equals != NULL ? equals + 1 : at + len;
    size_t value_len = (size_t)(at + len - value);

    if (with_db && query_is(at, name_len, "db"))
        return conf_number(value, value_len, 0, 999999, &c->db, "db", err);
    for (size_t i = 0; i < N_QUERIES; i++) {
        const struct query *q = &queries[i];
        if (!query_is(at, name_len, q->name))
            continue;
        if (!query_is_of_use(c, q))
            return err_set(err, STINT_INVALID, "%s is of no use in this URL "
                           "(it is for %s)", q->name,
                           q->use == USE_TLS ? "rediss://"
                                             : "redis+sentinel://");
        if (value_len == 0 || *query_place(c, q) != '\0')
            return err_set(err, STINT_INVALID, "the URL has %s %s", q->name,
                           value_len == 0 ? "without a value" : "twice");
        return conf_decode(value, value_len, query_place(c, q), q->cap,
                           q->name, err);
    }
    return err_set(err, STINT_INVALID, "the URL ends with something unknown "
                   "(%s)", with_db ? "?db=NUMBER is known, and others: see "
                   "stint(1)" : "see stint(1)");
}

static int query_from_environment(struct conf *c, struct stint_err *err)
{
    for (size_t i = 0; i < N_QUERIES; i++) {
        const struct query *q = &queries[i];
        const char *text = q->variable ? getenv(q->variable) : NULL;
        if (text == NULL || *text == '\0' || *query_place(c, q) != '\0' ||
            !query_is_of_use(c, q))
            continue;
        if (q->use == USE_ALWAYS && *c->password != '\0')
            continue; /* the URL says more */
        if (strlen(text) >= q->cap)
            return err_set(err, STINT_INVALID, "%s is too long", q->variable);
        memcpy(query_place(c, q), text, strlen(text) + 1);
    }
    return 0;
}

static int query_check(const struct conf *c, struct stint_err *err)
{
    if (*c->password && *c->password_file)
        return err_set(err, STINT_INVALID,
                       "the URL has a password and a password_file");
    if (*c->user && !*c->password && !*c->password_file)
        return err_set(err, STINT_INVALID, "the URL has a user without a "
                       "password (a password alone is written :PASSWORD@)");
    if (*c->sentinel_password && *c->sentinel_password_file)
        return err_set(err, STINT_INVALID, "the URL has a sentinel_password "
                       "and a sentinel_password_file");
    if (*c->sentinel_user && !*c->sentinel_password &&
        !*c->sentinel_password_file)
        return err_set(err, STINT_INVALID,
                       "the URL has a sentinel_user without a password");
    if (!*c->tls_cert != !*c->tls_key)
        return err_set(err, STINT_INVALID, "a certificate and its key come "
                       "together: tls_%s is missing",
                       *c->tls_cert ? "key" : "cert");
    return 0;
}

int conf_read_query(struct conf *c, const char *at, int with_db,
                    struct stint_err *err)
{
    if (*at != '\0' && *at != '?')
        return err_set(err, STINT_INVALID, "the URL ends with something "
                       "unknown");
    if (*at == '?' && at[1] == '\0')
        return err_set(err, STINT_INVALID, "nothing follows the ? of the URL");
    while (*at != '\0') {
        at++; /* ? or & */
        size_t len = strcspn(at, "&");
        if (query_read(c, at, len, with_db, err) < 0)
            return -1;
        at += len;
    }
    if (query_from_environment(c, err) < 0)
        return -1;
    return query_check(c, err);
}

/* ---- The password -------------------------------------------------------- */

static int password_read(int fd, char *out, size_t *n)
{
    *n = 0;
    while (*n < CONF_PASSWORD_CAP) {
        ssize_t got = read(fd, out + *n, CONF_PASSWORD_CAP - *n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        *n += (size_t)got;
    }
    return 0;
}

int conf_password(const struct conf *c, char out[static CONF_PASSWORD_CAP],
                  struct stint_err *err)
{
    if (*c->password_file == '\0') {
        snprintf(out, CONF_PASSWORD_CAP, "%s", c->password);
        return 0;
    }
    /* A pipe that nobody writes to must not stop the loop. */
    int fd = open(c->password_file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    size_t n = 0;
    int rc = fd >= 0 ? password_read(fd, out, &n) : -1;
    int saved = errno;
    if (fd >= 0)
        close(fd);
    if (rc < 0)
        return err_set(err, STINT_AUTH, "cannot read the password file %.100s: "
                       "%s", c->password_file, strerror(saved));
    size_t len = 0;
    while (len < n && out[len] != '\n' && out[len] != '\r' && out[len] != '\0')
        len++;
    if (len == 0 || len == CONF_PASSWORD_CAP)
        return err_set(err, STINT_AUTH, "the first line of the password file "
                       "%.100s is %s", c->password_file,
                       len == 0 ? "empty" : "too long");
    out[len] = '\0';
    return 0;
}
