/* SPDX-License-Identifier: MIT */
/* The log of a daemon, on stderr: a line an event, as text (`time=… level=info
 * event=… key=value`) or as JSON ({"time":…,"level":…,"event":…}). */
#ifndef STINT_CLI_LOG_PRINT_H
#define STINT_CLI_LOG_PRINT_H

#include <stint/worker.h>

struct log_print {
    int most;    /* enum stint_log_level: what is above is left out */
    int is_json;
};

/* "error", "warn", "info", "debug". -1: there is no such level. */
int log_level_find(const char *name);
/* "text", "json" to *is_json. -1: there is no such form. */
int log_form_find(const char *name, int *is_json);
/* A stint_log_fn; arg: a struct log_print. */
void log_print(enum stint_log_level level, const char *line, void *arg);

#endif
