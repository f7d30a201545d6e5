/* SPDX-License-Identifier: MIT */
#include "fake_call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void fake_call_init(struct call *c, const char *body)
{
    memset(c, 0, sizeof *c);
    c->body = *body ? json_loads(body, 0, NULL) : json_object();
    if (!c->body)
        abort();
}

const char *fake_call_error(const struct call *c, const char *field)
{
    const json_t *errors = json_object_get(c->answer, "errors");
    return json_string_value(json_object_get(errors, field));
}

void fake_call_close(struct call *c)
{
    json_decref(c->body);
    json_decref(c->answer);
}

/* ---- What call.h has ------------------------------------------------------- */

const char *call_segment(const struct call *c, const char *name)
{
    (void)c;
    return name;
}

const char *call_query(const struct call *c, const char *name)
{
    for (size_t i = 0; i < 8 && c->query[i][0]; i++)
        if (!strcmp(c->query[i][0], name))
            return c->query[i][1];
    return NULL;
}

const char *call_query_name(const struct call *c, size_t i)
{
    return i < 8 ? c->query[i][0] : NULL;
}

int call_query_count(const struct call *c, const char *name, int64_t least,
                     int64_t most, int64_t otherwise, int64_t *n,
                     struct stint_err *err)
{
    const char *text = call_query(c, name);
    char *end;
    *n = text ? strtoll(text, &end, 10) : otherwise;
    if (!text || (*text && !*end && *n >= least && *n <= most))
        return 0;
    err->code = STINT_INVALID;
    return -1;
}

json_t *call_body(const struct call *c)
{
    return c->body;
}

const char *call_line(struct call *c, size_t *len)
{
    if (!c->lines || !*c->lines)
        return NULL;
    *len = strcspn(c->lines, "\n");
    if (*len >= sizeof c->line)
        abort();
    memcpy(c->line, c->lines, *len);
    c->line[*len] = 0;
    c->lines += *len + (c->lines[*len] == '\n');
    return c->line;
}

const char *call_accept(const struct call *c)
{
    (void)c;
    return "";
}

enum role call_role(const struct call *c)
{
    (void)c;
    return ROLE_ADMIN;
}

const char *call_user(const struct call *c)
{
    (void)c;
    return "";
}

bool call_hides(const struct call *c, const char *field)
{
    return c->hides && !strcmp(c->hides, field);
}

void call_json(struct call *c, int status, json_t *answer)
{
    if (c->status)
        abort(); /* it was answered already */
    c->status = status;
    c->answer = answer;
}

void call_bytes(struct call *c, int status, const char *type, const char *bytes,
                size_t len)
{
    (void)type;
    call_json(c, status, json_stringn(bytes, len));
}

void call_problem(struct call *c, int status, const char *type,
                  const char *detail, json_t *errors)
{
    snprintf(c->type, sizeof c->type, "%s", type);
    snprintf(c->detail, sizeof c->detail, "%s", detail ? detail : "");
    json_t *o = json_object();
    if (errors)
        json_object_set_new(o, "errors", errors);
    call_json(c, status, o);
}

void call_header(struct call *c, const char *name, const char *value)
{
    (void)c, (void)name, (void)value;
}
