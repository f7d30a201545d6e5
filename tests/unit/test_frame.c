/* SPDX-License-Identifier: MIT */
/* Frames, in pieces of any size. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"

static void add(struct frames *f, const char *data, size_t len)
{
    assert_int_equal(frames_add(f, data, len), 0);
}

static int next(struct frames *f, const char **text, size_t *len)
{
    struct stint_err err = {STINT_OK, ""};
    return frames_next(f, text, len, &err);
}

static void frame_is_length_and_text(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, FRAME_HEAD + FRAME_BYTES_MAX);
    assert_int_equal(frame_write(&b, json_pack("{s:i}", "a", 1)), 0);
    assert_int_equal(b.len, 11);
    assert_memory_equal(b.data, "\0\0\0\x07{\"a\":1}", 11);
    buf_close(&b);
}

static void frame_comes_byte_by_byte(void **state)
{
    static const char bytes[] = "\0\0\0\x02{}\0\0\0\x07{\"a\":1}";
    struct frames f;
    const char *text;
    size_t len;
    int n = 0;
    (void)state;
    frames_init(&f);
    for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
        add(&f, bytes + i, 1);
        int rc = next(&f, &text, &len);
        assert_int_equal(rc, i == 5 || i == 16);
        if (rc == 1 && n++ == 1)
            assert_memory_equal(text, "{\"a\":1}", 7);
    }
    assert_int_equal(n, 2);
    assert_int_equal(frames_left(&f), 0);
    frames_close(&f);
}

static void frame_of_no_bytes_or_too_many_is_refused(void **state)
{
    static const char *const heads[] = {"\0\0\0\0", "\xff\xff\xff\xff",
                                        "\0\x40\0\x01", "HTTP"};
    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct stint_err err = {STINT_OK, ""};
        struct frames f;
        const char *text;
        size_t len;
        frames_init(&f);
        add(&f, heads[i], 3);
        assert_int_equal(frames_next(&f, &text, &len, &err), 0);
        add(&f, heads[i] + 3, 1);
        assert_int_equal(frames_next(&f, &text, &len, &err), -1);
        if (i == 2)
            assert_string_equal(err.text, "a frame of 4194305 bytes");
        frames_close(&f);
    }
}

static void frame_of_the_full_size_passes(void **state)
{
    static char read[FRAME_READ];
    struct frames f;
    const char *text;
    size_t len, left = FRAME_BYTES_MAX;
    (void)state;
    frames_init(&f);
    memset(read, 'x', sizeof(read));
    add(&f, "\0\x40\0\0", 4);
    for (; left > 0; left -= sizeof(read)) {
        assert_int_equal(next(&f, &text, &len), 0);
        add(&f, read, sizeof(read));
    }
    assert_int_equal(next(&f, &text, &len), 1);
    assert_int_equal(len, FRAME_BYTES_MAX);
    assert_true(text[0] == 'x' && text[len - 1] == 'x');
    add(&f, "\0\0\0\x02{}", 6); /* its memory is given back */
    assert_int_equal(next(&f, &text, &len), 1);
    assert_true(f.bytes.cap < 4 * FRAME_READ);
    frames_close(&f);
}

/* A stream of numbered frames of all sizes, cut anywhere. */
static void frames_survive_random_cuts(void **state)
{
    enum { N = 300 };
    (void)state;
    for (unsigned seed = 1; seed <= 50; seed++) {
        struct buf all;
        struct frames f;
        int n = 0;
        srand(seed);
        buf_init(&all, 16 * 1024 * 1024);
        for (int i = 0; i < N; i++) {
            struct buf one;
            char fill[3000];
            size_t len = (size_t)(rand() % (int)sizeof(fill));
            memset(fill, 'a' + i % 26, len);
            buf_init(&one, FRAME_HEAD + FRAME_BYTES_MAX);
            frame_write(&one, json_pack("{s:s, s:i, s:s%}", "type", "t", "i",
                                        i, "fill", fill, len));
            buf_add(&all, one.data, one.len);
            buf_close(&one);
        }
        frames_init(&f);
        for (size_t at = 0; at < all.len;) {
            size_t len = (size_t)(rand() % 5000) + 1;
            const char *text, *type;
            if (len > all.len - at)
                len = all.len - at;
            add(&f, all.data + at, len);
            at += len;
            while (next(&f, &text, &len) == 1) {
                struct stint_err err = {STINT_OK, ""};
                json_t *o = frame_parse(text, len, &type, &err);
                assert_non_null(o);
                assert_int_equal(
                    (int)json_number_value(json_object_get(o, "i")), n++);
                json_decref(o);
            }
        }
        assert_int_equal(n, N);
        assert_int_equal(frames_left(&f), 0);
        frames_close(&f);
        buf_close(&all);
    }
}

static void frame_has_to_be_an_object_with_a_type(void **state)
{
    static const char *const bad[] = {
        "[1]", "1", "{", "{\"type\":1}", "{\"typ\":\"x\"}", "\xff", "{} {}",
        "{\"type\":\"x\"", "null"};
    const char *type;
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct stint_err err = {STINT_OK, ""};
        assert_null(frame_parse(bad[i], strlen(bad[i]), &type, &err));
        assert_int_equal(err.code, STINT_STATE);
    }
    /* Faults of a value are not the frame's. */
    const char *odd = "{\"type\":\"done\",\"result\":[\"\\u0000\","
                      "123456789012345678901234567890]}";
    struct stint_err err = {STINT_OK, ""};
    json_t *o = frame_parse(odd, strlen(odd), &type, &err);
    assert_string_equal(type, "done");
    json_decref(o);
}

static void value_is_found_as_it_was_written(void **state)
{
    static const struct {
        const char *json, *value;
    } cases[] = {
        {"{\"type\":\"done\",\"result\":1.10}", "1.10"},
        {" { \"result\" : [ 1 , {\"a\":\"]}\"} ] , \"x\":2}",
         "[ 1 , {\"a\":\"]}\"} ]"},
        {"{\"x\":{\"result\":1},\"y\":\"result\",\"result\":\"a\\\"b\\\\\"}",
         "\"a\\\"b\\\\\""},
        {"{\"x\":\"\\\\\",\"result\":null\n}", "null"},
        {"{\"results\":1,\"resul\":2}", NULL},
        {"{}", NULL},
        {"{\"result\":{}}", "{}"},
        {"{\"a\":[],\"result\":\"\"}", "\"\""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = 0;
        const char *v = frame_value(cases[i].json, "result", &len);
        if (cases[i].value == NULL) {
            assert_null(v);
            continue;
        }
        assert_non_null(v);
        assert_int_equal(len, strlen(cases[i].value));
        assert_memory_equal(v, cases[i].value, len);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frame_is_length_and_text),
        cmocka_unit_test(frame_comes_byte_by_byte),
        cmocka_unit_test(frame_of_no_bytes_or_too_many_is_refused),
        cmocka_unit_test(frame_of_the_full_size_passes),
        cmocka_unit_test(frames_survive_random_cuts),
        cmocka_unit_test(frame_has_to_be_an_object_with_a_type),
        cmocka_unit_test(value_is_found_as_it_was_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
