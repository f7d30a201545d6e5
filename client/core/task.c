/* SPDX-License-Identifier: MIT */
/* A task on its way: from what people write to the arguments of queue_task,
 * from the record in Redis to numbers, and to the JSON a run reads. Options
 * become a JSON object first, so there is one way in, and one set of rules
 * (task_fields.c). */
#include "task.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "bounds.h"
#include "buf.h"
#include "clock.h"
#include "cron.h"
#include "err.h"
#include "task_fields.h"
#include "time_text.h"

/* ---- Names -------------------------------------------------------------- */

static int name_is_of(const char *s, size_t len, size_t most, const char *more)
{
    for (size_t i = 0; i < len; i++) {
        char c = s[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
              (c >= '0' && c <= '9') || (c != '\0' && strchr(more, c))))
            return 0;
    }
    return len >= 1 && len <= most;
}

int task_id_is_valid(const char *id, size_t len)
{
    return name_is_of(id, len, STINT_ID_LEN, "_.:-");
}

int task_name_is_valid(const char *name, size_t len)
{
    return name_is_of(name, len, STINT_NAME_LEN, "_.:/-");
}

int task_group_is_valid(const char *name, size_t len)
{
    return name_is_of(name, len, STINT_NAME_LEN, "_.-");
}

int task_ref_is_valid(const char *ref, size_t len)
{
    const char *slash = memchr(ref, '/', len);
    if (slash == NULL)
        return task_id_is_valid(ref, len);
    size_t group = (size_t)(slash - ref);
    return task_group_is_valid(ref, group) &&
           task_id_is_valid(slash + 1, len - group - 1);
}

static void random_fill(void *data, size_t len)
{
    char *at = data;
    while (len > 0) {
        ssize_t n = getrandom(at, len, 0);
        check(n > 0 || errno == EINTR);
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
}

void task_id_make(char id[static STINT_ID_LEN + 1])
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    uint64_t r, us = (uint64_t)clock_wall_us();
    random_fill(&r, sizeof(r));
    /* 12 bits of the millisecond (RFC 9562, 6.2, method 3): tasks that a
     * program makes one after the other keep that order. */
    uint64_t high = us / 1000 << 16 | 0x7000 | us % 1000 * 4096 / 1000;
    uint64_t low = (r >> 2) | (UINT64_C(1) << 63);
    for (int i = 25; i >= 0; i--) {
        id[i] = digits[low & 31];
        low = (low >> 5) | (high << 59);
        high >>= 5;
    }
    id[26] = '\0';
}

/* ---- Rules -------------------------------------------------------------- */

struct rules {
    char *text;
    size_t len, cap;
};

static void rule_add(struct rules *r, const char *key, const char *value)
{
    int n = snprintf(r->text + r->len, r->cap - r->len, "%s%s=%s",
                     r->len > 0 ? " " : "", key, value);
    check(n > 0 && (size_t)n < r->cap - r->len);
    r->len += (size_t)n;
}

static void rule_i64(struct rules *r, const char *key, int64_t value,
                     int64_t usual)
{
    char text[24];
    if (value == usual)
        return;
    snprintf(text, sizeof(text), "%" PRId64, value);
    rule_add(r, key, text);
}

/* By hand: printf would write the locale's decimal point. */
static void rule_backoff(struct rules *r, int64_t value)
{
    char text[32];
    if (value == BACKOFF_UNIT)
        return;
    int n = snprintf(text, sizeof(text), "%" PRId64 ".%05" PRId64,
                     value / BACKOFF_UNIT, value % BACKOFF_UNIT);
    while (text[n - 1] == '0')
        text[--n] = '\0';
    if (text[n - 1] == '.')
        text[--n] = '\0';
    rule_add(r, "backoff", text);
}

/* The priority, and half a step above it when immediate. */
static void rule_level(struct rules *r, int64_t priority, int immediate)
{
    char text[24];
    if (!immediate) {
        rule_i64(r, "level", priority, 0);
        return;
    }
    int64_t twice = 2 * priority + 1;
    snprintf(text, sizeof(text), "%s%" PRId64 ".5", twice < 0 ? "-" : "",
             (twice < 0 ? -twice : twice) / 2);
    rule_add(r, "level", text);
}

