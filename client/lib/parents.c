/* SPDX-License-Identifier: MIT */
/* Parents may be named before they are queued, by an id alone, and in other
 * groups. Here every name becomes GROUP/ID, and the tasks an order in which
 * each parent is there before its children: a walk in depth, without
 * recursion, that also finds the cycles. */
#include "parents.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "buf.h"
#include "err.h"
#include "parts.h"

#define REF_LEN     (STINT_NAME_LEN + STINT_ID_LEN + 2)
#define DELIVER_MAX 1000 /* rounds; the reaper does the rest */

/* Tasks of the array by id: a table of chains. */
struct family {
    struct stint *s;
    stint_task *const *tasks;
    size_t n, room;
    size_t *heads, *next; /* index + 1; 0: none */
    size_t *edges, *first; /* of task i: edges[first[i] .. first[i + 1]) */
    size_t n_edges, edges_room;
    group_name *groups;   /* of Redis, asked for when needed */
    size_t n_groups;
};

static size_t id_hash(const char *id)
{
    size_t h = 1469598103934665603u;
    for (; *id != '\0'; id++)
        h = (h ^ (unsigned char)*id) * 1099511628211u;
    return h ^ h >> 31;
}

static void family_free(struct family *f)
{
    free(f->heads);
    free(f->next);
    free(f->edges);
    free(f->first);
    free(f->groups);
}

static int family_init(struct family *f)
{
    f->room = 16;
    while (f->room < f->n)
        f->room *= 2;
    f->heads = calloc(f->room, sizeof(*f->heads));
    f->next = calloc(f->n + 1, sizeof(*f->next));
    f->first = calloc(f->n + 1, sizeof(*f->first));
    if (f->heads == NULL || f->next == NULL || f->first == NULL)
        return -1;
    for (size_t i = f->n; i > 0; i--) { /* the first of equal ones in front */
        size_t *head = &f->heads[id_hash(f->tasks[i - 1]->id) & (f->room - 1)];
        f->next[i - 1] = *head;
        *head = i;
    }
    return 0;
}

/* The task of that id; group NULL: of any. f->n: none. */
static size_t family_find(const struct family *f, const char *group,
                          const char *id)
{
    size_t i = f->heads[id_hash(id) & (f->room - 1)];
    for (; i != 0; i = f->next[i - 1])
        if (strcmp(f->tasks[i - 1]->id, id) == 0 &&
            (group == NULL || strcmp(f->tasks[i - 1]->group, group) == 0))
            return i - 1;
    return f->n;
}

/* 1: Redis has it, 0: not, -1: err. */
static int family_ask(struct family *f, const char *group, const char *id,
                      struct stint_err *err)
{
    unsigned char there = 0;
    if (stint_ids_exist(f->s, group, &id, 1, &there, err))
        return -1;
    if (there)
        return 1;
    int news = parts_refresh(f->s, group, err); /* looked in the wrong part? */
    if (news <= 0)
        return news;
    return stint_ids_exist(f->s, group, &id, 1, &there, err) ? -1 : there;
}

/* The group of an id that stands alone and is not of the array. NULL: err. */
static const char *family_look(struct family *f, const char *own,
                               const char *id, struct stint_err *err)
{
    int there = family_ask(f, own, id, err);
    if (there != 0)
        return there > 0 ? own : NULL;
    if (f->groups == NULL)
        f->groups = client_groups(f->s, &f->n_groups, err);
    if (f->groups == NULL)
        return NULL;
    for (size_t i = 0; i < f->n_groups; i++) {
        there = family_ask(f, f->groups[i], id, err);
        if (there != 0)
            return there > 0 ? f->groups[i] : NULL;
    }
    err_set(err, STINT_NOT_FOUND, "depends_on: there is no task %.128s", id);
    return NULL;
}

static int edge_add(struct family *f, size_t to)
{
    if (f->n_edges == f->edges_room) {
        size_t room = f->edges_room ? 2 * f->edges_room : 256;
        size_t *more = realloc(f->edges, room * sizeof(*more));
        if (more == NULL)
            return -1;
        f->edges = more;
        f->edges_room = room;
    }
    f->edges[f->n_edges++] = to;
    return 0;
}

/* Is a parent in the part of its child? Then queue_task looks whether it is
 * there. */
static int family_is_near(const struct family *f, const stint_task *t,
                          const char *group, const char *id)
{
    group_name own, other;
    parts_route(f->s, t->group, t->id, own);
    parts_route(f->s, group, id, other);
    return strcmp(own, other) == 0;
}

