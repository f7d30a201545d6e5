/* SPDX-License-Identifier: MIT */
/* The checker itself: a good history is clean, and of each bad one exactly the
 * check it was made for says so. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check.h"
#include "history_builder.h"

static const struct values plain = {.of = {0, 0, 0, 1}};

/* ---- help -------------------------------------------------------------------*/

struct setting {
    char dir[40];
    struct check_options o;
    struct builder b;
};

static int set_up(void **state)
{
    struct setting *s = calloc(1, sizeof(*s));
    assert_non_null(s);
    strcpy(s->dir, "/tmp/check-XXXXXX");
    assert_non_null(mkdtemp(s->dir));
    s->o = CHECK_OPTIONS_DEFAULT;
    *state = s;
    return 0;
}

static int tear_down(void **state)
{
    struct setting *s = *state;
    char path[80];
    snprintf(path, sizeof(path), "%s/a.hist", s->dir);
    unlink(path);
    snprintf(path, sizeof(path), "%s/b.hist", s->dir);
    unlink(path);
    assert_int_equal(rmdir(s->dir), 0); /* nothing else was left there */
    free(s->b.records);
    free(s);
    return 0;
}

static struct checked *judge(struct setting *s)
{
    char why[200] = "";
    if (s->b.records != NULL)
        builder_write(&s->b, s->dir, "a.hist");
    struct checked *c = check_campaign(s->dir, &s->o, why);
    if (c == NULL)
        fail_msg("%s", why);
    return c;
}

/* Only `name` is violated, n times; NULL: nothing is. */
static void expect(struct setting *s, const char *name, uint64_t n)
{
    struct checked *c = judge(s);
    bool right = true, known = name == NULL;
    for (int i = 0; i < n_check_rows; i++) {
        bool meant = name != NULL && strcmp(check_rows[i].name, name) == 0;
        known |= meant;
        if (c->verdicts[i].violations != (meant ? n : 0))
            right = false;
    }
    if (!right || !known)
        checked_print(c, &s->o, stderr);
    checked_free(c);
    assert_true(known);
    assert_true(right);
}

static struct verdict verdict_of(const struct checked *c, const char *name)
{
    for (int i = 0; i < n_check_rows; i++)
        if (strcmp(check_rows[i].name, name) == 0)
            return c->verdicts[i];
    fail_msg("no check %s", name);
    return (struct verdict){0};
}

/* ---- good -------------------------------------------------------------------*/

static void good_history_is_clean(void **state)
{
    struct setting *s = *state;
    good_campaign(&s->b);
    expect(s, NULL, 0);
    s->o.level = 3;
    expect(s, NULL, 0);
}

static void good_history_is_looked_at(void **state)
{
    struct setting *s = *state;
    good_campaign(&s->b);
    struct checked *c = judge(s);
    for (int i = 0; i < n_check_rows; i++)
        if (c->verdicts[i].examined == 0)
            fail_msg("%s looked at nothing", check_rows[i].name);
    const struct measures *m = &c->measures;
    assert_int_equal(m->acknowledged, 14);
    assert_int_equal(m->unknown_there, 1);
    assert_int_equal(m->unknown_absent, 1);
    assert_int_equal(m->repeated_runs, 2);
    assert_int_equal(m->repeated_by[FAULT_KILL_WORKER], 1);
    assert_int_equal(m->repeated_by[FAULT_STOP_WORKER], 1);
    assert_int_equal(m->overlaps, 1);
    assert_int_equal(m->late_effects, 1);
    /* Killed at 620 ms, assigned again as told at 1701 ms. */
    assert_int_equal(histogram_count(&m->rescue), 1);
    assert_int_equal(histogram_max_us(&m->rescue), 1081000);
    checked_free(c);
}

/* ---- bad, one a check -------------------------------------------------------*/

static void bad_c1(struct builder *b)
{
    queued(b, 1000, "bad", plain);
}

static void bad_c1_stuck(struct builder *b)
{
    queued(b, 1000, "bad", plain);
    dumped(b, "bad", 0, HS_QUEUED, 0, 0, 0);
}

static void bad_c1_twice(struct builder *b)
{
    whole_task(b, 1000, WORKER_A, "bad");
    dumped(b, "bad", 0, HS_COMPLETED, 1, 0, 0);
}

static void bad_c2(struct builder *b)
{
    dumped(b, "bad", 0, HS_STOPPED, 0, 0, 0);
}

