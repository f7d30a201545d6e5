/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define WINDOW_MS 1000

static const int lines_max[] = {[STINT_LOG_ERROR] = 20, [STINT_LOG_WARN] = 20,
                                [STINT_LOG_INFO] = 20, [STINT_LOG_DEBUG] = 500};

/* ---- A line -------------------------------------------------------------- */

struct line {
    char text[LOG_LINE_MAX + 1];
    size_t len;
};

/* All of it or nothing, with `spare` bytes left behind it. */
static int line_add(struct line *l, const char *s, size_t len, size_t spare)
{
    if (l->len + len + spare > LOG_LINE_MAX)
        return -1;
    memcpy(l->text + l->len, s, len);
    l->len += len;
    return 0;
}

/* Bytes of the character at s, as it may stand in a log; 0: it is none, or a
 * control character. */
static size_t char_len(const unsigned char *s)
{
    size_t n = *s < 0x80 ? 1 : *s >= 0xc2 && *s < 0xe0 ? 2
             : *s >= 0xe0 && *s < 0xf0 ? 3 : *s >= 0xf0 && *s < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if (n == 1)
        return *s >= ' ' && *s != 127;
    if ((*s == 0xc2 && s[1] < 0xa0) ||  /* C1 controls */
        (*s == 0xe0 && s[1] < 0xa0) || (*s == 0xed && s[1] >= 0xa0) ||
        (*s == 0xf0 && s[1] < 0x90) || (*s == 0xf4 && s[1] >= 0x90))
        return 0;
    return n;
}

static int is_plain(const char *s)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "0123456789_.:/@~+,;*#!?()[]{}<>$%&|^-";
    size_t len = strspn(s, plain);
    return len > 0 && s[len] == '\0' && s[strspn(s, "0123456789.+-eE")] != '\0';
}

/* As a JSON string. What is no character becomes "?". */
static void line_add_quoted(struct line *l, const char *text)
{
    const unsigned char *s = (const unsigned char *)text;
    size_t start = l->len, n;
    for (; *s != '\0' && l->len - start < LOG_VALUE_MAX; s += n) {
        char escape[8];
        const char *as = escape;
        size_t len = char_len(s);
        n = len > 0 ? len : 1;
        if (*s == '"' || *s == '\\')
            len = (size_t)snprintf(escape, sizeof(escape), "\\%c", *s);
        else if (*s == '\n' || *s == '\t')
            as = *s == '\n' ? "\\n" : "\\t", len = 2;
        else if (len == 0 && *s < 0x80)
            len = (size_t)snprintf(escape, sizeof(escape), "\\u%04x", *s);
        else if (len == 0)
            as = "?", len = 1;
        else
            as = (const char *)s;
        if (line_add(l, as, len, 4) < 0)
            break;
    }
    if (*s != '\0')
        (void)line_add(l, "...", 3, 1);
    (void)line_add(l, "\"", 1, 0);
}

static void line_add_field(struct line *l, const struct log_field *f)
{
    char key[40], number[32] = "";
    int n = snprintf(key, sizeof(key), "%s%s=", l->len > 0 ? " " : "", f->key);
    if (f->type == LOG_N)
        snprintf(number, sizeof(number), "%" PRId64, f->n);
    else if (f->type == LOG_S)
        snprintf(number, sizeof(number), "%.3f", (double)f->n / 1000);
    const char *text = f->type == LOG_TEXT ? f->text : number;
    int quoted = f->type == LOG_TEXT && text != NULL && !is_plain(text);
    if (text == NULL || (size_t)n >= sizeof(key) ||
        l->len + (size_t)n + (quoted ? 8 : strlen(text)) > LOG_LINE_MAX)
        return;
    (void)line_add(l, key, (size_t)n, 0);
    if (!quoted)
        (void)line_add(l, text, strlen(text), 0);
    else if (line_add(l, "\"", 1, 1) == 0)
        line_add_quoted(l, text);
}

static void log_hand_on(const struct log *log, enum stint_log_level level,
                        const struct log_field *fields)
{
    struct line l = {.len = 0};
    for (const struct log_field *f = fields; f->key != NULL; f++)
        line_add_field(&l, f);
    l.text[l.len] = '\0';
    log->fn(level, l.text, log->arg);
}

/* ---- The limit ----------------------------------------------------------- */

/* More kinds than there is room for share the last. */
static struct log_kind *kind_of(struct log_limit *limit, const char *event,
                                enum stint_log_level level)
{
    for (int i = 0; i < limit->n_kinds; i++)
        if (limit->kinds[i].level == level &&
            strcmp(limit->kinds[i].event, event) == 0)
            return &limit->kinds[i];
    if (limit->n_kinds == LOG_KINDS_MAX)
        return &limit->kinds[LOG_KINDS_MAX - 1];
    struct log_kind *k = &limit->kinds[limit->n_kinds++];
    *k = (struct log_kind){.event = event, .level = level,
                           .since_ms = limit->clock()};
    return k;
}

static void kind_tell(const struct log *log, struct log_kind *k)
{
    int64_t lines = k->suppressed;
    k->suppressed = 0;
    if (lines > 0)
        log_hand_on(log, k->level, (const struct log_field[]){
            log_event("suppressed"), log_text("of", k->event),
            log_n("lines", lines), {0}});
}

void log_settle(const struct log *log, int anyway)
{
    struct log_limit *limit = log->limit;
    if (log->fn == NULL || limit == NULL)
        return;
    int64_t now_ms = limit->clock();
    for (int i = 0; i < limit->n_kinds; i++)
        if (anyway || now_ms - limit->kinds[i].since_ms >= WINDOW_MS)
            kind_tell(log, &limit->kinds[i]);
}

/* 1: it may be handed on. */
static int limit_pass(const struct log *log, enum stint_log_level level,
                      const char *event)
{
    struct log_kind *k = kind_of(log->limit, event, level);
    int64_t now_ms = log->limit->clock();
    if (now_ms - k->since_ms >= WINDOW_MS) {
        kind_tell(log, k);
        k->since_ms = now_ms;
        k->n = 0;
    }
    if (k->n < lines_max[level])
        return ++k->n;
    k->suppressed++;
    return 0;
}

void log_write(const struct log *log, enum stint_log_level level,
               const struct log_field *fields)
{
    if (log->fn == NULL ||
        (log->limit != NULL && !limit_pass(log, level, fields[0].text)))
        return;
    log_hand_on(log, level, fields);
}
