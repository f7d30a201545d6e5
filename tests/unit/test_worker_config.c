/* SPDX-License-Identifier: MIT */
/* A worker's configuration: what it takes, which entries share processes, and
 * the sentence for each mistake. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"

static struct config config;
static char path[64];

/* Loads a file of that text. */
static int load(const char *text, struct stint_err *err)
{
    FILE *f;
    int fd, rc;

    snprintf(path, sizeof(path), "/tmp/stint-config-XXXXXX");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    f = fdopen(fd, "w");
    fputs(text, f);
    fclose(f);
    config_init(&config);
    rc = config_load(&config, path, err);
    unlink(path);
    return rc;
}

/* One entry, "f". */
static int load_entry(const char *entry, struct stint_err *err)
{
    char text[1024];

    snprintf(text, sizeof(text), "{\"tasks\": {\"f\": %s}}", entry);
    return load(text, err);
}

static const struct task_type *type(const char *name)
{
    const struct task_type *t = config_find(&config, name, strlen(name));

    assert_non_null(t);
    return t;
}

static void test_every_kind(void **state)
{
    struct stint_err err = {0};
    char text[2048];

    (void)state;
    snprintf(text, sizeof(text),
             "{\"groups\": [\"a\", \"a\", \"b\"], \"concurrency\": 7,"
             " \"tasks\": {"
             "\"e\": {\"exec\": [\"true\", \"{args}\"], \"timeout\": 1.5,"
             "        \"nice\": 3},"
             "\"c\": {\"child\": [\"x\", \"y\"], \"processes\": 4,"
             "        \"max_tasks\": 10, \"max_rss\": \"2M\"},"
             "\"f\": {\"module\": \"%s\", \"isolation\": \"process\","
             "        \"umask\": \"0077\"}}}", GOOD_MODULE);
    if (load(text, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(config.n_groups, 3);
    assert_string_equal(config.groups[2], "b");
    assert_int_equal(config.concurrency, 7);
    assert_int_equal(type("e")->runs_on, EXECUTOR_PROGRAM);
    assert_int_equal(type("e")->timeout_ms, 1500);
    assert_int_equal(type("e")->program.confine.nice, 3);
    assert_string_equal(type("e")->program.argv[1], "{args}");
    assert_ptr_equal(config_how(type("e")), &type("e")->program);
    assert_int_equal(type("c")->runs_on, EXECUTOR_CHILDREN);
    assert_int_equal(type("c")->pool->processes, 4);
    assert_int_equal(type("c")->pool->max_tasks, 10);
    assert_int_equal(type("c")->pool->max_rss_bytes, 2 * 1024 * 1024);
    assert_string_equal(type("c")->pool->argv[1], "y");
    assert_int_equal(type("f")->runs_on, EXECUTOR_FORKS);
    assert_null(type("f")->pool->argv);
    assert_non_null(type("f")->function.fn);
    assert_int_equal(type("f")->pool->confine.umask, 0077);
    assert_int_equal(config_count(&config, EXECUTOR_CHILDREN), 1);
    assert_int_equal(config_count(&config, EXECUTOR_FORKS), 1);
    assert_int_equal(config.n_pools, 2);
    config_close(&config);
}

/* Equal but for the timeout and the order of the keys: one pool. */
static void test_who_shares_processes(void **state)
{
    struct stint_err err = {0};

    (void)state;
    assert_int_equal(
        load("{\"tasks\": {"
             "\"a\": {\"child\": [\"x\"], \"processes\": 2, \"timeout\": 1},"
             "\"b\": {\"processes\": 2, \"timeout\": 9, \"child\": [\"x\"]},"
             "\"c\": {\"child\": [\"x\"], \"processes\": 3},"
             "\"d\": {\"child\": [\"x\"], \"processes\": 2, \"nice\": 1},"
             "\"e\": {\"child\": [\"x\", \"z\"], \"processes\": 2}}}", &err),
        0);
    assert_ptr_equal(type("a")->pool, type("b")->pool);
    assert_int_equal(type("b")->timeout_ms, 9000);
    assert_int_equal(config.n_pools, 4);
    config_close(&config);
}

static void test_mistakes_of_an_entry(void **state)
{
    static const struct {
        const char *entry, *text;
    } rows[] = {
        {"5", "must be an object"},
        {"{}", "needs exactly one of exec, child and module"},
        {"{\"exec\": [\"a\"], \"child\": [\"b\"]}",
         "needs exactly one of exec, child and module"},
        {"{\"exce\": [\"a\"]}", "unknown key \"exce\""},
        {"{\"exec\": \"a\"}",
         "exec: must be a list of strings, the program first"},
        {"{\"child\": []}",
         "child: must be a list of strings, the program first"},
        {"{\"exec\": [\"a\", 5]}", "exec: must hold strings only"},
        {"{\"exec\": [\"a\"], \"timeout\": 0}",
         "timeout: must be a number of seconds > 0"},
        {"{\"exec\": [\"a\"], \"processes\": 2}", "processes is not for exec"},
        {"{\"child\": [\"a\"], \"isolation\": \"process\"}",
         "isolation is not for child"},
        {"{\"child\": [\"a\"], \"processes\": 1001}",
         "processes: must be an integer from 1 to 1000"},
        {"{\"child\": [\"a\"], \"max_tasks\": 0}",
         "max_tasks: must be an integer > 0"},
        {"{\"child\": [\"a\"], \"max_rss\": \"5X\"}",
         "max_rss: must be a number of bytes, or as \"512M\""},
        {"{\"module\": 5}", "module: must be a path"},
        {"{\"module\": \"" OTHER_ABI_MODULE "\"}",
         "module: " OTHER_ABI_MODULE " was built for ABI 2, this is 1"},
        {"{\"module\": \"" GOOD_MODULE "\", \"isolation\": \"jail\"}",
         "isolation: must be thread or process"},
        {"{\"module\": \"" GOOD_MODULE "\", \"nice\": 1}",
         "nice, user, rlimits and the like need \"isolation\": \"process\""},
        {"{\"module\": \"" GOOD_MODULE "\", \"max_tasks\": 1}",
         "processes, max_tasks and max_rss need \"isolation\": \"process\""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct stint_err err = {0};
        char text[400];

        assert_int_equal(load_entry(rows[i].entry, &err), -1);
        assert_int_equal(err.code, STINT_INVALID);
        snprintf(text, sizeof(text), "%s: tasks: f: %s", path, rows[i].text);
        text[STINT_ERROR_LEN - 1] = '\0';
        assert_string_equal(err.text, text);
        config_close(&config);
    }
}

/* The loader's own words follow. */
static void test_modules_that_are_none(void **state)
{
    struct stint_err err = {0};

    (void)state;
    assert_int_equal(load_entry("{\"module\": \"/no/such.so\"}", &err), -1);
    assert_non_null(strstr(err.text, "/no/such.so"));
    config_close(&config);
    err = (struct stint_err){0};
    assert_int_equal(
        load("{\"tasks\": {\"g\": {\"module\": \"" GOOD_MODULE "\"}}}", &err),
        -1);
    assert_non_null(strstr(err.text, "has no function g"));
    config_close(&config);
}

static void test_mistakes_of_the_file(void **state)
{
    static const char *const rows[][2] = {
        {"{\"tasks\": 5}", "tasks must be an object"},
        {"{\"group\": []}", "unknown key \"group\""},
        {"{\"groups\": []}", "groups must be a list of names"},
        {"{\"concurrency\": 0}",
         "concurrency must be an integer from 1 to 1000"},
        {"[]", "must be a JSON object"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        struct stint_err err = {0};

        assert_int_equal(load(rows[i][0], &err), -1);
        assert_non_null(strstr(err.text, rows[i][1]));
        config_close(&config);
    }
}

int main(void)
{
    if (chdir(MODULE_DIR) < 0)
        return 1;

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind),
        cmocka_unit_test(test_who_shares_processes),
        cmocka_unit_test(test_mistakes_of_an_entry),
        cmocka_unit_test(test_modules_that_are_none),
        cmocka_unit_test(test_mistakes_of_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
