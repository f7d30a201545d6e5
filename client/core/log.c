/* SPDX-License-Identifier: MIT */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

void log_write(const struct log *log, enum stint_log_level level,
               const char *fmt, ...)
{
    if (log->fn == NULL)
        return;
    char line[512];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(line, sizeof(line), fmt, ap);
    va_end(ap);
    for (char *p = line; *p != '\0'; p++) /* no control bytes from outside */
        if ((unsigned char)*p < ' ' || *p == 127)
            *p = '?';
    log->fn(level, line, log->arg);
}
