/* SPDX-License-Identifier: MIT */
/* Keys that nothing leads to: the names of all keys of the namespace, by SCAN on
 * each primary, and for each of them the question whose it is. Names of a reply
 * are asked about a base at a time. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "fsck.h"
#include "part.h"
#include "parts.h"
#include "slots.h"

struct keys_scan {
    struct fsck *f;
    char pattern[STINT_NAME_LEN + 8]; /* {stint[:}]* */
    char at[32];                      /* a key of the node to ask; "": any */
};

/* One command on the node at hand. NULL: err; an error reply: *refused. */
static struct redisReply *node_ask(struct keys_scan *k, const struct args *a,
                                   int *refused, struct stint_err *err)
{
    struct stint *s = k->f->s;
    struct client_answer answer = {0};
    *refused = 0;
    if (a->failed)
        err_set(&answer.err, STINT_NOMEM, "out of memory");
    else if (k->at[0] != '\0')
        store_call_at(s->store, k->at, a->n, a->argv, a->len, client_keep,
                      &answer);
    else
        store_call(s->store, a->n, a->argv, a->len, client_keep, &answer);
    s->store->ops->wait(s->store);
    if (answer.reply == NULL) {
        err_set(err, answer.err.code, "%s", answer.err.text);
    } else if (answer.reply->type == REDIS_REPLY_ERROR) {
        *refused = 1;
        client_reply_free(answer.reply);
        answer.reply = NULL;
    }
    return answer.reply;
}

/* ---- Names ----------------------------------------------------------------- */

/* The length of {NAMESPACE:GROUP} or {NAMESPACE} before the first colon behind
 * it; 0: the key is not ours. */
static size_t base_len(const char *key)
{
    const char *end = strchr(key, '}');
    return end != NULL && end[1] == ':' ? (size_t)(end - key) + 1 : 0;
}

/* The group of a base, as people name it, and as scripts are called with;
 * 0: the fleet's. -1: no name of a group. */
static int base_read(const struct fsck *f, const char *key, size_t len,
                     group_name part, group_name group)
{
    size_t ns = strlen(f->s->caller.base);
    if (len == ns + 2)
        return 0;
    if (len < ns + 4 || len - ns - 3 > STINT_NAME_LEN)
        return -1;
    snprintf(part, sizeof(group_name), "%.*s", (int)(len - ns - 3),
             key + ns + 2);
    snprintf(group, sizeof(group_name), "%.*s", (int)part_group_len(part),
             part);
    return 1;
}

static int group_is_known(const struct fsck *f, const char *group)
{
    for (size_t i = 0; i < f->n_groups; i++)
        if (strcmp(f->groups[i], group) == 0)
            return 1;
    return 0;
}

/* The fleet does not know the group: nobody would be told of it. It is walked
 * by the next fsck or repair, like one that is new. */
