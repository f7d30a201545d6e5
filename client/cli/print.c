/* SPDX-License-Identifier: MIT */
/* Messages, times and JSON. */
#include "cli.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

void *memory_new(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);
    if (!p) {
        fputs("stint: out of memory\n", stderr);
        exit(EXIT_FAILED);
    }
    return p;
}

void *memory_grow(void *old, size_t n, size_t size)
{
    void *p = size && n > SIZE_MAX / size ? NULL : realloc(old, n * size);
    if (!p) {
        fputs("stint: out of memory\n", stderr);
        exit(EXIT_FAILED);
    }
    return p;
}

char *text_copy(const char *text, size_t len)
{
    char *copy = memory_new(len + 1, 1);
    memcpy(copy, text, len);
    return copy;
}

void message(const char *format, ...)
{
    char text[2048];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    flockfile(stderr);
    fputs("stint: ", stderr);
    text_print(stderr, text);
    fputc('\n', stderr);
    funlockfile(stderr);
}

int error_status(enum stint_code code)
{
    switch ((int)code) {
    case STINT_OK:
        return EXIT_DONE;
    case STINT_INVALID:
    case STINT_EXISTS:
    case STINT_TOO_BIG:
        return EXIT_USAGE;
    case STINT_UNREACHABLE:
    case STINT_UNKNOWN:
    case STINT_LOADING:
    case STINT_AUTH:
    case STINT_PROTOCOL:
    case STINT_TIMEOUT:
    case STINT_MISCONF:
    case STINT_OOM:
    case STINT_READONLY:
    case STINT_BUSY:
        return EXIT_REDIS;
    default:
        return EXIT_FAILED;
    }
}

int error_print(const struct stint_err *err)
{
    message("%s", err->text[0] ? err->text : stint_code_text(err->code));
    int status = error_status(err->code);
    return status ? status : EXIT_FAILED;
}

const char common_usage[] =
    "For every command:\n"
    "  --url URL         Redis; else STINT_URL, else an embedded one\n"
    "  --namespace NS    start of all keys (stint)\n"
    "  --json            print JSON\n"
    "  --color auto|always|never  in tables; auto: on a terminal, unless\n"
    "                    NO_COLOR is set\n"
    "  -h, --help        this text\n";

void usage_print(const struct command *c, FILE *to)
{
    fprintf(to, "%s\n%s", c->usage, common_usage);
}

/* ---- Times ------------------------------------------------------------- */

const char *time_text(int64_t ms, char text[TIME_TEXT_LEN])
{
    int64_t second = ms / 1000, rest = ms % 1000;
    if (rest < 0) {
        rest += 1000;
        second--;
    }
    time_t t = (time_t)second;
    struct tm tm;
    char date[24];
    if (!gmtime_r(&t, &tm) ||
        !strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm))
        snprintf(text, TIME_TEXT_LEN, "%" PRId64, ms);
    else
        snprintf(text, TIME_TEXT_LEN, "%s.%03dZ", date, (int)rest);
    return text;
}

const char *age_text(int64_t ms, char text[TIME_TEXT_LEN])
{
    int64_t s = ms / 1000;
    if (ms < 1000)
        snprintf(text, TIME_TEXT_LEN, "%" PRId64 " ms", ms);
    else if (s < 60)
        snprintf(text, TIME_TEXT_LEN, "%" PRId64 ".%d s", s,
                 (int)(ms % 1000 / 100));
    else if (s < 3600)
        snprintf(text, TIME_TEXT_LEN, "%" PRId64 "m%02ds", s / 60,
                 (int)(s % 60));
    else if (s < 86400)
        snprintf(text, TIME_TEXT_LEN, "%" PRId64 "h%02dm", s / 3600,
                 (int)(s / 60 % 60));
    else
        snprintf(text, TIME_TEXT_LEN, "%" PRId64 "d%02dh", s / 86400,
                 (int)(s / 3600 % 24));
    return text;
}

/* ---- Lines ------------------------------------------------------------- */

enum { FIELD_WIDTH = 16 };

void field_print(const char *key, const char *value)
{
    if (!value || !*value)
        return;
    cell_print(key, FIELD_WIDTH);
    fputs("  ", stdout);
    text_print_lines(stdout, value, FIELD_WIDTH + 2);
    fputc('\n', stdout);
}

/* ---- JSON -------------------------------------------------------------- */

static void json_quote(const char *text)
{
    putchar('"');
    const unsigned char *p = (const unsigned char *)text;
    while (*p) {
        size_t n = text_utf8(p);
        if (!n) {
            fputs("\\ufffd", stdout);
            n = 1;
        } else if (*p == '"' || *p == '\\') {
            printf("\\%c", *p);
        } else if (*p == '\n') {
            fputs("\\n", stdout);
        } else if (*p == '\t') {
            fputs("\\t", stdout);
        } else if (*p < 0x20 || *p == 0x7f) {
            printf("\\u%04x", *p);
        } else {
            fwrite(p, 1, n, stdout);
        }
        p += n;
    }
    putchar('"');
}

