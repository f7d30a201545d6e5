/* SPDX-License-Identifier: MIT */
/* One line an event, handed to whoever listens; nothing is printed here. A line
 * is `event=WORD key=value …` (logfmt): the words are those of docs/ and lua/,
 * verbs and states. A value that is not plain is quoted and escaped exactly as
 * a JSON string is, and a text that looks like a number is quoted, too: so a
 * line can be turned into JSON without knowing its event (cli/log_print.c).
 *
 * Never logged: arguments, results and output of tasks, passwords. */
#ifndef STINT_CORE_LOG_H
#define STINT_CORE_LOG_H

#include <stdint.h>
#include <stint/stint.h>

#define LOG_LINE_MAX  1000 /* bytes; fields that do not fit are cut or left */
#define LOG_VALUE_MAX 300  /* bytes of a text */
#define LOG_KINDS_MAX 64   /* told apart by the limit; there are fewer */

/* So many lines of an event and level a second are handed on; what is over is
 * counted, and told by `event=suppressed of=WORD lines=N` when that second is
 * over. */
struct log_limit {
    int64_t (*clock)(void); /* mono ms */
    int n_kinds;
    struct log_kind {
        const char *event;  /* a constant */
        enum stint_log_level level;
        int64_t since_ms;
        int n;              /* in this second */
        int64_t suppressed;
    } kinds[LOG_KINDS_MAX];
};

struct log {
    stint_log_fn fn; /* NULL: silent */
    void *arg;
    struct log_limit *limit; /* NULL: none */
};

enum log_type { LOG_TEXT, LOG_N, LOG_S };
struct log_field {
    const char *key; /* NULL: the last */
    const char *text;
    int64_t n;
    enum log_type type;
};
/* A text may be anything; NULL: the field is left out. log_s: n milliseconds as
 * seconds. */
#define log_event(word)   {"event", word, 0, LOG_TEXT}
#define log_text(key, s)  {key, s, 0, LOG_TEXT}
#define log_n(key, value) {key, NULL, value, LOG_N}
#define log_s(key, ms)    {key, NULL, ms, LOG_S}
#define log_n_if(is_there, key, value)                                         \
    {key, NULL, value, (is_there) ? LOG_N : LOG_TEXT}

/* fields[0] is the event. */
void log_write(const struct log *log, enum stint_log_level level,
               const struct log_field *fields);
/* Tells what was suppressed; meant to be called every few seconds. `anyway`: at
 * the end, even if the second is not over. */
void log_settle(const struct log *log, int anyway);

#define log_at(log, level, ...)                                                \
    log_write(log, level, (const struct log_field[]){__VA_ARGS__, {0}})
#define log_error(log, ...) log_at(log, STINT_LOG_ERROR, __VA_ARGS__)
#define log_warn(log, ...)  log_at(log, STINT_LOG_WARN, __VA_ARGS__)
#define log_info(log, ...)  log_at(log, STINT_LOG_INFO, __VA_ARGS__)
#define log_debug(log, ...) log_at(log, STINT_LOG_DEBUG, __VA_ARGS__)

#endif
