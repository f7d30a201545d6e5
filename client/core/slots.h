/* SPDX-License-Identifier: MIT */
/* Redis Cluster's map: which of the 16,384 slots a key falls into, and which
 * primary has the slot. Plain data: nothing here talks to anybody. */
#ifndef STINT_CORE_SLOTS_H
#define STINT_CORE_SLOTS_H

#include <stddef.h>
#include <stdint.h>
#include <stint/stint.h>

#include "conf.h"

#define SLOTS_N         16384
#define SLOTS_NODES_MAX 256 /* primaries; Redis advises to stay below 1,000
                               nodes, replicas included */
#define SLOTS_NOBODY    UINT16_MAX

struct redisReply;

struct slots {
    int n_nodes;
    struct conf_node *nodes; /* primaries, by address; owned */
    uint16_t owner[SLOTS_N]; /* index of nodes, or SLOTS_NOBODY */
};

/* The slot of a key: CRC16 of what stands between its first { and the next },
 * or of all of it if that is nothing. */
unsigned slots_of_key(const char *key, size_t len);

/* An empty map: no nodes. */
void slots_init(struct slots *s);
void slots_close(struct slots *s); /* empty again */

/* Fills an empty map from the reply of CLUSTER SLOTS. A node without an address
 * is at the host that was asked. Replicas are left out. Errors (the map then
 * has a part of it): PROTOCOL: this is no such reply; TOO_BIG: too many
 * primaries. */
int slots_parse(struct slots *s, const struct redisReply *reply,
                const char *asked_host, struct stint_err *err);

/* The index of a node, -1: not there. */
int slots_find(const struct slots *s, const char *host, int port);

/* "MOVED 3999 10.0.0.1:6381", "ASK ...": which slot, and where it is. The host
 * is left empty if the reply has none. 0, or -1: it is not of this form. */
int slots_read_redirect(const char *text, size_t len, unsigned *slot,
                        struct conf_node *to);

/* The slot is at `to` now, which may be a new node. -1: too many nodes, or no
 * memory. */
int slots_move(struct slots *s, unsigned slot, const struct conf_node *to);

#endif