/* One parent of a task, "ID" or "GROUP/ID": completed into b. */
static int parent_add(struct family *f, const stint_task *t, const char *ref,
                      struct buf *b, struct stint_err *err)
{
    char group[STINT_NAME_LEN + 1];
    const char *id = strchr(ref, '/'), *of = group;
    size_t i = f->n;
    if (id != NULL) {
        snprintf(group, sizeof(group), "%.*s", (int)(id - ref), ref);
        i = family_find(f, group, ++id);
    } else {
        id = ref;
        i = family_find(f, t->group, id);
        if (i == f->n)
            i = family_find(f, NULL, id);
        of = i < f->n ? f->tasks[i]->group : family_look(f, t->group, id, err);
        if (of == NULL)
            return -1;
    }
    if (i == f->n && !family_is_near(f, t, of, id)) {
        int there = family_ask(f, of, id, err);
        if (there < 0)
            return -1;
        if (there == 0)
            return err_set(err, STINT_NOT_FOUND,
                           "depends_on: there is no task %.150s", ref);
    }
    if ((i < f->n && edge_add(f, i)) ||
        buf_printf(b, "%s%s/%s", b->len > 0 ? " " : "", of, id) < 0)
        return err_set(err, STINT_NOMEM, "out of memory");
    return 0;
}

static int task_complete(struct family *f, stint_task *t,
                         struct stint_err *err)
{
    char ref[REF_LEN];
    struct buf b;
    int rc = 0;
    buf_init(&b, DEPENDS_MAX * REF_LEN);
    for (const char *p = t->depends; p != NULL && *p != '\0' && rc == 0;) {
        size_t len = strcspn(p, " ");
        snprintf(ref, sizeof(ref), "%.*s", (int)len, p);
        rc = parent_add(f, t, ref, &b, err);
        p += len + (p[len] == ' ');
    }
    if (rc == 0 && b.len > 0) {
        free(t->depends);
        t->depends = buf_take(&b);
    }
    buf_close(&b);
    return rc;
}

/* ---- The order ------------------------------------------------------------ */

enum { FRESH, OPEN, DONE };

/* Names a cycle: the tasks on the way from `to` back to itself. */
static void cycle_tell(const struct family *f, const size_t *stack, size_t top,
                       size_t to, struct stint_err *err)
{
    char text[120] = "";
    size_t at = top, len = 0;
    while (at > 0 && stack[at] != to)
        at--;
    for (; at <= top && len < sizeof(text); at++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s -> ",
                                f->tasks[stack[at]]->id);
    err_set(err, STINT_INVALID, "depends_on: a cycle: %.110s%.60s", text,
            f->tasks[to]->id);
}

/* One above the highest of its parents, which have theirs. */
static void generation_set(const struct family *f, size_t at)
{
    size_t generation = 0;
    for (size_t k = f->first[at]; k < f->first[at + 1]; k++)
        if (f->tasks[f->edges[k]]->generation >= generation)
            generation = f->tasks[f->edges[k]]->generation + 1;
    f->tasks[at]->generation = generation;
}

/* Those of one generation go out together, wherever they live. */
static int family_by_generation(const struct family *f, stint_task **ordered,
                                struct stint_err *err)
{
    size_t *at = calloc(f->n + 1, sizeof(*at));
    stint_task **sorted = calloc(f->n, sizeof(*sorted));
    int rc = at && sorted ? 0 : err_set(err, STINT_NOMEM, "out of memory");
    for (size_t i = 0; i < f->n && rc == 0; i++)
        at[ordered[i]->generation + 1]++;
    for (size_t i = 1; i <= f->n && rc == 0; i++)
        at[i] += at[i - 1];
    for (size_t i = 0; i < f->n && rc == 0; i++)
        sorted[at[ordered[i]->generation]++] = ordered[i];
    if (rc == 0)
        memcpy(ordered, sorted, f->n * sizeof(*sorted));
    free(sorted);
    free(at);
    return rc;
}

/* Parents before children, otherwise as given. */
static int family_sort(const struct family *f, stint_task **ordered,
                       size_t *bad, struct stint_err *err)
{
    unsigned char *color = calloc(f->n + 1, 1);
    size_t *stack = calloc(f->n + 1, sizeof(*stack));
    size_t *edge = calloc(f->n + 1, sizeof(*edge));
    size_t n = 0;
    int rc = color && stack && edge
                 ? 0
                 : err_set(err, STINT_NOMEM, "out of memory");
    for (size_t i = 0; i < f->n && rc == 0; i++) {
        size_t top = 0;
        if (color[i] != FRESH)
            continue;
        stack[0] = i;
        color[i] = OPEN;
        edge[i] = f->first[i];
        for (;;) {
            size_t at = stack[top];
            if (edge[at] == f->first[at + 1]) {
                color[at] = DONE;
                generation_set(f, at);
                ordered[n++] = f->tasks[at];
                if (top-- == 0)
                    break;
                continue;
            }
            size_t to = f->edges[edge[at]++];
            if (color[to] == OPEN) {
                cycle_tell(f, stack, top, to, err);
                *bad = at;
                rc = -1;
                break;
            }
            if (color[to] == FRESH) {
                color[to] = OPEN;
                edge[to] = f->first[to];
                stack[++top] = to;
            }
        }
    }
    free(color);
    free(stack);
    free(edge);
    return rc ? rc : family_by_generation(f, ordered, err);
}

