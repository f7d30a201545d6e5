/* SPDX-License-Identifier: MIT */
/* What all targets share. A target is one file fuzz_NAME.c with the function
 * that libFuzzer calls; its inputs that are kept lie in corpus/NAME. */
#ifndef STINT_TESTS_FUZZ_H
#define STINT_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What has to hold whatever the input is. */
#define must(x) ((x) ? (void)0 : must_failed(__FILE__, __LINE__, #x))

static inline _Noreturn void must_failed(const char *file, int line,
                                         const char *what)
{
    fprintf(stderr, "%s:%d: must hold: %s\n", file, line, what);
    abort();
}

/* A C string of its own, so that a byte too far is seen. */
static inline char *text_of(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1);
    must(text != NULL);
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}

/* The next line of the input, without its end, as a C string of its own; what
 * follows is left. */
static inline char *line_of(const uint8_t **data, size_t *size)
{
    const uint8_t *end = *size > 0 ? memchr(*data, '\n', *size) : NULL;
    size_t len = end != NULL ? (size_t)(end - *data) : *size;
    char *text = text_of(*data, len);
    size_t used = end != NULL ? len + 1 : len;
    if (used > 0)
        *data += used;
    *size -= used;
    return text;
}

#endif