static void bad_c2_refused(struct builder *b)
{
    add(b, 1000, CLIENT, HISTORY_SPEC, OUTCOME_NONE, "bad", 0, plain);
    add(b, 1001, CLIENT, HISTORY_SUBMIT, OUTCOME_REFUSED, "bad", 0, V(1));
    dumped(b, "bad", 0, HS_STOPPED, 0, 0, 0);
}

static void bad_c3(struct builder *b)
{
    add(b, 1000, CLIENT, HISTORY_SPEC, OUTCOME_NONE, "bad", 0, plain);
    add(b, 1001, CLIENT, HISTORY_SUBMIT, OUTCOME_UNKNOWN, "bad", 0, V(1));
    dumped(b, "bad", 0, HS_STOPPED, 0, 0, 0);
    dumped(b, "bad", 0, HS_STOPPED, 0, 0, 0);
}

static void bad_c3_gone(struct builder *b)
{
    add(b, 1000, CLIENT, HISTORY_SPEC, OUTCOME_NONE, "bad", 0, plain);
    add(b, 1001, CLIENT, HISTORY_SUBMIT, OUTCOME_UNKNOWN, "bad", 0, V(1));
    add(b, 1002, CLIENT, HISTORY_SEEN, OUTCOME_OK, "bad", 0,
        V(HS_QUEUED, 1, REDIS_US(1002)));
}

/* A run that was stopped, and another one after it. */
static void bad_c4(struct builder *b)
{
    queued(b, 1000, "bad", plain);
    uint64_t first = assigned(b, 1010, WORKER_A, "bad");
    reported(b, 1020, WORKER_A, "bad", first, HS_STOPPED, OUTCOME_OK);
    uint64_t second = assigned(b, 1030, WORKER_B, "bad");
    code_ran(b, 1031, 1035, WORKER_B, "bad", second);
    reported(b, 1040, WORKER_B, "bad", second, HS_COMPLETED, OUTCOME_OK);
    dumped(b, "bad", second, HS_COMPLETED, 1, 0, 0);
}

static void bad_c4_counted_twice(struct builder *b)
{
    uint64_t fence = whole_task(b, 1000, WORKER_A, "bad");
    reported(b, 1030, WORKER_A, "bad", fence, HS_COMPLETED, OUTCOME_OK);
}

static void bad_c4_other_end(struct builder *b)
{
    queued(b, 1000, "bad", plain);
    uint64_t fence = assigned(b, 1010, WORKER_A, "bad");
    reported(b, 1020, WORKER_A, "bad", fence, HS_COMPLETED, OUTCOME_OK);
    dumped(b, "bad", fence, HS_STOPPED, 1, 0, 0);
}

static void bad_c4_of_nobody(struct builder *b)
{
    queued(b, 1000, "bad", plain);
    uint64_t fence = assigned(b, 1010, WORKER_A, "bad");
    reported(b, 1020, WORKER_A, "bad", fence, HS_COMPLETED, OUTCOME_OK);
    dumped(b, "bad", fence + 1, HS_COMPLETED, 1, 0, 0);
}

static void bad_c5(struct builder *b)
{
    queued(b, 1000, "bad", plain);
    uint64_t first = assigned(b, 1010, WORKER_A, "bad");
    assigned(b, 1012, WORKER_B, "bad");
    reported(b, 1020, WORKER_A, "bad", first, HS_COMPLETED, OUTCOME_OK);
    dumped(b, "bad", first, HS_COMPLETED, 1, 0, 0);
}

static void bad_c5_progress(struct builder *b)
{
    uint64_t fence = whole_task(b, 1000, WORKER_A, "bad");
    add(b, 1010, WORKER_B, HISTORY_PROGRESS, OUTCOME_OK, "bad", fence + 5,
        V(0));
}

/* Told by Redis's clock alone: the assignment is recorded after the report. */
static void bad_c5_by_redis(struct builder *b)
{
    queued(b, 1000, "bad", plain);
    uint64_t first = assigned(b, 1010, WORKER_A, "bad");
    reported(b, 1020, WORKER_A, "bad", first, HS_COMPLETED, OUTCOME_OK);
    uint64_t second = (uint64_t)REDIS_US(1015);
    add(b, 1025, WORKER_B, HISTORY_ASSIGN, OUTCOME_OK, "bad", second,
        V(REDIS_US(1015), HS_RUNNING, 0, REDIS_MS(0)));
    dumped(b, "bad", first, HS_COMPLETED, 1, 0, 0);
}

