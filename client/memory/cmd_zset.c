/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "command.h"

/* ---- Adding and removing ------------------------------------------------- */

struct zadd_options {
    int if_new, if_there, if_less, if_greater, count_changed;
};

/* Returns where scores and members begin, or -1. */
static int zadd_read(struct command *c, struct zadd_options *z)
{
    int i = 2;
    for (; i < c->argc; i++) {
        const struct arg *word = &c->argv[i];
        if (arg_is(word, "NX"))
            z->if_new = 1;
        else if (arg_is(word, "XX"))
            z->if_there = 1;
        else if (arg_is(word, "LT"))
            z->if_less = 1;
        else if (arg_is(word, "GT"))
            z->if_greater = 1;
        else if (arg_is(word, "CH"))
            z->count_changed = 1;
        else
            break;
    }
    if (i == c->argc || (c->argc - i) % 2 != 0)
        return command_refuse_syntax(c);
    if (z->if_new && z->if_there) {
        out_error_text(c->out, "ERR XX and NX options at the same time are "
                               "not compatible");
        return -1;
    }
    if (z->if_new + z->if_less + z->if_greater > 1) {
        out_error_text(c->out, "ERR GT, LT, and/or NX options at the same "
                               "time are not compatible");
        return -1;
    }
    return i;
}

static int zadd_wants(const struct zadd_options *z,
                      const struct zset_node *old, double score)
{
    if (old == NULL)
        return !z->if_there;
    return !z->if_new && (!z->if_less || score < old->score) &&
           (!z->if_greater || score > old->score) && score != old->score;
}

void cmd_zadd(struct command *c)
{
    struct zadd_options z = {0};
    struct object *o;
    int64_t added = 0, changed = 0;
    double score;
    int first = zadd_read(c, &z);
    if (first < 0)
        return;
    for (int i = first; i < c->argc; i += 2) /* all or none */
        if (command_score(c, i, &score, "value is not a valid float"))
            return;
    if (command_open(c, 1, KIND_ZSET, &o))
        return;
    for (int i = first; i < c->argc; i += 2) {
        const struct arg *member = &c->argv[i + 1];
        (void)command_score(c, i, &score, "");
        struct zset_node *old = zset_find(&o->as.zset, member->at,
                                          member->len);
        if (!zadd_wants(&z, old, score))
            continue;
        added += old == NULL;
        changed++;
        zset_put(&o->as.zset, member->at, member->len, score);
    }
    command_tidy(c, 1, o); /* XX may have left a new one empty */
    c->m->is_pushed |= added > 0;
    out_integer(c->out, z.count_changed ? changed : added);
}

void cmd_zrem(struct command *c)
{
    struct object *o;
    int64_t n = 0;
    if (command_look(c, 1, KIND_ZSET, &o))
        return;
    for (int i = 2; o != NULL && i < c->argc; i++) {
        struct zset_node *node =
            zset_find(&o->as.zset, c->argv[i].at, c->argv[i].len);
        if (node == NULL)
            continue;
        zset_remove(&o->as.zset, node);
        n++;
    }
    if (o != NULL)
        command_tidy(c, 1, o);
    out_integer(c->out, n);
}

/* Removes `count` from the rank `first` on. */
static void zset_remove_range(struct command *c, struct object *o,
                              size_t first, size_t count)
{
    for (size_t i = 0; i < count; i++)
        zset_remove(&o->as.zset, zset_at(&o->as.zset, (uint32_t)first));
    if (o != NULL)
        command_tidy(c, 1, o);
    out_integer(c->out, (int64_t)count);
}

void cmd_zremrangebyrank(struct command *c)
{
    struct object *o;
    size_t first, count;
    if (command_look(c, 1, KIND_ZSET, &o) == 0 &&
        command_range(c, 2, o != NULL ? o->as.zset.members.n : 0, &first,
                      &count) == 0)
        zset_remove_range(c, o, first, count);
}

void cmd_bzpopmin(struct command *c)
{
    double timeout_s;
    if (command_score(c, c->argc - 1, &timeout_s,
                      "timeout is not a float or out of range"))
        return;
    if (timeout_s < 0) {
        out_error_text(c->out, "ERR timeout is negative");
        return;
    }
    for (int i = 1; i < c->argc - 1; i++) {
        struct object *o;
        if (command_look(c, i, KIND_ZSET, &o))
            return;
        if (o == NULL)
            continue;
        const struct zset_node *node = o->as.zset.head[0].next;
        out_array(c->out, 3);
        out_bytes(c->out, c->argv[i].at, c->argv[i].len);
        out_str(c->out, node->member);
        out_score(c->out, node->score);
        zset_remove(&o->as.zset, node);
        command_tidy(c, i, o);
        return;
    }
    out_nil(c->out);
}

void cmd_zpopmin(struct command *c)
{
    struct object *o;
    int64_t count = 1;
    if (c->argc > 3) {
        (void)command_refuse_syntax(c);
        return;
    }
    if (c->argc == 3 && command_integer(c, 2, &count))
        return;
    if (count < 0) {
        out_error_text(c->out,
                       "ERR value is out of range, must be positive");
        return;
    }
    if (command_look(c, 1, KIND_ZSET, &o))
        return;
    int64_t there = o != NULL ? o->as.zset.members.n : 0;
    count = count < there ? count : there;
    out_array(c->out, 2 * (size_t)count);
    for (; count > 0; count--) {
        const struct zset_node *node = o->as.zset.head[0].next;
        out_str(c->out, node->member);
        out_score(c->out, node->score);
        zset_remove(&o->as.zset, node);
    }
    if (o != NULL)
        command_tidy(c, 1, o);
}

