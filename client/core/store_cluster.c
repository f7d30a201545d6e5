/* SPDX-License-Identifier: MIT */
/* The way of a call through a cluster. All keys of a call are in one slot, so
 * its first key tells the node. An answer that says "not here" (MOVED, ASK,
 * TRYAGAIN, CLUSTERDOWN) means that nothing has happened: it is handed over as
 * UNREACHABLE, after which all callers repeat their calls as they do after a
 * lost connection. Repeating them here would be a second place with other
 * rules, and would need a copy of every call; MOVED has mended the map, so the
 * caller's next try finds the node.
 *
 * ASK is not followed, on purpose. While a slot is being moved its keys are at
 * two nodes; a script would see the half that has arrived, take a task that is
 * still on its way for one that does not exist, and write beside it. Since the
 * one key that a script names never exists itself, the old node answers ASK to
 * every script for as long as the move takes: the group stands still, whole.
 * (tests/system/test_reshard.sh shows what becomes of a group otherwise.) */
#include "store_cluster.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "err.h"

/* How the answers of all primaries become one. An error always wins, and of
 * integers the smallest (WAIT: so many replicas have it everywhere). JOIN: texts
 * one behind the other. */
enum combine { COMBINE_ANY, COMBINE_SAME, COMBINE_JOIN };

struct command {
    const char *name;
    int key; /* index of the first key; 0: none, for all primaries */
    enum combine how;
};

/* Commands that are not here have their key right behind their name. */
static const struct command commands[] = {
    {"FCALL", 3, COMBINE_ANY},    {"FCALL_RO", 3, COMBINE_ANY},
    {"EVALSHA", 3, COMBINE_ANY},  {"EVAL", 3, COMBINE_ANY},
    {"MEMORY", 2, COMBINE_ANY},   {"OBJECT", 2, COMBINE_ANY},
    {"FUNCTION", 0, COMBINE_ANY}, {"SCRIPT", 0, COMBINE_ANY},
    {"CONFIG", 0, COMBINE_SAME},  {"WAIT", 0, COMBINE_ANY},
    {"PING", 0, COMBINE_ANY},     {"INFO", 0, COMBINE_JOIN},
    {"TIME", 0, COMBINE_ANY},     {"DBSIZE", 0, COMBINE_ANY},
    {"CLIENT", 0, COMBINE_ANY},   {"COMMAND", 0, COMBINE_ANY},
    {"FLUSHALL", 0, COMBINE_ANY}, {"FLUSHDB", 0, COMBINE_ANY},
    {"CLUSTER", 0, COMBINE_ANY},  {"DEBUG", 0, COMBINE_ANY},
    {"ROLE", 0, COMBINE_ANY},     {"ACL", 0, COMBINE_ANY}};

static struct command command_find(int argc, const char *const *argv)
{
    struct command c = {argv[0], 1, COMBINE_ANY};
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
        if (strcasecmp(commands[i].name, argv[0]) == 0)
            c = commands[i];
    if (c.key >= argc || (c.key == 3 && strcmp(argv[2], "0") == 0))
        c.key = 0; /* or it says that it has none */
    return c;
}

void cluster_init(struct cluster *c, const struct store_ops *ops,
                  const struct cluster_form *form, const struct conf *conf)
{
    c->base.ops = ops;
    c->form = form;
    c->conf = *conf;
    slots_init(&c->slots);
    err_set(&c->why, STINT_UNREACHABLE, "the map of the cluster at %.100s is "
            "not known yet", conf->shown);
}

/* ---- Nodes -------------------------------------------------------------- */

struct cluster_node *cluster_node_open(struct cluster *c, int index)
{
    struct conf conf;
    if (c->nodes[index] != NULL)
        return c->nodes[index];
    struct cluster_node *n = calloc(1, sizeof(*n));
    if (n == NULL) {
        err_set(&c->why, STINT_NOMEM, "out of memory");
        return NULL;
    }
    n->cluster = c;
    n->at = c->slots.nodes[index];
    conf_of_node(&conf, &c->conf, &n->at);
    memset(&c->why, 0, sizeof(c->why));
    n->store = c->form->open_node(c, n, &conf, &c->why);
    if (n->store == NULL) {
        free(n);
        return NULL;
    }
    c->nodes[index] = n;
    return n;
}

