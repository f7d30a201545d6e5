/* SPDX-License-Identifier: MIT */
/* Where the calls of a simulation are carried out: a memory server in this
 * process (client/memory: the rules of lua/ run by the same Lua), or a real
 * redis-server, to see that both go the same way. */
#ifndef STINT_TESTS_SIM_SERVER_H
#define STINT_TESTS_SIM_SERVER_H

#include <hiredis/hiredis.h>
#include <stdint.h>

#include "memory.h"
#include "server.h"

struct sim_server {
    struct memory *m;     /* owned; NULL: a real one */
    struct server real;
    redisContext *redis;  /* owned */
};

void sim_server_open(struct sim_server *v, int is_real);
void sim_server_close(struct sim_server *v);
/* Empties it for a seed, and loads the rules. */
void sim_server_begin(struct sim_server *v, int64_t now_ms);
void sim_server_set_now(struct sim_server *v, int64_t now_ms);
/* Carries out one command, which does not block. */
redisReply *sim_server_call(struct sim_server *v, int argc,
                            const char *const *argv, const size_t *len);
redisReply *sim_server_ask(struct sim_server *v, const char *format,
                           va_list ap);
redisReply *sim_server_nil(struct sim_server *v);
redisReply *sim_server_error(struct sim_server *v, const char *text);
void sim_server_free(struct sim_server *v, redisReply *reply);
/* {stint}:leader lives by the simulated clock: the caller ends it. */
void sim_server_keep_leader(struct sim_server *v);
/* 1: a sorted set may have got a member since it was asked for last. */
int sim_server_has_pushed(struct sim_server *v);
/* BZPOPMIN as if its time were over; nil or as it replies. */
redisReply *sim_server_pop(struct sim_server *v, int n,
                           const char *const *keys);
/* All steps of fsck: a list of faults. NULL: the rules are not loaded. */
redisReply *sim_server_fsck(struct sim_server *v, const char *base,
                            int64_t now_ms);

/* All records and all ids of a group. What is handed out is borrowed until the
 * next call. */
struct sim_look {
    const struct object *state, *task; /* of a memory server; may be NULL */
    redisReply *state_reply, *task_reply;
};
void sim_look_open(struct sim_look *l, struct sim_server *v,
                   const char *base);
/* The next from *at on, which begins with 0. 0: there is none. */
int sim_look_record(const struct sim_look *l, uint32_t *at, const char **id,
                    const char **text, size_t *len);
int sim_look_id(const struct sim_look *l, uint32_t *at, const char **id);
void sim_look_close(struct sim_look *l);

#endif
