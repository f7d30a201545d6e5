/* SPDX-License-Identifier: MIT */
/* Templates: what may stand in braces, and what becomes of it; and what the
 * children's environment has of ours. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "executor.h"
#include "template.h"

#define TASK "{\"id\":\"t1\",\"args\":[\"a b\",7,{\"k\":[1,2]}],"              \
             "\"vars\":{\"size\":\"10x10\",\"n\":null}}"
#define PARENTS                                                               \
    "{\"p1\":{\"status\":\"COMPLETED\",\"result\":\"a string\"},"             \
    "\"other/a.b\":{\"status\":\"FAILED\",\"result\":null},"                  \
    "\"x.result\":{\"status\":\"COMPLETED\",\"result\":{\"n\":[0,false]}},"   \
    "\"x\":{\"status\":\"COMPLETED\",\"result\":0},"                          \
    "\"gone\":{\"status\":\"GONE\"}}"

struct fixture {
    struct run run;
    struct program program;
    char *argv[3];
};

static void setup(struct fixture *f, const char *parents)
{
    memset(f, 0, sizeof(*f));
    f->run.id = "t1";
    f->run.function = "fn";
    f->run.fence = 42;
    f->run.attempt = 2;
    f->run.json = TASK;
    f->run.json_len = strlen(TASK);
    if (parents) {
        f->run.parents = json_loads(parents, 0, NULL);
        assert_non_null(f->run.parents);
    }
    f->argv[0] = (char *)"x";
    f->program.argv = f->argv;
}

static void teardown(struct fixture *f)
{
    json_decref(f->run.task);
    json_decref(f->run.parents);
}

static void assert_filled(struct fixture *f, const char *element,
                          const char *expected)
{
    struct stint_err err = {STINT_OK, ""};
    char **argv;

    f->argv[1] = (char *)element;
    assert_int_equal(program_check(&f->program, &err), 0);
    argv = template_fill(&f->program, &f->run, &err);
    assert_non_null(argv);
    assert_string_equal(argv[0], "x");
    assert_non_null(argv[1]);
    assert_string_equal(argv[1], expected);
    assert_null(argv[2]);
    template_free(argv);
}

static void assert_unfilled(struct fixture *f, const char *element,
                            const char *why)
{
    struct stint_err err = {STINT_OK, ""};

    f->argv[1] = (char *)element;
    assert_int_equal(program_check(&f->program, &err), 0);
    assert_null(template_fill(&f->program, &f->run, &err));
    assert_string_equal(err.text, why);
}

static void test_task(void **state)
{
    struct fixture f;
    struct stint_err err = {STINT_OK, ""};
    char **argv;

    (void)state;
    setup(&f, NULL);
    assert_filled(&f, "no braces", "no braces");
    assert_filled(&f, "{args.0}{args.1}", "a b7");
    assert_filled(&f, "<{args}>", "<a b 7 {\"k\":[1,2]}>");
    assert_filled(&f, "{vars.size}!{vars.n}", "10x10!null");
    assert_unfilled(&f, "{args.3}", "args.3 is missing");
    assert_unfilled(&f, "{vars.none}", "vars.none is missing");
    f.argv[1] = (char *)"{args}";
    argv = template_fill(&f.program, &f.run, &err);
    assert_string_equal(argv[1], "a b");
    assert_string_equal(argv[2], "7");
    assert_string_equal(argv[3], "{\"k\":[1,2]}");
    assert_null(argv[4]);
    template_free(argv);
    teardown(&f);
}

static void test_parents(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, PARENTS);
    assert_filled(&f, "{parents.p1.result}", "a string");
    assert_filled(&f, "-i={parents.p1.result},{parents.p1.status}.",
                  "-i=a string,COMPLETED.");
    assert_filled(&f, "{parents.other/a.b.result}", "null");
    assert_filled(&f, "{parents.other/a.b.status}", "FAILED");
    assert_filled(&f, "{parents.x.result}", "0");
    assert_filled(&f, "{parents.x.result.result}", "{\"n\":[0,false]}");
    assert_filled(&f, "{parents.x.result.status}", "COMPLETED");
    assert_filled(&f, "{parents.gone.result}", "null");
    assert_filled(&f, "{parents.gone.status}", "GONE");
    assert_unfilled(&f, "{parents.p2.result}",
                    "parents.p2.result is missing");
    assert_unfilled(&f, "{parents.other/p1.status}",
                    "parents.other/p1.status is missing");
    teardown(&f);
}

static void test_no_parents(void **state)
{
    struct fixture f;

    (void)state;
    setup(&f, NULL);
    assert_unfilled(&f, "{parents.p1.status}",
                    "parents.p1.status is missing");
    teardown(&f);
    setup(&f, "{\"p1\":{\"status\":\"COMPLETED\"}}");
    json_object_set_new(json_object_get(f.run.parents, "p1"), "result",
                        json_stringn("a\0b", 3));
    assert_unfilled(&f, "{args.0}{parents.p1.result}",
                    "parents.p1.result contains a NUL byte");
    teardown(&f);
}

static void test_check(void **state)
{
    static const char *const bad[] = {
        "{foo}",   "{args.x}",  "{args.}",    "{",
        "}",       "a{args",    "{vars.}",    "{{args}}",
        "{args.1234567}",       "{parents}",  "{parents.}",
        "{parents.p1}",         "{parents.p1.output}",
        "{parents.p1.result.n}", "{parents.result}", "{parents..result}",
        "{parents.a/b/c.result}", "{parents.a b.result}",
        "{parents./a.status}",   "{parents.g/.status}"};
    static const char *const forms[] = {"{args}", "{args.N}", "{vars.NAME}",
                                        "{parents.ID.result}",
                                        "{parents.ID.status}", "in braces"};
    struct fixture f;

    (void)state;
    setup(&f, NULL);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct stint_err err = {STINT_OK, ""};

        f.argv[1] = (char *)bad[i];
        assert_int_equal(program_check(&f.program, &err), -1);
        assert_int_equal(err.code, STINT_INVALID);
        assert_non_null(strstr(err.text, bad[i]));
        for (size_t k = 0; k < sizeof(forms) / sizeof(*forms); k++)
            assert_non_null(strstr(err.text, forms[k]));
    }
    teardown(&f);
}

/* A long element and a long ID do not push the forms out of the message. */
static void test_check_long(void **state)
{
    char element[4000];
    struct stint_err err = {STINT_OK, ""};
    struct fixture f;

    (void)state;
    setup(&f, NULL);
    memset(element, 'x', sizeof(element));
    memcpy(element, "{parents.", 9);
    memcpy(element + sizeof(element) - 9, ".result}", 9);
    f.argv[1] = element;
    assert_int_equal(program_check(&f.program, &err), -1);
    assert_non_null(strstr(err.text, "{parents.ID.status} may stand in"));
    teardown(&f);
}

