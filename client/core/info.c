/* SPDX-License-Identifier: MIT */
#include "info.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *info_find(const char *text, const char *name)
{
    size_t len = strlen(name);
    while (text != NULL && *text != '\0') {
        if (strncmp(text, name, len) == 0 && text[len] == ':')
            return text + len + 1;
        text = strchr(text, '\n');
        text = text != NULL ? text + 1 : NULL;
    }
    return NULL;
}

int64_t info_add(int64_t n, int64_t more)
{
    return more < 0 || more > INFO_COUNT_MAX - n ? INFO_COUNT_MAX : n + more;
}

int64_t info_count(const char *text, const char *name)
{
    int64_t n = 0;
    while ((text = info_find(text, name)) != NULL)
        n = info_add(n, strtoll(text, NULL, 10));
    return n;
}

int info_text(const char *text, const char *name, char *to, size_t cap)
{
    const char *at = info_find(text, name);
    snprintf(to, cap, "%.*s", at != NULL ? (int)strcspn(at, "\r\n") : 0,
             at != NULL ? at : "");
    return at != NULL;
}