/* Worker A's connection stalls, but its lease still holds. */
static void bad_c6(struct builder *b)
{
    queued(b, 1000, "bad", plain);
    uint64_t first = assigned(b, 1010, WORKER_A, "bad");
    code_ran(b, 1011, 1100, WORKER_A, "bad", first);
    fault(b, 1020, 1030, FAULT_STALL, WORKER_A);
    uint64_t second = assigned(b, 1040, WORKER_B, "bad");
    code_ran(b, 1041, 1050, WORKER_B, "bad", second);
    reported(b, 1060, WORKER_B, "bad", second, HS_COMPLETED, OUTCOME_OK);
    reported(b, 1110, WORKER_A, "bad", first, HS_COMPLETED, OUTCOME_STALE);
    dumped(b, "bad", second, HS_COMPLETED, 1, 0, 0);
}

/* The same without overlap, and without a fault. */
static void bad_c7(struct builder *b)
{
    queued(b, 1000, "bad", plain);
    uint64_t first = assigned(b, 1010, WORKER_A, "bad");
    code_ran(b, 1011, 1015, WORKER_A, "bad", first);
    fault(b, 1012, 1013, FAULT_SPLIT, WORKER_A); /* may only delay */
    fault(b, 1012, 1013, FAULT_STALL, WORKER_B); /* another worker's */
    uint64_t second = assigned(b, 1040, WORKER_B, "bad");
    code_ran(b, 1041, 1050, WORKER_B, "bad", second);
    reported(b, 1060, WORKER_B, "bad", second, HS_COMPLETED, OUTCOME_OK);
    dumped(b, "bad", second, HS_COMPLETED, 1, 0, 0);
}

static void bad_c7_same_fence(struct builder *b)
{
    uint64_t fence = whole_task(b, 1000, WORKER_A, "bad");
    code_ran(b, 1020, 1030, WORKER_A, "bad", fence);
}

static void bad_c8(struct builder *b)
{
    whole_task(b, 1000, WORKER_A, "bad");
    assigned(b, 1005, WORKER_B, "bad");
    b->records[b->n - 1].token++;
}

static void bad_c8_counter(struct builder *b)
{
    queued(b, 1000, "bad", plain);
    add(b, 1010, WORKER_A, HISTORY_ASSIGN, OUTCOME_OK, "bad", 7,
        V(REDIS_US(1009), HS_RUNNING, 0, REDIS_MS(0)));
    code_ran(b, 1011, 1015, WORKER_A, "bad", 7);
    reported(b, 1020, WORKER_A, "bad", 7, HS_COMPLETED, OUTCOME_OK);
    dumped(b, "bad", 7, HS_COMPLETED, 1, 0, 0);
}

static void bad_c8_falls(struct builder *b)
{
    queued(b, 1000, "bad", V(0, 0, 0, 2));
    uint64_t high = (uint64_t)REDIS_US(5000), low = (uint64_t)REDIS_US(1030);
    for (int i = 0; i < 2; i++) {
        uint64_t fence = i == 0 ? high : low;
        add(b, 1010 + 20 * i, WORKER_A, HISTORY_ASSIGN, OUTCOME_OK, "bad",
            fence, V(REDIS_US(1009 + 20 * i), HS_RUNNING, 0, REDIS_MS(0)));
        reported(b, 1015 + 20 * i, WORKER_A, "bad", fence, HS_COMPLETED,
                 OUTCOME_OK);
        if (i == 0) /* that it was heard is not the point */
            b->records[b->n - 1].value[3] = 0;
        else
            b->records[b->n - 1].outcome = OUTCOME_UNKNOWN;
    }
    dumped(b, "bad", low, HS_COMPLETED, 2, 0, 0);
}

static void bad_c9(struct builder *b)
{
    uint64_t fence = whole_task(b, 1000, WORKER_A, "bad");
    add(b, 1200, RESOURCE, HISTORY_ACCEPTED, OUTCOME_NONE, "bad", fence - 1,
        V(0));
}

static void bad_c9_token(struct builder *b)
{
    uint64_t fence = whole_task(b, 1000, WORKER_A, "bad");
    add(b, 1200, RESOURCE, HISTORY_ACCEPTED, OUTCOME_NONE, "bad", fence, V(0));
    b->records[b->n - 1].token++;
}

static void bad_c10(struct builder *b)
{
    queued(b, 1000, "bad", plain);
    uint64_t fence = assigned(b, 1010, WORKER_A, "bad");
    reported(b, 1020, WORKER_A, "bad", fence, HS_COMPLETED, OUTCOME_OK);
    dumped(b, "bad", fence, HS_COMPLETED, 2, 0, 0);
}

