/* SPDX-License-Identifier: MIT */
/* The tasks in a worker's hands, in one list a state. They live from the reply
 * of assign until Redis has taken the report; the list DONE is the outbox that
 * survives an absence of Redis. */
#define _GNU_SOURCE /* memmem */
#include "worker.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

/* Kept for the next tasks, so that a busy worker allocates nothing for one. */
#define SPARE_MAX      1024
#define SPARE_TEXT_MAX 4096 /* bytes of text of one */

static void held_unlink(struct worker *w, struct held *h)
{
    struct held_list *l = &w->held[h->state];
    *(h->prev != NULL ? &h->prev->next : &l->first) = h->next;
    *(h->next != NULL ? &h->next->prev : &l->last) = h->prev;
    l->n--;
}

static void held_link(struct worker *w, struct held *h, enum held_state to)
{
    struct held_list *l = &w->held[to];
    h->state = to;
    h->next = NULL;
    h->prev = l->last;
    *(l->last != NULL ? &l->last->next : &l->first) = h;
    l->last = h;
    l->n++;
}

/* From each state, where it may go: bits. */
static const unsigned held_may[HELD_N] = {
    [HELD_ASSIGNED] = 1u << HELD_STARTING | 1u << HELD_DONE,
    [HELD_STARTING] = 1u << HELD_RUNNING | 1u << HELD_ASSIGNED |
                      1u << HELD_DONE,
    [HELD_RUNNING] = 1u << HELD_DONE,
    [HELD_DONE] = 1u << HELD_SENT,
    [HELD_SENT] = 1u << HELD_DONE,
};

void held_move(struct worker *w, struct held *h, enum held_state to)
{
    check(held_may[h->state] & 1u << to);
    held_unlink(w, h);
    held_link(w, h, to);
}

static int64_t seconds_of(const json_t *task, const char *key)
{
    double s = json_number_value(json_object_get(task, key));
    return s > 0 && s <= 315360000 ? (int64_t)(s * 1000) : 0;
}

/* Of a form that can do no harm in an environment or a log. */
static void held_take_trace(struct held *h, const char *text)
{
    if (text == NULL || strlen(text) != TRACEPARENT_LEN ||
        strspn(text, "0123456789abcdef-") != TRACEPARENT_LEN)
        return;
    memcpy(h->traceparent, text, TRACEPARENT_LEN + 1);
    h->run.traceparent = h->traceparent;
}

static int held_has(const struct held *h, const char *key)
{
    return memmem(h->run.json, h->run.json_len, key, strlen(key)) != NULL;
}

/* A task's own timeout, sync_output and traceparent; parsing only those that
 * have one. */
static void held_read_options(struct held *h)
{
    h->run.timeout_ms = h->type->timeout_ms > 0 ? h->type->timeout_ms : 60000;
    if (!held_has(h, "\"timeout\":") && !held_has(h, "\"sync_output\":") &&
        !held_has(h, "\"traceparent\":"))
        return;
    json_t *task = json_loadb(h->run.json, h->run.json_len, 0, NULL);
    int64_t timeout_ms = seconds_of(task, "timeout");
    if (timeout_ms > 0)
        h->run.timeout_ms = timeout_ms;
    h->sync_ms = seconds_of(task, "sync_output");
    if (h->sync_ms > 0 && h->sync_ms < SYNC_MS_MIN)
        h->sync_ms = SYNC_MS_MIN;
    held_take_trace(h, json_string_value(json_object_get(task,
                                                         "traceparent")));
    json_decref(task);
}

/* A spare one, or a new one, with room for that much text. */
static struct held *held_take(struct worker *w, size_t text_cap)
{
    struct held *h = w->spare;
    if (h != NULL) {
        w->spare = h->next;
        w->n_spare--;
    } else {
        h = calloc(1, sizeof(*h));
        check(h != NULL); /* a worker out of memory dies; its lease ends */
    }
    if (h->text_cap < text_cap) {
        h->text = realloc(h->text, text_cap);
        check(h->text != NULL);
        h->text_cap = text_cap;
    }
    char *text = h->text;
    text_cap = h->text_cap;
    memset(h, 0, sizeof(*h));
    h->text = text;
    h->text_cap = text_cap;
    return h;
}

