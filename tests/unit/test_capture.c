/* SPDX-License-Identifier: MIT */
/* What children write, byte for byte: cuts, markers and characters that lie
 * across reads, and what a look at it meanwhile shows. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "capture.h"
#include "executor.h"

#define WRONG "\xEF\xBF\xBD"

static void add(struct capture *c, int which, const char *text)
{
    capture_add(c, which, text, strlen(text));
}

static void add_many(struct capture *c, const char *text, int times)
{
    for (int i = 0; i < times; i++)
        add(c, PIPE_OUT, text);
}

/* The output so far; the caller frees it. */
static char *output(const struct capture *c)
{
    struct buf text;

    buf_init(&text, OUTPUT_BYTES_MAX);
    capture_output(c, &text);
    assert_non_null(text.data);
    assert_int_equal(strlen(text.data), text.len);
    return text.data;
}

static void assert_output(const struct capture *c, const char *expected)
{
    char *text = output(c);

    assert_string_equal(text, expected);
    free(text);
}

static void test_split(void **state)
{
    struct capture c;

    (void)state;
    capture_init(&c);
    assert_output(&c, "");
    add(&c, PIPE_OUT, "a\xE2\x82");
    assert_output(&c, "a"); /* held back */
    add(&c, PIPE_ERR, "b");
    assert_output(&c, "ab");
    add(&c, PIPE_OUT, "\xAC.");
    assert_output(&c, "ab\xE2\x82\xAC.");
    add(&c, PIPE_OUT, "\xF0\x9F");
    add(&c, PIPE_OUT, "\xF0\x9F"); /* spoils the first, is itself begun */
    assert_output(&c, "ab\xE2\x82\xAC." WRONG WRONG);
    add(&c, PIPE_OUT, "\x98");
    add(&c, PIPE_OUT, "\x80");
    assert_output(&c, "ab\xE2\x82\xAC." WRONG WRONG "\xF0\x9F\x98\x80");
    add(&c, PIPE_ERR, "\xC3");
    capture_end(&c);
    assert_output(&c, "ab\xE2\x82\xAC." WRONG WRONG "\xF0\x9F\x98\x80" WRONG);
    capture_close(&c);
}

/* Cannot become a character any more, so there is nothing to wait for. */
static void test_hopeless(void **state)
{
    struct capture c;

    (void)state;
    capture_init(&c);
    add(&c, PIPE_OUT, "\xE0\x80");
    assert_output(&c, WRONG WRONG);
    add(&c, PIPE_OUT, "\xED\xA0\xC0\xF5");
    assert_output(&c, WRONG WRONG WRONG WRONG WRONG WRONG);
    capture_add(&c, PIPE_OUT, "\0x", 2);
    assert_output(&c, WRONG WRONG WRONG WRONG WRONG WRONG WRONG "x");
    capture_close(&c);
}

static void test_news(void **state)
{
    struct capture c;
    struct buf text;

    (void)state;
    capture_init(&c);
    buf_init(&text, OUTPUT_BYTES_MAX);
    assert_int_equal(capture_news(&c, &text), 0);
    add(&c, PIPE_OUT, "one");
    assert_int_equal(capture_news(&c, &text), 1);
    assert_string_equal(text.data, "one");
    assert_int_equal(capture_news(&c, &text), 0);
    assert_int_equal(text.len, 3);
    add(&c, PIPE_OUT, "\xC3");
    assert_int_equal(capture_news(&c, &text), 0); /* nothing to see yet */
    add(&c, PIPE_RESULT, "1");
    assert_int_equal(capture_news(&c, &text), 0);
    buf_clear(&text);
    add(&c, PIPE_OUT, "\xA4");
    assert_int_equal(capture_news(&c, &text), 1);
    assert_string_equal(text.data, "one\xC3\xA4");
    buf_clear(&text);
    add(&c, PIPE_ERR, "!clear!");
    assert_int_equal(capture_news(&c, &text), 1);
    assert_int_equal(text.len, 0);
    assert_int_equal(capture_news(&c, &text), 0);
    buf_close(&text);
    capture_close(&c);
}

