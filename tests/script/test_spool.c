/* SPDX-License-Identifier: MIT */
/* The spool through the library: what comes back when Redis is away, what a
 * replay sends again and what not, and that no write, sync or lock that fails
 * makes it say that a task is kept when it is not. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include <stint/async.h>
#include <stint/testing.h>

#include "../../client/lib/spool.h"
#include "clock.h"
#include "server.h"

#define HOUR_MS INT64_C(3600000)

static struct server server;
static char dir[100];

/* ---- System calls that fail ---------------------------------------------- */

static long fail_at; /* the n-th from now; 0: none */
static int fail_lasts;

static int fails(void)
{
    if (fail_at == 0)
        return 0;
    if (fail_at == 1) {
        fail_at = fail_lasts; /* 1: again and again */
        if (!fail_lasts)
            fail_at = -1;
        return 1;
    }
    if (fail_at > 1)
        fail_at--;
    return 0;
}

#define WRAP(type, name, params, args)                                         \
    type __real_##name params;                                                 \
    type __wrap_##name params;                                                 \
    type __wrap_##name params                                                  \
    {                                                                          \
        if (fails()) {                                                         \
            errno = ENOSPC;                                                    \
            return -1;                                                         \
        }                                                                      \
        return __real_##name args;                                             \
    }
WRAP(ssize_t, pwrite, (int fd, const void *p, size_t n, off_t at),
     (fd, p, n, at))
WRAP(ssize_t, pread, (int fd, void *p, size_t n, off_t at), (fd, p, n, at))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, ftruncate, (int fd, off_t n), (fd, n))
WRAP(int, renameat, (int a, const char *b, int c, const char *d), (a, b, c, d))
WRAP(int, unlinkat, (int a, const char *b, int f), (a, b, f))
WRAP(int, flock, (int fd, int op), (fd, op))

/* ---- Fixture ------------------------------------------------------------- */

static int up(void **state)
{
    (void)state;
    server_start(&server);
    return 0;
}

static int down(void **state)
{
    (void)state;
    server_stop(&server);
    return 0;
}

static void run(const char *command)
{
    assert_int_equal(system(command), 0);
}

/* A spool and a namespace of each test's own; Redis is there. */
static int begin(void **state)
{
    static int n;
    (void)state;
    if (server.pid == 0)
        server_restart(&server);
    snprintf(dir, sizeof(dir), "%s/spool%d", server.dir, ++n);
    return 0;
}

static stint *handle(void)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    o.url = server.url;
    o.timeout_s = 2;
    o.spool = dir;
    o.name_space = strrchr(dir, '/') + 1;
    stint *s = stint_open(&o, &err);
    if (s == NULL)
        fail_msg("open: %s", err.text);
    return s;
}

static int queue(stint *s, const char *id, struct stint_err *err)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    char got[STINT_ID_LEN + 1];
    o.function = "f";
    o.id = id;
    int rc = stint_queue_task(s, &o, got, NULL, err);
    if (rc >= 0) {
        assert_string_equal(got, id);
        assert_int_equal(err->code, STINT_OK);
    }
    return rc;
}

static struct stint_spool_status look(void)
{
    struct stint_spool_status st = STINT_SPOOL_STATUS_INIT;
    struct stint_err err = {0};
    if (stint_spool_status(dir, &st, &err))
        fail_msg("status: %s", err.text);
    return st;
}

static int exists(stint *s, const char *id)
{
    unsigned char yes = 0;
    struct stint_err err = {0};
    assert_int_equal(stint_ids_exist(s, "main", &id, 1, &yes, &err), 0);
    return yes;
}

/* As a call that was made so long ago; sent: its reply did not come. */
static void put_old(stint *s, const char *id, int64_t age_ms, int sent)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_err err = {0};
    struct buf b;
    o.function = "f";
    o.id = id;
    stint_task *t = stint_task_new(&o, NULL, &err);
    assert_non_null(t);
    int64_t ms = clock_wall_ms() - age_ms;
    buf_init(&b, 10000);
    assert_int_equal(spool_write_frame(&b, s->caller.base, &t, 1, ms,
                                       sent ? ms : 0), 0);
    assert_int_equal(spool_append(s->spool, &b, &err), 0);
    buf_close(&b);
    stint_task_free(t);
}

