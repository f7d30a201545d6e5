/* SPDX-License-Identifier: MIT */
/* Pools of processes that stay, from inside: pools.c is the executor, place.c
 * is where one process follows the other, errand.c is one run. */
#ifndef STINT_WORKER_POOLS_H
#define STINT_WORKER_POOLS_H

#include "executor.h"
#include "nursery.h"
#include "resident.h"

struct place;
struct pool;
struct pools;

/* A run, from start to on_done. */
struct errand {
    struct errand *prev, *next; /* of its pool's queue; or of those that are
                                   over, or spare, by next only */
    struct pool *pool;
    struct run *run;
    struct place *place;        /* NULL: it waits, or is over */
    int64_t came_ms;
    enum run_outcome ending;    /* RUN_COMPLETED: nobody ended it */
    int is_heard;               /* a frame about it came */
    int has_progress, is_new;
    double percent;
    char text[PROGRESS_BYTES_MAX + 1];
    char name[STINT_ID_LEN + 24]; /* what frames call it: ID@FENCE */
    char error[ERROR_BYTES_MAX + 1];
};

enum place_state {
    PLACE_EMPTY,    /* due: start */
    PLACE_STARTING, /* no hello yet; due: too late for it */
    PLACE_IDLE,     /* due: ping, or too late for the pong */
    PLACE_BUSY,     /* due: the timeout, or the end of the grace period */
    PLACE_LEAVING   /* it ends; due: kill */
};

/* One of a pool's processes, and those that come after it. */
struct place {
    struct resident resident; /* first */
    struct pool *pool;
    struct place *next_idle;
    enum place_state state;
    int64_t due_ms;
    struct errand *errand;    /* what it runs, or ran when it began to end */
    struct json_t *functions; /* object: those it knows; NULL: any */
    int64_t n_runs;           /* it has answered */
    int64_t n_pings;
    int is_pinged;
    int was_told;             /* to exit */
    int n_failures;           /* of its predecessors, in a row */
};

struct pool {
    struct pools *pools;
    const struct child_pool *how; /* borrowed */
    struct place *places;
    int n_places;
    struct place *idle;           /* the last one first: its memory is warm */
    int n_warned;                 /* a failure in a row that was warned of; of
                                     all places only the first is */
    struct errand *first, *last;  /* wait for one */
};

struct pools {
    struct executor executor; /* first */
    struct executor_options o;
    struct resident_home home;
    struct nursery nursery;
    struct pool *pools;
    int n_pools;
    struct event *timer;      /* for next_ms and over */
    int64_t next_ms;          /* nothing is due before */
    int is_retiring;          /* who has nothing to do goes, and nobody comes */
    struct errand *over, *spare;
    struct buf frame;         /* that is being made */
};

/* pools.c. Something is due then. */
void pools_look_at(struct pools *ps, int64_t due_ms);
/* An errand's way out of its pool's queue, and back to its head. */
void queue_remove(struct pool *pool, struct errand *e);
void queue_put_back(struct pool *pool, struct errand *e);
/* It has no process; on_done will come from the loop. Of RUN_FAILED error says
 * why. */
void errand_is_over(struct errand *e, enum run_outcome outcome);

/* place.c. Hands runs that wait to whoever is idle. */
void pool_feed(struct pool *pool);
/* A process for an empty place, or else for some time none; none at all where
 * they retire and no run waits. */
void place_start(struct place *p);
/* Does what is due. */
void place_due(struct place *p, int64_t now_ms);
/* An idle one may go. */
void place_retire(struct place *p);
/* Asks its run to end, and kills it after the grace period. */
void place_cancel(struct place *p, enum run_outcome why, int64_t now_ms);
/* "exit", or "ping" with a number. */
void place_tell(struct place *p, const char *type, int64_t n);
/* Its process is gone: what becomes of its run, if it had one. */
void place_lose_errand(struct place *p);
/* For resident_home. */
void place_on_frame(struct resident *r, const char *type,
                    struct json_t *frame, const char *json);
void place_on_silent(struct resident *r);
void place_on_gone(struct resident *r);

/* errand.c. Ends that call on_done free the errand. */

/* For a run that came now. */
struct errand *errand_new(struct pool *pool, struct run *run, int64_t now_ms);
/* Hands it to a place; its time begins. -1 and error is set: it cannot be. */
int errand_begin(struct errand *e, struct place *place, int64_t now_ms);
/* Asks for its end. */
void errand_cancel(struct errand *e, enum run_outcome why);
/* A frame about it: progress and output. */
void errand_on_progress(struct errand *e, const struct json_t *frame);
void errand_on_output(struct errand *e, const struct json_t *frame);
/* Its answer; json is the frame's text. on_done is called. */
void errand_on_done(struct errand *e, const char *json);
void errand_on_failed(struct errand *e, const struct json_t *frame);
/* Its process is gone, or did not come up. on_done is called. */
void errand_lose(struct errand *e, struct resident *r, const char *prefix);
/* It has no process; error says why. on_done is called. */
void errand_end(struct errand *e, enum run_outcome outcome);
int errand_news(struct errand *e, struct run_news *news);

#endif
