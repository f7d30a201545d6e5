/* SPDX-License-Identifier: MIT */
/* Frames of PROTOCOL.md, as worker and child read them. The first byte is how
 * many bytes come at once. What is a frame does not depend on that; a value of
 * it is found as jansson finds it. */
#include <jansson.h>

#include "fuzz.h"

#include "frame.h"

static uint64_t sum_add(uint64_t h, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        h = (h ^ (unsigned char)text[i]) * UINT64_C(0x100000001b3);
    return h;
}

/* One value, found in the text, reads as the one in the object. */
static void value_check(const char *text, size_t len, json_t *object,
                        const char *key)
{
    size_t value_len = 0;
    const char *value = frame_value(text, key, &value_len);
    json_t *there = json_object_get(object, key);
    must((value != NULL) == (there != NULL));
    if (value == NULL)
        return;
    must(value >= text && value + value_len <= text + len);
    json_t *read = json_loadb(value, value_len,
                              JSON_DECODE_ANY | JSON_ALLOW_NUL |
                                  JSON_DECODE_INT_AS_REAL,
                              NULL);
    must(read != NULL);
    json_decref(read);
}

static void frame_look(const char *text, size_t len)
{
    struct stint_err err = {0};
    const char *type;
    json_t *o = frame_parse(text, len, &type, &err);
    if (o == NULL) {
        must(err.code == STINT_STATE && err.text[0] != '\0');
        return;
    }
    must(type != NULL);
    value_check(text, len, o, "result");
    value_check(text, len, o, "run");
    value_check(text, len, o, "percent");
    struct buf to;
    buf_init(&to, FRAME_HEAD + FRAME_BYTES_MAX);
    struct frames again;
    frames_init(&again);
    const char *copy;
    size_t copy_len;
    must(frame_write(&to, o) == 0);
    if (to.len <= FRAME_READ) {
        must(frames_add(&again, to.data, to.len) == 0);
        must(frames_next(&again, &copy, &copy_len, &err) == 1);
        must(copy_len + FRAME_HEAD == to.len);
    }
    frames_close(&again);
    buf_close(&to);
}

/* Returns a sum over all frames and how it ended. */
static uint64_t feed(const uint8_t *data, size_t size, size_t step, int look)
{
    struct frames f;
    uint64_t sum = 1;
    int rc = 0;
    frames_init(&f);
    for (size_t at = 0; at < size && rc == 0; at += step) {
        struct stint_err err = {0};
        const char *text;
        size_t len, part = size - at < step ? size - at : step;
        must(frames_add(&f, (const char *)data + at, part) == 0);
        while ((rc = frames_next(&f, &text, &len, &err)) > 0) {
            must(len > 0 && len <= FRAME_BYTES_MAX);
            sum = sum_add(sum, text, len) + 1;
            if (look)
                frame_look(text, len);
        }
        must(rc == 0 || err.code == STINT_STATE);
    }
    sum = rc < 0 ? ~sum : sum + frames_left(&f);
    frames_close(&f);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t step = data[0] + 1u;
    uint64_t sum = feed(data + 1, size - 1, step, 0);
    must(sum == feed(data + 1, size - 1, FRAME_READ, 1));
    return 0;
}
