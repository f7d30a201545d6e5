/* SPDX-License-Identifier: MIT */
/* What a task may say. One table names every field, its kind, its range and
 * the sentence for whoever gets it wrong; readers by kind do the rest. Nothing
 * stops at the first fault: people want to hear all of them at once. */
#include "task_fields.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "bounds.h"
#include "cron.h"
#include "err.h"
#include "task.h"
#include "time_text.h"
#include "zone.h"

#define TEN_YEARS_S 315576000.0
#define LONG_S      1e10 /* in ms still far below 2^52 */
#define COUNT_MAX   1e15

enum field_kind {
    FIELD_FUNCTION, FIELD_ID, FIELD_LABEL, FIELD_GROUP, FIELD_ARRAY,
    FIELD_OBJECT, FIELD_TIME, FIELD_TIMEOUT, FIELD_SECONDS, FIELD_COUNT,
    FIELD_FACTOR, FIELD_FLAG, FIELD_IDS, FIELD_CRON, FIELD_ZONE,
    FIELD_DEPENDENCY, FIELD_DURABILITY, FIELD_TAGS, FIELD_TRACE
};

struct field {
    const char *name;
    enum field_kind kind;
    size_t at; /* in struct task_fields */
    double min, max;
    const char *text; /* the sentence when it is wrong */
};

#define AT(member) offsetof(struct task_fields, member)
#define SECONDS_TEXT "must be a number of seconds >= 0"
#define TIME_SENTENCE "must be a time: now, +45s, -2h, RFC 3339 with a zone, " \
                      "or seconds since the epoch"
#define FLAG_TEXT "must be true or false"

static const struct field fields[] = {
    {"function", FIELD_FUNCTION, AT(function), 0, 0,
     "must be 1 to 128 of A-Za-z0-9_.:/-"},
    {"args", FIELD_ARRAY, AT(args), 0, 0, "must be a JSON array"},
    {"vars", FIELD_OBJECT, AT(vars), 0, 0, "must be a JSON object"},
    {"id", FIELD_ID, AT(id), 0, 0, "must be 1 to 128 of A-Za-z0-9_.:-"},
    {"task_name", FIELD_LABEL, AT(task_name), 0, 0,
     "must be 1 to 128 bytes of text without control characters"},
    {"group_name", FIELD_GROUP, AT(group_name), 0, 0,
     "must be 1 to 128 of A-Za-z0-9_.-"},
    {"start_time", FIELD_TIME, AT(start_time), 0, 0, TIME_SENTENCE},
    {"stop_time", FIELD_TIME, AT(stop_time), 0, 0, TIME_SENTENCE},
    {"timeout", FIELD_TIMEOUT, AT(timeout_ms), 0, TEN_YEARS_S,
     "must be a number of seconds > 0, at most ten years"},
    {"repeats", FIELD_COUNT, AT(repeats), 0, COUNT_MAX,
     "must be a whole number >= 0 (0: without end)"},
    {"period", FIELD_SECONDS, AT(period_ms), 0, LONG_S, SECONDS_TEXT},
    {"prevent_drift", FIELD_FLAG, AT(prevent_drift), 0, 1, FLAG_TEXT},
    {"retry_failed", FIELD_COUNT, AT(retry_failed), -1, COUNT_MAX,
     "must be a whole number >= -1 (-1: without end)"},
    {"retry_delay", FIELD_SECONDS, AT(delay_ms), 0, LONG_S, SECONDS_TEXT},
    {"retry_backoff", FIELD_FACTOR, AT(backoff), 1, 100,
     "must be a number from 1 to 100"},
    {"retry_max_delay", FIELD_SECONDS, AT(cap_ms), 0, LONG_S, SECONDS_TEXT},
    {"immediate", FIELD_FLAG, AT(immediate), 0, 1, FLAG_TEXT},
    {"priority", FIELD_COUNT, AT(priority), -100, 100,
     "must be a whole number from -100 to 100"},
    {"disabled", FIELD_FLAG, AT(disabled), 0, 1, FLAG_TEXT},
    {"result_ttl", FIELD_SECONDS, AT(ttl_ms), 0, LONG_S, SECONDS_TEXT},
    {"discard_results", FIELD_FLAG, AT(discard_results), 0, 1, FLAG_TEXT},
    {"cronline", FIELD_CRON, AT(cronline), 0, 0,
     "must be five fields: minute hour day month weekday"},
    {"timezone", FIELD_ZONE, AT(timezone), 0, 0,
     "must be the name of a time zone, such as Europe/Rome"},
    {"max_crashes", FIELD_COUNT, AT(max_crashes), -1, COUNT_MAX,
     "must be a whole number >= 1 (-1: without end)"},
    {"depends_on", FIELD_IDS, AT(depends_on), 0, 0,
     "must be an array of up to 1000 ids, ID or GROUP/ID"},
    {"on_dependency", FIELD_DEPENDENCY, AT(on_dependency), 0, 0,
     "must be fail or run"},
    {"broadcast", FIELD_FLAG, AT(broadcast), 0, 1, FLAG_TEXT},
    {"sync_output", FIELD_SECONDS, AT(sync_ms), 0, TEN_YEARS_S, SECONDS_TEXT},
    {"durability", FIELD_DURABILITY, AT(durability), 0, 0,
     "must be 1, 2, 3 or replicas=N with N from 1 to 100"},
    {"tags", FIELD_TAGS, AT(tags), 0, 0,
     "must be an array of up to 16 words, each 1 to 64 of A-Za-z0-9_.:/-"},
    {"traceparent", FIELD_TRACE, AT(traceparent), 0, 0,
     "must be 00-TRACE-SPAN-FLAGS as W3C Trace Context has it"},
};

