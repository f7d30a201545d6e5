/* SPDX-License-Identifier: MIT */
/* One run on a process that stays: what it is told, what it says, and what
 * becomes of it. What it has written lies in the capture of its process. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "ending.h"
#include "err.h"
#include "pools.h"
#include "text.h"

#define RETRY_S_MAX  315360000 /* ten years */
#define STDERR_SHOWN 2000      /* as evidence */

struct errand *errand_new(struct pool *pool, struct run *run, int64_t now_ms)
{
    struct pools *ps = pool->pools;
    struct errand *e = ps->spare;
    if (e != NULL)
        ps->spare = e->next;
    else
        e = malloc(sizeof(*e));
    check(e != NULL); /* two kilobytes, once a slot */
    e->prev = e->next = NULL;
    e->pool = pool;
    e->run = run;
    e->place = NULL;
    e->came_ms = now_ms;
    e->ending = RUN_COMPLETED;
    e->is_heard = e->has_progress = e->is_new = 0;
    e->percent = -1;
    e->text[0] = e->error[0] = '\0';
    snprintf(e->name, sizeof(e->name), "%s@%" PRIu64, run->id, run->fence);
    run->slot = e;
    return e;
}

/* ---- What it is told ----------------------------------------------------- */

/* The task is text already, and goes as it is. */
static int run_write(struct errand *e, struct buf *frame, int64_t now_ms)
{
    const struct run *run = e->run;
    int64_t deadline_ms = run->deadline_wall_ms + (now_ms - e->came_ms);
    if (frame_begin(frame) < 0 ||
        buf_printf(frame,
                   "{\"type\":\"run\",\"run\":\"%s\",\"timeout\":%" PRId64
                   ".%03d,\"deadline\":%" PRId64 ",\"task\":",
                   e->name, run->timeout_ms / 1000,
                   (int)(run->timeout_ms % 1000), deadline_ms) < 0 ||
        buf_add(frame, run->json, run->json_len) < 0 ||
        buf_add_str(frame, "}") < 0)
        return -1;
    return frame_end(frame);
}

int errand_begin(struct errand *e, struct place *place, int64_t now_ms)
{
    struct buf *frame = &e->pool->pools->frame;
    if (place->functions != NULL &&
        json_object_get(place->functions, e->run->function) == NULL) {
        snprintf(e->error, sizeof(e->error), "the child does not know %s",
                 e->run->function);
        return -1;
    }
    if (run_write(e, frame, now_ms) < 0) {
        snprintf(e->error, sizeof(e->error), "the task, with the results of "
                 "its parents, is over %d bytes", FRAME_BYTES_MAX);
        return -1;
    }
    e->place = place;
    resident_listen(&place->resident);
    resident_send(&place->resident, frame);
    return 0;
}

void errand_cancel(struct errand *e, enum run_outcome why)
{
    struct buf *frame = &e->pool->pools->frame;
    e->ending = why;
    check(frame_begin(frame) == 0 &&
          buf_printf(frame,
                     "{\"type\":\"cancel\",\"run\":\"%s\",\"reason\":\"%s\"}",
                     e->name, why == RUN_TIMEOUT ? "timeout" : "stopped") ==
              0 &&
          frame_end(frame) == 0);
    resident_send(&e->place->resident, frame);
}

/* ---- What it says -------------------------------------------------------- */

void errand_on_progress(struct errand *e, const struct json_t *frame)
{
    const struct executor_options *o = &e->pool->pools->o;
    const json_t *percent = json_object_get(frame, "percent");
    const char *text = json_string_value(json_object_get(frame, "text"));
    double p = json_number_value(percent);
    e->percent = !json_is_number(percent) || !(p >= 0) ? -1
                 : p > 100                             ? 100
                                                       : p;
    size_t len = text ? text_cut(text, strlen(text), PROGRESS_BYTES_MAX) : 0;
    memcpy(e->text, text != NULL ? text : "", len);
    e->text[len] = '\0';
    e->has_progress = e->is_new = 1;
    if (o->on_progress != NULL)
        o->on_progress(e->run, o->arg);
}

static void output_add(struct errand *e, const json_t *text)
{
    if (json_is_string(text))
        capture_add(resident_capture(&e->place->resident), PIPE_OUT,
                    json_string_value(text), json_string_length(text));
}

void errand_on_output(struct errand *e, const struct json_t *frame)
{
    output_add(e, json_object_get(frame, "text"));
}

int errand_news(struct errand *e, struct run_news *news)
{
    struct resident *r = e->place != NULL ? &e->place->resident : NULL;
    int has = r != NULL && r->has_capture;
    int is_new = has && capture_news(&r->capture, news->output);
    if (has && e->is_new && !is_new)
        capture_output(&r->capture, news->output);
    is_new |= e->is_new;
    e->is_new = 0;
    news->has_progress = e->has_progress;
    news->percent = e->percent;
    memcpy(news->text, e->text, sizeof(news->text));
    return is_new;
}

