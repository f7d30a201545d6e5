/* SPDX-License-Identifier: MIT */
#include "admit.h"

#include <stdio.h>

#include "answer.h"
#include "http_call.h"

const char *admit_address(const struct call *c)
{
    char *address = NULL;
    ev_uint16_t port = 0;
    evhttp_connection_get_peer(evhttp_request_get_connection(c->req), &address,
                               &port);
    return address != NULL ? address : "";
}

/* A proxy on this host, or a program: it is their part to be bounded. */
void admit_rate(struct call *c)
{
    struct access *a = &c->server->access;
    const char *address = admit_address(c);
    if (rate_is_loopback(address) ||
        rate_take(&a->rates[RATE_REQUESTS], address, conns_now_ms()))
        return;
    call_header(c, "Retry-After", "1");
    call_problem(c, 429, "too-many-requests", "slow down", NULL);
}

void admit_gate(struct call *c, int is_open)
{
    struct access *a = &c->server->access;
    struct gate_answer answer;
    const struct gate_request r = {
        .method = c->conn->parsed.method,
        .host = call_input(c, "Host"),
        .origin = call_input(c, "Origin"),
        .fetch_site = call_input(c, "Sec-Fetch-Site"),
        .authorization = call_input(c, "Authorization"),
        .cookie = call_input(c, "Cookie"),
        .csrf = call_input(c, "Stint-CSRF"),
        .is_open = is_open,
        .role = c->route != NULL ? c->route->role : ROLE_NONE,
        .now_mono_ms = conns_now_ms()};
    gate_check(&a->gate, &r, &answer);
    c->role = answer.role;
    snprintf(c->user, sizeof(c->user), "%s", answer.user);
    if (answer.session != NULL)
        snprintf(c->csrf, sizeof(c->csrf), "%s", answer.session->csrf);
    if (answer.status == 0)
        return;
    if (answer.status == 401)
        call_header(c, "WWW-Authenticate", "Bearer realm=\"stint\"");
    char path[CALL_PATH_LEN + 1];
    call_path(c, path);
    server_say(c->server, STINT_LOG_INFO, "refused",
               log_n("status", answer.status),
               log_text("address", admit_address(c)),
               log_text("method", r.method), log_text("path", path),
               log_text("user", answer.user),
               log_text("text", answer.detail));
    call_problem(c, answer.status, answer_word(answer.status), answer.detail,
                 NULL);
}
