/* SPDX-License-Identifier: MIT */
#include "history_builder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MONO_US_BEGIN INT64_C(5000000000)
#define DUMPED_MS     3500

static const struct values plain = {.of = {0, 0, 0, 1}};

struct history_record *add(struct builder *b, int64_t ms, uint32_t actor,
                           enum history_kind kind, enum history_outcome outcome,
                           const char *id, uint64_t fence, struct values v)
{
    if (b->n == b->n_room) {
        b->n_room = b->n_room == 0 ? 256 : 2 * b->n_room;
        b->records = realloc(b->records, b->n_room * sizeof(*b->records));
        if (b->records == NULL)
            abort();
    }
    struct history_record *r = &b->records[b->n++];
    *r = (struct history_record){
        .mono_us = (uint64_t)(MONO_US_BEGIN + ms * 1000),
        .actor = actor,
        .kind = (uint16_t)kind,
        .outcome = (uint16_t)outcome,
        .fence = fence,
        .token = fence == 0 ? 0 : fence * 2654435761u,
    };
    snprintf(r->id, sizeof(r->id), "%s", id);
    memcpy(r->value, v.of, sizeof(r->value));
    return r;
}

void builder_write(struct builder *b, const char *dir, const char *name)
{
    char path[400];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *to = fopen(path, "wb");
    if (to == NULL || fwrite(HISTORY_MAGIC, 8, 1, to) != 1 ||
        fwrite(b->records, sizeof(*b->records), b->n, to) != b->n ||
        fclose(to) != 0)
        abort();
    free(b->records);
    *b = (struct builder){0};
}

void queued(struct builder *b, int64_t ms, const char *id, struct values spec)
{
    add(b, ms, CLIENT, HISTORY_SPEC, OUTCOME_NONE, id, 0, spec);
    add(b, ms + 1, CLIENT, HISTORY_SUBMIT, OUTCOME_OK, id, 0, V(1));
}

uint64_t assigned(struct builder *b, int64_t ms, uint32_t worker,
                  const char *id)
{
    uint64_t fence = (uint64_t)REDIS_US(ms);
    add(b, ms + 1, worker, HISTORY_ASSIGN, OUTCOME_OK, id, fence,
        V(REDIS_US(ms), HS_RUNNING, 0, REDIS_MS(0)));
    return fence;
}

void code_ran(struct builder *b, int64_t ms, int64_t end_ms, uint32_t worker,
              const char *id, uint64_t fence)
{
    add(b, ms, worker, HISTORY_EFFECT_BEGIN, OUTCOME_NONE, id, fence,
        V(100 + worker, 1, 1));
    add(b, ms, RESOURCE, HISTORY_ACCEPTED, OUTCOME_NONE, id, fence, V(0));
    if (end_ms != 0)
        add(b, end_ms, worker, HISTORY_EFFECT_END, OUTCOME_NONE, id, fence,
            V(100 + worker, 1));
}

void reported(struct builder *b, int64_t ms, uint32_t worker, const char *id,
              uint64_t fence, enum history_status status,
              enum history_outcome outcome)
{
    add(b, ms, worker, HISTORY_REPORT_SENT, OUTCOME_NONE, id, fence,
        V(status, 1));
    add(b, ms + 1, worker, HISTORY_REPORT, outcome, id, fence,
        V(status, HS_NONE, 1, REDIS_US(ms)));
}

void run_kept(struct builder *b, const char *id, uint64_t fence,
              enum history_status status)
{
    add(b, DUMPED_MS, NEMESIS, HISTORY_FINAL_RUN, OUTCOME_NONE, id, fence,
        V(status));
}

void dumped(struct builder *b, const char *id, uint64_t fence,
            enum history_status status, int64_t run, int64_t failed,
            int64_t lost)
{
    add(b, DUMPED_MS, NEMESIS, HISTORY_FINAL, OUTCOME_NONE, id, fence,
        V(status, run, failed, lost));
}

uint64_t whole_task(struct builder *b, int64_t ms, uint32_t worker,
                    const char *id)
{
    queued(b, ms, id, plain);
    uint64_t fence = assigned(b, ms + 5, worker, id);
    code_ran(b, ms + 8, ms + 14, worker, id, fence);
    reported(b, ms + 16, worker, id, fence, HS_COMPLETED, OUTCOME_OK);
    add(b, ms + 20, CLIENT, HISTORY_SEEN, OUTCOME_OK, id, 0,
        V(HS_COMPLETED, 1, REDIS_US(ms + 20)));
    run_kept(b, id, fence, HS_COMPLETED);
    dumped(b, id, fence, HS_COMPLETED, 1, 0, 0);
    return fence;
}

