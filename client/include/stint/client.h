/* SPDX-License-Identifier: MIT */
/* For programs that queue tasks and look at them: a handle whose calls wait
 * for Redis. */
#ifndef STINT_CLIENT_H
#define STINT_CLIENT_H

#include <stint/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The connection ---------------------------------------------------- */

typedef struct stint stint;

struct stint_options {
    size_t size;            /* sizeof(struct stint_options) */
    const char *url;        /* NULL: STINT_URL, and with none embedded Redis */
    const char *name_space; /* NULL: "stint" */
    double timeout_s;       /* per call, with its retries; 0: 10 s */
    const char *spool;      /* a directory: tasks queued while Redis is away go
                               there, see "The spool"; NULL: none */
    int64_t spool_max_bytes; /* of all its files; 0: 64 MiB */
};
#define STINT_OPTIONS_INIT {sizeof(struct stint_options), 0, 0, 0, 0, 0}

/* Connects. `o` may be NULL. Errors: INVALID (url), UNREACHABLE, AUTH,
 * LOADING, PROTOCOL, NOMEM, SYSTEM (embedded Redis could not be started). With
 * a spool it need not be reached; besides: INVALID (others may read or change
 * the directory; the url is memory:, which is never away). */
STINT_API STINT_CHECKED stint *stint_open(const struct stint_options *o,
                                          struct stint_err *err);
/* Closes and frees; NULL is fine. */
STINT_API void stint_close(stint *s);

/* ---- Queueing ---------------------------------------------------------- */

/* Options of a task, as `stint queue-task` has them. NULL and the values of
 * STINT_TASK_OPTIONS_INIT mean "the default". Times are text: now, +45s, -60s,
 * +2h (relative to Redis's clock), RFC 3339, or seconds since the epoch. */
struct stint_task_options {
    size_t size;
    const char *function; /* required */
    const char *args;     /* JSON array */
    const char *vars;     /* JSON object */
    const char *id;
    const char *task_name;
    const char *group_name;
    const char *start_time;
    const char *stop_time;
    double timeout_s;      /* 60 */
    int64_t repeats;       /* -1: 1, with a cronline 0; 0: without end */
    double period_s;       /* 60 */
    int prevent_drift;     /* 0 */
    int64_t retry_failed;  /* 0; -1: without end */
    double retry_delay_s;  /* -1: the period */
    double retry_backoff;  /* 1 */
    double retry_max_delay_s; /* 3600 */
    int immediate;         /* 0 */
    int priority;          /* 0; -100..100, higher first */
    int disabled;          /* 0 */
    double result_ttl_s;   /* 86400 */
    int discard_results;   /* 0 */
    const char *cronline;  /* replaces the period; repeats is 0 then */
    const char *timezone;  /* of the cronline: IANA name; NULL: UTC */
    int64_t max_crashes;   /* 3: runs lost with their worker, then FAILED;
                              -1: without end */
    const char *depends_on; /* JSON array of ids; GROUP/ID for a task of
                               another group */
    const char *on_dependency; /* NULL or "fail": FAILED with a parent that is
                                  not COMPLETED; "run": runs all the same */
    int broadcast;         /* 0; 1: a run on every live worker of the group */
    double sync_output_s;  /* 0: output at the end only */
    const char *durability; /* NULL or "1"; "2": the answer comes when it is
                               on Redis's disk; "3": and on a replica;
                               "replicas=N": on N replicas. Refused (INVALID)
                               where Redis is not set up for it */
    const char *tags;       /* JSON array of up to 16 words to find it by, each
                               1 to 64 of A-Za-z0-9_.:/- */
    const char *traceparent; /* W3C Trace Context (00-...) of who queues it */
};
#define STINT_TASK_OPTIONS_INIT                                                \
    {sizeof(struct stint_task_options), 0, 0, 0, 0, 0, 0, 0, 0, 60, -1, 60, 0, \
     0, -1, 1, 3600, 0, 0, 0, 86400, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0}

/* A checked task, ready to be queued. */
typedef struct stint_task stint_task;

/* Make a task from options, or from one JSON object whose keys are the
 * options' names (function, args, vars, id, task_name, group_name, start_time,
 * stop_time, timeout, repeats, period, prevent_drift, retry_failed,
 * retry_delay, retry_backoff, retry_max_delay, immediate, priority, disabled,
 * result_ttl, discard_results, cronline, timezone, max_crashes, depends_on,
 * on_dependency, broadcast, sync_output, durability, tags, traceparent). An id is
 * made if none is given. On
 * bad input: NULL, err INVALID and *errors with every wrong field. */
