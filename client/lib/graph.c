/* SPDX-License-Identifier: MIT */
/* The graph a task is part of. It is walked in breadth from that task, over
 * parents (a task's own words) and children (what Redis knows of it), a batch
 * of one group a call; then handed out in an order in which parents come before
 * their children, by a walk in depth without recursion. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "err.h"
#include "part.h"
#include "parts.h"
#include "status.h"

#define NODES_DEFAULT 10000
#define NODES_MAX     1000000
#define STEP          50 /* tasks a call: each may name very many children */
#define REF_LEN       (STINT_NAME_LEN + STINT_ID_LEN + 2)

struct node {
    char *ref; /* GROUP/ID */
    group_name group;
    char status[12]; /* "" until it was asked for */
    char function[STINT_NAME_LEN + 1];
    char *name;      /* task_name, or NULL */
    size_t *parents; /* nodes; sorted and each once in the end */
    size_t n_parents, parents_room;
    size_t next;  /* in its chain, index + 1; 0: none */
    size_t alias; /* index + 1 of who was meant: an id that stood alone
                           is of another group; 0: it is itself */
    int alone;    /* met as an id alone */
};

struct graph {
    stint *s;
    struct node *nodes;
    size_t n, room, aliases;
    size_t limit;
    size_t *heads, n_heads; /* a table of chains, by ref */
};

/* ---- Nodes --------------------------------------------------------------- */

static size_t ref_hash(const char *ref)
{
    size_t h = 1469598103934665603u;
    for (; *ref != '\0'; ref++)
        h = (h ^ (unsigned char)*ref) * 1099511628211u;
    return h ^ h >> 31;
}

static void graph_free(struct graph *g)
{
    for (size_t i = 0; i < g->n; i++) {
        free(g->nodes[i].ref);
        free(g->nodes[i].name);
        free(g->nodes[i].parents);
    }
    free(g->nodes);
    free(g->heads);
}

/* Room for one node more, and a table that fits. */
static int graph_grow(struct graph *g)
{
    if (g->n < g->room)
        return 0;
    size_t room = g->room ? 2 * g->room : 256, n_heads = 2 * room;
    struct node *nodes = realloc(g->nodes, room * sizeof(*nodes));
    if (nodes == NULL)
        return -1;
    g->nodes = nodes;
    size_t *heads = calloc(n_heads, sizeof(*heads));
    if (heads == NULL)
        return -1;
    for (size_t i = 0; i < g->n; i++) {
        size_t *head = &heads[ref_hash(nodes[i].ref) & (n_heads - 1)];
        nodes[i].next = *head;
        *head = i + 1;
    }
    free(g->heads);
    g->heads = heads;
    g->n_heads = n_heads;
    g->room = room;
    return 0;
}