static void test_clear(void **state)
{
    const char *marker = "!clear!";
    struct capture c;

    (void)state;
    capture_init(&c);
    add(&c, PIPE_OUT, "old!!clear!new!clea");
    assert_output(&c, "new!clea");
    add(&c, PIPE_ERR, "r!"); /* of another stream: no marker */
    assert_output(&c, "new!clear!");
    add(&c, PIPE_OUT, "r!");
    assert_output(&c, "");
    for (size_t i = 0; marker[i]; i++) {
        capture_add(&c, PIPE_OUT, "x", i == 0);
        capture_add(&c, PIPE_OUT, marker + i, 1);
    }
    assert_output(&c, "");
    /* A half character in front of it goes, that of another stream stays. */
    add(&c, PIPE_ERR, "\xC3");
    add(&c, PIPE_OUT, "\xC3");
    add(&c, PIPE_OUT, "!clear!1");
    add(&c, PIPE_ERR, "\xA4");
    assert_output(&c, "1\xC3\xA4");
    capture_close(&c);
}

/* 10,000 lines of 10 bytes: 3,273 of them fit into half of what is left when
 * the mark has its 64 bytes, so both ends are 32,730 bytes long. */
static void test_cut(void **state)
{
    const char *mark = "\n0003272 .\n[... 34540 bytes cut ...]\n0006727 .\n";
    struct capture c;
    char *text, *at;

    (void)state;
    capture_init(&c);
    for (int i = 0; i < 10000; i++) {
        char line[16];

        snprintf(line, sizeof(line), "%07d .\n", i);
        add(&c, i % 2 ? PIPE_OUT : PIPE_ERR, line);
    }
    text = output(&c);
    assert_int_equal(strncmp(text, "0000000 .\n0000001 .\n", 20), 0);
    at = strstr(text, mark);
    assert_non_null(at);
    assert_int_equal(at + 11 - text, 32730);
    assert_int_equal(strlen(text), 2 * 32730 + strlen(mark) - 2 * 10 - 1);
    assert_string_equal(text + strlen(text) - 20, "0009998 .\n0009999 .\n");
    free(text);
    /* What is not shown goes, too. */
    add(&c, PIPE_OUT, "!clear!short");
    assert_output(&c, "short");
    /* Lines that end just where the room does stay. */
    add(&c, PIPE_OUT, "!clear!");
    add_many(&c, "y\n", 50000);
    text = output(&c);
    assert_non_null(strstr(text, "y\n[... 34528 bytes cut ...]\ny\n"));
    free(text);
    capture_close(&c);
}

/* The limit itself is not cut, one byte more is. Without lines: 32,736 bytes
 * remain on each side. */
static void test_cut_at(void **state)
{
    struct capture c;
    char *text;

    (void)state;
    capture_init(&c);
    add_many(&c, "12345678", OUTPUT_BYTES_MAX / 8);
    text = output(&c);
    assert_int_equal(strlen(text), OUTPUT_BYTES_MAX);
    assert_null(strchr(text, '.'));
    free(text);
    add(&c, PIPE_OUT, "x");
    text = output(&c);
    assert_int_equal(strncmp(text + 32736 - 4,
                             "5678\n[... 65 bytes cut ...]\n2345", 32), 0);
    assert_int_equal(strlen(text), 2 * 32736 + strlen("[... 65 bytes cut ...]")
                                       + 2);
    assert_string_equal(text + strlen(text) - 3, "78x");
    free(text);
    capture_close(&c);
}

/* Three bytes a character: 32,736 is 10,912 of them. */
static void test_cut_characters(void **state)
{
    struct capture c;
    char *text;

    (void)state;
    capture_init(&c);
    add_many(&c, "\xE2\x82\xAC", 30000);
    add(&c, PIPE_OUT, "xy");
    text = output(&c);
    /* The tail's budget splits the character before the last 10,911. */
    assert_non_null(strstr(text, "\xAC\n[... 24531 bytes cut ...]\n\xE2"));
    assert_int_equal(strspn(text, "\xE2\x82\xAC"), 32736);
    assert_int_equal(strspn(strchr(text, ']') + 2, "\xE2\x82\xAC"), 32733);
    free(text);
    capture_close(&c);
}

