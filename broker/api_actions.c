/* SPDX-License-Identifier: MIT */
/* Actions on all tasks that a filter matches, a bounded step a call. First the
 * tasks of a page are noted, then each is changed: who matched may have moved
 * on meanwhile, and is refused then like any other. Only states in which the
 * action is possible are looked at, so that a dry run counts what would be
 * done. All of it may be repeated. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "api_filter.h"
#include "api_json.h"

enum {
    STEP_TASKS = 200,  /* changed in a step: a call each */
    STEP_LOOK = 2000,  /* looked at in a step that changes */
    DRY_LOOK = 10000   /* and in one that only counts */
};

#define ENDED "COMPLETED,FAILED,TIMEOUT,STOPPED,EXPIRED"
#define ALIVE "QUEUED,ASSIGNED,RUNNING"

struct action;
typedef int (*act_fn)(stint *s, const char *group, const char *id,
                      const struct action *a, struct stint_err *err);

struct action {
    const char *name;
    const char *status; /* where it is possible */
    act_fn act;
    int64_t priority;
    int reset;
};

static int act_requeue(stint *s, const char *group, const char *id,
                       const struct action *a, struct stint_err *err)
{
    return stint_requeue_task(s, group, id, a->reset, err);
}

static int act_stop(stint *s, const char *group, const char *id,
                    const struct action *a, struct stint_err *err)
{
    (void)a;
    return stint_stop_task(s, group, id, err);
}

static int act_delete(stint *s, const char *group, const char *id,
                      const struct action *a, struct stint_err *err)
{
    (void)a;
    return stint_delete_task(s, group, id, err);
}

static int act_enable(stint *s, const char *group, const char *id,
                      const struct action *a, struct stint_err *err)
{
    (void)a;
    return stint_enable_task(s, group, id, err);
}

static int act_disable(stint *s, const char *group, const char *id,
                       const struct action *a, struct stint_err *err)
{
    (void)a;
    return stint_disable_task(s, group, id, err);
}

static int act_priority(stint *s, const char *group, const char *id,
                        const struct action *a, struct stint_err *err)
{
    return stint_set_priority(s, group, id, (int)a->priority, err);
}

static int act_run_now(stint *s, const char *group, const char *id,
                       const struct action *a, struct stint_err *err)
{
    (void)a;
    return stint_run_now(s, group, id, err);
}

static const struct action actions[] = {
    {"requeue", ENDED, act_requeue, 0, 0},
    {"stop", ALIVE, act_stop, 0, 0},
    {"delete", "QUEUED," ENDED, act_delete, 0, 0},
    {"enable", ALIVE, act_enable, 0, 0},
    {"disable", ALIVE, act_disable, 0, 0},
    {"priority", ALIVE, act_priority, 0, 0},
    {"run-now", "QUEUED", act_run_now, 0, 0},
};

/* ---- A step ---------------------------------------------------------------- */

struct task_ref {
    char group[STINT_NAME_LEN + 1];
    char id[STINT_ID_LEN + 1];
};

struct step {
    struct action action;
    bool dry;
    size_t n, room;
    struct task_ref *tasks; /* NULL: they are only counted */
    size_t done, failed;
    char why[STINT_ERROR_LEN]; /* the last that failed */
};

static int task_note(const struct stint_status *t, void *arg)
{
    struct step *st = arg;
    if (st->tasks && st->n < st->room) {
        snprintf(st->tasks[st->n].group, sizeof st->tasks->group, "%s",
                 t->group_name);
        snprintf(st->tasks[st->n].id, sizeof st->tasks->id, "%s", t->id);
    }
    st->n++;
    return 0;
}

/* -1: Redis cannot be asked. */
static int tasks_change(stint *s, struct step *st, struct stint_err *err)
{
    for (size_t i = 0; i < st->n && i < st->room; i++) {
        struct stint_err why = {0};
        if (st->action.act(s, st->tasks[i].group, st->tasks[i].id, &st->action,
                           &why) >= 0) {
            st->done++;
            continue;
        }
        if (why.code != STINT_STATE && why.code != STINT_NOT_FOUND &&
            why.code != STINT_INVALID) {
            *err = why;
            return -1;
        }
        st->failed++;
        snprintf(st->why, sizeof st->why, "%.64s: %.120s", st->tasks[i].id,
                 why.text);
    }
    return 0;
}

/* Is `word` one of a list with commas? */
static bool list_has(const char *list, const char *word, size_t len)
{
    while (*list) {
        size_t n = strcspn(list, ",");
        if (n == len && !memcmp(list, word, n))
            return true;
        list += n + (list[n] == ',');
    }
    return false;
}

/* The states of `wanted` (NULL: all) in which it is possible. What is no state
 * stays, so that it is refused. false: there is none. */