static void replay(stint *s, unsigned flags, uint64_t queued, uint64_t refused)
{
    uint64_t q, r;
    struct stint_err err = {0};
    if (stint_spool_replay(s, flags, NULL, NULL, &q, &r, &err))
        fail_msg("replay: %s", err.text);
    assert_int_equal(q, queued);
    assert_int_equal(r, refused);
    assert_int_equal(look().n_tasks, 0);
}

/* ---- Tests --------------------------------------------------------------- */

static void away_and_back(void **state)
{
    (void)state;
    struct stint_err err = {0};
    stint *s = handle();
    assert_int_equal(queue(s, "a", &err), 0);
    server_kill(&server);
    assert_int_equal(queue(s, "b", &err), 1);
    assert_int_equal(queue(s, "c", &err), 1);
    assert_int_equal(look().n_tasks, 2);
    stint_close(s);
    s = handle(); /* it opens without Redis, too */
    assert_int_equal(queue(s, "d", &err), 1);
    assert_int_equal(look().n_calls, 3);
    server_restart(&server);
    usleep(1100000); /* it does not ask Redis all the time */
    assert_int_equal(queue(s, "e", &err), 0);
    assert_int_equal(look().n_tasks, 0);
    for (const char *id = "b\0c\0d\0e\0"; *id != '\0'; id += 2)
        assert_true(exists(s, id));
    stint_close(s);
}

static void many_in_one_call(void **state)
{
    (void)state;
    struct stint_err err = {0};
    size_t n_done = 99, bad;
    stint_task *tasks[600];
    for (int i = 0; i < 600; i++) {
        struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
        char id[16];
        snprintf(id, sizeof(id), "t%d", i);
        o.function = "f";
        o.id = id;
        o.depends_on = i == 0 ? "[\"t599\"]" : NULL; /* a later one */
        tasks[i] = stint_task_new(&o, NULL, &err);
        assert_non_null(tasks[i]);
    }
    server_kill(&server);
    stint *s = handle();
    assert_int_equal(stint_queue_tasks(s, tasks, 600, &n_done, &bad, NULL,
                                       NULL, &err), 1);
    assert_int_equal(n_done, 0);
    assert_int_equal(look().n_tasks, 600);
    assert_int_equal(look().n_calls, 1);
    server_restart(&server);
    replay(s, 0, 600, 0);
    assert_true(exists(s, "t0"));
    for (int i = 0; i < 600; i++)
        stint_task_free(tasks[i]);
    stint_close(s);
}

static void what_may_have_been_sent(void **state)
{
    (void)state;
    struct stint_err err = {0};
    stint *s = handle();
    put_old(s, "never", 100 * HOUR_MS, 0);
    put_old(s, "lately", HOUR_MS / 2, 1);
    put_old(s, "long-ago", HOUR_MS, 1);
    put_old(s, "to-come", -HOUR_MS, 1); /* the clock was put back */
    put_old(s, "known", HOUR_MS, 1);
    assert_int_equal(look().n_unsure, 4);
    struct stint_options o = STINT_OPTIONS_INIT; /* without a spool */
    o.url = server.url;
    o.name_space = s->caller.base;
    stint *other = stint_open(&o, &err);
    assert_non_null(other);
    assert_int_equal(queue(other, "known", &err), 0);
    stint_close(other);
    replay(s, 0, 3, 2);
    assert_true(exists(s, "never"));
    assert_true(exists(s, "lately"));
    assert_false(exists(s, "long-ago"));
    assert_false(exists(s, "to-come"));
    assert_int_equal(look().n_refused, 2);
    put_old(s, "long-ago", HOUR_MS, 1);
    replay(s, STINT_SPOOL_FORCE, 1, 0);
    assert_true(exists(s, "long-ago"));
    stint_close(s);
}

/* What a replay sent and heard nothing of counts as sent, from then on; what it
 * could not send does not. */
