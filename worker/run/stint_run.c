/* SPDX-License-Identifier: MIT */
/* What a handler sees and says. Nothing here locks: a run belongs to the
 * thread of its handler until that has returned; what others may touch
 * meanwhile is behind ops. */
#include "stint_run.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "clock.h"
#include "task.h"
#include "text.h"

#define LOG_LINE_MAX  4096 /* bytes of one stint_run_log */
#define RETRY_S_MAX   315360000 /* ten years */

/* ---- What it is given --------------------------------------------------- */

const char *stint_run_id(const stint_run *r)
{
    return r->id;
}

const char *stint_run_function(const stint_run *r)
{
    return r->function;
}

uint64_t stint_run_fence(const stint_run *r)
{
    return r->fence;
}

int stint_run_attempt(const stint_run *r)
{
    return r->attempt;
}

int64_t stint_run_deadline_ms(const stint_run *r)
{
    return r->deadline_wall_ms;
}

double stint_run_left_s(const stint_run *r)
{
    int64_t now_ms = r->ops->mono_ms != NULL
                         ? r->ops->mono_ms((stint_run *)r)
                         : clock_mono_ms();
    return (double)(r->end_mono_ms - now_ms) / 1000;
}

/* A run is never const itself: what was parsed is cached in it. */
static struct json_t *run_part(const stint_run *r, const char *key)
{
    stint_run *own = (stint_run *)r;
    if (own->task == NULL)
        own->task = json_loadb(r->json, r->json_len, 0, NULL);
    if (own->task == NULL)
        own->refused = "the task is no JSON, or out of memory";
    return json_object_get(own->task, key);
}

static const char *run_part_text(const stint_run *r, const char *key,
                                 char **text, const char *none)
{
    if (*text != NULL)
        return *text;
    const json_t *part = run_part(r, key);
    if (part == NULL)
        return none;
    *text = json_write(part, JSON_COMPACT | JSON_ENCODE_ANY);
    if (*text == NULL)
        ((stint_run *)r)->refused = "out of memory";
    return *text != NULL ? *text : none;
}

const char *stint_run_args(const stint_run *r)
{
    return run_part_text(r, "args", &((stint_run *)r)->args, "[]");
}

const char *stint_run_vars(const stint_run *r)
{
    return run_part_text(r, "vars", &((stint_run *)r)->vars, "{}");
}

const struct json_t *stint_run_arg(const stint_run *r, size_t i)
{
    return json_array_get(run_part(r, "args"), i);
}

const struct json_t *stint_run_var(const stint_run *r, const char *name)
{
    return json_object_get(run_part(r, "vars"), name);
}

const char *stint_run_traceparent(const stint_run *r)
{
    return json_string_value(run_part(r, "traceparent"));
}

int stint_run_is_cancelled(const stint_run *r)
{
    return r->ops->is_cancelled((stint_run *)r);
}

/* ---- What it says ------------------------------------------------------- */

static int result_refuse(stint_run *r, const char *why)
{
    r->refused = why;
    return -1;
}

int stint_run_set_result(stint_run *r, const char *json)
{
    size_t len = strlen(json);
    const char *why = text_result_fault(json, len);
    if (why != NULL)
        return result_refuse(r, why);
    char *copy = malloc(len + 1);
    if (copy == NULL)
        return result_refuse(r, "out of memory");
    memcpy(copy, json, len + 1);
    free(r->result);
    r->result = copy;
    r->result_len = len;
    return 0;
}

int stint_run_set_result_json(stint_run *r, const struct json_t *value)
{
    char *text = json_write(value, JSON_COMPACT | JSON_ENCODE_ANY);
    if (text == NULL)
        return result_refuse(r, "the result is no JSON, or out of memory");
    int rc = stint_run_set_result(r, text);
    free(text);
    return rc;
}

/* Valid UTF-8 of at most max bytes of a text. to: max + 1 bytes. */
static void text_fit(char *to, size_t max, const char *text)
{
    struct buf clean;
    size_t len = strnlen(text, max * 4);
    to[0] = '\0';
    buf_init(&clean, max * 16);
    if (text_clean(&clean, text, len) == 0 && clean.len > 0) {
        len = text_cut(clean.data, clean.len, max);
        memcpy(to, clean.data, len);
        to[len] = '\0';
    }
    buf_close(&clean);
}

void stint_run_set_error(stint_run *r, const char *text)
{
    text_fit(r->error, ERROR_BYTES_MAX, text);
}

void stint_run_set_retry(stint_run *r, double delay_s)
{
    if (!(delay_s >= 0)) {
        r->retry = RETRY_NEVER;
        return;
    }
    r->retry = RETRY_AFTER;
    r->retry_ms = delay_s < RETRY_S_MAX ? (int64_t)(delay_s * 1000)
                                          : INT64_C(1000) * RETRY_S_MAX;
}

void stint_run_progress(stint_run *r, double percent, const char *text)
{
    char fit[PROGRESS_BYTES_MAX + 1] = "";
    if (text != NULL)
        text_fit(fit, PROGRESS_BYTES_MAX, text);
    if (!(percent >= 0))
        percent = -1;
    r->ops->progress(r, percent > 100 ? 100 : percent, fit);
}

void stint_run_log(stint_run *r, const char *format, ...)
{
    char line[LOG_LINE_MAX];
    va_list values;
    va_start(values, format);
    int n = vsnprintf(line, sizeof(line) - 1, format, values);
    va_end(values);
    if (n < 0)
        return;
    size_t len = (size_t)n < sizeof(line) - 2 ? (size_t)n : sizeof(line) - 2;
    if (len == 0 || line[len - 1] != '\n')
        line[len++] = '\n';
    r->ops->log(r, line, len);
}

/* ---- For executors ------------------------------------------------------ */

void stint_run_clear(struct stint_run *r)
{
    const struct stint_run_ops *ops = r->ops;
    json_decref(r->task);
    free(r->args);
    free(r->vars);
    free(r->result);
    r->error[0] = '\0';
    r->id = r->function = r->json = r->refused = NULL;
    r->json_len = r->result_len = 0;
    r->retry = RETRY_AS_ASKED;
    r->retry_ms = 0;
    r->result = r->args = r->vars = NULL;
    r->task = NULL;
    r->ops = ops;
}

void stint_run_judge(struct stint_run *r, int status,
                     struct run_result *result)
{
    result->outcome = RUN_COMPLETED;
    if (status != 0) {
        result->outcome = RUN_FAILED;
        if (r->error[0] == '\0')
            snprintf(r->error, sizeof(r->error), "returned %d", status);
    } else if (r->refused != NULL) {
        result->outcome = RUN_FAILED;
        snprintf(r->error, sizeof(r->error), "%s", r->refused);
    }
    result->result = r->refused != NULL ? NULL : r->result;
    result->result_len = result->result != NULL ? r->result_len : 0;
    if (result->outcome == RUN_COMPLETED)
        return;
    result->error = r->error;
    result->retry = r->retry;
    result->retry_ms = r->retry_ms;
}
