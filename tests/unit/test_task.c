/* SPDX-License-Identifier: MIT */
/* The codec of tasks: every wrong field is reported, every range has its edge,
 * and the rules' texts are those worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bounds.h"
#include "task.h"

static stint_task *read_task(const char *json, struct stint_errors *errors)
{
    struct stint_err err = {0};
    stint_task *t = stint_task_from_json(json, strlen(json), errors, &err);
    assert_int_equal(err.code, t != NULL ? STINT_OK : STINT_INVALID);
    return t;
}

static void assert_rules(const char *options, const char *rules)
{
    struct stint_errors errors;
    char json[400];
    snprintf(json, sizeof(json), "{\"function\":\"f\"%s%s}",
             *options ? "," : "", options);
    stint_task *t = read_task(json, &errors);
    assert_non_null(t);
    assert_string_equal(t->rules, rules);
    stint_task_free(t);
}

static void assert_refused(const char *options, const char *field)
{
    struct stint_errors errors;
    char json[400];
    snprintf(json, sizeof(json), "{\"function\":\"f\",%s}", options);
    assert_null(read_task(json, &errors));
    assert_int_equal(errors.n, 1);
    assert_string_equal(errors.at[0].field, field);
}

static void test_all_at_once(void **state)
{
    struct stint_errors errors;
    (void)state;
    assert_null(read_task("{\"args\":{},\"timeout\":0,\"repeats\":1.5,"
                          "\"wat\":1,\"immediate\":1}", &errors));
    assert_int_equal(errors.n, 6);
    assert_string_equal(errors.at[0].field, "function");
    assert_string_equal(errors.at[4].field, "wat");
    assert_string_equal(errors.at[4].text, "unknown option");
    assert_null(read_task("[1]", &errors));
    assert_null(read_task("{", &errors));
    assert_null(read_task("{\"function\":\"f\",\"function\":\"g\"}", &errors));
}

static void test_ranges(void **state)
{
    (void)state;
    assert_refused("\"timeout\":0", "timeout");
    assert_refused("\"timeout\":315576001", "timeout");
    assert_refused("\"repeats\":-1", "repeats");
    assert_refused("\"period\":-0.001", "period");
    assert_refused("\"period\":\"1\"", "period");
    assert_refused("\"retry_failed\":-2", "retry_failed");
    assert_refused("\"retry_delay\":-1", "retry_delay");
    assert_refused("\"retry_backoff\":0.99", "retry_backoff");
    assert_refused("\"retry_backoff\":100.1", "retry_backoff");
    assert_refused("\"retry_max_delay\":-1", "retry_max_delay");
    assert_refused("\"priority\":101", "priority");
    assert_refused("\"priority\":-101", "priority");
    assert_refused("\"disabled\":0", "disabled");
    assert_refused("\"result_ttl\":-1", "result_ttl");
    assert_refused("\"id\":\"a b\"", "id");
    assert_refused("\"id\":\"\"", "id");
    assert_refused("\"task_name\":\"a\\nb\"", "task_name");
    assert_refused("\"group_name\":\"a:b\"", "group_name");
    assert_refused("\"start_time\":\"soon\"", "start_time");
    assert_refused("\"stop_time\":-1", "stop_time");
}

static void test_rules(void **state)
{
    (void)state;
    assert_rules("", "");
    assert_rules("\"timeout\":5,\"period\":60,\"repeats\":1", "");
    assert_rules("\"repeats\":0", "repeats=0");
    assert_rules("\"period\":0.5", "period=500");
    assert_rules("\"prevent_drift\":true", "drift=1");
    assert_rules("\"retry_failed\":-1", "retry=-1");
    assert_rules("\"retry_delay\":0", "delay=0");
    assert_rules("\"retry_backoff\":1.5", "backoff=1.5");
    assert_rules("\"retry_backoff\":100", "backoff=100");
    assert_rules("\"retry_max_delay\":10", "cap=10000");
    assert_rules("\"priority\":5", "level=5");
    assert_rules("\"priority\":-3", "level=-3");
    assert_rules("\"immediate\":true", "level=0.5");
    assert_rules("\"priority\":5,\"immediate\":true", "level=5.5");
    assert_rules("\"priority\":-3,\"immediate\":true", "level=-2.5");
    assert_rules("\"priority\":-1,\"immediate\":true", "level=-0.5");
    assert_rules("\"disabled\":true", "disabled=1");
    assert_rules("\"result_ttl\":1", "ttl=1000");
    assert_rules("\"discard_results\":true", "discard=1");
    assert_rules("\"repeats\":2,\"period\":1,\"retry_failed\":2",
                 "repeats=2 period=1000 retry=2");
}

static void test_depth(void **state)
{
    (void)state;
    for (int depth = 64; depth <= 65; depth++) {
        struct stint_errors errors;
        char json[200] = "{\"function\":\"f\",\"args\":";
        size_t n = strlen(json);
        memset(json + n, '[', (size_t)depth);
        memset(json + n + depth, ']', (size_t)depth);
        json[n + 2 * (size_t)depth] = '}';
        stint_task *t = read_task(json, &errors);
        assert_int_equal(t != NULL, depth == 64);
        stint_task_free(t);
    }
}

static void test_options(void **state)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors;
    struct stint_err err = {0};
    (void)state;
    o.function = "f";
    o.args = "[1, 2.5]";
    o.vars = "{}";
    o.timeout_s = 30;
    o.start_time = "+45s";
    o.stop_time = "1700000000";
    stint_task *t = stint_task_new(&o, &errors, &err);
    assert_non_null(t);
    assert_string_equal(t->text, "f {\"args\":[1,2.5],\"timeout\":30}");
    assert_int_equal(t->text_len, strlen(t->text));
    assert_string_equal(t->start, "+45000");
    assert_string_equal(t->stop, "1700000000000");
    assert_string_equal(t->group, "main");
    stint_task_free(t);
    o.args = "[1,";
    o.vars = "[]";
    o.retry_delay_s = -2;
    assert_null(stint_task_new(&o, &errors, &err));
    assert_int_equal(errors.n, 3);
    assert_string_equal(errors.at[0].field, "args");
}

static void test_too_big(void **state)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors;
    struct stint_err err = {0};
    char *args = malloc(PAYLOAD_BYTES_MAX + 10);
    (void)state;
    memset(args, ' ', PAYLOAD_BYTES_MAX + 10);
    memset(args + 2, 'x', PAYLOAD_BYTES_MAX);
    memcpy(args, "[\"", 2);
    memcpy(args + PAYLOAD_BYTES_MAX + 2, "\"]", 3);
    o.function = "f";
    o.args = args;
    assert_null(stint_task_new(&o, &errors, &err));
    assert_string_equal(errors.at[0].field, "args");
    free(args);
}

static void test_id(void **state)
{
    char a[STINT_ID_LEN + 1], b[STINT_ID_LEN + 1];
    (void)state;
    task_id_make(a);
    task_id_make(b);
    assert_int_equal(strlen(a), 26);
    assert_int_equal(strspn(a, "0123456789abcdefghjkmnpqrstvwxyz"), 26);
    assert_true(a[0] <= '7');
    assert_true(strncmp(a, b, 9) <= 0); /* the milliseconds */
    assert_string_not_equal(a, b);
}

