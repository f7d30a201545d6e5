/* SPDX-License-Identifier: MIT */
/* How a call reaches the rules. The first argument is the protocol, the second
 * the time: 0, Redis's own. A library that is missing, or another one than
 * ours, is loaded; who called meanwhile hears NOSCRIPT and calls again. In a
 * cluster each primary has a library of its own: the one that said so is looked
 * at and loaded, and no other, which may have a newer one. */
#include "script.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "err.h"
#include "lua_scripts.h"

#define KEY_CAP (2 * STINT_NAME_LEN + 16)

struct script_wait {
    struct script_caller *c;
    script_done_fn fn;
    void *arg;
    char key[KEY_CAP]; /* the call's: where it went */
    long found;        /* loading: version of the library there, -1: none */
    int64_t sent_us;   /* by the clock of the meter, if there is one */
};

void script_caller_init(struct script_caller *c, struct store *store,
                        const char *name_space)
{
    *c = (struct script_caller){.store = store};
    snprintf(c->base, sizeof(c->base), "%s",
             name_space != NULL ? name_space : "stint");
}

static struct script_wait *script_wait_new(struct script_caller *c,
                                           const char *key, script_done_fn fn,
                                           void *arg)
{
    struct script_wait *w = malloc(sizeof(*w));
    if (w != NULL) {
        w->c = c;
        w->fn = fn;
        w->arg = arg;
        w->found = -1;
        snprintf(w->key, sizeof(w->key), "%s", key);
    }
    return w;
}

static void script_base_key(const struct script_caller *c, char key[KEY_CAP],
                            const char *group)
{
    if (group != NULL)
        snprintf(key, KEY_CAP, "{%s:%s}", c->base, group);
    else
        snprintf(key, KEY_CAP, "{%s}", c->base);
}

static int reply_is_missing(const struct redisReply *r)
{
    return r->type == REDIS_REPLY_ERROR &&
           (strncmp(r->str, "NOSCRIPT", 8) == 0 ||
            strncmp(r->str, "ERR Function not found", 22) == 0);
}

/* A store of a cluster sees to it; this one is none. */
static int reply_is_moved(const struct redisReply *r)
{
    return r->type == REDIS_REPLY_ERROR &&
           (strncmp(r->str, "MOVED ", 6) == 0 ||
            strncmp(r->str, "ASK ", 4) == 0);
}

static void script_ignore(const struct redisReply *reply,
                          const struct stint_err *err, void *arg)
{
    (void)reply, (void)err, (void)arg; /* the next call will tell */
}

static void script_load_at(struct script_caller *c, const char *key,
                           script_done_fn fn, void *arg);

static void script_on_reply(const struct redisReply *reply,
                            const struct stint_err *why, void *arg)
{
    struct script_wait w = *(struct script_wait *)arg;
    struct stint_err err = {0};
    free(arg);
    if (w.c->meter != NULL)
        w.c->meter->us += w.c->meter->clock_us() - w.sent_us;
    if (reply == NULL) {
        w.fn(NULL, why, w.arg);
        return;
    }
    if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 0) {
        w.fn(reply, NULL, w.arg);
        return;
    }
    if (reply_is_missing(reply)) {
        script_load_at(w.c, w.key, script_ignore, NULL);
        err_set(&err, STINT_NOSCRIPT, "Redis does not have Stint's functions "
                "(stint library load): %.100s", reply->str);
    } else if (reply_is_moved(reply)) {
        err_set(&err, STINT_INVALID, "this Redis is a node of a cluster: use "
                "redis+cluster:// instead of redis://");
    } else if (reply->type == REDIS_REPLY_ERROR) {
        err_from_reply(&err, reply->str, reply->len);
    } else {
        err_set(&err, STINT_PROTOCOL, "a reply that makes no sense");
    }
    w.fn(NULL, &err, w.arg);
}

void script_call(struct script_caller *c, enum script_id id, const char *group,
                 const struct args *args, script_done_fn fn, void *arg)
{
    char key[KEY_CAP], name[64];
    struct stint_err err = {0};
    struct args a;
    args_init(&a);
    script_base_key(c, key, group);
    snprintf(name, sizeof(name), "stint_%s", lua_scripts[id].name);
    args_add_str(&a, c->no_functions ? "EVALSHA" : "FCALL");
    args_add_str(&a, c->no_functions ? lua_scripts[id].sha1 : name);
    args_add_str(&a, "1");
    args_add_str(&a, key);
    args_add_str(&a, SCRIPT_PROTOCOL);
    args_add_str(&a, "0");
    for (int i = 0; i < args->n; i++)
        args_add(&a, args->argv[i], args->len[i]);
    struct script_wait *w = script_wait_new(c, key, fn, arg);
    if (a.failed || args->failed || w == NULL) {
        free(w);
        err_set(&err, STINT_NOMEM, "out of memory");
        fn(NULL, &err, arg);
    } else {
        if (c->meter != NULL) {
            c->meter->calls++;
            w->sent_us = c->meter->clock_us();
        }
        store_call(c->store, a.n, a.argv, a.len, script_on_reply, w);
    }
    args_close(&a);
}

