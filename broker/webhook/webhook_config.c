/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* asprintf */
#include "webhook_config.h"

#include <event2/http.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "webhook_sign.h"

static int fail(struct stint_err *err, const char *hook, const char *format,
                ...) __attribute__((format(printf, 3, 4)));

static int fail(struct stint_err *err, const char *hook, const char *format,
                ...)
{
    char text[STINT_ERROR_LEN / 2];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof(text), format, ap);
    va_end(ap);
    err->code = STINT_INVALID;
    snprintf(err->text, sizeof(err->text), "webhook %.40s: %s", hook, text);
    return -1;
}

void webhook_config_close(struct webhook_config *c)
{
    free(c->host);
    free(c->path);
    free(c->host_header);
    json_decref(c->groups);
    json_decref(c->functions);
    json_decref(c->statuses);
    explicit_bzero(c, sizeof(*c));
}

static int name_read(struct webhook_config *c, const json_t *v)
{
    const char *s = json_string_value(v);
    size_t len = s != NULL ? strlen(s) : 0;
    if (len < 1 || len > WEBHOOK_NAME_MAX ||
        strspn(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                  "0123456789_.-") != len)
        return -1;
    memcpy(c->name, s, len + 1);
    return 0;
}

static int url_take(struct webhook_config *c, const struct evhttp_uri *u)
{
    const char *path = evhttp_uri_get_path(u), *query =
        evhttp_uri_get_query(u);
    const char *host = evhttp_uri_get_host(u);
    int port = evhttp_uri_get_port(u), len = (int)strlen(host);
    int is_v6 = host[0] == '[';
    c->port = port > 0 ? port : c->is_https ? 443 : 80;
    if (asprintf(&c->host, "%.*s", len - 2 * is_v6, host + is_v6) < 0 ||
        asprintf(&c->path, "%s%s%s", path != NULL && *path ? path : "/",
                 query != NULL ? "?" : "", query != NULL ? query : "") < 0 ||
        asprintf(&c->host_header, port > 0 ? "%s:%d" : "%s", host, port) < 0)
        return -1;
    return 0;
}

/* Only http and https, a host, no user, no fragment. */
static int url_read(struct webhook_config *c, const json_t *v,
                    struct stint_err *err)
{
    const char *text = json_string_value(v);
    struct evhttp_uri *u = text != NULL && strlen(text) <= WEBHOOK_URL_MAX
                               ? evhttp_uri_parse(text) : NULL;
    const char *scheme = u != NULL ? evhttp_uri_get_scheme(u) : NULL;
    const char *host = u != NULL ? evhttp_uri_get_host(u) : NULL;
    int rc = 0;
    c->is_https = scheme != NULL && strcasecmp(scheme, "https") == 0;
    if (scheme == NULL || host == NULL || *host == '\0' ||
        (!c->is_https && strcasecmp(scheme, "http") != 0) ||
        evhttp_uri_get_userinfo(u) != NULL ||
        evhttp_uri_get_fragment(u) != NULL)
        rc = fail(err, c->name, "url must be http://HOST[:PORT]/PATH, without "
                                "a user and a fragment");
    else if (c->is_https && !webhook_can_https())
        rc = fail(err, c->name, "https needs a Stint that was built with "
                                "libevent_openssl");
    else if (url_take(c, u))
        rc = fail(err, c->name, "out of memory");
    if (u != NULL)
        evhttp_uri_free(u);
    return rc;
}