static void bad_c10_failed(struct builder *b)
{
    queued(b, 1000, "bad", V(0, 0, 1, 1));
    uint64_t first = assigned(b, 1010, WORKER_A, "bad");
    reported(b, 1020, WORKER_A, "bad", first, HS_FAILED, OUTCOME_OK);
    uint64_t second = assigned(b, 1030, WORKER_A, "bad");
    reported(b, 1040, WORKER_A, "bad", second, HS_FAILED, OUTCOME_OK);
    dumped(b, "bad", second, HS_FAILED, 0, 1, 0);
}

static void bad_c10_run_lost(struct builder *b)
{
    queued(b, 1000, "bad", V(0, 0, 1, 1));
    uint64_t first = assigned(b, 1010, WORKER_A, "bad");
    reported(b, 1020, WORKER_A, "bad", first, HS_FAILED, OUTCOME_OK);
    uint64_t second = assigned(b, 1030, WORKER_A, "bad");
    reported(b, 1040, WORKER_A, "bad", second, HS_COMPLETED, OUTCOME_OK);
    run_kept(b, "bad", second, HS_COMPLETED);
    dumped(b, "bad", second, HS_COMPLETED, 1, 0, 0);
}

static void bad_c10_run_invented(struct builder *b)
{
    uint64_t fence = whole_task(b, 1000, WORKER_A, "bad");
    run_kept(b, "bad", fence + 1, HS_COMPLETED);
}

static void bad_c11(struct builder *b)
{
    whole_task(b, 1000, WORKER_A, "bad");
    for (size_t i = 0; i < b->n; i++)
        if (b->records[i].kind == HISTORY_SPEC &&
            strcmp(b->records[i].id, "bad") == 0)
            b->records[i].value[0] = REDIS_MS(1006); /* assigned at 1005 */
}

static void bad_c11_stop_time(struct builder *b)
{
    whole_task(b, 1000, WORKER_A, "bad");
    for (size_t i = 0; i < b->n; i++)
        if (b->records[i].kind == HISTORY_SPEC &&
            strcmp(b->records[i].id, "bad") == 0)
            b->records[i].value[1] = REDIS_MS(1004);
}

static void bad_c11_not_due(struct builder *b)
{
    whole_task(b, 1000, WORKER_A, "bad");
    for (size_t i = 0; i < b->n; i++)
        if (b->records[i].kind == HISTORY_ASSIGN &&
            strcmp(b->records[i].id, "bad") == 0)
            b->records[i].value[3] = REDIS_MS(1006);
}

static void bad_c12(struct builder *b)
{
    whole_task(b, 1000, WORKER_A, "bad");
    add(b, 1001, CLIENT, HISTORY_SEEN, OUTCOME_OK, "bad", 0,
        V(HS_FAILED, 1, REDIS_US(1001)));
}

static void bad_c12_runs_again(struct builder *b)
{
    whole_task(b, 1000, WORKER_A, "bad");
    add(b, 1030, 13, HISTORY_SEEN, OUTCOME_OK, "bad", 0,
        V(HS_RUNNING, 1, REDIS_US(1029)));
}

static void bad_c13(struct builder *b)
{
    whole_task(b, 1000, WORKER_A, "bad");
    add(b, 3500, NEMESIS, HISTORY_FINAL_FAULT, OUTCOME_NONE, "bad", 0, V(0));
}

static void bad_c13_keys(struct builder *b)
{
    add(b, 3500, NEMESIS, HISTORY_FINAL_KEYS, OUTCOME_NONE, "", 0, V(2));
}

static void bad_c13_fsck(struct builder *b)
{
    add(b, 3500, NEMESIS, HISTORY_FINAL_FAULT, OUTCOME_NONE, "", 0, V(0));
}

static void bad_c14(struct builder *b)
{
    queued(b, 2000, "bad", plain);
    uint64_t fence = assigned(b, 20000, WORKER_A, "bad");
    reported(b, 20010, WORKER_A, "bad", fence, HS_COMPLETED, OUTCOME_OK);
    add(b, 30000, NEMESIS, HISTORY_PHASE, OUTCOME_NONE, "", 0, V(2));
    dumped(b, "bad", fence, HS_COMPLETED, 1, 0, 0);
}

static void bad_c15(struct builder *b)
{
    add(b, 2950, WORKER_A, HISTORY_USAGE, OUTCOME_NONE, "", 0,
        V(60, 2, 0, 8000));
}

