/* SPDX-License-Identifier: MIT */
/* Invariant 1, after every call that changed something: each task is in
 * exactly the set that its record demands, and nothing else is in one. What
 * fsck does in Lua, written a second time, from docs/keys.md, and fast enough
 * to be asked always; fsck itself runs now and then, and must agree. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "sim.h"

#define KEY_MAX 200

struct index_look {
    struct sim *s;
    struct keyspace *keys;
    const char *base;
    char *fault; /* the first that was found, "": none yet */
    size_t base_len;
    uint32_t n_placed; /* tasks that are where they belong */
    uint32_t n_expiring;
};

static const struct object *index_key(const struct index_look *l,
                                      const char *name, const char *rest,
                                      char key[static KEY_MAX])
{
    size_t n = strlen(name), r = strlen(rest);
    check(l->base_len + n + r + 1 < KEY_MAX);
    memcpy(key, l->base, l->base_len);
    memcpy(key + l->base_len, name, n);
    memcpy(key + l->base_len + n, rest, r + 1);
    const struct dict_entry *e =
        dict_find(&l->keys->keys, key, l->base_len + n + r);
    return e != NULL ? e->value : NULL;
}

static int index_has(const struct object *o, const char *id)
{
    if (o == NULL)
        return 0;
    const struct dict *d =
        o->kind == KIND_ZSET ? &o->as.zset.members : &o->as.set;
    return dict_find(d, id, strlen(id)) != NULL;
}

static uint32_t index_size(const struct object *o)
{
    return o == NULL ? 0
           : o->kind == KIND_ZSET ? o->as.zset.members.n : o->as.set.n;
}

/* The value of a key of the record; 0: it has none. */
static int record_get(const char *text, const char *name, char value[24])
{
    const char *at = strstr(text, name);
    if (at == NULL)
        return 0;
    at += strlen(name);
    size_t len = strcspn(at, " ");
    check(len < 24);
    memcpy(value, at, len);
    value[len] = '\0';
    return 1;
}

static const struct object *index_shelf(const struct index_look *l,
                                        const struct task_state *rec,
                                        const char *text, const char *function,
                                        char key[static KEY_MAX])
{
    char level[24] = "0", rest[100];
    if (strstr(text, " of=") != NULL)
        return index_key(l, ":cast:", rec->worker, key);
    if (rec->disabled)
        return index_key(l, ":held", "", key);
    if (strstr(text, " wait=") != NULL)
        return index_key(l, ":waiting", "", key);
    if (rec->cast)
        return index_key(l, ":broadcast", "", key);
    (void)record_get(text, " level=", level);
    if (rec->parked) {
        snprintf(rest, sizeof(rest), "%s:%s", level, function);
        return index_key(l, ":queued:", rest, key);
    }
    if (strstr(text, " lost=") != NULL)
        return index_key(l, ":suspects", "", key);
    if (strcmp(level, "0") == 0)
        return index_key(l, ":queued", "", key);
    return index_key(l, ":queued:", level, key);
}