void script_command(struct script_caller *c, const struct args *args,
                    store_reply_fn fn, void *arg)
{
    struct stint_err err = {0};
    if (args->failed) {
        err_set(&err, STINT_NOMEM, "out of memory");
        fn(NULL, &err, arg);
        return;
    }
    store_call(c->store, args->n, args->argv, args->len, fn, arg);
}

/* ---- Loading ------------------------------------------------------------ */

static int reply_is_denied(const struct redisReply *r)
{
    return r->type == REDIS_REPLY_ERROR &&
           strncmp(r->str, "NOPERM", 6) == 0;
}

/* The user may not load: somebody else has to. */
static void script_denied(const struct script_wait *w,
                          const struct redisReply *reply,
                          struct stint_err *err)
{
    char has[64] = "does not have Stint's functions";
    if (w->found >= 0)
        snprintf(has, sizeof(has), "has version %ld of Stint's functions",
                 w->found);
    err_set(err, STINT_AUTH, "Redis %s, version %d is needed, and this user "
            "may not load it: run `stint library load` as one who may "
            "(stint-deploy): %.40s", has, SCRIPT_LIBRARY, reply->str);
}

/* Loaded: tell the caller as if it had asked for one element. Another build of
 * our version will do for who may not load. */
static void script_on_loaded(const struct redisReply *reply,
                             const struct stint_err *why, void *arg)
{
    struct script_wait w = *(struct script_wait *)arg;
    struct stint_err err = {0};
    if (reply != NULL && reply->type == REDIS_REPLY_ERROR) {
        if (strncmp(reply->str, "ERR unknown command", 19) == 0 &&
            !w.c->no_functions) {
            w.c->no_functions = 1; /* Redis 6: the same rules as scripts */
            script_load_at(w.c, w.key, w.fn, w.arg);
            free(arg);
            return;
        }
        if (!reply_is_denied(reply)) {
            err_from_reply(&err, reply->str, reply->len);
            err_wrap(&err, "cannot load Stint's functions into Redis");
            why = &err;
        } else if (w.found != SCRIPT_LIBRARY) {
            script_denied(&w, reply, &err);
            why = &err;
        }
    }
    free(arg);
    w.fn(why != NULL ? NULL : reply, why, w.arg);
}

static void script_load_library(struct script_caller *c,
                                struct script_wait *w)
{
    const char *argv[] = {"FUNCTION", "LOAD", "REPLACE", lua_library};
    const size_t len[] = {8, 4, 7, lua_library_len};
    store_call_at(c->store, w->key, 4, argv, len, script_on_loaded, w);
}

static void script_load_each(struct script_caller *c, struct script_wait *w)
{
    for (size_t i = 0; i < lua_scripts_n; i++) {
        const char *argv[] = {"SCRIPT", "LOAD", lua_scripts[i].text};
        const size_t len[] = {6, 4, lua_scripts[i].len};
        int last = i + 1 == lua_scripts_n;
        store_call_at(c->store, w->key, 3, argv, len,
                      last ? script_on_loaded : script_ignore,
                      last ? w : NULL);
    }
}

/* Version of the library, of the answer of fleet_list; *sha1: behind it. */
static long script_version(const struct redisReply *reply, char **sha1)
{
    size_t len;
    return strtol(reply_str(reply, 2, &len), sha1, 10);
}

/* Is the library in Redis ours or a newer one? Two builds of one version: the
 * last to connect wins, which is for those who work on lua/. */
static int script_is_ours(const struct redisReply *reply)
{
    char *sha1;
    long version = script_version(reply, &sha1);
    if (version != SCRIPT_LIBRARY)
        return version > SCRIPT_LIBRARY;
    return *sha1 == ' ' && strcmp(sha1 + 1, lua_library_sha1) == 0;
}

/* A newer major version is at work there: its functions, or its data. They stay
 * as they are. (An older one would have said a lower protocol.) */
