/* SPDX-License-Identifier: MIT */
/* The OpenAPI document and the table of routes say the same: every row has its
 * operation, every operation its row, with the same role, body and names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>
#include <jansson.h>

#include "assets.h"
#include "routes.h"

static int document_open(void **state)
{
    *state = json_loadb((const char *)openapi[0].bytes, openapi[0].len,
                        JSON_REJECT_DUPLICATES, NULL);
    return *state ? 0 : -1;
}

static int document_close(void **state)
{
    json_decref(*state);
    return 0;
}

static const json_t *operation_of(const json_t *doc, const struct route *r)
{
    char method[8] = "";
    for (size_t i = 0; r->method[i] && i < sizeof method - 1; i++)
        method[i] = (char)(r->method[i] + ('a' - 'A'));
    const json_t *paths = json_object_get(doc, "paths");
    return json_object_get(json_object_get(paths, r->path), method);
}

static const char *role_word(const struct route *r)
{
    static const char *const words[] = {"none", "read", "queue", "admin"};
    return words[r->role];
}

static void every_row_has_its_operation(void **state)
{
    const struct route *r;
    size_t n = 0;
    for (; (r = route_at(n)); n++) {
        const json_t *op = operation_of(*state, r);
        if (!op)
            fail_msg("%s %s is not in openapi.json", r->method, r->path);
        const char *role =
            json_string_value(json_object_get(op, "x-stint-role"));
        if (!role || strcmp(role, role_word(r)))
            fail_msg("%s %s: x-stint-role is %s, not %s", r->method, r->path,
                     role_word(r), role ? role : "-");
    }
    assert_true(n > 40);
}

static bool row_is_there(const char *method, const char *path)
{
    const struct route *r;
    for (size_t i = 0; (r = route_at(i)); i++)
        if (!strcasecmp(r->method, method) && !strcmp(r->path, path))
            return true;
    return false;
}

static void every_operation_has_its_row(void **state)
{
    const char *path, *method;
    json_t *of, *op, *paths = json_object_get(*state, "paths");
    json_object_foreach(paths, path, of)
        json_object_foreach(of, method, op)
            if (!row_is_there(method, path))
                fail_msg("openapi.json has %s %s, which is no route", method,
                         path);
}

/* A route that takes a body says which. */
static void bodies_are_those_of_the_rows(void **state)
{
    const struct route *r;
    for (size_t i = 0; (r = route_at(i)); i++) {
        const json_t *content = json_object_get(
            json_object_get(operation_of(*state, r), "requestBody"),
            "content");
        const char *type = r->flags & ROUTE_BODY    ? "application/json"
                           : r->flags & ROUTE_LINES ? "application/x-ndjson"
                                                    : NULL;
        if (type && !json_object_get(content, type))
            fail_msg("%s %s: there is no body of %s", r->method, r->path, type);
        if (!type && content)
            fail_msg("%s %s takes no body", r->method, r->path);
    }
}

static bool parameter_is_there(const json_t *op, const char *name, size_t len)
{
    size_t i;
    json_t *p, *all = json_object_get(op, "parameters");
    json_array_foreach(all, i, p) {
        const char *of = json_string_value(json_object_get(p, "name"));
        const char *in = json_string_value(json_object_get(p, "in"));
        if (of && in && !strcmp(in, "path") && strlen(of) == len &&
            !memcmp(of, name, len))
            return true;
    }
    return false;
}

static void segments_are_parameters(void **state)
{
    const struct route *r;
    for (size_t i = 0; (r = route_at(i)); i++) {
        const json_t *op = operation_of(*state, r);
        for (const char *at = strchr(r->path, '{'); at;
             at = strchr(at + 1, '{')) {
            size_t len = strcspn(at + 1, "}");
            if (!parameter_is_there(op, at + 1, len))
                fail_msg("%s %s: no parameter %.*s", r->method, r->path,
                         (int)len, at + 1);
        }
    }
}

static void operations_have_names_of_their_own(void **state)
{
    const char *path, *method;
    json_t *of, *op, *seen = json_object();
    json_t *paths = json_object_get(*state, "paths");
    json_object_foreach(paths, path, of)
        json_object_foreach(of, method, op) {
            const char *id =
                json_string_value(json_object_get(op, "operationId"));
            if (!id || json_object_get(seen, id))
                fail_msg("%s %s: operationId", method, path);
            json_object_set_new(seen, id, json_true());
        }
    json_decref(seen);
}

static void the_version_is_ours(void **state)
{
    const json_t *info = json_object_get(*state, "info");
    assert_string_equal(json_string_value(json_object_get(info, "version")),
                        stint_version());
    assert_string_equal(json_string_value(json_object_get(*state, "openapi")),
                        "3.1.0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_its_operation),
        cmocka_unit_test(every_operation_has_its_row),
        cmocka_unit_test(bodies_are_those_of_the_rows),
        cmocka_unit_test(segments_are_parameters),
        cmocka_unit_test(operations_have_names_of_their_own),
        cmocka_unit_test(the_version_is_ours),
    };
    return cmocka_run_group_tests(tests, document_open, document_close);
}
