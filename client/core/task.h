/* SPDX-License-Identifier: MIT */
/* A task: the codec between what people write, what Redis keeps and what a
 * run sees. No I/O. */
#ifndef STINT_CORE_TASK_H
#define STINT_CORE_TASK_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>
#include <stint/stint.h>

/* When the answer to queue_task comes: level 1 to 3, and when so many replicas
 * have it. */
struct durability {
    int level, replicas;
};
/* "1", "2", "3" or "replicas=N" (1 to 100). -1: none of these. */
int durability_parse(struct durability *d, const char *text);

/* What was queued is kept as "FUNCTION {the rest as JSON}". Where the JSON
 * begins, and how long the name is; NULL: it is nothing of the kind ("-", what
 * is left of a pruned task). */
const char *task_text_split(const char *text, size_t len, size_t *name_len);
/* The whole as one object, "function" first; owned by the caller. NULL: errno
 * is ENOMEM without memory, and 0 if it is not that. */
struct json_t *task_text_load(const char *text, size_t len);
/* json_loadb, which does not tell what is not JSON from what there was no
 * memory for, and then may leave out a byte of a string and say nothing (2.14).
 * NULL: errno is ENOMEM, or 0. */
json_t *json_read(const char *text, size_t len, size_t flags,
                  json_error_t *why);
/* json_dumps, which leaves out keys there was no memory for (2.14). free() it;
 * NULL: out of memory. */
char *json_write(const json_t *v, size_t flags);

/* A checked task as the script queue_task takes it. */
struct stint_task {
    char id[STINT_ID_LEN + 1];
    char group[STINT_NAME_LEN + 1];
    char function[STINT_NAME_LEN + 1];
    char start[24]; /* ms since the epoch, or "+n"/"-n" ms from Redis's now */
    char stop[24];  /* the same, "" for none */
    char rules[420]; /* "key=value key=value…" of what differs from the
                        defaults; see lua/prelude.lua for the keys; "" */
    char *depends;  /* parents, "ID" or "GROUP/ID", a blank between; owned,
                       or NULL */
    size_t generation; /* of those it is queued with: 0: it has no parent
                       among them; otherwise above those of all parents */
    struct durability durability;
    char *cronline, *timezone; /* owned, or NULL; start is then the first
                       match once task_cron_start was called */
    char *text;     /* as it is kept: the function, a blank, and a JSON object
                       of args, vars, task_name, timeout… or "{}"; owned */
    size_t text_len;
};

/* Predicates for names, at both ends of the wire. */
int task_id_is_valid(const char *id, size_t len);     /* A-Za-z0-9_.:- */
int task_name_is_valid(const char *name, size_t len); /* A-Za-z0-9_.:/- */
int task_group_is_valid(const char *name, size_t len); /* A-Za-z0-9_.- */

int task_ref_is_valid(const char *ref, size_t len); /* ID or GROUP/ID */

/* For a task with a cronline: puts its first match at or after its start_time
 * into the place of that, which stays as the rule `begin`. now_ms: by Redis's
 * clock. Only the first call does something. Errors: INVALID (no match ever),
 * SYSTEM (tz database). */
int task_cron_start(struct stint_task *t, int64_t now_ms,
                    struct stint_err *err);

/* The first match of a task's cronline after that instant, to *next_ms; -1: it
 * has no cronline, or no match follows. `task` is what was queued. Errors: it
 * cannot be told, here or now: NOMEM, SYSTEM (tz database), INVALID (no such
 * zone here). */
int task_cron_next_ms(const char *task, size_t len, int64_t after_ms,
                      int64_t *next_ms, struct stint_err *err)
    __attribute__((warn_unused_result));

/* Makes a UUIDv7 that sorts by time, to the microsecond, written as 26
 * characters of base 32. */
void task_id_make(char id[static STINT_ID_LEN + 1]);

/* The state record, decoded: "STATUS fence token worker next start stop
 * key=value…". Pointers borrow from the text given. */
struct task_state {
    char status[12];
    uint64_t fence;
    char ticket[40]; /* "fence token", as report shows it */
    char worker[STINT_NAME_LEN + 1]; /* "-": none */
    int64_t next_ms, start_ms, stop_ms;
    int64_t times_run, times_failed, lost;
    int64_t begin_ms;   /* start_time; 0: next_ms of the record */
    int64_t expire_ms;  /* stop_time; 0: none */
    int64_t period_ms;  /* 60000 */
    int64_t repeats;    /* 1 */
    int priority, immediate;
    int prevent_drift, disabled, parked, discard;
    int cron, cast, live, stopping;
    int64_t parents, waits; /* depends_on: named, open */
    int64_t parts, open;    /* of a running broadcast */
};
/* text NULL or len 0: a task nobody has touched: QUEUED, all defaults.
 * -1: not a record. */
int task_state_decode(struct task_state *st, const char *text, size_t len);

/* The whole task as JSON for a run's stdin: what was queued plus id,
 * group_name, fence, attempt, run_id, times_run, times_failed, start_time.
 * New reference, or NULL (not JSON, or out of memory). */
json_t *task_run_json(const char *id, const char *group, const char *task,
                      size_t task_len, const struct task_state *st);

#endif
