/* SPDX-License-Identifier: MIT */
#include "gate.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

/* ---- Names --------------------------------------------------------------- */

/* "NAME", "NAME:PORT", "[ADDRESS]:PORT": the part that is the name. 0: it is
 * none. */
static size_t host_len(const char *host)
{
    size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (n > strlen(host) || n == 0)
        return 0;
    if (host[n] == '\0')
        return n;
    size_t digits = strspn(host + n + 1, "0123456789");
    return host[n] == ':' && host[n + 1 + digits] == '\0' ? n : 0;
}

static int host_is_address(const char *host, size_t len)
{
    char text[80];
    struct in_addr v4;
    struct in6_addr v6;
    if (len >= sizeof(text))
        return 0;
    memcpy(text, host, len);
    text[len] = '\0';
    if (text[0] != '[')
        return inet_pton(AF_INET, text, &v4) == 1;
    text[len - 1] = '\0';
    return inet_pton(AF_INET6, text + 1, &v6) == 1;
}

int gate_add_host(struct gate *g, const char *name)
{
    size_t n = host_len(name);
    if (n == 0 || n >= sizeof(g->hosts[0]) || g->n_hosts == GATE_HOSTS_MAX)
        return -1;
    memcpy(g->hosts[g->n_hosts], name, n);
    g->hosts[g->n_hosts++][n] = '\0';
    return 0;
}

static int host_is_allowed(const struct gate *g, const char *host)
{
    size_t n = host_len(host);
    if (n == 0)
        return 0;
    for (size_t i = 0; i < g->n_hosts; i++)
        if (strlen(g->hosts[i]) == n &&
            strncasecmp(g->hosts[i], host, n) == 0)
            return 1;
    return g->any_address && host_is_address(host, n);
}

/* ---- Where the page is from ---------------------------------------------- */

int gate_is_change(const char *method)
{
    return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 &&
           strcmp(method, "OPTIONS") != 0;
}

/* "http://HOST" of the very Host that is asked; a proxy in front may speak
 * TLS. */
static int origin_is_ours(const char *origin, const char *host)
{
    const char *rest = strncmp(origin, "https://", 8) == 0  ? origin + 8
                       : strncmp(origin, "http://", 7) == 0 ? origin + 7
                                                            : NULL;
    return rest != NULL && strcasecmp(rest, host) == 0;
}

/* A browser tells; who is no browser does not, and is asked for nothing. */
static int page_is_ours(const struct gate_request *r)
{
    if (r->fetch_site[0] != '\0' && strcmp(r->fetch_site, "same-origin") != 0 &&
        strcmp(r->fetch_site, "none") != 0)
        return 0;
    return r->origin[0] == '\0' || origin_is_ours(r->origin, r->host);
}

/* ---- Who made it --------------------------------------------------------- */

static void gate_refuse(struct gate_answer *a, int status, const char *detail)
{
    a->status = status;
    a->detail = detail;
}

static void gate_by_token(const struct gate *g, const struct gate_request *r,
                          struct gate_answer *a)
{
    const char *token = auth_bearer(r->authorization);
    const struct auth_row *row = token != NULL ? auth_token(g->auth, token)
                                               : NULL;
    if (row == NULL) {
        gate_refuse(a, 401, "this token is not known");
        return;
    }
    a->role = row->role;
    a->user = row->name;
}

/* A page of another origin may have the browser send our cookie, but does not
 * know what stands in the session beside it. */
static void gate_by_session(const struct gate *g, const struct gate_request *r,
                            struct gate_answer *a)
{
    char id[SECRET_TEXT + 2];
    if (auth_cookie(r->cookie, g->cookie, id, sizeof(id)))
        a->session = session_find(g->sessions, id, r->now_mono_ms);
    if (a->session == NULL)
        return;
    if (gate_is_change(r->method) && !r->is_open &&
        !secret_is(r->csrf, a->session->csrf)) {
        gate_refuse(a, 403, "the header Stint-CSRF must hold what GET /api/v1 "
                    "says");
        return;
    }
    a->role = a->session->role;
    a->user = a->session->user;
}

void gate_check(const struct gate *g, const struct gate_request *r,
                struct gate_answer *a)
{
    *a = (struct gate_answer){.detail = "", .user = ""};
    int is_probe = r->is_open && !gate_is_change(r->method);
    if (!is_probe && !host_is_allowed(g, r->host)) {
        gate_refuse(a, 403, "this Host is not served: see --allow-host");
        return;
    }
    if (gate_is_change(r->method) && !page_is_ours(r)) {
        gate_refuse(a, 403, "no changes from pages of others");
        return;
    }
    if (auth_is_open(g->auth)) {
        a->role = ROLE_ADMIN;
        return;
    }
    if (r->authorization[0] != '\0')
        gate_by_token(g, r, a);
    else
        gate_by_session(g, r, a);
    if (r->is_open && a->status == 401)
        a->status = 0;
    if (a->status == 0 && a->role == ROLE_NONE && !r->is_open)
        gate_refuse(a, 401, "who are you?");
    else if (a->status == 0 && a->role < r->role)
        gate_refuse(a, 403, "your role does not allow that");
}
