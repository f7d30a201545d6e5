/* SPDX-License-Identifier: MIT */
/* Redis as the ceiling uses it: a bare connection, calls, keys removed. */
#include "ceiling.h"

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf.h"
#include "err.h"
#include "lua_scripts.h"
#include "script.h"

void fail(const char *format, ...)
{
    va_list v;
    va_start(v, format);
    fputs("stint-bench-ceiling: ", stderr);
    vfprintf(stderr, format, v);
    fputc('\n', stderr);
    va_end(v);
    exit(1);
}

/* ---- Calls --------------------------------------------------------------- */

void call_begin(struct ceiling *c, struct args *a, const char *name)
{
    args_init(a);
    args_add_str(a, "FCALL");
    args_add_str(a, name);
    args_add_str(a, "1");
    args_add_str(a, c->base);
    args_add_str(a, SCRIPT_PROTOCOL);
    args_add_str(a, "0");
}

void call_append(struct ceiling *c, struct args *a)
{
    check(!a->failed);
    if (redisAppendCommandArgv(c->redis, a->n, a->argv, a->len) != REDIS_OK)
        fail("%s", c->redis->errstr);
    args_close(a);
}

void call_flush(struct ceiling *c)
{
    int done = 0;
    while (!done)
        if (redisBufferWrite(c->redis, &done) != REDIS_OK)
            fail("%s", c->redis->errstr);
}

redisReply *reply_get(struct ceiling *c)
{
    void *r = NULL;
    if (redisGetReply(c->redis, &r) != REDIS_OK)
        fail("%s", c->redis->errstr);
    redisReply *reply = r;
    if (reply->type == REDIS_REPLY_ERROR)
        fail("Redis: %s", reply->str);
    return reply;
}

/* ---- Before -------------------------------------------------------------- */

/* One command whose answer does not matter. */
static void command_run(struct ceiling *c, int argc, const char **argv)
{
    if (redisAppendCommandArgv(c->redis, argc, argv, NULL) != REDIS_OK)
        fail("%s", c->redis->errstr);
    freeReplyObject(reply_get(c));
}

static void redis_sign_in(struct ceiling *c, const struct conf *conf)
{
    char db[16];
    char password[CONF_PASSWORD_CAP];
    struct stint_err err = {0};
    if (conf_password(conf, password, &err) < 0)
        fail("%s", err.text);
    const char *full[] = {"AUTH", conf->user, password};
    const char *plain[] = {"AUTH", password};
    const char *choose[] = {"SELECT", db};
    if (conf->user[0] != '\0')
        command_run(c, 3, full);
    else if (password[0] != '\0')
        command_run(c, 2, plain);
    snprintf(db, sizeof(db), "%d", conf->db);
    if (conf->db != 0)
        command_run(c, 2, choose);
}

/* Without REPLACE: a library that is there stays, it may be a newer one. */
static void library_load(struct ceiling *c)
{
    const char *load[] = {"FUNCTION", "LOAD", lua_library};
    const size_t len[] = {8, 4, lua_library_len};
    void *r = NULL;
    if (redisAppendCommandArgv(c->redis, 3, load, len) != REDIS_OK ||
        redisGetReply(c->redis, &r) != REDIS_OK)
        fail("%s", c->redis->errstr);
    const redisReply *reply = r;
    if (reply->type == REDIS_REPLY_ERROR &&
        strstr(reply->str, "already exists") == NULL)
        fail("Redis: %s", reply->str);
    freeReplyObject(r);
}

void redis_open(struct ceiling *c, const char *url)
{
    struct conf conf;
    struct stint_err err = {0};
    if (conf_resolve(&conf, strcmp(url, "-") != 0 ? url : NULL, &err))
        fail("%s", err.text);
    if (conf.tls || conf.n_sentinels > 0)
        fail("%s: the raw loops speak to one Redis, without TLS", conf.shown);
    c->redis = conf.path[0] != '\0' ? redisConnectUnix(conf.path)
                                    : redisConnect(conf.host, conf.port);
    check(c->redis != NULL);
    if (c->redis->err)
        fail("%s: %s", conf.shown, c->redis->errstr);
    redis_sign_in(c, &conf);
    library_load(c);
}

/* All that these loops can leave: see docs/keys.md. */
void keys_remove(struct ceiling *c)
{
    static const char *const names[] = {
        "task", "state", "queued", "levels", "finished", "ids", "run", "ended",
        "measures", "wake", "workers", "assigned:" CEILING_WORKER,
        "running:" CEILING_WORKER, "stops:" CEILING_WORKER,
        "signal:" CEILING_WORKER,
    };
    enum { N = sizeof(names) / sizeof(*names) };
    char keys[N][sizeof(c->base) + 32];
    const char *argv[N + 1] = {"UNLINK"};
    for (int i = 0; i < N; i++) {
        snprintf(keys[i], sizeof(keys[i]), "%s:%s", c->base, names[i]);
        argv[i + 1] = keys[i];
    }
    command_run(c, N + 1, argv);
}

double redis_cpu(struct ceiling *c)
{
    static const char *const names[] = {"used_cpu_sys:", "used_cpu_user:"};
    double s = 0;
    if (redisAppendCommand(c->redis, "INFO cpu") != REDIS_OK)
        fail("%s", c->redis->errstr);
    redisReply *r = reply_get(c);
    for (int i = 0; i < 2; i++) {
        const char *at = strstr(r->str, names[i]);
        s += at != NULL ? strtod(at + strlen(names[i]), NULL) : 0;
    }
    freeReplyObject(r);
    return s;
}
