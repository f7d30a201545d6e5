/* SPDX-License-Identifier: MIT */
/* One line an event, handed to whoever listens; nothing is printed here. */
#ifndef STINT_CORE_LOG_H
#define STINT_CORE_LOG_H

#include <stint/stint.h>

struct log {
    stint_log_fn fn; /* NULL: silent */
    void *arg;
};

void log_write(const struct log *log, enum stint_log_level level,
               const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define log_error(log, ...) log_write(log, STINT_LOG_ERROR, __VA_ARGS__)
#define log_warn(log, ...)  log_write(log, STINT_LOG_WARN, __VA_ARGS__)
#define log_info(log, ...)  log_write(log, STINT_LOG_INFO, __VA_ARGS__)
#define log_debug(log, ...) log_write(log, STINT_LOG_DEBUG, __VA_ARGS__)

#endif
