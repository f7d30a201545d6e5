/* SPDX-License-Identifier: MIT */
/* What people put into tasks: bytes come out as they went in, numbers keep
 * their digits or are refused, what is no text is refused at the edge, and at
 * every limit one less is fine and one more is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include <stint/stint.h>

#include "bounds.h"
#include "script.h"
#include "server.h"
#include "task.h"

static struct server server;
static redisContext *redis;
static stint *s;

static int up(void **state)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    char path[160];
    (void)state;
    server_start(&server);
    o.url = server.url;
    s = stint_open(&o, &err);
    snprintf(path, sizeof(path), "%s/redis.sock", server.dir);
    redis = redisConnectUnix(path);
    return s == NULL || redis == NULL || redis->err;
}

static int down(void **state)
{
    (void)state;
    redisFree(redis);
    stint_close(s);
    server_stop(&server);
    return 0;
}

static uint64_t seed = UINT64_C(0x5eed0001);

static uint64_t dice(uint64_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % n;
}

/* ---- Bytes --------------------------------------------------------------- */

static redisReply *call(int argc, const char **argv, const size_t *len)
{
    redisReply *r = redisCommandArgv(redis, argc, argv, len);
    assert_non_null(r);
    if (r->type == REDIS_REPLY_ERROR)
        fail_msg("%s", r->str);
    return r;
}

/* What looks like JSON from both ends, and any bytes between: they go through
 * queue_task, assign and task_status and are the same. */
static void bytes_in_are_bytes_out(void **state)
{
    enum { MOST = 6000 };
    static char rest[MOST + 2];
    (void)state;
    for (int i = 0; i < 300; i++) {
        char id[16];
        size_t len = (size_t)dice(i % 10 == 0 ? MOST : 40) + 2;
        rest[0] = '{';
        for (size_t k = 1; k + 1 < len; k++)
            rest[k] = (char)dice(256);
        rest[len - 1] = '}';
        snprintf(id, sizeof(id), "b%d", i);
        const char *queue[] = {"FCALL", "stint_queue_task", "1",
                               "{stint:bytes}", "1", "0", "0", id, "f", "+0",
                               "", i % 2 ? "retry=1" : "", rest};
        const size_t queue_len[] = {5, 16, 1, 13, 1, 1, 1, strlen(id), 1, 2, 0,
                                    i % 2 ? 7u : 0u, len};
        redisReply *r = call(13, queue, queue_len);
        assert_int_equal(r->elements, 1);
        freeReplyObject(r);
        const char *look[] = {"FCALL", "stint_task_status", "1",
                              "{stint:bytes}", "1", "0", "1", id};
        const size_t look_len[] = {5, 17, 1, 13, 1, 1, 1, strlen(id)};
        r = call(8, look, look_len);
        assert_int_equal(r->element[2]->len, len + 2);
        assert_memory_equal(r->element[2]->str, "f ", 2);
        assert_memory_equal(r->element[2]->str + 2, rest, len);
        freeReplyObject(r);
        freeReplyObject(redisCommand(
            redis, "FCALL stint_heartbeat 1 {stint:bytes} 1 0 w 90000 0"));
        r = redisCommand(redis, "FCALL stint_assign 1 {stint:bytes} 1 0 w "
                         "0123456789ab 1 0 f");
        assert_int_equal(r->elements, 6);
        assert_int_equal(r->element[5]->len, len + 2);
        assert_memory_equal(r->element[5]->str + 2, rest, len);
        freeReplyObject(r);
    }
}

/* ---- Numbers, texts ------------------------------------------------------ */

/* What is kept of an argument; NULL: refused. */
static const char *kept(const char *json)
{
    static char text[200];
    char all[200];
    struct stint_errors errors;
    struct stint_err err = {0};
    int n = snprintf(all, sizeof(all), "{\"function\":\"f\",\"args\":[%s]}",
                     json);
    stint_task *t = stint_task_from_json(all, (size_t)n, &errors, &err);
    if (t == NULL) {
        assert_int_equal(err.code, STINT_INVALID);
        assert_true(errors.n > 0);
        return NULL;
    }
    snprintf(text, sizeof(text), "%s", t->text);
    stint_task_free(t);
    return text;
}