void beat(struct builder *b, int64_t ms, uint32_t worker, int64_t lease_ms)
{
    add(b, ms + 1, worker, HISTORY_HEARTBEAT, OUTCOME_OK, "", 0,
        V(0, lease_ms, REDIS_US(ms)));
}

void fault(struct builder *b, int64_t ms, int64_t end_ms,
           enum history_fault kind, uint32_t target)
{
    add(b, ms, NEMESIS, HISTORY_FAULT_BEGIN, OUTCOME_NONE, "", 0,
        V(kind, target, (int64_t)b->n));
    int64_t line = b->records[b->n - 1].value[2];
    if (end_ms != 0)
        add(b, end_ms, NEMESIS, HISTORY_FAULT_END, OUTCOME_NONE, "", 0,
            V(kind, target, line));
}

/* ---- a good campaign --------------------------------------------------------*/

static void retried(struct builder *b)
{
    const char *id = "retried";
    queued(b, 400, id, V(0, 0, 2, 1));
    uint64_t first = assigned(b, 410, WORKER_A, id);
    code_ran(b, 411, 415, WORKER_A, id, first);
    reported(b, 416, WORKER_A, id, first, HS_FAILED, OUTCOME_OK);
    uint64_t second = assigned(b, 430, WORKER_B, id);
    code_ran(b, 431, 435, WORKER_B, id, second);
    reported(b, 436, WORKER_B, id, second, HS_COMPLETED, OUTCOME_OK);
    run_kept(b, id, second, HS_COMPLETED);
    run_kept(b, id, first, HS_FAILED);
    dumped(b, id, second, HS_COMPLETED, 1, 0, 0);
}

/* The reply got lost; the worker asks again. */
static void told_twice(struct builder *b)
{
    const char *id = "told-twice";
    queued(b, 500, id, plain);
    uint64_t fence = assigned(b, 510, WORKER_A, id);
    code_ran(b, 511, 515, WORKER_A, id, fence);
    reported(b, 516, WORKER_A, id, fence, HS_COMPLETED, OUTCOME_UNKNOWN);
    reported(b, 530, WORKER_A, id, fence, HS_COMPLETED, OUTCOME_AGAIN);
    run_kept(b, id, fence, HS_COMPLETED);
    dumped(b, id, fence, HS_COMPLETED, 1, 0, 0);
}

/* Its worker is killed; another one runs it when the lease has ended. */
static void rescued(struct builder *b)
{
    const char *id = "rescued";
    queued(b, 600, id, plain);
    uint64_t first = assigned(b, 610, 3, id);
    code_ran(b, 611, 0, 3, id, first);
    fault(b, 620, 0, FAULT_KILL_WORKER, 3);
    uint64_t second = assigned(b, 1700, WORKER_B, id);
    code_ran(b, 1705, 1710, WORKER_B, id, second);
    reported(b, 1711, WORKER_B, id, second, HS_COMPLETED, OUTCOME_OK);
    run_kept(b, id, second, HS_COMPLETED);
    run_kept(b, id, first, HS_LOST);
    dumped(b, id, second, HS_COMPLETED, 1, 0, 0);
}

/* Stopped longer than its lease; its late report is not heard, and the resource
 * refuses its late write. */
static void paused(struct builder *b)
{
    const char *id = "paused";
    beat(b, 700, 4, 1000);
    queued(b, 700, id, plain);
    uint64_t first = assigned(b, 710, 4, id);
    fault(b, 715, 2000, FAULT_STOP_WORKER, 4);
    code_ran(b, 711, 2010, 4, id, first);
    uint64_t second = assigned(b, 1800, WORKER_A, id);
    code_ran(b, 1801, 1810, WORKER_A, id, second);
    add(b, 2005, RESOURCE, HISTORY_REJECTED, OUTCOME_NONE, id, first,
        V((int64_t)second));
    reported(b, 1811, WORKER_A, id, second, HS_COMPLETED, OUTCOME_OK);
    reported(b, 2011, 4, id, first, HS_COMPLETED, OUTCOME_STALE);
    run_kept(b, id, second, HS_COMPLETED);
    run_kept(b, id, first, HS_LOST);
    dumped(b, id, second, HS_COMPLETED, 1, 0, 0);
}

/* Prefetched, given back at a shutdown, run elsewhere. */
static void released(struct builder *b)
{
    const char *id = "released";
    queued(b, 800, id, plain);
    uint64_t first = assigned(b, 810, WORKER_A, id);
    b->records[b->n - 1].value[1] = HS_ASSIGNED;
    add(b, 815, WORKER_A, HISTORY_RELEASE, OUTCOME_OK, id, first,
        V(REDIS_US(814)));
    uint64_t second = assigned(b, 820, WORKER_B, id);
    b->records[b->n - 1].value[1] = HS_ASSIGNED;
    add(b, 825, WORKER_B, HISTORY_START, OUTCOME_OK, id, second,
        V(REDIS_US(824)));
    code_ran(b, 826, 830, WORKER_B, id, second);
    reported(b, 831, WORKER_B, id, second, HS_COMPLETED, OUTCOME_OK);
    run_kept(b, id, second, HS_COMPLETED);
    dumped(b, id, second, HS_COMPLETED, 1, 0, 0);
}

