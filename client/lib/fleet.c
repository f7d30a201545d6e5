/* SPDX-License-Identifier: MIT */
/* The fleet: its workers as their last heartbeats left them, commands for
 * them, and the counts of each group. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "buf.h"
#include "client.h"
#include "err.h"
#include "missing.h"
#include "part.h"
#include "parts.h"
#include "task.h"

/* ---- A worker ------------------------------------------------------------ */

static const char *record_text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL ? s : "";
}

static int64_t record_i64(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

/* A list of names, comma-separated; what is over a worker's limits is left
 * out. -1: out of memory. */
static int names_join(struct buf *b, const json_t *names)
{
    size_t i;
    const json_t *v;
    buf_init(b, (STINT_NAME_LEN + 2) * FUNCTIONS_MAX);
    json_array_foreach(names, i, v) {
        if (!json_is_string(v) || json_string_length(v) + 1 > b->max - b->len)
            continue;
        if ((b->len > 0 && buf_add_str(b, ",")) ||
            buf_add_str(b, json_string_value(v)))
            return -1;
    }
    return 0;
}

/* A row of fleet_list. */
struct worker_row {
    const char *name; /* borrowed from the reply */
    int64_t lease_end_ms;
    json_t *record;
};

static size_t workers_first(const struct redisReply *list)
{
    return 4 + (size_t)reply_i64(list, 3);
}

/* Row at element i; worker_close it. -1: out of memory. */
static int worker_read(struct worker_row *row, const struct redisReply *list,
                       size_t i, struct stint_err *err)
{
    size_t len;
    row->name = reply_str(list, i, &len);
    row->lease_end_ms = reply_i64(list, i + 1);
    const char *record = reply_str(list, i + 2, &len);
    row->record = json_read(record, len, 0, NULL);
    return row->record == NULL && errno == ENOMEM
               ? err_set(err, STINT_NOMEM, "out of memory")
               : 0;
}

static void worker_close(struct worker_row *row)
{
    json_decref(row->record);
}

/* 1: fn wants no more; -1: out of memory. */
static int worker_show(const struct worker_row *row, int64_t now_ms,
                       stint_workers_fn fn, void *arg, struct stint_err *err)
{
    const json_t *o = row->record, *load = json_object_get(o, "load");
    struct buf groups, functions;
    int failed = names_join(&groups, json_object_get(o, "groups"));
    failed |= names_join(&functions, json_object_get(o, "functions"));
    int64_t age = now_ms - (row->lease_end_ms - record_i64(o, "lease_ms"));
    int dead = row->lease_end_ms < now_ms;
    const json_t *shown = json_object_get(o, "runs");
    char *runs = json_is_array(shown) ? json_write(shown, JSON_COMPACT) : NULL;
    failed |= json_is_array(shown) && runs == NULL;
    struct stint_worker_status w = {
        .name = row->name,
        .host = record_text(o, "host"),
        .pid = record_i64(o, "pid"),
        .groups = groups.data != NULL ? groups.data : "",
        .status = dead ? "DEAD" : record_text(o, "status"),
        .concurrency = record_i64(o, "concurrency"),
        .running = record_i64(o, "running"),
        .version = record_text(o, "version"),
        .started_ms = record_i64(o, "started_ms"),
        .heartbeat_age_ms = age > 0 ? age : 0,
        .shown = record_text(o, "name"),
        .functions = functions.data != NULL ? functions.data : "",
        .load = json_is_number(load) ? json_number_value(load) : -1,
        .skew_ms = record_i64(o, "skew_ms"),
        .reconnects = record_i64(o, "reconnects"),
        .leases_lost = record_i64(o, "leases_lost"),
        .outbox = record_i64(o, "outbox"),
        .calls = record_i64(o, "calls"),
        .calls_us = record_i64(o, "calls_us"),
        .reaped = record_i64(o, "reaped"),
        .reaper_calls = record_i64(o, "reaper_calls"),
        .rss_kb = record_i64(o, "rss_kb"),
        .runs = runs != NULL ? runs : "[]"};
    int stop = failed ? err_set(err, STINT_NOMEM, "out of memory")
                      : fn(&w, arg) != 0;
    free(runs);
    buf_close(&groups);
    buf_close(&functions);
    return stop;
}

static struct redisReply *fleet_list(struct stint *s, struct stint_err *err)
{
    struct args a;
    args_init(&a);
    struct redisReply *r = client_call(s, SCRIPT_FLEET_LIST, NULL, &a, err);
    args_close(&a);
    return r;
}

int stint_workers(stint *s, stint_workers_fn fn, void *arg,
                  struct stint_err *err)
{
    struct redisReply *r = fleet_list(s, err);
    int stop = 0;
    if (r == NULL)
        return -1;
    for (size_t i = workers_first(r); i + 2 < reply_n(r) && !stop; i += 3) {
        struct worker_row row;
        stop = worker_read(&row, r, i, err);
        if (stop == 0)
            stop = worker_show(&row, reply_i64(r, 0) / 1000, fn, arg, err);
        worker_close(&row);
    }
    client_reply_free(r);
    return stop < 0 ? -1 : 0;
}

/* ---- Commands ------------------------------------------------------------ */

struct commanding {
    struct stint *s;
    const char *verb;
    const struct stint_command_options *o;
    stint_workers_fn fn;
    void *arg;
    const struct redisReply *list;
    size_t at; /* element of the list to go on with */
    size_t told;
    int deaf; /* fn wants no more */
};

static int worker_fits(const struct worker_row *row,
                       const struct stint_command_options *o)
{
    const json_t *groups = json_object_get(row->record, "groups"), *v;
    size_t i;
    if (o->worker != NULL && strcmp(o->worker, row->name) != 0 &&
        strcmp(o->worker, record_text(row->record, "name")) != 0)
        return 0;
    if (o->group == NULL)
        return 1;
    json_array_foreach(groups, i, v) {
        if (json_is_string(v) && strcmp(json_string_value(v), o->group) == 0)
            return 1;
    }
    return 0;
}

/* The next live workers that fit, by their elements of the list; how many, or
 * -1. */
static int command_pick(struct commanding *c, size_t *rows,
                        struct stint_err *err)
{
    int64_t now_ms = reply_i64(c->list, 0) / 1000;
    size_t most = BATCH_TASKS_MAX;
    int n = 0;
    if (c->o->limit != 0 && c->o->limit - c->told < most)
        most = c->o->limit - c->told;
    for (; (size_t)n < most && c->at + 2 < reply_n(c->list); c->at += 3) {
        struct worker_row row;
        if (worker_read(&row, c->list, c->at, err))
            return -1;
        if (row.lease_end_ms >= now_ms && worker_fits(&row, c->o))
            rows[n++] = c->at;
        worker_close(&row);
    }
    return n;
}

/* Lets fn hear of a worker that has been told. -1: out of memory. */
static int command_tell(struct commanding *c, size_t at, struct stint_err *err)
{
    struct worker_row row;
    int64_t now_ms = reply_i64(c->list, 0) / 1000;
    if (c->fn == NULL || c->deaf)
        return 0;
    int rc = worker_read(&row, c->list, at, err);
    if (rc == 0)
        rc = worker_show(&row, now_ms, c->fn, c->arg, err);
    c->deaf = rc > 0;
    worker_close(&row);
    return rc < 0 ? -1 : 0;
}

/* Tells the next few; 0: there are no more. */
static int command_step(struct commanding *c, struct stint_err *err)
{
    size_t rows[BATCH_TASKS_MAX], len;
    int n = command_pick(c, rows, err), rc = 1;
    struct args a;
    if (n <= 0)
        return n;
    args_init(&a);
    args_add_str(&a, c->verb);
    for (int i = 0; i < n; i++)
        args_add_str(&a, reply_str(c->list, rows[i], &len));
    struct redisReply *r =
        client_call(c->s, SCRIPT_FLEET_COMMAND, NULL, &a, err);
    args_close(&a);
    if (r == NULL)
        return -1;
    for (int i = 0; i < n; i++) {
        if (strcmp(reply_str(r, (size_t)i + 1, &len), "OK") != 0)
            continue; /* it has gone since we looked */
        c->told++;
        if (rc > 0 && command_tell(c, rows[i], err))
            rc = -1;
    }
    client_reply_free(r);
    return rc;
}

int stint_command(stint *s, const char *verb,
                  const struct stint_command_options *o, stint_workers_fn fn,
                  void *arg, size_t *n, struct stint_err *err)
{
    struct stint_command_options full = STINT_COMMAND_OPTIONS_INIT;
    if (o != NULL)
        memcpy(&full, o, o->size < sizeof(full) ? o->size : sizeof(full));
    struct commanding c = {
        .s = s, .verb = verb, .o = &full, .fn = fn, .arg = arg};
    struct redisReply *list = NULL;
    int rc = -1;
    if (verb == NULL ||
        (strcmp(verb, "disable") != 0 && strcmp(verb, "resume") != 0 &&
         strcmp(verb, "terminate") != 0 && strcmp(verb, "kill") != 0))
        err_set(err, STINT_INVALID, "no such command: %.60s",
                verb != NULL ? verb : "");
    else
        list = fleet_list(s, err);
    if (list != NULL) {
        c.list = list;
        c.at = workers_first(list);
        do
            rc = command_step(&c, err);
        while (rc > 0 && (full.limit == 0 || c.told < full.limit));
        client_reply_free(list);
    }
    if (n != NULL)
        *n = c.told;
    if (rc >= 0 && c.told == 0)
        return err_set(err, STINT_NOT_FOUND, "there is no such live worker");
    return rc < 0 ? -1 : 0;
}

/* ---- Counts -------------------------------------------------------------- */

/* Adds a reply of stats.lua: every worker of a group is in each of its parts,
 * all else is in one. */
static void stats_add(struct stint_stats *t, const struct redisReply *r)
{
    int64_t *const counts[] = {
        &t->queued,    &t->unknown, &t->disabled, &t->assigned,
        &t->running,   &t->due,     &t->completed, &t->failed,
        &t->timeout,   &t->stopped, &t->expired,  &t->retained};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        *counts[i] += reply_i64(r, 1 + i);
    int64_t oldest = reply_i64(r, 13), now_ms = reply_i64(r, 0) / 1000;
    if (oldest != 0 && now_ms - oldest > t->oldest_due_ms)
        t->oldest_due_ms = now_ms - oldest;
    if (reply_i64(r, 14) > t->workers)
        t->workers = reply_i64(r, 14);
    t->waiting += reply_i64(r, 16);
    t->broadcasts += reply_i64(r, 17);
    if (reply_i64(r, 18) > t->paused)
        t->paused = reply_i64(r, 18);
    size_t len;
    reply_str(r, 19, &len);
    t->events = len > 0 ? reply_i64(r, 19) : -1;
}

static int stats_part(stint *s, const char *group, int part,
                      struct stint_stats *t, struct stint_err *err)
{
    group_name base;
    struct args a;
    part_name(base, group, part);
    args_init(&a);
    struct redisReply *r = client_call(s, SCRIPT_STATS, base, &a, err);
    args_close(&a);
    if (r == NULL)
        return -1;
    stats_add(t, r);
    client_reply_free(r);
    return 0;
}

/* 1: fn wants no more. */
static int stats_group(stint *s, const char *group, stint_stats_fn fn,
                       void *arg, struct stint_err *err)
{
    struct stint_stats t = {.group = group};
    for (int k = 0; k < parts_of(s, group); k++)
        if (stats_part(s, group, k, &t, err))
            return -1;
    return fn(&t, arg) != 0;
}

int stint_parts(stint *s, const char *group, stint_part_fn fn, void *arg,
                struct stint_err *err)
{
    size_t n = 0;
    int rc = 0;
    group_name *one = client_groups_wanted(s, group, &n, err);
    if (one == NULL)
        return -1;
    int parts = parts_of(s, group);
    for (int k = 0; k < parts && rc == 0; k++) {
        struct stint_stats t = {.group = group};
        rc = stats_part(s, group, k, &t, err);
        if (rc == 0)
            rc = fn(k, parts, &t, arg) != 0;
    }
    free(one);
    return rc < 0 ? -1 : 0;
}

struct stats_teller {
    stint_stats_fn fn;
    void *arg;
};

static int stats_each(struct stint *s, const char *group, void *arg,
                      struct stint_err *err)
{
    const struct stats_teller *to = arg;
    return stats_group(s, group, to->fn, to->arg, err);
}

int stint_stats(stint *s, const char *group, stint_stats_fn fn, void *arg,
                struct stint_err *err)
{
    struct stats_teller to = {fn, arg};
    return missing_each_group(s, group, stats_each, &to, err);
}
