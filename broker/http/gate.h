/* SPDX-License-Identifier: MIT */
/* Whether a request may come in: the name it asks for, where the page that
 * made it is from, who made it, and what he may do. One decision, from values
 * alone, so that a test can hold it against a table. */
#ifndef STINT_BROKER_GATE_H
#define STINT_BROKER_GATE_H

#include "auth.h"
#include "session.h"

#define GATE_HOSTS_MAX 64

/* What is fixed while the broker runs. */
struct gate {
    const struct auth *auth;         /* borrowed */
    struct sessions *sessions;       /* borrowed */
    const char *cookie;              /* its name, constant */
    char hosts[GATE_HOSTS_MAX][256]; /* names without ports, lower case */
    size_t n_hosts;
    int any_address;                 /* it listens on all: an address in
                                        numbers is as good as any other, and
                                        no name that could be rebound */
};

/* Of a request; headers are "" if they are not there. */
struct gate_request {
    const char *method;
    const char *host, *origin, *fetch_site; /* Host, Origin, Sec-Fetch-Site */
    const char *authorization, *cookie, *csrf; /* csrf: Stint-CSRF */
    int is_open;     /* the route is for everybody */
    enum role role;  /* that the route asks for */
    int64_t now_mono_ms;
};

struct gate_answer {
    int status;         /* 0: come in */
    const char *detail; /* constant */
    enum role role;
    const char *user;   /* borrowed from auth or sessions; "" */
    struct session *session; /* NULL: there is none */
};

void gate_check(const struct gate *g, const struct gate_request *r,
                struct gate_answer *a);
/* Adds a name, with or without a port. -1: too many, or too long. */
int gate_add_host(struct gate *g, const char *name);
/* Does the method change anything? */
int gate_is_change(const char *method);

#endif