static void a_replay_is_a_sending(void **state)
{
    (void)state;
    struct stint_err err = {0};
    stint *s = handle();
    put_old(s, "a", 100 * HOUR_MS, 0);
    server_kill(&server);
    assert_int_equal(stint_spool_replay(s, 0, NULL, NULL, NULL, NULL, &err),
                     -1);
    assert_int_equal(err.code, STINT_UNREACHABLE);
    assert_int_equal(look().n_unsure, 0);
    struct spool_cursor c = {1, SPOOL_START_BYTES, 1000,
                             clock_wall_ms() - HOUR_MS};
    err = (struct stint_err){0};
    assert_int_equal(spool_cursor_store(s->spool, &c, &err), 0);
    assert_int_equal(look().n_unsure, 1);
    server_restart(&server);
    replay(s, 0, 0, 1);
    stint_close(s);
}

/* Without its cursor nobody knows what was sent. */
static void a_lost_cursor(void **state)
{
    (void)state;
    char command[200];
    stint *s = handle();
    put_old(s, "old", HOUR_MS, 0);
    put_old(s, "new", 1000, 0);
    snprintf(command, sizeof(command),
             "umask 077; head -c 48 /dev/zero >%s/cursor", dir);
    run(command);
    replay(s, 0, 1, 1);
    assert_true(exists(s, "new"));
    stint_close(s);
}

static void the_same_again_is_fine(void **state)
{
    (void)state;
    stint *s = handle();
    put_old(s, "a", 1000, 1);
    replay(s, 0, 1, 0);
    put_old(s, "a", 1000, 1); /* the same content */
    put_old(s, "a", 1000, 1); /* twice in a step */
    replay(s, 0, 2, 0);
    stint_close(s);
}

static void others_stay_out(void **state)
{
    (void)state;
    struct stint_err err = {0};
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_spool_status st = STINT_SPOOL_STATUS_INIT;
    char link[160];
    assert_int_equal(stint_spool_status(dir, &st, &err), -1);
    assert_int_equal(err.code, STINT_NOT_FOUND);
    stint_close(handle()); /* makes it */
    o.url = server.url;
    o.spool = dir;
    assert_int_equal(chmod(dir, 0750), 0);
    err = (struct stint_err){0};
    assert_null(stint_open(&o, &err));
    assert_int_equal(err.code, STINT_INVALID);
    assert_int_equal(chmod(dir, 0700), 0);
    snprintf(link, sizeof(link), "%s.link", dir);
    assert_int_equal(symlink(dir, link), 0);
    o.spool = link;
    err = (struct stint_err){0};
    assert_null(stint_open(&o, &err));
    o.spool = dir;
    o.url = "memory:";
    err = (struct stint_err){0};
    assert_null(stint_open(&o, &err));
    assert_int_equal(err.code, STINT_INVALID);
    /* A link where a segment should be. */
    snprintf(link, sizeof(link), "%s/00000000000000000001.spool", dir);
    assert_int_equal(symlink("/dev/null", link), 0);
    server_kill(&server);
    stint *s = handle();
    err = (struct stint_err){0};
    assert_int_equal(queue(s, "a", &err), -1);
    assert_int_equal(err.code, STINT_UNREACHABLE);
    stint_close(s);
}

static void another_namespace(void **state)
{
    (void)state;
    struct stint_err err = {0};
    stint *s = handle();
    put_old(s, "a", 1000, 0);
    stint_close(s);
    struct stint_options o = STINT_OPTIONS_INIT;
    o.url = server.url;
    o.spool = dir;
    o.name_space = "elsewhere";
    s = stint_open(&o, &err);
    assert_non_null(s);
    assert_int_equal(queue(s, "b", &err), -1);
    assert_int_equal(err.code, STINT_INVALID);
    assert_int_equal(look().n_tasks, 1);
    stint_close(s);
}

/* Each of them fails once, then it and all behind it: 1 is only said of what
 * is on the disk, and an error only of what is not. */
static void failing_calls(int lasts)
{
    char command[200], id[32];
    for (long n = 1;; n++) {
        struct stint_err err = {0};
        stint *s = handle();
        assert_int_equal(queue(s, "first", &err), 1);
        snprintf(id, sizeof(id), "n%ld", n);
        fail_lasts = lasts;
        fail_at = n;
        int rc = queue(s, id, &err);
        int was_refused = fail_at == -1 || (lasts && fail_at == 1);
        fail_at = 0;
        stint_close(s);
        struct stint_spool_status st = look();
        if (rc == 1)
            assert_int_equal(st.n_tasks, 2);
        else if (err.code != STINT_UNKNOWN)
            assert_int_equal(st.n_tasks, 1);
        else
            assert_true(st.n_tasks <= 2);
        if (rc != 1)
            assert_true(err.text[0] != '\0');
        assert_int_equal(st.damaged_bytes, 0);
        snprintf(command, sizeof(command), "rm -rf %s", dir);
        run(command);
        if (!was_refused) {
            assert_int_equal(rc, 1);
            assert_true(n > 2); /* flock, pwrite, fsync at least */
            return;
        }
        assert_true(n < 100);
    }
}