static void task_write_rules(struct stint_task *t, const struct task_fields *f)
{
    struct rules r = {t->rules, 0, sizeof(t->rules)};
    int64_t repeats = f->repeats >= 0        ? f->repeats
                      : f->cronline != NULL ? 0
                                            : 1;
    rule_i64(&r, "repeats", repeats, 1);
    rule_i64(&r, "period", f->period_ms, 60000);
    rule_i64(&r, "drift", f->prevent_drift, 0);
    rule_i64(&r, "retry", f->retry_failed, 0);
    rule_i64(&r, "delay", f->delay_ms, -1);
    rule_backoff(&r, f->backoff);
    rule_i64(&r, "cap", f->cap_ms, 3600000);
    rule_level(&r, f->priority, f->immediate);
    rule_i64(&r, "disabled", f->disabled, 0);
    rule_i64(&r, "ttl", f->ttl_ms, 86400000);
    rule_i64(&r, "discard", f->discard_results, 0);
    rule_i64(&r, "crashes", f->max_crashes, 3);
    rule_i64(&r, "cron", f->cronline != NULL, 0);
    rule_i64(&r, "anyway", f->on_dependency != NULL &&
                               strcmp(f->on_dependency, "run") == 0, 0);
    rule_i64(&r, "cast", f->broadcast, 0);
}

int durability_parse(struct durability *d, const char *text)
{
    char *end;
    *d = (struct durability){1, 0};
    if (strncmp(text, "replicas=", 9) == 0) {
        long n = strtol(text + 9, &end, 10);
        if (*end != '\0' || text[9] < '1' || text[9] > '9' || n > 100)
            return -1;
        d->replicas = (int)n;
        return 0;
    }
    if (text[0] < '1' || text[0] > '3' || text[1] != '\0')
        return -1;
    d->level = text[0] - '0';
    d->replicas = d->level == 3;
    return 0;
}

/* ---- Making ------------------------------------------------------------- */

static void time_write(char text[static 24], const struct task_time *t)
{
    snprintf(text, 24, t->relative ? "%+" PRId64 : "%" PRId64, t->ms);
}

static json_t *task_rest(const struct task_fields *f)
{
    json_t *rest = json_object();
    int bad = rest == NULL;
    if (!bad && json_array_size(f->args) > 0)
        bad |= json_object_set(rest, "args", f->args);
    if (!bad && json_object_size(f->vars) > 0)
        bad |= json_object_set(rest, "vars", f->vars);
    if (!bad && f->task_name && strcmp(f->task_name, f->function) != 0)
        bad |= json_object_set_new(rest, "task_name",
                                   json_string(f->task_name));
    if (!bad && f->timeout && f->timeout_ms != 60000)
        bad |= json_object_set(rest, "timeout", f->timeout);
    if (!bad && json_array_size(f->depends_on) > 0)
        bad |= json_object_set(rest, "depends_on", f->depends_on);
    if (!bad && f->cronline)
        bad |= json_object_set_new(rest, "cronline", json_string(f->cronline));
    if (!bad && f->timezone)
        bad |= json_object_set_new(rest, "timezone", json_string(f->timezone));
    if (!bad && f->traceparent)
        bad |= json_object_set_new(rest, "traceparent",
                                   json_string(f->traceparent));
    if (!bad && json_array_size(f->tags) > 0)
        bad |= json_object_set(rest, "tags", f->tags);
    if (!bad && f->sync_ms > 0)
        bad |= json_object_set_new(rest, "sync_output",
                                   json_real((double)f->sync_ms / 1000));
    if (bad) {
        json_decref(rest);
        return NULL;
    }
    return rest;
}

