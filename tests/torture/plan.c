/* SPDX-License-Identifier: MIT */
#include "plan.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history_file.h"
#include "spec.h"

#define HOUR_MS 3600000

/* Lanes: faults of one lane do not overlap, those of different ones do. */
enum lane { LANE_PROCESS, LANE_LINK, LANE_REDIS, LANES_N };

/* Each once a round, in an order of its own. Durations and arguments are drawn
 * between the two numbers; negative arguments mean "either sign". */
static const struct kind {
    int fault;
    enum lane lane;
    enum act_target target;
    int levels; /* bit of each level it belongs to */
    int64_t for_min, for_max, arg_min, arg_max;
} kinds[] = {
    {FAULT_KILL_WORKER, LANE_PROCESS, TARGET_WORKER, 7, 50, 600, 0, 0},
    {FAULT_KILL_WORKER, LANE_PROCESS, TARGET_WORKER, 7, 50, 200, 0, 0},
    {FAULT_KILL_WORKER, LANE_PROCESS, TARGET_SUPERVISOR, 7, 50, 600, 0, 0},
    {FAULT_STOP_WORKER, LANE_PROCESS, TARGET_WORKER, 7, 1200, 3000, 0, 0},
    {FAULT_KILL_CLIENT, LANE_PROCESS, TARGET_CLIENT, 7, 50, 400, 0, 0},
    {FAULT_WORKER_CLOCK, LANE_PROCESS, TARGET_WORKER, 7, 500, 2000, -1000,
     HOUR_MS},
    {FAULT_CONNECTION_RESET, LANE_LINK, TARGET_LINK, 7, 0, 500, 0, 1},
    {FAULT_REPLY_DROPPED, LANE_LINK, TARGET_LINK, 7, 300, 800, 1, 12},
    {FAULT_REPLY_DROPPED, LANE_LINK, TARGET_LINK, 7, 300, 800, 1, 3},
    {FAULT_REQUEST_CUT, LANE_LINK, TARGET_LINK, 7, 300, 800, 1, 12},
    {FAULT_STALL, LANE_LINK, TARGET_LINK, 7, 200, 2500, 1, 3},
    {FAULT_STALL, LANE_LINK, TARGET_LINK, 7, 5500, 6500, 1, 3},
    {FAULT_SPLIT, LANE_LINK, TARGET_LINK, 7, 500, 1500, 0, 0},
    {FAULT_SLOW_LINK, LANE_LINK, TARGET_LINK, 7, 500, 2000, 2000, 40000},
    {FAULT_PARTITION, LANE_LINK, TARGET_LINK, 7, 300, 6500, 0, 0},
    {FAULT_REDIS_KILLED, LANE_REDIS, TARGET_REDIS, 7, 50, 800, 0, 0},
    {FAULT_REDIS_POWER_CUT, LANE_REDIS, TARGET_REDIS, 7, 50, 800, 0, 1000},
    {FAULT_REDIS_FAILOVER, LANE_REDIS, TARGET_REDIS, 5, 50, 500, 0, 0},
    {FAULT_REDIS_FULL, LANE_REDIS, TARGET_REDIS, 7, 300, 1500, 0, 0},
    {FAULT_REDIS_SLOW, LANE_REDIS, TARGET_REDIS, 7, 300, 2000, 0, 2},
    {FAULT_REDIS_READONLY, LANE_REDIS, TARGET_REDIS, 7, 200, 1500, 0, 1},
    {FAULT_REDIS_BUSY, LANE_REDIS, TARGET_REDIS, 7, 400, 1500, 0, 0},
    {FAULT_REDIS_NO_MEMORY, LANE_REDIS, TARGET_REDIS, 7, 300, 1500, 0, 0},
    {FAULT_REDIS_CLOCK, LANE_REDIS, TARGET_REDIS, 7, 500, 1500, -500,
     HOUR_MS},
    {FAULT_FUNCTIONS_FLUSHED, LANE_REDIS, TARGET_REDIS, 7, 0, 0, 0, 0},
    {FAULT_MAX_CLIENTS, LANE_REDIS, TARGET_REDIS, 7, 300, 1500, 2, 6},
    {FAULT_NO_PERMISSION, LANE_REDIS, TARGET_REDIS, 7, 300, 1500, 0, 1},
    {FAULT_REWRITE, LANE_REDIS, TARGET_REDIS, 7, 0, 0, 0, 0},
    {FAULT_DISK_ERROR, LANE_REDIS, TARGET_REDIS, 7, 300, 1500, 0, 0},
};
#define KINDS_N ((int)(sizeof(kinds) / sizeof(kinds[0])))

