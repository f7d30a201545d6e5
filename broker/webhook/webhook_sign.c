/* SPDX-License-Identifier: MIT */
#include "webhook_sign.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifdef STINT_HAVE_HTTPS
#include <openssl/evp.h>
#include <openssl/hmac.h>
#endif
#ifdef STINT_HAVE_HTTPS
#include <event2/bufferevent_ssl.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#endif

#ifdef STINT_HAVE_HTTPS
int webhook_can_sign(void)
{
    return 1;
}

int webhook_sign(char text[static WEBHOOK_SIGNATURE_LEN + 1],
                 const void *secret, size_t secret_len, int64_t now_s,
                 const char *body, size_t len)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    char head[32];
    int head_len = snprintf(head, sizeof(head), "%" PRId64 ".", now_s);
    unsigned char *all = malloc((size_t)head_len + len);
    if (all == NULL)
        return -1;
    memcpy(all, head, (size_t)head_len);
    memcpy(all + head_len, body, len);
    const unsigned char *done = HMAC(EVP_sha256(), secret, (int)secret_len,
                                     all, (size_t)head_len + len, digest, &n);
    free(all);
    if (done == NULL || n != 32)
        return -1;
    int at = snprintf(text, WEBHOOK_SIGNATURE_LEN + 1, "t=%" PRId64 ",v1=",
                      now_s);
    for (unsigned i = 0; i < n; i++)
        at += snprintf(text + at, 3, "%02x", digest[i]);
    return 0;
}
#else
int webhook_can_sign(void)
{
    return 0;
}

int webhook_sign(char text[static WEBHOOK_SIGNATURE_LEN + 1],
                 const void *secret, size_t secret_len, int64_t now_s,
                 const char *body, size_t len)
{
    (void)text, (void)secret, (void)secret_len, (void)now_s, (void)body,
        (void)len;
    return -1;
}
#endif

#ifdef STINT_HAVE_HTTPS
struct webhook_tls {
    SSL_CTX *context;
};

int webhook_can_https(void)
{
    return 1;
}

struct webhook_tls *webhook_tls_open(void)
{
    struct webhook_tls *t = calloc(1, sizeof(*t));
    if (t == NULL)
        return NULL;
    t->context = SSL_CTX_new(TLS_client_method());
    if (t->context == NULL ||
        SSL_CTX_set_min_proto_version(t->context, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_default_verify_paths(t->context) != 1) {
        webhook_tls_close(t);
        return NULL;
    }
    SSL_CTX_set_verify(t->context, SSL_VERIFY_PEER, NULL);
    return t;
}

void webhook_tls_close(struct webhook_tls *t)
{
    if (t == NULL)
        return;
    SSL_CTX_free(t->context);
    free(t);
}

static int host_is_address(const char *host)
{
    return strchr(host, ':') != NULL || strspn(host, "0123456789.") ==
                                            strlen(host);
}

struct bufferevent *webhook_tls_connect(struct webhook_tls *t,
                                        struct event_base *base,
                                        const char *host)
{
    SSL *ssl = t != NULL ? SSL_new(t->context) : NULL;
    if (ssl == NULL)
        return NULL;
    int ok = host_is_address(host)
                 ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), host)
                 : SSL_set_tlsext_host_name(ssl, host) == 1 &&
                       SSL_set1_host(ssl, host) == 1;
    struct bufferevent *bev =
        ok ? bufferevent_openssl_socket_new(
                 base, -1, ssl, BUFFEREVENT_SSL_CONNECTING,
                 BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS)
           : NULL;
    if (bev == NULL)
        SSL_free(ssl);
    return bev;
}
#else
int webhook_can_https(void)
{
    return 0;
}

struct webhook_tls *webhook_tls_open(void)
{
    return NULL;
}

void webhook_tls_close(struct webhook_tls *t)
{
    (void)t;
}

struct bufferevent *webhook_tls_connect(struct webhook_tls *t,
                                        struct event_base *base,
                                        const char *host)
{
    (void)t, (void)base, (void)host;
    return NULL;
}
#endif
