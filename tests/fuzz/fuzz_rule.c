/* SPDX-License-Identifier: MIT */
/* The rule of a zone. Its spans hold the instant asked about, do not overlap,
 * and have offsets within the bound. */
#include "fuzz.h"

#include "zone_rule.h"

#define STEP_S  (37 * 86400 + 4321)
#define SPANS_N 40

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zone_rule r;
    char *text = text_of(data, size);
    if (zone_rule_read(&r, text) == 0)
        for (int i = 0; i < SPANS_N; i++) {
            int64_t at_s = INT64_C(1700000000) + (int64_t)i * STEP_S;
            struct zone_span span = {INT64_MIN, INT64_MAX, 0};
            struct zone_span before = {INT64_MIN, INT64_MAX, 0};
            zone_rule_span(&r, at_s, &span);
            must(span.from_s <= at_s && at_s < span.until_s);
            must(span.offset_s >= -ZONE_OFFSET_S_MAX &&
                 span.offset_s <= ZONE_OFFSET_S_MAX);
            if (span.from_s == INT64_MIN)
                continue;
            zone_rule_span(&r, span.from_s - 1, &before);
            must(before.until_s <= span.from_s);
        }
    free(text);
    return 0;
}