/* Parents and the cronline; -1: out of memory. */
static int task_copy_texts(struct stint_task *t, const struct task_fields *f)
{
    size_t i;
    json_t *one;
    struct buf b;
    buf_init(&b, DEPENDS_MAX * (STINT_ID_LEN + STINT_NAME_LEN + 2));
    json_array_foreach(f->depends_on, i, one)
        if (buf_printf(&b, "%s%s", i > 0 ? " " : "",
                       json_string_value(one)) < 0) {
            buf_close(&b);
            return -1;
        }
    t->depends = b.len > 0 ? buf_take(&b) : NULL;
    if (f->cronline != NULL && (t->cronline = strdup(f->cronline)) == NULL)
        return -1;
    if (f->timezone != NULL && (t->timezone = strdup(f->timezone)) == NULL)
        return -1;
    return 0;
}

static int task_write_text(struct stint_task *t, const struct task_fields *f)
{
    json_t *rest = task_rest(f);
    char *json = rest != NULL ? json_write(rest, JSON_COMPACT) : NULL;
    size_t name_len = strlen(f->function);
    size_t json_len = json != NULL ? strlen(json) : 0;
    json_decref(rest);
    t->text = json != NULL ? malloc(name_len + json_len + 2) : NULL;
    if (t->text != NULL) {
        memcpy(t->text, f->function, name_len);
        t->text[name_len] = ' ';
        memcpy(t->text + name_len + 1, json, json_len + 1);
        t->text_len = name_len + 1 + json_len;
    }
    free(json);
    return t->text != NULL ? 0 : -1;
}

static int task_fill(struct stint_task *t, const struct task_fields *f,
                     struct stint_err *err)
{
    if (task_write_text(t, f) || task_copy_texts(t, f))
        return err_set(err, STINT_NOMEM, "out of memory");
    t->durability = f->durability;
    if (f->id != NULL)
        snprintf(t->id, sizeof(t->id), "%s", f->id);
    else
        task_id_make(t->id);
    snprintf(t->group, sizeof(t->group), "%s",
             f->group_name != NULL ? f->group_name : "main");
    snprintf(t->function, sizeof(t->function), "%s", f->function);
    snprintf(t->start, sizeof(t->start), "+0");
    if (f->start_time.given)
        time_write(t->start, &f->start_time);
    if (f->stop_time.given)
        time_write(t->stop, &f->stop_time);
    task_write_rules(t, f);
    return 0;
}

/* Says in err what errors says at length. */
static void errors_sum_up(const struct stint_errors *errors,
                          struct stint_err *err)
{
    if (errors->n == 1)
        err_set(err, STINT_INVALID, "%s: %s", errors->at[0].field,
                errors->at[0].text);
    else
        err_set(err, STINT_INVALID, "%zu options are wrong; %s: %s", errors->n,
                errors->at[0].field, errors->at[0].text);
}

static struct stint_task *task_from_object(json_t *object,
                                           struct stint_errors *errors,
                                           struct stint_err *err)
{
    struct task_fields f;
    int rc = task_fields_read(&f, object, errors);
    if (rc == 0 && errors->n > 0) {
        errors_sum_up(errors, err);
        return NULL;
    }
    struct stint_task *t = rc == 0 ? calloc(1, sizeof(*t)) : NULL;
    if (t == NULL) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    if (task_fill(t, &f, err)) {
        stint_task_free(t);
        return NULL;
    }
    if (t->text_len - strlen(t->function) - 1 >
        PAYLOAD_BYTES_MAX - STINT_NAME_LEN - 16) {
        errors_add(errors, "args", "too big: with vars more than %d bytes",
                   PAYLOAD_BYTES_MAX - STINT_NAME_LEN - 16);
        errors_sum_up(errors, err);
        stint_task_free(t);
        return NULL;
    }
    return t;
}