static void node_leave(struct cluster *c, struct cluster_node *n)
{
    n->is_leaving = 1;
    n->next = c->leaving;
    c->leaving = n;
    c->form->soon(c);
}

void cluster_node_leave(struct cluster *c, int index)
{
    if (c->nodes[index] != NULL)
        node_leave(c, c->nodes[index]);
    c->nodes[index] = NULL;
}

void cluster_sweep(struct cluster *c)
{
    while (c->leaving != NULL) {
        struct cluster_node *n = c->leaving;
        c->leaving = n->next;
        n->store->ops->close(n->store);
        free(n);
    }
}

void cluster_close_nodes(struct cluster *c)
{
    for (int i = 0; i < SLOTS_NODES_MAX; i++)
        cluster_node_leave(c, i);
    slots_close(&c->slots);
    cluster_sweep(c);
}

void cluster_free(struct cluster *c)
{
    slots_close(&c->slots);
    calls_close(&c->failed);
    free(c);
}

/* ---- The map ------------------------------------------------------------ */

void cluster_ask(struct store *node, store_reply_fn fn, void *arg)
{
    const char *argv[] = {"CLUSTER", "SLOTS"};
    const size_t len[] = {7, 5};
    store_call(node, 2, argv, len, fn, arg);
}

/* Takes the map. Connections of nodes that both maps have are kept. */
static void cluster_adopt_take(struct cluster *c, struct slots *fresh)
{
    struct cluster_node *kept[SLOTS_NODES_MAX] = {0};
    for (int i = 0; i < c->slots.n_nodes; i++) {
        struct cluster_node *n = c->nodes[i];
        int j = n == NULL ? -1 : slots_find(fresh, n->at.host, n->at.port);
        if (j >= 0)
            kept[j] = n;
        else
            cluster_node_leave(c, i);
    }
    memcpy(c->nodes, kept, sizeof(kept));
    slots_close(&c->slots);
    c->slots = *fresh;
    slots_init(fresh);
}