STINT_API STINT_CHECKED stint_task *
stint_task_new(const struct stint_task_options *o, struct stint_errors *errors,
               struct stint_err *err);
STINT_API STINT_CHECKED stint_task *
stint_task_from_json(const char *json, size_t len, struct stint_errors *errors,
                     struct stint_err *err);
STINT_API void stint_task_free(stint_task *t);
/* Borrowed until the task is freed. */
STINT_API const char *stint_task_id(const stint_task *t);
STINT_API const char *stint_task_group(const stint_task *t);

/* Queue one task; its id goes to `id`. 1: it is in the spool. Bad fields, or an id that is there
 * already: -1, err INVALID or EXISTS, *errors filled, nothing written. */
STINT_API STINT_CHECKED int
stint_queue_task(stint *s, const struct stint_task_options *o,
                 char id[STINT_ID_LEN + 1], struct stint_errors *errors,
                 struct stint_err *err);

/* Queue n checked tasks, pipelined in batches. fn is called with the number
 * done so far after each batch (may be NULL). -1 with *n_done tasks queued (the
 * first n_done of the array) and, for EXISTS, INVALID and NOT_FOUND, *bad the
 * index of the refused one. When tasks depend on others of the array, in
 * whatever order, parents are queued first (*n_done is only a number then); a
 * cycle is refused before anything is queued, an id that is nowhere by the
 * batch that names it. Of the tasks' durabilities the highest holds for all;
 * UNKNOWN: all are queued, but not enough replicas have confirmed it. 1: all
 * are in the spool, and *n_done is 0. */
typedef void (*stint_progress_fn)(size_t done, size_t total, void *arg);
STINT_API STINT_CHECKED int
stint_queue_tasks(stint *s, stint_task *const *tasks, size_t n, size_t *n_done,
                  size_t *bad, stint_progress_fn fn, void *arg,
                  struct stint_err *err);

/* The same for tasks that may be there already: one with the same content
 * (function, args, vars, and what else a run sees of it; not its times) counts
 * as queued and is left as it is. EXISTS: there with other content, or pruned,
 * or twice in the array. For programs that are asked to queue something and
 * cannot tell whether they have been asked before. Goes to no spool. */
STINT_API STINT_CHECKED int
stint_queue_tasks_again(stint *s, stint_task *const *tasks, size_t n,
                        size_t *n_done, size_t *bad, stint_progress_fn fn,
                        void *arg, struct stint_err *err);

/* For n ids of a group: exists[i] = 1 if the id is there, live or retained. */
STINT_API STINT_CHECKED int stint_ids_exist(stint *s, const char *group,
                                            const char *const *ids, size_t n,
                                            unsigned char *exists,
                                            struct stint_err *err);

/* ---- The spool ----------------------------------------------------------- */

/* With a spool in its options, a handle's stint_queue_task(s) return 1 when
 * Redis cannot take the tasks (UNREACHABLE, UNKNOWN, LOADING, READONLY, BUSY,
 * after a second): they are in the directory then, on its disk, those of one
 * call all or none of them, with their ids. Later queueing by any handle with
 * that spool first brings what is there to Redis, in order, with the same ids;
 * what is in Redis already, with the same content, is fine. New tasks go behind
 * spooled ones. -1: they are neither here nor there; or UNKNOWN.
 *
 * Relative times count from the moment of queueing, by this host's clock, and
 * are moved by its difference to Redis's clock when they get there. A durability
 * is asked for then. What Redis refuses then, tasks whose stop_time has passed,
 * and tasks that may have been sent more than 50 minutes ago and that Redis does
 * not know (they might have run and been forgotten) are kept in the file
 * `refused` there, a JSON object a line: "reason", and "task" as
 * stint_task_from_json takes it.
 *
 * A spool belongs to one user, one namespace and one Redis. Any number of
 * processes may use it at once. The directory is made, 0700, if need be; what
 * it is in must be there. Writing to its disk is waited for, also by handles on
 * an event loop. */

struct stint_spool_status {
    size_t size;            /* sizeof(struct stint_spool_status) */
    uint64_t n_tasks;       /* that wait for Redis */
    uint64_t n_calls;       /* by which they were queued */
    uint64_t n_unsure;      /* of the tasks: may be in Redis already */
    uint64_t bytes;         /* of all files */
    int64_t oldest_ms;      /* when the oldest was queued; 0: none */
    uint64_t n_refused;     /* lines in the file `refused` */
    uint64_t damaged_bytes; /* that make no sense: N.damaged, or a segment */
};
#define STINT_SPOOL_STATUS_INIT                                                \
    {sizeof(struct stint_spool_status), 0, 0, 0, 0, 0, 0, 0}