/* Two lives of two runs each. */
static void repeated(struct builder *b)
{
    const char *id = "repeated";
    queued(b, 900, id, V(0, 0, 0, 2));
    uint64_t fence = 0;
    for (int i = 0; i < 4; i++) {
        if (i == 2)
            add(b, 990, CLIENT, HISTORY_REQUEUE, OUTCOME_OK, id, 0, V(1));
        fence = assigned(b, 910 + 50 * i, WORKER_B, id);
        code_ran(b, 911 + 50 * i, 915 + 50 * i, WORKER_B, id, fence);
        reported(b, 916 + 50 * i, WORKER_B, id, fence, HS_COMPLETED,
                 OUTCOME_OK);
        run_kept(b, id, fence, HS_COMPLETED);
    }
    dumped(b, id, fence, HS_COMPLETED, 2, 0, 0);
}

static void without_runs(struct builder *b)
{
    queued(b, 1100, "too-late", V(0, REDIS_MS(1110), 0, 1));
    dumped(b, "too-late", 0, HS_EXPIRED, 0, 0, 0);
    queued(b, 1100, "stopped", plain);
    add(b, 1110, CLIENT, HISTORY_STOP, OUTCOME_OK, "stopped", 0, V(0));
    dumped(b, "stopped", 0, HS_STOPPED, 0, 0, 0);
    /* Nobody knows of these whether they were queued: one was. */
    for (int i = 0; i < 2; i++) {
        const char *id = i == 0 ? "maybe-there" : "maybe-not";
        add(b, 1120, CLIENT, HISTORY_SPEC, OUTCOME_NONE, id, 0, plain);
        add(b, 1130, CLIENT, HISTORY_SUBMIT, OUTCOME_UNKNOWN, id, 0, V(1));
    }
    dumped(b, "maybe-there", 0, HS_STOPPED, 0, 0, 0);
    add(b, 1140, CLIENT, HISTORY_STOP, OUTCOME_UNKNOWN, "maybe-there", 0, V(0));
    add(b, 1150, CLIENT, HISTORY_SUBMIT, OUTCOME_REFUSED, "refused", 0, V(1));
}

/* Four tasks of one reply: the first was lost with a worker, so it may come
 * before more urgent ones. */
static void in_order(struct builder *b)
{
    static const int64_t priority[4] = {0, 5, 5, 1}, due[4] = {10, 3, 4, 1};
    const char *const ids[4] = {"order-0", "order-1", "order-2", "order-3"};
    for (int i = 0; i < 4; i++)
        queued(b, 1200, ids[i], plain);
    uint64_t fence = 0;
    for (int i = 0; i < 4; i++) {
        fence = assigned(b, 1210, WORKER_A, ids[i]);
        b->records[b->n - 1].value[2] = priority[i];
        b->records[b->n - 1].value[3] = REDIS_MS(due[i]);
    }
    for (int i = 0; i < 4; i++) {
        code_ran(b, 1220, 1230, WORKER_A, ids[i], fence);
        reported(b, 1231, WORKER_A, ids[i], fence, HS_COMPLETED, OUTCOME_OK);
        run_kept(b, ids[i], fence, HS_COMPLETED);
        dumped(b, ids[i], fence, HS_COMPLETED, 1, 0, 0);
    }
}

void good_campaign(struct builder *b)
{
    add(b, 0, NEMESIS, HISTORY_PHASE, OUTCOME_NONE, "", 0, V(0));
    for (uint32_t worker = WORKER_A; worker <= WORKER_B; worker++)
        for (int i = 0; i < 30; i++) {
            beat(b, 100 * i, worker, 10000);
            add(b, 100 * i, worker, HISTORY_USAGE, OUTCOME_NONE, "", 0,
                V(12, 2, 0, 8000 + i));
        }
    whole_task(b, 200, WORKER_A, "one");
    whole_task(b, 300, WORKER_B, "two");
    retried(b);
    told_twice(b);
    rescued(b);
    paused(b);
    released(b);
    repeated(b);
    without_runs(b);
    in_order(b);
    add(b, 2500, NEMESIS, HISTORY_PHASE, OUTCOME_NONE, "", 0, V(1));
    add(b, 3000, NEMESIS, HISTORY_PHASE, OUTCOME_NONE, "", 0, V(2));
    add(b, 3500, NEMESIS, HISTORY_FINAL_KEYS, OUTCOME_NONE, "", 0,
        V(0, 1000000));
}
