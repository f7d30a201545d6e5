/* SPDX-License-Identifier: MIT */
/* Lines of the log: what is quoted and escaped, what is cut, and how many of a
 * kind come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "log.h"

struct heard {
    int n;
    enum stint_log_level level;
    char line[LOG_LINE_MAX + 1];
};

static int64_t now_ms;

static int64_t clock_ms(void)
{
    return now_ms;
}

static void hear(enum stint_log_level level, const char *line, void *arg)
{
    struct heard *h = arg;
    assert_true(strlen(line) <= LOG_LINE_MAX);
    h->n++;
    h->level = level;
    strcpy(h->line, line);
}

static void test_fields(void **state)
{
    struct heard h = {0};
    struct log log = {hear, &h, NULL};
    (void)state;
    log_info(&log, log_event("recover"), log_text("group", "main"),
             log_n("tasks", 3), log_text("worker", NULL), log_s("run_s", 1250),
             log_n_if(0, "signal", 9));
    assert_string_equal(h.line,
                        "event=recover group=main tasks=3 run_s=1.250");
    assert_int_equal(h.level, STINT_LOG_INFO);
}

/* One value, as it stands in the line. */
static const char *shown(struct heard *h, const char *text)
{
    struct log log = {hear, h, NULL};
    log_warn(&log, log_event("x"), log_text("k", text));
    assert_int_equal(strncmp(h->line, "event=x k=", 10), 0);
    return h->line + 10;
}

static void test_values(void **state)
{
    static const char *const table[][2] = {
        {"a.b:c/d", "a.b:c/d"},
        {"", "\"\""},
        {"two words", "\"two words\""},
        {"a=b", "\"a=b\""},
        {"42", "\"42\""},
        {"-1.5e3", "\"-1.5e3\""},
        {"0190aaf3-1", "0190aaf3-1"},
        {"say \"no\"\\", "\"say \\\"no\\\"\\\\\""},
        {"a\nb\tc", "\"a\\nb\\tc\""},
        {"\x1b]0;x\x07\x7f", "\"\\u001b]0;x\\u0007\\u007f\""},
        {"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
        {"\xc2\x9b" "31m", "\"?" "?31m\""}, /* CSI as one character */
        {"\xff\xc3", "\"??\""},
        {"\xed\xa0\x80", "\"???\""}, /* half a surrogate */
    };
    struct heard h = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
        assert_string_equal(shown(&h, table[i][0]), table[i][1]);
}

/* Whatever is in it: short, and a JSON string if it is in quotes. */
static void test_long(void **state)
{
    char text[3000];
    struct heard h = {0};
    struct log log = {hear, &h, NULL};
    (void)state;
    for (int c = 1; c < 256; c++) {
        memset(text, c, sizeof(text) - 1);
        text[sizeof(text) - 1] = '\0';
        log_error(&log, log_event("x"), log_text("a", text),
                  log_text("b", text), log_text("c", text),
                  log_text("d", text), log_text("e", text), log_n("n", 1));
        const char *quote = strchr(h.line, '"');
        if (quote == NULL)
            continue;
        json_error_t e;
        json_t *v = json_loads(quote, JSON_DECODE_ANY |
                               JSON_DISABLE_EOF_CHECK, &e);
        assert_non_null(v);
        json_decref(v);
        assert_int_equal(h.line[strlen(h.line) - 1] == '"' ||
                         strstr(h.line, " n=1") != NULL, 1);
    }
}

static void test_limit(void **state)
{
    struct heard h = {0}, other = {0};
    struct log_limit limit = {.clock = clock_ms};
    struct log log = {hear, &h, &limit};
    (void)state;
    now_ms = 5000;
    for (int i = 0; i < 1000; i++)
        log_warn(&log, log_event("call"), log_n("i", i));
    assert_int_equal(h.n, 20);
    log_warn(&log, log_event("lease"), log_n("i", 0)); /* another kind */
    assert_int_equal(h.n, 21);
    log_info(&log, log_event("call"), log_n("i", 0)); /* another level */
    assert_int_equal(h.n, 22);
    log_settle(&log, 0);
    assert_int_equal(h.n, 22); /* the second is not over */
    now_ms += 1000;
    log_settle(&log, 0);
    assert_int_equal(h.n, 23);
    assert_string_equal(h.line, "event=suppressed of=call lines=980");
    assert_int_equal(h.level, STINT_LOG_WARN);
    for (int i = 0; i < 22; i++)
        log_warn(&log, log_event("call"), log_n("i", i));
    assert_int_equal(h.n, 43);
    log.arg = &other;
    log_settle(&log, 1);
    assert_string_equal(other.line, "event=suppressed of=call lines=2");
    log_settle(&log, 1);
    assert_int_equal(other.n, 1);
}

/* What there is no room for shares the last kind. */
static void test_kinds(void **state)
{
    static char names[LOG_KINDS_MAX + 9][8];
    struct heard h = {0};
    struct log_limit limit = {.clock = clock_ms};
    struct log log = {hear, &h, &limit};
    (void)state;
    for (int i = 0; i < LOG_KINDS_MAX + 9; i++) {
        snprintf(names[i], sizeof(names[i]), "k%d", i);
        log_info(&log, log_event(names[i]), log_n("i", i));
    }
    assert_int_equal(limit.n_kinds, LOG_KINDS_MAX);
    assert_int_equal(h.n, LOG_KINDS_MAX + 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields), cmocka_unit_test(test_values),
        cmocka_unit_test(test_long), cmocka_unit_test(test_limit),
        cmocka_unit_test(test_kinds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
