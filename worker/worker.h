/* SPDX-License-Identifier: MIT */
/* The worker: takes due tasks of its groups, has executors run them, reports.
 * worker.c decides (worker_tick), control.c is told from outside, exchange.c
 * and running.c talk to Redis, waiting.c blocks there, held.c keeps the tasks
 * in hand, embed.c is the public face with the event loop. */
#ifndef STINT_WORKER_WORKER_H
#define STINT_WORKER_WORKER_H

#include <stdint.h>

#include "bounds.h"
#include "buf.h"
#include "config.h"
#include "executor.h"
#include "log.h"
#include "reaper.h"
#include "script.h"
#include "task.h"

#define WORKER_NAME_LEN    STINT_NAME_LEN
#define WORKER_BACK_OFF_MS 250 /* after a call that failed */
#define WORKER_DATE_MS     1000 /* after a look for a time that failed */
#define WORKER_RELOAD_MS   10  /* after one that found no functions */
#define WORKER_REFUSED_MS  1000 /* after one that it has no right to */
#define UNBLOCK_MS         20  /* until Redis has seen that we wait no more */

/* ASSIGNED: prefetched. STARTING: start is under way. RUNNING: an executor has
 * it. DONE: waits to be reported (this is the outbox). SENT: report or release
 * is under way. OVERSTAYED: not ours any more, but its function goes on in a
 * slot that is written off until it returns; no part of n_held. */
enum held_state { HELD_ASSIGNED, HELD_STARTING, HELD_RUNNING, HELD_DONE,
                  HELD_SENT, HELD_N, HELD_OVERSTAYED = HELD_N, HELD_LISTS };

#define TRACEPARENT_LEN 55 /* 00-(32 hex)-(16 hex)-(2 hex) */
#define ASSIGNING_MAX 2   /* assigns of a group under way at once */
#define FOLLOW_MIN    100 /* slots free for an assign behind another */

struct worker;
struct worker_group;

/* A task in this worker's hands, from the reply of assign until Redis has
 * what became of it. */
struct held {
    struct run run;             /* what the executor sees; first, see
                                   worker_on_done */
    struct held *prev, *next;   /* of the list of its state */
    enum held_state state;
    struct worker_group *group;
    struct config *config;      /* by which it runs */
    const struct task_type *type;
    struct task_state record;   /* as assigned; its ticket is our proof */
    size_t text_cap;
    char *text;                 /* id, NUL, what was queued, NUL; owned */
    const char *queued;         /* in text */
    char *json;                 /* made for programs, owned, or NULL */
    char traceparent[TRACEPARENT_LEN + 1]; /* "": none */
    const char *status;         /* DONE: for report; NULL: release. Constant,
                                   or status_text */
    char status_text[64];
    const char *word;           /* DONE: what it begins with, constant */
    char advice[24];            /* DONE: what it ends with */
    int undated;                /* DONE: when it runs next cannot be told yet,
                                   and so nothing is reported */
    char *payload;              /* DONE: JSON, owned, or NULL */
    size_t payload_len;
    int ask;                    /* STARTING: 1: results of its parents are to
                                   be asked for, 2: that is under way */
    int asking;                 /* calls outstanding for that */
    int stopping;               /* somebody wants it STOPPED */
    int64_t sync_ms;            /* publish output so often; 0: at the end */
    int64_t sync_mono_ms;       /* when next */
    int lost;                   /* not ours any more: drop when it ends */
    int release;                /* shutting down: give it back when it ends */
};

struct held_list {
    struct held *first, *last;
    int n;
};

/* SERVED: takes from it. LEAVING: the configuration does not name it any more;
 * what runs is finished. GONE: Redis knows that; the slot is for its return. */
enum group_stay { GROUP_SERVED, GROUP_LEAVING, GROUP_GONE };