/* A line feed at the end of the file is not of the secret. */
static int secret_read(struct webhook_config *c, const json_t *v,
                       struct stint_err *err)
{
    const char *path = json_string_value(v);
    struct stat st;
    unsigned char bytes[WEBHOOK_SECRET_MAX + 2];
    if (path == NULL)
        return fail(err, c->name, "secret_file must be the name of a file");
    if (!webhook_can_sign())
        return fail(err, c->name, "secret_file needs a Stint that was built "
                                  "with libcrypto");
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, bytes, sizeof(bytes)) : -1;
    int is_open = fd >= 0 && (fstat(fd, &st) != 0 || (st.st_mode & 0007) != 0);
    if (fd >= 0)
        close(fd);
    if (n > 0 && bytes[n - 1] == '\n')
        n--;
    int rc = 0;
    if (n < 0)
        rc = fail(err, c->name, "secret_file cannot be read");
    else if (is_open)
        rc = fail(err, c->name, "secret_file is open to others: chmod o= it");
    else if (n < 16 || n > WEBHOOK_SECRET_MAX)
        rc = fail(err, c->name, "the secret must be 16 to %d bytes",
                  WEBHOOK_SECRET_MAX);
    if (rc == 0) {
        memcpy(c->secret, bytes, (size_t)n);
        c->secret_len = (size_t)n;
    }
    explicit_bzero(bytes, sizeof(bytes));
    return rc;
}

static int list_read(json_t **to, const json_t *v)
{
    size_t i;
    const json_t *word;
    if (!json_is_array(v) || json_array_size(v) < 1 ||
        json_array_size(v) > WEBHOOK_NAMES_MAX)
        return -1;
    json_array_foreach(v, i, word)
        if (!json_is_string(word))
            return -1;
    *to = json_incref((json_t *)v);
    return 0;
}

static int statuses_check(const struct webhook_config *c,
                          struct stint_err *err)
{
    static const char *const ends[] = {"COMPLETED", "FAILED", "TIMEOUT",
                                       "STOPPED", "EXPIRED"};
    size_t i;
    const json_t *word;
    json_array_foreach(c->statuses, i, word) {
        int known = 0;
        for (size_t k = 0; k < sizeof(ends) / sizeof(ends[0]); k++)
            known |= strcmp(json_string_value(word), ends[k]) == 0;
        if (!known)
            return fail(err, c->name, "statuses: %.20s is no end state",
                        json_string_value(word));
    }
    return 0;
}

static int key_read(struct webhook_config *c, const char *key, const json_t *v,
                    struct stint_err *err)
{
    json_t **to = strcmp(key, "groups") == 0      ? &c->groups
                  : strcmp(key, "functions") == 0 ? &c->functions
                  : strcmp(key, "statuses") == 0  ? &c->statuses : NULL;
    if (strcmp(key, "name") == 0)
        return 0; /* it was the first */
    if (strcmp(key, "url") == 0)
        return url_read(c, v, err);
    if (strcmp(key, "secret_file") == 0)
        return secret_read(c, v, err);
    if (to != NULL)
        return list_read(to, v) ? fail(err, c->name, "%s must be an array of 1 "
                                       "to %d names", key, WEBHOOK_NAMES_MAX)
                                : 0;
    if (strcmp(key, "timeout_s") != 0)
        return fail(err, c->name, "there is no such key: %.40s", key);
    c->timeout_s = json_number_value(v);
    return c->timeout_s >= 0.1 && c->timeout_s <= 60
               ? 0 : fail(err, c->name, "timeout_s must be from 0.1 to 60");
}

int webhook_config_read(struct webhook_config *c, const json_t *object,
                        size_t number, struct stint_err *err)
{
    const char *key;
    json_t *v;
    *c = (struct webhook_config){.timeout_s = 10};
    snprintf(c->name, sizeof(c->name), "%zu", number + 1);
    if (!json_is_object(object))
        return fail(err, c->name, "must be an object");
    if (name_read(c, json_object_get(object, "name")))
        return fail(err, c->name, "name must be 1 to %d of A-Za-z0-9_.-",
                    WEBHOOK_NAME_MAX);
    json_object_foreach((json_t *)object, key, v)
        if (key_read(c, key, v, err))
            return -1;
    if (c->host == NULL)
        return fail(err, c->name, "url is missing");
    return statuses_check(c, err);
}

static int list_has(const json_t *list, const char *word)
{
    size_t i;
    const json_t *v;
    json_array_foreach(list, i, v)
        if (strcmp(json_string_value(v), word) == 0)
            return 1;
    return list == NULL;
}

int webhook_config_fits(const struct webhook_config *c,
                        const struct stint_event *e)
{
    return list_has(c->groups, e->group_name) &&
           list_has(c->functions, e->function) &&
           list_has(c->statuses, e->status);
}