static void held_put_away(struct worker *w, struct held *h)
{
    if (w->n_spare == SPARE_MAX || h->text_cap > SPARE_TEXT_MAX) {
        free(h->text);
        free(h);
        return;
    }
    h->next = w->spare;
    w->spare = h;
    w->n_spare++;
}

void held_close(struct worker *w)
{
    while (w->spare != NULL) {
        struct held *h = w->spare;
        w->spare = h->next;
        free(h->text);
        free(h);
    }
    w->n_spare = 0;
}

struct held *held_new(struct worker *w, struct worker_group *g,
                      struct config *config,
                      const char *id, size_t id_len, const char *record,
                      size_t record_len, const char *task, size_t task_len)
{
    struct held *h = held_take(w, id_len + task_len + 2);
    memcpy(h->text, id, id_len);
    h->text[id_len] = '\0';
    memcpy(h->text + id_len + 1, task, task_len);
    h->text[id_len + 1 + task_len] = '\0';
    h->group = g;
    h->run.id = h->text;
    h->queued = h->text + id_len + 1;
    size_t name_len = 0;
    h->run.json = task_text_split(h->queued, task_len, &name_len);
    h->run.json_len = task_len - name_len - 1;
    h->config = config;
    h->type = config_find(config, h->queued, name_len);
    if (task_state_decode(&h->record, record, record_len) < 0 ||
        h->run.json == NULL || h->type == NULL) {
        held_put_away(w, h);
        return NULL;
    }
    h->run.function = h->type->name;
    h->run.fence = h->record.fence;
    h->run.attempt = (int)(h->record.times_failed + 1);
    h->run.how = config_how(h->type);
    held_read_options(h);
    held_link(w, h,
              h->record.status[0] == 'R' ? HELD_STARTING : HELD_ASSIGNED);
    w->n_held++;
    config->n_uses++;
    w->suspects += h->record.lost > 0;
    return h;
}

void held_free(struct worker *w, struct held *h)
{
    held_unlink(w, h);
    w->n_held -= h->state != HELD_OVERSTAYED;
    w->n_undated -= h->undated;
    h->config->n_uses--;
    if (h->record.lost > 0 && --w->suspects == 0) {
        h->group->hungry = 1; /* for the next of them */
        w->want_tick(w->want_arg);
    }
    json_decref(h->run.task);
    json_decref(h->run.parents);
    free(h->json);
    free(h->payload);
    held_put_away(w, h);
}

struct held *held_overstay(struct worker *w, struct held *h)
{
    struct held *twin = held_take(w, h->text_cap);
    char *text = twin->text;
    size_t cap = twin->text_cap, json_at = (size_t)(h->queued - h->text);
    memcpy(text, h->text, h->text_cap);
    *twin = *h;
    twin->config->n_uses++;
    twin->text = text;
    twin->text_cap = cap;
    twin->queued = text + json_at;
    twin->run.id = text;
    twin->run.json = text + (h->run.json - h->text);
    twin->run.traceparent = h->run.traceparent != NULL ? twin->traceparent
                                                       : NULL;
    twin->run.task = NULL; /* these stay with the function */
    twin->run.parents = NULL;
    twin->json = NULL;
    held_unlink(w, h);
    held_link(w, h, HELD_OVERSTAYED);
    held_link(w, twin, HELD_RUNNING);
    h->record.lost = 0; /* counted once */
    h->sync_ms = 0;
    return twin;
}

struct held *held_find(struct worker *w, const char *id, const char *ticket)
{
    for (int s = 0; s < HELD_N; s++)
        for (struct held *h = w->held[s].first; h != NULL; h = h->next)
            if (strcmp(h->run.id, id) == 0 &&
                (ticket == NULL || strcmp(h->record.ticket, ticket) == 0))
                return h;
    return NULL;
}

int held_count(const struct worker *w, const struct worker_group *g)
{
    int n = 0;
    for (int s = 0; s < HELD_N; s++)
        for (const struct held *h = w->held[s].first; h != NULL; h = h->next)
            n += h->group == g && !h->lost;
    return n;
}

/* The next match of a cronline, after now and after the one this run was for;
 * none before the start_time, if this run came before it.
 * *next_ms -1: there is none. Errors: those of task_cron_next_ms. */