static void bad_c15_zombies(struct builder *b)
{
    add(b, 3200, WORKER_A, HISTORY_USAGE, OUTCOME_NONE, "", 0,
        V(12, 2, 1, 8000));
}

static void bad_c15_children(struct builder *b)
{
    add(b, 3200, WORKER_A, HISTORY_USAGE, OUTCOME_NONE, "", 0,
        V(12, 3, 0, 8000));
}

static void bad_c15_memory(struct builder *b)
{
    add(b, 2950, WORKER_A, HISTORY_USAGE, OUTCOME_NONE, "", 0,
        V(12, 2, 0, 90000));
}

static void three_in_a_reply(struct builder *b, const int64_t priority[3],
                             const int64_t due[3])
{
    const char *const ids[3] = {"bad-0", "bad-1", "bad-2"};
    uint64_t fences[3];
    for (int i = 0; i < 3; i++)
        queued(b, 1300, ids[i], plain);
    for (int i = 0; i < 3; i++) {
        uint64_t fence = assigned(b, 1310, WORKER_A, ids[i]);
        b->records[b->n - 1].value[2] = priority[i];
        b->records[b->n - 1].value[3] = REDIS_MS(due[i]);
        fences[i] = fence;
    }
    for (int i = 0; i < 3; i++)
        dumped(b, ids[i], fences[i], HS_STOPPED, 0, 0, 0);
}

static void bad_c16(struct builder *b)
{
    three_in_a_reply(b, (const int64_t[]){5, 4, 5}, (const int64_t[]){1, 1, 1});
}

static void bad_c16_due(struct builder *b)
{
    three_in_a_reply(b, (const int64_t[]){5, 5, 5}, (const int64_t[]){1, 3, 2});
}

/* Prefetched, never started, and yet its result was counted. */
static void bad_rp(struct builder *b)
{
    queued(b, 1000, "bad", plain);
    uint64_t fence = assigned(b, 1010, WORKER_A, "bad");
    b->records[b->n - 1].value[1] = HS_ASSIGNED;
    reported(b, 1020, WORKER_A, "bad", fence, HS_COMPLETED, OUTCOME_OK);
    dumped(b, "bad", fence, HS_COMPLETED, 1, 0, 0);
}

/* It was running already. */
static void bad_rp_started_twice(struct builder *b)
{
    queued(b, 1000, "bad", plain);
    uint64_t fence = assigned(b, 1010, WORKER_A, "bad");
    add(b, 1012, WORKER_A, HISTORY_START, OUTCOME_OK, "bad", fence,
        V(REDIS_US(1011)));
    reported(b, 1020, WORKER_A, "bad", fence, HS_COMPLETED, OUTCOME_OK);
    dumped(b, "bad", fence, HS_COMPLETED, 1, 0, 0);
}

/* Nothing that was recorded can have stopped it. */
static void bad_rp_end(struct builder *b)
{
    queued(b, 1000, "bad", plain);
    dumped(b, "bad", 0, HS_STOPPED, 0, 0, 0);
}

static const struct {
    const char *check;
    void (*spoil)(struct builder *b);
} bad_rows[] = {
    {"C1", bad_c1},
    {"C1", bad_c1_stuck},
    {"C1", bad_c1_twice},
    {"C2", bad_c2},
    {"C2", bad_c2_refused},
    {"C3", bad_c3},
    {"C3", bad_c3_gone},
    {"C4", bad_c4},
    {"C4", bad_c4_counted_twice},
    {"C4", bad_c4_other_end},
    {"C4", bad_c4_of_nobody},
    {"C5", bad_c5},
    {"C5", bad_c5_progress},
    {"C5", bad_c5_by_redis},
    {"C6", bad_c6},
    {"C7", bad_c7},
    {"C7", bad_c7_same_fence},
    {"C8", bad_c8},
    {"C8", bad_c8_counter},
    {"C8", bad_c8_falls},
    {"C9", bad_c9},
    {"C9", bad_c9_token},
    {"C10", bad_c10},
    {"C10", bad_c10_failed},
    {"C10", bad_c10_run_lost},
    {"C10", bad_c10_run_invented},
    {"C11", bad_c11},
    {"C11", bad_c11_stop_time},
    {"C11", bad_c11_not_due},
    {"C12", bad_c12},
    {"C12", bad_c12_runs_again},
    {"C13", bad_c13},
    {"C13", bad_c13_keys},
    {"C13", bad_c13_fsck},
    {"C14", bad_c14},
    {"C15", bad_c15},
    {"C15", bad_c15_zombies},
    {"C15", bad_c15_children},
    {"C15", bad_c15_memory},
    {"C16", bad_c16},
    {"C16", bad_c16_due},
    {"RP", bad_rp},
    {"RP", bad_rp_started_twice},
    {"RP", bad_rp_end},
};
#define N_BAD (sizeof(bad_rows) / sizeof(bad_rows[0]))

