/* SPDX-License-Identifier: MIT */
/* Runs write what they like; people and Redis get valid UTF-8. */
#include "text.h"

#include <assert.h>
#include <jansson.h>
#include <stdint.h>
#include <string.h>

#include "bounds.h"
#include "buf.h"

/* Bytes of the character that begins at s, 0: none does (RFC 3629). If it is
 * more than len, the bytes that are there are right. */
static size_t char_size(const unsigned char *s, size_t len)
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
    if (s[0] == 0xE0)
        low = 0xA0;
    else if (s[0] == 0xED)
        high = 0x9F;
    else if (s[0] == 0xF0)
        low = 0x90;
    else if (s[0] == 0xF4)
        high = 0x8F;
    if (len > 1 && (s[1] < low || s[1] > high))
        return 0;
    for (size_t i = 2; i < n && i < len; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    return n;
}

/* How many bytes, in eights, are ASCII and not NUL: most text is, and whoever
 * floods us must not cost more than the reading of it. */
static size_t ascii_len(const unsigned char *s, size_t len)
{
    const uint64_t ones = 0x0101010101010101, highs = ones << 7;
    size_t i = 0;
    uint64_t word;

    for (; len - i >= sizeof(word); i += sizeof(word)) {
        memcpy(&word, s + i, sizeof(word));
        /* The difference has a high bit in a byte that was 0. */
        if ((word | (word - ones)) & highs)
            break;
    }
    return i;
}

int text_clean(struct buf *to, const char *s, size_t len)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t from = 0, i = 0;

    while (i < len) {
        size_t n = ascii_len(u + i, len - i);

        if (n == 0)
            n = char_size(u + i, len - i);
        if (n > 0 && n <= len - i) {
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

size_t text_open(const char *s, size_t len)
{
    for (size_t n = 1; n < 4 && n <= len; n++)
        if (char_size((const unsigned char *)s + len - n, n) > n)
            return n;
    return 0;
}

const char *text_result_fault(const char *s, size_t len)
{
    static_assert(RESULT_BYTES_MAX == 262144, "the text below says it");
    json_t *value;

    if (len > RESULT_BYTES_MAX)
        return "the result is larger than 262144 bytes";
    value = json_loadb(s, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
    if (!value)
        return "the result is no JSON";
    json_decref(value);
    return NULL;
}
