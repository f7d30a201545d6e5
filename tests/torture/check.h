/* SPDX-License-Identifier: MIT */
/* The checker of a campaign's history. `check.c` reads the records, `world.c`
 * keeps what concerns all tasks (faults, leases, phases), `life.c` makes of a
 * task's records its assignments; the checks themselves are rows of one table
 * (check_table.c) and functions on these.
 *
 * A check says something only when the records prove it. Calls of two
 * processes whose order they do not tell may have come in either. */
#ifndef STINT_TORTURE_CHECK_H
#define STINT_TORTURE_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "histogram.h"
#include "history_read.h"

#define EXAMPLES_MAX 3  /* kept of each check */
#define TIMELINE_MAX 40 /* records of a task that an example shows */
#define US_PER_S     INT64_C(1000000)

/* ---- options ----------------------------------------------------------------*/

struct check_options {
    int level;         /* of the promise, 1 to 3 */
    bool replay;       /* through the table of the model, too */
    int64_t loss_us;   /* level 1: acknowledged so long before a stop of Redis:
                          it may be lost */
    int64_t budget_us; /* so long after its end a fault explains things */
    int64_t
        recovery_us; /* so long after a fault of all there may be no progress */
    int64_t gap_us;  /* without any fault, progress comes at least so often */
    size_t memory;   /* bytes */
};

#define CHECK_OPTIONS_DEFAULT                                                  \
    (struct check_options)                                                     \
    {                                                                          \
        .level = 1, .replay = true, .loss_us = 3 * US_PER_S,                   \
        .budget_us = 30 * US_PER_S, .recovery_us = 10 * US_PER_S,              \
        .gap_us = 5 * US_PER_S, .memory = (size_t)512 << 20,                   \
    }

/* ---- the world --------------------------------------------------------------*/

struct fault {
    uint32_t target;          /* actor; 0: all, or nobody knows whom */
    uint32_t kind;            /* enum history_fault */
    int64_t line;             /* of the plan */
    int64_t begin_us, end_us; /* CLOCK_MONOTONIC; end: begin, if at once */
};

struct world;

struct world *world_new(const struct check_options *o);
void world_free(struct world *w);
/* A record in the reading order: history_record_fn with a world for `arg`. */
void world_note(const struct history_record *r, void *world);
/* Between the passes: sorts what has been noted. False: out of memory, since
 * world_note. */
bool world_ready(struct world *w);
const struct check_options *world_options(const struct world *w);

/* The fault that may have caused a second run of what `actor` held from `from`
 * to `to`; or NULL. One that touches the actor comes before one of all. */
const struct fault *world_explains(const struct world *w, uint32_t actor,
                                   int64_t from_us, int64_t to_us);
/* Level 1: might a call that was acknowledged then have been lost? */
bool world_may_lose(const struct world *w, int64_t us);
/* When it was killed or left; INT64_MAX: not known to have. */
int64_t world_death(const struct world *w, uint32_t actor);
bool world_was_killed(const struct world *w, uint32_t actor, int64_t *at_us);
/* Redis's us at which the lease of the actor ends, as it was renewed at the
 * latest at Redis's `us`. 0: nothing known. */
int64_t world_lease_end(const struct world *w, uint32_t actor, int64_t us);
/* Did a clock of Redis jump in this campaign? Then its times order nothing. */
bool world_clock_jumped(const struct world *w);
bool world_has(const struct world *w, enum history_kind kind);
uint64_t world_count(const struct world *w, enum history_kind kind);
uint64_t world_n_faults(const struct world *w, uint32_t kind);
uint64_t world_begin(const struct world *w); /* the first record, us */
/* What a task adds to what could run at a time: 1 when it became so, -1 when it
 * had run. Between the passes and the checks of the fleet. */
void world_open(struct world *w, int64_t us, int n);

/* ---- what checks of the fleet look at ----------------------------------------*/

struct gap {
    int64_t from_us, to_us;
};

/* The longest gaps first found: while tasks were open, outside of faults and
 * their budgets, no result was counted for longer than gap_us. Returns how
 * many; at most n_max are written. Sets how many seconds were looked at, and
 * how many were within faults. */
