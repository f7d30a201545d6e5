/* SPDX-License-Identifier: MIT */
#include "head.h"

#include <string.h>
#include <strings.h>

#include "http_limits.h"

/* What of a head's headers is there to be counted. */
enum { HEAD_LENGTH, HEAD_HOST, HEAD_EXPECT, HEAD_N };
struct head_seen {
    int is_1_1;
    int n[HEAD_N];
};

static int head_refuse(const char **detail, int status, const char *why)
{
    *detail = why;
    return status;
}

static int byte_is_token(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
           (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static int method_is_known(const char *m)
{
    static const char *const known[] = {"GET", "HEAD", "POST", "PUT",
                                        "DELETE", "OPTIONS"};
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
        if (strcmp(m, known[i]) == 0)
            return 1;
    return 0;
}

/* "GET /path HTTP/1.1" */
static int head_line(struct head *h, struct head_seen *seen, const char *line,
                     size_t len, const char **detail)
{
    const char *blank = memchr(line, ' ', len), *end = line + len;
    size_t n = blank != NULL ? (size_t)(blank - line) : 0;
    if (n == 0 || n >= sizeof(h->method))
        return head_refuse(detail, n == 0 ? 400 : 501, "no such method");
    memcpy(h->method, line, n);
    h->method[n] = '\0';
    if (strlen(h->method) != n)
        return head_refuse(detail, 400, "there is a NUL in the method");
    h->target = blank + 1;
    blank = memchr(h->target, ' ', (size_t)(end - h->target));
    if (blank == NULL || blank == h->target)
        return head_refuse(detail, 400, "the request line is broken");
    h->target_len = (size_t)(blank - h->target);
    for (size_t i = 0; i < h->target_len; i++)
        if ((unsigned char)h->target[i] <= ' ' ||
            (unsigned char)h->target[i] >= 127)
            return head_refuse(detail, 400, "the path holds bytes that are "
                               "to be escaped");
    if (end - blank != 9 || memcmp(blank, " HTTP/1.", 8) != 0 ||
        (end[-1] != '0' && end[-1] != '1'))
        return head_refuse(detail, 505, "HTTP/1.1 is spoken here");
    seen->is_1_1 = end[-1] == '1';
    if (!method_is_known(h->method))
        return head_refuse(detail, 501, "no such method");
    if (h->target_len > HTTP_TARGET_MAX)
        return head_refuse(detail, 414, "the path is too long");
    if (h->target[0] != '/')
        return head_refuse(detail, 400, "the path must begin with /");
    return 0;
}

/* Digits alone; -1: it is no length. */
static int64_t length_parse(const char *text, size_t len)
{
    int64_t n = 0;
    if (len == 0 || len > 15)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return -1;
        n = n * 10 + (text[i] - '0');
    }
    return n;
}

static int name_is(const char *name, size_t len, const char *wanted)
{
    return strlen(wanted) == len && strncasecmp(name, wanted, len) == 0;
}

static int head_field(struct head *h, struct head_seen *seen, const char *name,
                      size_t name_len, const char *value, size_t len,
                      const char **detail)
{
    if (name_is(name, name_len, "Transfer-Encoding"))
        return head_refuse(detail, 411, "a body needs a Content-Length");
    if (name_is(name, name_len, "Host"))
        seen->n[HEAD_HOST]++;
    if (name_is(name, name_len, "Expect")) {
        seen->n[HEAD_EXPECT]++;
        if (!name_is(value, len, "100-continue"))
            return head_refuse(detail, 417, "100-continue is all that can be "
                               "expected");
    }
    if (name_is(name, name_len, "Content-Length")) {
        seen->n[HEAD_LENGTH]++;
        h->body_len = length_parse(value, len);
        if (h->body_len < 0)
            return head_refuse(detail, 400, "the Content-Length is no number");
    }
    for (int i = 0; i < HEAD_N; i++)
        if (seen->n[i] > 1)
            return head_refuse(detail, 400, "a header stands there twice");
    return 0;
}

/* "Name: value" */
static int head_header(struct head *h, struct head_seen *seen,
                       const char *line, size_t len, const char **detail)
{
    const char *colon = memchr(line, ':', len);
    size_t name_len = colon != NULL ? (size_t)(colon - line) : 0;
    if (name_len == 0)
        return head_refuse(detail, 400, "a header has no name");
    for (size_t i = 0; i < name_len; i++) /* a blank in front: folded */
        if (!byte_is_token((unsigned char)line[i]))
            return head_refuse(detail, 400, "a header's name is broken");
    const char *value = colon + 1, *end = line + len;
    while (value < end && (*value == ' ' || *value == '\t'))
        value++;
    while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    for (const char *p = value; p < end; p++)
        if (((unsigned char)*p < ' ' && *p != '\t') || *p == 127)
            return head_refuse(detail, 400, "a header holds control bytes");
    return head_field(h, seen, line, name_len, value, (size_t)(end - value),
                      detail);
}

static int head_end(const struct head *h, const struct head_seen *seen,
                    const char **detail)
{
    int has_body = strcmp(h->method, "POST") == 0 ||
                   strcmp(h->method, "PUT") == 0;
    if (seen->is_1_1 && seen->n[HEAD_HOST] == 0)
        return head_refuse(detail, 400, "there is no Host");
    if (h->body_len > 0 && !has_body)
        return head_refuse(detail, 400, "this method has no body");
    return 0;
}

int head_check(struct head *h, const char *text, size_t len,
               const char **detail)
{
    struct head_seen seen = {0};
    memset(h, 0, sizeof(*h));
    for (size_t at = 0, i = 0; at < len; i++) {
        const char *lf = memchr(text + at, '\n', len - at);
        size_t n = lf != NULL ? (size_t)(lf - text) - at : 0;
        if (n == 0 || text[at + n - 1] != '\r' ||
            memchr(text + at, '\r', n - 1) != NULL)
            return head_refuse(detail, 400, "lines end in CR LF");
        if (n == 1)
            return i > 0 ? head_end(h, &seen, detail)
                         : head_refuse(detail, 400, "there is no request");
        int status = i == 0 ? head_line(h, &seen, text + at, n - 1, detail)
                            : head_header(h, &seen, text + at, n - 1, detail);
        if (status != 0)
            return status;
        at += n + 1;
    }
    return head_refuse(detail, 400, "the head does not end");
}
