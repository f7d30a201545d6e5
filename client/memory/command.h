/* SPDX-License-Identifier: MIT */
/* The commands: one table, and a function each. Their names, arguments, replies
 * and errors are those of Redis 7.0. */
#ifndef STINT_MEMORY_COMMAND_H
#define STINT_MEMORY_COMMAND_H

#include "memory.h"

/* One command that is being carried out; argv[0] is its name. */
struct command {
    struct memory *m;
    int argc;
    const struct arg *argv;
    struct out *out;
    int writes;          /* objects are its own: COMMAND_WRITES */
};

enum command_flag { COMMAND_WRITES = 1, COMMAND_OUTSIDE = 2 /* not in Lua */ };

/* name, function, arity (as Redis has it: with the name; negative: at least),
 * flags */
#define COMMANDS(X)                                                            \
    X(BZPOPMIN, bzpopmin, -3, COMMAND_WRITES)                                  \
    X(CONFIG, config, -2, COMMAND_OUTSIDE)                                     \
    X(DEL, del, -2, COMMAND_WRITES)                                            \
    X(EXISTS, exists, -2, 0)                                                   \
    X(FCALL, fcall, -3, COMMAND_OUTSIDE)                                       \
    X(FLUSHALL, flushall, -1, COMMAND_WRITES)                                  \
    X(FUNCTION, function, -2, COMMAND_OUTSIDE)                                 \
    X(GET, get, 2, 0)                                                          \
    X(HDEL, hdel, -3, COMMAND_WRITES)                                          \
    X(HGET, hget, 3, 0)                                                        \
    X(HGETALL, hgetall, 2, 0)                                                  \
    X(HINCRBY, hincrby, 4, COMMAND_WRITES)                                     \
    X(HLEN, hlen, 2, 0)                                                        \
    X(HMGET, hmget, -3, 0)                                                     \
    X(HSCAN, hscan, -3, 0)                                                     \
    X(HSET, hset, -4, COMMAND_WRITES)                                          \
    X(HSETNX, hsetnx, 4, COMMAND_WRITES)                                       \
    X(HSTRLEN, hstrlen, 3, 0)                                                  \
    X(INFO, info, -1, COMMAND_OUTSIDE)                                         \
    X(KEYS, keys, 2, COMMAND_OUTSIDE)                                          \
    X(LINDEX, lindex, 3, 0)                                                    \
    X(LLEN, llen, 2, 0)                                                        \
    X(LPUSH, lpush, -3, COMMAND_WRITES)                                        \
    X(LRANGE, lrange, 4, 0)                                                    \
    X(LTRIM, ltrim, 4, COMMAND_WRITES)                                         \
    X(PEXPIRE, pexpire, 3, COMMAND_WRITES)                                     \
    X(PING, ping, -1, 0)                                                       \
    X(PTTL, pttl, 2, 0)                                                        \
    X(RENAME, rename, 3, COMMAND_WRITES)                                       \
    X(SADD, sadd, -3, COMMAND_WRITES)                                          \
    X(SCARD, scard, 2, 0)                                                      \
    X(SET, set, -3, COMMAND_WRITES)                                            \
    X(SISMEMBER, sismember, 3, 0)                                              \
    X(SRANDMEMBER, srandmember, -2, 0)                                         \
    X(SREM, srem, -3, COMMAND_WRITES)                                          \
    X(SSCAN, sscan, -3, 0)                                                     \
    X(TIME, time, 1, 0)                                                        \
    X(TYPE, type, 2, 0)                                                        \
    X(UNLINK, del, -2, COMMAND_WRITES)                                         \
    X(WAIT, wait, 3, COMMAND_OUTSIDE)                                          \
    X(XADD, xadd, -5, COMMAND_WRITES)                                          \
    X(XLEN, xlen, 2, 0)                                                        \
    X(XRANGE, xrange, -4, 0)                                                   \
    X(XREVRANGE, xrevrange, -4, 0)                                             \
    X(XTRIM, xtrim, -4, COMMAND_WRITES)                                        \
    X(ZADD, zadd, -4, COMMAND_WRITES)                                          \
    X(ZCARD, zcard, 2, 0)                                                      \
    X(ZCOUNT, zcount, 4, 0)                                                    \
    X(ZPOPMIN, zpopmin, -2, COMMAND_WRITES)                                    \
    X(ZRANGE, zrange, -4, 0)                                                   \
    X(ZRANGEBYSCORE, zrangebyscore, -4, 0)                                     \
    X(ZRANK, zrank, 3, 0)                                                      \
    X(ZREM, zrem, -3, COMMAND_WRITES)                                          \
    X(ZREMRANGEBYRANK, zremrangebyrank, 4, COMMAND_WRITES)                     \
    X(ZREMRANGEBYSCORE, zremrangebyscore, 4, COMMAND_WRITES)                   \
    X(ZREVRANGE, zrevrange, -4, 0)                                             \
    X(ZSCAN, zscan, -3, 0)                                                     \
    X(ZSCORE, zscore, 3, 0)

enum command_id {
#define COMMAND_ID(name, fn, arity, flags) COMMAND_##name,
    COMMANDS(COMMAND_ID)
#undef COMMAND_ID
    COMMAND_N
};

#define COMMAND_DECLARE(name, fn, arity, flags)                                \
    void cmd_##fn(struct command *c);
COMMANDS(COMMAND_DECLARE)
#undef COMMAND_DECLARE

struct command_type {
    const char *name;
    void (*fn)(struct command *c);
    int arity;
    unsigned flags;
};
extern const struct command_type command_types[COMMAND_N];
/* By its name in any case; NULL: there is none. */
const struct command_type *command_find(const struct arg *name);
int command_arity_fits(const struct command_type *type, int argc);

/* What command_* below refuse with they have written to c->out; then -1. */

/* The object at argv[i]; *o is NULL if there is none. Refuses another kind. */
int command_look(struct command *c, int i, enum kind kind, struct object **o);
/* The same, and makes it if there is none. */
int command_open(struct command *c, int i, enum kind kind, struct object **o);
/* After members were removed. */
void command_tidy(struct command *c, int i, const struct object *o);

int arg_is(const struct arg *a, const char *word); /* in any case */
/* As Redis reads one: no blank, no plus sign, no zero in front. -1: is none. */
int integer_read(const char *text, size_t len, int64_t *n);
int command_integer(struct command *c, int i, int64_t *n);
int command_score(struct command *c, int i, double *score,
                  const char *refusal);
int command_refuse_syntax(struct command *c);
/* Ranks as Redis takes them (negative: from the end) to the first and how many
 * of n. */
int command_range(struct command *c, int i, size_t n, size_t *first,
                  size_t *count);
/* The arguments of the SCAN family behind the key, then its reply: `emit` is
 * called for each entry and writes `per` elements. */
void command_scan(struct command *c, const struct dict *d, size_t per,
                  void (*emit)(struct out *o, const struct dict_entry *e));

#endif
