/* SPDX-License-Identifier: MIT */
/* For LD_PRELOAD: a wall clock that somebody has set wrong. What measures
 * durations is left alone. */
#ifndef STINT_TESTS_SHIM_CLOCK_H
#define STINT_TESTS_SHIM_CLOCK_H

#include <stdint.h>

#define SHIM_API __attribute__((visibility("default")))

/* By so many ms, now; whoever links shim_clock.c says so. */
int64_t shim_clock_ms(void);

#endif