static void each_bad_history_is_caught_by_its_check(void **state)
{
    struct setting *s = *state;
    for (size_t i = 0; i < N_BAD; i++) {
        good_campaign(&s->b);
        bad_rows[i].spoil(&s->b);
        s->o = CHECK_OPTIONS_DEFAULT;
        /* A second opinion on much that others find. */
        s->o.replay = strcmp(bad_rows[i].check, "RP") == 0;
        print_message("bad history %zu, for %s\n", i, bad_rows[i].check);
        expect(s, bad_rows[i].check, 1);
    }
}

static void each_check_has_a_bad_history(void **state)
{
    (void)state;
    for (int i = 0; i < n_check_rows; i++) {
        bool found = false;
        for (size_t j = 0; j < N_BAD; j++)
            found |= strcmp(bad_rows[j].check, check_rows[i].name) == 0;
        if (!found)
            fail_msg("none for %s", check_rows[i].name);
    }
}

/* ---- levels -----------------------------------------------------------------*/

/* Redis is killed at `ms` and is there again 300 ms later. */
static void redis_killed(struct builder *b, int64_t ms)
{
    fault(b, ms, ms + 300, FAULT_REDIS_KILLED, 0);
    add(b, ms + 300, NEMESIS, HISTORY_BOOT, OUTCOME_NONE, "", 0, V(77, 1, 1));
}

static void level_1_may_lose_the_last_moment(void **state)
{
    struct setting *s = *state;
    good_campaign(&s->b);
    redis_killed(&s->b, 2000);
    queued(&s->b, 1000, "bad", plain);
    s->o.loss_us = 1500000;
    struct checked *c = judge(s);
    assert_int_equal(verdict_of(c, "C1").excused, 1);
    assert_int_equal(checked_violations(c), 0);
    checked_free(c);
    s->o.level = 2;
    expect(s, "C1", 1);
    s->o.level = 1;
    s->o.loss_us = 900000; /* it was acknowledged 999 ms before the kill */
    expect(s, "C1", 1);
}

static void level_1_may_run_again_what_was_rolled_back(void **state)
{
    struct setting *s = *state;
    good_campaign(&s->b);
    redis_killed(&s->b, 1100);
    queued(&s->b, 1000, "bad", plain);
    uint64_t first = assigned(&s->b, 1010, WORKER_A, "bad");
    code_ran(&s->b, 1011, 1015, WORKER_A, "bad", first);
    reported(&s->b, 1020, WORKER_A, "bad", first, HS_COMPLETED, OUTCOME_OK);
    uint64_t second = assigned(&s->b, 1500, WORKER_B, "bad");
    code_ran(&s->b, 1501, 1510, WORKER_B, "bad", second);
    reported(&s->b, 1520, WORKER_B, "bad", second, HS_COMPLETED, OUTCOME_OK);
    dumped(&s->b, "bad", second, HS_COMPLETED, 1, 0, 0);
    struct checked *c = judge(s);
    assert_int_equal(checked_violations(c), 0);
    assert_int_equal(verdict_of(c, "C4").excused, 1);
    checked_free(c);
    s->o.level = 2;
    c = judge(s);
    assert_int_equal(verdict_of(c, "C4").violations, 1);
    checked_free(c);
}

static void level_3_may_run_again_what_a_failover_took_back(void **state)
{
    struct setting *s = *state;
    good_campaign(&s->b);
    fault(&s->b, 1100, 1300, FAULT_REDIS_FAILOVER, 0);
    queued(&s->b, 1000, "bad", plain);
    uint64_t first = assigned(&s->b, 1010, WORKER_A, "bad");
    code_ran(&s->b, 1011, 1015, WORKER_A, "bad", first);
    reported(&s->b, 1020, WORKER_A, "bad", first, HS_COMPLETED, OUTCOME_OK);
    uint64_t second = assigned(&s->b, 1500, WORKER_B, "bad");
    code_ran(&s->b, 1501, 1510, WORKER_B, "bad", second);
    reported(&s->b, 1520, WORKER_B, "bad", second, HS_COMPLETED, OUTCOME_OK);
    dumped(&s->b, "bad", second, HS_COMPLETED, 1, 0, 0);
    s->o.level = 3;
    struct checked *c = judge(s);
    assert_int_equal(checked_violations(c), 0);
    assert_int_equal(verdict_of(c, "C4").excused, 1);
    checked_free(c);
    queued(&s->b, 1050, "lost", plain); /* its queueing is not excused */
    expect(s, "C1", 1);
}

