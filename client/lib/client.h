/* SPDX-License-Identifier: MIT */
/* Inside of a handle: one connection that is waited for, and calls that are
 * repeated until an answer came or the time is up. */
#ifndef STINT_LIB_CLIENT_H
#define STINT_LIB_CLIENT_H

#include <stdint.h>
#include <stint/stint.h>

#include "args.h"
#include "conf.h"
#include "memory_link.h"
#include "script.h"
#include "store.h"

struct redisReply;
struct group_known;
struct spool;

typedef char group_name[STINT_NAME_LEN + 1];

/* What was learnt and done over a connection. Handles that share one
 * (async.h) share this, too; while one waits, others change it. */
struct learnt {
    struct group_known **known; /* see parts.h; a row stays where it is */
    size_t n_known;
    int64_t n_times;    /* TIMEs asked for by stint_server_usage */
};
void learnt_close(struct learnt *l);

struct stint {
    struct store *store;
    struct script_caller caller;
    int64_t timeout_ms;
    int tries;             /* how often the last call was made */
    struct learnt *learnt; /* borrowed */
    struct learnt own;     /* of a handle that shares with nobody */
    struct spool *spool;   /* NULL: none; own_spool, or of whom it shares with */
    struct spool *own_spool;
    struct memory_link memory; /* of "memory:"; all zero: it is a real Redis */
};

/* stint_open, or, with `beside`, one on the same server in memory. */
struct stint *client_open(const struct stint_options *o,
                          const struct stint *beside, struct stint_err *err);

/* Options as they are meant. */
struct client_settings {
    struct conf conf;
    const char *name_space; /* borrowed from the options, or constant */
    int64_t timeout_ms;     /* of a call with its retries */
    int64_t deadline_ms;    /* of one reply */
    struct spool *spool;    /* owned by the caller, who closes it; or NULL */
};
/* `o` may be NULL. May start the embedded Redis. */
int client_settings(struct client_settings *to, const struct stint_options *o,
                    struct stint_err *err);

/* The answer of one call in flight; zeroed before use. */
struct client_answer {
    struct redisReply *reply; /* a copy, owned */
    struct stint_err err;
};
/* A script_done_fn: keeps the answer in arg. */
void client_keep(const struct redisReply *reply, const struct stint_err *err,
                 void *arg);
void client_reply_free(struct redisReply *reply); /* NULL is fine */

/* May the call be made again? */
int client_may_retry(enum stint_code code);
/* Lets ms pass. */
void client_sleep(struct stint *s, int64_t ms);
/* Sleeps before try number `tries` + 1, -1: no time is left until `until`. */
int client_pause(struct stint *s, int tries, int64_t until_ms);

/* One call with its retries. NULL and err, or a reply that the caller frees
 * with client_reply_free. */
struct redisReply *client_call(struct stint *s, enum script_id id,
                               const char *group, const struct args *args,
                               struct stint_err *err);

/* Redis's clock; -1: err. */
int64_t client_redis_now_ms(struct stint *s, struct stint_err *err);

/* Sees that the fleet knows the group, once per handle. */
int client_register(struct stint *s, const char *group, struct stint_err *err);

/* All groups, *n of them; free() them. How many parts each has, the handle
 * knows then. NULL: err. */
group_name *client_groups(struct stint *s, size_t *n, struct stint_err *err);

/* The same for the group asked for, or for all of them if that is NULL. Errors
 * besides: INVALID, not a name of a group. */
group_name *client_groups_wanted(struct stint *s, const char *group, size_t *n,
                                 struct stint_err *err);

#endif
