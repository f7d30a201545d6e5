/* SPDX-License-Identifier: MIT */
/* Builds histories of campaigns by hand, for the tests of the checker. Times are
 * ms since the campaign's begin; Redis's clock goes with them. */
#ifndef STINT_TORTURE_HISTORY_BUILDER_H
#define STINT_TORTURE_HISTORY_BUILDER_H

#include <stddef.h>

#include "history.h"

#define BUILDER_EPOCH_MS INT64_C(1700000000000)
#define REDIS_MS(ms)     (BUILDER_EPOCH_MS + (ms))
#define REDIS_US(ms)     (REDIS_MS(ms) * 1000)

enum { WORKER_A = 1, WORKER_B = 2, CLIENT = 10, RESOURCE = 11, NEMESIS = 12 };

struct builder {
    struct history_record *records;
    size_t n, n_room;
};

struct values {
    int64_t of[4];
};

#define V(...) ((struct values){.of = {__VA_ARGS__}})

/* Adds a record; its token follows from the fence. */
struct history_record *add(struct builder *b, int64_t ms, uint32_t actor,
                           enum history_kind kind, enum history_outcome outcome,
                           const char *id, uint64_t fence, struct values v);
/* Writes DIR/NAME and forgets the records. */
void builder_write(struct builder *b, const char *dir, const char *name);

/* ---- what happens often -----------------------------------------------------*/

/* Spec and queueing, acknowledged. */
void queued(struct builder *b, int64_t ms, const char *id, struct values spec);
/* RUNNING at once; returns its fence. */
uint64_t assigned(struct builder *b, int64_t ms, uint32_t worker,
                  const char *id);
/* The task's code from `ms` to `end_ms` (0: it never ended), which writes to the
 * resource. */
void code_ran(struct builder *b, int64_t ms, int64_t end_ms, uint32_t worker,
              const char *id, uint64_t fence);
/* Sent and answered, 1 ms later. */
void reported(struct builder *b, int64_t ms, uint32_t worker, const char *id,
              uint64_t fence, enum history_status status,
              enum history_outcome outcome);
void run_kept(struct builder *b, const char *id, uint64_t fence,
              enum history_status status);
void dumped(struct builder *b, const char *id, uint64_t fence,
            enum history_status status, int64_t run, int64_t failed,
            int64_t lost);
/* All of it, from `ms` to `ms` + 20. */
uint64_t whole_task(struct builder *b, int64_t ms, uint32_t worker,
                    const char *id);
void beat(struct builder *b, int64_t ms, uint32_t worker, int64_t lease_ms);
void fault(struct builder *b, int64_t ms, int64_t end_ms,
           enum history_fault kind, uint32_t target);
/* A campaign in which much happens, and all is well. It ends at 3 s; dumps are
 * written at 3.5 s. */
void good_campaign(struct builder *b);

#endif
