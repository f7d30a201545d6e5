/* SPDX-License-Identifier: MIT */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *word;
    const char *text;
} codes[] = {
#define CODE_ROW(name, word, text) {word, text},
    STINT_CODES(CODE_ROW)
#undef CODE_ROW
};
#define N_CODES (sizeof(codes) / sizeof(codes[0]))

const char *stint_code_text(enum stint_code code)
{
    return (size_t)code < N_CODES ? codes[code].text : "unknown error";
}

static int err_vset(struct stint_err *err, enum stint_code code,
                    const char *fmt, va_list ap)
{
    if (err->code != STINT_OK)
        return -1;
    err->code = code;
    vsnprintf(err->text, sizeof(err->text), fmt, ap);
    return -1;
}

int err_set(struct stint_err *err, enum stint_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    err_vset(err, code, fmt, ap);
    va_end(ap);
    return -1;
}

int err_wrap(struct stint_err *err, const char *fmt, ...)
{
    char old[STINT_ERROR_LEN];
    memcpy(old, err->text, sizeof(old));
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(err->text, sizeof(err->text), fmt, ap);
    va_end(ap);
    if (n >= 0 && (size_t)n < sizeof(err->text))
        snprintf(err->text + n, sizeof(err->text) - (size_t)n, ": %.*s",
                 (int)(sizeof(err->text) - (size_t)n), old);
    return -1;
}

int err_errno(struct stint_err *err, const char *fmt, ...)
{
    int saved = errno;
    struct stint_err inner = {0};
    va_list ap;
    va_start(ap, fmt);
    err_vset(&inner, STINT_SYSTEM, fmt, ap);
    va_end(ap);
    err_set(err, STINT_SYSTEM, "%.150s: %s", inner.text, strerror(saved));
    errno = saved;
    return -1;
}

int err_from_reply(struct stint_err *err, const char *text, size_t len)
{
    size_t word = 0;
    while (word < len && text[word] != ' ')
        word++;
    enum stint_code code = STINT_REDIS;
    for (size_t i = 1; i < N_CODES; i++)
        if (strlen(codes[i].word) == word && !memcmp(codes[i].word, text, word))
            code = (enum stint_code)i;
    if ((word == 9 && !memcmp(text, "WRONGPASS", 9)) ||
        (word == 6 && !memcmp(text, "NOPERM", 6)) ||
        (len > 20 && !memcmp(text, "ERR invalid password", 20)))
        code = STINT_AUTH;
    if (word == 10 && !memcmp(text, "MASTERDOWN", 10))
        code = STINT_READONLY;
    int n = len < 190 ? (int)len : 190;
    if (code != STINT_REDIS && code <= STINT_TOO_BIG && (size_t)n > word) {
        text += word + 1; /* our own words: the sentence behind is enough */
        n -= (int)word + 1;
    }
    if (n == 0 || *text == '\0')
        return err_set(err, code, "an error without words");
    return err_set(err, code, "%.*s", n, text);
}

void errors_add(struct stint_errors *errors, const char *field,
                const char *fmt, ...)
{
    if (errors->n >= STINT_ERRORS_MAX)
        return;
    size_t i = errors->n++;
    snprintf(errors->at[i].field, sizeof(errors->at[i].field), "%s", field);
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(errors->at[i].text, sizeof(errors->at[i].text), fmt, ap);
    va_end(ap);
}

void check_failed(const char *file, int line, const char *what)
{
    fprintf(stderr, "stint: %s:%d: check failed: %s\n", file, line, what);
    abort();
}
