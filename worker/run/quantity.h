/* SPDX-License-Identifier: MIT */
/* Amounts in a configuration. */
#ifndef STINT_WORKER_QUANTITY_H
#define STINT_WORKER_QUANTITY_H

#include <stdint.h>

struct json_t;

/* A whole number from 0 to 2^62; with_units also text: digits, and K, M, G or
 * T, powers of 1,024. -1: it is none. */
int quantity_read(const struct json_t *value, int with_units, uint64_t *n);

#endif
