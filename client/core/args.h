/* SPDX-License-Identifier: MIT */
/* The arguments of one command: borrowed strings and a few copied numbers.
 * Out of memory is remembered: check args_failed before the call. */
#ifndef STINT_CORE_ARGS_H
#define STINT_CORE_ARGS_H

#include <stddef.h>
#include <stdint.h>

#define ARGS_NUMBERS_MAX 16

struct args {
    const char **argv;
    size_t *len;
    int n, cap;
    int n_numbers;
    int failed;
    char numbers[ARGS_NUMBERS_MAX][24]; /* args_add_i64 writes here: do not
                                           copy or move the struct */
};

void args_init(struct args *a);
void args_add(struct args *a, const char *s, size_t len); /* borrowed */
void args_add_str(struct args *a, const char *s);         /* borrowed */
void args_add_i64(struct args *a, int64_t n);             /* copied */
void args_close(struct args *a);

#endif
