/* SPDX-License-Identifier: MIT */
/* Changing what a search finds. First a page is read, then its tasks are
 * changed, many calls in flight at once; each is a short one, so others get in
 * between. The cursor is of a score and an id: that tasks leave or change places
 * moves nothing. What is in another state meanwhile is judged by the rules. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "control.h"
#include "err.h"
#include "parts.h"
#include "search.h"
#include "status.h"

#define ACT_MAX 500
#define FLIGHT  100 /* calls at once */
#define LIVE  "QUEUED ASSIGNED RUNNING"
#define ENDED "COMPLETED FAILED TIMEOUT STOPPED EXPIRED"

/* Is the task not yet as the action would make it? */
static int is_enabled(const struct stint_act_options *o,
                      const struct stint_status *t)
{
    (void)o;
    return !t->disabled;
}

static int is_disabled(const struct stint_act_options *o,
                       const struct stint_status *t)
{
    (void)o;
    return t->disabled;
}

static int has_other_priority(const struct stint_act_options *o,
                              const struct stint_status *t)
{
    return t->priority != o->priority;
}

static const struct act_kind {
    const char *name;
    enum script_id script;
    const char *states; /* in which it means something */
    const char *done;   /* see control_is_own */
    int (*is_due)(const struct stint_act_options *o,
                  const struct stint_status *t); /* NULL: always */
} kinds[] = {
    {"stop", SCRIPT_STOP_TASK, LIVE, " STOPPED", NULL},
    {"requeue", SCRIPT_REQUEUE_TASK, ENDED, " QUEUED ASSIGNED RUNNING", NULL},
    {"delete", SCRIPT_DELETE_TASK, "QUEUED " ENDED, " GONE", NULL},
    {"enable", SCRIPT_ENABLE_TASK, LIVE, "", is_disabled},
    {"disable", SCRIPT_DISABLE_TASK, LIVE, "", is_enabled},
    {"priority", SCRIPT_SET_PRIORITY, LIVE, "", has_other_priority},
    {"run-now", SCRIPT_RUN_NOW, "QUEUED",
     " ASSIGNED RUNNING COMPLETED FAILED TIMEOUT", is_enabled},
};

struct act_task {
    group_name group;
    char id[STINT_ID_LEN + 1];
    struct client_answer answer;
};

struct acting {
    const struct act_kind *kind;
    struct stint_act_options o;
    struct stint_acted sum;
    struct search q;
    struct act_task *tasks;
    size_t n;
};

/* A stint_list_fn. Parts of a broadcast are not changed one by one. */
static int act_collect(const struct stint_status *t, void *arg)
{
    struct acting *a = arg;
    if (strchr(t->id, '@') != NULL ||
        (a->kind->is_due != NULL && !a->kind->is_due(&a->o, t)))
        return 0;
    struct act_task *to = &a->tasks[a->n++];
    snprintf(to->group, sizeof(to->group), "%s", t->group_name);
    snprintf(to->id, sizeof(to->id), "%s", t->id);
    return a->n == a->o.limit;
}

/* ---- The calls --------------------------------------------------------------- */

static void act_args(const struct acting *a, const struct act_task *t,
                     const char *mark, struct args *args)
{
    args_init(args);
    args_add_str(args, t->id);
    if (a->kind->script == SCRIPT_SET_PRIORITY)
        args_add_i64(args, a->o.priority);
    if (a->kind->script == SCRIPT_REQUEUE_TASK) {
        args_add_str(args, a->o.reset ? "1" : "0");
        args_add_str(args, mark);
    }
}

static void act_send(struct acting *a, struct act_task *t, const char *mark)
{
    group_name part;
    struct args args;
    parts_route(a->q.s, t->group, t->id, part);
    act_args(a, t, mark, &args);
    script_call(&a->q.s->caller, a->kind->script, part, &args, client_keep,
                &t->answer);
    args_close(&args);
}

/* Nobody knows what became of the first call. -1: nor of the others. */
static int act_again(struct acting *a, struct act_task *t, const char *mark,
                     struct stint_err *err)
{
    group_name part;
    struct args args;
    struct stint_err why = {0};
    parts_route(a->q.s, t->group, t->id, part);
    act_args(a, t, mark, &args);
    t->answer = (struct client_answer){0};
    t->answer.reply = client_call(a->q.s, a->kind->script, part, &args, &why);
    args_close(&args);
    if (t->answer.reply == NULL && client_may_retry(why.code))
        return err_set(err, why.code, "%s", why.text);
    if (!control_is_own(&why, a->kind->done))
        t->answer.err = why;
    return 0;
}

