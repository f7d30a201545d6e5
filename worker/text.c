/* SPDX-License-Identifier: MIT */
/* Runs write what they like; people and Redis get valid UTF-8. */
#include "text.h"

#include <jansson.h>

#include "buf.h"

/* Bytes of the valid character at s, 0: none (RFC 3629). */
static size_t char_len(const unsigned char *s, size_t len)
{
    unsigned char low = 0x80, high = 0xBF;
    size_t n;

    if (s[0] == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    n = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (len < n)
        return 0;
    if (s[0] == 0xE0)
        low = 0xA0;
    else if (s[0] == 0xED)
        high = 0x9F;
    else if (s[0] == 0xF0)
        low = 0x90;
    else if (s[0] == 0xF4)
        high = 0x8F;
    if (s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < n; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

int text_clean(struct buf *to, const char *s, size_t len)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t from = 0, i = 0;

    while (i < len) {
        size_t n = char_len(u + i, len - i);

        if (n > 0) {
            i += n;
            continue;
        }
        if (i > from && buf_add(to, s + from, i - from) < 0)
            return -1;
        if (buf_add(to, "\xEF\xBF\xBD", 3) < 0)
            return -1;
        from = ++i;
    }
    return i > from ? buf_add(to, s + from, i - from) : 0;
}

size_t text_cut(const char *s, size_t len, size_t max)
{
    if (len <= max)
        return len;
    while (max > 0 && ((unsigned char)s[max] & 0xC0) == 0x80)
        max--;
    return max;
}

int text_is_json(const char *s, size_t len)
{
    json_t *value = json_loadb(
        s, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);

    if (!value)
        return 0;
    json_decref(value);
    return 1;
}