/* ---- What becomes of it -------------------------------------------------- */

/* r: where what it wrote is, NULL: nowhere. */
static void errand_deliver(struct errand *e, struct resident *r,
                           struct run_result *result)
{
    struct pools *ps = e->pool->pools;
    struct run *run = e->run;
    struct buf output;
    if (e->ending != RUN_COMPLETED) { /* whatever was answered */
        result->outcome = e->ending;
        ending_describe(run, e->ending, e->error);
    }
    buf_init(&output, OUTPUT_BYTES_MAX);
    if (r != NULL && r->has_capture) {
        capture_end(&r->capture);
        capture_output(&r->capture, &output);
    }
    result->output = output.len > 0 ? output.data : NULL;
    result->output_len = output.len;
    result->error = e->error[0] != '\0' ? e->error : NULL;
    run->slot = NULL;
    ps->o.on_done(run, result, ps->o.arg);
    buf_close(&output);
    if (r != NULL)
        resident_ignore(r);
    e->next = ps->spare;
    ps->spare = e;
}

void errand_on_done(struct errand *e, const char *json)
{
    struct run_result result = {.outcome = RUN_COMPLETED};
    const char *why = NULL;
    result.result = frame_value(json, "result", &result.result_len);
    if (result.result != NULL)
        why = text_result_fault(result.result, result.result_len);
    if (why != NULL) {
        snprintf(e->error, sizeof(e->error), "%s", why);
        result = (struct run_result){.outcome = RUN_FAILED};
    }
    resident_drain(&e->place->resident);
    errand_deliver(e, &e->place->resident, &result);
}

static void retry_read(const json_t *advice, struct run_result *result)
{
    const char *word = json_string_value(advice);
    double s = json_number_value(advice);
    if (word != NULL && strcmp(word, "never") == 0) {
        result->retry = RETRY_NEVER;
    } else if ((word != NULL && strcmp(word, "now") == 0) ||
               (json_is_number(advice) && s >= 0)) {
        result->retry = RETRY_AFTER;
        result->retry_ms = (int64_t)(1000 * (s < RETRY_S_MAX ? s
                                                             : RETRY_S_MAX));
    }
}

void errand_on_failed(struct errand *e, const struct json_t *frame)
{
    struct resident *r = &e->place->resident;
    struct run_result result = {.outcome = RUN_FAILED};
    const char *text = json_string_value(json_object_get(frame, "error"));
    struct buf tail;
    if (text == NULL || text[0] == '\0')
        text = "it failed, and does not say why";
    size_t len = text_cut(text, strlen(text), ERROR_BYTES_MAX);
    memcpy(e->error, text, len);
    e->error[len] = '\0';
    retry_read(json_object_get(frame, "retry"), &result);
    resident_drain(r);
    output_add(e, json_object_get(frame, "traceback"));
    buf_init(&tail, STDERR_SHOWN);
    if (r->has_capture)
        capture_stderr(&r->capture, STDERR_SHOWN, &tail);
    result.stderr_tail = tail.len > 0 ? tail.data : NULL;
    errand_deliver(e, r, &result);
    buf_close(&tail);
}

/* What its process ended with; text: ERROR_BYTES_MAX + 1 bytes. */
static void loss_describe(struct resident *r, struct run_result *result,
                          char *text)
{
    if (r->fault[0] != '\0')
        snprintf(text, ERROR_BYTES_MAX + 1, "%s", r->fault);
    else if (r->status == -1)
        snprintf(text, ERROR_BYTES_MAX + 1, "it ended, how is not known");
    else if (r->status == 0)
        snprintf(text, ERROR_BYTES_MAX + 1, "exit status 0, without an answer");
    else
        capture_judge(resident_capture(r), r->status, result, text);
}

void errand_lose(struct errand *e, struct resident *r, const char *prefix)
{
    struct run_result result = {0};
    char text[ERROR_BYTES_MAX + 1];
    loss_describe(r, &result, text);
    result = (struct run_result){.outcome = RUN_FAILED};
    if (r->status != -1) {
        capture_add_evidence(resident_capture(r), r->status, &result);
        result.max_rss_kb = r->usage.ru_maxrss;
    }
    size_t n = strlen(prefix);
    size_t len = text_cut(text, strlen(text), ERROR_BYTES_MAX - n);
    snprintf(e->error, sizeof(e->error), "%s%.*s", prefix, (int)len, text);
    errand_deliver(e, r, &result);
}

void errand_end(struct errand *e, enum run_outcome outcome)
{
    struct run_result result = {.outcome = outcome};
    errand_deliver(e, NULL, &result);
}