static bool status_possible(const char *wanted, const char *possible,
                            char *to, size_t room)
{
    size_t used = 0;
    to[0] = 0;
    for (const char *at = wanted ? wanted : possible; *at;) {
        size_t n = strcspn(at, ",");
        if ((list_has(possible, at, n) || !list_has(ENDED "," ALIVE, at, n)) &&
            used + n + 2 < room)
            used += (size_t)snprintf(to + used, room - used, "%s%.*s",
                                     used ? "," : "", (int)n, at);
        at += n + (at[n] == ',');
    }
    return used > 0;
}

static void step_answer(struct call *c, const struct step *st,
                        uint64_t scanned, const char *cursor)
{
    json_t *o = api_object();
    api_put(o, "matched", api_number((int64_t)st->n));
    api_put(o, "done", api_number((int64_t)st->done));
    api_put(o, "failed", api_number((int64_t)st->failed));
    api_put(o, "reason", api_text(st->failed ? st->why : NULL));
    api_put(o, "scanned", api_number((int64_t)scanned));
    api_put(o, "cursor", api_text(cursor));
    call_json(c, 200, o);
}

static int step_run(stint *s, struct call *c, struct step *st,
                    struct stint_search_options *o, struct stint_err *err)
{
    char status[256], *cursor = NULL;
    uint64_t scanned = 0;
    if (!status_possible(o->status, st->action.status, status,
                         sizeof status)) {
        step_answer(c, st, 0, NULL);
        return 0;
    }
    o->status = status;
    o->limit = st->dry ? 0 : STEP_TASKS;
    o->scan = st->dry ? DRY_LOOK : STEP_LOOK;
    if (!st->dry) {
        st->room = STEP_TASKS;
        st->tasks = calloc(st->room, sizeof *st->tasks);
        if (!st->tasks) {
            err->code = STINT_NOMEM;
            return -1;
        }
    }
    int rc = stint_search(s, o, task_note, st, &cursor, &scanned, err);
    if (!rc && !st->dry)
        rc = tasks_change(s, st, err);
    if (!rc)
        step_answer(c, st, scanned, cursor);
    free(cursor);
    free(st->tasks);
    return rc;
}

/* ---- What was asked for ---------------------------------------------------- */

static bool action_find(struct call *c, struct step *st)
{
    const char *name;
    if (!api_text_of(c, call_body(c), "action", &name))
        return false;
    for (size_t i = 0; name && i < sizeof actions / sizeof *actions; i++)
        if (!strcmp(actions[i].name, name)) {
            st->action = actions[i];
            return true;
        }
    return api_refuse(c, "action",
                      "must be requeue, stop, delete, enable, disable, "
                      "priority or run-now");
}

static bool priority_read(struct call *c, struct step *st)
{
    const json_t *given = json_object_get(call_body(c), "priority");
    bool wanted = st->action.act == act_priority;
    if (wanted && !json_is_integer(given))
        return api_refuse(c, "priority",
                          "must be a whole number from -100 to 100");
    if (!wanted && given && !json_is_null(given))
        return api_refuse(c, "priority", "is for the action priority");
    return api_count_of(c, call_body(c), "priority", -100, 100, 0,
                        &st->action.priority);
}

static bool step_read(struct call *c, struct step *st,
                      struct stint_search_options *o)
{
    int dry;
    if (!api_flag_of(c, call_body(c), "dry_run", &dry) ||
        !api_text_of(c, call_body(c), "cursor", &o->cursor))
        return false;
    st->dry = dry;
    return true;
}

int api_actions(stint *s, struct call *c, struct stint_err *err)
{
    struct stint_search_options o = STINT_SEARCH_OPTIONS_INIT;
    struct step st = {0};
    if (!api_takes_body(c, "", "action filter priority reset dry_run cursor") ||
        !action_find(c, &st) || !priority_read(c, &st) ||
        !api_flag_of(c, call_body(c), "reset", &st.action.reset) ||
        !api_filter_body(c, json_object_get(call_body(c), "filter"), &o) ||
        !step_read(c, &st, &o))
        return 0;
    if (!json_object_get(call_body(c), "filter")) {
        api_refuse(c, "filter", "is required: {} means every task");
        return 0;
    }
    return step_run(s, c, &st, &o, err);
}

int api_group_purge(stint *s, struct call *c, struct stint_err *err)
{
    struct stint_search_options o = STINT_SEARCH_OPTIONS_INIT;
    struct step st = {0};
    if (!api_takes_body(c, "", "status dry_run cursor") ||
        !api_text_of(c, call_body(c), "status", &o.status) ||
        !step_read(c, &st, &o))
        return 0;
    for (size_t i = 0; i < sizeof actions / sizeof *actions; i++)
        if (actions[i].act == act_delete)
            st.action = actions[i];
    if (!o.status)
        o.status = "QUEUED";
    if (!list_has(st.action.status, o.status, strlen(o.status))) {
        api_refuse(c, "status", "must be QUEUED or an end state");
        return 0;
    }
    o.group = call_segment(c, "group");
    return step_run(s, c, &st, &o, err);
}
