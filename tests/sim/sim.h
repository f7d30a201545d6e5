/* SPDX-License-Identifier: MIT */
/* The simulator: whole fleets in one process, on a clock that is a number,
 * driven by one seed. Workers are the product's own (worker_tick and all
 * below it); what is simulated is what lies around them:
 *
 *   sim_events.c    time, dice, the log of what happened
 *   sim_server.c    the memory server, or a real redis-server
 *   sim_redis.c     calls to it, with the simulated time
 *   sim_store.c     connections: latency, loss, late arrival (store.h)
 *   sim_executor.c  runs that only take time (executor.h); their ledger
 *   sim_worker.c    what embed.c does around a worker; crash, pause
 *   sim_draw.c      what tasks there are, and who does what to them when
 *   sim_client.c    the calls of clients, repeated until answered
 *   sim_check.c     what must hold after every call
 *   sim_probe.c     errors in the middle of a script
 *   sim_index.c     where each task has to stand
 *   sim_record.c    and of each record that changed
 *   sim_words.c     what the answers must say
 *   sim_judge.c     what must come of a report, worked out a second time
 *   sim_family.c    parents and children: who may run, who has to fail
 *   sim_cast.c      broadcasts and their parts
 *   sim_fleet.c     commands for workers
 *   sim_refuse.c    a Redis that refuses
 *   sim_rollback.c  and one that comes back with older data
 *   sim_faults.c    when which fault happens; the quiet end
 *   sim_shrink.c    a seed that failed, with less in it
 *   sim.c           seeds and options
 *
 * A seed's course is a pure function of the seed. What belongs to a feature has
 * dice of its own, so that without it the rest is planned as with it. */
#ifndef STINT_TESTS_SIM_H
#define STINT_TESTS_SIM_H

#include <hiredis/hiredis.h>
#include <stdint.h>

#include "config.h"
#include "log.h"
#include "script.h"
#include "sim_server.h"
#include "store.h"
#include "task.h"
#include "worker.h"

#define SIM_TASKS_MAX   96
#define SIM_WORKERS_MAX 4
#define SIM_GROUPS      3 /* the last is a part of the first */
#define SIM_NAMED       2 /* that clients and workers name */
#define SIM_PARTS       2 /* of main */
#define SIM_PARENTS_MAX 3
#define SIM_COMMANDS_MAX 64
#define SIM_RECORD_MAX  512
#define SIM_RING        48          /* events shown when a seed fails */
#define SIM_LINE_MAX    240
#define SIM_EPOCH_MS    1700000000000 /* Redis's clock when a seed begins */

extern const char *const sim_groups[SIM_GROUPS]; /* as Redis has them */
const char *sim_group_shown(int group);             /* as people do */

/* What may go wrong; a seed draws some of them. */
#define SIM_FAULTS(X)                                                          \
    X(FAULT_LOST, "lost", "a request or a reply is lost")                      \
    X(FAULT_DELAY, "delay", "a connection is slow for seconds")                \
    X(FAULT_DROP, "drop", "a connection breaks")                               \
    X(FAULT_LATE, "late", "what a dead connection sent comes late")            \
    X(FAULT_GHOST, "ghost", "Redis blocks for a dead one, and wakes it")       \
    X(FAULT_CRASH, "crash", "a worker dies; another comes")                    \
    X(FAULT_PAUSE, "pause", "a worker is stopped for longer than its lease")   \
    X(FAULT_LEAVE, "leave", "a worker is asked to leave; another comes")       \
    X(FAULT_CLOCK, "clock", "Redis's clock jumps")                             \
    X(FAULT_REDIS, "redis", "Redis is away for a while")                       \
    X(FAULT_STALL, "stall", "Redis does not answer for a while")               \
    X(FAULT_FLUSH, "flush", "Redis loses the functions")                       \
    X(FAULT_REFUSE, "refuse", "Redis is read-only, full, busy, loading")       \
    X(FAULT_ROLLBACK, "rollback", "Redis restarts with older data")            \
    X(FAULT_FAILOVER, "failover", "a replica that lagged takes over")

