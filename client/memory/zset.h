/* SPDX-License-Identifier: MIT */
/* A sorted set: by score, and with the same score by member, bytewise. A table
 * finds a member's node, a skip list keeps the order and counts what it skips,
 * so that adding, removing and finding a rank or a score take a time that grows
 * with the logarithm. Ranks are from 0. */
#ifndef STINT_MEMORY_ZSET_H
#define STINT_MEMORY_ZSET_H

#include "dict.h"

#define ZSET_LEVELS 20

struct zset_node;

struct zset_link {
    struct zset_node *next; /* NULL: the end */
    uint32_t span;          /* nodes from here to it, or to the end */
};

struct zset_node {
    double score;
    const struct str *member; /* borrowed from the table */
    struct zset_node *before; /* NULL: it is the first */
    int n_links;
    struct zset_link links[];
};

struct zset {
    struct dict members; /* value: its node */
    struct zset_node *last;
    uint64_t dice;       /* how high nodes are; the same on every run */
    int height;
    struct zset_link head[ZSET_LEVELS];
};

/* An end of a range of scores. */
struct zset_bound {
    double score;
    int excluded;
};

/* All zero is an empty one. */
/* NULL: not there. */
struct zset_node *zset_find(const struct zset *z, const char *member,
                            size_t len);
/* Sets the score of a member, new or not. */
void zset_put(struct zset *z, const char *member, size_t len, double score);
void zset_remove(struct zset *z, const struct zset_node *node);
uint32_t zset_rank(const struct zset *z, const struct zset_node *node);
/* NULL: there are not so many. */
struct zset_node *zset_at(const struct zset *z, uint32_t rank);
/* How many come before the range that begins with min. */
uint32_t zset_below(const struct zset *z, const struct zset_bound *min);
/* How many come before the end of the range that ends with max. */
uint32_t zset_upto(const struct zset *z, const struct zset_bound *max);
/* A twin with the same order of insertion and numbers; `to` is empty. */
void zset_copy(struct zset *to, const struct zset *from);
void zset_close(struct zset *z);

#endif
