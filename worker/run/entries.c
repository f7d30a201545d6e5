/* SPDX-License-Identifier: MIT */
#include "entries.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *entry_join(const char *prefix, const char *text)
{
    size_t len = strlen(prefix) + strlen(text) + 1;
    char *s = malloc(len);

    if (s)
        snprintf(s, len, "%s%s", prefix, text);
    return s;
}

void entries_free(char **entries)
{
    for (size_t i = 0; entries && entries[i]; i++)
        free(entries[i]);
    free(entries);
}

size_t entries_count(char *const *entries)
{
    size_t n = 0;

    while (entries && entries[n])
        n++;
    return n;
}