static void level_3_loses_nothing_when_redis_is_killed(void **state)
{
    struct setting *s = *state;
    good_campaign(&s->b);
    redis_killed(&s->b, 1100);
    queued(&s->b, 1000, "bad", plain);
    uint64_t first = assigned(&s->b, 1010, WORKER_A, "bad");
    code_ran(&s->b, 1011, 1015, WORKER_A, "bad", first);
    reported(&s->b, 1020, WORKER_A, "bad", first, HS_COMPLETED, OUTCOME_OK);
    uint64_t second = assigned(&s->b, 1500, WORKER_B, "bad");
    code_ran(&s->b, 1501, 1510, WORKER_B, "bad", second);
    reported(&s->b, 1520, WORKER_B, "bad", second, HS_COMPLETED, OUTCOME_OK);
    dumped(&s->b, "bad", second, HS_COMPLETED, 1, 0, 0);
    s->o.level = 3;
    struct checked *c = judge(s);
    assert_int_equal(verdict_of(c, "C4").violations, 1);
    checked_free(c);
}

/* ---- what is not proved is not said ------------------------------------------*/

static void calls_that_crossed_are_no_violation(void **state)
{
    struct setting *s = *state;
    good_campaign(&s->b);
    /* B's assignment is written down before A's report was answered, and after
     * it was sent: Redis may have counted it first. */
    queued(&s->b, 1000, "crossed", V(0, 0, 0, 2));
    uint64_t first = assigned(&s->b, 1010, WORKER_A, "crossed");
    add(&s->b, 1020, WORKER_A, HISTORY_REPORT_SENT, OUTCOME_NONE, "crossed",
        first, V(HS_COMPLETED, 1));
    uint64_t second = assigned(&s->b, 1022, WORKER_B, "crossed");
    add(&s->b, 1030, WORKER_A, HISTORY_REPORT, OUTCOME_OK, "crossed", first,
        V(HS_COMPLETED, HS_NONE, 1, REDIS_US(1021)));
    reported(&s->b, 1040, WORKER_B, "crossed", second, HS_COMPLETED,
             OUTCOME_OK);
    dumped(&s->b, "crossed", second, HS_COMPLETED, 2, 0, 0);
    expect(s, NULL, 0);
}

static void a_report_nobody_answered_may_count_or_not(void **state)
{
    for (int taken = 0; taken < 2; taken++) {
        struct setting *s = *state;
        good_campaign(&s->b);
        queued(&s->b, 1000, "open", V(0, 0, 1, 1));
        uint64_t fence = assigned(&s->b, 1010, 5, "open");
        code_ran(&s->b, 1011, 1015, 5, "open", fence);
        add(&s->b, 1020, 5, HISTORY_REPORT_SENT, OUTCOME_NONE, "open", fence,
            V(HS_FAILED, 1));
        fault(&s->b, 1021, 0, FAULT_KILL_WORKER, 5);
        uint64_t second = assigned(&s->b, 1100, WORKER_A, "open");
        code_ran(&s->b, 1101, 1105, WORKER_A, "open", second);
        reported(&s->b, 1110, WORKER_A, "open", second, HS_FAILED, OUTCOME_OK);
        /* The first failure counted: this one is the last. Otherwise it has one
         * more try. */
        if (taken) {
            dumped(&s->b, "open", second, HS_FAILED, 0, 2, 0);
        } else {
            uint64_t third = assigned(&s->b, 1200, WORKER_A, "open");
            reported(&s->b, 1210, WORKER_A, "open", third, HS_FAILED,
                     OUTCOME_OK);
            dumped(&s->b, "open", third, HS_FAILED, 0, 2, 0);
        }
        expect(s, NULL, 0);
    }
}

static void a_second_try_nobody_answered_may_count(void **state)
{
    struct setting *s = *state;
    good_campaign(&s->b);
    queued(&s->b, 1000, "again", plain);
    uint64_t fence = assigned(&s->b, 1010, 5, "again");
    code_ran(&s->b, 1011, 1015, 5, "again", fence);
    reported(&s->b, 1020, 5, "again", fence, HS_COMPLETED, OUTCOME_REFUSED);
    add(&s->b, 1030, 5, HISTORY_REPORT_SENT, OUTCOME_NONE, "again", fence,
        V(HS_COMPLETED, 2));
    fault(&s->b, 1031, 0, FAULT_KILL_WORKER, 5);
    dumped(&s->b, "again", fence, HS_COMPLETED, 1, 0, 0);
    expect(s, NULL, 0);
}

