/* SPDX-License-Identifier: MIT */
/* What fits is decided here, on what has been decoded. Every comparison takes
 * time in proportion to the text, whatever is looked for. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* memmem */
#endif
#include "search_filter.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "bounds.h"
#include "err.h"
#include "time_text.h"

static const char *const all_states[] = {
    "QUEUED", "ASSIGNED", "RUNNING", "COMPLETED",
    "FAILED", "TIMEOUT",  "STOPPED", "EXPIRED",
};
#define STATES_N (sizeof(all_states) / sizeof(*all_states))

/* ---- Reading --------------------------------------------------------------- */

static int word_is_in(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = words; *at != '\0';) {
        size_t n = strcspn(at, " ");
        if (n == len && memcmp(at, word, n) == 0)
            return 1;
        at += n + (at[n] == ' ');
    }
    return 0;
}

static void state_add(char states[static 100], const char *word)
{
    size_t len = strlen(states);
    if (!word_is_in(states, word))
        snprintf(states + len, 100 - len, "%s%s", len > 0 ? " " : "", word);
}

static int states_read(struct search_filter *f, const char *text,
                       struct stint_err *err)
{
    while (text != NULL && *text != '\0') {
        size_t i = 0, n = strcspn(text, ",");
        while (i < STATES_N && (strlen(all_states[i]) != n ||
                                strncasecmp(all_states[i], text, n) != 0))
            i++;
        if (i == STATES_N)
            return err_set(err, STINT_INVALID, "status: no such status: %.*s",
                           n < 40 ? (int)n : 40, text);
        state_add(f->states, all_states[i]);
        text += n + (text[n] == ',');
    }
    return 0;
}

int search_filter_narrow(struct search_filter *f, const char *words)
{
    char kept[sizeof(f->states)] = "";
    for (size_t i = 0; i < STATES_N; i++)
        if (word_is_in(words, all_states[i]) &&
            (f->states[0] == '\0' || word_is_in(f->states, all_states[i])))
            state_add(kept, all_states[i]);
    memcpy(f->states, kept, sizeof(kept));
    return kept[0] != '\0';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static int text_read(char to[static SEARCH_TEXT_MAX + 1], const char *name,
                     const char *from, struct stint_err *err)
{
    size_t i = 0;
    for (; from != NULL && from[i] != '\0'; i++) {
        if (i == SEARCH_TEXT_MAX)
            return err_set(err, STINT_INVALID, "%s: must be up to %d bytes",
                           name, SEARCH_TEXT_MAX);
        to[i] = lower(from[i]);
    }
    to[i] = '\0';
    return 0;
}

static int time_read(int64_t *ms, int *is_relative, const char *name,
                     const char *text, struct stint_err *err)
{
    *ms = -1;
    if (text == NULL || *text == '\0')
        return 0;
    if (time_text_read(text, ms, is_relative))
        return err_set(err, STINT_INVALID,
                       "%s: must be a time: now, +45s, -2h, RFC 3339 with a "
                       "zone, or seconds since the epoch", name);
    return 0;
}

static int names_read(struct search_filter *f,
                      const struct stint_search_options *o,
                      struct stint_err *err)
{
    f->function = o->function != NULL ? o->function : "";
    f->id = o->id != NULL ? o->id : "";
    f->tag = o->tag != NULL ? o->tag : "";
    if (*f->function && !task_name_is_valid(f->function, strlen(f->function)))
        return err_set(err, STINT_INVALID,
                       "function: must be 1 to 128 of A-Za-z0-9_.:/-");
    if (*f->id && !task_id_is_valid(f->id, strlen(f->id)))
        return err_set(err, STINT_INVALID,
                       "id: must be 1 to 128 of A-Za-z0-9_.:-");
    if (*f->tag && (strlen(f->tag) > TAG_LEN_MAX ||
                    !task_name_is_valid(f->tag, strlen(f->tag))))
        return err_set(err, STINT_INVALID,
                       "tag: must be 1 to 64 of A-Za-z0-9_.:/-");
    return 0;
}

int search_filter_read(struct search_filter *f,
                       const struct stint_search_options *o,
                       struct stint_err *err)
{
    *f = (struct search_filter){.scheduled = o->scheduled != 0};
    if (states_read(f, o->status, err) || names_read(f, o, err) ||
        text_read(f->name, "task_name", o->task_name, err) ||
        text_read(f->error, "error", o->error, err) ||
        text_read(f->text, "text", o->text, err) ||
        time_read(&f->from_ms, &f->from_is_relative, "from", o->from, err) ||
        time_read(&f->until_ms, &f->until_is_relative, "until", o->until, err))
        return -1;
    return 0;
}

int search_filter_is_relative(const struct search_filter *f)
{
    return f->from_is_relative || f->until_is_relative;
}

static int64_t time_settle(int64_t ms, int is_relative, int64_t now_ms)
{
    ms += is_relative ? now_ms : 0;
    return is_relative && ms < 0 ? 0 : ms;
}

void search_filter_settle(struct search_filter *f, int64_t now_ms)
{
    f->from_ms = time_settle(f->from_ms, f->from_is_relative, now_ms);
    f->until_ms = time_settle(f->until_ms, f->until_is_relative, now_ms);
    f->from_is_relative = f->until_is_relative = 0;
}

/* ---- Deciding --------------------------------------------------------------- */

/* Is `text` (lower case) in those bytes? -1: out of memory. */
static int bytes_have(const char *bytes, size_t len, const char *text)
{
    char small[1024];
    size_t n = strlen(text);
    if (n > len)
        return 0;
    char *low = len <= sizeof(small) ? small : malloc(len);
    if (low == NULL)
        return -1;
    for (size_t i = 0; i < len; i++)
        low[i] = lower(bytes[i]);
    int has = memmem(low, len, text, n) != NULL;
    if (low != small)
        free(low);
    return has;
}

static int string_has(const char *s, const char *text)
{
    return s != NULL ? bytes_have(s, strlen(s), text) : 0;
}

static int tree_has(const json_t *v, const char *text, int depth);

static int leaf_has(const json_t *v, const char *text)
{
    if (json_is_string(v))
        return bytes_have(json_string_value(v), json_string_length(v), text);
    char *s = json_write(v, JSON_ENCODE_ANY);
    int has = s != NULL ? string_has(s, text) : -1;
    free(s);
    return has;
}

static int object_has(const json_t *v, const char *text, int depth)
{
    const char *key;
    json_t *child;
    int has = 0;
    json_object_foreach((json_t *)v, key, child) {
        has = string_has(key, text);
        if (has == 0)
            has = tree_has(child, text, depth - 1);
        if (has != 0)
            break;
    }
    return has;
}

/* In a string, a name or a number of it? */
static int tree_has(const json_t *v, const char *text, int depth)
{
    size_t i;
    json_t *child;
    int has = 0;
    if (depth == 0)
        return 0;
    if (json_is_object(v))
        return object_has(v, text, depth);
    if (!json_is_array(v))
        return leaf_has(v, text);
    json_array_foreach(v, i, child) {
        has = tree_has(child, text, depth - 1);
        if (has != 0)
            break;
    }
    return has;
}

static int json_has(const char *json, const char *text)
{
    json_t *v = json_read(json, strlen(json), JSON_DECODE_ANY, NULL);
    if (v == NULL)
        return errno == ENOMEM ? -1 : 0;
    int has = tree_has(v, text, JSON_DEPTH_MAX + 1);
    json_decref(v);
    return has;
}

static int text_fits(const char *text, const struct stint_status *t)
{
    const char *const places[] = {t->id, t->function, t->task_name, t->error};
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        int has = string_has(places[i], text);
        if (has != 0)
            return has;
    }
    int has = json_has(t->args, text);
    return has != 0 ? has : json_has(t->vars, text);
}

