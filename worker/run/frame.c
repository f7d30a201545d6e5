/* SPDX-License-Identifier: MIT */
#include "frame.h"

#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "err.h"

#define KEEP_BYTES (2 * FRAME_READ) /* memory kept for the next frames */

/* ---- Taken apart --------------------------------------------------------- */

void frames_init(struct frames *f)
{
    buf_init(&f->bytes, FRAME_HEAD + FRAME_BYTES_MAX + FRAME_READ);
    f->at = 0;
}

void frames_close(struct frames *f)
{
    buf_close(&f->bytes);
    f->at = 0;
}

int frames_add(struct frames *f, const char *data, size_t len)
{
    size_t left = frames_left(f);
    if (left == 0 && f->bytes.cap > KEEP_BYTES)
        buf_close(&f->bytes); /* one large frame must not cost for ever */
    if (left > 0 && f->at > 0)
        memmove(f->bytes.data, f->bytes.data + f->at, left);
    f->bytes.len = left;
    f->at = 0;
    return buf_add(&f->bytes, data, len);
}

size_t frames_left(const struct frames *f)
{
    return f->bytes.len - f->at;
}

static size_t head_read(const char *data)
{
    const unsigned char *u = (const unsigned char *)data;
    return (size_t)u[0] << 24 | (size_t)u[1] << 16 | (size_t)u[2] << 8 | u[3];
}

int frames_next(struct frames *f, const char **json, size_t *len,
                struct stint_err *err)
{
    size_t left = frames_left(f);
    if (left < FRAME_HEAD)
        return 0;
    size_t n = head_read(f->bytes.data + f->at);
    if (n == 0 || n > FRAME_BYTES_MAX)
        return err_set(err, STINT_STATE, "a frame of %zu bytes", n);
    if (left - FRAME_HEAD < n)
        return 0;
    *json = f->bytes.data + f->at + FRAME_HEAD;
    *len = n;
    f->at += FRAME_HEAD + n;
    return 1;
}

struct json_t *frame_parse(const char *json, size_t len, const char **type,
                           struct stint_err *err)
{
    json_t *o = json_loadb(json, len, JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL,
                           NULL);
    *type = json_string_value(json_object_get(o, "type"));
    if (*type != NULL)
        return o;
    if (json_is_object(o))
        err_set(err, STINT_STATE, "a frame without a type");
    else
        err_set(err, STINT_STATE, "a frame that is no JSON object");
    json_decref(o);
    return NULL;
}

/* ---- One value of it ----------------------------------------------------- */

static const char *space_skip(const char *s)
{
    while (*s == ' ' || *s == '\t' || *s == '\n' || *s == '\r')
        s++;
    return s;
}

/* Behind the string that begins here. */
static const char *string_skip(const char *s)
{
    for (s++; *s != '"'; s++)
        s += *s == '\\';
    return s + 1;
}

/* Behind the value that begins here. */
static const char *value_skip(const char *s)
{
    int depth = 0;
    do {
        if (*s == '"') {
            s = string_skip(s);
            continue;
        }
        if (*s == '{' || *s == '[')
            depth++;
        else if (*s == '}' || *s == ']')
            depth--;
        s++;
    } while (depth > 0 || strchr(",}] \t\r\n", *s) == NULL);
    return s;
}

/* It is valid, so no end needs to be looked for. */
const char *frame_value(const char *json, const char *key, size_t *len)
{
    size_t key_len = strlen(key);
    const char *s = space_skip(space_skip(json) + 1);
    while (*s == '"') {
        const char *name = s + 1;
        s = space_skip(string_skip(s));
        int is_it = strncmp(name, key, key_len) == 0 && name[key_len] == '"';
        const char *value = space_skip(s + 1);
        const char *end = value_skip(value);
        *len = (size_t)(end - value);
        if (is_it)
            return value;
        s = space_skip(end);
        if (*s == ',')
            s = space_skip(s + 1);
    }
    return NULL;
}

/* ---- Put together -------------------------------------------------------- */

int frame_begin(struct buf *to)
{
    buf_clear(to);
    return buf_add(to, "\0\0\0", FRAME_HEAD);
}

int frame_end(struct buf *to)
{
    size_t n = to->len - FRAME_HEAD;
    if (n > FRAME_BYTES_MAX)
        return -1;
    for (int i = 0; i < FRAME_HEAD; i++)
        to->data[i] = (char)(unsigned char)(n >> (8 * (FRAME_HEAD - 1 - i)));
    return 0;
}

static int dump_add(const char *text, size_t len, void *arg)
{
    return buf_add(arg, text, len);
}

int frame_write(struct buf *to, struct json_t *object)
{
    int rc = object != NULL ? frame_begin(to) : -1;
    if (rc == 0)
        rc = json_dump_callback(object, dump_add, to, JSON_COMPACT);
    if (rc == 0)
        rc = frame_end(to);
    json_decref(object);
    return rc;
}