enum sim_fault_at {
#define SIM_FAULT_AT(name, word, text) name##_AT,
    SIM_FAULTS(SIM_FAULT_AT)
#undef SIM_FAULT_AT
    SIM_FAULTS_N
};
enum sim_fault {
#define SIM_FAULT_BIT(name, word, text) name = 1 << name##_AT,
    SIM_FAULTS(SIM_FAULT_BIT)
#undef SIM_FAULT_BIT
};

/* What there is beyond ordinary tasks; a seed draws some of them. */
#define SIM_FEATURES(X)                                                        \
    X(FEATURE_PARENTS, "parents", "tasks that depend on others")               \
    X(FEATURE_CAST, "cast", "broadcasts")                                      \
    X(FEATURE_CRON, "cron", "cronlines, with time zones")                      \
    X(FEATURE_REQUEUE, "requeue", "ended tasks begin a new life")              \
    X(FEATURE_DISABLE, "disable", "tasks are disabled and enabled")            \
    X(FEATURE_DELETE, "delete", "tasks are deleted, and queued again")         \
    X(FEATURE_FLEET, "fleet", "commands for workers")                          \
    X(FEATURE_OUTPUT, "output", "output of runs that go on is published")      \
    X(FEATURE_CRASHES, "crashes", "max_crashes other than 3")                  \
    X(FEATURE_TWICE, "twice", "messages between groups and output come twice") \
    X(FEATURE_PREFER, "prefer", "tasks are run at once, or get a priority")

enum sim_feature_at {
#define SIM_FEATURE_AT(name, word, text) name##_AT,
    SIM_FEATURES(SIM_FEATURE_AT)
#undef SIM_FEATURE_AT
    SIM_FEATURES_N
};
enum sim_feature {
#define SIM_FEATURE_BIT(name, word, text) name = 1 << name##_AT,
    SIM_FEATURES(SIM_FEATURE_BIT)
#undef SIM_FEATURE_BIT
};

struct sim;
struct sim_again;
struct sim_conn;
struct sim_life;
struct sim_store;

typedef void (*sim_event_fn)(struct sim *s, void *arg);

struct sim_event {
    int64_t at_ms;
    uint64_t order;   /* of pushing: what is due together keeps its order */
    sim_event_fn fn;
    void *arg;
};

/* A task, or a part of a broadcast, as it was queued and as Redis had it after
 * the last call. */
struct sim_task {
    char id[16];
    int group;
    const char *function;     /* constant */
    stint_task *queue;        /* the arguments of queue_task, owned */
    struct stint_task_options options; /* without texts */
    int64_t repeats;          /* 0: without end */
    const char *cronline, *timezone; /* constant; NULL: none */
    int exists;               /* a queue_task that named it was carried out */
    int acked;                /* and the client knows */
    int pruned;
    int64_t changed_ms;       /* when its record did, by Redis's clock */
    int is_to_stop;           /* stop_task said that it will be */
    int disabled;             /* the last word of disable or enable */
    int deleted;              /* and not queued again */
    int is_reborn;            /* it was deleted once: fences begin anew */
    int is_requeued;          /* by requeue_task: due when it says */
    int is_early;             /* by run_now: the same */
    int64_t begin_ms;         /* start_time, by Redis's clock */
    int64_t expire_ms;        /* stop_time, 0: none */
    char text[SIM_RECORD_MAX]; /* its record, "": none yet */
    struct task_state rec;
    struct task_state before; /* its record before it changed */
    unsigned seen;            /* number of the call whose look found it */
    unsigned changed;         /* number of the call that changed its record */
    unsigned made;            /* number of the call that queued it */
    int was_stopping;         /* its record before this call said so */
    int64_t n_run, n_failed;  /* by the reports that were accepted */
    int64_t n_lost;
    int is_suspect;           /* taken as one that was lost before */
    uint64_t fence;           /* the highest ever seen */
    struct sim_run *last;     /* what that was */
    const char *judged;       /* status of the report accepted in this call,
                                 NULL: none */
    const char *ended;        /* constant, NULL: not yet */