static void a_gap_within_a_fault_is_no_violation(void **state)
{
    struct setting *s = *state;
    good_campaign(&s->b);
    bad_c14(&s->b);
    fault(&s->b, 2100, 9000, FAULT_PARTITION, 0);
    s->o.recovery_us = 7 * US_PER_S; /* to 16 s; the result comes at 20 s */
    expect(s, NULL, 0);
    s->o.gap_us = 3 * US_PER_S;
    expect(s, "C14", 1);
    struct checked *c = judge(s);
    assert_int_equal(histogram_count(&c->measures.resume), 1);
    assert_int_equal(histogram_max_us(&c->measures.resume), 11011000);
    checked_free(c);
}

/* ---- reading ----------------------------------------------------------------*/

static void buckets_on_disk_make_no_difference(void **state)
{
    struct setting *s = *state;
    s->o.gap_us = 1000 * US_PER_S;
    for (int i = 0; i < 5000; i++) {
        char id[HISTORY_ID_MAX];
        snprintf(id, sizeof(id), "task-%d", i);
        if (i == 4321)
            bad_c1_twice(&s->b);
        whole_task(&s->b, 10 * i, WORKER_A, id);
    }
    s->o.memory = HISTORY_MEMORY_MIN; /* 50,000 records are 5 MB */
    struct checked *c = judge(s);
    assert_int_equal(c->n_tasks, 5001);
    assert_int_equal(verdict_of(c, "C1").examined, 5001);
    assert_int_equal(verdict_of(c, "C1").violations, 1);
    assert_int_equal(checked_violations(c), 1);
    checked_free(c);
}

static void files_of_one_campaign_are_one_history(void **state)
{
    struct setting *s = *state;
    whole_task(&s->b, 100, WORKER_A, "one");
    builder_write(&s->b, s->dir, "b.hist");
    whole_task(&s->b, 200, WORKER_B, "two");
    struct checked *c = judge(s);
    assert_int_equal(c->n_files, 2);
    assert_int_equal(c->n_tasks, 2);
    assert_int_equal(checked_violations(c), 0);
    checked_free(c);
}

static void a_record_cut_short_is_left_out(void **state)
{
    struct setting *s = *state;
    whole_task(&s->b, 100, WORKER_A, "one");
    builder_write(&s->b, s->dir, "a.hist");
    char path[80];
    snprintf(path, sizeof(path), "%s/a.hist", s->dir);
    FILE *f = fopen(path, "ab");
    assert_non_null(f);
    assert_int_equal(fwrite("torn", 4, 1, f), 1);
    assert_int_equal(fclose(f), 0);
    struct checked *c = judge(s);
    assert_int_equal(c->n_torn, 1);
    assert_int_equal(checked_violations(c), 0);
    checked_free(c);
}

static void what_is_no_history_is_refused(void **state)
{
    struct setting *s = *state;
    char path[80], why[200] = "";
    assert_null(check_campaign(s->dir, &s->o, why));
    assert_non_null(strstr(why, "no *.hist there"));
    assert_null(check_campaign("/nowhere/at/all", &s->o, why));
    assert_non_null(strstr(why, "/nowhere/at/all"));
    snprintf(path, sizeof(path), "%s/a.hist", s->dir);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite("something else", 14, 1, f), 1);
    assert_int_equal(fclose(f), 0);
    assert_null(check_campaign(s->dir, &s->o, why));
    assert_non_null(strstr(why, "is not a history"));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(good_history_is_clean),
        T(good_history_is_looked_at),
        T(each_bad_history_is_caught_by_its_check),
        cmocka_unit_test(each_check_has_a_bad_history),
        T(level_1_may_lose_the_last_moment),
        T(level_1_may_run_again_what_was_rolled_back),
        T(level_3_may_run_again_what_a_failover_took_back),
        T(level_3_loses_nothing_when_redis_is_killed),
        T(calls_that_crossed_are_no_violation),
        T(a_report_nobody_answered_may_count_or_not),
        T(a_second_try_nobody_answered_may_count),
        T(a_gap_within_a_fault_is_no_violation),
        T(buckets_on_disk_make_no_difference),
        T(files_of_one_campaign_are_one_history),
        T(a_record_cut_short_is_left_out),
        T(what_is_no_history_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
