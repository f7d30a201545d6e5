/* SPDX-License-Identifier: MIT */
/* A server in the memory of this process that stands in for Redis where an
 * application is tested: the rules of lua/, run by the same Lua, over a small
 * data store with exactly the commands that these and the library use. Its
 * clock is a number. Everything it answers depends on the calls before and
 * nothing else: no real time, no random numbers, no threads. It belongs to one
 * thread at a time, with all that is open on it. Out of memory ends the
 * program.
 *
 *   str, dict, list, zset   what data is made of
 *   keyspace                keys and what they hold
 *   reply                   answers, for Lua and for callers
 *   command, cmd_*          the commands
 *   library, script, fcall  Lua, and the function library in it
 *   pool                    its memory
 *   memory                  the server
 *   store_memory            connections to it (store.h)
 *   module                  all of it as a loadable module */
#ifndef STINT_MEMORY_MEMORY_H
#define STINT_MEMORY_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "keyspace.h"
#include "memory_api.h"
#include "reply.h"

struct library;
struct memory_conn;

struct memory {
    struct keyspace keys;
    struct library *library;
    int64_t now_us;          /* since the epoch */
    uint64_t *calls;         /* of each command */
    int n_refs;
    int is_pushed;           /* a sorted set got a member since those who wait
                                were served */
    int in_script;
    int read_only;           /* and it may not write */
    struct {
        int n_calls;           /* redis.call of the last script */
        int n_writes;          /* of these, of commands that may write */
        int fail_at;           /* its so-manieth raises an error; 0: none */
        const char *fail_text; /* "-WORD text"; borrowed */
        int is_caught;         /* 1: by redis.pcall */
    } script;
    struct memory_conn *conns, **conns_end; /* in the order they were opened */
    uint64_t n_blocked;      /* calls that block, ever: their order */
};

/* One argument of a command. */
struct arg {
    const char *at; /* a NUL need not follow */
    size_t len;
};

/* The clock stands at START until it is moved. NULL: no memory for Lua. */
struct memory *memory_new(void);
void memory_ref(struct memory *m);
/* The last one ends it; all connections are closed then. */
void memory_unref(struct memory *m);

/* Carries out one command now. What would block does not: it is answered as if
 * its time were over. */
void memory_call(struct memory *m, int argc, const struct arg *argv,
                 struct out *out);

/* Moves the clock; calls that block and whose time is over are answered. Never
 * backwards: that does nothing. */
void memory_set_now_us(struct memory *m, int64_t now_us);
/* When the clock next changes something by itself (a call that blocks ends);
 * INT64_MAX: never. */
int64_t memory_next_us(const struct memory *m);

#endif
