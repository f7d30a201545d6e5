/* SPDX-License-Identifier: MIT */
/* One thing done to all tasks that a filter matches, a bounded step a call. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "api_filter.h"
#include "api_json.h"

enum {
    STEP_TASKS = 200, /* changed in a step */
    STEP_LOOK = 2000, /* looked at in a step that changes */
    DRY_LOOK = 10000  /* and in one that only counts */
};

/* What is done, and why it could not be done to the last that it could not. */
struct step {
    struct stint_search_options filter;
    struct stint_act_options o;
    char why[STINT_ERROR_LEN + STINT_ID_LEN];
};

static void step_init(struct step *st)
{
    *st = (struct step){.filter = STINT_SEARCH_OPTIONS_INIT,
                        .o = STINT_ACT_OPTIONS_INIT};
}

static void task_hear(const char *group, const char *id,
                      const struct stint_err *why, void *arg)
{
    struct step *st = arg;
    (void)group;
    if (why)
        snprintf(st->why, sizeof st->why, "%s: %s", id,
                 why->text[0] ? why->text : stint_code_text(why->code));
}

static void step_answer(struct call *c, const struct step *st,
                        const struct stint_acted *acted, const char *cursor)
{
    json_t *o = api_object();
    api_put(o, "matched", api_number((int64_t)acted->matched));
    api_put(o, "done", api_number((int64_t)acted->done));
    api_put(o, "failed", api_number((int64_t)acted->failed));
    api_put(o, "reason", api_text(acted->failed ? st->why : NULL));
    api_put(o, "scanned", api_number((int64_t)acted->scanned));
    api_put(o, "cursor", api_text(cursor));
    call_json(c, 200, o);
}

static int step_run(stint *s, struct call *c, struct step *st,
                    struct stint_err *err)
{
    struct stint_acted acted = STINT_ACTED_INIT;
    char *cursor = NULL;
    st->filter.scan = st->o.dry_run ? DRY_LOOK : STEP_LOOK;
    st->o.filter = &st->filter;
    st->o.limit = st->o.dry_run ? 0 : STEP_TASKS;
    st->o.on_task = task_hear;
    st->o.arg = st;
    if (stint_act(s, &st->o, &acted, &cursor, err))
        return -1;
    step_answer(c, st, &acted, cursor);
    free(cursor);
    return 0;
}

/* What the bodies of both have. */
static bool step_read(struct call *c, struct step *st)
{
    return api_flag_of(c, call_body(c), "dry_run", &st->o.dry_run) &&
           api_text_of(c, call_body(c), "cursor", &st->o.cursor);
}

/* ---- Actions --------------------------------------------------------------- */

static bool action_read(struct call *c, struct step *st)
{
    static const char *const words[] = {"requeue", "stop",     "delete",
                                        "enable",  "disable",  "priority",
                                        "run-now"};
    if (!api_text_of(c, call_body(c), "action", &st->o.action))
        return false;
    for (size_t i = 0; st->o.action && i < sizeof words / sizeof *words; i++)
        if (!strcmp(words[i], st->o.action))
            return true;
    return api_refuse(c, "action",
                      "must be requeue, stop, delete, enable, disable, "
                      "priority or run-now");
}

static bool priority_read(struct call *c, struct step *st)
{
    const json_t *given = json_object_get(call_body(c), "priority");
    bool wanted = !strcmp(st->o.action, "priority");
    int64_t n;
    if (wanted && !json_is_integer(given))
        return api_refuse(c, "priority",
                          "must be a whole number from -100 to 100");
    if (!wanted && given && !json_is_null(given))
        return api_refuse(c, "priority", "is for the action priority");
    if (!api_count_of(c, call_body(c), "priority", -100, 100, 0, &n))
        return false;
    st->o.priority = (int)n;
    return true;
}

int api_actions(stint *s, struct call *c, struct stint_err *err)
{
    const json_t *filter = json_object_get(call_body(c), "filter");
    struct step st;
    step_init(&st);
    if (!api_takes_body(c, "", "action filter priority reset dry_run cursor") ||
        !action_read(c, &st) || !priority_read(c, &st) ||
        !api_flag_of(c, call_body(c), "reset", &st.o.reset) ||
        !api_filter_body(c, filter, &st.filter) || !step_read(c, &st))
        return 0;
    if (!json_is_object(filter)) {
        api_refuse(c, "filter", "is required: {} means every task");
        return 0;
    }
    return step_run(s, c, &st, err);
}

/* ---- Purging --------------------------------------------------------------- */

int api_group_purge(stint *s, struct call *c, struct stint_err *err)
{
    static const char *const states[] = {"QUEUED",  "COMPLETED", "FAILED",
                                         "TIMEOUT", "STOPPED",   "EXPIRED"};
    struct step st;
    bool known = false;
    step_init(&st);
    if (!api_takes_body(c, "", "status dry_run cursor") ||
        !api_text_of(c, call_body(c), "status", &st.filter.status) ||
        !step_read(c, &st))
        return 0;
    if (!st.filter.status)
        st.filter.status = "QUEUED";
    for (size_t i = 0; i < sizeof states / sizeof *states; i++)
        known |= !strcmp(states[i], st.filter.status);
    if (!known) {
        api_refuse(c, "status", "must be QUEUED or an end state");
        return 0;
    }
    st.o.action = "delete";
    st.filter.group = call_segment(c, "group");
    return step_run(s, c, &st, err);
}
