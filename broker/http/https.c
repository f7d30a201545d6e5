/* SPDX-License-Identifier: MIT */
#include "https.h"

#include <stdio.h>

#ifdef STINT_HAVE_HTTPS

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct https {
    SSL_CTX *context;
};

static void *https_fail(struct https *t, struct stint_err *err, const char *path,
                      const char *why)
{
    char text[120] = "";
    if (why == NULL) {
        ERR_error_string_n(ERR_get_error(), text, sizeof(text));
        why = text;
    }
    err->code = STINT_INVALID;
    snprintf(err->text, sizeof(err->text), "TLS: %.70s: %s", path, why);
    https_free(t);
    return NULL;
}

struct https *https_new(const char *certificate_path, const char *key_path,
                    struct stint_err *err)
{
    struct stat st;
    struct https *t = calloc(1, sizeof(*t));
    if (t != NULL)
        t->context = SSL_CTX_new(TLS_server_method());
    if (t == NULL || t->context == NULL) {
        free(t);
        err->code = STINT_NOMEM;
        snprintf(err->text, sizeof(err->text), "out of memory");
        return NULL;
    }
    if (stat(key_path, &st) < 0)
        return https_fail(t, err, key_path, strerror(errno));
    if ((st.st_mode & 0007) != 0)
        return https_fail(t, err, key_path, "others may read or change it: "
                        "chmod 600");
    SSL_CTX_set_min_proto_version(t->context, TLS1_2_VERSION);
    SSL_CTX_set_options(t->context, SSL_OP_NO_RENEGOTIATION |
                                        SSL_OP_NO_COMPRESSION |
                                        SSL_OP_CIPHER_SERVER_PREFERENCE);
    if (SSL_CTX_use_certificate_chain_file(t->context, certificate_path) != 1)
        return https_fail(t, err, certificate_path, NULL);
    if (SSL_CTX_use_PrivateKey_file(t->context, key_path, SSL_FILETYPE_PEM) !=
        1)
        return https_fail(t, err, key_path, NULL);
    if (SSL_CTX_check_private_key(t->context) != 1)
        return https_fail(t, err, key_path, "the key is of another certificate");
    return t;
}

struct bufferevent *https_accept(struct https *t, struct event_base *base)
{
    SSL *ssl = SSL_new(t->context);
    if (ssl == NULL)
        return NULL;
    struct bufferevent *bev = bufferevent_openssl_socket_new(
        base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
    if (bev == NULL)
        SSL_free(ssl);
    else
        bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
    return bev;
}

void https_free(struct https *t)
{
    if (t != NULL)
        SSL_CTX_free(t->context);
    free(t);
}

#else

struct https *https_new(const char *certificate_path, const char *key_path,
                    struct stint_err *err)
{
    (void)certificate_path, (void)key_path;
    err->code = STINT_INVALID;
    snprintf(err->text, sizeof(err->text), "this program was built without "
             "TLS: it takes libevent_openssl and OpenSSL >= 1.1.1");
    return NULL;
}

struct bufferevent *https_accept(struct https *t, struct event_base *base)
{
    (void)t, (void)base;
    return NULL;
}

void https_free(struct https *t)
{
    (void)t;
}

#endif