int cluster_learn(struct cluster *c, const struct redisReply *reply,
                  const char *asked_host, struct stint_err *err)
{
    if (reply->type == REDIS_REPLY_ERROR &&
        strstr(reply->str, "cluster support disabled") != NULL)
        return err_set(err, STINT_INVALID, "Redis at %.100s is no cluster: "
                       "use redis:// instead of redis+cluster://",
                       c->conf.shown);
    if (reply->type == REDIS_REPLY_ERROR)
        return err_from_reply(err, reply->str, reply->len);
    struct slots *fresh = malloc(sizeof(*fresh));
    if (fresh == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    slots_init(fresh);
    int rc = slots_parse(fresh, reply, asked_host, err);
    if (rc == 0 && fresh->n_nodes == 0)
        rc = err_set(err, STINT_UNREACHABLE, "the cluster at %.100s has given "
                     "its slots to nobody yet", c->conf.shown);
    if (rc == 0)
        cluster_adopt_take(c, fresh);
    slots_close(fresh);
    free(fresh);
    return rc;
}

int cluster_candidates(const struct cluster *c)
{
    return c->conf.n_nodes + c->slots.n_nodes;
}

void cluster_candidate(const struct cluster *c, unsigned k,
                       struct conf_node *at)
{
    int i = (int)(k % (unsigned)cluster_candidates(c));
    *at = i < c->conf.n_nodes ? c->conf.nodes[i]
                              : c->slots.nodes[i - c->conf.n_nodes];
}

/* ---- A call to one node ------------------------------------------------- */

struct routed {
    struct cluster_node *node;
    store_reply_fn fn;
    void *arg;
};

static int reply_begins(const struct redisReply *r, const char *word)
{
    size_t n = strlen(word);
    return r->len >= n && memcmp(r->str, word, n) == 0;
}

/* Did the node say "not here" or "not now"? */
static int routed_is_refused(struct cluster_node *n,
                             const struct redisReply *reply,
                             struct stint_err *why)
{
    struct conf_node to;
    unsigned slot;
    if (reply->type != REDIS_REPLY_ERROR)
        return 0;
    int redirects =
        slots_read_redirect(reply->str, reply->len, &slot, &to) == 0;
    if (!redirects && !reply_begins(reply, "TRYAGAIN ") &&
        !reply_begins(reply, "CLUSTERDOWN "))
        return 0;
    if (redirects && reply->str[0] == 'M') {
        if (to.host[0] == '\0')
            memcpy(to.host, n->at.host, sizeof(to.host));
        (void)slots_move(&n->cluster->slots, slot, &to); /* full: refreshed */
        err_set(why, STINT_UNREACHABLE, "slot %u of the cluster has moved to "
                "%.100s:%d", slot, to.host, to.port);
    } else if (redirects) {
        err_set(why, STINT_UNREACHABLE, "slot %u of the cluster is being "
                "moved to another node", slot);
    } else {
        err_set(why, STINT_UNREACHABLE, "the cluster cannot serve this now: "
                "%.100s", reply->str);
    }
    return 1;
}

static void routed_on_reply(const struct redisReply *reply,
                            const struct stint_err *err, void *arg)
{
    struct routed r = *(struct routed *)arg;
    struct cluster *c = r.node->cluster;
    struct stint_err why = {0};
    free(arg);
    c->outstanding--;
    if (reply == NULL || reply_is_fatal(reply)) {
        c->form->refresh(c);
    } else if (routed_is_refused(r.node, reply, &why)) {
        c->form->refresh(c);
        reply = NULL;
        err = &why;
    }
    r.fn(reply, err, r.arg);
}

static void cluster_fail(struct cluster *c, enum stint_code code,
                         store_reply_fn fn, void *arg)
{
    struct call call = {.fn = fn, .arg = arg, .failed = code};
    if (calls_reserve(&c->failed, c->failed.n + 1)) {
        call_lacks_memory(fn, arg);
        return;
    }
    calls_push(&c->failed, &call);
    c->form->soon(c);
}

void cluster_fail_first(struct cluster *c)
{
    struct call call = calls_pop(&c->failed);
    struct stint_err err = {0};
    err_set(&err, call.failed, "%s",
            c->why.code ? c->why.text : stint_code_text(call.failed));
    call.fn(NULL, &err, call.arg);
}

static void cluster_send(struct cluster *c, int index, int argc,
                         const char *const *argv, const size_t *argv_len,
                         store_reply_fn fn, void *arg)
{
    struct cluster_node *n =
        index < c->slots.n_nodes ? cluster_node_open(c, index) : NULL;
    struct routed *r = n != NULL ? malloc(sizeof(*r)) : NULL;
    if (r == NULL) {
        if (n != NULL) {
            memset(&c->why, 0, sizeof(c->why));
            err_set(&c->why, STINT_NOMEM, "out of memory");
        } else if (index >= c->slots.n_nodes && c->slots.n_nodes > 0) {
            memset(&c->why, 0, sizeof(c->why));
            err_set(&c->why, STINT_UNREACHABLE, "no primary of the cluster at "
                    "%.100s has the slot", c->conf.shown);
        }
        c->form->refresh(c);
        cluster_fail(c, STINT_UNREACHABLE, fn, arg);
        return;
    }
    *r = (struct routed){n, fn, arg};
    c->outstanding++;
    store_call(n->store, argc, argv, argv_len, routed_on_reply, r);
}

/* ---- A call to all of them ---------------------------------------------- */

struct gather {
    store_reply_fn fn;
    void *arg;
    enum combine how;
    int n, left;         /* nodes asked, answers to come */
    struct stint_err err;/* the first call that failed */
    size_t error_len;    /* the first error reply; 0: none */
    char error[200];
    long long least;     /* of n_integers */
    int n_integers;
    uint64_t hash;       /* of the first answer */
    int differ;
    char *text;          /* joined; NULL: nothing yet */
    size_t text_len;
};

static uint64_t hash_add(uint64_t hash, const void *at, size_t len)
{
    const unsigned char *p = at;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * 1099511628211u; /* FNV-1a */
    return hash;
}

static uint64_t hash_reply(uint64_t hash, const struct redisReply *r)
{
    hash = hash_add(hash, &r->type, sizeof(r->type));
    if (r->type == REDIS_REPLY_ARRAY)
        for (size_t i = 0; i < r->elements; i++)
            hash = hash_reply(hash, r->element[i]);
    else if (r->str != NULL)
        hash = hash_add(hash, r->str, r->len);
    return hash;
}

/* INFO's answers: some kilobytes a primary. */
static void gather_join(struct gather *g, const struct redisReply *reply)
{
    char *text = realloc(g->text, g->text_len + reply->len + 1);
    if (text == NULL) {
        err_set(&g->err, STINT_NOMEM, "out of memory");
        return;
    }
    memcpy(text + g->text_len, reply->str, reply->len);
    g->text = text;
    g->text_len += reply->len;
    text[g->text_len] = '\0';
}

static void gather_hear(struct gather *g, const struct redisReply *reply)
{
    if (reply->type == REDIS_REPLY_ERROR && g->error_len == 0) {
        g->error_len = reply->len < sizeof(g->error) ? reply->len
                                                     : sizeof(g->error) - 1;
        memcpy(g->error, reply->str, g->error_len);
    } else if (reply->type == REDIS_REPLY_INTEGER) {
        if (g->n_integers++ == 0 || reply->integer < g->least)
            g->least = reply->integer;
    } else if (g->how == COMBINE_SAME) {
        uint64_t hash = hash_reply(14695981039346656037u, reply);
        g->differ |= g->left + 1 < g->n && hash != g->hash;
        g->hash = hash;
    } else if (g->how == COMBINE_JOIN && reply->str != NULL) {
        gather_join(g, reply);
    }
}

/* `last` is the reply that came last, borrowed. */
static void gather_end(struct gather *g, const struct redisReply *last)
{
    static const char differ[] =
        "ERR the primaries of the cluster are not set up alike";
    struct redisReply r = {.type = REDIS_REPLY_ERROR};
    if (g->err.code != STINT_OK) {
        g->fn(NULL, &g->err, g->arg);
        return;
    }
    if (g->error_len > 0) {
        r.str = g->error;
        r.len = g->error_len;
    } else if (g->differ) {
        memcpy(g->error, differ, sizeof(differ));
        r.str = g->error;
        r.len = sizeof(differ) - 1;
    } else if (g->n_integers > 0) {
        r.type = REDIS_REPLY_INTEGER;
        r.integer = g->least;
    } else if (g->text != NULL) {
        r.type = REDIS_REPLY_STRING;
        r.str = g->text;
        r.len = g->text_len;
    } else {
        g->fn(last, NULL, g->arg);
        return;
    }
    g->fn(&r, NULL, g->arg);
}

static void gather_on_reply(const struct redisReply *reply,
                            const struct stint_err *err, void *arg)
{
    struct gather *g = arg;
    g->left--;
    if (reply != NULL)
        gather_hear(g, reply);
    else
        err_set(&g->err, err->code, "%s", err->text);
    if (g->left > 0)
        return;
    gather_end(g, reply);
    free(g->text);
    free(g);
}

static void cluster_send_all(struct cluster *c, enum combine how, int argc,
                             const char *const *argv, const size_t *argv_len,
                             store_reply_fn fn, void *arg)
{
    int n = c->slots.n_nodes;
    struct gather *g = n > 0 ? calloc(1, sizeof(*g)) : NULL;
    if (g == NULL) {
        if (n > 0) {
            memset(&c->why, 0, sizeof(c->why));
            err_set(&c->why, STINT_NOMEM, "out of memory");
        }
        c->form->refresh(c);
        cluster_fail(c, STINT_UNREACHABLE, fn, arg);
        return;
    }
    *g = (struct gather){.fn = fn, .arg = arg, .how = how, .n = n, .left = n};
    for (int i = 0; i < n; i++)
        cluster_send(c, i, argc, argv, argv_len, gather_on_reply, g);
}

/* ---- store_ops ---------------------------------------------------------- */

void cluster_call(struct store *base, int argc, const char *const *argv,
                  const size_t *argv_len, store_reply_fn fn, void *arg)
{
    struct cluster *c = (struct cluster *)base;
    struct command command = command_find(argc, argv);
    if (command.key == 0) {
        cluster_send_all(c, command.how, argc, argv, argv_len, fn, arg);
        return;
    }
    size_t len = argv_len != NULL ? argv_len[command.key]
                                  : strlen(argv[command.key]);
    unsigned slot = slots_of_key(argv[command.key], len);
    cluster_send(c, c->slots.owner[slot], argc, argv, argv_len, fn, arg);
}

void cluster_call_at(struct store *base, const char *key, int argc,
                     const char *const *argv, const size_t *argv_len,
                     store_reply_fn fn, void *arg)
{
    struct cluster *c = (struct cluster *)base;
    unsigned slot = slots_of_key(key, strlen(key));
    cluster_send(c, c->slots.owner[slot], argc, argv, argv_len, fn, arg);
}
