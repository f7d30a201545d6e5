/* SPDX-License-Identifier: MIT */
/* The Redis servers of a campaign: two at most, a primary and its replica. */
#ifndef STINT_TESTS_NODE_H
#define STINT_TESTS_NODE_H

#include <stdint.h>
#include <sys/types.h>

struct redisContext;
struct redisReply;

struct node {
    int n;              /* 0 or 1 */
    char dir[256];      /* with redis.sock, redis.log, appendonlydir */
    int port;           /* for its replica */
    int level;          /* of the campaign */
    int wants_replica;  /* 1: writes need one */
    int replica_of;     /* a port, 0: a primary */
    const char *shim;   /* torture_shim.so */
    const char *control;
    pid_t pid;          /* 0: does not run */
    struct redisContext *admin; /* NULL: not connected */
    int is_tmpfs;       /* dir is a file system of its own */
    int64_t tmpfs_mb;
};

/* Makes the directory; as a tmpfs where that is allowed. */
int node_init(struct node *n);
/* Starts the program; does not wait. */
int node_start(struct node *n);
/* Waits until it answers and has loaded its data; -1: it does not. */
int node_wait(struct node *n, int64_t ms);
/* kill -9, and waits for its end. */
void node_kill(struct node *n);
/* After node_kill: of each log what may not have reached the disk is cut, up to
 * the part `permille` of it. Returns the bytes cut. */
int64_t node_power_cut(struct node *n, int64_t permille);
/* Fills the disk to the last page, or gives it back. */
void node_fill(struct node *n, int full);
void node_remove(struct node *n);

/* Does it take no writes because of its disk? */
int node_refuses(struct node *n);
/* Until its log is not being written anew any more, at most so long. */
void node_wait_rewrite(struct node *n, int64_t ms);

/* A command as the admin, with a reply within a second or so. NULL: there was
 * none. free with freeReplyObject. */
struct redisReply *node_command(struct node *n, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The same without a look at the reply. */
void node_do(struct node *n, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Sent, and nobody waits for the reply. */
void node_send(struct node *n, const char *command);
/* Hash of its run_id, 0: none. */
uint64_t node_run_id(struct node *n);
/* 1: its replica has confirmed what was just written. */
int node_has_replica(struct node *n);

#endif