stint_task *stint_task_from_json(const char *json, size_t len,
                                 struct stint_errors *errors,
                                 struct stint_err *err)
{
    struct stint_errors own;
    json_error_t why;
    errors = errors != NULL ? errors : &own;
    errors->n = 0;
    json_t *object = json_read(json, len,
                               JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &why);
    if (object == NULL && errno == ENOMEM) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    if (!json_is_object(object)) {
        if (object == NULL)
            errors_add(errors, "task", "is not JSON: %.80s (column %d)",
                       why.text, why.column);
        else
            errors_add(errors, "task", "must be a JSON object");
        json_decref(object);
        errors_sum_up(errors, err);
        return NULL;
    }
    struct stint_task *t = task_from_object(object, errors, err);
    json_decref(object);
    return t;
}

stint_task *stint_task_new(const struct stint_task_options *o,
                           struct stint_errors *errors, struct stint_err *err)
{
    struct stint_task_options full = STINT_TASK_OPTIONS_INIT;
    struct stint_errors own;
    errors = errors != NULL ? errors : &own;
    errors->n = 0;
    if (o == NULL || o->size < offsetof(struct stint_task_options, args)) {
        err_set(err, STINT_INVALID, "the options' size is not set");
        return NULL;
    }
    memcpy(&full, o, o->size < sizeof(full) ? o->size : sizeof(full));
    json_t *object = task_fields_from_options(&full, errors);
    if (object == NULL) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    struct stint_task *t = task_from_object(object, errors, err);
    json_decref(object);
    return t;
}

void stint_task_free(stint_task *t)
{
    if (t == NULL)
        return;
    free(t->depends);
    free(t->cronline);
    free(t->timezone);
    free(t->text);
    free(t);
}

const char *stint_task_id(const stint_task *t)
{
    return t->id;
}

const char *stint_task_group(const stint_task *t)
{
    return t->group;
}

/* ---- Cronlines ---------------------------------------------------------- */

/* *next_ms -1: it never matches again. */
static int cron_after(const char *cronline, const char *timezone,
                      int64_t after_ms, int64_t *next_ms,
                      struct stint_err *err)
{
    struct cron cron;
    if (cron_parse(&cron, cronline, err))
        return -1;
    struct zone *z = zone_open(timezone != NULL ? timezone : "UTC", err);
    if (z == NULL)
        return -1;
    *next_ms = cron_next_ms(&cron, z, after_ms);
    zone_close(z);
    return 0;
}

int task_cron_start(struct stint_task *t, int64_t now_ms,
                    struct stint_err *err)
{
    if (t->cronline == NULL || strstr(t->rules, "begin=") != NULL)
        return 0;
    int64_t start = strtoll(t->start, NULL, 10);
    if (t->start[0] == '+' || t->start[0] == '-')
        start += now_ms;
    int64_t first;
    if (cron_after(t->cronline, t->timezone, start - 1, &first, err) < 0)
        return -1;
    if (first < 0)
        return err_set(err, STINT_INVALID, "cronline: it never matches");
    struct rules r = {t->rules, strlen(t->rules), sizeof(t->rules)};
    rule_i64(&r, "begin", start, -1);
    snprintf(t->start, sizeof(t->start), "%" PRId64, first);
    return 0;
}

int task_cron_next_ms(const char *task, size_t len, int64_t after_ms,
                      int64_t *next_ms, struct stint_err *err)
{
    json_t *o = task_text_load(task, len);
    if (o == NULL) /* it was read before: there is no memory */
        return err_set(err, STINT_NOMEM, "out of memory");
    const char *line = json_string_value(json_object_get(o, "cronline"));
    const char *zone = json_string_value(json_object_get(o, "timezone"));
    int rc = 0;
    *next_ms = -1;
    if (line != NULL)
        rc = cron_after(line, zone, after_ms, next_ms, err);
    json_decref(o);
    return rc;
}

/* ---- What was queued ----------------------------------------------------- */

const char *task_text_split(const char *text, size_t len, size_t *name_len)
{
    const char *blank = memchr(text, ' ', len);
    if (blank == NULL || !task_name_is_valid(text, (size_t)(blank - text)))
        return NULL;
    *name_len = (size_t)(blank - text);
    return blank + 1;
}

struct json_source {
    const char *at, *end;
    int failed; /* out of memory */
};

