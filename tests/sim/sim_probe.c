/* SPDX-License-Identifier: MIT */
/* Lua has no roll-back. On a twin of the data the call that is about to be made
 * meets an error at its k-th redis.call: before its first write nothing may
 * have changed; behind one, whoever made the call makes it again, as after
 * every unknown outcome, and the reaper comes by: then everything must be where
 * it belongs. The course of the seed goes on as if nothing had been. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "lua_scripts.h"
#include "sim.h"

#define ARGS_MAX 4096

static redisReply *probe_call(struct sim *s, int argc, const char *const *argv,
                              const size_t *len)
{
    return sim_server_call(s->server, argc, argv, len);
}

static void probe_restore(struct sim *s, const struct keyspace *before)
{
    keyspace_close(&s->server->m->keys);
    keyspace_copy(&s->server->m->keys, before);
}

/* A refusal, or what was raised before the first write, has changed nothing. */
static void probe_expect_same(struct sim *s, const struct sim_call_view *c,
                              const struct keyspace *before, const char *why)
{
    const struct str *key = keyspace_difference(before, &s->server->m->keys);
    if (key != NULL)
        sim_fail(s, "%s was refused (%s), but changed %s", c->verb, why,
                 key->bytes);
}

static void probe_duty(struct sim *s, const struct sim_call_view *c,
                       const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* One call of the reaper: its name and arguments. */
static void probe_duty(struct sim *s, const struct sim_call_view *c,
                       const char *format, ...)
{
    char rest[60], text[200];
    va_list ap;
    va_start(ap, format);
    vsnprintf(rest, sizeof(rest), format, ap);
    va_end(ap);
    size_t name = strcspn(rest, " ");
    snprintf(text, sizeof(text), "FCALL stint_%.*s 1 %s %s %" PRId64 "%s",
             (int)name, rest, c->key, SCRIPT_PROTOCOL, sim_redis_ms(s),
             rest + name);
    redisReply *r = sim_redis_ask(s, text);
    if (r->type == REDIS_REPLY_ERROR)
        sim_fail(s, "after an error in %s the reaper's %s: %s", c->verb, rest,
                 r->str);
    sim_redis_free(s, r);
}

/* No task may be gone that had not ended. */
static void probe_expect_tasks(struct sim *s, const struct sim_call_view *c,
                               int k)
{
    struct sim_look look;
    sim_look_open(&look, s->server, c->key);
    for (int i = 0; i < s->n_tasks; i++) {
        const struct sim_task *t = &s->tasks[i];
        if (t->group != c->group || !t->exists || t->pruned ||
            t->ended != NULL || t->made == s->n_calls + 1)
            continue;
        int is_there =
            look.task != NULL &&
            dict_find(&look.task->as.hash, t->id, strlen(t->id)) != NULL;
        if (!is_there && strcmp(c->verb, "delete_task") != 0)
            sim_fail(s, "an error at command %d of %s loses %s", k, c->verb,
                     t->id);
    }
    sim_look_close(&look);
}

/* The call again, then the reaper; and is all well? */
static int probe_mend(struct sim *s, const struct sim_call_view *c, int argc,
                      const char *const *argv, const size_t *len,
                      char fault[static INDEX_FAULT_CAP])
{
    struct sim_look look;
    sim_redis_free(s, probe_call(s, argc, argv, len));
    probe_duty(s, c, "expire 150");
    probe_duty(s, c, "recover 150 0");
    probe_duty(s, c, "fire 10");
    probe_duty(s, c, "settle 10");
    probe_duty(s, c, "wake w9.9");
    sim_look_open(&look, s->server, c->key);
    sim_index_find(s, c->key, &look, fault);
    sim_look_close(&look);
    return *fault == '\0';
}

static void probe_count(struct sim *s, const struct sim_call_view *c,
                        int wrote, int left)
{
    for (size_t i = 0; i < lua_scripts_n; i++) {
        if (strcmp(lua_scripts[i].name, c->verb) != 0)
            continue;
        s->probed[i].n++;
        s->probed[i].n_wrote += (unsigned)wrote;
        s->probed[i].n_left += (unsigned)left;
    }
}

/* The error was none to the script: all is as after the call. */
static void probe_expect_done(struct sim *s, const struct sim_call_view *c,
                              int k, redisReply *r)
{
    char fault[INDEX_FAULT_CAP] = "";
    struct sim_look look;
    if (r->type == REDIS_REPLY_ERROR)
        sim_fail(s, "%s does not do without its command %d", c->verb, k);
    sim_redis_free(s, r);
    if (c->group < 0)
        return;
    sim_look_open(&look, s->server, c->key);
    sim_index_find(s, c->key, &look, fault);
    sim_look_close(&look);
    if (*fault != '\0')
        sim_fail(s, "%s without its command %d: %s", c->verb, k, fault);
}

static void probe_error(struct sim *s, const struct sim_call_view *c, int k,
                        const struct keyspace *before, int argc,
                        const char *const *argv, const size_t *len)
{
    struct memory *m = s->server->m;
    char fault[INDEX_FAULT_CAP] = "";
    m->script.fail_at = k;
    m->script.fail_text = "-ERR raised by the simulator";
    m->script.is_caught = 0;
    redisReply *r = probe_call(s, argc, argv, len);
    m->script.fail_at = 0;
    if (m->script.is_caught) { /* of counts or events: all else is done */
        probe_expect_done(s, c, k, r);
        return;
    }
    if (r->type != REDIS_REPLY_ERROR)
        sim_fail(s, "%s hides an error at its command %d", c->verb, k);
    sim_redis_free(s, r);
    int wrote = m->script.n_writes > 0, left = 0;
    if (!wrote) {
        probe_expect_same(s, c, before, "an error");
    } else if (c->group >= 0) {
        probe_expect_tasks(s, c, k);
        left = !probe_mend(s, c, argc, argv, len, fault);
    }
    if (left && s->probe_fails)
        sim_fail(s, "an error at command %d of %s is not mended: %s", k,
                 c->verb, fault);
    probe_count(s, c, wrote, left);
}

void sim_probe(struct sim *s, const struct sim_call_view *c, int argc,
               const char *const *argv, const size_t *len)
{
    struct memory *m = s->server->m;
    struct keyspace before = {0};
    int is_pushed = m->is_pushed;
    keyspace_copy(&before, &m->keys);
    redisReply *r = probe_call(s, argc, argv, len);
    int n = m->script.n_calls;
    int is_missing = r->type == REDIS_REPLY_ERROR &&
                     strstr(r->str, "Function not found") != NULL;
    if (r->type == REDIS_REPLY_ERROR)
        probe_expect_same(s, c, &before, r->str);
    sim_redis_free(s, r);
    probe_restore(s, &before);
    if (n > 0 && !is_missing) {
        int k = (int)dice_between(&s->probe_dice, 1, n);
        probe_error(s, c, k, &before, argc, argv, len);
        probe_restore(s, &before);
    }
    keyspace_close(&before);
    m->is_pushed = is_pushed;
}