/* Who is near depends on the number of parts: what is known may be old. */
static int family_refresh(struct family *f, struct stint_err *err)
{
    const char *last = "";
    for (size_t i = 0; i < f->n; i++) {
        const stint_task *t = f->tasks[i];
        if (t->depends == NULL || strcmp(t->group, last) == 0)
            continue;
        if (parts_refresh(f->s, t->group, err) < 0)
            return -1;
        last = t->group;
    }
    return 0;
}

int parents_order(struct stint *s, stint_task *const *tasks, size_t n,
                  stint_task ***ordered, size_t *bad, struct stint_err *err)
{
    struct family f = {.s = s, .tasks = tasks, .n = n};
    size_t with = 0;
    int rc = 0;
    *ordered = NULL;
    for (size_t i = 0; i < n; i++)
        with += tasks[i]->depends != NULL;
    if (with == 0)
        return 0;
    if (family_init(&f))
        rc = err_set(err, STINT_NOMEM, "out of memory");
    else
        rc = family_refresh(&f, err);
    for (size_t i = 0; i < n && rc == 0; i++) {
        f.first[i] = f.n_edges;
        rc = task_complete(&f, tasks[i], err);
        f.first[i + 1] = f.n_edges;
        if (rc)
            *bad = i;
    }
    if (rc == 0 && (*ordered = calloc(n, sizeof(**ordered))) == NULL)
        rc = err_set(err, STINT_NOMEM, "out of memory");
    if (rc == 0)
        rc = family_sort(&f, *ordered, bad, err);
    if (rc) {
        free(*ordered);
        *ordered = NULL;
    }
    family_free(&f);
    return rc;
}

/* ---- Where parents live ------------------------------------------------- */

void parents_place(const struct stint *s, char *ref, size_t cap)
{
    char id[STINT_ID_LEN + 1];
    group_name group, base;
    size_t len = strcspn(ref, "/");
    if (ref[len] == '\0' || len > STINT_NAME_LEN)
        return;
    snprintf(group, sizeof(group), "%.*s", (int)len, ref);
    snprintf(id, sizeof(id), "%s", ref + len + 1);
    parts_route(s, group, id, base);
    snprintf(ref, cap, "%s/%s", base, id);
}

int parents_are_far(const struct stint *s, const stint_task *t)
{
    group_name own;
    parts_route(s, t->group, t->id, own);
    size_t own_len = strlen(own);
    for (const char *p = t->depends; p != NULL && *p != '\0';) {
        char ref[REF_LEN];
        size_t len = strcspn(p, " ");
        snprintf(ref, sizeof(ref), "%.*s", (int)len, p);
        parents_place(s, ref, sizeof(ref));
        if (strncmp(ref, own, own_len) != 0 || ref[own_len] != '/')
            return 1;
        p += len + (p[len] == ' ');
    }
    return 0;
}

/* ---- Messages --------------------------------------------------------------- */

/* The words of KIND GROUP ID FROM WORD. -1: not a message. */
static int message_split(const char *text, char words[5][REF_LEN])
{
    for (int i = 0; i < 5; i++) {
        size_t len = strcspn(text, " ");
        if (len == 0 || len >= REF_LEN)
            return -1;
        memcpy(words[i], text, len);
        words[i][len] = '\0';
        text += len + (text[len] == ' ');
    }
    return 0;
}

static void deliver(struct stint *s, const char *group, int answers);

/* Delivers one message; -1: it must stay. */
static int message_deliver(struct stint *s, const char *text, int answers)
{
    struct stint_err why = {0};
    char words[5][REF_LEN];
    if (message_split(text, words))
        return 0; /* nobody will ever read it */
    struct args a;
    args_init(&a);
    args_add_str(&a, words[0]);
    args_add_str(&a, words[2]);
    args_add_str(&a, words[3]);
    args_add_str(&a, words[4]);
    struct redisReply *r = client_call(s, SCRIPT_DELIVER, words[1], &a, &why);
    args_close(&a);
    client_reply_free(r);
    if (r != NULL && answers && strcmp(words[0], "link") == 0)
        deliver(s, words[1], 0); /* that it has ended already, perhaps */
    return r != NULL ? 0 : -1;
}

/* Asks for messages, with those delivered before as the receipt. */
static void deliver(struct stint *s, const char *group, int answers)
{
    struct redisReply *last = NULL;
    size_t receipt = 0;
    for (int round = 0; round < DELIVER_MAX; round++) {
        struct stint_err why = {0};
        struct args a;
        size_t len;
        args_init(&a);
        args_add_i64(&a, 100);
        for (size_t i = 1; i <= receipt; i++) {
            const char *text = reply_str(last, i, &len);
            args_add(&a, text, len);
        }
        struct redisReply *r =
            client_call(s, SCRIPT_MESSAGES, group, &a, &why);
        args_close(&a);
        client_reply_free(last);
        last = r;
        receipt = 0;
        while (receipt + 1 < reply_n(r) &&
               !message_deliver(s, reply_str(r, receipt + 1, &len), answers))
            receipt++;
        if (receipt == 0)
            break;
    }
    client_reply_free(last);
}

void parents_deliver(struct stint *s, const char *group)
{
    deliver(s, group, 1);
}