#define FIELDS_N (sizeof(fields) / sizeof(*fields))

/* ---- Readers: 0, or -1 for a wrong value -------------------------------- */

static int text_is_label(const char *s, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
            return 0;
    return len >= 1 && len <= STINT_NAME_LEN;
}

/* W3C Trace Context, version 00: lower case, and no id is all zeros. */
static int text_is_trace(const char *s, size_t len)
{
    static const char shape[] =
        "00-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx-xxxxxxxxxxxxxxxx-xx";
    if (len != sizeof(shape) - 1)
        return 0;
    for (size_t i = 0; i < len; i++)
        if (shape[i] == 'x' ? strchr("0123456789abcdef", s[i]) == NULL
                            : s[i] != shape[i])
            return 0;
    return strspn(s + 3, "0") < 32 && strspn(s + 36, "0") < 16;
}

static int text_read(const json_t *v, enum field_kind kind, const char **out)
{
    if (!json_is_string(v))
        return -1;
    const char *s = json_string_value(v);
    size_t len = json_string_length(v);
    int ok = kind == FIELD_FUNCTION ? task_name_is_valid(s, len)
             : kind == FIELD_ID     ? task_id_is_valid(s, len)
             : kind == FIELD_GROUP  ? task_group_is_valid(s, len)
             : kind == FIELD_TRACE  ? text_is_trace(s, len)
                                    : text_is_label(s, len);
    if (!ok)
        return -1;
    *out = s;
    return 0;
}

/* Arrays and objects within each other, the value itself counted. */
static int json_is_deeper(json_t *v, int most)
{
    const char *key;
    json_t *child;
    size_t i;
    if (!json_is_array(v) && !json_is_object(v))
        return 0;
    if (most == 0)
        return 1;
    json_array_foreach(v, i, child)
        if (json_is_deeper(child, most - 1))
            return 1;
    json_object_foreach(v, key, child)
        if (json_is_deeper(child, most - 1))
            return 1;
    return 0;
}

static int seconds_read(const json_t *v, const struct field *d, int64_t *ms)
{
    double s = json_number_value(v);
    if (!json_is_number(v) || !(s >= d->min) || !(s <= d->max))
        return -1;
    *ms = (int64_t)(s * 1000 + 0.5);
    return 0;
}