/* ---- Members ------------------------------------------------------------- */

void cmd_zcard(struct command *c)
{
    struct object *o;
    if (command_look(c, 1, KIND_ZSET, &o) == 0)
        out_integer(c->out, o != NULL ? o->as.zset.members.n : 0);
}

static int member_look(struct command *c, struct object **o,
                       struct zset_node **node)
{
    if (command_look(c, 1, KIND_ZSET, o))
        return -1;
    *node = *o != NULL ? zset_find(&(*o)->as.zset, c->argv[2].at,
                                   c->argv[2].len)
                       : NULL;
    if (*node != NULL)
        return 0;
    out_nil(c->out);
    return -1;
}

void cmd_zscore(struct command *c)
{
    struct object *o;
    struct zset_node *node;
    if (member_look(c, &o, &node) == 0)
        out_score(c->out, node->score);
}

void cmd_zrank(struct command *c)
{
    struct object *o;
    struct zset_node *node;
    if (member_look(c, &o, &node) == 0)
        out_integer(c->out, zset_rank(&o->as.zset, node));
}

static void zset_emit(struct out *out, const struct dict_entry *e)
{
    const struct zset_node *node = e->value;
    out_str(out, node->member);
    out_score(out, node->score);
}

void cmd_zscan(struct command *c)
{
    struct object *o;
    if (command_look(c, 1, KIND_ZSET, &o) == 0)
        command_scan(c, o != NULL ? &o->as.zset.members : NULL, 2, zset_emit);
}

/* ---- Ranges -------------------------------------------------------------- */

static void range_write(struct command *c, const struct object *o,
                        size_t first, size_t count, int backwards, int scores)
{
    const struct zset_node *node =
        count > 0 ? zset_at(&o->as.zset, (uint32_t)first) : NULL;
    out_array(c->out, count * (scores ? 2 : 1));
    for (; count > 0; count--) {
        out_str(c->out, node->member);
        if (scores)
            out_score(c->out, node->score);
        node = backwards ? node->before : node->links[0].next;
    }
}

static void range_by_rank(struct command *c, int backwards)
{
    struct object *o;
    size_t first, count;
    int scores = c->argc == 5 && arg_is(&c->argv[4], "WITHSCORES");
    if (c->argc != 4 + scores) {
        (void)command_refuse_syntax(c);
        return;
    }
    if (command_look(c, 1, KIND_ZSET, &o))
        return;
    size_t n = o != NULL ? o->as.zset.members.n : 0;
    if (command_range(c, 2, n, &first, &count) == 0)
        range_write(c, o, backwards && count > 0 ? n - 1 - first : first,
                    count, backwards, scores);
}

void cmd_zrange(struct command *c)
{
    range_by_rank(c, 0);
}

void cmd_zrevrange(struct command *c)
{
    range_by_rank(c, 1);
}

static int bound_read(struct command *c, int i, struct zset_bound *b)
{
    struct arg number = c->argv[i];
    b->excluded = number.len > 0 && number.at[0] == '(';
    number.at += b->excluded;
    number.len -= (size_t)b->excluded;
    struct command read = {c->m, 1, &number, c->out, 0};
    return command_score(&read, 0, &b->score, "min or max is not a float");
}

/* The scores from argv[2] to argv[3] as a range of ranks. */
static int range_of_scores(struct command *c, struct object **o,
                           size_t *first, size_t *count)
{
    struct zset_bound min, max;
    if (bound_read(c, 2, &min) || bound_read(c, 3, &max) ||
        command_look(c, 1, KIND_ZSET, o))
        return -1;
    *first = *count = 0;
    if (*o == NULL)
        return 0;
    size_t end = zset_upto(&(*o)->as.zset, &max);
    *first = zset_below(&(*o)->as.zset, &min);
    *count = end > *first ? end - *first : 0;
    return 0;
}

void cmd_zcount(struct command *c)
{
    struct object *o;
    size_t first, count;
    if (range_of_scores(c, &o, &first, &count) == 0)
        out_integer(c->out, (int64_t)count);
}

void cmd_zremrangebyscore(struct command *c)
{
    struct object *o;
    size_t first, count;
    if (range_of_scores(c, &o, &first, &count) == 0)
        zset_remove_range(c, o, first, count);
}

void cmd_zrangebyscore(struct command *c)
{
    struct object *o;
    size_t first, count;
    int64_t offset = 0, limit = -1;
    int scores = 0;
    for (int i = 4; i < c->argc; i++) {
        if (arg_is(&c->argv[i], "WITHSCORES")) {
            scores = 1;
        } else if (arg_is(&c->argv[i], "LIMIT") && i + 2 < c->argc) {
            if (command_integer(c, i + 1, &offset) ||
                command_integer(c, i + 2, &limit))
                return;
            i += 2;
        } else {
            (void)command_refuse_syntax(c);
            return;
        }
    }
    if (range_of_scores(c, &o, &first, &count))
        return;
    if (offset < 0 || (size_t)offset >= count)
        count = 0;
    else
        count -= (size_t)offset;
    if (limit >= 0 && (size_t)limit < count)
        count = (size_t)limit;
    range_write(c, o, first + (size_t)offset, count, 0, scores);
}