static void index_say(const struct index_look *l, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void index_say(const struct index_look *l, const char *format, ...)
{
    va_list ap;
    if (*l->fault != '\0')
        return;
    va_start(ap, format);
    vsnprintf(l->fault, INDEX_FAULT_CAP, format, ap);
    va_end(ap);
}

static void index_fail(const struct index_look *l, const char *id,
                       const char *text, const char *key)
{
    index_say(l, "%s is not in %s: %s", id, key, text);
}

/* What follows from its record besides. */
static void index_more(struct index_look *l, const char *id,
                       const struct task_state *rec, const char *text)
{
    char key[KEY_MAX], value[24];
    int is_held = sim_is_held(rec), is_queued = rec->status[0] == 'Q';
    if (rec->expire_ms != 0 && (is_queued || rec->status[0] == 'A')) {
        l->n_expiring++;
        if (!index_has(index_key(l, ":expiry", "", key), id))
            index_fail(l, id, text, key);
    }
    if (record_get(text, " wait=", value) &&
        index_size(index_key(l, ":parents:", id, key)) !=
            (uint32_t)strtoul(value, NULL, 10))
        index_say(l, "%s waits for %s, but not for %s", id, value, key);
    if (rec->stopping && !rec->cast &&
        !index_has(index_key(l, ":stops:", rec->worker, key), id))
        index_fail(l, id, text, key);
    if ((is_held || strstr(text, " of=") != NULL) && !rec->cast &&
        !index_has(index_key(l, ":workers", "", key), rec->worker))
        index_say(l, "%s is held by %s, which has no lease that could end", id,
                  rec->worker);
}

static void index_task(struct index_look *l, const char *id,
                       const struct str *task, const struct str *text)
{
    char key[KEY_MAX], function[40];
    struct task_state read;
    const struct object *o;
    const char *record = text != NULL ? text->bytes : "";
    const struct sim_task *t = sim_task_find(l->s, id);
    int is_known = t != NULL && text != NULL && strcmp(t->text, record) == 0;
    const struct task_state *rec = is_known ? &t->rec : &read;
    if (!is_known &&
        task_state_decode(&read, record, text != NULL ? text->len : 0) < 0) {
        index_say(l, "the record of %s cannot be read: %s", id, record);
        return;
    }
    snprintf(function, sizeof(function), "%.*s",
             (int)strcspn(task->bytes, " "), task->bytes);
    if (rec->status[0] == 'Q')
        o = index_shelf(l, rec, record, function, key);
    else if (rec->status[0] == 'A')
        o = index_key(l, ":assigned:", rec->worker, key);
    else if (rec->status[0] == 'R' && !rec->cast)
        o = index_key(l, ":running:", rec->worker, key);
    else if (rec->status[0] == 'R')
        o = index_key(l, ":casting", "", key);
    else if (strcmp(task->bytes, "-") == 0)
        o = index_key(l, ":ids", "", key);
    else
        o = index_key(l, ":finished", "", key);
    if (!index_has(o, id))
        index_fail(l, id, record, key);
    l->n_placed++;
    index_more(l, id, rec, record);
}

/* Members of all sets that say where a task is. */
static uint32_t index_members(const struct index_look *l)
{
    static const char *const whole[] = {"queued", "held", "suspects",
                                        "waiting", "broadcast", "casting",
                                        "finished", "ids"};
    static const char *const begins[] = {"queued:", "cast:", "assigned:",
                                         "running:"};
    uint32_t at = 0, n = 0;
    for (struct dict_entry *e; (e = dict_next(&l->keys->keys, &at)) != NULL;) {
        if (e->key->len <= l->base_len ||
            memcmp(e->key->bytes, l->base, l->base_len) != 0)
            continue;
        const char *name = e->key->bytes + l->base_len + 1;
        int is_one = 0;
        for (size_t i = 0; i < 8 && !is_one; i++)
            is_one = strcmp(name, whole[i]) == 0;
        for (size_t i = 0; i < 4 && !is_one; i++)
            is_one = strncmp(name, begins[i], strlen(begins[i])) == 0;
        if (is_one)
            n += index_size(e->value);
    }
    return n;
}

void sim_index_find(struct sim *s, const char *base,
                    const struct sim_look *look,
                    char fault[static INDEX_FAULT_CAP])
{
    struct index_look l = {.s = s, .keys = &s->server->m->keys, .base = base,
                           .base_len = strlen(base), .fault = fault};
    char key[KEY_MAX];
    uint32_t at = 0, n_state = 0;
    struct dict_entry *e;
    *fault = '\0';
    if (look->task != NULL)
        while ((e = dict_next(&look->task->as.hash, &at)) != NULL) {
            const struct dict_entry *r =
                look->state != NULL
                    ? dict_find(&look->state->as.hash, e->key->bytes,
                                e->key->len)
                    : NULL;
            n_state += r != NULL;
            index_task(&l, e->key->bytes, e->value, r ? r->value : NULL);
        }
    if (look->state != NULL && look->state->as.hash.n != n_state)
        index_say(&l, "there are records without a task");
    if (index_members(&l) != l.n_placed)
        index_say(&l, "some of %u tasks are in two sets", l.n_placed);
    if (index_size(index_key(&l, ":expiry", "", key)) != l.n_expiring)
        index_say(&l, "there are others than %u tasks in %s", l.n_expiring,
                  key);
}

void sim_index_check(struct sim *s, const struct sim_call_view *c,
                     const struct sim_look *look)
{
    char fault[INDEX_FAULT_CAP];
    sim_index_find(s, c->key, look, fault);
    if (*fault != '\0')
        sim_fail(s, "after %s %s", c->verb, fault);
}

void sim_index_end(struct sim *s, int group, const char *base)
{
    struct sim_call_view c = {.verb = "the end", .group = group, .key = base};
    struct sim_look look;
    if (s->server->m == NULL)
        return;
    sim_look_open(&look, s->server, base);
    sim_index_check(s, &c, &look);
    sim_look_close(&look);
}
