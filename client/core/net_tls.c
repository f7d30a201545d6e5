/* SPDX-License-Identifier: MIT */
/* We make the SSL object ourselves and hand it to hiredis: its own way does
 * not verify the server's name, nor set a lowest version. Our reference on it
 * lets us say why a handshake failed. */
#include "net_tls.h"

#include "err.h"

#ifndef STINT_HAVE_TLS

int tls_is_built(void)
{
    return 0;
}

struct tls *tls_start(struct redisContext *c, const struct conf *conf,
                      struct stint_err *err)
{
    (void)c, (void)conf;
    err_set(err, STINT_INVALID, TLS_MISSING, "rediss://");
    return NULL;
}

int tls_shake(struct tls *t, struct stint_err *err)
{
    (void)t;
    return err_set(err, STINT_INVALID, TLS_MISSING, "rediss://");
}

int tls_has_more(const struct tls *t)
{
    (void)t;
    return 0;
}

void tls_heard(struct tls *t, const struct redisContext *c)
{
    (void)t;
    (void)c;
}

const char *tls_reason(const struct tls *t, const char *otherwise)
{
    (void)t;
    return otherwise;
}

void tls_free(struct tls *t)
{
    (void)t;
}

#else

#include <arpa/inet.h>
#include <errno.h>
#include <hiredis/hiredis.h>
#include <hiredis/hiredis_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "conf.h"

struct tls {
    SSL *ssl;
    char shown[100]; /* whom we talk to */
    char name[256];  /* whom we want to talk to */
    int is_asked;    /* for a certificate, which we do not have */
    int is_shaken;   /* the handshake is done, as we see it */
    int is_heard;    /* it has answered, so it has taken us */
};

int tls_is_built(void)
{
    return 1;
}

/* OpenSSL's first complaint since the queue was cleared. */
static const char *tls_complaint(void)
{
    unsigned long code = ERR_peek_error();
    const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;
    return text != NULL ? text : "no reason given";
}

static int context_trust(SSL_CTX *ctx, const struct conf *conf,
                         struct stint_err *err)
{
    struct stat st;
    if (*conf->tls_ca == '\0')
        return SSL_CTX_set_default_verify_paths(ctx) == 1
                   ? 0
                   : err_set(err, STINT_INVALID, "the system's certificates "
                             "cannot be read: %s", tls_complaint());
    if (stat(conf->tls_ca, &st) < 0)
        return err_set(err, STINT_INVALID, "tls_ca %.100s: %s", conf->tls_ca,
                       strerror(errno));
    int is_dir = S_ISDIR(st.st_mode);
    if (SSL_CTX_load_verify_locations(ctx, is_dir ? NULL : conf->tls_ca,
                                      is_dir ? conf->tls_ca : NULL) != 1)
        return err_set(err, STINT_INVALID, "tls_ca %.100s: %s", conf->tls_ca,
                       tls_complaint());
    return 0;
}

static int context_identify(SSL_CTX *ctx, const struct conf *conf,
                            struct stint_err *err)
{
    if (*conf->tls_cert == '\0')
        return 0;
    if (SSL_CTX_use_certificate_chain_file(ctx, conf->tls_cert) != 1)
        return err_set(err, STINT_INVALID, "tls_cert %.100s: %s",
                       conf->tls_cert, tls_complaint());
    if (SSL_CTX_use_PrivateKey_file(ctx, conf->tls_key, SSL_FILETYPE_PEM) != 1)
        return err_set(err, STINT_INVALID, "tls_key %.100s: %s", conf->tls_key,
                       tls_complaint());
    if (SSL_CTX_check_private_key(ctx) != 1)
        return err_set(err, STINT_INVALID, "tls_key %.60s is not the key of "
                       "tls_cert %.60s", conf->tls_key, conf->tls_cert);
    return 0;
}

/* A passphrase cannot be asked for. */
static int context_passphrase(char *buf, int size, int is_for_writing, void *u)
{
    (void)buf, (void)size, (void)is_for_writing, (void)u;
    return -1;
}

static int context_on_asked(SSL *ssl, X509 **cert, EVP_PKEY **key)
{
    struct tls *t = SSL_get_app_data(ssl);
    (void)cert, (void)key;
    t->is_asked = 1;
    return 0; /* we go on without; it may be content */
}

static SSL_CTX *context_new(const struct conf *conf, struct stint_err *err)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL ||
        SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
        err_set(err, STINT_NOMEM, "TLS: %s", tls_complaint());
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_client_cert_cb(ctx, context_on_asked);
    SSL_CTX_set_default_passwd_cb(ctx, context_passphrase);
    if (context_trust(ctx, conf, err) < 0 ||
        context_identify(ctx, conf, err) < 0) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    return ctx;
}

