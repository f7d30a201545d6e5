/* SPDX-License-Identifier: MIT */
/* Lines of the broker's log: what is quoted and escaped, what is cut, and how many
 * of a kind come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "say.h"

struct heard {
    int n;
    enum stint_log_level level;
    char line[SAY_LINE_MAX + 1];
};

static void hear(enum stint_log_level level, const char *line, void *arg)
{
    struct heard *h = arg;
    assert_true(strlen(line) <= SAY_LINE_MAX);
    h->n++;
    h->level = level;
    strcpy(h->line, line);
}

static void values_are_quoted_as_needed(void **state)
{
    static const struct {
        const char *text, *as;
    } rows[] = {
        {"plain/path_1:%?", "plain/path_1:%?"},
        {"two words", "\"two words\""},
        {"", "\"\""},
        {NULL, "\"\""},
        {"127.0.0.1", "\"127.0.0.1\""}, /* no number, but looks like one */
        {"1e5", "\"1e5\""},
        {"a=b", "\"a=b\""},
        {"say \"x\"\\", "\"say \\\"x\\\"\\\\\""},
        {"a\nevent=login", "\"a\\nevent=login\""},
        {"\x1b[2J", "\"\\u001B[2J\""},
        {"\x7f", "\"?\""},
        {"\xc2\x9b" "2J", "\"??2J\""}, /* C1: CSI */
        {"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
        {"\xff\xc3\xbc", "\"???\""},   /* no text */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct heard h = {0};
        struct say s = {.fn = hear, .arg = &h};
        char wanted[200];
        say_at(&s, 0, STINT_LOG_WARN, "x", say_text("v", rows[i].text),
               say_n("n", -7));
        snprintf(wanted, sizeof(wanted), "event=x v=%s n=-7", rows[i].as);
        assert_string_equal(h.line, wanted);
        assert_int_equal(h.level, STINT_LOG_WARN);
    }
}

static void what_is_long_is_cut(void **state)
{
    struct heard h = {0};
    struct say s = {.fn = hear, .arg = &h};
    char text[2001];
    (void)state;
    memset(text, 'a', 2000);
    text[2000] = '\0';
    memcpy(text + 299, "\xc3\xbc", 2); /* not in half */
    say_at(&s, 0, STINT_LOG_INFO, "x", say_text("v", text), say_n("n", 1));
    assert_int_equal(strlen(h.line), strlen("event=x v=\"...\" n=1") + 299);
    assert_non_null(strstr(h.line, "aaa...\" n=1"));
    memset(text, 1, 2000); /* six bytes each: no room, and left out */
    say_at(&s, 0, STINT_LOG_INFO, "x", say_text("v", text), say_n("n", 1));
    assert_string_equal(h.line, "event=x n=1");
}

static void so_many_of_a_kind_come(void **state)
{
    struct heard h = {0};
    struct say s = {.fn = hear, .arg = &h};
    (void)state;
    for (int i = 0; i < 50; i++)
        say_at(&s, 1000, STINT_LOG_WARN, "often", say_n("i", i));
    assert_int_equal(h.n, 20);
    say_at(&s, 1000, STINT_LOG_WARN, "other", say_n("i", 0));
    assert_int_equal(h.n, 21);
    say_settle(&s, 1999);
    assert_int_equal(h.n, 21);
    say_settle(&s, 2000);
    assert_int_equal(h.n, 22);
    assert_int_equal(h.level, STINT_LOG_WARN);
    assert_string_equal(h.line, "event=suppressed of=often lines=30");
    say_at(&s, 2001, STINT_LOG_WARN, "often", say_n("i", 50));
    assert_string_equal(h.line, "event=often i=50");
    /* Without an end nothing is told, and nothing is wrong. */
    say_at(&((struct say){0}), 0, STINT_LOG_INFO, "x", say_n("i", 0));
}

static void more_kinds_than_there_is_room_for(void **state)
{
    static const char names[SAY_KINDS_MAX + 9] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN";
    struct heard h = {0};
    struct say s = {.fn = hear, .arg = &h};
    (void)state;
    for (size_t i = 0; names[i] != '\0'; i++)
        say_at(&s, 0, STINT_LOG_INFO, &names[i], say_n("i", 0));
    assert_int_equal(h.n, sizeof(names) - 1);
    assert_int_equal(s.n_kinds, SAY_KINDS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_quoted_as_needed),
        cmocka_unit_test(what_is_long_is_cut),
        cmocka_unit_test(so_many_of_a_kind_come),
        cmocka_unit_test(more_kinds_than_there_is_room_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
