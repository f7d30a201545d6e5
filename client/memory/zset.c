/* SPDX-License-Identifier: MIT */
#include "zset.h"

#include <stdlib.h>

/* ---- The skip list ------------------------------------------------------- */

/* One node in four has another link more. */
static int height_draw(struct zset *z)
{
    int n = 1;
    z->dice = z->dice * UINT64_C(6364136223846793005) +
              UINT64_C(1442695040888963407);
    for (uint64_t bits = z->dice >> 24; n < ZSET_LEVELS && (bits & 3) == 0;
         bits >>= 2)
        n++;
    return n;
}

static int node_is_before(const struct zset_node *node, double score,
                          const char *member, size_t len)
{
    if (node->score != score)
        return node->score < score;
    return str_compare(node->member, member, len) < 0;
}

/* The links on each level that lead to or over where (score, member) is or
 * would be; ranks[i]: how many nodes are up to the owner of links[i]. */
static void zset_trace(struct zset *z, double score, const char *member,
                       size_t len, struct zset_link *links[ZSET_LEVELS],
                       uint32_t ranks[ZSET_LEVELS], struct zset_node **before)
{
    struct zset_link *at = z->head; /* the links of a node, or of the head */
    uint32_t rank = 0;
    *before = NULL;
    for (int i = z->height - 1; i >= 0; i--) {
        while (at[i].next != NULL &&
               node_is_before(at[i].next, score, member, len)) {
            rank += at[i].span;
            *before = at[i].next;
            at = at[i].next->links;
        }
        links[i] = &at[i];
        ranks[i] = rank;
    }
}

static void zset_insert(struct zset *z, const struct str *member, double score,
                        struct zset_node *node)
{
    struct zset_link *links[ZSET_LEVELS];
    uint32_t ranks[ZSET_LEVELS], n = z->members.n - 1; /* it is there */
    struct zset_node *before;
    while (z->height < node->n_links)
        z->head[z->height++] = (struct zset_link){NULL, n};
    zset_trace(z, score, member->bytes, member->len, links, ranks, &before);
    node->score = score;
    node->member = member;
    node->before = before;
    for (int i = 0; i < z->height; i++) {
        uint32_t passed = ranks[0] - ranks[i];
        if (i >= node->n_links) {
            links[i]->span++;
            continue;
        }
        node->links[i].next = links[i]->next;
        node->links[i].span = links[i]->span - passed;
        links[i]->next = node;
        links[i]->span = passed + 1;
    }
    if (node->links[0].next != NULL)
        node->links[0].next->before = node;
    else
        z->last = node;
}

static void zset_cut(struct zset *z, const struct zset_node *node)
{
    struct zset_link *links[ZSET_LEVELS];
    uint32_t ranks[ZSET_LEVELS];
    struct zset_node *before;
    zset_trace(z, node->score, node->member->bytes, node->member->len, links,
               ranks, &before);
    for (int i = 0; i < z->height; i++) {
        if (links[i]->next == node) {
            links[i]->span += node->links[i].span - 1;
            links[i]->next = node->links[i].next;
        } else {
            links[i]->span--;
        }
    }
    if (node->links[0].next != NULL)
        node->links[0].next->before = node->before;
    else
        z->last = node->before;
    while (z->height > 0 && z->head[z->height - 1].next == NULL)
        z->height--;
}

/* ---- Members ------------------------------------------------------------- */

struct zset_node *zset_find(const struct zset *z, const char *member,
                            size_t len)
{
    struct dict_entry *e = dict_find(&z->members, member, len);
    return e != NULL ? e->value : NULL;
}

void zset_put(struct zset *z, const char *member, size_t len, double score)
{
    struct dict_entry *e = dict_add(&z->members, member, len);
    struct zset_node *node = e->value;
    if (node == NULL) {
        int n = height_draw(z);
        node = memory_alloc(sizeof(*node) +
                            (size_t)n * sizeof(node->links[0]));
        node->n_links = n;
        e->value = node;
    } else if (node->score == score) {
        return;
    } else {
        zset_cut(z, node);
    }
    zset_insert(z, e->key, score, node);
}

void zset_remove(struct zset *z, const struct zset_node *node)
{
    struct dict_entry *e =
        dict_find(&z->members, node->member->bytes, node->member->len);
    struct zset_node *own = e->value;
    zset_cut(z, own);
    dict_remove(&z->members, e);
    free(own);
}

/* ---- Ranks --------------------------------------------------------------- */

uint32_t zset_rank(const struct zset *z, const struct zset_node *node)
{
    const struct zset_link *at = z->head;
    uint32_t rank = 0;
    for (int i = z->height - 1; i >= 0; i--)
        while (at[i].next != NULL &&
               node_is_before(at[i].next, node->score, node->member->bytes,
                              node->member->len)) {
            rank += at[i].span;
            at = at[i].next->links;
        }
    return rank;
}

struct zset_node *zset_at(const struct zset *z, uint32_t rank)
{
    const struct zset_link *at = z->head;
    uint32_t passed = 0;
    if (rank >= z->members.n)
        return NULL;
    for (int i = z->height - 1; i >= 0; i--)
        while (at[i].next != NULL && passed + at[i].span <= rank + 1) {
            passed += at[i].span;
            if (passed == rank + 1)
                return at[i].next;
            at = at[i].next->links;
        }
    return NULL;
}

/* How many have a score less than that, or the same if `with`. */
static uint32_t zset_count(const struct zset *z, double score, int with)
{
    const struct zset_link *at = z->head;
    uint32_t n = 0;
    for (int i = z->height - 1; i >= 0; i--)
        while (at[i].next != NULL &&
               (at[i].next->score < score ||
                (with && at[i].next->score == score))) {
            n += at[i].span;
            at = at[i].next->links;
        }
    return n;
}

uint32_t zset_below(const struct zset *z, const struct zset_bound *min)
{
    return zset_count(z, min->score, min->excluded);
}

uint32_t zset_upto(const struct zset *z, const struct zset_bound *max)
{
    return zset_count(z, max->score, !max->excluded);
}

void zset_copy(struct zset *to, const struct zset *from)
{
    uint32_t at = 0, to_at = 0;
    for (struct dict_entry *e; (e = dict_next(&from->members, &at)) != NULL;) {
        const struct zset_node *node = e->value;
        zset_put(to, e->key->bytes, e->key->len, node->score);
    }
    at = 0;
    for (struct dict_entry *e; (e = dict_next(&from->members, &at)) != NULL;)
        dict_next(&to->members, &to_at)->seq = e->seq;
    to->members.seq = from->members.seq;
}

void zset_close(struct zset *z)
{
    uint32_t at = 0;
    for (struct dict_entry *e; (e = dict_next(&z->members, &at)) != NULL;)
        free(e->value);
    dict_close(&z->members);
    *z = (struct zset){0};
}
