/* SPDX-License-Identifier: MIT */
/* The vectors that all clients share (tests/vectors): what a task becomes on
 * its way to Redis, in which part it lives, times and cronlines. Each table is
 * walked to its end, and names every vector that fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "cron.h"
#include "part.h"
#include "task.h"
#include "time_text.h"

static int n_failed;

#define FAILED(...)                                                            \
    (n_failed++, fprintf(stderr, __VA_ARGS__), fputc('\n', stderr))

static json_t *vectors_load(const char *name)
{
    char path[512];
    json_error_t why;
    snprintf(path, sizeof(path), "%s/%s", VECTORS_DIR, name);
    json_t *all = json_load_file(path, 0, &why);
    if (all == NULL || json_array_size(all) == 0)
        fail_msg("%s: line %d: %s", path, why.line, why.text);
    n_failed = 0;
    return all;
}

static void vectors_close(json_t *all)
{
    json_decref(all);
    if (n_failed > 0)
        fail_msg("%d vectors failed", n_failed);
}

static const char *text_of(const json_t *v, const char *key)
{
    return json_string_value(json_object_get(v, key));
}

/* "is not JSON: …" stands for all that begins so. */
static int text_fits(const char *wanted, const char *got)
{
    const char *dots = strstr(wanted, "…");
    size_t len = dots != NULL ? (size_t)(dots - wanted) : 0;
    return dots != NULL ? strncmp(wanted, got, len) == 0
                        : strcmp(wanted, got) == 0;
}

/* ---- queue_task.json ---------------------------------------------------- */

/* Since 2.15 jansson writes the shortest digits that mean the same double. */
static int reals_have_17_digits(void)
{
    json_t *v = json_real(0.1);
    char *text = json_dumps(v, JSON_ENCODE_ANY);
    int so = strcmp(text, "0.10000000000000001") == 0;
    free(text);
    json_decref(v);
    return so;
}

static void errors_compare(const char *name, json_t *wanted,
                           const struct stint_errors *got)
{
    if (got->n != json_object_size(wanted))
        FAILED("%s: %zu errors, not %zu", name, got->n,
               json_object_size(wanted));
    for (size_t i = 0; i < got->n; i++) {
        const char *text = text_of(wanted, got->at[i].field);
        if (text == NULL || !text_fits(text, got->at[i].text))
            FAILED("%s: %s: %s", name, got->at[i].field, got->at[i].text);
    }
}

static void args_compare(const char *name, const json_t *v,
                         const struct stint_task *t)
{
    const char *got[] = {t->id, t->function, t->start, t->stop, t->rules,
                         t->text};
    const json_t *args = json_object_get(v, "args");
    if (json_array_size(args) != 6 || text_of(v, "group") == NULL) {
        FAILED("%s: is no vector", name);
        return;
    }
    for (size_t i = 0; i < 6; i++) {
        const json_t *wanted = json_array_get(args, i);
        if (json_is_null(wanted)) /* an id was made */
            assert_int_equal(strlen(got[i]), 26);
        else if (strcmp(json_string_value(wanted), got[i]) != 0)
            FAILED("%s: %s, not %s", name, got[i], json_string_value(wanted));
    }
    if (strcmp(t->group, text_of(v, "group")) != 0)
        FAILED("%s: group %s", name, t->group);
}

static void vector_check(const json_t *v)
{
    struct stint_errors errors = {0};
    struct stint_err err = {0};
    const char *name = text_of(v, "name"), *json = text_of(v, "json");
    json_t *now = json_object_get(v, "now_ms");
    char *text = json != NULL ? strdup(json)
                              : json_dumps(json_object_get(v, "task"), 0);
    stint_task *t = stint_task_from_json(text, strlen(text), &errors, &err);
    json_t *wanted = json_object_get(v, "errors");
    if (t != NULL && now != NULL &&
        task_cron_start(t, json_integer_value(now), &err))
        FAILED("%s: %s", name, err.text);
    if (wanted != NULL)
        errors_compare(name, wanted, &errors);
    else if (t == NULL)
        FAILED("%s: %s", name, err.text);
    else
        args_compare(name, v, t);
    if (wanted != NULL && t != NULL)
        FAILED("%s: is not refused", name);
    stint_task_free(t);
    free(text);
}