    /* Whom it depends on; bit i of the sets is parents[i]. */
    struct sim_task *parents[SIM_PARENTS_MAX];
    int n_parents;
    int anyway;
    int is_foreign;           /* some parent is of the other group */
    unsigned met;             /* COMPLETED since, or when, it was queued */
    unsigned broke;           /* ended otherwise, or deleted, since or when */
    unsigned vague;           /* began anew, and Redis may have linked it to
                                 either life: those of the other group */

    /* A part of a broadcast. */
    struct sim_task *of;      /* NULL: it is none */
    struct sim_task *next_part; /* of the seed, newest first */
    struct sim_life *caster;  /* the worker it is for */
    /* A broadcast: of the firing under way, and of all. */
    int n_parts, n_open, n_ran, n_bad;
    int64_t n_lines;          /* of its history */
};

enum sim_fate { FATE_NONE, FATE_REPORTED, FATE_RECOVERED, FATE_RELEASED,
                FATE_GIVEN_BACK, FATE_OTHER,
                FATE_FORGOTTEN /* Redis went back */ };

/* One run, or one assignment that may become one: the ledger. */
struct sim_run {
    struct sim_run *next;     /* of the seed, newest first */
    struct sim_task *task;
    uint64_t fence;
    char ticket[40];
    struct sim_life *life;    /* who was given it */
    enum sim_fate fate;       /* how Redis took the fence away */
    struct run *run;          /* while it runs: the worker's */
    struct sim_executor *executor;
    int64_t start_ms, end_ms; /* mono; 0: not yet */
    int is_thread;
    enum run_outcome outcome;
};

struct sim_executor {
    struct executor base;
    struct sim_life *life;
    int is_thread;
    int n_live;
};

/* One incarnation of a worker. Kept to the end of the seed, so that events
 * may find it dead. */
struct sim_life {
    struct sim_life *next;    /* of the seed */
    struct sim *sim;
    int slot;
    int dead;                 /* crashed, or left */
    struct config config;
    struct log log;
    struct worker worker;
    struct script_caller caller, waker, signals;
    struct sim_store *store, *wait_store, *signal_store;
    struct sim_executor programs, threads;
    int64_t tick_ms;          /* when the next tick is due */
    int64_t idle_ms;          /* it holds nothing since then; 0: it does */
    int spins;                /* ticks in a row that asked for another now */
    int64_t paused_until_ms;  /* stopped (SIGSTOP) until then */
    int64_t excuse_ms;        /* its faults explain what comes until then */
    int64_t lease_ms[SIM_GROUPS]; /* its end, by Redis's clock */
    int rests[SIM_GROUPS];    /* as its last heartbeat said */
    int says_disabled;        /* its record in the fleet does */
    const char *commands[SIM_COMMANDS_MAX]; /* constant, in order */
    int n_commands, n_obeyed;
};

struct sim_moment;
struct sim_waiter;
struct sim_probed;

struct sim {
    uint64_t seed;
    uint64_t random;
    int faults;               /* set of enum sim_fault */
    const char *fault_list;   /* asked for, NULL: drawn by the seed */
    uint64_t probe_dice;
    int probe_fails;          /* what is not mended ends the seed */
    int probes;               /* per mille of the calls */
    struct sim_probed *probed; /* of each script; of all seeds; borrowed */
    int is_large;             /* many tasks, workers and heartbeats */
    int features;             /* set of enum sim_feature */
    const char *feature_list; /* asked for, NULL: drawn by the seed */
    uint64_t dice[SIM_FEATURES_N];
    int is_traced;
    int shrinks;              /* a failure begins the program again */
    int is_quiet;             /* no lines are made: seeds pass, or run again */
    int fsck_every;           /* look with fsck after each nth change */
    int64_t now_ms;           /* mono */
    int64_t redis_off_ms;     /* Redis's clock - mono */
    uint64_t order;
    struct sim_event *heap;   /* owned */
    size_t n_heap, heap_cap;
    uint64_t digest;          /* of all lines below */
    uint64_t n_lines;
    char ring[SIM_RING][SIM_LINE_MAX];

