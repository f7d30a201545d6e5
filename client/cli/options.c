/* SPDX-License-Identifier: MIT */
/* A small parser of long options, driven by tables. */
#include "cli.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void words_add(struct words *w, const char *word)
{
    if (w->n == w->room) {
        w->room = w->room ? 2 * w->room : 8;
        w->at = memory_grow(w->at, w->room, sizeof *w->at);
    }
    w->at[w->n++] = word;
}

void words_free(struct words *w)
{
    free(w->at);
    memset(w, 0, sizeof *w);
}

bool number_parse(const char *text, double *number)
{
    if (!*text || strspn(text, "+-.0123456789eE") != strlen(text))
        return false;
    char *end;
    double x = strtod(text, &end);
    if (*end || end == text || !isfinite(x))
        return false;
    *number = x;
    return true;
}

bool count_parse(const char *text, int64_t *count)
{
    size_t sign = *text == '-' || *text == '+';
    size_t digits = strspn(text + sign, "0123456789");
    if (!digits || text[sign + digits])
        return false;
    errno = 0;
    long long x = strtoll(text, NULL, 10);
    if (errno)
        return false;
    *count = x;
    return true;
}

int usage_fail(const struct command *c, const char *format, ...)
{
    char text[400];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    message("%s", text);
    message("see stint %s --help", c->name);
    return EXIT_USAGE;
}

static bool option_store(const struct option_row *row, const char *value)
{
    switch (row->kind) {
    case OPTION_FLAG:
        *(int *)row->to = 1;
        return true;
    case OPTION_TEXT:
        *(const char **)row->to = value;
        return true;
    case OPTION_NUMBER:
        return number_parse(value, row->to);
    case OPTION_COUNT:
        return count_parse(value, row->to);
    case OPTION_WORDS:
        words_add(row->to, value);
        return true;
    }
    return false;
}

static const struct option_row *option_find(const struct option_row *rows,
                                            size_t n, const char *name,
                                            size_t len)
{
    for (size_t i = 0; i < n; i++)
        if (strlen(rows[i].name) == len && !memcmp(rows[i].name, name, len))
            return &rows[i];
    return NULL;
}

/* Tasks have a --group-name, workers a --group: whoever mixes them up means the
 * other one. */
static const struct option_row *option_synonym(const struct option_row *rows,
                                               size_t n, const char *name,
                                               size_t len)
{
    static const char *const pair[] = {"group", "group-name"};
    for (size_t i = 0; i < 2; i++)
        if (strlen(pair[i]) == len && !memcmp(pair[i], name, len))
            return option_find(rows, n, pair[1 - i], strlen(pair[1 - i]));
    return NULL;
}

/* One "--name[=value]", with the next word at hand. -1: go on. */
static int option_take(const struct command *c, const struct option_row *row,
                       const char *word, const char *next, int *used_next)
{
    const char *value = strchr(word, '=');
    if (value)
        value++;
    if (row->kind == OPTION_FLAG) {
        if (value)
            return usage_fail(c, "--%s takes no value", row->name);
    } else if (!value) {
        if (!next)
            return usage_fail(c, "--%s needs a value", row->name);
        value = next;
        *used_next = 1;
    }
    if (!option_store(row, value))
        return usage_fail(c, "--%s: not a %snumber: %s", row->name,
                          row->kind == OPTION_COUNT ? "whole " : "", value);
    return -1;
}

static void options_tell(const struct option_visit *visit,
                         const struct option_row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        visit->option(&rows[i], visit->arg);
}

/* A URL with a password in it has been read: others who list processes see
 * stars instead. What stands before and behind stays, to tell processes apart.
 * One that is too long for a URL is refused later. */
static void url_hide(struct common *common, char *url)
{
    char *from = strstr(url, "://");
    size_t len = strlen(url);
    if (!from || len >= sizeof common->url_read)
        return;
    memcpy(common->url_read, url, len + 1);
    common->url = common->url_read;
    from += 3;
    char *end = from + strcspn(from, "/?#");
    for (char *at = end; at > from; at--)
        if (at[-1] == '@') {
            memset(from, '*', (size_t)(at - 1 - from));
            break;
        }
    for (char *q = strchr(end, '?'); q; q = strchr(q + 1, '&'))
        if (!strncmp(q + 1, "sentinel_password=", 18)) {
            char *secret = q + 19;
            memset(secret, '*', strcspn(secret, "&"));
        }
}

int options_parse(const struct command *c, const struct option_row *rows,
                  size_t n_rows, struct common *common, int argc, char **argv)
{
    const struct option_row all[] = {
        {"url", OPTION_TEXT, &common->url},
        {"namespace", OPTION_TEXT, &common->name_space},
        {"json", OPTION_FLAG, &common->json},
        {"color", OPTION_TEXT, &common->color},
    };
    if (c->visit) {
        options_tell(c->visit, rows, n_rows);
        options_tell(c->visit, all, sizeof all / sizeof *all);
        options_tell(c->visit, &(struct option_row){"help", OPTION_FLAG, NULL},
                     1);
        return EXIT_DONE;
    }
    for (int i = 0; i < argc; i++) {
        const char *word = argv[i];
        if (!strcmp(word, "--")) {
            while (++i < argc)
                words_add(&common->words, argv[i]);
            break;
        }
        if (word[0] != '-' || !word[1]) {
            words_add(&common->words, word);
            continue;
        }
        if (!strcmp(word, "-h") || !strcmp(word, "--help")) {
            usage_print(c, stdout);
            return EXIT_DONE;
        }
        if (word[1] != '-')
            return usage_fail(c, "unknown option %s", word);
        size_t len = strcspn(word + 2, "=");
        const struct option_row *row = option_find(rows, n_rows, word + 2, len);
        if (!row)
            row = option_synonym(rows, n_rows, word + 2, len);
        if (!row)
            row = option_find(all, sizeof all / sizeof *all, word + 2, len);
        if (!row)
            return usage_fail(c, "unknown option %.*s", (int)len + 2, word);
        int used_next = 0;
        const char *next = argc - i > 1 ? argv[i + 1] : NULL;
        int status = option_take(c, row, word, next, &used_next);
        if (status >= 0)
            return status;
        if (row->to == &common->url)
            url_hide(common, argv[used_next ? i + 1 : i] +
                                 (used_next ? 0 : len + 3));
        i += used_next;
    }
    const char *color = common->color;
    if (color && strcmp(color, "auto") && strcmp(color, "always") &&
        strcmp(color, "never"))
        return usage_fail(c, "--color: must be auto, always or never");
    return -1;
}

void common_spool(struct common *common)
{
    const char *dir = getenv("STINT_SPOOL");
    if (!common->spool && dir && *dir)
        common->spool = dir;
}

int common_options(const struct common *common, struct stint_options *o)
{
    const char *url = common->url ? common->url : getenv("STINT_URL");
    o->url = common->url;
    o->name_space = common->name_space;
    o->spool = common->spool;
    o->spool_max_bytes = common->spool_max;
    if (url && !strcmp(url, "memory:")) { /* it would end with us */
        message("memory: is for tests inside of one program");
        return EXIT_USAGE;
    }
    return EXIT_DONE;
}

stint *common_open(const struct common *common, int *status)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    int refused = common_options(common, &o);
    if (refused) {
        *status = refused;
        return NULL;
    }
    stint *s = stint_open(&o, &err);
    if (!s)
        *status = error_print(&err);
    return s;
}
