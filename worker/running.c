/* SPDX-License-Identifier: MIT */
/* Calls about runs that are not transitions: what came of the tasks a run
 * depends on, asked for before it begins, and its output while it goes on. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "part.h"
#include "worker.h"

/* ---- Results of parents --------------------------------------------------- */

/* Parents of one group, in the order asked for. */
struct asking {
    struct worker *worker;
    struct held *held;
    char group[STINT_NAME_LEN + 1];
    json_t *names; /* of parents: ID, or GROUP/ID */
};

/* "ID" or "GROUP/ID": the part it lives in, and where the id begins. */
static const char *parent_group(const struct worker *w, const struct held *h,
                                const char *name,
                                char group[static STINT_NAME_LEN + 1])
{
    const char *slash = strchr(name, '/');
    const char *id = slash != NULL ? slash + 1 : name;
    snprintf(group, STINT_NAME_LEN + 1, "%.*s",
             slash != NULL ? (int)(slash - name) : STINT_NAME_LEN,
             slash != NULL ? name : h->group->shown);
    part_name(group, group,
              part_of_id(id, reaper_parts_of(&w->reaper, group)));
    return id;
}

static void parents_hear(struct asking *a, const struct redisReply *reply)
{
    for (size_t i = 0; i < json_array_size(a->names); i++) {
        struct task_state st;
        size_t len;
        const char *name = json_string_value(json_array_get(a->names, i));
        const char *text = reply_str(reply, 1 + 5 * i, &len);
        json_t *one = json_object();
        if (len > 0 && task_state_decode(&st, text, len) == 0)
            json_object_set_new(one, "status", json_string(st.status));
        else
            json_object_set_new(one, "status", json_string("GONE"));
        text = reply_str(reply, 4 + 5 * i, &len);
        json_t *payload = len > 0 ? json_loadb(text, len, 0, NULL) : NULL;
        json_t *result = json_object_get(payload, "result");
        json_object_set(one, "result", result != NULL ? result : json_null());
        json_decref(payload);
        json_object_set_new(a->held->run.parents, name, one);
    }
}

static void exchange_on_parents(const struct redisReply *reply,
                                const struct stint_err *err, void *arg)
{
    struct asking *a = arg;
    struct worker *w = a->worker;
    struct held *h = a->held;
    if (reply != NULL)
        parents_hear(a, reply);
    else
        h->ask = 1; /* all of it again */
    if (reply == NULL) {
        log_debug(w->log, log_event("call"), log_text("verb", "task_status"),
                  log_text("group", a->group), log_text("error", err->text));
        w->parents_mono_ms = w->clock() + WORKER_BACK_OFF_MS;
    }
    json_decref(a->names);
    free(a);
    if (--h->asking > 0)
        return;
    if (h->lost) {
        held_free(w, h);
    } else if (h->ask == 2) {
        h->ask = 0;
        worker_run(w, h);
    }
    w->want_tick(w->want_arg);
}

static void parents_ask(struct asking *a)
{
    struct args args;
    args_init(&args);
    args_add_str(&args, "2");
    for (size_t i = 0; i < json_array_size(a->names); i++) {
        char group[STINT_NAME_LEN + 1];
        args_add_str(&args,
                     parent_group(a->worker, a->held,
                                  json_string_value(
                                      json_array_get(a->names, i)),
                                  group));
    }
    script_call(a->worker->caller, SCRIPT_TASK_STATUS, a->group, &args,
                exchange_on_parents, a);
    args_close(&args);
}

/* One call a group; how they are spread over groups is seldom more than
 * "all of mine". */
void exchange_parents(struct worker *w, struct held *h)
{
    struct asking *calls[DEPENDS_MAX];
    int n = 0;
    size_t i;
    json_t *one;
    if (h->asking > 0)
        return; /* some are still under way, after a failure */
    json_t *task = json_loadb(h->run.json, h->run.json_len, 0, NULL);
    json_decref(h->run.parents);
    h->run.parents = json_object();
    json_array_foreach(json_object_get(task, "depends_on"), i, one) {
        char group[STINT_NAME_LEN + 1];
        int c = 0;
        if (!json_is_string(one))
            continue;
        parent_group(w, h, json_string_value(one), group);
        while (c < n && strcmp(calls[c]->group, group) != 0)
            c++;
        if (c == DEPENDS_MAX)
            continue; /* it cannot name so many */
        if (c == n) {
            calls[n] = calloc(1, sizeof(*calls[n]));
            check(calls[n] != NULL);
            calls[n]->worker = w;
            calls[n]->held = h;
            memcpy(calls[n]->group, group, sizeof(group));
            calls[n++]->names = json_array();
        }
        json_array_append(calls[c]->names, one);
    }
    h->ask = 2;
    h->asking = n;
    for (int c = 0; c < n; c++)
        parents_ask(calls[c]);
    json_decref(task);
    if (n == 0) {
        h->ask = 0;
        worker_run(w, h);
    }
}

/* ---- Output so far --------------------------------------------------------- */

static void exchange_on_progress(const struct redisReply *reply,
                                 const struct stint_err *err, void *arg)
{
    struct worker *w = arg;
    w->progressing--;
    if (reply == NULL) /* the next one says more */
        log_debug(w->log, log_event("call"), log_text("verb", "progress"),
                  log_text("error", err->text));
    w->want_tick(w->want_arg);
}

/* What a task has written and how far it is, if that is new. NULL: nothing to
 * say. */
static char *progress_text(struct held *h)
{
    struct executor *e = h->config->executors[h->type->runs_on];
    struct buf text;
    struct run_news news = {.output = &text};
    char *json = NULL;
    buf_init(&text, 4 * OUTPUT_BYTES_MAX);
    if (e->ops->news(e, &h->run, &news)) {
        json_t *o = json_object();
        json_object_set_new(o, "output",
                            json_stringn(text.len > 0 ? text.data : "",
                                         text.len));
        if (news.has_progress) {
            json_t *p = json_object();
            json_object_set_new(p, "percent",
                                news.percent < 0 ? json_null()
                                                 : json_real(news.percent));
            json_object_set_new(p, "text", json_string(news.text));
            json_object_set_new(o, "progress", p);
        }
        json = json_write(o, JSON_COMPACT | JSON_REAL_PRECISION(6));
        json_decref(o);
    }
    buf_close(&text);
    return json;
}

void exchange_progress(struct worker *w, struct worker_group *g,
                       int64_t now_ms)
{
    char *texts[BATCH_TASKS_MAX];
    size_t bytes = 0;
    int n = 0;
    struct args a;
    args_init(&a);
    args_add_str(&a, w->name);
    for (struct held *h = w->held[HELD_RUNNING].first;
         h != NULL && n < BATCH_TASKS_MAX && bytes < BATCH_BYTES_MAX;
         h = h->next) {
        if (h->group != g || h->sync_ms == 0 || h->sync_mono_ms > now_ms)
            continue;
        h->sync_mono_ms = now_ms + h->sync_ms;
        texts[n] = progress_text(h);
        if (texts[n] == NULL)
            continue;
        args_add_str(&a, h->run.id);
        args_add_str(&a, h->record.ticket);
        args_add_str(&a, texts[n]);
        bytes += strlen(texts[n++]);
    }
    if (n > 0) {
        w->progressing++;
        script_call(w->caller, SCRIPT_PROGRESS, g->name, &a,
                    exchange_on_progress, w);
    }
    args_close(&a);
    while (n > 0)
        free(texts[--n]);
}