static int group_add(struct fsck *f, const char *group, struct stint_err *err)
{
    const char *what = NULL;
    group_name *more =
        realloc(f->groups, (f->n_groups + 1) * sizeof(*more));
    if (more == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    f->groups = more;
    snprintf(f->groups[f->n_groups++], sizeof(group_name), "%s", group);
    if (!f->o->is_dry) {
        if (parts_refresh(f->s, group, err) < 0 ||
            client_register(f->s, group, err))
            return -1;
        what = "MENDED";
    }
    fsck_tell(f, group, "has keys, but the fleet does not know the group",
              what);
    return 0;
}

/* Was a key moved? A repair then did nothing else in that call. */
static int is_moved(const struct fsck *f, const struct redisReply *r, size_t at)
{
    size_t len;
    for (size_t i = at; !f->o->is_dry && i + 1 < reply_n(r); i += 2)
        if (strcmp(reply_str(r, i + 1, &len), "ASIDE") == 0)
            return 1;
    return 0;
}

/* Names of one base: args begin behind protocol and time. */
static int names_ask(struct fsck *f, const char *base, const char *group,
                     const struct args *names, struct stint_err *err)
{
    size_t len;
    int rc = 0;
    struct redisReply *r =
        client_call(f->s, f->o->is_dry ? SCRIPT_FSCK_KEYS : SCRIPT_REPAIR_KEYS,
                    base, names, err);
    if (r == NULL)
        return -1;
    size_t n = (size_t)reply_i64(r, 1);
    f->group = group;
    f->part = 0;
    f->parts = 1;
    for (size_t i = 0; i < n && rc == 0; i++) {
        char cursor[2 * (STINT_NAME_LEN + STINT_ID_LEN)];
        snprintf(cursor, sizeof(cursor), "0%s", reply_str(r, 2 + i, &len));
        rc = fsck_walk(f, base, 0, cursor, err);
    }
    if (rc == 0)
        rc = fsck_hear(f, base, r, 2 + n, err);
    int again = rc == 0 && is_moved(f, r, 2 + n);
    client_reply_free(r);
    return again ? names_ask(f, base, group, names, err) : rc;
}

/* All names of the reply that have the base of its i-th; they are emptied. */
static int names_of_base(struct fsck *f, const struct redisReply *list,
                         size_t i, struct stint_err *err)
{
    group_name part = "", group = "";
    struct args a;
    int rc = 0;
    const char *first = list->element[i]->str;
    size_t len = base_len(first);
    int is = len > 0 ? base_read(f, first, len, part, group) : -1;
    if (is > 0 && !group_is_known(f, group) && group_add(f, group, err))
        return -1;
    char base[STINT_NAME_LEN * 2 + 8];
    snprintf(base, sizeof(base), "%.*s", (int)len, first);
    args_init(&a);
    for (size_t k = i; k < list->elements; k++) {
        char *key = list->element[k]->str;
        if (len == 0 || base_len(key) != len || strncmp(key, base, len) != 0)
            continue;
        args_add(&a, key + len, list->element[k]->len - len);
        list->element[k]->len = 0; /* done: asked about below */
    }
    if (is >= 0)
        rc = names_ask(f, is > 0 ? part : NULL, is > 0 ? group : NULL, &a,
                       err);
    list->element[i]->len = 0;
    args_close(&a);
    return rc;
}

/* ---- SCAN ------------------------------------------------------------------ */

static int node_step(struct keys_scan *k, char cursor[static 32], int *refused,
                     struct stint_err *err)
{
    struct args a;
    size_t len;
    int rc = 0;
    args_init(&a);
    args_add_str(&a, "SCAN");
    args_add_str(&a, cursor);
    args_add_str(&a, "MATCH");
    args_add_str(&a, k->pattern);
    args_add_str(&a, "COUNT");
    args_add_i64(&a, FSCK_STEP);
    struct redisReply *r = node_ask(k, &a, refused, err);
    args_close(&a);
    if (r == NULL)
        return *refused ? 0 : -1;
    snprintf(cursor, 32, "%s", reply_str(r, 0, &len));
    const struct redisReply *list = reply_at(r, 1);
    for (size_t i = 0; list != NULL && i < list->elements && rc == 0; i++)
        if (list->element[i]->len > 0)
            rc = names_of_base(k->f, list, i, err);
    client_reply_free(r);
    return rc;
}

static int node_scan(struct keys_scan *k, const char *name_space,
                     struct stint_err *err)
{
    static const char *const ends[] = {":*", "}*"};
    int rc = 0, refused = 0;
    for (int i = 0; i < 2 && rc == 0 && !refused; i++) {
        char cursor[32] = "0";
        snprintf(k->pattern, sizeof(k->pattern), "{%s%s", name_space, ends[i]);
        do
            rc = node_step(k, cursor, &refused, err);
        while (rc == 0 && !refused && strcmp(cursor, "0") != 0);
    }
    return rc;
}

/* A key that the node has. */
static void node_key(const struct slots *map, int node, char key[static 32])
{
    for (unsigned i = 0; i < 1000000; i++) {
        int len = snprintf(key, 32, "fsck%u", i);
        if (map->owner[slots_of_key(key, (size_t)len)] == node)
            return;
    }
    key[0] = '\0';
}

int fsck_keys(struct fsck *f, struct stint_err *err)
{
    struct keys_scan k = {.f = f};
    struct slots map;
    struct args a;
    int refused, rc = 0;
    slots_init(&map);
    args_init(&a);
    args_add_str(&a, "CLUSTER");
    args_add_str(&a, "SLOTS");
    struct redisReply *r = node_ask(&k, &a, &refused, err);
    args_close(&a);
    if (r == NULL && !refused)
        rc = -1;
    else if (r == NULL) /* one Redis */
        rc = node_scan(&k, f->s->caller.base, err);
    else
        rc = slots_parse(&map, r, "", err);
    for (int i = 0; i < map.n_nodes && rc == 0; i++) {
        node_key(&map, i, k.at);
        if (k.at[0] != '\0')
            rc = node_scan(&k, f->s->caller.base, err);
    }
    client_reply_free(r);
    slots_close(&map);
    return rc;
}