static int script_is_refused(const struct redisReply *reply,
                             struct stint_err *err)
{
    static const char speaks[] = "PROTOCOL this library speaks protocol ";
    if (reply->type != REDIS_REPLY_ERROR ||
        strncmp(reply->str, "PROTOCOL ", 9) != 0)
        return 0;
    if (strncmp(reply->str, speaks, sizeof(speaks) - 1) == 0 &&
        strtol(reply->str + sizeof(speaks) - 1, NULL, 10) <
            strtol(SCRIPT_PROTOCOL, NULL, 10))
        return 0;
    err_set(err, STINT_PROTOCOL, "a newer Stint is at work in this Redis, and "
            "this one is too old for it (%.60s)", reply->str + 9);
    return 1;
}

/* The wait is over; frees it. */
static void script_wait_fail(struct script_wait *w,
                             const struct stint_err *err)
{
    struct script_wait over = *w;
    free(w);
    over.fn(NULL, err, over.arg);
}

/* What library is there? */
static void script_on_version(const struct redisReply *reply,
                              const struct stint_err *why, void *arg)
{
    struct script_wait *w = arg;
    struct script_caller *c = w->c;
    struct stint_err err = {0};
    if (reply == NULL) {
        script_wait_fail(w, why);
        return;
    }
    if (script_is_refused(reply, &err)) {
        script_wait_fail(w, &err);
        return;
    }
    if (script_is_ours(reply)) {
        script_on_loaded(reply, NULL, w);
        return;
    }
    if (reply_is_denied(reply)) {
        err_set(&err, STINT_AUTH, "this user may not call Stint's functions "
                "(deploy/users.acl): %.100s", reply->str);
        script_wait_fail(w, &err);
        return;
    }
    char *sha1;
    if (reply->type == REDIS_REPLY_ARRAY)
        w->found = script_version(reply, &sha1);
    /* Missing or older; a real refusal shows again at the load. */
    if (c->no_functions)
        script_load_each(c, w);
    else
        script_load_library(c, w);
}

/* FLEET_LIST tells the library's version whatever its key is. */
static void script_load_at(struct script_caller *c, const char *key,
                           script_done_fn fn, void *arg)
{
    struct stint_err err = {0};
    struct script_wait *w = script_wait_new(c, key, fn, arg);
    if (w == NULL) {
        err_set(&err, STINT_NOMEM, "out of memory");
        fn(NULL, &err, arg);
        return;
    }
    const char *argv[] = {c->no_functions ? "EVALSHA" : "FCALL",
                          c->no_functions ? lua_scripts[SCRIPT_FLEET_LIST].sha1
                                          : "stint_fleet_list",
                          "1", key, SCRIPT_PROTOCOL, "0", "0"};
    size_t len[7];
    for (int i = 0; i < 7; i++)
        len[i] = strlen(argv[i]);
    store_call(c->store, 7, argv, len, script_on_version, w);
}

void script_load(struct script_caller *c, const char *group, script_done_fn fn,
                 void *arg)
{
    char key[KEY_CAP];
    script_base_key(c, key, group);
    script_load_at(c, key, fn, arg);
}

int script_written_key(const struct script_caller *c, char *key, size_t cap,
                       const char *group)
{
    return snprintf(key, cap, "{%s:%s}:written", c->base, group);
}

int script_wake_key(const struct script_caller *c, char *key, size_t cap,
                    const char *group, const char *function)
{
    return snprintf(key, cap, "{%s:%s}:wake%s%s", c->base, group,
                    function != NULL ? ":" : "",
                    function != NULL ? function : "");
}

int script_signal_key(const struct script_caller *c, char *key, size_t cap,
                      const char *group, const char *worker)
{
    return snprintf(key, cap, "{%s%s%s}:signal:%s", c->base,
                    group != NULL ? ":" : "", group != NULL ? group : "",
                    worker);
}

/* ---- Replies ------------------------------------------------------------ */

size_t reply_n(const struct redisReply *r)
{
    return r != NULL && r->type == REDIS_REPLY_ARRAY ? r->elements : 0;
}

const struct redisReply *reply_at(const struct redisReply *r, size_t i)
{
    return i < reply_n(r) ? r->element[i] : NULL;
}

const char *reply_str(const struct redisReply *r, size_t i, size_t *len)
{
    const struct redisReply *e = reply_at(r, i);
    if (e == NULL || e->type != REDIS_REPLY_STRING) {
        *len = 0;
        return "";
    }
    *len = e->len;
    return e->str;
}

int64_t reply_i64(const struct redisReply *r, size_t i)
{
    size_t len;
    const char *s = reply_str(r, i, &len);
    return strtoll(s, NULL, 10);
}