static int timeout_read(json_t *v, const struct field *d,
                        struct task_fields *f)
{
    if (seconds_read(v, d, &f->timeout_ms) || !(json_number_value(v) > 0))
        return -1;
    f->timeout = v;
    return 0;
}

static int count_read(const json_t *v, const struct field *d, int64_t *n)
{
    double value = json_number_value(v);
    if (!json_is_number(v) || !(value >= d->min) || !(value <= d->max) ||
        (double)(int64_t)value < value || (double)(int64_t)value > value)
        return -1;
    *n = (int64_t)value;
    return 0;
}

static int factor_read(const json_t *v, const struct field *d, int64_t *n)
{
    double value = json_number_value(v);
    if (!json_is_number(v) || !(value >= d->min) || !(value <= d->max))
        return -1;
    *n = (int64_t)(value * BACKOFF_UNIT + 0.5);
    return 0;
}

static int time_read(const json_t *v, struct task_time *t)
{
    t->given = 1;
    if (json_is_number(v)) {
        double s = json_number_value(v);
        if (!(s >= 0) || !(s < 253402300800.0))
            return -1;
        t->ms = (int64_t)(s * 1000 + 0.5);
        return 0;
    }
    if (!json_is_string(v) ||
        strlen(json_string_value(v)) != json_string_length(v))
        return -1;
    return time_text_read(json_string_value(v), &t->ms, &t->relative);
}

static int flag_read(const json_t *v, int *flag)
{
    *flag = json_is_true(v);
    return json_is_boolean(v) ? 0 : -1;
}

static int tree_read(json_t *v, enum field_kind kind, json_t **out)
{
    *out = v;
    return kind == FIELD_ARRAY ? -!json_is_array(v) : -!json_is_object(v);
}

static int ids_read(json_t *v, json_t **out)
{
    size_t i;
    json_t *one;
    if (!json_is_array(v) || json_array_size(v) > DEPENDS_MAX)
        return -1;
    json_array_foreach(v, i, one) {
        const char *s = json_string_value(one);
        if (s == NULL || !task_ref_is_valid(s, json_string_length(one)))
            return -1;
    }
    *out = v;
    return 0;
}

static int tags_read(json_t *v, json_t **out)
{
    size_t i;
    json_t *one;
    if (!json_is_array(v) || json_array_size(v) > TAGS_MAX)
        return -1;
    json_array_foreach(v, i, one) {
        const char *s = json_string_value(one);
        if (s == NULL || json_string_length(one) > TAG_LEN_MAX ||
            !task_name_is_valid(s, json_string_length(one)))
            return -1;
    }
    *out = v;
    return 0;
}

static int word_read(const json_t *v, enum field_kind kind, const char **out,
                     struct stint_err *why)
{
    if (!json_is_string(v) ||
        strlen(json_string_value(v)) != json_string_length(v))
        return -1;
    const char *s = json_string_value(v);
    struct cron cron;
    if (kind == FIELD_CRON && cron_parse(&cron, s, why))
        return -1;
    if (kind == FIELD_DEPENDENCY && strcmp(s, "fail") != 0 &&
        strcmp(s, "run") != 0)
        return -1;
    if (kind == FIELD_ZONE) {
        struct zone *z = zone_open(s, why);
        if (z == NULL)
            return -1;
        zone_close(z);
    }
    *out = s;
    return 0;
}

static int durability_read(const json_t *v, struct durability *d)
{
    char level[2] = "";
    if (json_is_integer(v) && json_integer_value(v) >= 1 &&
        json_integer_value(v) <= 3)
        level[0] = (char)('0' + json_integer_value(v));
    return durability_parse(d, json_is_string(v) ? json_string_value(v)
                                                 : level);
}