/* The node of GROUP/ID, a new one if need be. -1: err. */
static int64_t graph_node(struct graph *g, const char *ref,
                          struct stint_err *err)
{
    const char *slash = strchr(ref, '/');
    size_t i = g->n_heads ? g->heads[ref_hash(ref) & (g->n_heads - 1)] : 0;
    for (; i != 0; i = g->nodes[i - 1].next)
        if (strcmp(g->nodes[i - 1].ref, ref) == 0)
            return (int64_t)i - 1;
    if (g->n - g->aliases >= g->limit)
        return err_set(err, STINT_TOO_BIG, "the graph has over %zu tasks",
                       g->limit);
    if (graph_grow(g))
        return err_set(err, STINT_NOMEM, "out of memory");
    struct node *v = &g->nodes[g->n];
    *v = (struct node){.ref = strdup(ref)};
    if (v->ref == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    snprintf(v->group, sizeof(v->group), "%.*s",
             slash != NULL ? (int)(slash - ref) : 0, ref);
    size_t *head = &g->heads[ref_hash(ref) & (g->n_heads - 1)];
    v->next = *head;
    *head = ++g->n;
    return (int64_t)g->n - 1;
}

static const char *node_id(const struct node *v)
{
    return strchr(v->ref, '/') + 1;
}

static int parent_add(struct graph *g, size_t child, size_t parent,
                      struct stint_err *err)
{
    struct node *v = &g->nodes[child];
    if (v->n_parents == v->parents_room) {
        size_t room = v->parents_room ? 2 * v->parents_room : 4;
        size_t *more = realloc(v->parents, room * sizeof(*more));
        if (more == NULL)
            return err_set(err, STINT_NOMEM, "out of memory");
        v->parents = more;
        v->parents_room = room;
    }
    v->parents[v->n_parents++] = parent;
    return 0;
}

/* ---- Reading ------------------------------------------------------------- */

/* "ID" or "GROUP/ID", as the task names its parent. */
static int node_add_parent(struct graph *g, size_t i, const char *named,
                           struct stint_err *err)
{
    char ref[REF_LEN];
    int alone = strchr(named, '/') == NULL;
    if (!task_ref_is_valid(named, strlen(named)))
        return 0;
    snprintf(ref, sizeof(ref), "%s%s%s", alone ? g->nodes[i].group : "",
             alone ? "/" : "", named);
    int64_t to = graph_node(g, ref, err);
    if (to < 0)
        return -1;
    g->nodes[to].alone |= alone;
    return parent_add(g, i, (size_t)to, err);
}

static int node_read_task(struct graph *g, size_t i, const char *task,
                          size_t len, struct stint_err *err)
{
    json_t *o = task_text_load(task, len);
    if (o == NULL && errno == ENOMEM)
        return err_set(err, STINT_NOMEM, "out of memory");
    const char *text = json_string_value(json_object_get(o, "function"));
    const json_t *named = json_object_get(o, "depends_on"), *one;
    size_t k;
    int rc = 0;
    snprintf(g->nodes[i].function, sizeof(g->nodes[i].function), "%s",
             text != NULL ? text : "");
    text = json_string_value(json_object_get(o, "task_name"));
    if (text != NULL && (g->nodes[i].name = strdup(text)) == NULL)
        rc = err_set(err, STINT_NOMEM, "out of memory");
    json_array_foreach(named, k, one) {
        if (rc == 0 && json_is_string(one))
            rc = node_add_parent(g, i, json_string_value(one), err);
    }
    json_decref(o);
    return rc;
}

/* Nobody has it here: is it of another group? */
static int node_look_elsewhere(struct graph *g, size_t i, struct stint_err *err)
{
    char ref[REF_LEN];
    group_name group;
    struct stint_err why = {0};
    if (status_locate(g->s, NULL, node_id(&g->nodes[i]), group, &why))
        return why.code == STINT_NOT_FOUND
                   ? 0
                   : err_set(err, why.code, "%s", why.text);
    snprintf(ref, sizeof(ref), "%.*s/%s", (int)part_group_len(group), group,
             node_id(&g->nodes[i]));
    g->aliases++; /* first, for it takes no room of the limit */
    int64_t to = graph_node(g, ref, err);
    if (to < 0 || (size_t)to == i)
        g->aliases--;
    else
        g->nodes[i].alias = (size_t)to + 1;
    return to < 0 ? -1 : 0;
}

/* The four elements of family's reply from `at`. */
static int node_read(struct graph *g, size_t i, const struct redisReply *r,
                     size_t at, struct stint_err *err)
{
    struct task_state st;
    size_t len, task_len;
    const char *record = reply_str(r, at, &len);
    const char *task = reply_str(r, at + 1, &task_len);
    const struct redisReply *children = reply_at(r, at + 3);
    int gone = task_len == 0 || strcmp(task, "-") == 0;
    if (gone || task_state_decode(&st, record, len))
        snprintf(st.status, sizeof(st.status), gone ? "GONE" : "BROKEN");
    memcpy(g->nodes[i].status, st.status, sizeof(st.status));
    if (task_len == 0 && g->nodes[i].alone && node_look_elsewhere(g, i, err))
        return -1;
    if (!gone && node_read_task(g, i, task, task_len, err))
        return -1;
    for (size_t k = 0; k < reply_n(children); k++) {
        char ref[REF_LEN];
        snprintf(ref, sizeof(ref), "%s", reply_str(children, k, &len));
        part_ref_fold(ref);
        if (strchr(ref, '/') == NULL || !task_ref_is_valid(ref, strlen(ref)))
            continue;
        int64_t child = graph_node(g, ref, err);
        if (child < 0 || parent_add(g, (size_t)child, i, err))
            return -1;
    }
    return 0;
}

/* Asks for the node and more of its part that come soon after it. */
static int graph_step(struct graph *g, size_t first, struct stint_err *err)
{
    size_t which[STEP], n = 0;
    group_name base, other;
    struct args a;
    parts_route(g->s, g->nodes[first].group, node_id(&g->nodes[first]), base);
    args_init(&a);
    args_add_i64(&a, (int64_t)g->limit + 1);
    for (size_t i = first; i < g->n && n < STEP && i < first + 10 * STEP; i++)
        if (g->nodes[i].status[0] == '\0' &&
            strcmp(g->nodes[i].group, g->nodes[first].group) == 0) {
            parts_route(g->s, g->nodes[i].group, node_id(&g->nodes[i]), other);
            if (strcmp(base, other) != 0)
                continue;
            args_add_str(&a, node_id(&g->nodes[i]));
            which[n++] = i;
        }
    struct redisReply *r = client_call(g->s, SCRIPT_FAMILY, base, &a, err);
    args_close(&a);
    if (r == NULL)
        return -1;
    int rc = 0;
    for (size_t k = 0; k < n && rc == 0; k++)
        rc = node_read(g, which[k], r, 1 + 4 * k, err);
    client_reply_free(r);
    return rc;
}

/* ---- Handing out --------------------------------------------------------- */

static int size_compare(const void *a, const void *b)
{
    const size_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Both sides of an edge may have told of it. */
static void parents_tidy(struct graph *g, struct node *v)
{
    size_t n = 0;
    for (size_t k = 0; k < v->n_parents; k++)
        if (g->nodes[v->parents[k]].alias != 0)
            v->parents[k] = g->nodes[v->parents[k]].alias - 1;
    if (v->n_parents > 1)
        qsort(v->parents, v->n_parents, sizeof(*v->parents), size_compare);
    for (size_t k = 0; k < v->n_parents; k++)
        if (n == 0 || v->parents[n - 1] != v->parents[k])
            v->parents[n++] = v->parents[k];
    v->n_parents = n;
}

/* 1: fn wants no more; -1: out of memory. */
static int node_show(const struct graph *g, const struct node *v,
                     stint_graph_fn fn, void *arg)
{
    const char **refs = calloc(v->n_parents + 1, sizeof(*refs));
    if (refs == NULL)
        return -1;
    for (size_t k = 0; k < v->n_parents; k++)
        refs[k] = g->nodes[v->parents[k]].ref;
    const struct stint_graph_node pub = {
        .id = node_id(v),
        .group_name = v->group,
        .function = v->function,
        .task_name = v->name != NULL ? v->name : v->function,
        .status = v->status,
        .n_parents = v->n_parents,
        .parents = refs};
    int rc = fn(&pub, arg) != 0;
    free(refs);
    return rc;
}

enum { FRESH, OPEN, DONE };

/* From one node over its parents, these first. An id that was deleted and
 * queued again may close a ring: there the way just ends. */
static int graph_descend(const struct graph *g, size_t from,
                         unsigned char *color, size_t *stack, size_t *edge,
                         stint_graph_fn fn, void *arg)
{
    size_t top = 0;
    stack[0] = from;
    color[from] = OPEN;
    for (;;) {
        size_t at = stack[top];
        const struct node *v = &g->nodes[at];
        if (edge[at] == v->n_parents) {
            color[at] = DONE;
            int rc = node_show(g, v, fn, arg);
            if (rc != 0 || top == 0)
                return rc;
            top--;
            continue;
        }
        size_t to = v->parents[edge[at]++];
        if (color[to] == FRESH) {
            color[to] = OPEN;
            stack[++top] = to;
        }
    }
}

static int graph_show(struct graph *g, stint_graph_fn fn, void *arg,
                      struct stint_err *err)
{
    unsigned char *color = calloc(g->n, 1);
    size_t *stack = calloc(g->n, sizeof(*stack));
    size_t *edge = calloc(g->n, sizeof(*edge));
    int rc = color && stack && edge ? 0 : -1;
    for (size_t i = 0; i < g->n; i++)
        parents_tidy(g, &g->nodes[i]);
    for (size_t i = 0; i < g->n && rc == 0; i++)
        if (color[i] == FRESH && g->nodes[i].alias == 0)
            rc = graph_descend(g, i, color, stack, edge, fn, arg);
    free(color);
    free(stack);
    free(edge);
    return rc < 0 ? err_set(err, STINT_NOMEM, "out of memory") : 0;
}

static int graph_look(stint *s, const char *group, const char *id,
                      size_t limit, stint_graph_fn fn, void *arg,
                      struct stint_err *err)
{
    struct graph g = {.s = s, .limit = limit ? limit : NODES_DEFAULT};
    group_name in;
    char ref[REF_LEN];
    size_t n_all = 0;
    if (g.limit > NODES_MAX)
        g.limit = NODES_MAX;
    if (!task_id_is_valid(id, strlen(id)))
        return err_set(err, STINT_NOT_FOUND, "there is no task %.128s", id);
    group_name *all = client_groups(s, &n_all, err); /* and their parts */
    if (all == NULL)
        return -1;
    free(all);
    if (status_locate(s, group, id, in, err))
        return -1;
    snprintf(ref, sizeof(ref), "%.*s/%s", (int)part_group_len(in), in, id);
    int rc = graph_node(&g, ref, err) < 0 ? -1 : 0;
    for (size_t i = 0; i < g.n && rc == 0; i++)
        if (g.nodes[i].status[0] == '\0')
            rc = graph_step(&g, i, err);
    if (rc == 0 && strcmp(g.nodes[0].status, "GONE") == 0)
        rc = err_set(err, STINT_NOT_FOUND, "there is no task %.128s", id);
    if (rc == 0)
        rc = graph_show(&g, fn, arg, err);
    graph_free(&g);
    return rc;
}

int stint_graph(stint *s, const char *group, const char *id, size_t limit,
                stint_graph_fn fn, void *arg, struct stint_err *err)
{
    int rc = graph_look(s, group, id, limit, fn, arg, err);
    if (rc && parts_look_again(s, group, err))
        rc = graph_look(s, group, id, limit, fn, arg, err);
    return rc;
}