/* After a fault of the lane, until the next. */
static const int64_t gaps[LANES_N][2] = {
    [LANE_PROCESS] = {100, 700}, [LANE_LINK] = {50, 300},
    [LANE_REDIS] = {700, 1500}};

static const char *const target_words[TARGETS_N] = {
    "worker", "supervisor", "client", "link", "redis"};

static int64_t draw(uint64_t *dice, int64_t from, int64_t to)
{
    return from + (int64_t)(spec_random(dice) % (uint64_t)(to - from + 1));
}

static void plan_add(struct plan *p, struct act act)
{
    if (p->n == p->cap) {
        p->cap = p->cap > 0 ? 2 * p->cap : 256;
        p->acts = realloc(p->acts, (size_t)p->cap * sizeof(*p->acts));
        if (p->acts == NULL)
            abort();
    }
    p->acts[p->n++] = act;
}

static int kind_is_wanted(const struct kind *k, const struct plan_options *o,
                          const unsigned char *only)
{
    if (!(k->levels & 1 << (o->level - 1)) || (only[0] && !only[k->fault]))
        return 0;
    return k->fault != FAULT_PARTITION || o->far > 0;
}

static int kind_target(const struct kind *k, const struct plan_options *o,
                       uint64_t *dice)
{
    if (k->fault == FAULT_PARTITION)
        return (int)draw(dice, 0, o->far - 1);
    if (k->target == TARGET_SUPERVISOR) /* of the odd slots */
        return o->workers > 1 ? 1 + 2 * (int)draw(dice, 0, o->workers / 2 - 1)
                              : 0;
    if (k->target == TARGET_WORKER)
        return (int)draw(dice, 0, o->workers - 1);
    if (k->target == TARGET_CLIENT)
        return o->workers + (int)draw(dice, 0, o->clients - 1);
    if (k->target == TARGET_LINK)
        return (int)draw(dice, 0, o->workers + o->clients - 1);
    return 0;
}

/* Steps of clocks are mostly small, and as often back as forth. */
static int64_t kind_arg(const struct kind *k, uint64_t *dice)
{
    if (k->arg_min >= 0)
        return draw(dice, k->arg_min, k->arg_max);
    int64_t most = k->arg_max, sizes[] = {most / 3600, most / 60, most};
    int64_t arg = draw(dice, -k->arg_min, sizes[draw(dice, 0, 2)]);
    return draw(dice, 0, 1) ? arg : -arg;
}

static void plan_lane(struct plan *p, const struct plan_options *o,
                      enum lane lane, uint64_t dice, const unsigned char *only)
{
    int deck[KINDS_N], n = 0;
    int64_t at_ms = draw(&dice, 500, 1500);
    for (int i = 0; i < KINDS_N; i++)
        if (kinds[i].lane == lane && kind_is_wanted(&kinds[i], o, only))
            deck[n++] = i;
    for (int i = n; n > 0; i++) {
        if (i >= n) { /* a new round */
            i = 0;
            for (int k = n - 1; k > 0; k--) {
                int with = (int)draw(&dice, 0, k), was = deck[k];
                deck[k] = deck[with];
                deck[with] = was;
            }
        }
        const struct kind *k = &kinds[deck[i]];
        struct act act = {.at_ms = at_ms,
                          .for_ms = draw(&dice, k->for_min, k->for_max),
                          .fault = k->fault,
                          .target = k->target,
                          .n = kind_target(k, o, &dice),
                          .arg = kind_arg(k, &dice)};
        if (act.at_ms + act.for_ms > o->length_ms)
            break;
        plan_add(p, act);
        at_ms += act.for_ms + draw(&dice, gaps[lane][0], gaps[lane][1]);
    }
}