static void numbers(void **state)
{
    static const struct {
        const char *in, *out; /* NULL: refused */
    } rows[] = {
        {"9007199254740993", "9007199254740993"},
        {"9223372036854775807", "9223372036854775807"},
        {"-9223372036854775808", "-9223372036854775808"},
        {"9223372036854775808", NULL},
        {"-9223372036854775809", NULL},
        {"1e400", NULL},
        {"-1e400", NULL},
        {"1e308", "1e308"},
        {"1e-400", "0.0"},
        {"-0", "0"},
        {"-0.0", "-0.0"},
        {"0.1", "0.10000000000000001"},
        {"NaN", NULL},
        {"Infinity", NULL},
        {"01", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        char wanted[80];
        const char *got = kept(rows[i].in);
        if (rows[i].out == NULL) {
            if (got != NULL)
                fail_msg("%s is taken: %s", rows[i].in, got);
            continue;
        }
        snprintf(wanted, sizeof(wanted), "f {\"args\":[%s]}", rows[i].out);
        assert_string_equal(got, wanted);
    }
}

static void what_is_no_text(void **state)
{
    static const char *const bad[] = {
        "\"\\u0000\"", "\"\xff\"", "\"\xc3\"", "\"\xc0\xaf\"",
        "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\\ud800\"",
        "\"\\udc00\\ud800\"", "\"\x01\"", "\xef\xbb\xbf[]",
        "{\"a\":1,\"a\":2}", "{\"\\u0000\":1}"};
    struct stint_errors errors;
    struct stint_err err = {0};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
        if (kept(bad[i]) != NULL)
            fail_msg("number %zu is taken: %s", i, bad[i]);
    assert_non_null(kept("\"\\ud83d\\ude00\xef\xbb\xbf\"")); /* a pair; inside */
    const char bom[] = "\xef\xbb\xbf{\"function\":\"f\"}";
    assert_null(stint_task_from_json(bom, sizeof(bom) - 1, &errors, &err));
    const char nul[] = "{\"function\":\"f\"}\0{}"; /* more behind */
    err = (struct stint_err){0};
    assert_null(stint_task_from_json(nul, sizeof(nul) - 1, &errors, &err));
}

/* ---- Limits -------------------------------------------------------------- */

/* A task whose JSON is args:["xx…"] of so many bytes; NULL: refused. */
static stint_task *task_of_bytes(size_t bytes)
{
    static const char head[] = "{\"args\":[\"", tail[] = "\"]}";
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors;
    struct stint_err err = {0};
    size_t n = bytes - (sizeof(head) - 1) - (sizeof(tail) - 1);
    char *args = malloc(n + 5);
    assert_non_null(args);
    memset(args, 'x', n + 4);
    memcpy(args, "[\"", 2);
    memcpy(args + n + 2, "\"]", 3);
    o.function = "f";
    o.args = args;
    stint_task *t = stint_task_new(&o, &errors, &err);
    if (t == NULL) {
        assert_int_equal(err.code, STINT_INVALID);
        assert_string_equal(errors.at[0].field, "args");
    } else {
        assert_int_equal(t->text_len, bytes + 2);
    }
    free(args);
    return t;
}

static void size_of_a_task(void **state)
{
    const size_t most = PAYLOAD_BYTES_MAX - STINT_NAME_LEN - 16;
    struct stint_err err = {0};
    size_t done;
    (void)state;
    assert_null(task_of_bytes(most + 1));
    for (size_t less = 0; less < 2; less++) {
        stint_task *t = task_of_bytes(most - less);
        assert_non_null(t);
        assert_int_equal(
            stint_queue_tasks(s, &t, 1, &done, NULL, NULL, NULL, &err), 0);
        struct stint_status *st =
            stint_task_status(s, "main", stint_task_id(t), 0, &err);
        assert_non_null(st);
        assert_int_equal(strlen(st->args), most - less - strlen("{\"args\":}"));
        stint_status_free(st);
        stint_task_free(t);
    }
}

static void nesting(void **state)
{
    (void)state;
    for (int depth = 62; depth <= 65; depth++) {
        char json[200] = "";
        for (int i = 0; i < depth - 1; i++) /* args itself is one */
            strcat(json, "[");
        for (int i = 0; i < depth - 1; i++)
            strcat(json, "]");
        assert_int_equal(kept(json) != NULL, depth <= JSON_DEPTH_MAX);
    }
}

static void sizes_of_batches(void **state)
{
    static const size_t sizes[] = {1, 999, 1000, 1001, 10000};
    (void)state;
    for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
        size_t n = sizes[k], done = 0;
        struct stint_err err = {0};
        stint_task **tasks = calloc(n, sizeof(*tasks));
        assert_non_null(tasks);
        for (size_t i = 0; i < n; i++) {
            char json[120];
            int len = snprintf(json, sizeof(json),
                               "{\"function\":\"f\",\"id\":\"n%zu-%zu\","
                               "\"group_name\":\"g%zu\",\"priority\":%zu}",
                               n, i, n, i % 3);
            tasks[i] = stint_task_from_json(json, (size_t)len, NULL, &err);
            assert_non_null(tasks[i]);
        }
        assert_int_equal(
            stint_queue_tasks(s, tasks, n, &done, NULL, NULL, NULL, &err), 0);
        assert_int_equal(done, n);
        redisReply *r =
            redisCommand(redis, "HLEN {stint:g%d}:task", (int)n);
        assert_int_equal(r->integer, n);
        freeReplyObject(r);
        for (size_t i = 0; i < n; i++)
            stint_task_free(tasks[i]);
        free(tasks);
    }
}