static int held_next_ms(struct worker *w, struct held *h, int64_t *next_ms,
                        struct stint_err *err)
{
    *next_ms = -1;
    if (!h->record.cron)
        return 0;
    int64_t after_ms = exchange_redis_ms(w);
    if (after_ms < h->record.next_ms)
        after_ms = h->record.next_ms;
    if (after_ms < h->record.begin_ms)
        after_ms = h->record.begin_ms - 1;
    /* The task as it was queued follows its id. */
    return task_cron_next_ms(h->queued, strlen(h->queued), after_ms, next_ms,
                             err);
}

/* The word for report; behind it when the next run is, if there is one. Where
 * that cannot be told now (no memory, the time zone is not there) the report
 * waits: without it the task would run at a time nobody asked for. */
static void held_set_status(struct worker *w, struct held *h,
                            struct stint_err *err)
{
    char cron[24] = "";
    int64_t next_ms;
    h->undated = held_next_ms(w, h, &next_ms, err) < 0;
    w->n_undated += h->undated;
    h->status = h->word;
    if (next_ms < 0 && h->advice[0] == '\0')
        return;
    if (next_ms >= 0)
        snprintf(cron, sizeof(cron), " %" PRId64, next_ms);
    snprintf(h->status_text, sizeof(h->status_text), "%s%s%s", h->word, cron,
             h->advice);
    h->status = h->status_text;
}

void held_date(struct worker *w, struct held *h, int anyway)
{
    struct stint_err err = {0};
    check(h->undated);
    w->n_undated--;
    held_set_status(w, h, &err);
    if (!h->undated) {
        log_info(w->log, log_event("next_run_time"), log_text("id", h->run.id));
    } else if (anyway) {
        log_error(w->log, log_event("next_run_time"),
                  log_text("id", h->run.id), log_text("error", err.text),
                  log_text("text", "it is reported without"));
        h->undated = 0;
        w->n_undated--;
    }
}

static void held_judge(struct worker *w, struct held *h,
                       const struct run_result *r)
{
    static const char *const words[] = {
        [RUN_COMPLETED] = "COMPLETED", [RUN_FAILED] = "FAILED",
        [RUN_TIMEOUT] = "TIMEOUT", [RUN_STOPPED] = "STOPPED"};
    enum retry_advice retry =
        r->outcome == RUN_FAILED ? r->retry : RETRY_AS_ASKED;
    struct stint_err err = {0};
    h->word = words[r->outcome];
    if (retry == RETRY_NEVER)
        snprintf(h->advice, sizeof(h->advice), " !never");
    else if (retry == RETRY_AFTER)
        snprintf(h->advice, sizeof(h->advice), " !%" PRId64, r->retry_ms);
    held_set_status(w, h, &err);
    if (h->undated)
        log_error(w->log, log_event("next_run_time"),
                  log_text("id", h->run.id), log_text("error", err.text),
                  log_text("text", "its report waits"));
}

static void held_add_evidence(json_t *o, const struct run_result *r)
{
    if (r->has_exit == 1)
        json_object_set_new(o, "exit_status", json_integer(r->exit_status));
    if (r->has_exit == 2)
        json_object_set_new(o, "signal", json_integer(r->signal));
    if (r->has_exit && r->max_rss_kb > 0)
        json_object_set_new(o, "max_rss_kb", json_integer(r->max_rss_kb));
    if (r->has_exit && r->stderr_tail != NULL)
        json_object_set_new(o, "stderr", json_string(r->stderr_tail));
}

void held_set_outcome(struct worker *w, struct held *h,
                      const struct run_result *result)
{
    held_judge(w, h, result);
    if (result->result == NULL && result->output_len == 0 &&
        result->error == NULL && result->has_exit == 0)
        return;
    json_t *o = json_object();
    if (result->result != NULL)
        json_object_set_new(o, "result",
                            json_loadb(result->result, result->result_len,
                                       JSON_DECODE_ANY, NULL));
    if (result->output_len > 0)
        json_object_set_new(o, "output", json_stringn(result->output,
                                                      result->output_len));
    if (result->error != NULL)
        json_object_set_new(o, "error", json_string(result->error));
    if (result->outcome != RUN_COMPLETED)
        held_add_evidence(o, result);
    h->payload = json_write(o, JSON_COMPACT);
    check(h->payload != NULL);
    h->payload_len = strlen(h->payload);
    json_decref(o);
}