static void tasks_become_the_arguments_of_queue_task(void **state)
{
    json_t *all = vectors_load("queue_task.json"), *v;
    int seventeen = reals_have_17_digits();
    size_t i;
    (void)state;
    json_array_foreach(all, i, v)
        if (seventeen || !json_is_true(json_object_get(v, "real")))
            vector_check(v);
    vectors_close(all);
}

/* ---- The others --------------------------------------------------------- */

static void ids_say_their_part(void **state)
{
    json_t *all = vectors_load("parts.json"), *v;
    size_t i;
    (void)state;
    json_array_foreach(all, i, v) {
        char name[STINT_NAME_LEN + 1];
        const char *id = text_of(v, "id");
        int n = (int)json_integer_value(json_object_get(v, "parts"));
        int part = part_of_id(id, n);
        part_name(name, text_of(v, "group"), part);
        if (part_slot(id) != json_integer_value(json_object_get(v, "slot")) ||
            part != json_integer_value(json_object_get(v, "part")) ||
            strcmp(name, text_of(v, "name")) != 0)
            FAILED("%s of %d: part %d, %s", id, n, part, name);
    }
    vectors_close(all);
}

static void times_are_read_and_written(void **state)
{
    json_t *all = vectors_load("times.json"), *v;
    size_t i;
    (void)state;
    json_array_foreach(all, i, v) {
        char written[TIME_TEXT_LEN];
        int64_t ms = json_integer_value(json_object_get(v, "ms")), got;
        int relative;
        if (text_of(v, "written") != NULL) {
            time_text_write(ms, written);
            if (strcmp(written, text_of(v, "written")) != 0)
                FAILED("%s, not %s", written, text_of(v, "written"));
            continue;
        }
        const char *text = text_of(v, "text");
        int refused = time_text_read(text, &got, &relative);
        if (refused != 0 || json_object_get(v, "error") != NULL) {
            if (refused == 0 || json_object_get(v, "error") == NULL)
                FAILED("\"%s\": %s", text, refused ? "refused" : "taken");
        } else if (got != ms || relative != json_is_true(json_object_get(
                                                v, "relative"))) {
            FAILED("\"%s\": %lld", text, (long long)got);
        }
    }
    vectors_close(all);
}

static void cron_check(const json_t *v)
{
    struct stint_cron_options o = STINT_CRON_OPTIONS_INIT;
    struct stint_cron_time times[8];
    struct stint_err err = {0};
    struct cron c;
    const json_t *next = json_object_get(v, "next");
    const char *wanted = text_of(v, "error"), *e = text_of(v, "expression");
    o.expression = e;
    o.time_zone = text_of(v, "timezone");
    o.from = text_of(v, "from");
    if (wanted != NULL) {
        if (cron_parse(&c, e, &err) == 0 || strcmp(err.text, wanted) != 0)
            FAILED("%s: \"%s\", not \"%s\"", e, err.text, wanted);
        return;
    }
    assert_in_range(json_array_size(next), 1, 8);
    if (stint_cron_next(&o, times, json_array_size(next), &err)) {
        FAILED("%s: %s", e, err.text);
        return;
    }
    for (size_t i = 0; i < json_array_size(next); i++) {
        char text[TIME_TEXT_LEN];
        time_text_write(times[i].ms, text);
        if (strcmp(text, json_string_value(json_array_get(next, i))) != 0)
            FAILED("%s from %s: time %zu is %s", e, o.from, i, text);
    }
}

static void cronlines_have_their_next_times(void **state)
{
    json_t *all = vectors_load("cron.json"), *v;
    size_t i;
    (void)state;
    json_array_foreach(all, i, v)
        cron_check(v);
    vectors_close(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tasks_become_the_arguments_of_queue_task),
        cmocka_unit_test(ids_say_their_part),
        cmocka_unit_test(times_are_read_and_written),
        cmocka_unit_test(cronlines_have_their_next_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
