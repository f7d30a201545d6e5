/* SPDX-License-Identifier: MIT */
/* Looking for tasks, page by page. */
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "api_filter.h"
#include "api_json.h"

struct page {
    const struct call *c;
    json_t *tasks;
};

static int task_add(const struct stint_status *t, void *arg)
{
    struct page *p = arg;
    json_t *o = api_status(p->c, t, API_IN_LIST);
    api_put(o, "error", api_output(p->c, "error", t->error));
    api_add(p->tasks, o);
    return 0;
}

int api_list(stint *s, struct call *c, struct stint_err *err)
{
    struct stint_search_options o = STINT_SEARCH_OPTIONS_INIT;
    struct page p = {c, NULL};
    int64_t limit;
    char *cursor = NULL;
    uint64_t scanned = 0;
    if (!api_takes(c, API_FILTER " limit cursor") ||
        !api_filter_query(c, &o) ||
        !api_count(c, "limit", 1, API_LIMIT_MAX, API_LIMIT, &limit))
        return 0;
    o.limit = (size_t)limit;
    o.cursor = call_query(c, "cursor");
    p.tasks = api_array();
    if (stint_search(s, &o, task_add, &p, &cursor, &scanned, err)) {
        json_decref(p.tasks);
        return -1;
    }
    json_t *answer = api_object();
    api_put(answer, "tasks", p.tasks);
    api_put(answer, "cursor", api_text(cursor));
    api_put(answer, "scanned", api_number((int64_t)scanned));
    free(cursor);
    call_json(c, 200, answer);
    return 0;
}