/* A group, or a part of one. */
struct worker_group {
    char name[STINT_NAME_LEN + 1];  /* of the part, for Redis */
    char shown[STINT_NAME_LEN + 1]; /* of the group, for people and programs */
    struct worker *worker;
    struct worker_group *head; /* part 0 of its group */
    enum group_stay stay;
    int64_t leave_mono_ms;   /* LEAVING since */
    int passed_on;           /* LEAVING: what we keep the time of */
    int parting;             /* the heartbeat under way is the last */
    int weight;              /* how often the group was named */
    int credit;              /* of its share of slots, see worker_share; this
                                and the next two: of part 0, for all parts */
    int hungry_parts;        /* that want some of them */
    int turn;                /* whose turn it is among these */
    int share;               /* slots to be filled from it now */
    int hungry;              /* 1: there may be due work */
    int marker;              /* 1: we popped its marker and must pass it on */
    int cast;                /* 1: parts of broadcasts wait for us */
    int nudged;              /* 1: a heartbeat at once, it has news */
    int64_t due_mono_ms;     /* when the next is due; INT64_MAX: unknown */
    int assigning;           /* calls outstanding */
    struct {
        int n;               /* tasks it asked for */
        int lost;            /* it may bring one that was lost with a worker */
        struct config *config; /* with its functions */
    } asks[ASSIGNING_MAX];   /* of each call, oldest first */
    int flows;               /* the last reply was full, and there is more */
    int sending;             /* starts, reports, releases outstanding */
    int has_lease;
    int was_leased;          /* and a lease that is missing has been lost */
    int beating;             /* heartbeat outstanding */
    int reconcile;           /* 1: the next heartbeat carries what we hold */
    int reconciling;         /* 1: the outstanding one does */
    int lists;               /* heartbeats in a row that carried it */
    int64_t heard_us;        /* its Redis's clock in the last reply; 0: none */
    int64_t leased_mono_ms;  /* the last renewal, counted from its sending */
    int64_t sent_mono_ms;    /* of the outstanding heartbeat */
    int64_t left;            /* drain: tasks left, -1: not known */
    int64_t unknown;         /* drain: tasks of functions we do not know */
    int counting;            /* drain: stats outstanding */
    int64_t redis_off_us;    /* its Redis's clock - mono, last seen, a little
                                less by the way of the reply; 0: never */
    int64_t pause_mono_ms;   /* a call failed: no heartbeat, and so nothing
                                else, before */
};

/* A connection that blocks, for groups that can be named in one command. */
struct worker_wait {
    struct worker *worker;
    struct script_caller *caller; /* borrowed */
    int for_work;            /* 1: for markers, 0: for signals */
    int for_fleet;           /* 1: for the fleet's signals, too */
    int first, n;            /* the groups; n may be 0, or -1: all */
    int connected;
    int waiting;             /* BZPOPMIN outstanding */
    int no_suspects;         /* it leaves tasks out that were lost with a
                                worker */
    int64_t again_mono_ms;   /* not before (after an error) */
};

enum worker_phase { WORKER_ACTIVE, WORKER_TERMINATING, WORKER_LEAVING,
                    WORKER_GONE };

struct worker {
    struct config *config;   /* borrowed; that of new runs */
    const struct log *log;   /* borrowed */
    char name[WORKER_NAME_LEN + 1]; /* WORKER: with the incarnation */
    char shown[STINT_NAME_LEN + 1]; /* without */
    char host[65];
    int64_t pid;
    int64_t started_wall_ms;
    int64_t heartbeat_ms;
    int64_t lease_ms;
    int64_t shutdown_ms;
    int prefetch;
    int follow_min;          /* FOLLOW_MIN, or fewer in the simulator */
    int drain;

    struct script_caller *caller; /* commands; borrowed */
    int connected;
    int apart;                    /* groups may be at different nodes */
    struct worker_wait *waits;    /* owned: for work, then for signals */
    int n_waits, waits_cap;       /* they stay where they are */
    int (*open_wait)(struct worker_wait *wait, void *want_arg,
                     struct stint_err *err); /* gives it a caller; may be
                                                NULL */

