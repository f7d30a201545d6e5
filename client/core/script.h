/* SPDX-License-Identifier: MIT */
/* Calls the rules in Redis: one function library by FCALL, or, where a server
 * has no functions, the same files by EVALSHA; nobody else sees which. */
#ifndef STINT_CORE_SCRIPT_H
#define STINT_CORE_SCRIPT_H

#include <stddef.h>
#include <stdint.h>

#include "args.h"
#include "store.h"

#define SCRIPT_PROTOCOL "1"
#define SCRIPT_LIBRARY  1 /* raised with each release that changes lua/: a
                             newer library in Redis serves older callers */

/* The order is that of lua_scripts[]. */
enum script_id {
    SCRIPT_QUEUE_TASK, SCRIPT_ASSIGN, SCRIPT_START, SCRIPT_PROGRESS,
    SCRIPT_REPORT, SCRIPT_RELEASE, SCRIPT_HEARTBEAT, SCRIPT_EXPIRE,
    SCRIPT_FIRE, SCRIPT_SETTLE, SCRIPT_RECOVER, SCRIPT_REWIND,
    SCRIPT_PRUNE, SCRIPT_STOP_TASK, SCRIPT_REQUEUE_TASK, SCRIPT_ENABLE_TASK,
    SCRIPT_DISABLE_TASK, SCRIPT_DELETE_TASK, SCRIPT_SET_PRIORITY,
    SCRIPT_RUN_NOW, SCRIPT_PAUSE_GROUP, SCRIPT_RESUME_GROUP, SCRIPT_DELIVER,
    SCRIPT_MESSAGES, SCRIPT_TASK_STATUS, SCRIPT_LIST, SCRIPT_SEARCH,
    SCRIPT_STATS, SCRIPT_MEASURES, SCRIPT_SAMPLE, SCRIPT_HISTORY, SCRIPT_WHY,
    SCRIPT_FAMILY,
    SCRIPT_WAKE, SCRIPT_FSCK, SCRIPT_FSCK_KEYS, SCRIPT_REPAIR,
    SCRIPT_REPAIR_KEYS, SCRIPT_REPAIR_PARENTS, SCRIPT_QUARANTINE,
    SCRIPT_SET_PARTS, SCRIPT_FLEET_HEARTBEAT,
    SCRIPT_FLEET_COMMAND, SCRIPT_FLEET_LIST, SCRIPT_FLEET_READER,
    SCRIPT_EVENTS, SCRIPT_EVENT_FUNCTIONS, SCRIPT_KEEP_EVENTS, SCRIPT_N
};

/* reply: an array with at least one element, or NULL and err. Every call can
 * be repeated safely. NOSCRIPT: the rules were missing and are being loaded:
 * call again. */
typedef void (*script_done_fn)(const struct redisReply *reply,
                               const struct stint_err *err, void *arg);

/* Calls of rules, and the time from each to its answer; one that never came
 * counts, too. */
struct script_meter {
    int64_t (*clock_us)(void);
    int64_t calls, us;
};

struct script_caller {
    struct store *store; /* borrowed */
    int no_functions;    /* 1: EVALSHA */
    char base[STINT_NAME_LEN + 8];   /* namespace, for keys of the fleet */
    struct script_meter *meter; /* borrowed; NULL: they are not counted */
};

void script_caller_init(struct script_caller *c, struct store *store,
                        const char *name_space);

/* Sees that Redis (in a cluster: the node that has the group, NULL: the fleet)
 * has our rules; call after each connect, before others. */
void script_load(struct script_caller *c, const char *group, script_done_fn fn,
                 void *arg);

/* `group` NULL: the fleet's base. args begin behind protocol and time, which
 * are put before them. */
void script_call(struct script_caller *c, enum script_id id, const char *group,
                 const struct args *args, script_done_fn fn, void *arg);

/* Any other command (BZPOPMIN), argv[0] is its name. */
void script_command(struct script_caller *c, const struct args *args,
                    store_reply_fn fn, void *arg);

/* The key an idle worker blocks on; function NULL: the group's. Returns len. */
int script_wake_key(const struct script_caller *c, char *key, size_t cap,
                    const char *group, const char *function);
/* The key that nudges a worker to send a heartbeat at once; group NULL: the
 * fleet's. Returns len. */
int script_signal_key(const struct script_caller *c, char *key, size_t cap,
                      const char *group, const char *worker);
/* A key that means nothing: to write it is a write in the group's slot.
 * Returns len. */
int script_written_key(const struct script_caller *c, char *key, size_t cap,
                       const char *group);

/* Reading replies. Out of range or of another type: "" and 0. */
size_t reply_n(const struct redisReply *r);
const char *reply_str(const struct redisReply *r, size_t i, size_t *len);
int64_t reply_i64(const struct redisReply *r, size_t i);
const struct redisReply *reply_at(const struct redisReply *r, size_t i);

#endif
