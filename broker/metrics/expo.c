/* SPDX-License-Identifier: MIT */
#include "expo.h"

#include <event2/buffer.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

static const char *const type_words[] = {
    [EXPO_GAUGE] = "gauge", [EXPO_COUNTER] = "counter",
    [EXPO_HISTOGRAM] = "histogram", [EXPO_INFO] = "info"};

/* As it was asked for by scrapers: the first of the two types that is named. */
int expo_wants_open(const char *accept)
{
    const char *open = strstr(accept, "application/openmetrics-text");
    const char *plain = strstr(accept, "text/plain");
    return open != NULL && (plain == NULL || open < plain);
}

const char *expo_content_type(int is_open)
{
    return is_open ? "application/openmetrics-text; version=1.0.0; "
                     "charset=utf-8"
                   : "text/plain; version=0.0.4; charset=utf-8";
}

static void expo_add(struct expo *e, const char *text, size_t len)
{
    e->failed |= evbuffer_add(e->out, text, len) != 0;
}

static void expo_str(struct expo *e, const char *text)
{
    expo_add(e, text, strlen(text));
}

/* Bytes of the UTF-8 character that begins here; 0: it is none. */
static size_t utf8_len(const unsigned char *p)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] >= 0xc2 && p[0] < 0xe0 ? 2
               : p[0] >= 0xe0 && p[0] < 0xf0 ? 3
               : p[0] >= 0xf0 && p[0] < 0xf5 ? 4 : 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] >= 0xa0) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] >= 0x90))
        return 0;
    return n;
}

static void expo_value(struct expo *e, const char *value)
{
    for (const char *p = value; *p != '\0';) {
        size_t n = utf8_len((const unsigned char *)p);
        if (*p == '\\')
            expo_str(e, "\\\\");
        else if (*p == '"')
            expo_str(e, "\\\"");
        else if (*p == '\n')
            expo_str(e, "\\n");
        else if (n == 0)
            expo_str(e, "\xef\xbf\xbd");
        else
            expo_add(e, p, n);
        p += n > 0 ? n : 1;
    }
}

void expo_family(struct expo *e, const char *name, enum expo_type type,
                 const char *help)
{
    const char *suffix = "", *word = type_words[type];
    e->name = name;
    e->type = type;
    if (!e->is_open && type == EXPO_COUNTER)
        suffix = "_total";
    if (!e->is_open && type == EXPO_INFO) {
        suffix = "_info";
        word = "gauge";
    }
    e->failed |= evbuffer_add_printf(e->out,
                                     "# HELP %s%s %s\n# TYPE %s%s %s\n", name,
                                     suffix, help, name, suffix, word) < 0;
}

/* The name, and what stands in braces behind it; le: of a bucket, or NULL. */
static void expo_head(struct expo *e, const char *suffix,
                      const struct expo_label *labels, size_t n,
                      const char *le)
{
    expo_str(e, e->name);
    expo_str(e, suffix);
    if (n == 0 && le == NULL) {
        expo_str(e, " ");
        return;
    }
    for (size_t i = 0; i < n; i++) {
        expo_str(e, i == 0 ? "{" : ",");
        expo_str(e, labels[i].name);
        expo_str(e, "=\"");
        expo_value(e, labels[i].value);
        expo_str(e, "\"");
    }
    if (le != NULL) {
        expo_str(e, n == 0 ? "{le=\"" : ",le=\"");
        expo_str(e, le);
        expo_str(e, "\"");
    }
    expo_str(e, "} ");
}

static const char *expo_suffix(const struct expo *e)
{
    return e->type == EXPO_COUNTER ? "_total"
           : e->type == EXPO_INFO  ? "_info"
                                   : "";
}

/* Without the blanks and commas that a locale may bring; 1.0, 0.001, +Inf. */
static void number_text(char text[static 40], double value)
{
    if (isinf(value)) {
        snprintf(text, 40, "%s", value > 0 ? "+Inf" : "-Inf");
        return;
    }
    int64_t micro = (int64_t)llround(value * 1e6);
    int n = snprintf(text, 40, "%s%" PRId64 ".%06" PRId64,
                     micro < 0 ? "-" : "", (micro < 0 ? -micro : micro) / 1000000,
                     (micro < 0 ? -micro : micro) % 1000000);
    while (n > 2 && text[n - 1] == '0' && text[n - 2] != '.')
        text[--n] = '\0';
}

void expo_number(struct expo *e, const struct expo_label *labels, size_t n,
                 double value)
{
    char text[40];
    number_text(text, value);
    expo_head(e, expo_suffix(e), labels, n, NULL);
    expo_str(e, text);
    expo_str(e, "\n");
}

void expo_count(struct expo *e, const struct expo_label *labels, size_t n,
                int64_t value)
{
    expo_head(e, expo_suffix(e), labels, n, NULL);
    e->failed |= evbuffer_add_printf(e->out, "%" PRId64 "\n", value) < 0;
}

void expo_histogram(struct expo *e, const struct expo_label *labels, size_t n,
                    const double *bounds, size_t n_bounds,
                    const int64_t *buckets, double sum)
{
    int64_t count = 0;
    char text[40];
    for (size_t i = 0; i <= n_bounds; i++) {
        count += buckets[i];
        number_text(text, i < n_bounds ? bounds[i] : INFINITY);
        expo_head(e, "_bucket", labels, n, text);
        e->failed |= evbuffer_add_printf(e->out, "%" PRId64 "\n", count) < 0;
    }
    number_text(text, sum);
    expo_head(e, "_sum", labels, n, NULL);
    expo_str(e, text);
    expo_str(e, "\n");
    expo_head(e, "_count", labels, n, NULL);
    e->failed |= evbuffer_add_printf(e->out, "%" PRId64 "\n", count) < 0;
}

void expo_end(struct expo *e)
{
    if (e->is_open)
        expo_str(e, "# EOF\n");
}