    struct worker_group *groups;  /* owned; room for SERVED_MAX: they stay
                                     where they are */
    int n_groups;
    int fleet_heard;              /* 1: and so knows all parts of its groups */
    int overloaded;               /* 1: they are more, so it ends */
    int spent;                    /* 1: all slots are written off: it ends */
    struct held_list held[HELD_LISTS];
    struct held *spare;           /* by next, see held.c */
    int n_spare;
    int n_held;
    int sending;                  /* reports and releases outstanding */
    int64_t parents_mono_ms;      /* do not ask for parents before */
    int n_undated;                /* of the DONE ones */
    int64_t undated_mono_ms;      /* look no sooner for when these run next */
    int report_turn;              /* the group to begin with */

    struct reaper reaper;
    int leading;
    int fleet_beating;
    int64_t fleet_mono_ms;        /* next fleet heartbeat */

    int disabled;                 /* takes nothing new */
    int64_t acted;                /* number of the last command done */
    int suspects;                 /* held ones that were lost with a worker */
    int syncs;                    /* RUNNING ones whose output is published */
    int progressing;              /* progress outstanding */
    int log_runs;                 /* the start and end of each */
    int max_empty_runs, empty_runs;
    int64_t empty_mono_ms;        /* when to look again */
    int64_t empty_total;          /* n_total then */
    double (*load)(void);         /* of the host; NULL: not known */
    int64_t (*rss_kb)(void);      /* our memory; NULL: not known */
    int64_t (*wall)(void);        /* its clock, ms since the epoch */

    enum worker_phase phase;
    int stops;                    /* how often stop was asked for */
    int64_t stop_mono_ms;         /* when the first came */
    int64_t count_mono_ms;        /* drain: count again */
    int passed_on;                /* markers given to others */

    int64_t redis_off_us;         /* the same, of whichever was heard last */
    int ahead;                    /* tasks taken beyond the slots, for C
                                     functions that take microseconds */
    int64_t rate_mono_ms;         /* window in which ended runs are counted */
    int n_ended;
    int64_t n_total, n_failed;
    int64_t reconnects, leases_lost; /* for the record */
    struct script_meter meter;    /* of caller's calls */
    int64_t (*clock)(void);       /* mono ms, for replies and executors */
    int64_t (*clock_us)(void);    /* the same clock, us */
    void (*want_tick)(void *arg); /* from callbacks: tick soon */
    void *want_arg;
};

/* groups.c. Makes the groups of w->config, with their weights. Errors:
 * NOMEM. */
int worker_add_groups(struct worker *w, struct stint_err *err);
/* Would there be room for those of another configuration? Errors: TOO_BIG. */
int worker_groups_fit(const struct worker *w, const struct config *c,
                      struct stint_err *err);
/* w->config is another one now: serves its groups, and leaves the others.
 * Errors: those of waits_follow. */
int worker_follow_groups(struct worker *w, struct stint_err *err);
/* What is due for those that it leaves; the next deadline. */
int64_t worker_tick_leaving(struct worker *w, int64_t now_ms);
/* The fleet has a group, "main", or "main 8" in 8 parts: the reaper and, if it
 * is ours, we look after all of them. */
void worker_saw_group(struct worker *w, const char *text, size_t len);
/* control.c. The connection for calls is there (1, and our rules are loaded) or lost. 1
 * again: a part of Redis was away; what each group holds is brought into
 * step. */
void worker_on_connected(struct worker *w, int connected);

/* waiting.c. Makes w->waits for the groups there are; apart: in a cluster.
 * Errors: NOMEM, and those of w->open_wait. */
int waits_add(struct worker *w, int apart, struct stint_err *err);
/* Groups were added: for these, too. */
int waits_follow(struct worker *w, struct stint_err *err);
/* A key in the slot it waits in. Returns len. */
int wait_key(const struct worker_wait *wait, const struct script_caller *c,
             char *key, size_t cap);
/* Its connection is there (1) or lost. */
void wait_on_state(struct worker_wait *wait, int connected);
/* Begin to wait where that is due; return the next deadline. */
int64_t waits_tick_work(struct worker *w, int64_t now_ms, int has_room);
int64_t waits_tick_signals(struct worker *w, int64_t now_ms);
/* Nothing is waited for: a call that blocks could still pop the marker we are
 * about to pass on. */
