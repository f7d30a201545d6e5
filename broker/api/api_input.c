/* SPDX-License-Identifier: MIT */
/* Looking at what came: names that are not known are refused rather than left
 * alone, so that a slip of the pen is told and does not delete too much; every
 * number has its bounds. */
#include "api.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api_json.h"

/* Refuses at most so many names at once. */
enum { WRONG_MAX = 32 };

static bool words_have(const char *words, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = words; len && *at;) {
        size_t n = strcspn(at, " ");
        if (n == len && !memcmp(at, word, n))
            return true;
        at += n + (at[n] == ' ');
    }
    return false;
}

static bool errors_answer(struct call *c, const char *detail, json_t *errors)
{
    if (!json_object_size(errors)) {
        json_decref(errors);
        return true;
    }
    call_problem(c, 400, "invalid", detail, errors);
    return false;
}

static void wrong_add(json_t *errors, const char *name, const char *text)
{
    if (json_object_size(errors) < WRONG_MAX && !json_object_get(errors, name))
        json_object_set_new(errors, name, api_text(text));
}

static void query_look(struct call *c, const char *names, json_t *errors)
{
    const char *name;
    for (size_t i = 0; (name = call_query_name(c, i)); i++)
        if (!words_have(names, name))
            wrong_add(errors, name, "is not a parameter of this");
}

bool api_takes(struct call *c, const char *names)
{
    json_t *errors = api_object();
    query_look(c, names, errors);
    return errors_answer(c, "unknown parameters", errors);
}

bool api_takes_body(struct call *c, const char *query, const char *body)
{
    json_t *errors = api_object(), *v;
    const char *name;
    query_look(c, query, errors);
    json_object_foreach(call_body(c), name, v) {
        if (!words_have(body, name))
            wrong_add(errors, name, "is not a field of this");
    }
    return errors_answer(c, "unknown fields", errors);
}

bool api_refuse(struct call *c, const char *name, const char *format, ...)
{
    char text[STINT_ERROR_LEN], detail[STINT_ERROR_LEN + 64];
    va_list ap;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    snprintf(detail, sizeof detail, "%.60s: %s", name, text);
    json_t *errors = api_object();
    api_put(errors, name, api_text(text));
    call_problem(c, 400, "invalid", detail, errors);
    return false;
}

/* ---- The query ------------------------------------------------------------ */

bool api_count(struct call *c, const char *name, int64_t least, int64_t most,
               int64_t otherwise, int64_t *n)
{
    struct stint_err why = {0};
    if (!call_query_count(c, name, least, most, otherwise, n, &why))
        return true;
    return api_refuse(c, name,
                      "must be a whole number from %" PRId64 " to %" PRId64,
                      least, most);
}

bool api_flag(struct call *c, const char *name, int *on)
{
    const char *text = call_query(c, name);
    *on = text && (!strcmp(text, "1") || !strcmp(text, "true"));
    if (!text || *on || !strcmp(text, "0") || !strcmp(text, "false"))
        return true;
    return api_refuse(c, name, "must be 1 or 0");
}

/* ---- Members of an object ------------------------------------------------- */

bool api_text_of(struct call *c, const json_t *o, const char *name,
                 const char **text)
{
    const json_t *v = json_object_get(o, name);
    *text = json_string_value(v);
    if (!v || json_is_null(v))
        return true;
    if (*text && strlen(*text) == json_string_length(v))
        return true;
    return api_refuse(c, name, "must be text");
}

bool api_count_of(struct call *c, const json_t *o, const char *name,
                  int64_t least, int64_t most, int64_t otherwise, int64_t *n)
{
    const json_t *v = json_object_get(o, name);
    *n = json_is_integer(v) ? json_integer_value(v) : otherwise;
    if (!v || json_is_null(v) ||
        (json_is_integer(v) && *n >= least && *n <= most))
        return true;
    return api_refuse(c, name,
                      "must be a whole number from %" PRId64 " to %" PRId64,
                      least, most);
}

bool api_flag_of(struct call *c, const json_t *o, const char *name, int *on)
{
    const json_t *v = json_object_get(o, name);
    *on = json_is_true(v);
    if (!v || json_is_null(v) || json_is_boolean(v))
        return true;
    return api_refuse(c, name, "must be true or false");
}