/* The name the certificate must have: an address as an address, anything else
 * as a name, which the server hears, too. */
static int tls_expect(struct tls *t)
{
    unsigned char address[16];
    X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
    if (inet_pton(AF_INET, t->name, address) == 1 ||
        inet_pton(AF_INET6, t->name, address) == 1)
        return X509_VERIFY_PARAM_set1_ip_asc(param, t->name) == 1 ? 0 : -1;
    SSL_set_hostflags(t->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
    return SSL_set1_host(t->ssl, t->name) == 1 &&
                   SSL_set_tlsext_host_name(t->ssl, t->name) == 1
               ? 0
               : -1;
}

static int tls_fail(const struct tls *t, struct stint_err *err)
{
    long verdict = SSL_get_verify_result(t->ssl);
    if (verdict == X509_V_ERR_HOSTNAME_MISMATCH ||
        verdict == X509_V_ERR_IP_ADDRESS_MISMATCH)
        return err_set(err, STINT_AUTH, "the certificate of Redis at "
                       "%.60s is for another name than %.60s", t->shown,
                       t->name);
    if (verdict != X509_V_OK)
        return err_set(err, STINT_AUTH, "the certificate of Redis at "
                       "%.60s is refused: %.70s", t->shown,
                       X509_verify_cert_error_string(verdict));
    return err_set(err, STINT_UNREACHABLE, "no TLS with Redis at %.80s: %.70s",
                   t->shown, tls_reason(t, "the connection was closed (does it "
                                           "speak TLS there?)"));
}

struct tls *tls_start(redisContext *c, const struct conf *conf,
                      struct stint_err *err)
{
    ERR_clear_error();
    struct tls *t = calloc(1, sizeof(*t));
    SSL_CTX *ctx = t != NULL ? context_new(conf, err) : NULL;
    if (ctx == NULL) {
        err_set(err, STINT_NOMEM, "out of memory");
        free(t);
        return NULL;
    }
    snprintf(t->shown, sizeof(t->shown), "%.99s", conf->shown);
    snprintf(t->name, sizeof(t->name), "%s",
             *conf->tls_name ? conf->tls_name : conf->host);
    t->ssl = SSL_new(ctx);
    SSL_CTX_free(ctx); /* the SSL has its own */
    if (t->ssl == NULL || tls_expect(t) < 0) {
        err_set(err, STINT_NOMEM, "TLS: %s", tls_complaint());
        tls_free(t);
        return NULL;
    }
    SSL_set_app_data(t->ssl, t);
    SSL_up_ref(t->ssl); /* for hiredis, which frees it with c */
    if (redisInitiateSSL(c, t->ssl) != REDIS_OK) {
        (void)tls_fail(t, err); /* set by that */
        SSL_free(t->ssl);
        tls_free(t);
        return NULL;
    }
    return t;
}

int tls_shake(struct tls *t, struct stint_err *err)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(t->ssl);
    t->is_shaken = rc == 1; /* an alert later undoes what OpenSSL says of it */
    if (rc == 1)
        return TLS_DONE;
    switch (SSL_get_error(t->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        return TLS_READ;
    case SSL_ERROR_WANT_WRITE:
        return TLS_WRITE;
    default:
        return tls_fail(t, err);
    }
}

int tls_has_more(const struct tls *t)
{
    return t != NULL && SSL_pending(t->ssl) > 0;
}

static int text_has(const char *text, const char *part)
{
    return strstr(text, part) != NULL;
}

void tls_heard(struct tls *t, const struct redisContext *c)
{
    if (t != NULL && c->reader->len > 0) /* not of TLS's own: tickets */
        t->is_heard = 1;
}

/* With TLS 1.3 a server judges our certificate when we are through, and its
 * word may be lost with the connection. */
const char *tls_reason(const struct tls *t, const char *otherwise)
{
    if (t == NULL)
        return otherwise;
    unsigned long code = ERR_peek_error();
    const char *text = code != 0 ? ERR_reason_error_string(code) : NULL;
    if (!t->is_heard && t->is_asked)
        return "it wants a certificate of ours (tls_cert, tls_key)";
    if (!t->is_heard && t->is_shaken &&
        SSL_get_certificate(t->ssl) != NULL &&
        (text == NULL || text_has(text, "unexpected eof")))
        return "it closed the connection: our TLS certificate was refused?";
    if (text != NULL &&
        (text_has(text, "wrong version number") ||
         text_has(text, "packet length") || text_has(text, "unexpected eof")))
        return "it does not speak TLS there, or closed the connection";
    return text != NULL ? text : otherwise;
}

void tls_free(struct tls *t)
{
    if (t == NULL)
        return;
    SSL_free(t->ssl);
    free(t);
}

#endif
