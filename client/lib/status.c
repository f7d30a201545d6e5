/* SPDX-License-Identifier: MIT */
/* A task's status and its runs. Redis keeps terse records; here they become
 * what a reader wants to know: when, how often, and why it stands still. */
#include "status.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "err.h"
#include "part.h"
#include "parts.h"

/* ---- A status and the memory of its strings ----------------------------- */

struct box_text {
    struct box_text *next;
    char at[];
};

static const char *box_keep(struct status_box *b, const char *s, size_t len)
{
    struct box_text *t = malloc(sizeof(*t) + len + 1);
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
    return box_keep(b, text, strlen(text));
}

/* Text as JSON; NULL: it is none, or b->failed. */
static json_t *box_load(struct status_box *b, const char *text, size_t len)
{
    json_t *v = json_read(text, len, 0, NULL);
    if (v == NULL && errno == ENOMEM)
        b->failed = 1;
    return v;
}

/* JSON as text; NULL for none. */
static const char *box_json(struct status_box *b, const json_t *v)
{
    char *s = v ? json_write(v, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    const char *kept = s ? box_keep(b, s, strlen(s)) : NULL;
    if (v != NULL && s == NULL)
        b->failed = 1;
    free(s);
    return kept;
}

static const char *box_string(struct status_box *b, const json_t *v)
{
    return json_is_string(v)
               ? box_keep(b, json_string_value(v), json_string_length(v))
               : NULL;
}

void status_box_clear(struct status_box *b)
{
    while (b->texts != NULL) {
        struct box_text *next = b->texts->next;
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
    status_box_clear((struct status_box *)t);
    free(t);
}

#define CAST_MAX 1000 /* as in lua/prelude.lua */

/* ---- Runs --------------------------------------------------------------- */

/* How a run ended, as far as it was seen: an object of these keys, or NULL. */
static const char *outcome_evidence(struct status_box *b, const json_t *o)
{
    static const char *const keys[] = {"exit_status", "signal", "max_rss_kb",
                                       "stderr", "worker_end"};
    json_t *e = json_object();
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        json_t *v = json_object_get(o, keys[i]);
        if (v != NULL && json_object_set(e, keys[i], v))
            b->failed = 1;
    }
    const char *text = json_object_size(e) > 0 ? box_json(b, e) : NULL;
    json_decref(e);
    return text;
}

/* What came of a run: {"result", "output", "error", evidence…}. */
static void run_outcome(struct status_box *b, struct stint_run_status *run,
                        const char *payload, size_t len)
{
    json_t *o = len > 0 ? box_load(b, payload, len) : NULL;
    run->result = box_json(b, json_object_get(o, "result"));
    run->output = box_string(b, json_object_get(o, "output"));
    run->error = box_string(b, json_object_get(o, "error"));
    run->evidence = o != NULL ? outcome_evidence(b, o) : NULL;
    json_decref(o);
}

/* "STATUS fence worker start stop payload"; returns the fence. */
static uint64_t run_from_line(struct status_box *b,
                              struct stint_run_status *run, const char *line,
                              size_t len)
{
    char status[12] = "", fence[24] = "", worker[STINT_NAME_LEN + 1] = "";
    int64_t start = 0, stop = 0;
    int at = (int)len;
    if (sscanf(line, "%11s %23s %128s %" SCNd64 " %" SCNd64 "%n", status, fence,
               worker, &start, &stop, &at) < 5)
        at = (int)len;
    run->status = box_printf(b, "%s", status);
    run->run_id = box_printf(b, "%s@%s", b->pub.id, fence);
    run->worker = box_printf(b, "%s", strcmp(worker, "-") ? worker : "");
    run->start_time_ms = start;
    run->stop_time_ms = stop;
    if ((size_t)at < len) /* behind the space */
        run_outcome(b, run, line + at + 1, len - (size_t)at - 1);
    return strtoull(fence, NULL, 10);
}

int status_has_ended(const char *status)
{
    return strcmp(status, "COMPLETED") == 0 || strcmp(status, "FAILED") == 0 ||
           strcmp(status, "TIMEOUT") == 0 || strcmp(status, "STOPPED") == 0 ||
           strcmp(status, "EXPIRED") == 0;
}

/* Does the record itself tell of a run (running, or the task's last)? That of a
 * broadcast does not: its runs are those of its parts. */
static int state_is_run(const struct task_state *st)
{
    if (st->cast)
        return 0;
    if (strcmp(st->status, "RUNNING") == 0)
        return 1;
    return status_has_ended(st->status) && strcmp(st->status, "EXPIRED") != 0 &&
           st->start_ms != 0 && strstr(st->ticket, " -") == NULL;
}

static struct stint_run_status *box_run(struct status_box *b)
{
    return &b->runs[b->pub.n_runs++];
}

static void run_from_state(struct status_box *b, const struct task_state *st)
{
    struct stint_run_status *run = box_run(b);
    int runs = strcmp(st->status, "RUNNING") == 0;
    run->run_id = box_printf(b, "%s@%" PRIu64, b->pub.id, st->fence);
    run->status = b->pub.status;
    run->worker = b->pub.worker;
    run->start_time_ms = st->start_ms;
    run->stop_time_ms = runs ? 0 : st->stop_ms;
}

/* Element i of a reply and the next two: a part of a broadcast. One that has
 * ended is gone and a line of the history. */
static void run_from_part(struct status_box *b, const struct redisReply *r,
                          size_t i, const char *id)
{
    struct task_state st;
    size_t len;
    const char *text = reply_str(r, i, &len);
    if (len == 0 || task_state_decode(&st, text, len))
        return;
    struct stint_run_status *run = box_run(b);
    run->run_id = box_printf(b, "%s@%" PRIu64, id, st.fence);
    run->status = box_printf(b, "%s", st.status);
    run->worker = box_printf(b, "%s", st.worker);
    run->start_time_ms = st.start_ms;
    if (st.live) {
        text = reply_str(r, i + 3, &len);
        run_outcome(b, run, text, len);
    }
}

/* What goes on of a broadcast: parts are tasks of their own. */
static int parts_read(struct stint *s, struct status_box *b, int64_t n,
                      struct stint_err *err)
{
    group_name base;
    parts_route(s, b->pub.group_name, b->pub.id, base);
    for (int64_t first = 1; first <= n; first += BATCH_TASKS_MAX) {
        char names[BATCH_TASKS_MAX][STINT_ID_LEN + 24];
        const char *ids[BATCH_TASKS_MAX];
        size_t k = 0;
        for (int64_t i = first; i <= n && k < BATCH_TASKS_MAX; i++, k++) {
            snprintf(names[k], sizeof(names[k]), "%s@%" PRId64, b->pub.id, i);
            ids[k] = names[k];
        }
        struct redisReply *r =
            status_call(s, base, "2", ids, k, err);
        if (r == NULL)
            return -1;
        for (size_t i = 0; i < k; i++)
            run_from_part(b, r, 1 + 5 * i, ids[i]);
        client_reply_free(r);
    }
    return 0;
}

/* All runs there are, newest first. lines: those that are over. */
static int box_runs(struct stint *s, struct status_box *b,
                    const struct task_state *st, unsigned flags,
                    const struct redisReply *lines, struct stint_err *err)
{
    int64_t parts = st->cast ? st->parts : 0;
    size_t len;
    if (!(flags & STINT_WITH_RUNS) || strcmp(st->status, "RUNNING") != 0 ||
        parts > CAST_MAX)
        parts = 0;
    b->runs = calloc(reply_n(lines) + (size_t)parts + 1, sizeof(*b->runs));
    if (b->runs == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    b->pub.runs = b->runs;
    if (parts > 0 && parts_read(s, b, parts, err))
        return -1;
    size_t own = b->pub.n_runs;
    if (state_is_run(st))
        run_from_state(b, st);
    for (size_t i = 0; i < reply_n(lines); i++) {
        const char *line = reply_str(lines, i, &len);
        struct stint_run_status *run = box_run(b);
        uint64_t fence = run_from_line(b, run, line, len);
        /* The history knows better how the record's run ended. */
        if (i == 0 && own + 1 < b->pub.n_runs && fence == st->fence) {
            b->runs[own] = *run;
            memset(run, 0, sizeof(*run));
            b->pub.n_runs--;
        }
    }
    return 0;
}

/* ---- Why ---------------------------------------------------------------- */

static const char *queued_reason(struct status_box *b,
                                 const struct task_state *st, int64_t now_ms)
{
    if (st->disabled)
        return "disabled";
    if (st->waits > 0)
        return box_printf(b, "waits for %" PRId64 " task%s", st->waits,
                          st->waits == 1 ? "" : "s");
    if (st->parked)
        return box_printf(b, "no worker here knows %s", b->pub.function);
    if (st->next_ms > now_ms) {
        int64_t tenths = (st->next_ms - now_ms + 50) / 100;
        return box_printf(b, "due in %" PRId64 ".%" PRId64 " s", tenths / 10,
                          tenths % 10);
    }
    return "waiting for a worker";
}

static const char *running_reason(struct status_box *b,
                                  const struct task_state *st)
{
    if (st->stopping)
        return "being stopped";
    if (st->cast)
        return box_printf(
            b, "broadcast: %" PRId64 " of %" PRId64 " workers have ended",
            st->parts - st->open, st->parts);
    return "";
}

const char *status_reason(struct status_box *b, const struct task_state *st,
                          int64_t now_ms)
{
    if (strcmp(st->status, "QUEUED") == 0)
        return queued_reason(b, st, now_ms);
    if (strcmp(st->status, "RUNNING") == 0)
        return running_reason(b, st);
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

/* ---- One task ----------------------------------------------------------- */

static void status_times(struct stint_status *p, const struct task_state *st)
{
    p->start_time_ms = st->begin_ms != 0 ? st->begin_ms : st->next_ms;
    p->stop_time_ms = st->expire_ms;
    p->last_run_time_ms = st->start_ms;
    p->next_run_time_ms = st->next_ms;
    if (status_has_ended(st->status) && st->begin_ms == 0)
        p->next_run_time_ms = st->start_ms != 0 ? st->start_ms + 60000 : 0;
    p->times_run = st->times_run;
    p->times_failed = st->times_failed;
    p->priority = st->priority;
    p->immediate = st->immediate;
    p->disabled = st->disabled;
    p->period_s = (double)st->period_ms / 1000;
    p->prevent_drift = st->prevent_drift;
    p->repeats = st->repeats;
}

static void status_task(struct status_box *b, const char *task, size_t len)
{
    struct stint_status *p = &b->pub;
    json_t *o = task_text_load(task, len); /* NULL if pruned */
    if (o == NULL && errno == ENOMEM)
        b->failed = 1;
    const char *s = box_string(b, json_object_get(o, "function"));
    p->function = s != NULL ? s : "";
    s = box_string(b, json_object_get(o, "task_name"));
    p->task_name = s != NULL ? s : p->function;
    s = box_json(b, json_object_get(o, "args"));
    p->args = s != NULL ? s : "[]";
    s = box_json(b, json_object_get(o, "vars"));
    p->vars = s != NULL ? s : "{}";
    s = box_json(b, json_object_get(o, "tags"));
    p->tags = s != NULL ? s : "[]";
    p->traceparent = box_string(b, json_object_get(o, "traceparent"));
    p->cronline = box_string(b, json_object_get(o, "cronline"));
    p->timezone = box_string(b, json_object_get(o, "timezone"));
    json_decref(o);
}

int status_fill(struct status_box *b, struct task_state *st, const char *group,
                const char *id, const struct redisReply *r, size_t i)
{
    size_t len;
    const char *text = reply_str(r, i, &len);
    if (task_state_decode(st, text, len))
        snprintf(st->status, sizeof(st->status), "BROKEN");
    if (len == 0)
        st->next_ms = reply_i64(r, i + 2);
    b->pub.percent = -1;
    b->pub.id = box_printf(b, "%s", id);
    b->pub.group_name = box_keep(b, group, part_group_len(group));
    b->pub.status = box_printf(b, "%s", st->status);
    b->pub.worker =
        box_printf(b, "%s", strcmp(st->worker, "-") ? st->worker : "");
    text = reply_str(r, i + 1, &len);
    status_task(b, text, len);
    status_times(&b->pub, st);
    return b->failed ? -1 : 0;
}

/* What a run that goes on says about how far it is. */
static void status_progress(struct status_box *b, const struct task_state *st,
                            const char *payload, size_t len)
{
    struct stint_status *p = &b->pub;
    if (!st->live || st->cast || strcmp(st->status, "RUNNING") != 0)
        return;
    json_t *o = box_load(b, payload, len);
    const json_t *progress = json_object_get(o, "progress");
    const json_t *percent = json_object_get(progress, "percent");
    const json_t *text = json_object_get(progress, "text");
    if (json_is_number(percent))
        p->percent = json_number_value(percent);
    if (json_string_length(text) > 0)
        p->progress = box_string(b, text);
    json_decref(o);
}

/* The task's own outcome is what the record keeps: of its last run or of the
 * whole broadcast, or why it never ran. Between two runs it is that of the
 * last one. payload: what the record keeps. */
static void status_outcome(struct status_box *b, const struct task_state *st,
                           const char *payload, size_t len)
{
    struct stint_status *p = &b->pub;
    struct stint_run_status last = {0};
    int own = state_is_run(st);
    int of_record = status_has_ended(st->status) || st->live;
    if (p->n_runs > 0)
        last = b->runs[0];
    if (st->cast && strcmp(st->status, "RUNNING") == 0)
        last = (struct stint_run_status){0}; /* every part has its own */
    if (of_record && len > 0)
        run_outcome(b, &last, payload, len);
    p->result = last.result;
    p->output = last.output;
    p->error = last.error;
    if (own && of_record && len > 0 && b->runs[0].result == NULL &&
        b->runs[0].output == NULL && b->runs[0].error == NULL) {
        b->runs[0].result = last.result;
        b->runs[0].output = last.output;
        b->runs[0].error = last.error;
        b->runs[0].evidence = last.evidence;
    }
}

void status_error(struct status_box *b, const char *payload, size_t len)
{
    json_t *o = len > 0 ? box_load(b, payload, len) : NULL;
    b->pub.error = box_string(b, json_object_get(o, "error"));
    json_decref(o);
}

struct redisReply *status_call(struct stint *s, const char *group,
                               const char *depth, const char *const *ids,
                               size_t n, struct stint_err *err)
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

/* Is the task at element i of a reply there (and not pruned)? */
static int task_is_there(const struct redisReply *r, size_t i)
{
    size_t len;
    const char *task = reply_str(r, i, &len);
    return len > 0 && strcmp(task, "-") != 0;
}

int status_locate(struct stint *s, const char *group, const char *id,
                  group_name found, struct stint_err *err)
{
    size_t n = 0;
    int there = 0;
    if (group != NULL && !task_group_is_valid(group, strlen(group)))
        return err_set(err, STINT_NOT_FOUND, "there is no task %.128s", id);
    if (group != NULL) {
        parts_route(s, group, id, found);
        return 0;
    }
    group_name *groups = client_groups(s, &n, err);
    if (groups == NULL)
        return -1;
    for (size_t i = 0; i < n && there == 0; i++) {
        parts_route(s, groups[i], id, found);
        struct redisReply *r = status_call(s, found, "1", &id, 1, err);
        there = r == NULL ? -1 : task_is_there(r, 2);
        client_reply_free(r);
    }
    free(groups);
    if (there == 0)
        err_set(err, STINT_NOT_FOUND, "there is no task %.128s", id);
    return there > 0 ? 0 : -1;
}

/* All of it, out of the reply. -1: err, or b->failed. */
static int status_build(struct stint *s, struct status_box *b,
                        const char *group, const char *id, unsigned flags,
                        const struct redisReply *r, struct stint_err *err)
{
    struct task_state st;
    size_t len;
    const char *payload = reply_str(r, 4, &len);
    if (status_fill(b, &st, group, id, r, 1) ||
        box_runs(s, b, &st, flags, reply_at(r, 5), err))
        return -1;
    status_outcome(b, &st, payload, len);
    status_progress(b, &st, payload, len);
    b->pub.reason = status_reason(b, &st, reply_i64(r, 0) / 1000);
    if (!(flags & STINT_WITH_OUTPUT))
        b->pub.result = b->pub.output = b->pub.error = NULL;
    if (!(flags & STINT_WITH_RUNS)) {
        b->pub.n_runs = 0;
        b->pub.runs = NULL;
    }
    return b->failed ? -1 : 0;
}

static struct stint_status *status_look(stint *s, const char *group,
                                        const char *id, unsigned flags,
                                        struct stint_err *err)
{
    group_name in;
    if (status_locate(s, group, id, in, err))
        return NULL;
    struct redisReply *r = status_call(s, in, "3", &id, 1, err);
    if (r == NULL)
        return NULL;
    struct status_box *b = NULL;
    int rc = -1;
    if (!task_is_there(r, 2))
        err_set(err, STINT_NOT_FOUND, "there is no task %.128s", id);
    else if ((b = calloc(1, sizeof(*b))) != NULL)
        rc = status_build(s, b, in, id, flags, r, err);
    client_reply_free(r);
    if (rc == 0)
        return &b->pub;
    err_set(err, STINT_NOMEM, "out of memory"); /* unless it is set */
    stint_status_free(b != NULL ? &b->pub : NULL);
    return NULL;
}

struct stint_status *stint_task_status(stint *s, const char *group,
                                       const char *id, unsigned flags,
                                       struct stint_err *err)
{
    struct stint_status *t = status_look(s, group, id, flags, err);
    if (t == NULL && parts_look_again(s, group, err))
        t = status_look(s, group, id, flags, err);
    return t;
}