static int act_compare(const void *a, const void *b)
{
    const struct act *x = a, *y = b;
    if (x->at_ms != y->at_ms)
        return x->at_ms < y->at_ms ? -1 : 1;
    if (x->fault != y->fault)
        return x->fault < y->fault ? -1 : 1;
    return x->n < y->n ? -1 : x->n > y->n;
}

static int only_read(const char *text, unsigned char *only)
{
    char word[32];
    int used;
    for (; text != NULL && sscanf(text, "%31[^,]%n", word, &used) == 1;) {
        int fault = history_fault(word);
        if (fault < 0) {
            fprintf(stderr, "torture: %s: no such fault\n", word);
            return -1;
        }
        only[0] = only[fault] = 1;
        text = text[used] == ',' ? text + used + 1 : NULL;
    }
    return 0;
}

int plan_make(struct plan *p, const struct plan_options *o)
{
    unsigned char only[HISTORY_FAULTS_N] = {0};
    uint64_t dice = o->seed;
    *p = (struct plan){0};
    if (only_read(o->only, only) < 0)
        return -1;
    plan_lane(p, o, LANE_REDIS, spec_random(&dice), only);
    for (int i = 0; i < o->lanes; i++) {
        plan_lane(p, o, LANE_PROCESS, spec_random(&dice), only);
        plan_lane(p, o, LANE_LINK, spec_random(&dice), only);
    }
    if (p->n > 0)
        qsort(p->acts, (size_t)p->n, sizeof(*p->acts), act_compare);
    for (int i = 0; i < p->n; i++)
        p->acts[i].line = i + 1;
    return 0;
}

int plan_write(const struct plan *p, const char *path)
{
    FILE *f = fopen(path, "w");
    if (f == NULL)
        return -1;
    for (int i = 0; i < p->n; i++) {
        const struct act *a = &p->acts[i];
        fprintf(f, "at %" PRId64 " do %s to %s:%d for %" PRId64 " %" PRId64
                "\n", a->at_ms, history_fault_word(a->fault),
                target_words[a->target], a->n, a->for_ms, a->arg);
    }
    return fclose(f);
}

static int act_read(struct act *a, const char *line)
{
    char fault[32], target[16];
    if (sscanf(line, "at %" SCNd64 " do %31s to %15[a-z]:%d for %" SCNd64
               " %" SCNd64, &a->at_ms, fault, target, &a->n, &a->for_ms,
               &a->arg) < 5)
        return -1;
    a->fault = history_fault(fault);
    for (int i = 0; i < TARGETS_N; i++)
        if (strcmp(target_words[i], target) == 0) {
            a->target = i;
            return a->fault;
        }
    return -1;
}

int plan_read(struct plan *p, const char *path)
{
    char line[256];
    FILE *f = fopen(path, "r");
    *p = (struct plan){0};
    if (f == NULL) {
        perror(path);
        return -1;
    }
    for (int n = 1; fgets(line, sizeof(line), f) != NULL; n++) {
        struct act a = {.line = n};
        if (line[0] == '#' || line[0] == '\n')
            continue;
        if (act_read(&a, line) < 0) {
            fprintf(stderr, "%s:%d: not \"at MS do FAULT to KIND:N for MS "
                            "ARG\"\n", path, n);
            fclose(f);
            return -1;
        }
        plan_add(p, a);
    }
    fclose(f);
    if (p->n > 0)
        qsort(p->acts, (size_t)p->n, sizeof(*p->acts), act_compare);
    return 0;
}

void plan_close(struct plan *p)
{
    free(p->acts);
}
