/* SPDX-License-Identifier: MIT */
/* Who may come in, as a table: method, page, name, credential, role. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "gate.h"

static struct auth_row users[] = {{"ann", "$6$x", ROLE_ADMIN}};
static struct auth_row tokens[] = {
    {"r", "token-that-may-read--", ROLE_READ},
    {"q", "token-that-may-queue-", ROLE_QUEUE},
    {"a", "token-that-may-all---", ROLE_ADMIN}};
static const struct auth nobody;
static struct auth somebody = {users, tokens, 1, 3};
static struct sessions sessions;
static char cookie[200], csrf[SECRET_TEXT + 1];

#define SELF  "http://localhost:7420"
#define READ  "Bearer token-that-may-read--"
#define QUEUE "Bearer token-that-may-queue-"
#define ADMIN "Bearer token-that-may-all---"

/* NULL: as a program sends it: none. "C", "F": the session's cookie, its
 * token. */
static const struct row {
    const char *method, *host, *origin, *site, *authorization, *cookie, *csrf;
    enum role role;
    int is_open;
    int open_status; /* where nobody is asked who he is */
    int status;      /* where somebody is */
} rows[] = {
    /* Programs. */
    {"GET", 0, 0, 0, 0, 0, 0, ROLE_READ, 0, 0, 401},
    {"GET", 0, 0, 0, READ, 0, 0, ROLE_READ, 0, 0, 0},
    {"GET", 0, 0, 0, READ, 0, 0, ROLE_ADMIN, 0, 0, 403},
    {"POST", 0, 0, 0, READ, 0, 0, ROLE_QUEUE, 0, 0, 403},
    {"POST", 0, 0, 0, READ, 0, 0, ROLE_ADMIN, 0, 0, 403},
    {"POST", 0, 0, 0, QUEUE, 0, 0, ROLE_QUEUE, 0, 0, 0},
    {"POST", 0, 0, 0, QUEUE, 0, 0, ROLE_ADMIN, 0, 0, 403},
    {"DELETE", 0, 0, 0, QUEUE, 0, 0, ROLE_ADMIN, 0, 0, 403},
    {"POST", 0, 0, 0, ADMIN, 0, 0, ROLE_ADMIN, 0, 0, 0},
    {"DELETE", 0, 0, 0, ADMIN, 0, 0, ROLE_ADMIN, 0, 0, 0},
    {"POST", 0, 0, 0, 0, 0, 0, ROLE_QUEUE, 0, 0, 401},
    {"GET", 0, 0, 0, "Bearer token-that-may-rea", 0, 0, ROLE_READ, 0, 0, 401},
    {"GET", 0, 0, 0, "Bearer ", 0, 0, ROLE_READ, 0, 0, 401},
    {"GET", 0, 0, 0, "Basic YTpi", 0, 0, ROLE_READ, 0, 0, 401},
    {"GET", 0, 0, 0, "Bearer a b", 0, 0, ROLE_READ, 0, 0, 401},
    /* A wrong token is not made good by a cookie. */
    {"GET", 0, 0, 0, "Bearer nobody-has-this-one", "C", 0, ROLE_READ, 0, 0,
     401},
    /* Sessions. */
    {"GET", 0, 0, "same-origin", 0, "C", 0, ROLE_READ, 0, 0, 0},
    {"POST", 0, SELF, "same-origin", 0, "C", "F", ROLE_ADMIN, 0, 0, 0},
    {"POST", 0, SELF, "same-origin", 0, "C", 0, ROLE_ADMIN, 0, 0, 403},
    {"POST", 0, SELF, "same-origin", 0, "C", "0123", ROLE_ADMIN, 0, 0, 403},
    {"DELETE", 0, SELF, "same-origin", 0, "C", 0, ROLE_ADMIN, 0, 0, 403},
    {"POST", 0, 0, 0, 0, "C", 0, ROLE_ADMIN, 0, 0, 403},
    {"POST", 0, 0, 0, 0, "C", "F", ROLE_ADMIN, 0, 0, 0},
    {"GET", 0, 0, 0, 0, "stint_session=abc", 0, ROLE_READ, 0, 0, 401},
    {"GET", 0, 0, 0, 0, "stint_session=", 0, ROLE_READ, 0, 0, 401},
    {"GET", 0, 0, 0, 0, "other=1", 0, ROLE_READ, 0, 0, 401},
    /* Pages of others. */
    {"POST", 0, "http://evil.example", "cross-site", 0, "C", "F", ROLE_ADMIN, 0,
     403, 403},
    {"POST", 0, "http://evil.example", 0, 0, "C", "F", ROLE_ADMIN, 0, 403, 403},
    {"POST", 0, "null", 0, 0, "C", "F", ROLE_ADMIN, 0, 403, 403},
    {"POST", 0, 0, "cross-site", 0, "C", "F", ROLE_ADMIN, 0, 403, 403},
    {"POST", 0, 0, "same-site", 0, "C", "F", ROLE_ADMIN, 0, 403, 403},
    {"DELETE", 0, 0, "cross-site", ADMIN, 0, 0, ROLE_ADMIN, 0, 403, 403},
    {"POST", 0, "http://localhost:7421", 0, ADMIN, 0, 0, ROLE_ADMIN, 0, 403,
     403},
    {"POST", 0, "http://localhost", 0, ADMIN, 0, 0, ROLE_ADMIN, 0, 403, 403},
    {"POST", 0, "https://localhost:7420", 0, ADMIN, 0, 0, ROLE_ADMIN, 0, 0, 0},
    {"POST", 0, "ftp://localhost:7420", 0, ADMIN, 0, 0, ROLE_ADMIN, 0, 403,
     403},
    {"POST", 0, "http://localhost:7420.evil.example", 0, ADMIN, 0, 0,
     ROLE_ADMIN, 0, 403, 403},
    {"POST", 0, SELF, "none", ADMIN, 0, 0, ROLE_ADMIN, 0, 0, 0},
    {"GET", 0, 0, "cross-site", READ, 0, 0, ROLE_READ, 0, 0, 0},
    /* Names that lead here, but are not ours. */
    {"GET", "evil.example", 0, 0, READ, 0, 0, ROLE_READ, 0, 403, 403},
    {"GET", "localhost.evil.example", 0, 0, READ, 0, 0, ROLE_READ, 0, 403,
     403},
    {"GET", "localhost@evil.example", 0, 0, READ, 0, 0, ROLE_READ, 0, 403,
     403},
    {"GET", "", 0, 0, READ, 0, 0, ROLE_READ, 0, 403, 403},
    {"GET", ":7420", 0, 0, READ, 0, 0, ROLE_READ, 0, 403, 403},
    {"GET", "[::1", 0, 0, READ, 0, 0, ROLE_READ, 0, 403, 403},
    {"GET", "localhost:7420x", 0, 0, READ, 0, 0, ROLE_READ, 0, 403, 403},
    {"GET", "10.0.0.1", 0, 0, READ, 0, 0, ROLE_READ, 0, 403, 403},
    {"GET", "LocalHost", 0, 0, READ, 0, 0, ROLE_READ, 0, 0, 0},
    {"GET", "127.0.0.1:1", 0, 0, READ, 0, 0, ROLE_READ, 0, 0, 0},
    {"GET", "[::1]:7420", 0, 0, READ, 0, 0, ROLE_READ, 0, 0, 0},
    {"GET", "stint.example", 0, 0, READ, 0, 0, ROLE_READ, 0, 0, 0},
    {"GET", "stint.example:443", 0, 0, READ, 0, 0, ROLE_READ, 0, 0, 0},
    /* What is for everybody: probes by any name; logins not. */
    {"GET", "10.0.0.1:7420", 0, 0, 0, 0, 0, ROLE_NONE, 1, 0, 0},
    {"GET", 0, 0, 0, "Bearer nobody-has-this-one", 0, 0, ROLE_NONE, 1, 0, 0},
    {"POST", 0, SELF, "same-origin", 0, 0, 0, ROLE_NONE, 1, 0, 0},
    {"POST", 0, SELF, "same-origin", 0, "C", 0, ROLE_NONE, 1, 0, 0},
    {"POST", 0, "http://evil.example", "cross-site", 0, 0, 0, ROLE_NONE, 1, 403,
     403},
    {"POST", "evil.example", "http://evil.example", "same-origin", 0, 0, 0,
     ROLE_NONE, 1, 403, 403},
};

