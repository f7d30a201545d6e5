/* SPDX-License-Identifier: MIT */
/* What the nemesis will do: made from a seed, written down before it begins,
 * and read back, so that a plan can be cut down by hand. A line is
 *     at MS do FAULT to KIND:N for MS ARG
 * where KIND is worker, supervisor, client, link (of that slot) or redis. */
#ifndef STINT_TESTS_PLAN_H
#define STINT_TESTS_PLAN_H

#include <stdint.h>

enum act_target { TARGET_WORKER, TARGET_SUPERVISOR, TARGET_CLIENT, TARGET_LINK,
                  TARGET_REDIS, TARGETS_N };

struct act {
    int64_t at_ms, for_ms;
    int fault; /* enum history_fault */
    enum act_target target;
    int n;     /* which; for links a slot */
    int64_t arg;
    int line;  /* from 1 */
};

struct plan {
    struct act *acts; /* by at_ms */
    int n, cap;
};

struct plan_options {
    uint64_t seed;
    int64_t length_ms;
    int level, workers, clients;
    int far;       /* workers in a network namespace: slots 0 to far - 1 */
    int lanes;     /* faults of processes and of links at once, each */
    const char *only; /* "kill-worker,reset"; NULL: all */
};

/* The same options make the same plan. -1: a word of `only` is no fault. */
int plan_make(struct plan *p, const struct plan_options *o);
int plan_write(const struct plan *p, const char *path);
/* -1, and says on stderr which line is wrong. */
int plan_read(struct plan *p, const char *path);
void plan_close(struct plan *p);

#endif