static int tag_fits(const char *tag, const struct stint_status *t)
{
    size_t i;
    json_t *one;
    int has = 0;
    json_t *tags = json_read(t->tags, strlen(t->tags), 0, NULL);
    if (tags == NULL)
        return errno == ENOMEM ? -1 : 0;
    json_array_foreach(tags, i, one)
        if (json_is_string(one) && strcmp(json_string_value(one), tag) == 0)
            has = 1;
    json_decref(tags);
    return has;
}

static int time_fits(const struct search_filter *f, const struct task_state *st)
{
    int waits = strcmp(st->status, "QUEUED") == 0 ||
                strcmp(st->status, "ASSIGNED") == 0;
    int64_t ms = waits                                ? st->next_ms
                 : strcmp(st->status, "RUNNING") == 0 ? st->start_ms
                                                      : st->stop_ms;
    return (f->from_ms < 0 || ms >= f->from_ms) &&
           (f->until_ms < 0 || ms <= f->until_ms);
}

int search_fits(const struct search_filter *f, const struct stint_status *t,
                const struct task_state *st)
{
    int fits = 1;
    if ((f->states[0] && !word_is_in(f->states, t->status)) ||
        (*f->function && strcmp(f->function, t->function) != 0) ||
        strncmp(f->id, t->id, strlen(f->id)) != 0 || !time_fits(f, st) ||
        (f->scheduled && t->repeats == 1 && !st->cron))
        return 0;
    if (*f->tag)
        fits = tag_fits(f->tag, t);
    if (fits == 1 && f->name[0])
        fits = string_has(t->task_name, f->name);
    if (fits == 1 && f->error[0])
        fits = string_has(t->error, f->error);
    if (fits == 1 && f->text[0])
        fits = text_fits(f->text, t);
    return fits;
}