/* Looks, and changes nothing. st->size is set by the caller. Errors: NOT_FOUND
 * (no such directory), INVALID, SYSTEM, PROTOCOL (a newer version wrote it). */
STINT_API STINT_CHECKED int stint_spool_status(const char *dir,
                                               struct stint_spool_status *st,
                                               struct stint_err *err);

/* Also tasks that may have been sent more than 50 minutes ago. */
enum { STINT_SPOOL_FORCE = 1 };
/* Brings what is spooled to Redis, until nothing is left. fn (may be NULL)
 * hears how many are done. *n_queued and *n_refused (may be NULL): how many
 * were, also on -1. Errors: INVALID (the handle has no spool, or it is another
 * namespace's), BUSY (another process replays it), SYSTEM, or of the calls:
 * what is not done stays. */
STINT_API STINT_CHECKED int
stint_spool_replay(stint *s, unsigned flags, stint_progress_fn fn, void *arg,
                   uint64_t *n_queued, uint64_t *n_refused,
                   struct stint_err *err);

/* ---- Looking ----------------------------------------------------------- */

/* One execution of a task. Times in ms since the epoch, 0: not yet. */
struct stint_run_status {
    const char *run_id;
    const char *status; /* RUNNING COMPLETED FAILED TIMEOUT STOPPED LOST */
    const char *worker;
    int64_t start_time_ms;
    int64_t stop_time_ms;
    const char *result; /* JSON, NULL: none */
    const char *output; /* text, NULL: none */
    const char *error;  /* text, NULL: none */
    const char *evidence; /* how it ended: JSON object of what was seen of
                             exit_status, signal, max_rss_kb, stderr,
                             worker_end; NULL: nothing */
};

/* A task as it is now. Owned by the library: free with stint_status_free. */
struct stint_status {
    const char *id;
    const char *function;
    const char *task_name;
    const char *group_name;
    const char *status; /* QUEUED ASSIGNED RUNNING COMPLETED FAILED TIMEOUT
                           STOPPED EXPIRED */
    const char *args;   /* JSON */
    const char *vars;   /* JSON */
    int64_t start_time_ms;
    int64_t stop_time_ms;     /* 0: none */
    int64_t next_run_time_ms; /* 0: none */
    int64_t last_run_time_ms; /* 0: never ran */
    int64_t times_run;
    int64_t times_failed;
    const char *worker; /* "" : none */
    const char *reason; /* why it is in this state, "" : nothing to say */
    const char *result; /* of the last run, JSON, NULL: none */
    const char *output;
    const char *error;
    size_t n_runs; /* 0 unless STINT_WITH_RUNS */
    const struct stint_run_status *runs; /* newest first */
    double percent;       /* a RUNNING task says it has done; -1: it says
                             nothing */
    const char *progress; /* its word on that, NULL: none */
    const char *tags;     /* JSON array */
    const char *traceparent; /* of who queued it, NULL: none */
    int priority;         /* -100 to 100 */
    int immediate;
    int disabled;
    const char *cronline; /* NULL: none */
    const char *timezone; /* of the cronline, NULL: UTC */
    double period_s;
    int prevent_drift;
    int64_t repeats;      /* 0: without end */
};

enum { STINT_WITH_OUTPUT = 1, STINT_WITH_RUNS = 2 };

/* `group` NULL: looked up in every group. Errors: NOT_FOUND. */
STINT_API STINT_CHECKED struct stint_status *
stint_task_status(stint *s, const char *group, const char *id, unsigned flags,
                  struct stint_err *err);
STINT_API void stint_status_free(struct stint_status *t);

struct stint_list_options {
    size_t size;
    const char *status;   /* NULL: all */
    const char *group;    /* NULL: all */
    const char *function; /* NULL: all */
    size_t limit;         /* 0: no limit */
};
#define STINT_LIST_OPTIONS_INIT {sizeof(struct stint_list_options), 0, 0, 0, 100}
/* Return non-zero to stop. `t` is valid during the call. Of a cluster, groups
 * that cannot be reached are left out, and named by the error at the end. */
typedef int (*stint_list_fn)(const struct stint_status *t, void *arg);
STINT_API STINT_CHECKED int stint_list(stint *s,
                                       const struct stint_list_options *o,
                                       stint_list_fn fn, void *arg,
                                       struct stint_err *err);

