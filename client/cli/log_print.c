/* SPDX-License-Identifier: MIT */
#include "log_print.h"

#include <string.h>
#include <time.h>

#include "cli.h"

static const char *const levels[] = {"error", "warn", "info", "debug"};

int log_level_find(const char *name)
{
    for (int i = 0; i < 4; i++)
        if (!strcmp(levels[i], name))
            return i;
    return -1;
}

int log_form_find(const char *name, int *is_json)
{
    *is_json = !strcmp(name, "json");
    return *is_json || !strcmp(name, "text") ? 0 : -1;
}

/* The end of the value at p. */
static const char *value_end(const char *p)
{
    if (*p != '"')
        return p + strcspn(p, " ");
    for (p++; *p && *p != '"'; p++)
        if (*p == '\\' && p[1])
            p++;
    return *p ? p + 1 : p;
}

/* What looks like a number is one: a text that does is in quotes. */
static int is_number(const char *p, size_t len)
{
    return strspn(p, "0123456789.+-eE") >= len;
}

/* A value is JSON already, or is when it is in quotes. */
static void json_print_line(FILE *to, const char *line)
{
    for (const char *p = line; *p;) {
        size_t key = strcspn(p, "= ");
        if (p[key] != '=')
            return;
        const char *value = p + key + 1, *end = value_end(value);
        size_t len = (size_t)(end - value);
        const char *quote =
            *value == '"' || is_number(value, len) ? "" : "\"";
        fprintf(to, ",\"%.*s\":%s%.*s%s", (int)key, p, quote, (int)len, value,
                quote);
        p = end + (*end == ' ');
    }
}

void log_print(enum stint_log_level level, const char *line, void *arg)
{
    const struct log_print *how = arg;
    struct timespec t;
    char text[TIME_TEXT_LEN];
    if ((int)level > how->most)
        return;
    clock_gettime(CLOCK_REALTIME, &t);
    time_text((int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000, text);
    flockfile(stderr);
    if (how->is_json) {
        fprintf(stderr, "{\"time\":\"%s\",\"level\":\"%s\"", text,
                levels[level]);
        json_print_line(stderr, line);
        fputs("}\n", stderr);
    } else {
        fprintf(stderr, "time=%s level=%s %s\n", text, levels[level], line);
    }
    funlockfile(stderr);
}
