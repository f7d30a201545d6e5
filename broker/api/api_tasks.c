/* SPDX-License-Identifier: MIT */
/* One task: looking at it, waiting for it, changing it. */
#include <stdio.h>
#include <string.h>

#include "api.h"
#include "api_json.h"

/* ---- Looking --------------------------------------------------------------- */

static int task_answer(stint *s, struct call *c, unsigned flags,
                       struct stint_err *err)
{
    struct stint_status *t =
        stint_task_status(s, call_query(c, "group_name"),
                          call_segment(c, "id"), flags, err);
    if (!t)
        return -1;
    call_json(c, 200, api_status(c, t, flags));
    stint_status_free(t);
    return 0;
}

int api_task(stint *s, struct call *c, struct stint_err *err)
{
    int output, runs;
    if (!api_takes(c, "group_name output runs") ||
        !api_flag(c, "output", &output) || !api_flag(c, "runs", &runs))
        return 0;
    return task_answer(s, c,
                       (output ? STINT_WITH_OUTPUT : 0u) |
                           (runs ? STINT_WITH_RUNS : 0u),
                       err);
}

/* The answer is the task as it is then, ended or not: 200 both ways, for a
 * program looks at "status" anyway. */
int api_task_wait(stint *s, struct call *c, struct stint_err *err)
{
    int64_t timeout_s;
    int output, runs;
    if (!api_takes(c, "group_name timeout output runs") ||
        !api_count(c, "timeout", 0, API_WAIT_MAX, 30, &timeout_s) ||
        !api_flag(c, "output", &output) || !api_flag(c, "runs", &runs))
        return 0;
    const char *id = call_segment(c, "id");
    size_t other;
    if (stint_wait(s, call_query(c, "group_name"), &id, 1, (double)timeout_s,
                   NULL, NULL, &other, err) &&
        err->code != STINT_TIMEOUT)
        return -1;
    *err = (struct stint_err){0};
    return task_answer(s, c,
                       (output ? STINT_WITH_OUTPUT : 0u) |
                           (runs ? STINT_WITH_RUNS : 0u),
                       err);
}

int api_task_why(stint *s, struct call *c, struct stint_err *err)
{
    struct stint_why why;
    if (!api_takes(c, "group_name"))
        return 0;
    const char *id = call_segment(c, "id");
    if (stint_why(s, call_query(c, "group_name"), id, &why, err))
        return -1;
    json_t *o = api_object();
    api_put(o, "id", api_text(id));
    api_put(o, "status", api_text(why.status));
    api_put(o, "reason", api_text(why.reason));
    api_put(o, "ahead", api_known(why.ahead));
    api_put(o, "about_s",
            why.about_s < 0 ? json_null() : api_real(why.about_s));
    call_json(c, 200, o);
    return 0;
}

static int node_add(const struct stint_graph_node *node, void *arg)
{
    json_t *o = api_object(), *parents = api_array();
    for (size_t i = 0; i < node->n_parents; i++)
        api_add(parents, api_text(node->parents[i]));
    api_put(o, "id", api_text(node->id));
    api_put(o, "group_name", api_text(node->group_name));
    api_put(o, "function", api_text(node->function));
    api_put(o, "task_name", api_text(node->task_name));
    api_put(o, "status", api_text(node->status));
    api_put(o, "parents", parents);
    api_add(arg, o);
    return 0;
}

int api_task_graph(stint *s, struct call *c, struct stint_err *err)
{
    int64_t limit;
    if (!api_takes(c, "group_name limit") ||
        !api_count(c, "limit", 1, API_GRAPH_MAX, API_GRAPH_MAX, &limit))
        return 0;
    json_t *nodes = api_array();
    if (stint_graph(s, call_query(c, "group_name"), call_segment(c, "id"),
                    (size_t)limit, node_add, nodes, err)) {
        json_decref(nodes);
        if (err->code != STINT_TOO_BIG)
            return -1;
        call_problem(c, 409, "too-large", err->text, NULL);
        return 0;
    }
    json_t *o = api_object();
    api_put(o, "nodes", nodes);
    call_json(c, 200, o);
    return 0;
}

/* ---- Changing -------------------------------------------------------------- */

static int changed_answer(struct call *c, bool running)
{
    json_t *o = api_object();
    api_put(o, "id", api_text(call_segment(c, "id")));
    api_put(o, "running", api_flag_value(running));
    call_json(c, 200, o);
    return 0;
}

int api_task_delete(stint *s, struct call *c, struct stint_err *err)
{
    if (!api_takes(c, "group_name"))
        return 0;
    if (stint_delete_task(s, call_query(c, "group_name"),
                          call_segment(c, "id"), err))
        return -1;
    return changed_answer(c, false);
}

int api_task_stop(stint *s, struct call *c, struct stint_err *err)
{
    if (!api_takes_body(c, "group_name", ""))
        return 0;
    int rc = stint_stop_task(s, call_query(c, "group_name"),
                             call_segment(c, "id"), err);
    return rc < 0 ? -1 : changed_answer(c, rc == 1);
}

int api_task_requeue(stint *s, struct call *c, struct stint_err *err)
{
    int reset;
    if (!api_takes_body(c, "group_name", "reset") ||
        !api_flag_of(c, call_body(c), "reset", &reset))
        return 0;
    if (stint_requeue_task(s, call_query(c, "group_name"),
                           call_segment(c, "id"), reset, err))
        return -1;
    return changed_answer(c, false);
}

int api_task_enable(stint *s, struct call *c, struct stint_err *err)
{
    if (!api_takes_body(c, "group_name", ""))
        return 0;
    if (stint_enable_task(s, call_query(c, "group_name"),
                          call_segment(c, "id"), err))
        return -1;
    return changed_answer(c, false);
}

int api_task_disable(stint *s, struct call *c, struct stint_err *err)
{
    if (!api_takes_body(c, "group_name", ""))
        return 0;
    if (stint_disable_task(s, call_query(c, "group_name"),
                           call_segment(c, "id"), err))
        return -1;
    return changed_answer(c, false);
}

int api_task_priority(stint *s, struct call *c, struct stint_err *err)
{
    int64_t priority;
    if (!api_takes_body(c, "group_name", "priority") ||
        !api_count_of(c, call_body(c), "priority", -100, 100, INT64_MIN,
                      &priority))
        return 0;
    if (priority == INT64_MIN) {
        api_refuse(c, "priority", "is required");
        return 0;
    }
    if (stint_set_priority(s, call_query(c, "group_name"),
                           call_segment(c, "id"), (int)priority, err))
        return -1;
    return changed_answer(c, false);
}

int api_task_run_now(stint *s, struct call *c, struct stint_err *err)
{
    if (!api_takes_body(c, "group_name", ""))
        return 0;
    if (stint_run_now(s, call_query(c, "group_name"), call_segment(c, "id"),
                      err))
        return -1;
    return changed_answer(c, false);
}
