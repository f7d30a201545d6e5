/* SPDX-License-Identifier: MIT */
/* Times as people write them; and what we write reads as the same. */
#include "fuzz.h"

#include "time_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int64_t ms, again;
    int relative = -1;
    char written[TIME_TEXT_LEN];
    char *text = text_of(data, size);
    if (time_text_read(text, &ms, &relative) == 0) {
        must(relative == 0 || relative == 1);
        if (relative == 0) {
            must(ms >= 0 && ms <= INT64_C(253402300799999));
            time_text_write(ms, written);
            must(time_text_read(written, &again, &relative) == 0);
            must(relative == 0 && again == ms);
        }
    }
    free(text);
    return 0;
}