static void test_state(void **state)
{
    const char *text = "RUNNING 12 7 w.1.a 100 200 0 begin=90 expire=900 "
                       "repeats=3 period=5 drift=1 level=-2.5 run=2 lost=1";
    struct task_state st;
    (void)state;
    assert_int_equal(task_state_decode(&st, text, strlen(text)), 0);
    assert_string_equal(st.status, "RUNNING");
    assert_string_equal(st.ticket, "12 7");
    assert_string_equal(st.worker, "w.1.a");
    assert_int_equal(st.next_ms, 100);
    assert_int_equal(st.start_ms, 200);
    assert_int_equal(st.begin_ms, 90);
    assert_int_equal(st.expire_ms, 900);
    assert_int_equal(st.period_ms, 5);
    assert_int_equal(st.times_run, 2);
    assert_int_equal(st.lost, 1);
    assert_true(st.prevent_drift && !st.disabled);
    assert_int_equal(task_state_decode(&st, NULL, 0), 0);
    assert_string_equal(st.status, "QUEUED");
    assert_int_equal(st.period_ms, 60000);
    assert_int_equal(task_state_decode(&st, "RUNNING 12", 10), -1);
}

static void test_run_json(void **state)
{
    const char *task = "f {\"vars\":{\"a\":1}}";
    struct task_state st;
    (void)state;
    assert_int_equal(task_state_decode(&st, "RUNNING 9 1 w 0 1 0 failed=2",
                                       28), 0);
    json_t *o = task_run_json("x", "main", task, strlen(task), &st);
    char *text = json_dumps(o, JSON_COMPACT);
    assert_string_equal(text,
        "{\"function\":\"f\",\"vars\":{\"a\":1},\"args\":[],"
        "\"task_name\":\"f\",\"timeout\":60,\"id\":\"x\","
        "\"group_name\":\"main\",\"fence\":9,\"attempt\":3,"
        "\"run_id\":\"x@9\",\"times_run\":0,\"times_failed\":2,"
        "\"start_time\":\"1970-01-01T00:00:00.000Z\"}");
    free(text);
    json_decref(o);
    assert_null(task_run_json("x", "main", "-", 1, &st));
    assert_null(task_run_json("x", "main", "f", 1, &st));
    assert_null(task_run_json("x", "main", "f g {}", 6, &st));
    assert_null(task_run_json("x", "main", "f {\"a\":", 7, &st));
    assert_null(task_run_json("x", "main", " {}", 3, &st));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_at_once), cmocka_unit_test(test_ranges),
        cmocka_unit_test(test_rules), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_options), cmocka_unit_test(test_too_big),
        cmocka_unit_test(test_id), cmocka_unit_test(test_state),
        cmocka_unit_test(test_run_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
