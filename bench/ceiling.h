/* SPDX-License-Identifier: MIT */
/* What the files of the ceiling share. Whatever goes wrong ends the program
 * with a message and exit status 1. */
#ifndef STINT_BENCH_CEILING_H
#define STINT_BENCH_CEILING_H

#include <stint/stint.h>

#include "args.h"

#define CEILING_WORKER "ceiling.1.0"

struct redisContext;
struct redisReply;

struct ceiling {
    struct redisContext *redis;
    const char *what;                /* drain or queue */
    const char *name_space;
    char base[2 * STINT_NAME_LEN + 32]; /* of the group */
    long tasks, payload, batch, depth;
};

_Noreturn void fail(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

/* Connects and sees that the scripts are there. url "-": STINT_URL, or the
 * embedded Redis. */
void redis_open(struct ceiling *c, const char *url);
/* CPU seconds of Redis so far. */
double redis_cpu(struct ceiling *c);
/* All that these loops leave. */
void keys_remove(struct ceiling *c);

/* Begins a call of a script: FCALL name 1 base protocol 0. */
void call_begin(struct ceiling *c, struct args *a, const char *name);
/* Puts it behind what is to be written, and closes it. */
void call_append(struct ceiling *c, struct args *a);
void call_flush(struct ceiling *c);
/* The next reply, no error; the caller frees it. */
struct redisReply *reply_get(struct ceiling *c);

#endif