/* ---- Names --------------------------------------------------------------- */

static void names_that_are_none(void **state)
{
    static const char *const bad[] = {"a{b", "a}b", "a*", "a\n", "a%s", "a b",
                                      "a/b", "a:b", "a~1", "", "\xc3\xbc"};
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
        struct stint_err err = {0};
        struct stint_options open = STINT_OPTIONS_INIT;
        o.function = "f";
        o.group_name = bad[i];
        assert_null(stint_task_new(&o, NULL, &err));
        assert_int_equal(err.code, STINT_INVALID);
        open.url = server.url;
        open.name_space = bad[i];
        err = (struct stint_err){0};
        assert_null(stint_open(&open, &err));
        assert_int_equal(err.code, STINT_INVALID);
        if (strpbrk(bad[i], "/:") != NULL)
            continue; /* these a function's name may have */
        o.group_name = NULL;
        o.function = bad[i];
        err = (struct stint_err){0};
        assert_null(stint_task_new(&o, NULL, &err));
        assert_int_equal(err.code, STINT_INVALID);
    }
}

static void name_draw(char *to, const char *of)
{
    size_t n = (size_t)dice(4) + 1;
    for (size_t i = 0; i < n; i++)
        to[i] = of[dice(strlen(of))];
    to[n] = '\0';
}

/* Two different inputs never give one key. */
static void keys_do_not_meet(void **state)
{
    enum { N = 800 };
    static char keys[N][600], inputs[N][80];
    struct script_caller c;
    (void)state;
    for (int i = 0; i < N; i++) {
        char space[8], group[8], fn[8];
        int kind = (int)dice(4);
        name_draw(space, "a.-");
        name_draw(group, "a.-");
        name_draw(fn, "a.:/-");
        assert_true(task_group_is_valid(space, strlen(space)));
        assert_true(task_group_is_valid(group, strlen(group)));
        assert_true(task_name_is_valid(fn, strlen(fn)));
        script_caller_init(&c, NULL, space);
        if (kind == 0)
            script_wake_key(&c, keys[i], sizeof(keys[i]), group, fn);
        else if (kind == 1)
            script_wake_key(&c, keys[i], sizeof(keys[i]), group, NULL);
        else if (kind == 2)
            script_signal_key(&c, keys[i], sizeof(keys[i]), group, fn);
        else
            script_signal_key(&c, keys[i], sizeof(keys[i]), NULL, fn);
        snprintf(inputs[i], sizeof(inputs[i]), "%d %s %s %s", kind, space,
                 kind == 3 ? "" : group, kind == 1 ? "" : fn);
        for (int k = 0; k < i; k++)
            if (strcmp(keys[k], keys[i]) == 0 &&
                strcmp(inputs[k], inputs[i]) != 0)
                fail_msg("%s: of %s and of %s", keys[i], inputs[k], inputs[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_in_are_bytes_out),
        cmocka_unit_test(numbers),
        cmocka_unit_test(what_is_no_text),
        cmocka_unit_test(size_of_a_task),
        cmocka_unit_test(nesting),
        cmocka_unit_test(sizes_of_batches),
        cmocka_unit_test(names_that_are_none),
        cmocka_unit_test(keys_do_not_meet),
    };
    return cmocka_run_group_tests(tests, up, down);
}
