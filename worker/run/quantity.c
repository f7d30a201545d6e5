/* SPDX-License-Identifier: MIT */
#include "quantity.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define QUANTITY_MAX (UINT64_C(1) << 62)

static int text_read(const char *text, uint64_t *n)
{
    static const char units[] = "KMGT";
    const char *unit;
    char *end;
    int shift = 0;

    if (text[0] < '0' || text[0] > '9')
        return -1;
    errno = 0;
    *n = strtoull(text, &end, 10);
    if (errno)
        return -1;
    if (*end) {
        unit = strchr(units, *end++);
        if (!unit || *end)
            return -1;
        shift = 10 * (int)(unit - units + 1);
    }
    if (*n > QUANTITY_MAX >> shift)
        return -1;
    *n <<= shift;
    return 0;
}

int quantity_read(const json_t *value, int with_units, uint64_t *n)
{
    json_int_t i = json_integer_value(value);

    if (with_units && json_is_string(value))
        return text_read(json_string_value(value), n);
    if (!json_is_integer(value) || i < 0 || (uint64_t)i > QUANTITY_MAX)
        return -1;
    *n = (uint64_t)i;
    return 0;
}
