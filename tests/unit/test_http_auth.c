/* SPDX-License-Identifier: MIT */
/* Files of users and tokens, sessions, rates, cookies. */
#define _GNU_SOURCE /* setresuid */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <grp.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth.h"
#include "rate.h"
#include "secret.h"
#include "session.h"

static char path[] = "/tmp/stint-auth.XXXXXX";

static void write_file(const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(chmod(path, mode), 0);
}

/* ---- Files --------------------------------------------------------------- */

static void good_lines_are_read(void **state)
{
    struct auth a = {0};
    struct stint_err err = {0};
    (void)state;
    write_file("# people\n\nann:$6$salt$hash:admin\r\n"
               "bob@example.org:$y$j9T$x$y:read\n", 0600);
    assert_int_equal(auth_load(&a, path, NULL, &err), 0);
    assert_int_equal(a.n_users, 2);
    assert_int_equal(auth_user(&a, "ann")->role, ROLE_ADMIN);
    assert_string_equal(auth_user(&a, "bob@example.org")->secret, "$y$j9T$x$y");
    assert_null(auth_user(&a, "an"));
    assert_false(auth_is_open(&a));
    write_file("0123456789abcdefghij read\n"
               "  0123456789abcdefghik\tqueue prometheus\n", 0400);
    assert_int_equal(auth_load(&a, NULL, path, &err), 0);
    assert_int_equal(a.n_users, 0);
    assert_int_equal(auth_token(&a, "0123456789abcdefghij")->role, ROLE_READ);
    assert_string_equal(auth_token(&a, "0123456789abcdefghik")->name,
                        "prometheus");
    assert_null(auth_token(&a, "0123456789abcdefghi"));
    assert_null(auth_token(&a, "0123456789abcdefghij0123456789abcdefghij"));
    assert_null(auth_token(&a, ""));
    auth_close(&a);
    assert_true(auth_is_open(&a));
}

static void bad_files_are_refused_as_a_whole(void **state)
{
    static const struct {
        int is_users;
        mode_t mode;
        const char *text, *why;
    } rows[] = {
        {1, 0600, "ann:$6$s$h:admin\nbob:$6$s$h\n", "line 2: must be NAME"},
        {1, 0600, "ann:secret:admin\n", "line 1: the hash must be"},
        {1, 0600, "ann:$apr1$x$y:admin\n", "the hash must be"},
        {1, 0600, "ann:$1$x$y:admin\n", "the hash must be"},
        {1, 0600, "ann:$6$s$h:root\n", "the role must be"},
        {1, 0600, ":$6$s$h:admin\n", "the name must be"},
        {1, 0600, "a b:$6$s$h:admin\n", "the name must be"},
        {1, 0600, "ann:$6$s$h:admin\nann:$6$s$i:read\n", "line 2: that stands"},
        {1, 0600, "# nobody\n", "nobody is in it"},
        {1, 0600, "", "nobody is in it"},
        {1, 0660, "ann:$6$s$h:admin\n", "chmod 600"},
        {1, 0650, "ann:$6$s$h:admin\n", "chmod 600"},
        {1, 0641, "ann:$6$s$h:admin\n", "chmod 600"},
        {1, 0604, "ann:$6$s$h:admin\n", "chmod 600"},
        {1, 0602, "ann:$6$s$h:admin\n", "chmod 600"},
        {0, 0600, "0123456789abcdefghij\n", "must be TOKEN ROLE"},
        {0, 0600, "0123456789abcdefghi read\n", "the token must be"},
        {0, 0600, "0123456789abcdefgh!j read\n", "the token must be"},
        {0, 0600, "0123456789abcdefghij all\n", "the role must be"},
        {0, 0600, "0123456789abcdefghij read a b\n", "must be TOKEN ROLE"},
        {0, 0600, "0123456789abcdefghij read\n0123456789abcdefghij admin\n",
         "line 2: that stands"},
        {0, 0644, "0123456789abcdefghij read\n", "chmod 600"},
    };
    (void)state;
    struct auth a = {0};
    struct stint_err err = {0};
    write_file("0123456789abcdefghij read\n", 0600);
    assert_int_equal(auth_load(&a, NULL, path, &err), 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        err = (struct stint_err){0};
        write_file(rows[i].text, rows[i].mode);
        assert_int_equal(auth_load(&a, rows[i].is_users ? path : NULL,
                                   rows[i].is_users ? NULL : path, &err), -1);
        assert_int_equal(err.code, STINT_INVALID);
        if (strstr(err.text, rows[i].why) == NULL)
            fail_msg("row %zu: %s", i, err.text);
        assert_int_equal(a.n_tokens, 1); /* what was there goes on */
    }
    err = (struct stint_err){0};
    assert_int_equal(auth_load(&a, "/nowhere/at/all", NULL, &err), -1);
    assert_int_equal(auth_load(&a, "/tmp", NULL, &err), -1);
    auth_close(&a);
}