static int is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Piece by piece, to look at errno in between: jansson forgets it when it
 * converts a number, which it does at the byte after it. So each piece ends
 * where a number may. */
static size_t json_piece(void *to, size_t cap, void *arg)
{
    struct json_source *s = arg;
    size_t n = 0, left = (size_t)(s->end - s->at);
    s->failed |= errno == ENOMEM;
    if (s->failed)
        return (size_t)-1;
    if (cap > left)
        cap = left;
    while (n < cap && (n == 0 || !is_digit(s->at[n - 1]) ||
                       is_digit(s->at[n])))
        n++;
    memcpy(to, s->at, n);
    s->at += n;
    return n;
}

json_t *json_read(const char *text, size_t len, size_t flags,
                  json_error_t *why)
{
    struct json_source s = {text, text + len, 0};
    errno = 0;
    json_t *v = json_load_callback(json_piece, &s, flags, why);
    s.failed |= errno == ENOMEM;
    if (s.failed) {
        json_decref(v);
        v = NULL;
    }
    errno = s.failed ? ENOMEM : 0;
    return v;
}

/* Most are small: once is enough for these. */
char *json_write(const json_t *v, size_t flags)
{
    char small[2048];
    size_t len = json_dumpb(v, small, sizeof(small), flags);
    char *text = len > 0 ? malloc(len + 1) : NULL;
    if (text != NULL && len <= sizeof(small))
        memcpy(text, small, len);
    if (text != NULL && (len <= sizeof(small) ||
                         json_dumpb(v, text, len, flags) == len)) {
        text[len] = '\0';
        return text;
    }
    free(text);
    return NULL;
}

json_t *task_text_load(const char *text, size_t len)
{
    size_t name_len;
    const char *json = task_text_split(text, len, &name_len);
    errno = 0;
    if (json == NULL)
        return NULL;
    json_t *rest = json_read(json, len - name_len - 1, 0, NULL);
    if (rest == NULL)
        return NULL;
    json_t *o = json_object();
    if (json_object_set_new(o, "function", json_stringn(text, name_len)) ||
        json_object_update(o, rest)) {
        json_decref(o);
        o = NULL;
    }
    json_decref(rest);
    return o;
}

/* ---- The record --------------------------------------------------------- */

/* Takes the next word; -1: there is none, or it is too long. */
static int word_take(const char **at, const char *end, char *word, size_t cap)
{
    const char *start = *at;
    while (*at < end && **at != ' ')
        ++*at;
    size_t len = (size_t)(*at - start);
    if (len == 0 || len >= cap)
        return -1;
    memcpy(word, start, len);
    word[len] = '\0';
    if (*at < end)
        ++*at;
    return 0;
}

static int i64_take(const char **at, const char *end, int64_t *n)
{
    char word[24], *stop;
    if (word_take(at, end, word, sizeof(word)))
        return -1;
    errno = 0;
    *n = strtoll(word, &stop, 10);
    return *stop != '\0' || errno != 0 ? -1 : 0;
}

/* "5", "-3", and with half a step more when immediate: "5.5", "-0.5". By hand:
 * strtod would want the locale's decimal point. */
static void level_read(struct task_state *st, const char *value)
{
    long n = strtol(value, NULL, 10);
    st->immediate = strchr(value, '.') != NULL;
    st->priority = (int)n - (st->immediate && value[0] == '-');
}

