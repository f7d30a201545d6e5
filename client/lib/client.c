/* SPDX-License-Identifier: MIT */
/* A handle, and how it talks. Every rule in Redis may be called again, so a
 * call whose reply got lost is simply repeated, with growing pauses, until the
 * handle's time is up. Replies are copied out of the store's callback: what
 * uses them is then free to make further calls. */
#include "client.h"

#include <stint/testing.h>

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bounds.h"
#include "clock.h"
#include "err.h"
#include "part.h"
#include "parts.h"
#include "spool.h"
#include "store_late.h"
#include "task.h"

#define TEXT_OF(x)  TEXT_OF_(x)
#define TEXT_OF_(x) #x

const char *stint_version(void)
{
    return TEXT_OF(STINT_VERSION_MAJOR) "." TEXT_OF(
        STINT_VERSION_MINOR) "." TEXT_OF(STINT_VERSION_PATCH);
}

/* ---- Replies ------------------------------------------------------------ */

static int reply_fill(redisReply *to, const redisReply *from);

/* With malloc: hiredis's allocator may abort. Not for freeReplyObject. */
static redisReply *reply_copy(const redisReply *from)
{
    redisReply *to = calloc(1, sizeof(*to));
    if (to == NULL)
        return NULL;
    if (reply_fill(to, from)) {
        client_reply_free(to);
        return NULL;
    }
    return to;
}

/* What is copied so far can be freed at every step. */
static int reply_fill(redisReply *to, const redisReply *from)
{
    to->type = from->type;
    to->integer = from->integer;
    if (from->type != REDIS_REPLY_ARRAY) {
        if (from->str == NULL)
            return 0;
        to->str = malloc(from->len + 1);
        if (to->str == NULL)
            return -1;
        memcpy(to->str, from->str, from->len);
        to->str[from->len] = '\0';
        to->len = from->len;
        return 0;
    }
    if (from->elements == 0)
        return 0;
    to->element = calloc(from->elements, sizeof(*to->element));
    if (to->element == NULL)
        return -1;
    to->elements = from->elements;
    for (size_t i = 0; i < from->elements; i++) {
        to->element[i] = reply_copy(from->element[i]);
        if (to->element[i] == NULL)
            return -1;
    }
    return 0;
}

void client_reply_free(struct redisReply *reply)
{
    if (reply == NULL)
        return;
    for (size_t i = 0; i < reply->elements; i++)
        client_reply_free(reply->element[i]);
    free(reply->element);
    free(reply->str);
    free(reply);
}

void client_keep(const struct redisReply *reply, const struct stint_err *err,
                 void *arg)
{
    struct client_answer *a = arg;
    if (reply == NULL)
        a->err = *err;
    else if ((a->reply = reply_copy(reply)) == NULL)
        err_set(&a->err, STINT_UNKNOWN, "no memory for the reply");
}

/* ---- Calls -------------------------------------------------------------- */

int client_may_retry(enum stint_code code)
{
    return code == STINT_UNKNOWN || code == STINT_UNREACHABLE ||
           code == STINT_NOSCRIPT || code == STINT_LOADING ||
           code == STINT_BUSY || code == STINT_READONLY;
}

