/* SPDX-License-Identifier: MIT */
/* What the library tells, as JSON. */
#include "api_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    DEPTH_MAX = 100,      /* of values within each other: reading and writing
                             them recurs, and a handler's stack is small */
    LIST_BYTES_MAX = 4096 /* of args, and of vars, in a list */
};
static const char hidden[] = "(hidden)";

/* ---- Building ------------------------------------------------------------- */

static json_t *made(json_t *v)
{
    if (v)
        return v;
    fputs("stint: out of memory\n", stderr);
    abort();
}

json_t *api_object(void)
{
    return made(json_object());
}

json_t *api_array(void)
{
    return made(json_array());
}

void api_put(json_t *object, const char *key, json_t *v)
{
    if (json_object_set_new(object, key, v))
        made(NULL);
}

void api_add(json_t *array, json_t *v)
{
    if (json_array_append_new(array, v))
        made(NULL);
}

/* ---- Simple values -------------------------------------------------------- */

/* Bytes of the UTF-8 character at p; 0: it is none. A NUL ends every loop. */
static size_t utf8_len(const unsigned char *p)
{
    size_t n = *p < 0x80                 ? 1
               : *p >= 0xc2 && *p < 0xe0 ? 2
               : *p >= 0xe0 && *p < 0xf0 ? 3
               : *p >= 0xf0 && *p < 0xf5 ? 4
                                         : 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
        (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

/* Three bytes for each that is no UTF-8. */
static json_t *text_mended(const char *text)
{
    char *to = malloc(3 * strlen(text) + 1);
    if (!to)
        return made(NULL);
    size_t used = 0;
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        size_t n = utf8_len(p);
        memcpy(to + used, n ? (const char *)p : "\xef\xbf\xbd", n ? n : 3);
        used += n ? n : 3;
        p += n ? n : 1;
    }
    json_t *v = made(json_stringn(to, used));
    free(to);
    return v;
}

json_t *api_text(const char *text)
{
    if (!text)
        return json_null();
    json_t *v = json_string(text);
    return v ? v : text_mended(text);
}

json_t *api_number(int64_t n)
{
    return made(json_integer(n));
}

json_t *api_known(int64_t n)
{
    return n < 0 ? json_null() : api_number(n);
}

json_t *api_real(double d)
{
    json_t *v = json_real(d);
    return v ? v : json_null(); /* JSON knows no infinity */
}

json_t *api_flag_value(bool on)
{
    return json_boolean(on);
}

const char *api_time_text(int64_t ms, char text[API_TIME_LEN])
{
    char date[24];
    int64_t rest = (ms % 1000 + 1000) % 1000;
    time_t t = (time_t)((ms - rest) / 1000);
    struct tm tm;
    if (!gmtime_r(&t, &tm) ||
        !strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm))
        return NULL;
    snprintf(text, API_TIME_LEN, "%s.%03dZ", date, (int)rest);
    return text;
}

json_t *api_time(int64_t ms)
{
    char text[API_TIME_LEN];
    return api_text(ms ? api_time_text(ms, text) : NULL);
}

json_t *api_seconds(int64_t ms)
{
    return ms % 1000 ? api_real((double)ms / 1000) : api_number(ms / 1000);
}

/* ---- Values of people ------------------------------------------------------ */

/* How deep it goes, without recursion, and in excess where brackets stand
 * within strings. */
static int text_depth(const char *json)
{
    int depth = 0, most = 0;
    for (; *json; json++) {
        depth += (*json == '[' || *json == '{') - (*json == ']' || *json == '}');
        most = depth > most ? depth : most;
    }
    return most;
}

/* At most DEPTH_MAX deep. */
static void value_hide(const struct call *c, json_t *v)
{
    const char *key;
    json_t *child;
    size_t i;
    void *next;
    if (json_is_array(v)) {
        json_array_foreach(v, i, child)
            value_hide(c, child);
        return;
    }
    json_object_foreach_safe(v, next, key, child) {
        if (call_hides(c, key))
            api_put(v, key, api_text(hidden));
        else
            value_hide(c, child);
    }
}

