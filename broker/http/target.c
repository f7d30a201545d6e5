/* SPDX-License-Identifier: MIT */
#include "target.h"

#include <string.h>

/* ---- Decoding ------------------------------------------------------------ */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* How many bytes the character at p has, of `left`; 0: it is none. */
static size_t utf8_len(const unsigned char *p, size_t left)
{
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2
             : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
    if (n == 0 || n > left)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0; /* overlong, a surrogate, beyond Unicode */
    return n;
}

static int text_is_clean(const char *text, size_t len, int blanks)
{
    const unsigned char *p = (const unsigned char *)text;
    for (size_t i = 0, n; i < len; i += n) {
        n = utf8_len(p + i, len - i);
        if (n == 0 || p[i] == 127)
            return 0;
        if (p[i] < ' ' && !(blanks && (p[i] == '\t' || p[i] == '\n')))
            return 0;
    }
    return 1;
}

/* Decodes `len` bytes at `from` to *to, which moves behind the NUL it adds.
 * NULL: bad. */
static const char *text_decode(char **to, const char *from, size_t len,
                               int plus_is_blank)
{
    char *start = *to, *p = start;
    for (size_t i = 0; i < len; i++) {
        if (from[i] == '%') {
            int high = len - i > 2 ? hex_value(from[i + 1]) : -1;
            int low = high >= 0 ? hex_value(from[i + 2]) : -1;
            if (low < 0)
                return NULL;
            *p++ = (char)(high << 4 | low);
            i += 2;
        } else {
            *p++ = (char)(plus_is_blank && from[i] == '+' ? ' ' : from[i]);
        }
    }
    *p = '\0';
    *to = p + 1;
    return text_is_clean(start, (size_t)(p - start), plus_is_blank) ? start
                                                                   : NULL;
}

/* ---- The path, the query ------------------------------------------------- */

static int segment_is_plain(const char *s)
{
    return *s != '\0' && strcmp(s, ".") != 0 && strcmp(s, "..") != 0 &&
           strpbrk(s, "/\\") == NULL;
}

static int path_parse(struct target *t, char **to, const char *path,
                      size_t len)
{
    for (size_t i = 1; len > 1;) { /* "/" alone has none */
        const char *slash = memchr(path + i, '/', len - i);
        size_t end = slash != NULL ? (size_t)(slash - path) : len;
        if (t->n_segments == HTTP_SEGMENTS_MAX)
            return 414;
        const char *s = text_decode(to, path + i, end - i, 0);
        if (s == NULL || !segment_is_plain(s))
            return 400;
        t->segment[t->n_segments++] = s;
        if (slash == NULL)
            break;
        i = end + 1;
    }
    return 0;
}

static int query_parse(struct target *t, char **to, const char *query)
{
    while (*query != '\0') {
        size_t len = strcspn(query, "&");
        const char *equals = memchr(query, '=', len);
        size_t name_len = equals != NULL ? (size_t)(equals - query) : len;
        if (len > 0) {
            if (t->n_pairs == HTTP_PAIRS_MAX)
                return 414;
            const char *name = text_decode(to, query, name_len, 1);
            const char *value =
                equals != NULL
                    ? text_decode(to, equals + 1, len - name_len - 1, 1) : "";
            if (name == NULL || value == NULL)
                return 400;
            t->pair[t->n_pairs].name = name;
            t->pair[t->n_pairs++].value = value;
        }
        query += len + (query[len] == '&');
    }
    return 0;
}

int target_parse(struct target *t, const char *text)
{
    size_t len = strlen(text);
    char *to = t->text;
    t->n_segments = t->n_pairs = 0;
    if (len > HTTP_TARGET_MAX)
        return 414;
    if (text[0] != '/' || memchr(text, '#', len) != NULL)
        return 400;
    size_t path_len = strcspn(text, "?");
    int status = path_parse(t, &to, text, path_len);
    if (status == 0 && text[path_len] == '?')
        status = query_parse(t, &to, text + path_len + 1);
    return status;
}

const char *target_query(const struct target *t, const char *name)
{
    for (size_t i = 0; i < t->n_pairs; i++)
        if (strcmp(t->pair[i].name, name) == 0)
            return t->pair[i].value;
    return NULL;
}

/* ---- Against a route ----------------------------------------------------- */

/* The next segment of a route's path; its length, 0: no more. */
static size_t path_next(const char **path)
{
    if (**path == '/')
        ++*path;
    return strcspn(*path, "/");
}

int target_fits(const struct target *t, const char *path)
{
    for (size_t i = 0;; i++) {
        size_t len = path_next(&path);
        if (len == 0 || i == t->n_segments)
            return len == 0 && i == t->n_segments;
        if (path[0] != '{' && (strlen(t->segment[i]) != len ||
                               memcmp(t->segment[i], path, len) != 0))
            return 0;
        path += len;
    }
}

const char *target_segment(const struct target *t, const char *path,
                           const char *name)
{
    size_t name_len = strlen(name);
    for (size_t i = 0; i < t->n_segments; i++) {
        size_t len = path_next(&path);
        if (len == name_len + 2 && path[0] == '{' &&
            memcmp(path + 1, name, name_len) == 0)
            return t->segment[i];
        path += len;
    }
    return NULL;
}
