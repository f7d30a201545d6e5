/* SPDX-License-Identifier: MIT */
#include "answer.h"

#include <event2/buffer.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>

/* ---- Words --------------------------------------------------------------- */

static const struct {
    int status;
    const char *phrase;
    const char *word;
} statuses[] = {
    {200, "OK", ""},
    {201, "Created", ""},
    {204, "No Content", ""},
    {304, "Not Modified", ""},
    {400, "Bad Request", "invalid"},
    {401, "Unauthorized", "unauthorized"},
    {403, "Forbidden", "forbidden"},
    {404, "Not Found", "not-found"},
    {405, "Method Not Allowed", "method-not-allowed"},
    {408, "Request Timeout", "timeout"},
    {409, "Conflict", "state"},
    {411, "Length Required", "invalid"},
    {413, "Content Too Large", "too-large"},
    {414, "URI Too Long", "invalid"},
    {415, "Unsupported Media Type", "unsupported-media-type"},
    {417, "Expectation Failed", "invalid"},
    {421, "Misdirected Request", "forbidden"},
    {429, "Too Many Requests", "too-many-requests"},
    {431, "Request Header Fields Too Large", "too-large"},
    {500, "Internal Server Error", "internal"},
    {501, "Not Implemented", "method-not-allowed"},
    {503, "Service Unavailable", "busy"},
    {504, "Gateway Timeout", "timeout"},
    {505, "HTTP Version Not Supported", "invalid"},
};
#define STATUSES (sizeof(statuses) / sizeof(*statuses))

const char *answer_phrase(int status)
{
    for (size_t i = 0; i < STATUSES; i++)
        if (statuses[i].status == status)
            return statuses[i].phrase;
    return "Unknown";
}

const char *answer_word(int status)
{
    for (size_t i = 0; i < STATUSES; i++)
        if (statuses[i].status == status)
            return statuses[i].word;
    return "internal";
}

int answer_status(enum stint_code code, const char **word)
{
    static const struct {
        enum stint_code code;
        int status;
        const char *word;
    } rows[] = {
        {STINT_INVALID, 400, "invalid"},
        {STINT_EXISTS, 409, "exists"},
        {STINT_NOT_FOUND, 404, "not-found"},
        {STINT_STATE, 409, "state"},
        {STINT_STALE, 409, "state"},
        {STINT_LEASE, 409, "state"},
        {STINT_PARTS, 409, "state"},
        {STINT_TOO_BIG, 413, "too-large"},
        {STINT_NOMEM, 503, "busy"},
        {STINT_UNREACHABLE, 503, "redis-unreachable"},
        {STINT_UNKNOWN, 503, "redis-unreachable"},
        {STINT_LOADING, 503, "redis-unreachable"},
        {STINT_READONLY, 503, "redis-unreachable"},
        {STINT_AUTH, 403, "redis-refused"},
        {STINT_NOSCRIPT, 503, "redis-unreachable"},
        {STINT_OOM, 503, "busy"},
        {STINT_MISCONF, 503, "busy"},
        {STINT_BUSY, 503, "busy"},
        {STINT_CLOSED, 503, "busy"},
        {STINT_TIMEOUT, 504, "timeout"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
        if (rows[i].code == code) {
            *word = rows[i].word;
            return rows[i].status;
        }
    *word = "internal";
    return 500;
}

/* ---- Bodies, headers ----------------------------------------------------- */

json_t *answer_problem(int status, const char *word, const char *detail,
                       json_t *errors)
{
    char type[64];
    snprintf(type, sizeof(type), "urn:stint:%.40s", word);
    json_t *o = json_pack("{s:s, s:s, s:i}", "type", type, "title",
                          answer_phrase(status), "status", status);
    /* What is no UTF-8 is left out. */
    if (o != NULL && detail != NULL && *detail != '\0')
        json_object_set_new(o, "detail", json_string(detail));
    if (errors != NULL && o != NULL)
        json_object_set_new(o, "errors", errors);
    else
        json_decref(errors);
    return o;
}

static const struct {
    const char *name, *value;
} always[] = {
    {"Content-Security-Policy",
     "default-src 'none'; script-src 'self'; style-src 'self'; "
     "connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'; "
     "base-uri 'none'; form-action 'self'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Cross-Origin-Opener-Policy", "same-origin"},
};
#define ALWAYS (sizeof(always) / sizeof(*always))

void answer_headers(struct evkeyvalq *to)
{
    for (size_t i = 0; i < ALWAYS; i++)
        evhttp_add_header(to, always[i].name, always[i].value);
}

void answer_refusal(struct evbuffer *to, int status, const char *detail)
{
    json_t *o = answer_problem(status, answer_word(status), detail, NULL);
    char *body = o != NULL ? json_dumps(o, JSON_COMPACT) : NULL;
    evbuffer_add_printf(to, "HTTP/1.1 %d %s\r\n", status,
                        answer_phrase(status));
    for (size_t i = 0; i < ALWAYS; i++)
        evbuffer_add_printf(to, "%s: %s\r\n", always[i].name, always[i].value);
    evbuffer_add_printf(to, "Cache-Control: no-store\r\nConnection: close\r\n"
                        "Content-Type: " ANSWER_PROBLEM "\r\n"
                        "Content-Length: %zu\r\n\r\n%s",
                        body != NULL ? strlen(body) : 0,
                        body != NULL ? body : "");
    free(body);
    json_decref(o);
}