size_t world_gaps(const struct world *w, struct gap *gaps, size_t n_max,
                  int64_t *seconds, int64_t *seconds_of_faults);
/* From the end of each fault to the first result after it. */
void world_resumes(const struct world *w, struct histogram *to);

/* An order in which a worker got tasks, and should not have. */
struct disorder {
    uint32_t actor;
    int64_t us; /* Redis's, of the call */
    int64_t priority[2], due[2];
};

uint64_t world_n_orders(const struct world *w); /* pairs looked at */
uint64_t world_n_disorders(const struct world *w);
const struct disorder *world_disorder(const struct world *w, size_t i);

/* The use of resources by a process, at the first and the last look at it while
 * it had nothing to do. */
struct usage {
    uint32_t actor;
    uint64_t n;                /* looks */
    int64_t first[4], last[4]; /* descriptors, children, zombies, KiB */
    int64_t rss_max[2]; /* KiB, in the first and the second half of the looks */
    int64_t last_us;    /* CLOCK_MONOTONIC */
    bool drained;       /* the last one came after everything was done */
};

size_t world_n_usages(const struct world *w);
const struct usage *world_usage(const struct world *w, size_t i);
/* FINAL_FAULT and FINAL_KEYS without an id. */
int64_t world_keys_without_owner(const struct world *w);
uint64_t world_final_faults(const struct world *w);

/* ---- a task -----------------------------------------------------------------*/

/* An assignment of the task, and what became of it. Records are borrowed. */
struct holding {
    uint64_t fence, token;
    uint32_t actor; /* the worker; 0: only its task's code or Redis told */
    const struct history_record *assign, *start; /* start: OK or UNKNOWN */
    const struct history_record *sent;           /* the first REPORT_SENT */
    const struct history_record *report;         /* the first OK, else AGAIN */
    const struct history_record *release;        /* OK or UNKNOWN */
    const struct history_record *lost_lease;
    const struct history_record *begin, *end; /* of its code, the first */
    const struct history_record *final_run;
    int n_ok;       /* reports that were counted */
    int n_begin;    /* how often its code began */
    bool maybe;     /* a report may have been counted: nobody knows */
    int64_t status; /* of the run as it was told, or HS_NONE */
};

struct task {
    const char *id;
    const struct history_entry *entries;
    size_t n_entries;
    const struct history_record *spec;
    const struct history_record *submit; /* the first OK */
    const struct history_record *final;  /* the first */
    int n_submits[OUTCOME_UNKNOWN + 1];  /* by outcome */
    int n_finals;
    int n_requeues;           /* OK or UNKNOWN */
    int n_stops;              /* OK or UNKNOWN */
    struct holding *holdings; /* by fence, then token */
    size_t n_holdings, n_room;
    bool may_be_rolled_back; /* level 1: a call on it was acknowledged in a
                                window before a stop of Redis */
};

/* Fills `t`, whose `holdings` are kept from task to task. False: no memory. */
bool task_read(struct task *t, const struct history_entry *entries, size_t n,
               const struct world *w);
bool status_is_end(int64_t status);
bool holding_is_counted(const struct holding *h);
/* CLOCK_MONOTONIC of its first record. */
int64_t holding_begin(const struct holding *h);
/* When its code was over as far as the records tell; INT64_MIN: they do not. */
int64_t holding_code_end(const struct holding *h, const struct world *w);

/* ---- counters as they must be ------------------------------------------------*/

/* A history of counters that fits the records: unknown outcomes were taken or
 * not. */
struct tally {
    int64_t run, failed;
    int64_t ended; /* end state, or HS_NONE */
    int requeues;  /* used up */
};

#define TALLIES_MAX 64

struct tallies {
    struct tally of[TALLIES_MAX];
    int n;
    bool overflow;              /* too many: nothing can be said */
    const struct holding *none; /* the one that fits no history; or NULL */
};

void tallies_work_out(struct tallies *all, const struct task *t);

/* ---- checks -----------------------------------------------------------------*/

