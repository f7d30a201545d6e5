/* SPDX-License-Identifier: MIT */
#include "api_filter.h"

#include <string.h>

#include "api.h"
#include "api_json.h"

/* Every text of a filter and where it goes. */
static const struct {
    const char *name;
    size_t at;
} texts[] = {
#define TEXT(name, member) {name, offsetof(struct stint_search_options, member)}
    TEXT("status", status),       TEXT("group_name", group),
    TEXT("function", function),   TEXT("id", id),
    TEXT("task_name", task_name), TEXT("tag", tag),
    TEXT("error", error),         TEXT("text", text),
    TEXT("from", from),           TEXT("until", until),
#undef TEXT
};
#define TEXTS (sizeof texts / sizeof *texts)

/* "" is as good as nothing: forms send it. */
static void text_set(struct stint_search_options *o, size_t i, const char *text)
{
    *(const char **)(void *)((char *)o + texts[i].at) =
        text && *text ? text : NULL;
}

bool api_filter_query(struct call *c, struct stint_search_options *o)
{
    for (size_t i = 0; i < TEXTS; i++)
        text_set(o, i, call_query(c, texts[i].name));
    return api_flag(c, "scheduled", &o->scheduled);
}

static bool filter_knows(struct call *c, const json_t *filter)
{
    const char *name;
    json_t *v;
    json_object_foreach((json_t *)(uintptr_t)filter, name, v) {
        bool known = !strcmp(name, "scheduled");
        for (size_t i = 0; i < TEXTS; i++)
            known |= !strcmp(name, texts[i].name);
        if (!known)
            return api_refuse(c, name, "is not a field of a filter");
    }
    return true;
}

bool api_filter_body(struct call *c, const json_t *filter,
                     struct stint_search_options *o)
{
    if (!filter || json_is_null(filter))
        return true;
    if (!json_is_object(filter))
        return api_refuse(c, "filter", "must be an object");
    if (!filter_knows(c, filter))
        return false;
    for (size_t i = 0; i < TEXTS; i++) {
        const char *text;
        if (!api_text_of(c, filter, texts[i].name, &text))
            return false;
        text_set(o, i, text);
    }
    return api_flag_of(c, filter, "scheduled", &o->scheduled);
}
