/* SPDX-License-Identifier: MIT */
/* Pieces of the campaign that can be looked at alone: plans, and where frames
 * of Redis's protocol end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "history_file.h"
#include "plan.h"
#include "resp.h"

static const struct plan_options options = {.seed = 17, .length_ms = 60000,
                                            .level = 3, .workers = 4,
                                            .clients = 2, .far = 2,
                                            .lanes = 2};

static int plans_are_equal(const struct plan *a, const struct plan *b)
{
    if (a->n != b->n)
        return 0;
    for (int i = 0; i < a->n; i++) {
        const struct act *x = &a->acts[i], *y = &b->acts[i];
        if (x->at_ms != y->at_ms || x->for_ms != y->for_ms ||
            x->fault != y->fault || x->target != y->target || x->n != y->n ||
            x->arg != y->arg || x->line != y->line)
            return 0;
    }
    return 1;
}

static void a_seed_is_a_plan(void **state)
{
    struct plan a, b, other;
    struct plan_options o = options;
    (void)state;
    assert_int_equal(0, plan_make(&a, &o));
    assert_int_equal(0, plan_make(&b, &o));
    o.seed++;
    assert_int_equal(0, plan_make(&other, &o));
    assert_true(a.n > 60);
    assert_true(plans_are_equal(&a, &b));
    assert_false(plans_are_equal(&a, &other));
    plan_close(&a);
    plan_close(&b);
    plan_close(&other);
}

static void a_plan_is_read_as_it_was_written(void **state)
{
    struct plan a, b;
    char path[] = "/tmp/plan.XXXXXX";
    (void)state;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(0, plan_make(&a, &options));
    assert_int_equal(0, plan_write(&a, path));
    assert_int_equal(0, plan_read(&b, path));
    assert_true(plans_are_equal(&a, &b));
    unlink(path);
    plan_close(&a);
    plan_close(&b);
}

static void every_fault_is_in_a_long_plan(void **state)
{
    struct plan p;
    int n[HISTORY_FAULTS_N] = {0};
    (void)state;
    assert_int_equal(0, plan_make(&p, &options));
    for (int i = 0; i < p.n; i++)
        n[p.acts[i].fault]++;
    for (int f = 1; f < HISTORY_FAULTS_N; f++)
        if (f != FAULT_KILL_BROKER && n[f] == 0) /* part of each worker */
            fail_msg("no %s", history_fault_word(f));
    plan_close(&p);
}

static void faults_of_redis_do_not_overlap(void **state)
{
    struct plan p;
    int64_t end_ms = 0;
    (void)state;
    assert_int_equal(0, plan_make(&p, &options));
    for (int i = 0; i < p.n; i++) {
        if (p.acts[i].target != TARGET_REDIS)
            continue;
        assert_true(p.acts[i].at_ms > end_ms);
        end_ms = p.acts[i].at_ms + p.acts[i].for_ms;
        assert_true(end_ms <= options.length_ms);
    }
    plan_close(&p);
}

static void only_what_was_asked_for(void **state)
{
    struct plan p;
    struct plan_options o = options;
    (void)state;
    o.only = "reset,redis-kill";
    assert_int_equal(0, plan_make(&p, &o));
    assert_true(p.n > 0);
    for (int i = 0; i < p.n; i++)
        assert_true(p.acts[i].fault == FAULT_CONNECTION_RESET ||
                    p.acts[i].fault == FAULT_REDIS_KILLED);
    plan_close(&p);
    o.only = "reset,nonsense";
    assert_int_equal(-1, plan_make(&p, &o));
}

/* Frames, and where each ends, worked out by hand. */
static const char frames[] =
    "+OK\r\n"                                    /* 5 */
    "*2\r\n$3\r\nGET\r\n$5\r\na\r\nb\n\r\n"      /* 29 */
    ":-12\r\n"                                   /* 35 */
    "*-1\r\n"                                    /* 40 */
    "$-1\r\n"                                    /* 45 */
    "*0\r\n"                                     /* 49 */
    "*2\r\n*2\r\n:1\r\n:2\r\n$0\r\n\r\n"         /* 71 */
    "%1\r\n+a\r\n*1\r\n#t\r\n"                   /* 87 */
    "-ERR 5 no\r\n";                             /* 98 */
static const size_t ends[] = {5, 29, 35, 40, 45, 49, 71, 87, 98};

static void frames_end_where_they_do(void **state)
{
    size_t len = sizeof(frames) - 1;
    (void)state;
    for (size_t piece = 1; piece <= len; piece++) {
        struct resp r = {0};
        size_t at = 0, n = 0;
        while (at < len) {
            size_t room = len - at < piece - at % piece ? len - at
                                                        : piece - at % piece;
            int ended;
            size_t used = resp_scan(&r, frames + at, room, &ended);
            assert_true(used > 0 && used <= room);
            at += used;
            if (ended)
                assert_int_equal(ends[n++], at);
        }
        assert_int_equal(sizeof(ends) / sizeof(ends[0]), n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_seed_is_a_plan),
        cmocka_unit_test(a_plan_is_read_as_it_was_written),
        cmocka_unit_test(every_fault_is_in_a_long_plan),
        cmocka_unit_test(faults_of_redis_do_not_overlap),
        cmocka_unit_test(only_what_was_asked_for),
        cmocka_unit_test(frames_end_where_they_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
