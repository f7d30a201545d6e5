/* SPDX-License-Identifier: MIT */
/* stint_events: pages of several groups and parts come in order, each event once,
 * whatever the limit; cursors; functions that the events do not say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>
#include <stint/stint.h>

#include "event_cursor.h"
#include "server.h"

enum { TASKS = 120 };

static struct server server;
static stint *s;

static int up(void **state)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    (void)state;
    server_start(&server);
    o.url = server.url;
    s = stint_open(&o, &err);
    return s != NULL ? 0 : -1;
}

static int down(void **state)
{
    (void)state;
    stint_close(s);
    server_stop(&server);
    return 0;
}

static void queue(const char *group, int i)
{
    struct stint_task_options t = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors = {0};
    struct stint_err err = {0};
    char id[16], made[STINT_ID_LEN + 1];
    snprintf(id, sizeof(id), "t%d", i);
    t.function = i % 2 ? "odd" : "even";
    t.id = id;
    t.group_name = group;
    assert_int_equal(stint_queue_task(s, &t, made, &errors, &err), 0);
}

struct told {
    int of[TASKS];  /* events of each task */
    int64_t at_ms;  /* of the last */
    int n, most;    /* stop behind so many of a page; 0: no */
    char cursor[STINT_CURSOR_LEN + 1];
};

static int hear(const struct stint_event *e, void *arg)
{
    struct told *t = arg;
    int i = atoi(e->task_id + 1);
    assert_true(e->at_ms >= t->at_ms);
    assert_string_equal(e->function, i % 2 ? "odd" : "even");
    assert_string_equal(e->group_name, i < TASKS / 2 ? "spread" : "other");
    t->at_ms = e->at_ms;
    t->of[i]++;
    t->n++;
    snprintf(t->cursor, sizeof(t->cursor), "%s", e->cursor);
    return t->most > 0 && t->n % t->most == 0;
}

/* All of it by pages. by_event: goes on behind the event, not the page. */
static void read_all(struct told *t, const char *group, size_t limit,
                     int by_event)
{
    struct stint_events_options o = STINT_EVENTS_OPTIONS_INIT;
    struct stint_err err = {0};
    char cursor[STINT_CURSOR_LEN + 1], after[STINT_CURSOR_LEN + 1] = "";
    const struct timespec wait = {0, 5000000};
    o.group = group;
    o.limit = limit;
    for (int idle = 0, calls = 0; idle < 3; calls++) {
        int before = t->n;
        assert_true(calls < 1000);
        o.after = *after ? after : NULL;
        assert_int_equal(stint_events(s, &o, hear, t, cursor, &err), 0);
        assert_true(t->n - before <= (int)limit);
        idle = t->n == before ? idle + 1 : 0;
        nanosleep(&wait, NULL);
        snprintf(after, sizeof(after), "%s",
                 by_event && t->n > before ? t->cursor : cursor);
    }
}

static void test_each_once(void **state)
{
    struct stint_err err = {0};
    struct stint_status *st;
    (void)state;
    assert_int_equal(stint_set_parts(s, "spread", 3, &err), 0);
    assert_int_equal(stint_keep_events(s, "spread", 1000, &err), 0);
    assert_int_equal(stint_keep_events(s, "other", 1000, &err), 0);
    for (int i = 0; i < TASKS; i++)
        queue(i < TASKS / 2 ? "spread" : "other", i);
    for (int i = 0; i < TASKS; i++) { /* says no function of its own */
        char id[16];
        snprintf(id, sizeof(id), "t%d", i);
        assert_int_equal(stint_stop_task(s, i < TASKS / 2 ? "spread" : "other",
                                         id, &err), 0);
    }
    static const size_t limits[] = {1, 7, 1000};
    for (size_t l = 0; l < 3; l++)
        for (int by_event = 0; by_event < 2; by_event++) {
            struct told t = {0};
            read_all(&t, NULL, limits[l], by_event);
            assert_int_equal(t.n, 2 * TASKS);
            for (int i = 0; i < TASKS; i++)
                assert_int_equal(t.of[i], 2);
        }
    struct told one = {.most = 5};
    read_all(&one, "spread", 100, 0); /* fn stops it: on behind that one */
    assert_int_equal(one.n, TASKS);
    struct told single = {0};
    read_all(&single, "other", 9, 1);
    assert_int_equal(single.n, TASKS);
    st = stint_task_status(s, "other", "t119", 0, &err);
    assert_non_null(st);
    stint_status_free(st);
}

static void test_options(void **state)
{
    struct stint_events_options o = STINT_EVENTS_OPTIONS_INIT;
    struct stint_err err = {0};
    char cursor[STINT_CURSOR_LEN + 1];
    struct told t = {0};
    (void)state;
    o.task_id = "t3";
    assert_int_equal(stint_events(s, &o, hear, &t, cursor, &err), 0);
    assert_int_equal(t.n, 2);
    o.ended = 1;
    t = (struct told){0};
    assert_int_equal(stint_events(s, &o, hear, &t, cursor, &err), 0);
    assert_int_equal(t.n, 1);
    o = (struct stint_events_options)STINT_EVENTS_OPTIONS_INIT;
    o.after = "$";
    t = (struct told){0};
    assert_int_equal(stint_events(s, &o, hear, &t, cursor, &err), 0);
    assert_int_equal(t.n, 0);
    o.after = "nonsense";
    assert_int_equal(stint_events(s, &o, hear, &t, cursor, &err), -1);
    assert_int_equal(err.code, STINT_INVALID);
    err = (struct stint_err){0};
    o.after = NULL;
    o.limit = 10001;
    assert_int_equal(stint_events(s, &o, hear, &t, cursor, &err), -1);
    assert_int_equal(err.code, STINT_INVALID);
}

static void test_cursors(void **state)
{
    static const char *const good[] = {"0", "1700000000000",
                                       "1700000000000-0.0", "5-7.4294967295",
                                       "18446744073709551615-1.2@main~3"};
    static const char *const bad[] = {"", "-", "x", "1-", "1-2", "1-2.",
                                      "1-2.3@", "1-2.3@a/b", "1-2.3 ",
                                      "1-2.4294967296", "+1",
                                      "18446744073709551616"};
    struct event_place p, q;
    char text[STINT_CURSOR_LEN + 1], from[48];
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(event_place_read(&p, good[i]), 0);
        event_place_write(text, &p);
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(event_place_read(&p, bad[i]), -1);
    assert_int_equal(event_place_read(&p, "5-7.2@b"), 0);
    assert_int_equal(event_place_read(&q, "5-7.0@c"), 0);
    assert_true(event_place_order(&p, &q) < 0);
    assert_int_equal(event_place_from(from, &p, "a", 0), -1);
    assert_string_equal(from, "(5-7");
    assert_int_equal(event_place_from(from, &p, "b", 0), 2);
    assert_string_equal(from, "5-7");
    assert_int_equal(event_place_from(from, &p, "c", 0), -1);
    assert_string_equal(from, "5-7");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_cursors),
                                       cmocka_unit_test(test_each_once),
                                       cmocka_unit_test(test_options)};
    return cmocka_run_group_tests(tests, up, down);
}