/* Zeros become three times as many bytes, and one piece may be longer than
 * everything that is kept. */
static void test_big_pieces(void **state)
{
    size_t len = 1000000;
    char *zeros = calloc(1, len), *text;
    struct capture c;

    (void)state;
    capture_init(&c);
    capture_add(&c, PIPE_OUT, zeros, len);
    text = output(&c);
    assert_true(strlen(text) <= OUTPUT_BYTES_MAX);
    assert_int_equal(strncmp(text, WRONG WRONG, 6), 0);
    assert_non_null(strstr(text, "[... 2934528 bytes cut ...]"));
    free(text);
    free(zeros);
    capture_close(&c);
}

static unsigned random_next(unsigned *seed)
{
    *seed = *seed * 1103515245u + 12345u;
    return *seed >> 16 & 0x7FFF;
}

static size_t random_fill(char *data, size_t max, unsigned *seed)
{
    static const char *const words[] = {"a", "\n", "\xC3", "\xA4", "\xE2",
                                        "\x82", "\xF0\x9F", "!", "!clear",
                                        "!clear!", "\xFF", "\xE2\x82\xAC"};
    const size_t n_words = sizeof(words) / sizeof(*words);
    size_t len = 0;

    while (len + 8 < max) {
        const char *word = words[random_next(seed) % n_words];

        if (strcmp(word, "!clear!") == 0 && random_next(seed) % 50 > 0)
            continue;
        memcpy(data + len, word, strlen(word));
        len += strlen(word);
    }
    return len;
}

static int is_utf8(const char *text)
{
    json_t *value = json_string(text); /* NULL for anything else */

    json_decref(value);
    return value != NULL;
}

/* However it is cut into reads, the same comes out; and any look at it is
 * valid. */
static void test_any_pieces(void **state)
{
    static char data[150000];
    unsigned seed = 1;

    (void)state;
    for (int round = 0; round < 60; round++) {
        size_t max = round % 10 ? 300 : sizeof(data);
        size_t len = random_fill(data, max, &seed);
        struct capture whole, parts;
        char *expected, *live;

        capture_init(&whole);
        capture_init(&parts);
        capture_add(&whole, PIPE_OUT, data, len);
        capture_end(&whole);
        expected = output(&whole);
        assert_true(is_utf8(expected));
        for (size_t i = 0; i < len;) {
            size_t n = 1 + random_next(&seed) % (max / 40);

            n = n < len - i ? n : len - i;
            capture_add(&parts, PIPE_OUT, data + i, n);
            i += n;
            live = output(&parts);
            assert_true(is_utf8(live));
            free(live);
        }
        capture_end(&parts);
        assert_output(&parts, expected);
        free(expected);
        capture_close(&whole);
        capture_close(&parts);
    }
}

static void test_stderr(void **state)
{
    struct capture c;
    struct buf text;

    (void)state;
    capture_init(&c);
    buf_init(&text, 10000);
    capture_stderr(&c, 2000, &text);
    assert_int_equal(text.len, 0);
    add(&c, PIPE_OUT, "not this\n");
    add(&c, PIPE_ERR, "one\ntwo\xFF\n \r\n");
    capture_stderr(&c, 2000, &text);
    assert_string_equal(text.data, "one\ntwo" WRONG);
    buf_clear(&text);
    for (int i = 0; i < 2000; i++) {
        char line[16];

        snprintf(line, sizeof(line), "line %d\n", i);
        add(&c, PIPE_ERR, line);
    }
    capture_stderr(&c, 20, &text);
    assert_string_equal(text.data, "line 1998\nline 1999");
    buf_clear(&text);
    capture_stderr(&c, 2000, &text);
    assert_in_range(text.len, 1900, 2000);
    assert_int_equal(strncmp(text.data, "line 1", 6), 0);
    buf_close(&text);
    capture_close(&c);
}

/* Judges one run: the wait status as wait() makes it on Linux. */
static struct run_result judge(struct capture *c, int status,
                               char error[static ERROR_BYTES_MAX + 1])
{
    struct run_result r = {0};

    error[0] = '\0';
    capture_judge(c, status, &r, error);
    assert_int_equal(r.outcome == RUN_COMPLETED, error[0] == '\0');
    return r;
}

