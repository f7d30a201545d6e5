/* SPDX-License-Identifier: MIT */
/* The only place that reads a clock of this host. Durations and deadlines use
 * the monotonic clock; the date is used for ids and log lines only. */
#ifndef STINT_CORE_CLOCK_H
#define STINT_CORE_CLOCK_H

#include <stdint.h>

int64_t clock_mono_ms(void);
int64_t clock_mono_us(void);
int64_t clock_wall_ms(void);
int64_t clock_wall_us(void);

#endif