/* why: what a parser has to say, perhaps. */
static int field_read(struct task_fields *f, const struct field *d, json_t *v,
                      struct stint_err *why)
{
    void *at = (char *)f + d->at;
    switch (d->kind) {
    case FIELD_FUNCTION:
    case FIELD_ID:
    case FIELD_LABEL:
    case FIELD_TRACE:
    case FIELD_GROUP:
        return text_read(v, d->kind, at);
    case FIELD_ARRAY:
    case FIELD_OBJECT:
        return tree_read(v, d->kind, at);
    case FIELD_TIME:
        return time_read(v, at);
    case FIELD_TIMEOUT:
        return timeout_read(v, d, f);
    case FIELD_SECONDS:
        return seconds_read(v, d, at);
    case FIELD_COUNT:
        return count_read(v, d, at);
    case FIELD_FACTOR:
        return factor_read(v, d, at);
    case FIELD_FLAG:
        return flag_read(v, at);
    case FIELD_IDS:
        return ids_read(v, at);
    case FIELD_TAGS:
        return tags_read(v, at);
    case FIELD_CRON:
    case FIELD_ZONE:
    case FIELD_DEPENDENCY:
        return word_read(v, d->kind, at, why);
    case FIELD_DURABILITY:
        return durability_read(v, at);
    }
    return -1;
}

/* ---- The object --------------------------------------------------------- */