static const char *env_get(char *const *env, const char *name)
{
    size_t len = strlen(name);

    for (size_t i = 0; env[i]; i++)
        if (strncmp(env[i], name, len) == 0 && env[i][len] == '=')
            return env[i] + len + 1;
    return NULL;
}

static void test_env(void **state)
{
    char **inherited, **env;
    const struct confine confine = {0};
    struct fixture f;

    (void)state;
    setenv("STINT_URL", "redis://secret", 1);
    setenv("STINT_TASK_ID", "of a worker above us", 1);
    setenv("STINT_OTHER", "stays", 1);
    setup(&f, NULL);
    inherited = env_inherit();
    assert_non_null(inherited);
    assert_null(env_get(inherited, "STINT_URL"));
    assert_null(env_get(inherited, "STINT_TASK_ID"));
    env = env_fill(inherited, "w1", "STINT_RUN_ID=t1@42", &f.run,
                   &confine);
    assert_non_null(env);
    assert_string_equal(env[0], "STINT_RUN_ID=t1@42");
    assert_string_equal(env_get(env, "STINT_TASK_ID"), "t1");
    assert_string_equal(env_get(env, "STINT_WORKER"), "w1");
    assert_string_equal(env_get(env, "STINT_FENCE"), "42");
    assert_string_equal(env_get(env, "STINT_ATTEMPT"), "2");
    assert_string_equal(env_get(env, "STINT_FUNCTION"), "fn");
    assert_string_equal(env_get(env, "STINT_DEADLINE"),
                        "1970-01-01T00:00:00.000Z");
    assert_string_equal(env_get(env, "STINT_RESULT_FD"), "3");
    assert_string_equal(env_get(env, "STINT_OTHER"), "stays");
    assert_null(env_get(env, "STINT_URL"));
    env_free(env);
    template_free(inherited);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_task),       cmocka_unit_test(test_parents),
        cmocka_unit_test(test_no_parents), cmocka_unit_test(test_check),
        cmocka_unit_test(test_check_long), cmocka_unit_test(test_env),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
