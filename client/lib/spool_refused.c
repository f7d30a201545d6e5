/* SPDX-License-Identifier: MIT */
/* A task that Redis would not have, as a JSON object of what went wrong and of
 * the task as queue_task takes it:
 *
 *   {"reason": "…", "refused_at": …, "queued_at": …, "task": {…}}
 *
 * so that, put right, it can be queued again. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "spool.h"
#include "time_text.h"

enum rule_kind { RULE_COUNT, RULE_MS, RULE_NUMBER, RULE_FLAG, RULE_RUN };

/* How the rules of task.c are called by people. */
static const struct rule {
    const char *key, *name;
    enum rule_kind kind;
} rules[] = {
    {"repeats", "repeats", RULE_COUNT},
    {"period", "period", RULE_MS},
    {"drift", "prevent_drift", RULE_FLAG},
    {"retry", "retry_failed", RULE_COUNT},
    {"delay", "retry_delay", RULE_MS},
    {"backoff", "retry_backoff", RULE_NUMBER},
    {"cap", "retry_max_delay", RULE_MS},
    {"disabled", "disabled", RULE_FLAG},
    {"ttl", "result_ttl", RULE_MS},
    {"discard", "discard_results", RULE_FLAG},
    {"crashes", "max_crashes", RULE_COUNT},
    {"anyway", "on_dependency", RULE_RUN},
    {"cast", "broadcast", RULE_FLAG},
};

static int set(json_t *o, const char *name, json_t *v)
{
    return v == NULL ? -1 : json_object_set_new(o, name, v);
}

static int set_time(json_t *o, const char *name, int64_t ms)
{
    char text[TIME_TEXT_LEN];
    time_text_write(ms, text);
    return set(o, name, json_string(text));
}

/* priority, and half a step above it: immediate. */
static int set_level(json_t *o, double level)
{
    double whole = level >= 0 || level <= (double)(int64_t)level
                       ? (double)(int64_t)level
                       : (double)(int64_t)level - 1;
    if (set(o, "priority", json_integer((json_int_t)whole)))
        return -1;
    return level > whole ? set(o, "immediate", json_true()) : 0;
}

static int set_rule(json_t *o, const char *key, const char *value)
{
    double number = strtod(value, NULL);
    if (strcmp(key, "level") == 0)
        return set_level(o, number);
    if (strcmp(key, "begin") == 0) /* of a cronline, whose first match was
                                      looked for already */
        return set_time(o, "start_time", strtoll(value, NULL, 10));
    for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        if (strcmp(rules[i].key, key) != 0)
            continue;
        switch (rules[i].kind) {
        case RULE_COUNT:
            return set(o, rules[i].name,
                       json_integer(strtoll(value, NULL, 10)));
        case RULE_MS:
            return set(o, rules[i].name, json_real(number / 1000));
        case RULE_NUMBER:
            return set(o, rules[i].name, json_real(number));
        case RULE_FLAG:
            return set(o, rules[i].name, json_true());
        case RULE_RUN:
            return set(o, rules[i].name, json_string("run"));
        }
    }
    return 0; /* "cron": the cronline says it */
}

static int set_rules(json_t *o, const char *text)
{
    char copy[sizeof(((struct stint_task *)0)->rules)], *rest;
    snprintf(copy, sizeof(copy), "%s", text);
    for (char *word = strtok_r(copy, " ", &rest); word != NULL;
         word = strtok_r(NULL, " ", &rest)) {
        char *value = strchr(word, '=');
        if (value == NULL)
            continue;
        *value++ = '\0';
        if (set_rule(o, word, value))
            return -1;
    }
    return 0;
}

static int set_durability(json_t *o, const struct durability *d)
{
    char text[32];
    if (d->level <= 1 && d->replicas == 0)
        return 0;
    if (d->level > 1)
        snprintf(text, sizeof(text), "%d", d->level);
    else
        snprintf(text, sizeof(text), "replicas=%d", d->replicas);
    return set(o, "durability", json_string(text));
}

/* New reference; NULL: out of memory. */
static json_t *task_object(const struct stint_task *t)
{
    json_t *o = task_text_load(t->text, t->text_len);
    if (o == NULL)
        return NULL;
    int bad = set(o, "id", json_string(t->id)) ||
              set(o, "group_name", json_string(t->group)) ||
              set_time(o, "start_time", strtoll(t->start, NULL, 10)) ||
              (t->stop[0] != '\0' &&
               set_time(o, "stop_time", strtoll(t->stop, NULL, 10))) ||
              set_rules(o, t->rules) || set_durability(o, &t->durability);
    if (!bad)
        return o;
    json_decref(o);
    return NULL;
}

int spool_refused_line(struct buf *to, const struct stint_task *t,
                       const struct stint_err *why, int64_t queued_ms,
                       int64_t now_ms)
{
    json_t *line = json_object(), *task = task_object(t);
    int bad = line == NULL || task == NULL ||
              set(line, "reason",
                  json_string(why->text[0] != '\0'
                                  ? why->text
                                  : stint_code_text(why->code))) ||
              set_time(line, "refused_at", now_ms) ||
              set_time(line, "queued_at", queued_ms) ||
              json_object_set(line, "task", task);
    char *text = bad ? NULL : json_write(line, JSON_COMPACT);
    json_decref(line);
    json_decref(task);
    int rc = text == NULL || buf_printf(to, "%s\n", text) < 0 ? -1 : 0;
    free(text);
    return rc;
}