void client_sleep(struct stint *s, int64_t ms)
{
    if (s->store->ops->pause != NULL) {
        s->store->ops->pause(s->store, ms);
        return;
    }
    const struct timespec pause = {(time_t)(ms / 1000), ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

int client_pause(struct stint *s, int tries, int64_t until_ms)
{
    int64_t ms = tries < 6 ? INT64_C(50) << (tries - 1) : 1000;
    int64_t left = until_ms - clock_mono_ms();
    if (left <= 0)
        return -1;
    ms = ms > 1000 ? 1000 : ms;
    ms = ms > left ? left : ms;
    client_sleep(s, ms);
    return 0;
}

struct redisReply *client_call(struct stint *s, enum script_id id,
                               const char *group, const struct args *args,
                               struct stint_err *err)
{
    int64_t until = clock_mono_ms() + s->timeout_ms;
    if (s->spool != NULL && clock_mono_ms() < s->spool->next_try_ms)
        until = 0; /* it was away just now: one try */
    for (s->tries = 1;; s->tries++) {
        struct client_answer a = {0};
        script_call(&s->caller, id, group, args, client_keep, &a);
        s->store->ops->wait(s->store);
        if (a.reply != NULL)
            return a.reply;
        if (!client_may_retry(a.err.code) ||
            client_pause(s, s->tries, until)) {
            err_set(err, a.err.code, "%s", a.err.text);
            return NULL;
        }
    }
}

int64_t client_redis_now_ms(struct stint *s, struct stint_err *err)
{
    struct args a;
    args_init(&a);
    args_add_str(&a, "0"); /* no workers */
    struct redisReply *r = client_call(s, SCRIPT_FLEET_LIST, NULL, &a, err);
    args_close(&a);
    int64_t now_ms = r != NULL ? reply_i64(r, 0) / 1000 : -1;
    client_reply_free(r);
    return now_ms;
}

/* ---- Groups ------------------------------------------------------------- */

int client_register(struct stint *s, const char *group, struct stint_err *err)
{
    struct args a;
    char text[STINT_NAME_LEN + 16];
    struct group_known *row = parts_row(s, group);
    if (row == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    if (row->registered)
        return 0;
    int parts = row->parts;
    args_init(&a);
    args_add_str(&a, ""); /* no worker */
    args_add_str(&a, "{}");
    args_add_str(&a, "0");
    if (parts > 1) /* should the fleet's copy have been lost */
        snprintf(text, sizeof(text), "%s %d", group, parts);
    else
        snprintf(text, sizeof(text), "%s", group);
    args_add_str(&a, text);
    struct redisReply *r =
        client_call(s, SCRIPT_FLEET_HEARTBEAT, NULL, &a, err);
    args_close(&a);
    if (r == NULL)
        return -1;
    client_reply_free(r);
    row->registered = row->parts == parts;
    return 0;
}

group_name *client_groups(struct stint *s, size_t *n, struct stint_err *err)
{
    struct args a;
    args_init(&a);
    args_add_str(&a, "0"); /* no workers */
    struct redisReply *r = client_call(s, SCRIPT_FLEET_LIST, NULL, &a, err);
    args_close(&a);
    if (r == NULL && store_is_cluster(s->store) &&
        (err->code == STINT_UNREACHABLE || err->code == STINT_UNKNOWN))
        err_wrap(err, "the part of the cluster with the list of groups is "
                 "missing (name a group)");
    if (r == NULL)
        return NULL;
    *n = (size_t)reply_i64(r, 3);
    group_name *groups = calloc(*n + 1, sizeof(*groups));
    int failed = groups == NULL;
    for (size_t i = 0; !failed && i < *n; i++) {
        size_t len;
        const char *text = reply_str(r, 4 + i, &len);
        int parts = part_read(text, len, groups[i]);
        failed = parts_learn(s, groups[i], parts, 0) < 0;
    }
    client_reply_free(r);
    if (!failed)
        return groups;
    free(groups);
    err_set(err, STINT_NOMEM, "out of memory");
    return NULL;
}

group_name *client_groups_wanted(struct stint *s, const char *group, size_t *n,
                                 struct stint_err *err)
{
    if (group == NULL)
        return client_groups(s, n, err);
    if (!task_group_is_valid(group, strlen(group))) {
        err_set(err, STINT_INVALID, "%.100s is not a name of a group", group);
        return NULL;
    }
    if (parts_refresh(s, group, err) < 0)
        return NULL;
    group_name *one = calloc(1, sizeof(*one));
    if (one == NULL) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    snprintf(*one, sizeof(*one), "%s", group);
    *n = 1;
    return one;
}

/* ---- The handle --------------------------------------------------------- */

/* All but where Redis is. */
static int settings_read(struct client_settings *to,
                         const struct stint_options *full,
                         struct stint_err *err)
{
    double timeout_s = full->timeout_s > 0 ? full->timeout_s : 10;
    *to = (struct client_settings){.name_space = full->name_space};
    if (to->name_space == NULL)
        to->name_space = "stint";
    if (!task_group_is_valid(to->name_space, strlen(to->name_space)))
        return err_set(err, STINT_INVALID,
                       "the namespace must be 1 to 128 of A-Za-z0-9_.-");
    to->timeout_ms = timeout_s < 1e9 ? (int64_t)(timeout_s * 1000) + 1
                                     : INT64_C(1000000000000);
    to->deadline_ms = to->timeout_ms < CALL_DEADLINE_MS ? to->timeout_ms
                                                        : CALL_DEADLINE_MS;
    return 0;
}

static struct stint_options options_full(const struct stint_options *o)
{
    struct stint_options full = STINT_OPTIONS_INIT;
    if (o != NULL)
        memcpy(&full, o, o->size < sizeof(full) ? o->size : sizeof(full));
    return full;
}

int client_settings(struct client_settings *to, const struct stint_options *o,
                    struct stint_err *err)
{
    struct stint_options full = options_full(o);
    if (settings_read(to, &full, err) ||
        conf_resolve(&to->conf, full.url, err))
        return -1;
    return spool_of_options(&to->spool, &full, err);
}

void learnt_close(struct learnt *l)
{
    for (size_t i = 0; i < l->n_known; i++)
        free(l->known[i]);
    free(l->known);
}

/* Opens s->store. */
static int client_dial(struct stint *s, struct client_settings *to,
                       const char *url, const struct stint *beside,
                       struct stint_err *err)
{
    if (beside != NULL || memory_is_url(url)) {
        if (beside != NULL ? memory_link_share(&s->memory, &beside->memory, err)
                           : memory_link_open(&s->memory, err))
            return -1;
        s->store = s->memory.api->open(s->memory.server);
        return 0;
    }
    if (conf_resolve(&to->conf, url, err))
        return -1;
    struct stint_err why = {0};
    s->store = store_sync_open(&to->conf, to->deadline_ms, &why);
    if (s->store == NULL && s->spool != NULL && client_may_retry(why.code)) {
        spool_rest(s->spool); /* queueing does without it */
        s->store = store_late_open(&to->conf, to->deadline_ms, err);
        return s->store != NULL ? 0 : -1;
    }
    return s->store != NULL ? 0 : err_set(err, why.code, "%s", why.text);
}

static int client_connect(struct stint *s, const struct stint_options *o,
                          const struct stint *beside, struct stint_err *err)
{
    struct client_settings to;
    struct stint_options full = options_full(o);
    if (settings_read(&to, &full, err))
        return -1;
    s->timeout_ms = to.timeout_ms;
    if (spool_of_options(&s->own_spool, &full, err))
        return -1;
    s->spool = s->own_spool;
    if (client_dial(s, &to, full.url, beside, err))
        return -1;
    script_caller_init(&s->caller, s->store, to.name_space);
    struct client_answer a = {0};
    script_load(&s->caller, NULL, client_keep, &a);
    s->store->ops->wait(s->store);
    client_reply_free(a.reply);
    /* Of a cluster what the fleet is with may be away, and others not. */
    if (to.conf.n_nodes > 0 && (a.err.code == STINT_UNREACHABLE ||
                                a.err.code == STINT_UNKNOWN))
        return 0;
    if (s->spool != NULL && client_may_retry(a.err.code)) {
        spool_rest(s->spool);
        return 0;
    }
    return a.err.code ? err_set(err, a.err.code, "%s", a.err.text) : 0;
}

struct stint *client_open(const struct stint_options *o,
                          const struct stint *beside, struct stint_err *err)
{
    struct stint *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    s->learnt = &s->own;
    if (client_connect(s, o, beside, err)) {
        stint_close(s);
        return NULL;
    }
    return s;
}

stint *stint_open(const struct stint_options *o, struct stint_err *err)
{
    return client_open(o, NULL, err);
}

void stint_close(stint *s)
{
    if (s == NULL)
        return;
    if (s->store != NULL)
        s->store->ops->close(s->store);
    memory_link_close(&s->memory);
    learnt_close(&s->own);
    spool_close(s->own_spool);
    free(s);
}

/* ---- In memory ----------------------------------------------------------- */

struct memory_link *client_memory(stint *s)
{
    return s->memory.server != NULL ? &s->memory : NULL;
}

const char *client_name_space(const stint *s)
{
    return s->caller.base;
}

stint *stint_testing_open_beside(stint *s, const struct stint_options *o,
                                 struct stint_err *err)
{
    if (s->memory.server != NULL)
        return client_open(o, s, err);
    err_set(err, STINT_INVALID, "this is no handle on a server in memory");
    return NULL;
}
