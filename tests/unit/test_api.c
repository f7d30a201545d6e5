/* SPDX-License-Identifier: MIT */
/* What the handlers of the HTTP face share: looking at what came, and JSON of
 * what the library tells. No server, no Redis. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "api.h"
#include "api_json.h"
#include "fake_call.h"

/* ---- Looking at what came --------------------------------------------------- */

static void names_that_are_not_known_are_named(void **state)
{
    (void)state;
    struct call c;
    fake_call_init(&c, "{\"reset\":true,\"rest\":1,\"<b>\":2}");
    c.query[0][0] = "group_name", c.query[0][1] = "main";
    c.query[1][0] = "group", c.query[1][1] = "main";
    assert_false(api_takes_body(&c, "group_name limit", "reset"));
    assert_int_equal(c.status, 400);
    assert_string_equal(c.type, "invalid");
    assert_non_null(fake_call_error(&c, "group"));
    assert_non_null(fake_call_error(&c, "rest"));
    assert_non_null(fake_call_error(&c, "<b>"));
    assert_null(fake_call_error(&c, "reset"));
    assert_null(fake_call_error(&c, "group_name"));
    fake_call_close(&c);
}

/* "" and "a b" are no names, and no part of one is. */
static void only_whole_names_are_known(void **state)
{
    (void)state;
    static const char *const names[] = {"", "limi", "imit", "limit cursor",
                                        "limit ", "LIMIT"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct call c;
        fake_call_init(&c, "");
        c.query[0][0] = names[i], c.query[0][1] = "1";
        assert_false(api_takes(&c, "limit cursor"));
        assert_int_equal(c.status, 400);
        fake_call_close(&c);
    }
    struct call c;
    fake_call_init(&c, "");
    c.query[0][0] = "limit", c.query[0][1] = "1";
    c.query[1][0] = "cursor", c.query[1][1] = "";
    assert_true(api_takes(&c, "limit cursor"));
    assert_int_equal(c.status, 0);
    fake_call_close(&c);
}

static void numbers_have_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool good;
    } of[] = {{"1", true},   {"1000", true}, {"0", false},  {"1001", false},
              {"-1", false}, {"x", false},   {"1x", false}, {"", false}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        struct call c;
        int64_t n;
        fake_call_init(&c, "");
        c.query[0][0] = "limit", c.query[0][1] = of[i].text;
        assert_int_equal(api_count(&c, "limit", 1, 1000, 100, &n), of[i].good);
        assert_int_equal(c.status, of[i].good ? 0 : 400);
        if (!of[i].good)
            assert_non_null(fake_call_error(&c, "limit"));
        fake_call_close(&c);
    }
}

static void members_have_kinds(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "{\"n\":1.5}",    "{\"n\":\"1\"}", "{\"n\":101}",   "{\"n\":true}",
        "{\"on\":1}",     "{\"on\":\"\"}", "{\"text\":1}",  "{\"text\":[]}",
        "{\"text\":\"a\\u0000b\"}"};
    const char *text;
    int64_t n;
    int on;
    struct call c;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *o = json_loads(bad[i], JSON_ALLOW_NUL, NULL);
        fake_call_init(&c, "");
        assert_false(api_count_of(&c, o, "n", -100, 100, 7, &n) &&
                     api_flag_of(&c, o, "on", &on) &&
                     api_text_of(&c, o, "text", &text));
        assert_int_equal(c.status, 400);
        fake_call_close(&c);
        json_decref(o);
    }
    json_t *o = json_loads("{\"n\":null,\"on\":null,\"text\":null}", 0, NULL);
    fake_call_init(&c, "");
    assert_true(api_count_of(&c, o, "n", -100, 100, 7, &n));
    assert_true(api_flag_of(&c, o, "on", &on));
    assert_true(api_text_of(&c, o, "text", &text));
    assert_int_equal(n, 7);
    assert_int_equal(on, 0);
    assert_null(text);
    fake_call_close(&c);
    json_decref(o);
}

/* ---- JSON ------------------------------------------------------------------- */

static void dumps_as(json_t *v, const char *wanted)
{
    char *text = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
    assert_string_equal(text, wanted);
    free(text);
    json_decref(v);
}

static void times_are_rfc_3339(void **state)
{
    (void)state;
    dumps_as(api_time(0), "null");
    dumps_as(api_time(1), "\"1970-01-01T00:00:00.001Z\"");
    dumps_as(api_time(-1), "\"1969-12-31T23:59:59.999Z\"");
    dumps_as(api_time(1709210096789), "\"2024-02-29T12:34:56.789Z\"");
    dumps_as(api_seconds(1500), "1.5");
    dumps_as(api_seconds(60000), "60");
}