/* The process of a container, as Kubernetes starts it: 65534, with a group more. */
static int child_reads(gid_t group)
{
    char why[80];
    pid_t child = fork();
    if (child == 0) {
        if (setgroups(1, &group) < 0 || setresgid(65534, 65534, 65534) < 0 ||
            setresuid(65534, 65534, 65534) < 0)
            _exit(2);
        char *text = secret_read(path, 100, why, sizeof(why));
        int fits = text != NULL && strcmp(text, "s\n") == 0;
        _exit(fits ? 0 : strstr(why, "chmod 600") != NULL ? 1 : 3);
    }
    int status = -1;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void what_is_roots_may_be_read_by_a_group_of_ours(void **state)
{
    char why[80];
    (void)state;
    write_file("s\n", 0640);
    if (geteuid() != 0) { /* ours: only root shares so */
        assert_null(secret_read(path, 100, why, sizeof(why)));
        assert_non_null(strstr(why, "chmod 600"));
        return;
    }
    assert_int_equal(chown(path, 0, 54321), 0);
    assert_int_equal(child_reads(54321), 0);
    assert_int_equal(chmod(path, 0440), 0);
    assert_int_equal(child_reads(54321), 0);
    for (int i = 0; i < 3; i++) { /* changed by it, read by all, run */
        static const mode_t modes[] = {0660, 0444, 0450};
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_int_equal(child_reads(54321), 1);
    }
    /* Of a group that is not ours. */
    assert_int_equal(chmod(path, 0640), 0);
    assert_null(secret_read(path, 100, why, sizeof(why)));
    assert_int_equal(chown(path, 0, 65534), 0);
    assert_int_equal(child_reads(54321), 0); /* the first one counts, too */
    assert_int_equal(chown(path, 12345, 54321), 0);
    assert_int_equal(child_reads(54321), 3); /* somebody else's */
    assert_int_equal(chown(path, 0, 0), 0);
}

/* ---- Headers ------------------------------------------------------------- */

static void cookies_are_found_once(void **state)
{
    char v[8];
    (void)state;
    assert_true(auth_cookie("s=abc", "s", v, sizeof(v)));
    assert_string_equal(v, "abc");
    assert_true(auth_cookie("x=1;s=abc ;", "x", v, sizeof(v)));
    assert_true(auth_cookie("xs=1; s=2", "s", v, sizeof(v)));
    assert_string_equal(v, "2");
    assert_false(auth_cookie("s=a; s=b", "s", v, sizeof(v)));
    assert_false(auth_cookie("s=abcdefgh", "s", v, sizeof(v)));
    assert_false(auth_cookie("s=", "s", v, sizeof(v)));
    assert_false(auth_cookie("s", "s", v, sizeof(v)));
    assert_false(auth_cookie("", "s", v, sizeof(v)));
    assert_false(auth_cookie("; ;;", "s", v, sizeof(v)));
}

static void bearers_are_strict(void **state)
{
    (void)state;
    assert_string_equal(auth_bearer("Bearer abc"), "abc");
    assert_string_equal(auth_bearer("bearer   a.b=="), "a.b==");
    assert_null(auth_bearer("Bearer"));
    assert_null(auth_bearer("Bearer "));
    assert_null(auth_bearer("Bearer a b"));
    assert_null(auth_bearer("Bearer a\"b"));
    assert_null(auth_bearer("Digest abc"));
    assert_null(auth_bearer(""));
}

static void secrets_are_compared(void **state)
{
    (void)state;
    assert_true(secret_is("abc", "abc"));
    assert_false(secret_is("abd", "abc"));
    assert_false(secret_is("abcabc", "abc"));
    assert_false(secret_is("ab", "abc"));
    assert_false(secret_is("", "abc"));
    assert_false(secret_is("", ""));
    assert_false(secret_is("a", ""));
}

/* ---- Sessions ------------------------------------------------------------ */

static void sessions_end_by_themselves(void **state)
{
    const struct auth_row ann = {"ann", "$6$h", ROLE_ADMIN};
    struct sessions all = {0};
    char id[SECRET_TEXT + 1];
    int64_t now = 1000;
    (void)state;
    assert_null(session_find(&all, "", now));
    struct session *s = session_make(&all, &ann, now);
    snprintf(id, sizeof(id), "%s", s->id);
    assert_int_equal(strlen(id), SECRET_TEXT);
    assert_string_not_equal(s->id, s->csrf);
    /* Used every hour it lives for a day; then it ends. */
    for (int h = 1; h < 24; h++)
        assert_ptr_equal(session_find(&all, id, now + h * 3600000), s);
    assert_null(session_find(&all, id, now + SESSION_TOTAL_MS));
    s = session_make(&all, &ann, now);
    snprintf(id, sizeof(id), "%s", s->id);
    assert_null(session_find(&all, id, now + SESSION_IDLE_MS));
    assert_null(session_find(&all, id, now)); /* gone for good */
    sessions_close(&all);
}

static void sessions_are_bounded(void **state)
{
    const struct auth_row ann = {"ann", "$6$h", ROLE_ADMIN};
    struct sessions all = {0};
    char first[SECRET_TEXT + 1], second[SECRET_TEXT + 1];
    (void)state;
    snprintf(first, sizeof(first), "%s", session_make(&all, &ann, 1)->id);
    snprintf(second, sizeof(second), "%s", session_make(&all, &ann, 2)->id);
    for (int i = 2; i < SESSIONS_MAX; i++)
        assert_non_null(session_make(&all, &ann, 3));
    assert_non_null(session_find(&all, first, 4)); /* used: the other goes */
    assert_non_null(session_make(&all, &ann, 5));
    assert_non_null(session_find(&all, first, 6));
    assert_null(session_find(&all, second, 6));
    sessions_close(&all);
}

static void sessions_follow_their_users(void **state)
{
    struct auth_row rows[] = {{"ann", "$6$a", ROLE_ADMIN},
                              {"bob", "$6$b", ROLE_ADMIN},
                              {"eve", "$6$e", ROLE_ADMIN}};
    struct sessions all = {0};
    char ids[3][SECRET_TEXT + 1];
    (void)state;
    for (int i = 0; i < 3; i++)
        snprintf(ids[i], sizeof(ids[i]), "%s",
                 session_make(&all, &rows[i], 1)->id);
    rows[0].role = ROLE_READ;
    snprintf(rows[1].secret, sizeof(rows[1].secret), "$6$new");
    const struct auth a = {rows, NULL, 2, 0}; /* eve has gone */
    sessions_follow(&all, &a);
    assert_int_equal(session_find(&all, ids[0], 2)->role, ROLE_READ);
    assert_null(session_find(&all, ids[1], 2));
    assert_null(session_find(&all, ids[2], 2));
    sessions_close(&all);
}

/* ---- Rates --------------------------------------------------------------- */

static void rates_are_by_address(void **state)
{
    struct rate *r = calloc(1, sizeof(*r));
    (void)state;
    rate_init(r, 2, 3, 7);
    for (int i = 0; i < 3; i++)
        assert_true(rate_take(r, "10.0.0.1", 1000));
    assert_false(rate_take(r, "10.0.0.1", 1000));
    assert_true(rate_take(r, "10.0.0.2", 1000));
    assert_true(rate_take(r, "10.0.0.1", 1500)); /* half a second: one */
    assert_false(rate_take(r, "10.0.0.1", 1500));
    for (int i = 0; i < 3; i++) /* never more than the burst */
        assert_true(rate_take(r, "10.0.0.1", 1000000));
    assert_false(rate_take(r, "10.0.0.1", 1000000));
    /* One network of IPv6 is one client. */
    for (int i = 0; i < 3; i++)
        assert_true(rate_take(r, "2001:db8::1", 1000));
    assert_false(rate_take(r, "2001:db8::ffff", 1000));
    assert_true(rate_take(r, "2001:db8:0:1::1", 1000));
    /* No end of addresses takes no end of memory. */
    for (int i = 0; i < 100000; i++) {
        char text[40];
        snprintf(text, sizeof(text), "10.%d.%d.%d", i >> 16, i >> 8 & 255,
                 i & 255);
        assert_true(rate_take(r, text, 2000000));
    }
    rate_init(r, 0, 0, 7); /* no limit */
    for (int i = 0; i < 1000; i++)
        assert_true(rate_take(r, "10.0.0.1", 1000));
    free(r);
    assert_true(rate_is_loopback("127.0.0.1"));
    assert_true(rate_is_loopback("::1"));
    assert_true(rate_is_loopback("::ffff:127.0.0.1"));
    assert_false(rate_is_loopback("10.127.0.1"));
    assert_false(rate_is_loopback("::10"));
}

static int set_up(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 || close(fd);
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_lines_are_read),
        cmocka_unit_test(bad_files_are_refused_as_a_whole),
        cmocka_unit_test(what_is_roots_may_be_read_by_a_group_of_ours),
        cmocka_unit_test(cookies_are_found_once),
        cmocka_unit_test(bearers_are_strict),
        cmocka_unit_test(secrets_are_compared),
        cmocka_unit_test(sessions_end_by_themselves),
        cmocka_unit_test(sessions_are_bounded),
        cmocka_unit_test(sessions_follow_their_users),
        cmocka_unit_test(rates_are_by_address),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