void waits_stop(struct worker *w);

/* worker.c. Does all that is due; returns the next deadline (mono ms). */
int64_t worker_tick(struct worker *w, int64_t now_mono_ms);
void worker_on_done(struct run *run, const struct run_result *result,
                    void *arg);
void worker_on_progress(struct run *run, void *arg);
void worker_on_return(struct run *run, void *arg);
/* Starts what is in hand on its executor. */
void worker_run(struct worker *w, struct held *h);
/* The same, once results of its parents are there. */
void worker_begin(struct worker *w, struct held *h);
/* Somebody wants it STOPPED. */
void worker_stop_run(struct worker *w, struct held *h);
/* A command of the fleet: disable, resume, terminate, kill. */
void worker_command(struct worker *w, const char *verb);
const char *worker_status(const struct worker *w);
/* Does it take nothing new? Then broadcasts leave it out. */
int worker_rests(const struct worker *w);
void worker_drop(struct worker *w, struct held *h); /* ends it if it runs */
int worker_free_slots(const struct worker *w);
int worker_group_is_ready(const struct worker_group *g); /* for assign */
/* Would it take some of so many free slots now? */
int worker_group_wants(const struct worker_group *g, int slots);
/* share.c. Shares out slots to hungry groups: see there. */
void worker_share(struct worker *w, int slots);

/* embed.c, for the supervisor: the full name, and the groups by index (NULL:
 * no more). */
const char *worker_name_of(const stint_worker *sw);
const char *worker_group_of(const stint_worker *sw, int i);
/* Lines "G name" of groups that come later go there. */
void worker_hello_to(stint_worker *sw, int fd);

/* exchange.c. The time on Redis's clock (ms since the epoch), as far as we
 * know it. */
int64_t exchange_redis_ms(const struct worker *w);
/* When that moment of the clock of the group's Redis has come (mono ms), and
 * not a tick before: who asks too early asks twice. */
int64_t exchange_mono_ms(const struct worker_group *g, int64_t redis_ms);
/* One function a call. */
void exchange_assign(struct worker *w, struct worker_group *g, int n_run,
                     int n_prefetch);
void exchange_start(struct worker *w, struct worker_group *g, int n);
void exchange_send(struct worker *w, struct worker_group *g, int release);
void exchange_heartbeat(struct worker *w, struct worker_group *g,
                        int64_t now_ms, int leave);
void exchange_fleet(struct worker *w, int leave);
void exchange_count(struct worker *w, struct worker_group *g);

/* record.c. JSON, to be freed: what the fleet is told of the worker. */
char *record_write(const struct worker *w);
/* Of this process: what is in memory; 0: not known. */
int64_t record_rss_kb(void);

/* running.c: calls about runs: results of parents, output so far. */
void exchange_parents(struct worker *w, struct held *h);
void exchange_progress(struct worker *w, struct worker_group *g,
                       int64_t now_ms);

/* held.c */
struct held *held_new(struct worker *w, struct worker_group *g,
                      struct config *config,
                      const char *id, size_t id_len, const char *record,
                      size_t record_len, const char *task, size_t task_len);
void held_move(struct worker *w, struct held *h, enum held_state to);
void held_free(struct worker *w, struct held *h);
/* A RUNNING one becomes OVERSTAYED; returns its stand-in, RUNNING, for what
 * there is to report. */
struct held *held_overstay(struct worker *w, struct held *h);
/* Frees what is kept for the next tasks. */
void held_close(struct worker *w);
/* ticket NULL: any. */
struct held *held_find(struct worker *w, const char *id, const char *ticket);
/* How many of a group's are ours, as far as we know. */
int held_count(const struct worker *w, const struct worker_group *g);
/* What became of it, for report. */
/* For one that is undated: looks again when it runs next. At the end of a
 * worker (`anyway`) it is reported without: it runs a `period` later then. */
void held_date(struct worker *w, struct held *h, int anyway);
void held_set_outcome(struct worker *w, struct held *h,
                      const struct run_result *result);

#endif
