/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* strnlen */
#include "say.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define WINDOW_MS 1000

static const int lines_max[] = {[STINT_LOG_ERROR] = 20, [STINT_LOG_WARN] = 20,
                                [STINT_LOG_INFO] = 20, [STINT_LOG_DEBUG] = 500};

/* ---- A line -------------------------------------------------------------- */

struct line {
    char text[SAY_LINE_MAX + 1];
    size_t len;
};

static int is_plain(const char *s)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_.:/@~+,;*#!?()[]{}<>$%&|^-";
    size_t len = strspn(s, plain);
    return len > 0 && len <= SAY_VALUE_MAX && s[len] == '\0' &&
           s[strspn(s, "0123456789.+-eE")] != '\0';
}

/* What a terminal could obey, and JSON would let through: DEL and C1. */
static void text_tame(char *s)
{
    for (unsigned char *p = (unsigned char *)s; *p != '\0'; p++)
        if (*p == 127)
            *p = '?';
        else if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
            p[0] = p[1] = '?';
}

/* As a JSON string. Bytes that are no text become "?" with all that is not
 * ASCII. Its length; 0: there is no room. */
static size_t text_quote(const char *text, char *to, size_t cap)
{
    char copy[SAY_VALUE_MAX + 4];
    size_t n = strnlen(text, SAY_VALUE_MAX + 1);
    int is_cut = n > SAY_VALUE_MAX;
    for (n -= is_cut; is_cut && n > 0 && (text[n] & 0xc0) == 0x80;)
        n--;
    snprintf(copy, sizeof(copy), "%.*s%s", (int)n, text, is_cut ? "..." : "");
    text_tame(copy);
    json_t *s = json_string(copy);
    if (s == NULL) {
        for (char *p = copy; *p != '\0'; p++)
            if ((unsigned char)*p > 127)
                *p = '?';
        s = json_string(copy);
    }
    size_t len = json_dumpb(s, to, cap, JSON_ENCODE_ANY);
    json_decref(s);
    return len <= cap ? len : 0;
}

/* All of it or nothing. */
static void line_add(struct line *l, const struct say_field *f)
{
    size_t cap = sizeof(l->text) - l->len;
    char *to = l->text + l->len;
    int is_text = f->text != NULL, is_quoted = is_text && !is_plain(f->text);
    int n = snprintf(to, cap, "%s%s=%s", l->len > 0 ? " " : "", f->key,
                     is_text && !is_quoted ? f->text : "");
    if (n > 0 && (size_t)n < cap && !is_text)
        n += snprintf(to + n, cap - (size_t)n, "%" PRId64, f->n);
    if (n > 0 && (size_t)n < cap && is_quoted) {
        size_t len = text_quote(f->text, to + n, cap - (size_t)n - 1);
        n = len > 0 ? n + (int)len : -1;
    }
    if (n > 0 && (size_t)n < cap)
        l->len += (size_t)n;
    l->text[l->len] = '\0';
}

static void say_hand_on(const struct say *s, enum stint_log_level level,
                        const char *event, const struct say_field *fields)
{
    struct line l = {.len = 0};
    line_add(&l, &(struct say_field){"event", event, 0});
    for (const struct say_field *f = fields; f->key != NULL; f++)
        line_add(&l, f);
    s->fn(level, l.text, s->arg);
}

/* ---- The limit ----------------------------------------------------------- */

/* More kinds than there is room for share the last. */
static struct say_kind *kind_of(struct say *s, const char *event,
                                enum stint_log_level level, int64_t now_ms)
{
    for (int i = 0; i < s->n_kinds; i++)
        if (s->kinds[i].level == level && strcmp(s->kinds[i].event, event) == 0)
            return &s->kinds[i];
    if (s->n_kinds == SAY_KINDS_MAX)
        return &s->kinds[SAY_KINDS_MAX - 1];
    struct say_kind *k = &s->kinds[s->n_kinds++];
    *k = (struct say_kind){.event = event, .level = level, .since_ms = now_ms};
    return k;
}

static void kind_settle(struct say *s, struct say_kind *k, int64_t now_ms)
{
    int64_t lines = k->suppressed;
    if (now_ms - k->since_ms < WINDOW_MS)
        return;
    k->since_ms = now_ms;
    k->n = 0;
    k->suppressed = 0;
    if (lines > 0)
        say_hand_on(s, k->level, "suppressed", (const struct say_field[]){
            say_text("of", k->event), say_n("lines", lines), {0}});
}

void say_settle(struct say *s, int64_t now_mono_ms)
{
    for (int i = 0; s->fn != NULL && i < s->n_kinds; i++)
        kind_settle(s, &s->kinds[i], now_mono_ms);
}

void say_write(struct say *s, int64_t now_mono_ms, enum stint_log_level level,
               const char *event, const struct say_field *fields)
{
    if (s->fn == NULL)
        return;
    struct say_kind *k = kind_of(s, event, level, now_mono_ms);
    kind_settle(s, k, now_mono_ms);
    if (k->n < lines_max[level]) {
        k->n++;
        say_hand_on(s, level, event, fields);
    } else {
        k->suppressed++;
    }
}