/* Looking for tasks. What is NULL or 0 fits every task; case does not matter in
 * task_name, error and text (of A to Z). */
struct stint_search_options {
    size_t size;
    const char *status;   /* words, with commas between them */
    const char *group;
    const char *function;
    const char *id;       /* the task of that id, or if there is none all whose
                             ids begin so */
    const char *task_name; /* is in its label */
    const char *tag;      /* one of its tags */
    const char *error;    /* is in the error of its last run */
    const char *text;     /* is in its function, id, label, error, a string, name
                             or number in its args or vars */
    const char *from, *until; /* times, as for tasks: when it is due if it is
                             QUEUED or ASSIGNED, else when it ended or, of one
                             that is RUNNING, began */
    int scheduled;        /* 1: has a cronline, or repeats other than 1 */
    size_t limit;         /* tells of so many at most; 0: no limit */
    size_t scan;          /* looks at about so many at most; 0: 2,000 */
    const char *cursor;   /* where to go on; NULL: at the beginning */
};
#define STINT_SEARCH_OPTIONS_INIT                                              \
    {sizeof(struct stint_search_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,     \
     100, 0, 0}
/* A page of the tasks that fit, in the order of stint_list: running, assigned,
 * queued (highest priority first, then by when they are due), ended (newest
 * first), group by group. fn hears of each: of one that FAILED or had a TIMEOUT
 * with its error, if that is not large. *cursor: where the next page begins,
 * the caller's to free(); NULL: that was the last one. A page may hold less than
 * `limit`, even nothing, while there is a cursor: a call is bounded by `scan`.
 * It costs the same for each page, and what is removed meanwhile moves nothing.
 * A task that moves can be missed or come twice. *scanned (may be NULL): how
 * many were looked at. Errors: INVALID (an option, or no cursor of ours). */
STINT_API STINT_CHECKED int
stint_search(stint *s, const struct stint_search_options *o, stint_list_fn fn,
             void *arg, char **cursor, uint64_t *scanned,
             struct stint_err *err);

/* Waits until all ids are in an end state. `timeout_s` < 0: for ever. fn
 * (may be NULL) hears how many have ended. *n_not_completed: how many ended
 * otherwise than COMPLETED. Errors: NOT_FOUND (text names the id), TIMEOUT. */
STINT_API STINT_CHECKED int
stint_wait(stint *s, const char *group, const char *const *ids, size_t n,
           double timeout_s, stint_progress_fn fn, void *arg,
           size_t *n_not_completed, struct stint_err *err);

/* ---- Changing ---------------------------------------------------------- */

/* For all: `group` NULL: looked up in every group. Errors: NOT_FOUND, STATE
 * (the text says in which state it is). */

/* Stops a task: one that is QUEUED or ASSIGNED is STOPPED at once (0); of one
 * that is RUNNING the worker is told to kill it (1), then it is STOPPED. */
STINT_API STINT_CHECKED int stint_stop_task(stint *s, const char *group,
                                            const char *id,
                                            struct stint_err *err);
/* Brings an ended task back: QUEUED, due now. `reset`: times_run is 0 again
 * (times_failed always is). */
STINT_API STINT_CHECKED int stint_requeue_task(stint *s, const char *group,
                                               const char *id, int reset,
                                               struct stint_err *err);
/* A disabled task does not run until it is enabled; a run that is going on
 * ends as it would. Fine if it is so already. */
STINT_API STINT_CHECKED int stint_disable_task(stint *s, const char *group,
                                               const char *id,
                                               struct stint_err *err);
STINT_API STINT_CHECKED int stint_enable_task(stint *s, const char *group,
                                              const char *id,
                                              struct stint_err *err);
/* -100 to 100, higher first. A task that is QUEUED changes its place at once; of
 * one that a worker has, the next run does. Errors besides: INVALID. */
STINT_API STINT_CHECKED int stint_set_priority(stint *s, const char *group,
                                               const char *id, int priority,
                                               struct stint_err *err);
/* A task that is QUEUED and due later is due now; fine if it is due already.
 * Times of a cronline and the grid of prevent_drift stay: the run is one more.
 * STATE also for one that is disabled or waits for others. */
STINT_API STINT_CHECKED int stint_run_now(stint *s, const char *group,
                                          const char *id,
                                          struct stint_err *err);
/* Removes a task that is QUEUED or has ended, with its runs; its id is free
 * again. What depends on a QUEUED one fails. */
STINT_API STINT_CHECKED int stint_delete_task(stint *s, const char *group,
                                              const char *id,
                                              struct stint_err *err);

/* Changing all tasks that fit a search, a bounded step at a time. */
struct stint_act_options {
    size_t size;
    const char *action; /* stop requeue delete enable disable priority run-now */
    const struct stint_search_options *filter; /* NULL: all tasks. Its limit and
                           cursor are not looked at */
    int priority;       /* for priority */
    int reset;          /* for requeue: 1: times_run is 0 again */
    int dry_run;        /* 1: only counts */
    size_t limit;       /* changes so many at most; 0, and the most: 500 */
    const char *cursor; /* where to go on; NULL: at the beginning */
    /* Hears of each; why NULL: it is done, or would be. May be NULL. */
    void (*on_task)(const char *group, const char *id,
                    const struct stint_err *why, void *arg);
    void *arg;
};
#define STINT_ACT_OPTIONS_INIT                                                 \
    {sizeof(struct stint_act_options), 0, 0, 0, 0, 0, 0, 0, 0, 0}
struct stint_acted {
    size_t size; /* STINT_ACTED_INIT sets it */
    uint64_t matched, done, failed; /* done is 0 when dry_run */
    uint64_t scanned; /* were looked at */
};
#define STINT_ACTED_INIT {sizeof(struct stint_acted), 0, 0, 0, 0}
/* One step: looks at up to filter->scan tasks and changes those that fit and are
 * in a state in which the action means something (stop: not ended; requeue:
 * ended; delete: QUEUED or ended; the others: not ended; run-now: QUEUED and
 * enabled), as the call for one task does; what is so already is left out.
 * `acted` may be NULL, and *cursor is as that of stint_search: call again with
 * it until it is NULL. Tasks that are changed or removed do not move what comes
 * after them. failed: another was quicker, or the state forbids it. Errors:
 * INVALID (an option, or states that the action has nothing to do with), or of
 * the calls: a step may be repeated with the same cursor. */
STINT_API STINT_CHECKED int
stint_act(stint *s, const struct stint_act_options *o,
          struct stint_acted *acted, char **cursor, struct stint_err *err);

/* ---- Why, and graphs ---------------------------------------------------- */

/* Why a task does not run (or what became of it), in a sentence. */
struct stint_why {
    char status[12];
    char reason[600];
    int64_t ahead;    /* QUEUED and due: tasks before it; else -1 */
    double about_s;   /* until its turn at the present rate; -1: not known */
};
/* Errors: NOT_FOUND. */
STINT_API STINT_CHECKED int stint_why(stint *s, const char *group,
                                      const char *id, struct stint_why *why,
                                      struct stint_err *err);

/* A task of a graph; parents as GROUP/ID. Strings valid during the call. */
struct stint_graph_node {
    const char *id;
    const char *group_name;
    const char *function;
    const char *task_name;
    const char *status; /* GONE: pruned or deleted */
    size_t n_parents;
    const char *const *parents;
};
/* Return non-zero to stop. */
typedef int (*stint_graph_fn)(const struct stint_graph_node *node, void *arg);
/* The graph a task is part of: all tasks reached over parents and children
 * from it, parents before children, at most `limit` (0: 10,000; more are
 * TOO_BIG). Errors: NOT_FOUND, TOO_BIG. */
STINT_API STINT_CHECKED int stint_graph(stint *s, const char *group,
                                        const char *id, size_t limit,
                                        stint_graph_fn fn, void *arg,
                                        struct stint_err *err);

/* ---- Fleets ------------------------------------------------------------- */

/* A worker as its last heartbeat left it. Strings valid during the call. */
struct stint_worker_status {
    const char *name;   /* with its incarnation: "web1.4711.k3j9x2" */
    const char *host;
    int64_t pid;
    const char *groups; /* comma-separated */
    const char *status; /* ACTIVE DISABLED TERMINATING KILLED DEAD */
    int64_t concurrency;
    int64_t running;
    const char *version;
    int64_t started_ms;
    int64_t heartbeat_age_ms;
    const char *shown;  /* the name it was given: "web1" */
    const char *functions; /* it can run, comma-separated */
    double load;        /* of its host: average of a minute; -1: not known */
    int64_t skew_ms;    /* its host's clock less Redis's */
    /* Counts since it began; 0 of a worker older than these. */
    int64_t reconnects;   /* its connection for calls came back so often */
    int64_t leases_lost;  /* of its groups: others could take what it held */
    int64_t outbox;       /* now: finished, and Redis does not know yet */
    int64_t calls, calls_us; /* script calls; time to their answers, in all */
    int64_t reaped;       /* tasks it has expired, recovered and pruned */
    int64_t reaper_calls; /* of the calls, those for the duties of time */
    int64_t rss_kb;       /* now: memory of its process */
    const char *runs;     /* JSON array, what runs longest, 20 at most:
                             [{"id":…,"function":…,"since":RFC 3339}] */
};
typedef int (*stint_workers_fn)(const struct stint_worker_status *w, void *arg);
STINT_API STINT_CHECKED int stint_workers(stint *s, stint_workers_fn fn,
                                          void *arg, struct stint_err *err);

/* A command for workers. It waits in a queue of the worker until that has
 * carried it out, which a live one does at once.
 *   disable    takes nothing new until resume
 *   resume
 *   terminate  finishes what runs, then leaves
 *   kill       kills what runs, gives it back, leaves */
struct stint_command_options {
    size_t size;
    const char *worker; /* name, with or without its incarnation; NULL: any */
    const char *group;  /* that serve this group; NULL: any */
    size_t limit;       /* at most so many workers; 0: all */
};
#define STINT_COMMAND_OPTIONS_INIT                                             \
    {sizeof(struct stint_command_options), 0, 0, 0}
/* fn (may be NULL) hears each worker that was told. *n: how many. `verb` is
 * one of the four words. Errors: INVALID (verb), NOT_FOUND (no live worker
 * fits). */
STINT_API STINT_CHECKED int
stint_command(stint *s, const char *verb,
              const struct stint_command_options *o, stint_workers_fn fn,
              void *arg, size_t *n, struct stint_err *err);

/* Counts of a group. */
struct stint_stats {
    const char *group;
    int64_t queued;    /* not assigned: due and scheduled, without the next two */
    int64_t unknown;   /* of functions a worker met and could not run */
    int64_t disabled;
    int64_t assigned, running;
    int64_t due;       /* of queued: due now */
    int64_t completed, failed, timeout, stopped, expired; /* since the start */
    int64_t retained;  /* ended tasks still kept */
    int64_t oldest_due_ms; /* age of the oldest due task, 0: none */
    int64_t workers;   /* with a live lease on the group */
    int64_t waiting;   /* for tasks they depend on */
    int64_t broadcasts; /* queued or running */
    int64_t paused;    /* since when, ms since the epoch; 0: it is not */
    int64_t events;    /* so many are kept; -1: as many as by default */
};
typedef int (*stint_stats_fn)(const struct stint_stats *t, void *arg);
/* `group` NULL: each group in turn; of a cluster, those that cannot be reached
 * are left out, and named by the error at the end (so does stint_fsck). */
STINT_API STINT_CHECKED int stint_stats(stint *s, const char *group,
                                        stint_stats_fn fn, void *arg,
                                        struct stint_err *err);

/* Nothing more of a paused group is handed to workers until it is resumed, also
 * by later fleets. What workers have goes on, what passes its stop_time expires,
 * and tasks may be queued. Fine if it is so already. Errors: INVALID (group). */
STINT_API STINT_CHECKED int stint_pause_group(stint *s, const char *group,
                                              struct stint_err *err);
STINT_API STINT_CHECKED int stint_resume_group(stint *s, const char *group,
                                               struct stint_err *err);

/* ---- Groups in parts ----------------------------------------------------- */

/* A group may be spread over several parts. Each is a queue of its own: on a
 * Redis Cluster they live in different slots, so that the group's rate grows
 * with the shards. Order and priority hold within a part. Everywhere else the
 * parts are one group. */

/* Spreads a group over 1 to 256 parts. Only while it holds no tasks at all,
 * ended ones and the ids that are kept an hour after them included; the number
 * that it has already is always fine, and repairs a change that somebody began
 * and did not end. Running workers serve new parts at once.
 * Errors: INVALID, STATE (it holds tasks; the text says how many), BUSY
 * (somebody else changes it, too), TOO_BIG (over 4,000 parts in all). */
STINT_API STINT_CHECKED int stint_set_parts(stint *s, const char *group,
                                            int parts, struct stint_err *err);

/* Part `part` of `parts`; `t` is valid during the call. Return non-zero to
 * stop. */
typedef int (*stint_part_fn)(int part, int parts, const struct stint_stats *t,
                             void *arg);
/* The counts of each part of a group. Errors: INVALID. */
STINT_API STINT_CHECKED int stint_parts(stint *s, const char *group,
                                        stint_part_fn fn, void *arg,
                                        struct stint_err *err);

/* ---- The functions in Redis ---------------------------------------------- */

/* Every handle and worker loads the functions if Redis lacks them or has older
 * ones. Where their users may not (FUNCTION LOAD), somebody does it for them. */
enum stint_library_state {
    STINT_LIBRARY_MISSING,
    STINT_LIBRARY_OLDER,
    STINT_LIBRARY_SAME,
    STINT_LIBRARY_OTHER, /* our version, another build */
    STINT_LIBRARY_NEWER  /* serves us, too */
};

struct stint_library {
    size_t size;             /* sizeof(struct stint_library) */
    const char *at;          /* URL of the server, without the password */
    enum stint_library_state state;
    long version;            /* 0: missing */
    char sha1[41];           /* "": missing */
    int needed;              /* version of this libstint's */
    const char *needed_sha1;
    int loaded;              /* 1: just now */
};
/* `row` and its texts are valid during the call. */
typedef void (*stint_library_fn)(const struct stint_library *row, void *arg);
/* What each server (of a cluster each primary) has. Errors: INVALID (url),
 * UNREACHABLE, AUTH (the user may not FUNCTION LIST), NOMEM, PROTOCOL. */
STINT_API STINT_CHECKED int stint_library_status(const struct stint_options *o,
                                                 stint_library_fn fn, void *arg,
                                                 struct stint_err *err);
/* Loads ours where it is missing, older or of another build; a newer one stays.
 * fn hears what is there then. May be repeated. Errors: the same; AUTH: the
 * user may not FUNCTION LOAD. */
STINT_API STINT_CHECKED int stint_library_load(const struct stint_options *o,
                                               stint_library_fn fn, void *arg,
                                               struct stint_err *err);

/* Walks all keys in bounded steps, changing nothing. fn hears each fault as
 * a sentence. *n_checked: tasks looked at; *n_faults. */
typedef void (*stint_fsck_fn)(const char *group, const char *fault, void *arg);
STINT_API STINT_CHECKED int stint_fsck(stint *s, stint_fsck_fn fn, void *arg,
                                       uint64_t *n_checked, uint64_t *n_faults,
                                       struct stint_err *err);

/* What was done about a fault. */
enum stint_mend {
    STINT_LEFT,     /* nothing: it was not to be, or somebody has to decide */
    STINT_MENDED,   /* all agrees again */
    STINT_SET_ASIDE /* what cannot be mended is in the quarantine now */
};
struct stint_repair_options {
    size_t size; /* STINT_REPAIR_OPTIONS_INIT sets it */
    int is_dry;  /* 1: changes nothing */
    /* Each fault as a sentence; group NULL: of the fleet. May be NULL. */
    void (*on_fault)(const char *group, const char *fault,
                     enum stint_mend mend, void *arg);
    /* After each step: tasks looked at so far. May be NULL. */
    void (*on_step)(uint64_t checked, void *arg);
    void *arg;
};
#define STINT_REPAIR_OPTIONS_INIT \
    {sizeof(struct stint_repair_options), 0, 0, 0, 0}
struct stint_repaired {
    size_t size; /* STINT_REPAIRED_INIT sets it */
    uint64_t checked, faults; /* tasks looked at; of the faults were: */
    uint64_t mended, set_aside, left;
};
#define STINT_REPAIRED_INIT {sizeof(struct stint_repaired), 0, 0, 0, 0, 0}
/* The same walk, and puts right what it finds, while the fleet goes on working:
 * the state record of a task is the authority. What it cannot decide is set
 * aside (stint_quarantine), its task FAILED "record lost". May be repeated. o
 * and sum may be NULL. */
STINT_API STINT_CHECKED int stint_repair(stint *s,
                                         const struct stint_repair_options *o,
                                         struct stint_repaired *sum,
                                         struct stint_err *err);

/* What repairs have set aside: its name (a task's id, or a key), and what was
 * there and why, as a JSON object with at (ms), why and was. group NULL: of the
 * fleet. Valid during the call; return non-zero to stop. */
typedef int (*stint_quarantine_fn)(const char *group, const char *name,
                                   const char *what, void *arg);
STINT_API STINT_CHECKED int stint_quarantine(stint *s, stint_quarantine_fn fn,
                                             void *arg, struct stint_err *err);

/* What stint_doctor found about one thing. */
enum stint_finding_state {
    STINT_FINDING_OK,
    STINT_FINDING_WARNING, /* works, but will not always, or not well */
    STINT_FINDING_FAULT,   /* a promise is not kept like this */
    STINT_FINDING_UNKNOWN  /* this user may not look */
};
struct stint_finding {
    size_t size;        /* sizeof(struct stint_finding) */
    const char *name;   /* one word, the same in all versions: "eviction" */
    enum stint_finding_state state;
    const char *text;   /* what was seen */
    const char *advice; /* what to do, NULL: nothing */
};
/* `f` is valid during the call. Return non-zero to stop. */
typedef int (*stint_finding_fn)(const struct stint_finding *f, void *arg);
/* Looks at how Redis is set up and doing, at clocks and workers, changing
 * nothing. durability: the level that is needed, 0: any. *level (may be NULL):
 * the one Redis is set up for, 0: none. *n_faults. Errors: INVALID, those of a
 * connection; what may not be seen is a finding. */
STINT_API STINT_CHECKED int stint_doctor(stint *s, int durability,
                                         stint_finding_fn fn, void *arg,
                                         int *level, size_t *n_faults,
                                         struct stint_err *err);

/* Removes the tasks of a group that have ended, with their runs and ids, as if
 * their retention were over, in bounded steps; *n (may be NULL): how many. If
 * it then holds no tasks and no worker serves it, its counts and its name go,
 * too. For groups of one's own: tests, benches. What depends on a task that is
 * gone is judged as after its pruning. Errors: INVALID (group). */
STINT_API STINT_CHECKED int stint_forget_group(stint *s, const char *group,
                                               uint64_t *n,
                                               struct stint_err *err);

/* ---- The server --------------------------------------------------------- */

/* What Redis has spent for all its users since it started, or since somebody
 * reset its statistics: take the difference of two looks. Of a cluster: all
 * its primaries together, and the clock of one of them. */
struct stint_server_usage {
    size_t size;               /* sizeof(struct stint_server_usage) */
    int64_t cpu_us;            /* user and system, of its whole process */
    int64_t used_memory_bytes; /* data and buffers, as Redis counts them */
    int64_t script_calls;      /* FCALL and EVALSHA, also the read-only ones */
    int64_t commands;          /* all, those inside of scripts too; without
                                  INFO and what this function asks itself */
    char redis_version[32];    /* "7.0.15" */
    int64_t time_off_us;       /* Redis's clock less this host's date */
    int64_t time_error_us;     /* that may be wrong by so much: half of the
                                  quickest of a few round trips */
};
#define STINT_SERVER_USAGE_INIT                                                \
    {sizeof(struct stint_server_usage), 0, 0, 0, 0, {0}, 0, 0}
/* One look: a few round trips. u->size is set by the caller. What Redis does
 * not tell is 0. Errors: those of a connection; REDIS (INFO is not allowed). */
STINT_API STINT_CHECKED int stint_server_usage(stint *s,
                                               struct stint_server_usage *u,
                                               struct stint_err *err);

/* ---- Cron -------------------------------------------------------------- */

struct stint_cron_options {
    size_t size;            /* sizeof(struct stint_cron_options) */
    const char *expression; /* required: five fields, or @daily and so on */
    const char *time_zone;  /* IANA name; NULL: UTC */
    const char *from;       /* a time as for tasks, but now, +45s and so on
                               are by this host's clock; NULL: now */
};
#define STINT_CRON_OPTIONS_INIT {sizeof(struct stint_cron_options), 0, 0, 0}

/* A time of an expression. The local time there is that of UTC + offset_s. */
struct stint_cron_time {
    int64_t ms; /* since the epoch */
    int32_t offset_s;
};

/* The next n times strictly after `from`, in ascending order. What a change
 * of the clocks skips is due right after the gap, once; a local time that
 * comes twice is due the first time only. Needs no Redis. Errors: INVALID
 * (the text says what, and for an expression which field), NOT_FOUND (fewer
 * than n before the year 10000), SYSTEM (the zone cannot be read), NOMEM. */
STINT_API STINT_CHECKED int stint_cron_next(const struct stint_cron_options *o,
                                            struct stint_cron_time *times,
                                            size_t n, struct stint_err *err);

/* ---- Embedded Redis ---------------------------------------------------- */

struct stint_embedded_status {
    int running;      /* 1: answers */
    int64_t pid;      /* 0: not running */
    char dir[512];    /* its directory */
    char url[600];    /* unix:///… */
};
STINT_API STINT_CHECKED int
stint_embedded_status(struct stint_embedded_status *st, struct stint_err *err);
/* Stops it, after its data is on disk; fine if it does not run. */
STINT_API STINT_CHECKED int stint_embedded_stop(struct stint_err *err);

#ifdef __cplusplus
}
#endif
#endif
