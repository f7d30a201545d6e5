/* SPDX-License-Identifier: MIT */
#include "filter.h"

#include <string.h>

size_t filter_rows(struct option_row *rows, struct stint_search_options *o)
{
    const struct option_row all[FILTER_ROWS] = {
        {"status", OPTION_TEXT, &o->status},
        {"group", OPTION_TEXT, &o->group},
        {"function", OPTION_TEXT, &o->function},
        {"id", OPTION_TEXT, &o->id},
        {"task-name", OPTION_TEXT, &o->task_name},
        {"tag", OPTION_TEXT, &o->tag},
        {"error", OPTION_TEXT, &o->error},
        {"text", OPTION_TEXT, &o->text},
        {"from", OPTION_TEXT, &o->from},
        {"until", OPTION_TEXT, &o->until},
        {"scheduled", OPTION_FLAG, &o->scheduled},
    };
    memcpy(rows, all, sizeof all);
    return FILTER_ROWS;
}

bool filter_is_given(const struct stint_search_options *o)
{
    return o->status || o->group || o->function || o->id || o->task_name ||
           o->tag || o->error || o->text || o->from || o->until ||
           o->scheduled;
}
