/* SPDX-License-Identifier: MIT */
/* Output of programs, made fit to be kept: whatever comes is valid UTF-8 then,
 * also in two pieces, and cleaning it once more changes nothing. */
#include <jansson.h>

#include "fuzz.h"

#include "bounds.h"
#include "text.h"

static void is_clean(const char *text, size_t len)
{
    json_t *s = json_stringn(text, len);
    must(s != NULL);
    must(memchr(text, '\0', len) == NULL || len == 0);
    json_decref(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    char *text = text_of(data + 1, size - 1);
    size_t len = size - 1, cut = len > 0 ? data[0] % (len + 1) : 0;
    struct buf whole, again, pieces;
    buf_init(&whole, 3 * len + 1);
    buf_init(&again, 3 * len + 1);
    buf_init(&pieces, 3 * len + 1);
    must(text_clean(&whole, text, len) == 0);
    if (whole.len > 0) {
        is_clean(whole.data, whole.len);
        must(text_clean(&again, whole.data, whole.len) == 0);
        must(again.len == whole.len &&
             memcmp(again.data, whole.data, whole.len) == 0);
        size_t n = text_cut(whole.data, whole.len, cut);
        must(n <= cut && (n + 3 >= cut || n == whole.len));
        if (n > 0)
            is_clean(whole.data, n);
    }
    size_t open = text_open(text, cut);
    must(open <= 3 && open <= cut);
    must(text_clean(&pieces, text, cut - open) == 0);
    must(text_clean(&pieces, text + cut - open, len - cut + open) == 0);
    must(pieces.len == whole.len &&
         (whole.len == 0 || memcmp(pieces.data, whole.data, whole.len) == 0));
    if (text_result_fault(text, len) == NULL)
        must(len <= RESULT_BYTES_MAX && len > 0);
    buf_close(&whole);
    buf_close(&again);
    buf_close(&pieces);
    free(text);
    return 0;
}