static const struct field *field_find(const char *name)
{
    for (size_t i = 0; i < FIELDS_N; i++)
        if (strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

/* The sentence of the table, or what the parser has to say. */
static void field_refuse(const struct field *d, const struct stint_err *why,
                         struct stint_errors *errors)
{
    if (d->kind == FIELD_CRON ? why->code != STINT_OK
                              : why->code == STINT_SYSTEM)
        errors_add(errors, d->name, "%.110s", why->text);
    else
        errors_add(errors, d->name, "%s", d->text);
}

/* What is right by itself, but not together. */
static void fields_compare(const struct task_fields *f, const json_t *object,
                           struct stint_errors *errors)
{
    if (f->timezone != NULL && json_object_get(object, "cronline") == NULL)
        errors_add(errors, "timezone", "has no meaning without a cronline");
    if (f->on_dependency != NULL &&
        json_object_get(object, "depends_on") == NULL)
        errors_add(errors, "on_dependency",
                   "has no meaning without depends_on");
    if (f->max_crashes == 0)
        errors_add(errors, "max_crashes",
                   "must be a whole number >= 1 (-1: without end)");
    if (f->broadcast && f->id != NULL && strlen(f->id) > 120)
        errors_add(errors, "id", "must be up to 120 characters with broadcast");
}

static int field_take(struct task_fields *f, const char *key, json_t *v,
                      struct stint_errors *errors)
{
    const struct field *d = field_find(key);
    struct stint_err why = {0};
    if (d == NULL) {
        errors_add(errors, key, "unknown option");
    } else if (field_read(f, d, v, &why)) {
        if (why.code == STINT_NOMEM)
            return -1;
        field_refuse(d, &why, errors);
    } else if ((d->kind == FIELD_ARRAY || d->kind == FIELD_OBJECT) &&
               json_is_deeper(v, JSON_DEPTH_MAX)) {
        errors_add(errors, d->name, "must not be nested deeper than %d",
                   JSON_DEPTH_MAX);
    }
    return 0;
}

int task_fields_read(struct task_fields *f, json_t *object,
                     struct stint_errors *errors)
{
    const char *key;
    json_t *v;
    *f = (struct task_fields){.period_ms = 60000, .delay_ms = -1,
                              .cap_ms = 3600000, .ttl_ms = 86400000,
                              .timeout_ms = 60000, .repeats = -1,
                              .max_crashes = 3, .backoff = BACKOFF_UNIT,
                              .durability = {1, 0}};
    if (json_object_get(object, "function") == NULL)
        errors_add(errors, "function", "is required");
    json_object_foreach(object, key, v) {
        if (field_take(f, key, v, errors))
            return -1;
    }
    fields_compare(f, object, errors);
    return 0;
}

/* ---- From options ------------------------------------------------------- */

/* What JSON cannot hold (NaN, bytes that are not UTF-8) goes in as null, and
 * is refused with the others; only errno tells it from a lack of memory. */
static int put(json_t *object, const char *name, json_t *v)
{
    if (v == NULL && errno == ENOMEM)
        return -1;
    return json_object_set_new(object, name, v != NULL ? v : json_null());
}

static int put_text(json_t *object, const char *name, const char *s)
{
    return s == NULL ? 0 : put(object, name, json_string(s));
}

static int put_flag(json_t *object, const char *name, int on)
{
    return on ? put(object, name, json_true()) : 0;
}

static int put_count(json_t *object, const char *name, int64_t n,
                     int64_t usual)
{
    return n == usual ? 0 : put(object, name, json_integer(n));
}

static int put_number(json_t *object, const char *name, double d, double usual)
{
    if (d >= usual && d <= usual)
        return 0;
    if (d > -1e15 && d < 1e15 && !((double)(int64_t)d < d) &&
        !((double)(int64_t)d > d))
        return put(object, name, json_integer((json_int_t)d));
    return put(object, name, json_real(d));
}

static int put_tree(json_t *object, const char *name, const char *text,
                    struct stint_errors *errors)
{
    json_error_t why;
    if (text == NULL)
        return 0;
    json_t *v = json_read(text, strlen(text),
                          JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (v == NULL && errno == ENOMEM)
        return -1;
    if (v == NULL) {
        errors_add(errors, name, "is not JSON: %.80s (line %d, column %d)",
                   why.text, why.line, why.column);
        return 0;
    }
    return put(object, name, v);
}

static int put_texts(json_t *object, const struct stint_task_options *o)
{
    return put_text(object, "function", o->function) ||
           put_text(object, "id", o->id) ||
           put_text(object, "task_name", o->task_name) ||
           put_text(object, "group_name", o->group_name) ||
           put_text(object, "start_time", o->start_time) ||
           put_text(object, "stop_time", o->stop_time) ||
           put_text(object, "cronline", o->cronline) ||
           put_text(object, "timezone", o->timezone) ||
           put_text(object, "on_dependency", o->on_dependency) ||
           put_text(object, "durability", o->durability) ||
           put_text(object, "traceparent", o->traceparent);
}

static int put_rules(json_t *object, const struct stint_task_options *o)
{
    return put_number(object, "timeout", o->timeout_s, 60) ||
           put_count(object, "repeats", o->repeats, -1) ||
           put_number(object, "period", o->period_s, 60) ||
           put_flag(object, "prevent_drift", o->prevent_drift) ||
           put_count(object, "retry_failed", o->retry_failed, 0) ||
           put_number(object, "retry_delay", o->retry_delay_s, -1) ||
           put_number(object, "retry_backoff", o->retry_backoff, 1) ||
           put_number(object, "retry_max_delay", o->retry_max_delay_s, 3600) ||
           put_flag(object, "immediate", o->immediate) ||
           put_count(object, "priority", o->priority, 0) ||
           put_flag(object, "disabled", o->disabled) ||
           put_number(object, "result_ttl", o->result_ttl_s, 86400) ||
           put_flag(object, "discard_results", o->discard_results) ||
           put_count(object, "max_crashes", o->max_crashes, 3) ||
           put_flag(object, "broadcast", o->broadcast) ||
           put_number(object, "sync_output", o->sync_output_s, 0);
}

json_t *task_fields_from_options(const struct stint_task_options *o,
                                 struct stint_errors *errors)
{
    errno = 0; /* for put */
    json_t *object = json_object();
    if (object == NULL || put_texts(object, o) ||
        put_tree(object, "args", o->args, errors) ||
        put_tree(object, "vars", o->vars, errors) ||
        put_tree(object, "depends_on", o->depends_on, errors) ||
        put_tree(object, "tags", o->tags, errors) ||
        put_rules(object, o)) {
        json_decref(object);
        return NULL;
    }
    return object;
}