static void json_key(struct json_out *j, const char *key)
{
    if (j->comma)
        putchar(',');
    j->comma = true;
    if (key) {
        json_quote(key);
        putchar(':');
    }
}

void json_open(struct json_out *j, const char *key, char bracket)
{
    json_key(j, key);
    putchar(bracket);
    j->comma = false;
}

void json_shut(struct json_out *j, char bracket)
{
    putchar(bracket);
    j->comma = true;
}

void json_text(struct json_out *j, const char *key, const char *text)
{
    json_key(j, key);
    if (text)
        json_quote(text);
    else
        fputs("null", stdout);
}

void json_count(struct json_out *j, const char *key, int64_t n)
{
    json_key(j, key);
    printf("%" PRId64, n);
}

void json_bool(struct json_out *j, const char *key, bool yes)
{
    json_key(j, key);
    fputs(yes ? "true" : "false", stdout);
}

void json_time(struct json_out *j, const char *key, int64_t ms)
{
    char text[TIME_TEXT_LEN];
    json_text(j, key, ms ? time_text(ms, text) : NULL);
}

/* The text goes out as it is, so that no number changes its digits; what is
 * no JSON becomes a string. */
void json_value(struct json_out *j, const char *key, const char *value)
{
    json_error_t error;
    json_t *parsed = value ? json_loads(value,
                                        JSON_DECODE_ANY | JSON_ALLOW_NUL,
                                        &error)
                           : NULL;
    if (!parsed) {
        json_text(j, key, value);
        return;
    }
    json_decref(parsed);
    json_key(j, key);
    for (; *value; value++)
        putchar(*value == '\n' || *value == '\r' ? ' ' : *value);
}

static void runs_json(struct json_out *j, const struct stint_status *t)
{
    json_open(j, "runs", '[');
    for (size_t i = 0; i < t->n_runs; i++) {
        const struct stint_run_status *r = &t->runs[i];
        json_open(j, NULL, '{');
        json_text(j, "run_id", r->run_id);
        json_text(j, "status", r->status);
        json_text(j, "worker", r->worker);
        json_time(j, "start_time", r->start_time_ms);
        json_time(j, "stop_time", r->stop_time_ms);
        json_value(j, "result", r->result);
        json_text(j, "output", r->output);
        json_text(j, "error", r->error);
        json_value(j, "evidence", r->evidence);
        json_shut(j, '}');
    }
    json_shut(j, ']');
}

static void progress_json(struct json_out *j, const struct stint_status *t)
{
    char percent[32];
    snprintf(percent, sizeof percent, "%.6g", t->percent);
    json_open(j, "progress", '{');
    json_value(j, "percent", t->percent >= 0 ? percent : NULL);
    json_text(j, "text", t->progress ? t->progress : "");
    json_shut(j, '}');
}

void status_json(const struct stint_status *t, unsigned flags)
{
    struct json_out j = {false};
    json_open(&j, NULL, '{');
    json_text(&j, "id", t->id);
    json_text(&j, "function", t->function);
    json_text(&j, "task_name", t->task_name);
    if (t->traceparent)
        json_text(&j, "traceparent", t->traceparent);
    json_text(&j, "group_name", t->group_name);
    json_text(&j, "status", t->status);
    json_value(&j, "args", t->args);
    json_value(&j, "vars", t->vars);
    json_time(&j, "start_time", t->start_time_ms);
    json_time(&j, "stop_time", t->stop_time_ms);
    json_time(&j, "next_run_time", t->next_run_time_ms);
    json_time(&j, "last_run_time", t->last_run_time_ms);
    json_count(&j, "times_run", t->times_run);
    json_count(&j, "times_failed", t->times_failed);
    json_text(&j, "worker", t->worker);
    json_text(&j, "reason", t->reason);
    json_value(&j, "tags", t->tags);
    json_count(&j, "priority", t->priority);
    if (t->disabled)
        json_bool(&j, "disabled", true);
    if (t->cronline)
        json_text(&j, "cronline", t->cronline);
    if (t->timezone)
        json_text(&j, "timezone", t->timezone);
    if (t->percent >= 0 || t->progress)
        progress_json(&j, t);
    if (flags & STINT_WITH_OUTPUT) {
        json_value(&j, "result", t->result);
        json_text(&j, "output", t->output);
        json_text(&j, "error", t->error);
    }
    if (flags & STINT_WITH_RUNS)
        runs_json(&j, t);
    json_shut(&j, '}');
    putchar('\n');
}
