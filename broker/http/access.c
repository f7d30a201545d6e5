/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* getrandom */
#include "access.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Logins: of an address, and of all together. */
#define LOGINS_PER_S     0.2
#define LOGINS_BURST     10
#define LOGINS_ALL_PER_S 2
#define LOGINS_ALL_BURST 60

static int access_fail(struct stint_err *err, enum stint_code code,
                       const char *format, const char *what)
{
    err->code = code;
    snprintf(err->text, sizeof(err->text), format, what);
    return -1;
}

static int access_rates(struct access *a, struct stint_err *err)
{
    uint64_t seed = 0;
    a->rates = calloc(ACCESS_RATES, sizeof(*a->rates));
    if (a->rates == NULL)
        return access_fail(err, STINT_NOMEM, "out of memory%s", "");
    if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
        return access_fail(err, STINT_SYSTEM, "no randomness%s", "");
    rate_init(&a->rates[RATE_REQUESTS], a->settings->requests_per_s,
              a->settings->burst, seed);
    rate_init(&a->rates[RATE_LOGINS], LOGINS_PER_S, LOGINS_BURST, seed);
    rate_init(&a->rates[RATE_LOGINS_ALL], LOGINS_ALL_PER_S, LOGINS_ALL_BURST,
              seed);
    return 0;
}

static int access_gate(struct access *a, struct stint_err *err)
{
    static const char *const always[] = {"localhost", "127.0.0.1", "[::1]"};
    struct gate *g = &a->gate;
    g->auth = &a->auth;
    g->sessions = &a->sessions;
    /* A browser takes the first name over TLS only, and from us alone. */
    g->cookie = a->tls != NULL ? "__Host-stint_session" : "stint_session";
    for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
        (void)gate_add_host(g, always[i]); /* the first ones fit */
    for (size_t i = 0; i < a->settings->hosts.n; i++)
        if (gate_add_host(g, a->settings->hosts.at[i]) < 0)
            return access_fail(err, STINT_INVALID, "no name of a host: %.100s",
                               a->settings->hosts.at[i]);
    return 0;
}

int access_open(struct access *a, const struct settings *s,
                struct event_base *base, struct stint_err *err)
{
    *a = (struct access){.settings = s};
    if (auth_load(&a->auth, s->users_path, s->tokens_path, err) < 0)
        return -1;
    if (s->certificate_path != NULL) {
        a->tls = https_new(s->certificate_path, s->key_path, err);
        if (a->tls == NULL)
            return -1;
    }
    if (s->users_path != NULL) {
        a->verify = verify_start(base, err);
        if (a->verify == NULL)
            return -1;
    }
    return access_rates(a, err) < 0 ? -1 : access_gate(a, err);
}

int access_listens(struct access *a, const char *host, int is_loopback,
                   int is_any, struct stint_err *err)
{
    if (!is_loopback && auth_is_open(&a->auth))
        return access_fail(err, STINT_INVALID, "listen: %.60s is not loopback: "
                           "everybody who reaches it could do everything. Give "
                           "--users-file or --token-file", host);
    a->gate.any_address |= is_any;
    if (!is_any && gate_add_host(&a->gate, host) < 0)
        return access_fail(err, STINT_INVALID, "too many names of hosts%s",
                           "");
    return 0;
}

int access_reload(struct access *a, struct stint_err *err)
{
    const struct settings *s = a->settings;
    struct https *tls = NULL;
    if (s->certificate_path != NULL) {
        tls = https_new(s->certificate_path, s->key_path, err);
        if (tls == NULL)
            return -1;
    }
    if (auth_load(&a->auth, s->users_path, s->tokens_path, err) < 0) {
        https_free(tls);
        return -1;
    }
    https_free(a->tls);
    a->tls = tls;
    sessions_follow(&a->sessions, &a->auth);
    return 0;
}

void access_close(struct access *a)
{
    verify_stop(a->verify);
    auth_close(&a->auth);
    sessions_close(&a->sessions);
    https_free(a->tls);
    free(a->rates);
}