static void state_rule(struct task_state *st, const char *key, size_t len,
                       const char *value)
{
    if (len == 5 && memcmp(key, "level", len) == 0)
        level_read(st, value);
    const struct {
        const char *key;
        int64_t *n;
        int *flag;
    } rules[] = {
        {"begin", &st->begin_ms, NULL}, {"expire", &st->expire_ms, NULL},
        {"repeats", &st->repeats, NULL}, {"period", &st->period_ms, NULL},
        {"drift", NULL, &st->prevent_drift},
        {"disabled", NULL, &st->disabled}, {"discard", NULL, &st->discard},
        {"parked", NULL, &st->parked}, {"run", &st->times_run, NULL},
        {"failed", &st->times_failed, NULL}, {"lost", &st->lost, NULL},
        {"cron", NULL, &st->cron}, {"cast", NULL, &st->cast},
        {"live", NULL, &st->live}, {"stopping", NULL, &st->stopping},
        {"parents", &st->parents, NULL}, {"wait", &st->waits, NULL},
        {"parts", &st->parts, NULL}, {"open", &st->open, NULL},
    };
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        if (strlen(rules[i].key) != len || memcmp(rules[i].key, key, len) != 0)
            continue;
        if (rules[i].n != NULL)
            *rules[i].n = strtoll(value, NULL, 10);
        else
            *rules[i].flag = strtol(value, NULL, 10) != 0;
    }
}

int task_state_decode(struct task_state *st, const char *text, size_t len)
{
    char token[24], fence[24], word[STINT_ID_LEN + 32];
    *st = (struct task_state){.status = "QUEUED", .ticket = "0 -",
                              .worker = "-", .period_ms = 60000,
                              .repeats = 1};
    if (text == NULL || len == 0)
        return 0;
    const char *at = text, *end = text + len;
    if (word_take(&at, end, st->status, sizeof(st->status)) ||
        word_take(&at, end, fence, sizeof(fence)) ||
        word_take(&at, end, token, sizeof(token)) ||
        word_take(&at, end, st->worker, sizeof(st->worker)) ||
        i64_take(&at, end, &st->next_ms) ||
        i64_take(&at, end, &st->start_ms) || i64_take(&at, end, &st->stop_ms))
        return -1;
    if (strspn(fence, "0123456789") != strlen(fence))
        return -1;
    st->fence = strtoull(fence, NULL, 10);
    int n = snprintf(st->ticket, sizeof(st->ticket), "%s %s", fence, token);
    if (n < 0 || (size_t)n >= sizeof(st->ticket))
        return -1;
    while (at < end) {
        if (word_take(&at, end, word, sizeof(word)))
            return -1;
        const char *is = strchr(word, '=');
        if (is != NULL)
            state_rule(st, word, (size_t)(is - word), is + 1);
    }
    return 0;
}

/* ---- For a run ---------------------------------------------------------- */

static int set_default(json_t *o, const char *key, json_t *v)
{
    if (json_object_get(o, key) == NULL)
        return json_object_set_new(o, key, v);
    json_decref(v);
    return 0;
}

static int run_json_fill(json_t *o, const char *id, const char *group,
                         const struct task_state *st)
{
    char start[TIME_TEXT_LEN], run_id[STINT_ID_LEN + 32];
    time_text_write(st->begin_ms != 0 ? st->begin_ms : st->next_ms, start);
    snprintf(run_id, sizeof(run_id), "%s@%" PRIu64, id, st->fence);
    return set_default(o, "args", json_array()) ||
           set_default(o, "vars", json_object()) ||
           set_default(o, "task_name",
                       json_incref(json_object_get(o, "function"))) ||
           set_default(o, "timeout", json_integer(60)) ||
           json_object_set_new(o, "id", json_string(id)) ||
           json_object_set_new(o, "group_name", json_string(group)) ||
           json_object_set_new(o, "fence",
                               json_integer((json_int_t)st->fence)) ||
           json_object_set_new(o, "attempt",
                               json_integer(st->times_failed + 1)) ||
           json_object_set_new(o, "run_id", json_string(run_id)) ||
           json_object_set_new(o, "times_run", json_integer(st->times_run)) ||
           json_object_set_new(o, "times_failed",
                               json_integer(st->times_failed)) ||
           json_object_set_new(o, "start_time", json_string(start));
}

json_t *task_run_json(const char *id, const char *group, const char *task,
                      size_t task_len, const struct task_state *st)
{
    json_t *o = task_text_load(task, task_len);
    if (!json_is_string(json_object_get(o, "function")) ||
        run_json_fill(o, id, group, st)) {
        json_decref(o);
        return NULL;
    }
    return o;
}