static void act_tell(struct acting *a, const struct act_task *t)
{
    const struct stint_err *why = t->answer.err.code ? &t->answer.err : NULL;
    a->sum.done += why == NULL && !a->o.dry_run;
    a->sum.failed += why != NULL;
    if (a->o.on_task != NULL)
        a->o.on_task(t->group, t->id, why, a->o.arg);
}

/* n of them at once. */
static int act_flight(struct acting *a, struct act_task *t, size_t n,
                      const char *mark, struct stint_err *err)
{
    int rc = 0;
    for (size_t i = 0; i < n; i++)
        act_send(a, &t[i], mark);
    a->q.s->store->ops->wait(a->q.s->store);
    for (size_t i = 0; i < n; i++) {
        if (rc == 0 && t[i].answer.reply == NULL &&
            client_may_retry(t[i].answer.err.code))
            rc = act_again(a, &t[i], mark, err);
        if (rc == 0)
            act_tell(a, &t[i]);
        client_reply_free(t[i].answer.reply);
    }
    return rc;
}

static int act_all(struct acting *a, struct stint_err *err)
{
    char mark[CONTROL_MARK_CAP];
    int rc = 0;
    control_mark(mark);
    a->sum.matched = a->n;
    for (size_t i = 0; i < a->n && a->o.dry_run; i++)
        act_tell(a, &a->tasks[i]);
    for (size_t i = 0; i < a->n && !a->o.dry_run && rc == 0; i += FLIGHT)
        rc = act_flight(a, &a->tasks[i], a->n - i < FLIGHT ? a->n - i : FLIGHT,
                        mark, err);
    return rc;
}

/* ---- A step ------------------------------------------------------------------- */

static int act_read(struct acting *a, const struct stint_act_options *o,
                    struct stint_err *err)
{
    a->o = (struct stint_act_options)STINT_ACT_OPTIONS_INIT;
    memcpy(&a->o, o, o->size < sizeof(a->o) ? o->size : sizeof(a->o));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (a->o.action != NULL && strcmp(kinds[i].name, a->o.action) == 0)
            a->kind = &kinds[i];
    if (a->kind == NULL)
        return err_set(err, STINT_INVALID,
                       "action: must be stop, requeue, delete, enable, "
                       "disable, priority or run-now");
    if (a->o.priority < -100 || a->o.priority > 100)
        return err_set(err, STINT_INVALID,
                       "priority: must be a whole number from -100 to 100");
    if (a->o.limit == 0 || a->o.limit > ACT_MAX)
        a->o.limit = ACT_MAX;
    return 0;
}

static int act_open(struct acting *a, stint *s, struct stint_err *err)
{
    struct stint_search_options f = STINT_SEARCH_OPTIONS_INIT;
    const struct stint_search_options *asked = a->o.filter;
    if (asked != NULL)
        memcpy(&f, asked, asked->size < sizeof(f) ? asked->size : sizeof(f));
    f.size = sizeof(f);
    f.limit = 0;
    f.cursor = a->o.cursor;
    if (search_open(&a->q, s, &f, act_collect, a, err))
        return -1;
    if (!search_filter_narrow(&a->q.f, a->kind->states))
        return err_set(err, STINT_INVALID, "status: %s is for tasks that are "
                       "%s", a->kind->name, a->kind->states);
    a->tasks = calloc(a->o.limit, sizeof(*a->tasks));
    return a->tasks != NULL ? 0 : err_set(err, STINT_NOMEM, "out of memory");
}

int stint_act(stint *s, const struct stint_act_options *o,
              struct stint_acted *acted, char **cursor, struct stint_err *err)
{
    struct acting a = {.sum = STINT_ACTED_INIT};
    struct stint_err missing = {0};
    *cursor = NULL;
    int rc = act_read(&a, o, err) || act_open(&a, s, err) ? -1 : 0;
    int found = rc == 0 ? search_page(&a.q, &missing) : -1;
    if (rc == 0 && found != 0 && a.q.cursor[0] == '\0' && a.n == 0)
        rc = err_set(err, missing.code, "%s", missing.text);
    if (rc == 0)
        rc = act_all(&a, err);
    if (rc == 0 && a.q.cursor[0] != '\0' &&
        (*cursor = strdup(a.q.cursor)) == NULL)
        rc = err_set(err, STINT_NOMEM, "out of memory");
    if (rc == 0 && found != 0) /* groups of a cluster, after the others */
        rc = err_set(err, missing.code, "%s", missing.text);
    a.sum.scanned = a.q.scanned;
    if (acted != NULL) {
        a.sum.size = acted->size < sizeof(a.sum) ? acted->size : sizeof(a.sum);
        memcpy(acted, &a.sum, a.sum.size);
    }
    free(a.tasks);
    return rc;
}