static void assert_result(const char *text, const char *expected,
                          const char *why)
{
    char error[ERROR_BYTES_MAX + 1];
    struct run_result r;
    struct capture c;

    capture_init(&c);
    add(&c, PIPE_RESULT, text);
    r = judge(&c, 0, error);
    assert_string_equal(error, why);
    if (expected) {
        assert_non_null(r.result);
        assert_int_equal(r.result_len, strlen(expected));
        assert_memory_equal(r.result, expected, r.result_len);
    } else {
        assert_null(r.result);
    }
    capture_close(&c);
}

static void test_result(void **state)
{
    char *big = malloc(RESULT_BYTES_MAX + 4);

    (void)state;
    assert_result("", NULL, "");
    assert_result(" \n", NULL, "");
    assert_result("0\n", "0", "");
    assert_result("false", "false", "");
    assert_result("\t\"\" ", "\"\"", "");
    assert_result("null", "null", "");
    assert_result("{\"a\":[1]}", "{\"a\":[1]}", "");
    assert_result("1 2", NULL, "the result is no JSON");
    assert_result("{\"a\":1,\"a\":2}", NULL, "the result is no JSON");
    assert_result("\"\xFF\"", NULL, "the result is no JSON");
    memset(big, 'x', RESULT_BYTES_MAX + 1);
    big[0] = big[RESULT_BYTES_MAX] = '"';
    big[RESULT_BYTES_MAX + 1] = '\0';
    assert_result(big, NULL, "the result is larger than 262144 bytes");
    big[RESULT_BYTES_MAX - 1] = '"';
    big[RESULT_BYTES_MAX] = '\0';
    assert_result(big, big, "");
    free(big);
}

static void test_result_pieces(void **state)
{
    char error[ERROR_BYTES_MAX + 1];
    struct capture c;

    (void)state;
    capture_init(&c);
    add(&c, PIPE_RESULT, "[1,");
    add(&c, PIPE_RESULT, "2]\n");
    assert_memory_equal(judge(&c, 0, error).result, "[1,2]", 5);
    for (int i = 0; i < RESULT_BYTES_MAX / 8 + 10; i++)
        add(&c, PIPE_RESULT, "        ");
    assert_null(judge(&c, 0, error).result);
    assert_string_equal(error, "the result is larger than 262144 bytes");
    capture_close(&c);
}

/* How it ended counts before a result that is wrong, perhaps only half. */
static void test_judge(void **state)
{
    char error[ERROR_BYTES_MAX + 1];
    struct run_result r;
    struct capture c;

    (void)state;
    capture_init(&c);
    add(&c, PIPE_RESULT, "[1");
    r = judge(&c, 3 << 8, error);
    assert_int_equal(r.outcome, RUN_FAILED);
    assert_string_equal(error, "exit status 3");
    assert_null(r.result);
    add(&c, PIPE_RESULT, "]");
    add(&c, PIPE_ERR, "why\n");
    r = judge(&c, SIGSEGV, error);
    assert_string_equal(error, "killed by signal 11 (SIGSEGV): why");
    assert_memory_equal(r.result, "[1]", 3);
    capture_add_evidence(&c, SIGSEGV, &r);
    assert_int_equal(r.has_exit, 2);
    assert_int_equal(r.signal, SIGSEGV);
    assert_string_equal(r.stderr_tail, "why");
    capture_close(&c);

    capture_init(&c);
    r = judge(&c, 255 << 8, error);
    capture_add_evidence(&c, 255 << 8, &r);
    assert_int_equal(r.has_exit, 1);
    assert_int_equal(r.exit_status, 255);
    assert_int_equal(r.signal, 0);
    assert_null(r.stderr_tail);
    capture_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_hopeless),
        cmocka_unit_test(test_news),
        cmocka_unit_test(test_clear),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_cut_at),
        cmocka_unit_test(test_cut_characters),
        cmocka_unit_test(test_big_pieces),
        cmocka_unit_test(test_any_pieces),
        cmocka_unit_test(test_stderr),
        cmocka_unit_test(test_result),
        cmocka_unit_test(test_result_pieces),
        cmocka_unit_test(test_judge),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
