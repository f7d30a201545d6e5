/* SPDX-License-Identifier: MIT */
/* POST /login, /logout. A password is looked at in a thread, see verify.h; the
 * answer waits for it. Somebody who is not there takes as long as somebody who
 * is: his password is held against another's hash. */
#include <stdio.h>
#include <string.h>

#include "admit.h"
#include "handle.h"
#include "http_call.h"

/* A hash of nothing, where nobody else's is at hand. */
#define NOBODY "$6$stint$stint"

static void login_cookie(struct call *c, const char *id, int64_t age_s)
{
    const struct access *a = &c->server->access;
    char text[300];
    snprintf(text, sizeof(text),
             "%s=%s; HttpOnly; SameSite=Strict; Path=/; Max-Age=%lld%s",
             a->gate.cookie, id, (long long)age_s,
             a->tls != NULL ? "; Secure" : "");
    call_header(c, "Set-Cookie", text);
}

static void login_refuse(struct call *c, const char *name)
{
    if (c->req != NULL)
        server_say(c->server, STINT_LOG_WARN, "login_refused",
                   log_text("user", name),
                   log_text("address", admit_address(c)));
    call_problem(c, 401, "unauthorized", "name or password is wrong", NULL);
}

/* Users may have been read again meanwhile: what was looked at must still be
 * what is asked for. */
static void login_on_verified(int fits, void *arg)
{
    struct call *c = arg;
    struct access *a = &c->server->access;
    const char *name = json_string_value(json_object_get(c->body, "user"));
    const struct auth_row *user = auth_user(&a->auth, name);
    struct session *s = NULL;
    if (!fits || user == NULL || strcmp(user->secret, c->checked) != 0) {
        login_refuse(c, name);
    } else {
        s = c->req != NULL ? session_make(&a->sessions, user, conns_now_ms())
                           : NULL;
        if (s == NULL)
            call_problem(c, 503, "busy", "no session could be made", NULL);
    }
    if (s != NULL) {
        login_cookie(c, s->id, SESSION_TOTAL_MS / 1000);
        server_say(c->server, STINT_LOG_INFO, "login",
                   log_text("user", s->user), log_text("role", role_name(s->role)),
                   log_text("address", admit_address(c)));
        call_json(c, 200, json_pack("{s:s, s:s, s:s}", "user", s->user, "role",
                                    role_name(s->role), "csrf", s->csrf));
    }
    call_resume(c);
}

static int login_may_try(struct call *c)
{
    struct access *a = &c->server->access;
    int64_t now_ms = conns_now_ms();
    return rate_take(&a->rates[RATE_LOGINS], admit_address(c), now_ms) &&
           rate_take(&a->rates[RATE_LOGINS_ALL], "", now_ms);
}

int handle_login(stint *s, struct call *c, struct stint_err *err)
{
    struct access *a = &c->server->access;
    const char *name = json_string_value(json_object_get(c->body, "user"));
    const char *password =
        json_string_value(json_object_get(c->body, "password"));
    (void)s, (void)err;
    if (a->verify == NULL) {
        call_problem(c, 409, "state", "there are no users here", NULL);
    } else if (name == NULL || password == NULL ||
               strlen(password) > VERIFY_PASSWORD_LEN) {
        call_problem(c, 400, "invalid", "user and password must be texts",
                     NULL);
    } else if (!login_may_try(c)) {
        server_say(c->server, STINT_LOG_WARN, "login_refused",
                   log_text("user", name),
                   log_text("address", admit_address(c)),
                   log_text("text", "too many logins"));
        call_header(c, "Retry-After", "5");
        call_problem(c, 429, "too-many-requests", "too many logins", NULL);
    } else {
        const struct auth_row *user = auth_user(&a->auth, name);
        if (user == NULL && a->auth.n_users > 0)
            user = &a->auth.users[0];
        snprintf(c->checked, sizeof(c->checked), "%s",
                 user != NULL ? user->secret : NOBODY);
        if (verify_ask(a->verify, password, c->checked, login_on_verified,
                       c) == 0)
            call_wait(c);
        else
            call_problem(c, 503, "busy", "too many log in at once", NULL);
    }
    return 0;
}

int handle_logout(stint *s, struct call *c, struct stint_err *err)
{
    struct access *a = &c->server->access;
    char id[SECRET_TEXT + 2];
    (void)s, (void)err;
    if (auth_cookie(call_input(c, "Cookie"), a->gate.cookie, id, sizeof(id))) {
        struct session *session =
            session_find(&a->sessions, id, conns_now_ms());
        if (session != NULL)
            session_end(session);
    }
    login_cookie(c, "", 0);
    call_bytes(c, 204, "", "", 0);
    return 0;
}
