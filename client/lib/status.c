/* SPDX-License-Identifier: MIT */
/* Looking at tasks, groups and workers. Redis keeps terse records; here they
 * become what a reader wants to know: when, how often, and why it stands
 * still. */
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "buf.h"
#include "client.h"
#include "clock.h"
#include "err.h"
#include "limits.h"
#include "task.h"

/* ---- A status and the memory of its strings ----------------------------- */

struct text {
    struct text *next;
    char at[];
};

struct status_box {
    struct stint_status pub; /* first: what the caller has */
    struct stint_run_status *runs;
    struct text *texts;
    int failed; /* out of memory */
};

static const char *box_text(struct status_box *b, const char *s, size_t len)
{
    struct text *t = malloc(sizeof(*t) + len + 1);
    if (t == NULL) {
        b->failed = 1;
        return "";
    }
    memcpy(t->at, s, len);
    t->at[len] = '\0';
    t->next = b->texts;
    b->texts = t;
    return t->at;
}

static const char *box_printf(struct status_box *b, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

static const char *box_printf(struct status_box *b, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    return box_text(b, text, strlen(text));
}

/* JSON as text; NULL for none. */
static const char *box_json(struct status_box *b, const json_t *v)
{
    char *s = v ? json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    const char *kept = s ? box_text(b, s, strlen(s)) : NULL;
    free(s);
    return kept;
}

static const char *box_string(struct status_box *b, const json_t *v)
{
    return json_is_string(v) ? box_text(b, json_string_value(v),
                                        json_string_length(v))
                             : NULL;
}

static void box_clear(struct status_box *b)
{
    while (b->texts != NULL) {
        struct text *next = b->texts->next;
        free(b->texts);
        b->texts = next;
    }
    free(b->runs);
    *b = (struct status_box){0};
}

void stint_status_free(struct stint_status *t)
{
    if (t == NULL)
        return;
    box_clear((struct status_box *)t);
    free(t);
}

/* ---- Runs --------------------------------------------------------------- */

/* What came of a run: {"result", "output", "error"}. */
static void run_outcome(struct status_box *b, struct stint_run_status *run,
                        const char *payload, size_t len)
{
    json_t *o = len > 0 ? json_loadb(payload, len, 0, NULL) : NULL;
    run->result = box_json(b, json_object_get(o, "result"));
    run->output = box_string(b, json_object_get(o, "output"));
    run->error = box_string(b, json_object_get(o, "error"));
    json_decref(o);
}

/* "STATUS fence worker start stop payload" */
static void run_from_line(struct status_box *b, struct stint_run_status *run,
                          const char *line, size_t len)
{
    char status[12] = "", fence[24] = "", worker[STINT_NAME_LEN + 1] = "";
    int64_t start = 0, stop = 0;
    int at = (int)len;
    if (sscanf(line, "%11s %23s %128s %" SCNd64 " %" SCNd64 "%n", status,
               fence, worker, &start, &stop, &at) < 5)
        at = (int)len;
    run->status = box_printf(b, "%s", status);
    run->run_id = box_printf(b, "%s@%s", b->pub.id, fence);
    run->worker = box_printf(b, "%s", strcmp(worker, "-") ? worker : "");
    run->start_time_ms = start;
    run->stop_time_ms = stop;
    if ((size_t)at < len) /* behind the space */
        run_outcome(b, run, line + at + 1, len - (size_t)at - 1);
}

static int state_has_ended(const char *status)
{
    return strcmp(status, "COMPLETED") == 0 || strcmp(status, "FAILED") == 0 ||
           strcmp(status, "TIMEOUT") == 0 || strcmp(status, "STOPPED") == 0 ||
           strcmp(status, "EXPIRED") == 0;
}

/* Does the record itself tell of a run (running, or the task's last)? */
static int state_is_run(const struct task_state *st)
{
    if (strcmp(st->status, "RUNNING") == 0)
        return 1;
    return state_has_ended(st->status) && strcmp(st->status, "EXPIRED") != 0 &&
           st->start_ms != 0 && strstr(st->ticket, " -") == NULL;
}

static void box_runs(struct status_box *b, const struct task_state *st,
                     const char *payload, size_t len,
                     const struct redisReply *lines)
{
    size_t n = 0;
    b->runs = calloc(reply_n(lines) + 1, sizeof(*b->runs));
    if (b->runs == NULL) {
        b->failed = 1;
        return;
    }
    if (state_is_run(st)) {
        struct stint_run_status *run = &b->runs[n++];
        run->run_id = box_printf(b, "%s@%" PRIu64, b->pub.id, st->fence);
        run->status = b->pub.status;
        run->worker = b->pub.worker;
        run->start_time_ms = st->start_ms;
        run->stop_time_ms = strcmp(st->status, "RUNNING") ? st->stop_ms : 0;
        if (strcmp(st->status, "RUNNING") != 0)
            run_outcome(b, run, payload, len);
    }
    for (size_t i = 0; i < reply_n(lines); i++) {
        const char *line = reply_str(lines, i, &len);
        run_from_line(b, &b->runs[n++], line, len);
    }
    b->pub.runs = b->runs;
    b->pub.n_runs = n;
}

/* ---- One task ----------------------------------------------------------- */

static const char *queued_reason(struct status_box *b,
                                 const struct task_state *st, int64_t now_ms)
{
    if (st->disabled)
        return "disabled";
    if (st->parked)
        return box_printf(b, "no worker here knows %s", b->pub.function);
    if (st->next_ms > now_ms) {
        int64_t tenths = (st->next_ms - now_ms + 50) / 100;
        return box_printf(b, "due in %" PRId64 ".%" PRId64 " s", tenths / 10,
                          tenths % 10);
    }
    return "waiting for a worker";
}

static const char *status_reason(struct status_box *b,
                                 const struct task_state *st, int64_t now_ms)
{
    if (strcmp(st->status, "QUEUED") == 0)
        return queued_reason(b, st, now_ms);
    if (strcmp(st->status, "EXPIRED") == 0)
        return st->start_ms != 0 ? "its next run would be after stop_time"
                                 : "stop_time passed before it could start";
    if (strcmp(st->status, "STOPPED") == 0)
        return "stopped by a client";
    if ((strcmp(st->status, "FAILED") == 0 ||
         strcmp(st->status, "TIMEOUT") == 0) &&
        b->pub.error != NULL)
        return b->pub.error;
    return "";
}

static void status_times(struct stint_status *p, const struct task_state *st)
{
    p->start_time_ms = st->begin_ms != 0 ? st->begin_ms : st->next_ms;
    p->stop_time_ms = st->expire_ms;
    p->last_run_time_ms = st->start_ms;
    p->next_run_time_ms = st->next_ms;
    if (state_has_ended(st->status) && st->begin_ms == 0)
        p->next_run_time_ms = st->start_ms != 0 ? st->start_ms + 60000 : 0;
    p->times_run = st->times_run;
    p->times_failed = st->times_failed;
}

static void status_task(struct status_box *b, const char *task, size_t len)
{
    struct stint_status *p = &b->pub;
    json_t *o = json_loadb(task, len, 0, NULL); /* "-": pruned */
    const char *s = box_string(b, json_object_get(o, "function"));
    p->function = s != NULL ? s : "";
    s = box_string(b, json_object_get(o, "task_name"));
    p->task_name = s != NULL ? s : p->function;
    s = box_json(b, json_object_get(o, "args"));
    p->args = s != NULL ? s : "[]";
    s = box_json(b, json_object_get(o, "vars"));
    p->vars = s != NULL ? s : "{}";
    json_decref(o);
}

/* Elements of a reply: state record at i, task at i + 1, due at i + 2. */
static int status_fill(struct status_box *b, struct task_state *st,
                       const char *group, const char *id,
                       const struct redisReply *r, size_t i)
{
    size_t len;
    const char *text = reply_str(r, i, &len);
    if (task_state_decode(st, text, len))
        snprintf(st->status, sizeof(st->status), "BROKEN");
    if (len == 0)
        st->next_ms = reply_i64(r, i + 2);
    b->pub.id = box_printf(b, "%s", id);
    b->pub.group_name = box_printf(b, "%s", group);
    b->pub.status = box_printf(b, "%s", st->status);
    b->pub.worker =
        box_printf(b, "%s", strcmp(st->worker, "-") ? st->worker : "");
    text = reply_str(r, i + 1, &len);
    status_task(b, text, len);
    status_times(&b->pub, st);
    return b->failed;
}

static void status_last_run(struct status_box *b, unsigned flags)
{
    struct stint_status *p = &b->pub;
    if (p->n_runs > 0) {
        p->result = b->runs[0].result;
        p->output = b->runs[0].output;
        p->error = b->runs[0].error;
    }
    if (!(flags & STINT_WITH_RUNS)) {
        p->n_runs = 0;
        p->runs = NULL;
    }
}

static struct redisReply *status_call(stint *s, const char *group,
                                      const char *depth,
                                      const char *const *ids, size_t n,
                                      struct stint_err *err)
{
    struct args a;
    args_init(&a);
    args_add_str(&a, depth);
    for (size_t i = 0; i < n; i++)
        args_add_str(&a, ids[i]);
    struct redisReply *r = client_call(s, SCRIPT_TASK_STATUS, group, &a, err);
    args_close(&a);
    return r;
}

static struct stint_status *status_of(stint *s, const char *group,
                                      const char *id, unsigned flags,
                                      struct stint_err *err)
{
    struct task_state st;
    size_t len;
    struct redisReply *r = status_call(s, group, "3", &id, 1, err);
    if (r == NULL)
        return NULL;
    const char *task = reply_str(r, 2, &len);
    if (len == 0 || strcmp(task, "-") == 0) {
        err_set(err, STINT_NOT_FOUND, "there is no task %.128s", id);
        client_reply_free(r);
        return NULL;
    }
    struct status_box *b = calloc(1, sizeof(*b));
    if (b != NULL && !status_fill(b, &st, group, id, r, 1)) {
        const char *payload = reply_str(r, 4, &len);
        box_runs(b, &st, payload, len, reply_at(r, 5));
        status_last_run(b, flags);
        b->pub.reason = status_reason(b, &st, reply_i64(r, 0) / 1000);
        if (!(flags & STINT_WITH_OUTPUT))
            b->pub.result = b->pub.output = b->pub.error = NULL;
    }
    client_reply_free(r);
    if (b == NULL || b->failed) {
        stint_status_free(b ? &b->pub : NULL);
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    return &b->pub;
}

struct stint_status *stint_task_status(stint *s, const char *group,
                                       const char *id, unsigned flags,
                                       struct stint_err *err)
{
    size_t n = 0;
    if (group != NULL)
        return status_of(s, group, id, flags, err);
    group_name *groups = client_groups(s, &n, err);
    if (groups == NULL)
        return NULL;
    struct stint_err why = {0};
    struct stint_status *t = NULL;
    err_set(&why, STINT_NOT_FOUND, "there is no task %.128s", id);
    for (size_t i = 0; i < n && !t && why.code == STINT_NOT_FOUND; i++) {
        why = (struct stint_err){0};
        t = status_of(s, groups[i], id, flags, &why);
    }
    free(groups);
    if (t == NULL)
        err_set(err, why.code, "%s", why.text);
    return t;
}

/* ---- Lists -------------------------------------------------------------- */

struct listing {
    stint *s;
    const struct stint_list_options *o;
    stint_list_fn fn;
    void *arg;
    size_t n;
    int stopped;
};

static int list_show(struct listing *l, const char *group,
                     const struct redisReply *r, struct stint_err *err)
{
    size_t len;
    for (size_t i = 2; i + 3 < reply_n(r) && !l->stopped; i += 4) {
        struct status_box b = {0};
        struct task_state st;
        const char *id = reply_str(r, i, &len);
        reply_str(r, i + 2, &len);
        if (len > 1 && !status_fill(&b, &st, group, id, r, i + 1)) {
            b.pub.reason = status_reason(&b, &st, reply_i64(r, 0) / 1000);
            l->stopped = l->fn(&b.pub, l->arg) != 0;
            l->n++;
            if (l->o->limit != 0 && l->n >= l->o->limit)
                l->stopped = 1;
        }
        int failed = b.failed;
        box_clear(&b);
        if (failed)
            return err_set(err, STINT_NOMEM, "out of memory");
    }
    return 0;
}

static int list_group(struct listing *l, const char *group,
                      struct stint_err *err)
{
    char cursor[64] = "";
    size_t len;
    do {
        struct args a;
        args_init(&a);
        args_add_str(&a, l->o->status ? l->o->status : "");
        args_add_str(&a, l->o->function ? l->o->function : "");
        args_add_i64(&a, 200);
        args_add_str(&a, cursor);
        struct redisReply *r = client_call(l->s, SCRIPT_LIST, group, &a, err);
        args_close(&a);
        if (r == NULL)
            return -1;
        char next[64];
        snprintf(next, sizeof(next), "%s", reply_str(r, 1, &len));
        int rc = list_show(l, group, r, err);
        client_reply_free(r);
        if (rc)
            return -1;
        memcpy(cursor, next, sizeof(cursor));
    } while (*cursor && !l->stopped);
    return 0;
}

/* The group asked for, or all of them. */
static group_name *groups_wanted(stint *s, const char *group, size_t *n,
                                 struct stint_err *err)
{
    if (group == NULL)
        return client_groups(s, n, err);
    group_name *one = calloc(1, sizeof(*one));
    if (one == NULL) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    snprintf(*one, sizeof(*one), "%s", group);
    *n = 1;
    return one;
}

int stint_list(stint *s, const struct stint_list_options *o, stint_list_fn fn,
               void *arg, struct stint_err *err)
{
    struct stint_list_options full = STINT_LIST_OPTIONS_INIT;
    size_t n = 0;
    int rc = 0;
    if (o != NULL)
        memcpy(&full, o, o->size < sizeof(full) ? o->size : sizeof(full));
    struct listing l = {.s = s, .o = &full, .fn = fn, .arg = arg};
    group_name *groups = groups_wanted(s, full.group, &n, err);
    if (groups == NULL)
        return -1;
    for (size_t i = 0; i < n && rc == 0 && !l.stopped; i++)
        rc = list_group(&l, groups[i], err);
    free(groups);
    return rc;
}

/* ---- Waiting ------------------------------------------------------------ */

enum { WAIT_LOST = -1, WAIT_ENDED = -2 };

struct waiting {
    stint *s;
    const char *const *ids;
    size_t n, ended, not_completed;
    int *where; /* index of its group, or one of the above */
    group_name *groups;
    size_t n_groups;
};

static void wait_hear(struct waiting *w, size_t id, int group,
                      const struct redisReply *r, size_t at)
{
    struct task_state st;
    size_t len, task_len;
    const char *text = reply_str(r, at, &len);
    reply_str(r, at + 1, &task_len);
    if (task_len == 0 && w->where[id] == WAIT_LOST)
        return;
    w->where[id] = group;
    int broken = task_state_decode(&st, text, len);
    if (task_len != 0 && (broken || !state_has_ended(st.status)))
        return;
    if (task_len != 0 && strcmp(st.status, "COMPLETED") != 0)
        w->not_completed++;
    w->where[id] = WAIT_ENDED;
    w->ended++;
}

/* Asks the group for all ids that stand at `from`. */
static int wait_ask(struct waiting *w, int group, int from,
                    struct stint_err *err)
{
    const char *ids[BATCH_TASKS_MAX];
    size_t which[BATCH_TASKS_MAX], n = 0;
    for (size_t i = 0; i < w->n; i++) {
        if (w->where[i] == from) {
            ids[n] = w->ids[i];
            which[n++] = i;
        }
        if (n == 0 || (n < BATCH_TASKS_MAX && i + 1 < w->n))
            continue;
        struct redisReply *r =
            status_call(w->s, w->groups[group], "1", ids, n, err);
        if (r == NULL)
            return -1;
        for (size_t k = 0; k < n; k++)
            wait_hear(w, which[k], group, r, 1 + 5 * k);
        client_reply_free(r);
        n = 0;
    }
    return 0;
}

static int wait_locate(struct waiting *w, struct stint_err *err)
{
    for (size_t g = 0; g < w->n_groups; g++)
        if (wait_ask(w, (int)g, WAIT_LOST, err))
            return -1;
    for (size_t i = 0; i < w->n; i++)
        if (w->where[i] == WAIT_LOST)
            return err_set(err, STINT_NOT_FOUND, "there is no task %.128s",
                           w->ids[i]);
    return 0;
}

static int wait_loop(struct waiting *w, double timeout_s, stint_progress_fn fn,
                     void *arg, struct stint_err *err)
{
    int64_t begin = clock_mono_ms(), pause = 5;
    if (wait_locate(w, err))
        return -1;
    for (;;) {
        if (fn != NULL)
            fn(w->ended, w->n, arg);
        if (w->ended == w->n)
            return 0;
        int64_t gone = clock_mono_ms() - begin;
        if (timeout_s >= 0 && (double)gone >= timeout_s * 1000)
            return err_set(err, STINT_TIMEOUT, "%zu of %zu have not ended",
                           w->n - w->ended, w->n);
        int64_t ms = pause;
        if (timeout_s >= 0 && (double)ms > timeout_s * 1000 - (double)gone)
            ms = (int64_t)(timeout_s * 1000 - (double)gone) + 1;
        const struct timespec nap = {0, ms * 1000000};
        nanosleep(&nap, NULL);
        pause = pause * 3 / 2 > 250 ? 250 : pause * 3 / 2;
        for (size_t g = 0; g < w->n_groups; g++)
            if (wait_ask(w, (int)g, (int)g, err))
                return -1;
    }
}

int stint_wait(stint *s, const char *group, const char *const *ids, size_t n,
               double timeout_s, stint_progress_fn fn, void *arg,
               size_t *n_not_completed, struct stint_err *err)
{
    struct waiting w = {.s = s, .ids = ids, .n = n};
    int rc = -1;
    w.groups = groups_wanted(s, group, &w.n_groups, err);
    w.where = calloc(n + 1, sizeof(*w.where));
    for (size_t i = 0; w.where != NULL && i < n; i++)
        w.where[i] = WAIT_LOST;
    if (w.where == NULL)
        err_set(err, STINT_NOMEM, "out of memory");
    else if (w.groups != NULL)
        rc = wait_loop(&w, timeout_s, fn, arg, err);
    if (n_not_completed != NULL)
        *n_not_completed = w.not_completed;
    free(w.groups);
    free(w.where);
    return rc;
}

/* ---- Stopping ----------------------------------------------------------- */

static int stop_in(stint *s, const char *group, const char *id,
                   struct stint_err *err)
{
    struct stint_err why = {0};
    struct args a;
    args_init(&a);
    args_add_str(&a, id);
    struct redisReply *r = client_call(s, SCRIPT_STOP_TASK, group, &a, &why);
    args_close(&a);
    client_reply_free(r);
    /* A repeated call finds its own work. */
    if (r != NULL || (why.code == STINT_STATE && s->tries > 1 &&
                      strstr(why.text, "STOPPED") != NULL))
        return 0;
    if (why.code == STINT_NOT_FOUND)
        return err_set(err, why.code, "there is no task %.128s", id);
    return err_set(err, why.code, "%s", why.text);
}

int stint_stop_task(stint *s, const char *group, const char *id,
                    struct stint_err *err)
{
    struct stint_err why = {0};
    size_t n = 0;
    int rc = -1;
    group_name *groups = groups_wanted(s, group, &n, err);
    if (groups == NULL)
        return -1;
    err_set(&why, STINT_NOT_FOUND, "there is no task %.128s", id);
    for (size_t i = 0; i < n && rc && why.code == STINT_NOT_FOUND; i++) {
        why = (struct stint_err){0};
        rc = stop_in(s, groups[i], id, &why);
    }
    free(groups);
    return rc ? err_set(err, why.code, "%s", why.text) : 0;
}

/* ---- Workers ------------------------------------------------------------ */

static const char *record_text(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s != NULL ? s : "";
}

static int64_t record_i64(const json_t *o, const char *key)
{
    return json_integer_value(json_object_get(o, key));
}

static void groups_join(struct buf *b, const json_t *groups)
{
    size_t i;
    const json_t *v;
    json_array_foreach(groups, i, v) {
        if (!json_is_string(v))
            continue;
        if (b->len > 0)
            (void)buf_add_str(b, ",");
        (void)buf_add_str(b, json_string_value(v));
    }
}

static int worker_show(const char *name, int64_t lease_end, int64_t now,
                       const char *record, size_t len, stint_workers_fn fn,
                       void *arg)
{
    json_t *o = json_loadb(record, len, 0, NULL);
    struct buf groups;
    buf_init(&groups, (STINT_NAME_LEN + 2) * GROUPS_MAX);
    groups_join(&groups, json_object_get(o, "groups"));
    int64_t age = now - (lease_end - record_i64(o, "lease_ms"));
    struct stint_worker_status w = {
        .name = name,
        .host = record_text(o, "host"),
        .pid = record_i64(o, "pid"),
        .groups = groups.data != NULL ? groups.data : "",
        .status = lease_end < now ? "DEAD" : record_text(o, "status"),
        .concurrency = record_i64(o, "concurrency"),
        .running = record_i64(o, "running"),
        .version = record_text(o, "version"),
        .started_ms = record_i64(o, "started_ms"),
        .heartbeat_age_ms = age > 0 ? age : 0};
    int stop = fn(&w, arg);
    buf_close(&groups);
    json_decref(o);
    return stop;
}

int stint_workers(stint *s, stint_workers_fn fn, void *arg,
                  struct stint_err *err)
{
    struct args a;
    size_t len;
    args_init(&a);
    struct redisReply *r = client_call(s, SCRIPT_FLEET_LIST, NULL, &a, err);
    args_close(&a);
    if (r == NULL)
        return -1;
    size_t i = 4 + (size_t)reply_i64(r, 3);
    for (; i + 2 < reply_n(r); i += 3) {
        const char *name = reply_str(r, i, &len);
        const char *record = reply_str(r, i + 2, &len);
        if (worker_show(name, reply_i64(r, i + 1), reply_i64(r, 0) / 1000,
                        record, len, fn, arg))
            break;
    }
    client_reply_free(r);
    return 0;
}

/* ---- Counts ------------------------------------------------------------- */

/* 1: fn wants no more. */
static int stats_group(stint *s, const char *group, stint_stats_fn fn,
                       void *arg, struct stint_err *err)
{
    struct args a;
    args_init(&a);
    struct redisReply *r = client_call(s, SCRIPT_STATS, group, &a, err);
    args_close(&a);
    if (r == NULL)
        return -1;
    int64_t oldest = reply_i64(r, 13), now = reply_i64(r, 0) / 1000;
    struct stint_stats t = {
        .group = group, .queued = reply_i64(r, 1), .unknown = reply_i64(r, 2),
        .disabled = reply_i64(r, 3), .assigned = reply_i64(r, 4),
        .running = reply_i64(r, 5), .due = reply_i64(r, 6),
        .completed = reply_i64(r, 7), .failed = reply_i64(r, 8),
        .timeout = reply_i64(r, 9), .stopped = reply_i64(r, 10),
        .expired = reply_i64(r, 11), .retained = reply_i64(r, 12),
        .oldest_due_ms = oldest != 0 ? now - oldest : 0,
        .workers = reply_i64(r, 14)};
    client_reply_free(r);
    return fn(&t, arg) != 0;
}

int stint_stats(stint *s, const char *group, stint_stats_fn fn, void *arg,
                struct stint_err *err)
{
    size_t n = 0;
    int rc = 0;
    group_name *groups = groups_wanted(s, group, &n, err);
    if (groups == NULL)
        return -1;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = stats_group(s, groups[i], fn, arg, err);
    free(groups);
    return rc < 0 ? -1 : 0;
}