    struct sim_server *server; /* borrowed */
    int64_t leader_until_ms;  /* end of {stint}:leader, by Redis's clock */
    int64_t down_until_ms;    /* Redis is away */
    int64_t stall_until_ms;   /* Redis is slow */
    struct sim_waiter *waiters;
    struct sim_conn *conns;
    struct sim_store *stores;
    int latency_ms_max;
    int refusal;              /* until then: which, see sim_refuse.c */
    int64_t refuse_until_ms;
    struct sim_moment *moments[4]; /* owned, oldest first: sim_rollback.c */
    int n_moments;
    int64_t back_at_ms;       /* when it went back to one last; 0: never */
    int64_t back_ms;          /* by so much its clock has gone back */

    struct sim_life *lives;   /* all that were, newest first */
    struct sim_life *workers[SIM_WORKERS_MAX]; /* NULL: none at present */
    int n_workers;
    int groups;               /* bits: those of the named that are in use */
    int64_t heartbeat_ms;
    int ends_quietly;         /* faults are over */
    int is_leaving;           /* and all were asked to leave */
    int is_news_late;         /* a parent ended then: nobody may tell */
    int64_t begin_ms;
    int64_t end_ms;           /* when the faults are over */
    int64_t excuse_ms;        /* faults of Redis explain all until then */

    struct sim_store *client_store;
    struct script_caller client;
    struct sim_order *orders; /* of the client */
    int n_orders;             /* not answered yet */
    struct sim_again *agains; /* messages to come once more */
    int from_dead;            /* the call is from a dead connection */
    struct sim_task tasks[SIM_TASKS_MAX];
    int n_tasks;
    struct sim_task *parts;   /* all that were, newest first */
    int n_ended[SIM_GROUPS][5]; /* COMPLETED FAILED TIMEOUT STOPPED EXPIRED */
    struct sim_run *runs;
    unsigned n_calls, n_changes;
    int n_runs, n_recovered;
    int spins_max;
};