json_t *api_value(const struct call *c, const char *name, const char *json)
{
    if (!json)
        return json_null();
    if (call_hides(c, name))
        return api_text(hidden);
    if (text_depth(json) > DEPTH_MAX)
        return api_text("(nested too deeply to be shown)");
    json_t *v = json_loads(json, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (!v)
        return api_text(json);
    value_hide(c, v);
    return v;
}

json_t *api_output(const struct call *c, const char *name, const char *text)
{
    return api_text(text && call_hides(c, name) ? hidden : text);
}

/* ---- A task ---------------------------------------------------------------- */

static json_t *status_runs(const struct call *c, const struct stint_status *t)
{
    json_t *runs = api_array();
    for (size_t i = 0; i < t->n_runs; i++) {
        const struct stint_run_status *r = &t->runs[i];
        json_t *o = api_object();
        api_put(o, "run_id", api_text(r->run_id));
        api_put(o, "status", api_text(r->status));
        api_put(o, "worker", api_text(r->worker));
        api_put(o, "start_time", api_time(r->start_time_ms));
        api_put(o, "stop_time", api_time(r->stop_time_ms));
        api_put(o, "result", api_value(c, "result", r->result));
        api_put(o, "output", api_output(c, "output", r->output));
        api_put(o, "error", api_output(c, "error", r->error));
        api_put(o, "evidence", api_value(c, "evidence", r->evidence));
        api_add(runs, o);
    }
    return runs;
}

static void status_put_payload(const struct call *c, json_t *o,
                               const struct stint_status *t, unsigned flags)
{
    const struct {
        const char *name, *json;
    } of[] = {{"args", t->args}, {"vars", t->vars}};
    json_t *cut = api_array();
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        bool big = (flags & API_IN_LIST) && of[i].json &&
                   strlen(of[i].json) > LIST_BYTES_MAX;
        api_put(o, of[i].name,
                big ? json_null() : api_value(c, of[i].name, of[i].json));
        if (big)
            api_add(cut, api_text(of[i].name));
    }
    if (json_array_size(cut))
        api_put(o, "cut", cut);
    else
        json_decref(cut);
}

static void status_put_progress(json_t *o, const struct stint_status *t)
{
    if (t->percent < 0 && !t->progress)
        return;
    json_t *p = api_object();
    api_put(p, "percent", t->percent >= 0 ? api_real(t->percent) : json_null());
    api_put(p, "text", api_text(t->progress ? t->progress : ""));
    api_put(o, "progress", p);
}

/* How it is to run: what a page of schedules wants. */
static void status_put_rules(json_t *o, const struct stint_status *t)
{
    json_t *tags = json_loads(t->tags ? t->tags : "[]", 0, NULL);
    api_put(o, "tags", json_is_array(tags) ? json_incref(tags) : api_array());
    json_decref(tags);
    api_put(o, "traceparent", api_text(t->traceparent));
    api_put(o, "priority", api_number(t->priority));
    api_put(o, "immediate", api_flag_value(t->immediate));
    api_put(o, "disabled", api_flag_value(t->disabled));
    api_put(o, "cronline", api_text(t->cronline));
    api_put(o, "timezone", api_text(t->timezone));
    api_put(o, "period", api_real(t->period_s));
    api_put(o, "prevent_drift", api_flag_value(t->prevent_drift));
    api_put(o, "repeats", api_number(t->repeats));
}

json_t *api_status(const struct call *c, const struct stint_status *t,
                   unsigned flags)
{
    json_t *o = api_object();
    api_put(o, "id", api_text(t->id));
    api_put(o, "function", api_text(t->function));
    api_put(o, "task_name", api_text(t->task_name));
    api_put(o, "group_name", api_text(t->group_name));
    api_put(o, "status", api_text(t->status));
    status_put_payload(c, o, t, flags);
    api_put(o, "start_time", api_time(t->start_time_ms));
    api_put(o, "stop_time", api_time(t->stop_time_ms));
    api_put(o, "next_run_time", api_time(t->next_run_time_ms));
    api_put(o, "last_run_time", api_time(t->last_run_time_ms));
    api_put(o, "times_run", api_number(t->times_run));
    api_put(o, "times_failed", api_number(t->times_failed));
    api_put(o, "worker", api_text(t->worker));
    api_put(o, "reason", api_text(t->reason));
    status_put_rules(o, t);
    status_put_progress(o, t);
    if (flags & STINT_WITH_OUTPUT) {
        api_put(o, "result", api_value(c, "result", t->result));
        api_put(o, "output", api_output(c, "output", t->output));
        api_put(o, "error", api_output(c, "error", t->error));
    }
    if (flags & STINT_WITH_RUNS)
        api_put(o, "runs", status_runs(c, t));
    return o;
}

json_t *api_errors(const struct stint_errors *errors)
{
    json_t *o = api_object();
    for (size_t i = 0; i < errors->n && i < STINT_ERRORS_MAX; i++)
        if (!json_object_get(o, errors->at[i].field))
            json_object_set_new(o, errors->at[i].field,
                                api_text(errors->at[i].text));
    return o;
}