static void text_is_utf8_whatever_came(void **state)
{
    (void)state;
    dumps_as(api_text(NULL), "null");
    dumps_as(api_text("\xc3\xa9 </script>"), "\"\xc3\xa9 </script>\"");
    dumps_as(api_text("a\xff" "b\xc3"), "\"a\xef\xbf\xbd" "b\xef\xbf\xbd\"");
    /* overlong, and half of a surrogate */
    dumps_as(api_text("\xc0\xaf"), "\"\xef\xbf\xbd\xef\xbf\xbd\"");
    dumps_as(api_text("\xed\xa0\x80"),
             "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void fields_are_hidden_at_any_depth(void **state)
{
    (void)state;
    struct call c;
    fake_call_init(&c, "");
    c.hides = "password";
    dumps_as(api_value(&c, "args",
                       "[{\"user\":\"x\",\"password\":{\"a\":1}},"
                       "[[{\"password\":\"y\"}]],\"password\"]"),
             "[{\"user\":\"x\",\"password\":\"(hidden)\"},"
             "[[{\"password\":\"(hidden)\"}]],\"password\"]");
    c.hides = "vars";
    dumps_as(api_value(&c, "vars", "{\"a\":1}"), "\"(hidden)\"");
    dumps_as(api_value(&c, "args", "[1,{\"a\":\"b\"}]"), "[1,{\"a\":\"b\"}]");
    c.hides = "output";
    dumps_as(api_output(&c, "output", "secret"), "\"(hidden)\"");
    dumps_as(api_output(&c, "output", NULL), "null");
    fake_call_close(&c);
}

static void values_are_what_they_were(void **state)
{
    (void)state;
    struct call c;
    fake_call_init(&c, "");
    dumps_as(api_value(&c, "result", NULL), "null");
    dumps_as(api_value(&c, "result", "0"), "0");
    dumps_as(api_value(&c, "result", "\"\""), "\"\"");
    dumps_as(api_value(&c, "result", "\"a\\u0000b\""), "\"a\\u0000b\"");
    dumps_as(api_value(&c, "result", "9007199254740993"), "9007199254740993");
    dumps_as(api_value(&c, "result", "no JSON"), "\"no JSON\"");
    fake_call_close(&c);
}

static void deep_values_are_not_followed(void **state)
{
    (void)state;
    enum { DEPTH = 1500 };
    char deep[2 * DEPTH + 1];
    memset(deep, '[', DEPTH);
    memset(deep + DEPTH, ']', DEPTH);
    deep[2 * DEPTH] = 0;
    struct call c;
    fake_call_init(&c, "");
    json_t *v = api_value(&c, "result", deep);
    assert_true(json_is_string(v));
    json_decref(v);
    v = api_value(&c, "result", deep + DEPTH - 100);
    json_decref(v); /* unbalanced: shown as text */
    fake_call_close(&c);
}

static void large_args_stay_out_of_lists(void **state)
{
    (void)state;
    char args[6000];
    memset(args, ' ', sizeof args);
    args[0] = '[', args[sizeof args - 2] = ']', args[sizeof args - 1] = 0;
    struct stint_status t = {.id = "i", .function = "f", .task_name = "f",
                             .group_name = "g", .status = "QUEUED",
                             .args = args, .vars = "{}", .worker = "",
                             .reason = "", .percent = -1};
    struct call c;
    fake_call_init(&c, "");
    json_t *o = api_status(&c, &t, API_IN_LIST);
    assert_true(json_is_null(json_object_get(o, "args")));
    assert_string_equal(json_string_value(json_array_get(
                            json_object_get(o, "cut"), 0)), "args");
    assert_int_equal(json_array_size(json_object_get(o, "cut")), 1);
    json_decref(o);
    o = api_status(&c, &t, STINT_WITH_OUTPUT | STINT_WITH_RUNS);
    assert_true(json_is_array(json_object_get(o, "args")));
    assert_null(json_object_get(o, "cut"));
    assert_true(json_is_null(json_object_get(o, "output")));
    assert_int_equal(json_array_size(json_object_get(o, "runs")), 0);
    json_decref(o);
    fake_call_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_that_are_not_known_are_named),
        cmocka_unit_test(only_whole_names_are_known),
        cmocka_unit_test(numbers_have_bounds),
        cmocka_unit_test(members_have_kinds),
        cmocka_unit_test(times_are_rfc_3339),
        cmocka_unit_test(text_is_utf8_whatever_came),
        cmocka_unit_test(fields_are_hidden_at_any_depth),
        cmocka_unit_test(values_are_what_they_were),
        cmocka_unit_test(deep_values_are_not_followed),
        cmocka_unit_test(large_args_stay_out_of_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