static void failing_once(void **state)
{
    (void)state;
    server_kill(&server);
    failing_calls(0);
}

static void failing_for_good(void **state)
{
    (void)state;
    server_kill(&server);
    failing_calls(1);
}

/* A replay that is cut off anywhere: what it said is done is done, and the next
 * one does the rest; nothing is lost. */
static void failing_replays(void **state)
{
    (void)state;
    char command[200];
    for (int lasts = 0; lasts < 2; lasts++)
        for (long n = 1;; n++) {
            struct stint_err err = {0};
            char a[32], b[32], c[32];
            snprintf(a, sizeof(a), "a%d-%ld", lasts, n);
            snprintf(b, sizeof(b), "b%d-%ld", lasts, n);
            snprintf(c, sizeof(c), "c%d-%ld", lasts, n);
            stint *s = handle();
            put_old(s, a, 1000, 0);
            put_old(s, c, 3 * HOUR_MS, 1); /* refused */
            put_old(s, b, 1000, 0);
            fail_lasts = lasts;
            fail_at = n;
            int rc = stint_spool_replay(s, 0, NULL, NULL, NULL, NULL, &err);
            int was_refused = fail_at == -1 || (lasts && fail_at == 1);
            fail_at = 0;
            stint_close(s);
            s = handle();
            if (rc == 0)
                assert_int_equal(look().n_tasks, 0);
            else
                assert_true(err.text[0] != '\0');
            err = (struct stint_err){0};
            assert_int_equal(
                stint_spool_replay(s, 0, NULL, NULL, NULL, NULL, &err), 0);
            assert_true(exists(s, a));
            assert_true(exists(s, b));
            assert_true(look().n_refused >= 1);
            stint_close(s);
            snprintf(command, sizeof(command), "rm -rf %s", dir);
            run(command);
            if (!was_refused)
                break;
            assert_true(n < 100);
        }
}

/* ---- On an event loop ---------------------------------------------------- */

static void on_queued(int rc, const char *id, const struct stint_errors *errors,
                      const struct stint_err *err, void *arg)
{
    (void)errors;
    assert_int_equal(err->code, STINT_OK);
    assert_string_equal(id, "async");
    *(int *)arg = rc;
}

static void by_an_event_loop(void **state)
{
    (void)state;
    struct stint_err err = {0};
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_task_options t = STINT_TASK_OPTIONS_INIT;
    struct event_base *base = event_base_new();
    int rc = 99;
    server_kill(&server);
    o.url = server.url;
    o.spool = dir;
    o.name_space = strrchr(dir, '/') + 1;
    stint_async *a = stint_async_open(&o, base, &err);
    assert_non_null(a);
    t.function = "f";
    t.id = "async";
    assert_int_equal(stint_async_queue_task(a, &t, NULL, on_queued, &rc, NULL,
                                            &err), 0);
    while (rc == 99)
        event_base_loop(base, EVLOOP_ONCE);
    assert_int_equal(rc, 1);
    stint_async_close(a);
    event_base_free(base);
    assert_int_equal(look().n_tasks, 1);
    server_restart(&server);
    stint *s = handle();
    replay(s, 0, 1, 0);
    assert_true(exists(s, "async"));
    stint_close(s);
}

#define TEST(f) cmocka_unit_test_setup(f, begin)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(away_and_back),
        TEST(many_in_one_call),
        TEST(what_may_have_been_sent),
        TEST(a_replay_is_a_sending),
        TEST(a_lost_cursor),
        TEST(the_same_again_is_fine),
        TEST(others_stay_out),
        TEST(another_namespace),
        TEST(failing_once),
        TEST(failing_for_good),
        TEST(failing_replays),
        TEST(by_an_event_loop),
    };
    return cmocka_run_group_tests(tests, up, down);
}
