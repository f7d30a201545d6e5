/* SPDX-License-Identifier: MIT */
/* Colours: which word has which, and whether there are any. */
#include "cli.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *word;
    enum paint paint;
} words[] = {
    {"RUNNING", PAINT_BUSY},   {"ASSIGNED", PAINT_BUSY},
    {"COMPLETED", PAINT_GOOD}, {"ACTIVE", PAINT_GOOD},
    {"FAILED", PAINT_BAD},     {"TIMEOUT", PAINT_BAD},
    {"DEAD", PAINT_BAD},       {"KILLED", PAINT_BAD},
    {"STOPPED", PAINT_WARN},   {"EXPIRED", PAINT_WARN},
    {"DISABLED", PAINT_WARN},  {"TERMINATING", PAINT_WARN},
    {"PAUSED", PAINT_WARN},    {"LOST", PAINT_BAD},
};

enum paint paint_of(const char *word)
{
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i].word, word))
            return words[i].paint;
    return PAINT_NONE;
}

const char *paint_code(enum paint paint)
{
    static const char *const codes[] = {
        [PAINT_NONE] = "",         [PAINT_HEAD] = "\x1b[1m",
        [PAINT_BUSY] = "\x1b[36m", [PAINT_GOOD] = "\x1b[32m",
        [PAINT_WARN] = "\x1b[33m", [PAINT_BAD] = "\x1b[31m",
    };
    return codes[paint];
}

bool colour_on(const struct common *common)
{
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
    if (common->color && strcmp(common->color, "auto"))
        return !strcmp(common->color, "always");
    return isatty(STDOUT_FILENO) && !(none && *none) && term && *term &&
           strcmp(term, "dumb");
}