struct example {
    char text[1500];
    char *timeline; /* or NULL; owned */
};

struct verdict {
    uint64_t examined, violations;
    uint64_t excused; /* level 1: lost calls, not violations */
    struct example examples[EXAMPLES_MAX];
    int n_examples;
    bool may_be_excused; /* of the row */
};

/* A violation by this task (or NULL: by the fleet). */
void verdict_add(struct verdict *v, const struct world *w, const struct task *t,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

struct measures {
    struct histogram resume; /* us from the end of a fault to progress */
    struct histogram rescue; /* us from a worker's death to the next run of
                                each of its tasks */
    uint64_t acknowledged;   /* tasks */
    uint64_t unknown_there, unknown_absent; /* submits nobody knows of */
    uint64_t runs, repeated_runs;
    uint64_t repeated_by[HISTORY_FAULTS_N]; /* which fault explained it; 0:
                                               a release or a lost call */
    uint64_t overlaps;     /* allowed ones: the lease had ended */
    uint64_t late_effects; /* refused by the resource */
    int64_t seconds, seconds_of_faults;
};

typedef void (*check_task_fn)(const struct task *t, const struct world *w,
                              struct verdict *v, struct measures *m);
typedef void (*check_fleet_fn)(const struct world *w, struct verdict *v,
                               struct measures *m);

struct check_row {
    const char *name, *text;
    check_task_fn each;  /* or NULL */
    check_fleet_fn all;  /* after all tasks; or NULL */
    bool may_be_excused; /* by a roll-back at level 1 */
};

extern const struct check_row check_rows[];
extern const int n_check_rows;

void check_lost(const struct task *t, const struct world *w, struct verdict *v,
                struct measures *m);
void check_invented(const struct task *t, const struct world *w,
                    struct verdict *v, struct measures *m);
void check_recovered(const struct task *t, const struct world *w,
                     struct verdict *v, struct measures *m);
void check_one_result(const struct task *t, const struct world *w,
                      struct verdict *v, struct measures *m);
void check_holder(const struct task *t, const struct world *w,
                  struct verdict *v, struct measures *m);
void check_overlap(const struct task *t, const struct world *w,
                   struct verdict *v, struct measures *m);
void check_explained(const struct task *t, const struct world *w,
                     struct verdict *v, struct measures *m);
void check_fences(const struct task *t, const struct world *w,
                  struct verdict *v, struct measures *m);
void check_resource(const struct task *t, const struct world *w,
                    struct verdict *v, struct measures *m);
void check_counters(const struct task *t, const struct world *w,
                    struct verdict *v, struct measures *m);
void check_limits(const struct task *t, const struct world *w,
                  struct verdict *v, struct measures *m);
void check_terminal(const struct task *t, const struct world *w,
                    struct verdict *v, struct measures *m);
void check_place(const struct task *t, const struct world *w, struct verdict *v,
                 struct measures *m);
void check_keys(const struct world *w, struct verdict *v, struct measures *m);
void check_liveness(const struct world *w, struct verdict *v,
                    struct measures *m);
void check_resources(const struct world *w, struct verdict *v,
                     struct measures *m);
void check_order(const struct world *w, struct verdict *v, struct measures *m);
/* In replay.c. */
void check_replay(const struct task *t, const struct world *w,
                  struct verdict *v, struct measures *m);

/* ---- all of it --------------------------------------------------------------*/

struct checked {
    struct verdict *verdicts; /* one a row */
    struct measures measures;
    uint64_t n_records, n_files, n_torn, n_tasks;
};

/* Reads DIR and judges. NULL and `why` on an error. */
struct checked *check_campaign(const char *dir, const struct check_options *o,
                               char why[200]);
void checked_free(struct checked *c);
uint64_t checked_violations(const struct checked *c);
void checked_print(const struct checked *c, const struct check_options *o,
                   FILE *to);
void checked_print_json(const struct checked *c, const struct check_options *o,
                        FILE *to);
/* One record as a line of text, without its id. */
void record_print(const struct history_record *r, uint64_t begin_us, FILE *to);

#endif