static const char *text(const char *given, const char *otherwise)
{
    return given != NULL ? given : otherwise;
}

static int ask(const struct gate *g, const struct row *row)
{
    const int by_cookie = row->cookie != NULL && strcmp(row->cookie, "C") == 0;
    const int by_csrf = row->csrf != NULL && strcmp(row->csrf, "F") == 0;
    const struct gate_request r = {
        .method = row->method,
        .host = text(row->host, "localhost:7420"),
        .origin = text(row->origin, ""),
        .fetch_site = text(row->site, ""),
        .authorization = text(row->authorization, ""),
        .cookie = by_cookie ? cookie : text(row->cookie, ""),
        .csrf = by_csrf ? csrf : text(row->csrf, ""),
        .is_open = row->is_open,
        .role = row->role,
        .now_mono_ms = 2000};
    struct gate_answer a;
    gate_check(g, &r, &a);
    if (a.status == 0 && !row->is_open)
        assert_true(a.role >= row->role);
    return a.status;
}

static void the_table_holds(void **state)
{
    struct gate g = {.sessions = &sessions, .cookie = "stint_session"};
    (void)state;
    struct session *s = session_make(&sessions, &users[0], 1000);
    assert_non_null(s);
    snprintf(cookie, sizeof(cookie), "a=1; stint_session=%s; b=2", s->id);
    snprintf(csrf, sizeof(csrf), "%s", s->csrf);
    assert_int_equal(gate_add_host(&g, "localhost"), 0);
    assert_int_equal(gate_add_host(&g, "127.0.0.1"), 0);
    assert_int_equal(gate_add_host(&g, "[::1]:80"), 0);
    assert_int_equal(gate_add_host(&g, "stint.example"), 0);
    assert_int_equal(gate_add_host(&g, ""), -1);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        g.auth = &nobody;
        if (ask(&g, &rows[i]) != rows[i].open_status)
            fail_msg("row %zu, open: %d", i, ask(&g, &rows[i]));
        g.auth = &somebody;
        if (ask(&g, &rows[i]) != rows[i].status)
            fail_msg("row %zu: %d", i, ask(&g, &rows[i]));
    }
    sessions_close(&sessions);
}

static void all_addresses_take_any_number_but_no_name(void **state)
{
    static const struct row number = {"GET", "10.0.0.1:7420", 0, 0, READ, 0, 0,
                                      ROLE_READ, 0, 0, 0};
    static const struct row six = {"GET", "[2001:db8::1]", 0, 0, READ, 0, 0,
                                   ROLE_READ, 0, 0, 0};
    static const struct row name = {"GET", "evil.example", 0, 0, READ, 0, 0,
                                    ROLE_READ, 0, 0, 0};
    struct gate g = {.sessions = &sessions, .auth = &somebody,
                     .cookie = "stint_session", .any_address = 1};
    (void)state;
    assert_int_equal(ask(&g, &number), 0);
    assert_int_equal(ask(&g, &six), 0);
    assert_int_equal(ask(&g, &name), 403);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_holds),
        cmocka_unit_test(all_addresses_take_any_number_but_no_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
