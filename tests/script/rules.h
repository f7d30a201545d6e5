/* SPDX-License-Identifier: MIT */
/* Drives the rules in a redis-server of the test program's own, at a time the
 * test chooses: nothing sleeps. After every call fsck looks at every key, and a
 * fault fails the test. Strings handed out stay until 256 more were. */
#ifndef STINT_TESTS_RULES_H
#define STINT_TESTS_RULES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RULES_START INT64_C(1000000000000) /* when every test begins, in ms */
#define HOUR INT64_C(3600000)
#define DAY INT64_C(86400000)

extern int64_t rules_now;
/* Whose rules are called, and whose tasks the helpers below mean: "main", as
 * every test begins, or "other". */
extern const char *rules_group;

int rules_up(void **state);    /* for the program: the server, the library */
int rules_down(void **state);
int rules_clean(void **state); /* for a test: empty; w1, w2 have a lease */

/* The reply's words but the first (now_us), with a blank between them; lists
 * in it are left out. An error: '-' and its text. */
const char *rules_call(const char *verb, int n, const char *const *args);
const char *rules_ask(const char *verb, ...);
#define ASK(...) rules_ask(__VA_ARGS__, (char *)NULL)
#define EXPECT(words, ...) assert_string_equal(ASK(__VA_ARGS__), words)
#define EXPECT_START(start, ...) \
    assert_memory_equal(ASK(__VA_ARGS__), start, sizeof(start) - 1)

/* As rules_call, and fsck does not look: what it finds is the test's. */
const char *rules_raw(const char *verb, int n, const char *const *args);

/* The same, the lists in it in brackets with commas: OK [1 kill,2 resume]. */
const char *rules_ask_all(const char *verb, ...);
#define ASK_ALL(...) rules_ask_all(__VA_ARGS__, (char *)NULL)
#define EXPECT_ALL(words, ...) \
    assert_string_equal(ASK_ALL(__VA_ARGS__), words)

/* Any command of Redis, its reply in words; keys in full: {stint:main}:... */
const char *rules_redis(const char *format, ...);
#define REDIS(words, ...) assert_string_equal(rules_redis(__VA_ARGS__), words)

const char *rules_digest(void);           /* of all data */
const char *rules_text(const char *format, ...);
const char *rules_record(const char *id); /* "": none */
/* A field of the record by its name: status, fence, token, worker, next,
 * start, stop, or a key; "": absent. */
const char *rules_field(const char *id, const char *name);
int64_t rules_number(const char *id, const char *name);
const char *rules_ticket(const char *id);
/* The status of a task, with or without a record. */
const char *rules_status(const char *id);

/* Queues; anything but success fails the test. */
void rules_queue_at(const char *id, const char *fn, const char *start,
                    const char *stop, const char *rules);
void rules_queue(const char *id, const char *rules);

/* The ids assigned, or the error. Functions: names with a blank between. */
const char *rules_assign(const char *worker, int run, int prefetch,
                         const char *functions);
/* Assigns it to w1 and reports; the word of the answer. */
const char *rules_run_once(const char *id, const char *status);
const char *rules_report(const char *id, const char *status);

enum { RULES_STATES = 8 };
extern const char *const rules_states[RULES_STATES];
/* Queues a task and brings it into a state, by the rules. Returns the ticket it
 * had last, or one that is nobody's. Held ones are w1's. */
const char *rules_bring(const char *id, const char *status, const char *rules);

#define RULES_MAIN(...) \
    int main(void) \
    { \
        const struct CMUnitTest tests[] = {__VA_ARGS__}; \
        return cmocka_run_group_tests(tests, rules_up, rules_down); \
    }
#define RULES_TEST(f) cmocka_unit_test_setup(f, rules_clean)

#endif