/* sim_events.c */
void sim_set_clock(int64_t now_ms);
int64_t sim_clock(void);
int64_t sim_clock_us(void); /* the time of the seed under way, mono ms */
void sim_push(struct sim *s, int64_t at_ms, sim_event_fn fn, void *arg);
/* Runs the next event; 0: there is none. */
int sim_step(struct sim *s);
uint64_t sim_random(struct sim *s, uint64_t below);
int sim_chance(struct sim *s, int per_mille);
int64_t sim_between(struct sim *s, int64_t least, int64_t most);
int64_t sim_redis_ms(const struct sim *s);
/* The dice of a feature; NULL: the seed has it not. */
uint64_t *sim_dice(struct sim *s, enum sim_feature_at feature);
uint64_t dice_random(uint64_t *dice, uint64_t below);
int dice_chance(uint64_t *dice, int per_mille);
int64_t dice_between(uint64_t *dice, int64_t least, int64_t most);
void sim_trace(struct sim *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Says what does not hold, and ends the program. */
_Noreturn void sim_fail(struct sim *s, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* sim_redis.c */
void sim_redis_begin(struct sim *s); /* empties it for a seed */
void sim_redis_flush_functions(struct sim *s);
/* Carries out a call, lets the checks look, serves those who wait. The caller
 * frees the reply. */
redisReply *sim_redis_call(struct sim *s, const char *who, int argc,
                           const char *const *argv, const size_t *len);
/* BZPOPMIN: a reply, or NULL and then fn hears of it when something comes or
 * its time is over (a nil reply). */
typedef void (*sim_popped_fn)(struct sim *s, void *arg, redisReply *reply);
redisReply *sim_redis_wait(struct sim *s, int argc, const char *const *argv,
                           const size_t *len, sim_popped_fn fn, void *arg);
void sim_redis_forget(struct sim *s, const void *arg); /* who waits no more */
void sim_redis_forget_all(struct sim *s);
redisReply *sim_redis_ask(struct sim *s, const char *format, ...);
void sim_redis_free(struct sim *s, redisReply *reply);
void sim_redis_fsck(struct sim *s, const char *base, const char *after);
void sim_redis_end(struct sim *s);

/* sim_store.c */
struct sim_store *sim_store_new(struct sim *s, struct sim_life *owner,
                                const char *name, int64_t deadline_ms,
                                store_state_fn on_state, void *arg);
struct store *sim_store_base(struct sim_store *st);
void sim_store_drop(struct sim_store *st, int64_t again_ms);
void sim_store_drop_all(struct sim *s);
/* 1: something of a dead connection, or a slow one, may arrive yet. */
int sim_store_is_late(const struct sim *s);
/* What is outstanding fails now; what was sent may still arrive. */
void sim_store_close(struct sim_store *st);
void sim_store_end(struct sim *s); /* frees all of the seed */

/* sim_executor.c */
void sim_executor_init(struct sim_executor *e, struct sim_life *life,
                       int is_thread);
void sim_executor_kill(struct sim_life *life); /* all its runs, at once */
struct sim_run *sim_run_find(struct sim *s, const char *id,
                             const char *ticket);
struct sim_run *sim_run_note(struct sim *s, struct sim_task *t,
                             struct sim_life *life);
void sim_run_end(struct sim *s);

/* sim_worker.c */
void sim_worker_start(struct sim *s, int slot);
void sim_worker_crash(struct sim_life *life);
void sim_worker_leave(struct sim_life *life);
void sim_worker_pause(struct sim_life *life, int64_t for_ms);
struct sim_life *sim_worker_find(struct sim *s, const char *name);
/* 1: the owner is stopped, and the event comes again when it goes on. */
int sim_worker_defers(struct sim_life *life, sim_event_fn fn, void *arg);
void sim_worker_end(struct sim *s); /* frees all of the seed */

/* sim_draw.c */
void sim_draw_plan(struct sim *s);

/* sim_client.c */
enum order_kind { ORDER_QUEUE, ORDER_STOP, ORDER_REQUEUE, ORDER_ENABLE,
                  ORDER_DISABLE, ORDER_DELETE, ORDER_FIRE, ORDER_COMMAND,
                  ORDER_RUN_NOW, ORDER_PRIORITY };

#define BATCH_MAX 5

/* A call of a client, repeated until it is answered. */
struct sim_order {
    struct sim_order *next; /* of the seed */
    struct sim *sim;
    enum order_kind kind;
    int n;                  /* of QUEUE */
    struct sim_task *tasks[BATCH_MAX];
    int again;
    uint64_t *dice;         /* of its feature; NULL: the seed's */
    int tries;              /* of REQUEUE, DELETE: until it has ended */
    int reset;              /* of REQUEUE: count its runs anew */
    int is_back;            /* of DELETE: queue it again */
    int priority;           /* of PRIORITY */
    const char *verb;       /* of COMMAND, constant */
    int slot;
    struct sim_life *life;  /* NULL: whoever is there in the slot */
};

void sim_client_begin(struct sim *s);
struct sim_order *sim_client_order(struct sim *s, enum order_kind kind,
                                   struct sim_task *t, uint64_t *dice);
void sim_client_push(struct sim_order *o, int64_t at_ms);
/* Some time from now on it takes tasks again. */
void sim_client_resume(struct sim *s, struct sim_life *life, uint64_t *dice);
void sim_client_end(struct sim *s);
/* A part: that of the last firing. */
struct sim_task *sim_task_find(struct sim *s, const char *id);

/* sim_check.c */
/* A call of the rules: verb and arguments behind protocol and time. */
struct sim_call_view {
    const char *who;
    const char *verb;
    int group;              /* -1: the fleet */
    const char *key;        /* KEYS[1] */
    int argc;
    const char *const *argv; /* argv[0] is ARGV[3] */
    const redisReply *reply;
};
/* Returns 1 if anything changed. */
int sim_check_call(struct sim *s, const struct sim_call_view *c,
                   const struct sim_look *look);
void sim_check_run_start(struct sim *s, struct sim_run *r,
                         struct sim_life *life);
int sim_check_is_settled(const struct sim *s, const struct sim_task *t);
void sim_check_end(struct sim *s);
void sim_check_empty(struct sim *s, const char *pattern);

/* sim_record.c */
void sim_record_check(struct sim *s, const struct sim_call_view *c,
                      struct sim_task *t, const char *text, size_t len);
/* The fence is not live any more: who took it, and why. */
void sim_check_fate(struct sim *s, const struct sim_call_view *c,
                    struct sim_task *t, const struct task_state *before);
void sim_check_counters(struct sim *s, const struct sim_call_view *c,
                        const struct sim_task *t);
int sim_is_held(const struct task_state *st);

/* sim_probe.c; of the memory server only. Before a call is carried out: what if
 * an error were raised in the middle of it? Leaves all as it was. */
void sim_probe(struct sim *s, const struct sim_call_view *c, int argc,
               const char *const *argv, const size_t *len);
struct sim_probed {
    unsigned n, n_wrote, n_left; /* errors; behind a write; not mended by a
                                    repeat of the call and the reaper */
};

/* sim_refuse.c. kind: -1: drawn. */
void sim_refuse_begin(struct sim *s, int kind, int64_t for_ms);
#define SIM_READONLY 0
/* The error instead of carrying it out; NULL: it is carried out. */
const char *sim_refuse(const struct sim *s, const char *command,
                       const char *function);

/* sim_rollback.c; of the memory server only. Keeps what there is now. */
void sim_rollback_note(struct sim *s);
void sim_rollback(struct sim *s, int to_newest);
void sim_rollback_end(struct sim *s);

/* sim_shrink.c: begins the program again, to shrink the seed that failed. */
_Noreturn void sim_shrink_begin(const struct sim *s);
/* Runs the seed with these; ends the process with 1 if it fails. */
typedef void (*sim_try_fn)(void *arg, int faults, int features);
/* Leaves out what a failure does not need. */
void sim_shrink(sim_try_fn fn, void *arg, int *faults, int *features);

/* sim_index.c; of the memory server only */
#define INDEX_FAULT_CAP 300
/* What does not agree; "": all does. */
void sim_index_find(struct sim *s, const char *base,
                    const struct sim_look *look,
                    char fault[static INDEX_FAULT_CAP]);
void sim_index_check(struct sim *s, const struct sim_call_view *c,
                     const struct sim_look *look);

void sim_index_end(struct sim *s, int group, const char *base);

/* sim_words.c */
void sim_words_check(struct sim *s, const struct sim_call_view *c);
/* Of calls that change one task, by its id. */
void sim_words_change(struct sim *s, const struct sim_call_view *c);

/* sim_judge.c: a report that was accepted, against the record after it. A part
 * that has ended has no record: it must not be due again. */
void sim_judge_report(struct sim *s, struct sim_task *t,
                      const struct task_state *before, const char *status,
                      int is_gone);

/* sim_family.c */
void sim_family_queued(struct sim *s, struct sim_task *t);
void sim_family_ended(struct sim *s, const struct sim_task *t,
                      const char *status);
/* A task begins another life. */
void sim_family_again(struct sim *s, const struct sim_task *t);
int sim_family_is_ready(const struct sim_task *t);
/* After the records were read. */
void sim_family_look(struct sim *s, const struct sim_call_view *c);
/* Those whose end it waits for may never end. */
int sim_family_is_settled(const struct sim *s, const struct sim_task *t);
void sim_family_end(struct sim *s);

/* sim_cast.c */
struct sim_task *sim_cast_part(struct sim *s, const struct sim_call_view *c,
                               const char *id, const struct task_state *rec);
/* A part that is not there any more has ended. */
void sim_cast_gone(struct sim *s, const struct sim_call_view *c,
                   struct sim_task *part);
void sim_cast_look(struct sim *s, const struct sim_call_view *c);
void sim_cast_end(struct sim *s);

/* sim_fleet.c */
void sim_fleet_check(struct sim *s, const struct sim_call_view *c);
void sim_fleet_obeyed(struct sim_life *life, const char *verb);
int sim_fleet_is_settled(const struct sim *s);

/* sim_faults.c */
void sim_faults_plan(struct sim *s);
/* Another worker comes into the slot, if it is empty then. */
void sim_faults_return(struct sim *s, int slot, int64_t at_ms);

#endif
