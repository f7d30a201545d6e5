/* SPDX-License-Identifier: MIT */
#include "args.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

void args_init(struct args *a)
{
    a->argv = NULL;
    a->len = NULL;
    a->n = a->cap = a->n_numbers = a->failed = 0;
}

static int args_grow(struct args *a)
{
    int cap = a->cap ? a->cap * 2 : 32;
    const char **argv = realloc(a->argv, (size_t)cap * sizeof(*argv));
    if (argv == NULL)
        return -1;
    a->argv = argv;
    size_t *len = realloc(a->len, (size_t)cap * sizeof(*len));
    if (len == NULL)
        return -1;
    a->len = len;
    a->cap = cap;
    return 0;
}

void args_add(struct args *a, const char *s, size_t len)
{
    if (a->n == a->cap && args_grow(a) < 0) {
        a->failed = 1;
        return;
    }
    a->argv[a->n] = s;
    a->len[a->n++] = len;
}

void args_add_str(struct args *a, const char *s)
{
    args_add(a, s, strlen(s));
}

void args_add_i64(struct args *a, int64_t n)
{
    check(a->n_numbers < ARGS_NUMBERS_MAX);
    char *text = a->numbers[a->n_numbers++];
    int len = snprintf(text, sizeof(a->numbers[0]), "%" PRId64, n);
    args_add(a, text, (size_t)len);
}

void args_close(struct args *a)
{
    free(a->argv);
    free(a->len);
    args_init(a);
}
