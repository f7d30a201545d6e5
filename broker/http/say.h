/* SPDX-License-Identifier: MIT */
/* The broker's log: one line an event, `event=WORD key=value …`, in the form
 * that workers have (docs/stint.1, --log). A value that is not plain is a JSON
 * string, and a text that looks like a number is quoted, too, so that a line
 * can become JSON without its event being known.
 *
 * Never logged: bodies, query strings, passwords, tokens, cookies. */
#ifndef STINT_BROKER_SAY_H
#define STINT_BROKER_SAY_H

#include <stdint.h>
#include <stint/worker.h>

#define SAY_LINE_MAX  1000 /* bytes; fields that do not fit are left out */
#define SAY_VALUE_MAX 300  /* bytes of a text; the rest is cut */
#define SAY_KINDS_MAX 32   /* told apart by the limit; there are fewer */

/* So many lines of an event and level a second are handed on (20; of debug 500);
 * what is over is counted, and told by `event=suppressed of=WORD lines=N`. */
struct say {
    stint_log_fn fn; /* NULL: silent */
    void *arg;
    int n_kinds;
    struct say_kind {
        const char *event; /* a constant */
        enum stint_log_level level;
        int64_t since_ms;
        int n;             /* in this second */
        int64_t suppressed;
    } kinds[SAY_KINDS_MAX];
};

struct say_field {
    const char *key;  /* NULL: the last */
    const char *text; /* NULL: it is the number */
    int64_t n;
};
/* A text may hold any bytes; NULL is as "". */
#define say_text(key, s)  {key, (s) != NULL ? (s) : "", 0}
#define say_n(key, value) {key, NULL, value}

/* At `now_mono_ms`. The last arguments are fields. */
#define say_at(say, now_mono_ms, level, event, ...)                            \
    say_write(say, now_mono_ms, level, event,                                  \
              (const struct say_field[]){__VA_ARGS__, {0}})
void say_write(struct say *s, int64_t now_mono_ms, enum stint_log_level level,
               const char *event, const struct say_field *fields);
/* Tells what was suppressed, of seconds that are over; every now and then. */
void say_settle(struct say *s, int64_t now_mono_ms);

#endif
