/* SPDX-License-Identifier: MIT */
/* Every function of the library, again and again: the first allocation fails,
 * then the second, until there is none left to fail; the same with all behind
 * it failing, too, and with sockets that cannot be had. Whatever comes back is
 * honest (an error, or what comes back with memory to spare), nothing is lost,
 * and the handle answers. An error of what changes something leaves it undone
 * or done: asked for again, it is done once. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>

#include <stint/stint.h>

#include "scarce.h"
#include "script.h"
#include "server.h"
#include "task.h"

#define TRIALS_MAX 10000 /* no function asks so often */

static struct server server;
static redisContext *redis;

/* A trial: one call, on a handle of its own. */
struct trial {
    stint *s;
    char name_space[32];
    char id[40];     /* unlike all before */
    int was_refused; /* it is made again, with memory to spare */
};

struct scenario {
    const char *name;
    void (*prepare)(struct trial *t); /* before each; or NULL */
    int (*act)(struct trial *t, struct stint_err *err);
    enum stint_code done; /* what it says when it was done before; or OK */
    void (*look)(struct trial *t); /* what has come of it; or NULL */
};

/* ---- What is seen ------------------------------------------------------- */

static char seen[16384];

static void see(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void see(const char *format, ...)
{
    size_t len = strlen(seen);
    va_list ap;
    va_start(ap, format);
    int n = vsnprintf(seen + len, sizeof(seen) - len, format, ap);
    va_end(ap);
    assert_true(n >= 0 && (size_t)n < sizeof(seen) - len);
}

/* What differs from trial to trial, the id and the fence of its run, is seen as
 * ID and ID@. */
static void see_alike(const struct trial *t)
{
    size_t len = strlen(t->id);
    for (char *at = seen; (at = strstr(at, t->id)) != NULL;) {
        char *rest = at + len;
        memcpy(at, "ID", 2);
        at += 2;
        if (*rest == '@') {
            *at++ = *rest++;
            rest += strspn(rest, "0123456789");
        }
        memmove(at, rest, strlen(rest) + 1);
    }
}

static void see_status(const struct stint_status *st)
{
    see("%s %s %s %s %s %s %s %" PRId64 " %" PRId64 " [%s] [%s]", st->id,
        st->function, st->task_name, st->group_name, st->status, st->args,
        st->vars, st->times_run, st->times_failed, st->worker,
        strncmp(st->reason, "due in", 6) ? st->reason : "due");
    see(" %s %s %s %.1f %s", st->result ? st->result : "-",
        st->output ? st->output : "-", st->error ? st->error : "-",
        st->percent, st->progress ? st->progress : "-");
    for (size_t i = 0; i < st->n_runs; i++) {
        const struct stint_run_status *r = &st->runs[i];
        see(" %s %s %s %s %s %s %s", r->run_id, r->status, r->worker,
            r->result ? r->result : "-", r->output ? r->output : "-",
            r->error ? r->error : "-", r->evidence ? r->evidence : "-");
    }
    see("\n");
}

static int on_status(const struct stint_status *st, void *arg)
{
    (void)arg;
    see_status(st);
    return 0;
}

static void on_progress(size_t done, size_t total, void *arg)
{
    (void)arg;
    see("%zu of %zu\n", done, total);
}

/* ---- What is there ------------------------------------------------------ */

/* Calls a rule by hand and gives its reply. */
static redisReply *rule(const struct trial *t, const char *verb,
                        const char *group, int n, const char *const *args)
{
    char name[64], key[160];
    const char *argv[32] = {"FCALL", name, "1", key, SCRIPT_PROTOCOL, "0"};
    snprintf(name, sizeof(name), "stint_%s", verb);
    snprintf(key, sizeof(key), group ? "{%s:%s}" : "{%s}", t->name_space,
             group);
    for (int i = 0; i < n; i++)
        argv[6 + i] = args[i];
    redisReply *r = redisCommandArgv(redis, 6 + n, argv, NULL);
    assert_non_null(r);
    if (r->type == REDIS_REPLY_ERROR)
        print_error("%s: %s\n", verb, r->str);
    assert_int_equal(r->type, REDIS_REPLY_ARRAY);
    return r;
}

static void queue_to(const struct trial *t, const char *group, const char *id,
                     const char *function, const char *start,
                     const char *depends)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_err err = {0};
    o.group_name = group;
    o.id = id;
    o.function = function;
    o.args = "[1, \"two\"]";
    o.vars = "{\"three\": 3}";
    o.start_time = start;
    o.depends_on = depends;
    assert_int_equal(stint_queue_task(t->s, &o, NULL, NULL, &err), 0);
}

static void queue(const struct trial *t, const char *id, const char *function,
                  const char *start, const char *depends)
{
    queue_to(t, "main", id, function, start, depends);
}

static void prepare_queued(struct trial *t)
{
    queue(t, t->id, "f", "+3600s", NULL);
}

static void prepare_due(struct trial *t)
{
    queue(t, t->id, "g", "now", NULL);
}

static void prepare_disabled(struct trial *t)
{
    struct stint_err err = {0};
    prepare_queued(t);
    assert_int_equal(stint_disable_task(t->s, "main", t->id, &err), 0);
}

/* A task that w1 has run; it ended so. */
static void bring(const struct trial *t, const char *id, const char *function,
                  const char *status, const char *payload)
{
    queue(t, id, function, "now", NULL);
    const char *lease[] = {"w1", "1000000000000", "0"};
    freeReplyObject(rule(t, "heartbeat", "main", 3, lease));
    const char *wanted[] = {"w1", "token", "1", "0", function};
    redisReply *r = rule(t, "assign", "main", 5, wanted);
    char fence[24], ticket[40];
    assert_int_equal(r->elements, 6);
    assert_int_equal(sscanf(r->element[4]->str, "%*s %23s", fence), 1);
    snprintf(ticket, sizeof(ticket), "%s token", fence);
    freeReplyObject(r);
    const char *report[] = {"w1", id, ticket, status, payload};
    freeReplyObject(rule(t, "report", "main", 5, report));
}

static void prepare_ended(struct trial *t)
{
    bring(t, t->id, "ends", "COMPLETED", "{\"result\": 1}");
}

/* Once in each scenario's namespace: a queued task, one that waits for it, one
 * that has failed with all that can be said of that, a worker. */
static void world_make(const struct trial *t)
{
    queue(t, "base", "f", "+3600s", NULL);
    queue(t, "child", "g", "now", "[\"base\"]");
    bring(t, "bad", "h", "FAILED",
          "{\"result\": {\"a\": [1]}, \"output\": \"out\", \"error\": \"why\","
          " \"exit_status\": 3, \"stderr\": \"words\"}");
    const char *record[] = {
        "web.1.x",
        "{\"name\": \"web.1\", \"host\": \"web\", \"pid\": 1, "
        "\"groups\": [\"main\", \"more\"], \"functions\": [\"f\", \"g\"], "
        "\"status\": \"ACTIVE\", \"concurrency\": 4, \"version\": \"0\"}",
        "1000000000000", "main", "more"};
    freeReplyObject(rule(t, "fleet_heartbeat", NULL, 5, record));
}

/* ---- Functions ---------------------------------------------------------- */

static stint *handle(const struct trial *t, struct stint_err *err)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    o.url = server.url;
    o.name_space = t->name_space;
    o.timeout_s = 0.5;
    return stint_open(&o, err);
}

static int act_open(struct trial *t, struct stint_err *err)
{
    stint *s = handle(t, err);
    stint_close(s);
    return s != NULL ? 0 : -1;
}

static struct stint_task_options all_options(void)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    o.function = "f";
    o.args = "[1, {\"two\": [3.5]}]";
    o.vars = "{\"host\": \"web\", \"deep\": {\"er\": true}}";
    o.task_name = "a name";
    o.group_name = "main";
    o.start_time = "2099-01-01T00:00:00Z";
    o.timeout_s = 7.5;
    o.period_s = 90;
    o.retry_failed = 2;
    o.retry_delay_s = 1.5;
    o.priority = 3;
    o.cronline = "*/5 * * * *";
    o.timezone = "Europe/Rome";
    o.depends_on = "[\"base\", \"main/bad\"]";
    o.on_dependency = "run";
    o.sync_output_s = 2;
    o.result_ttl_s = 100;
    return o;
}

static void see_task(stint_task *task)
{
    if (task == NULL)
        return;
    see("%s %s %s %s %s %s %s %.*s\n", stint_task_id(task),
        stint_task_group(task), task->start, task->rules, task->depends,
        task->cronline, task->timezone, (int)task->text_len, task->text);
    stint_task_free(task);
}

#define LONG_ID "longlonglonglonglonglonglonglong"
#define LONG_PARENTS                                                           \
    "[\"" LONG_ID "/" LONG_ID LONG_ID "\", \"" LONG_ID LONG_ID LONG_ID "\", "  \
    "\"" LONG_ID LONG_ID LONG_ID ".\"]"

static int act_task_new(struct trial *t, struct stint_err *err)
{
    struct stint_task_options o = all_options();
    struct stint_errors errors;
    (void)t;
    o.id = "x";
    o.depends_on = LONG_PARENTS;
    stint_task *task = stint_task_new(&o, &errors, err);
    see_task(task);
    return task != NULL ? 0 : -1;
}

static int act_task_json(struct trial *t, struct stint_err *err)
{
    static const char json[] =
        "{\"id\": \"x\", \"function\": \"f\", \"args\": [1, \"a\"], "
        "\"vars\": {\"a\": {\"b\": 1}}, \"depends_on\": [\"p\", \"q/r\"], "
        "\"cronline\": \"@daily\", \"timezone\": \"Asia/Tokyo\"}";
    struct stint_errors errors;
    (void)t;
    stint_task *task =
        stint_task_from_json(json, sizeof(json) - 1, &errors, err);
    see_task(task);
    return task != NULL ? 0 : -1;
}

/* Wrong fields are named; without memory none is accused. */
static int act_task_wrong(struct trial *t, struct stint_err *err)
{
    struct stint_task_options o = all_options();
    struct stint_errors errors;
    struct stint_err why = {0};
    (void)t;
    o.timezone = "Europe/Nowhere";
    o.args = "[1";
    o.id = "\xff";
    assert_null(stint_task_new(&o, &errors, &why));
    if (why.code != STINT_INVALID) {
        *err = why;
        return -1;
    }
    for (size_t i = 0; i < errors.n; i++)
        see("%s: %s\n", errors.at[i].field, errors.at[i].text);
    return 0;
}

static int act_queue(struct trial *t, struct stint_err *err)
{
    struct stint_task_options o = all_options();
    struct stint_errors errors;
    char id[STINT_ID_LEN + 1] = "";
    o.id = t->id;
    int rc = stint_queue_task(t->s, &o, id, &errors, err);
    if (rc == 0)
        assert_string_equal(id, t->id);
    return rc;
}

static void look_task(struct trial *t)
{
    struct stint_err err = {0};
    struct stint_status *st = stint_task_status(
        t->s, "main", t->id, STINT_WITH_OUTPUT | STINT_WITH_RUNS, &err);
    assert_non_null(st);
    see_status(st);
    stint_status_free(st);
    struct stint_why why;
    assert_int_equal(stint_why(t->s, "main", t->id, &why, &err), 0);
    see("%.9s\n", strncmp(why.reason, "It ended", 8) ? why.reason : "ended");
}

/* And it is gone: it would be due in the next trial. */
static void look_due(struct trial *t)
{
    struct stint_err err = {0};
    look_task(t);
    assert_int_equal(stint_delete_task(t->s, "main", t->id, &err), 0);
}

/* Three in two groups, each the parent of the next, children first. */
static stint_task **three(const struct trial *t)
{
    static const char *const groups[] = {"other", "main", "main"};
    stint_task **tasks = calloc(3, sizeof(*tasks));
    assert_non_null(tasks);
    for (int i = 0; i < 3; i++) {
        struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
        struct stint_err err = {0};
        char id[60], parents[80];
        snprintf(id, sizeof(id), "%s.%d", t->id, i);
        snprintf(parents, sizeof(parents), "[\"%s.%d\"]", t->id, i + 1);
        o.function = "f";
        o.id = id;
        o.group_name = groups[i];
        o.start_time = "+3600s";
        o.depends_on = i < 2 ? parents : NULL;
        tasks[i] = stint_task_new(&o, NULL, &err);
        assert_non_null(tasks[i]);
    }
    return tasks;
}

/* Again, each by itself: it may be there already. */
static int queue_rest(struct trial *t, stint_task **tasks,
                      struct stint_err *err)
{
    for (int i = 2; i >= 0; i--) {
        struct stint_err why = {0};
        if (stint_queue_tasks(t->s, &tasks[i], 1, NULL, NULL, NULL, NULL,
                              &why) && why.code != STINT_EXISTS) {
            *err = why;
            return -1;
        }
    }
    return 0;
}

static stint_task **many; /* of act_queue_many: made with memory to spare */

static void prepare_many(struct trial *t)
{
    many = three(t);
}

static int act_queue_many(struct trial *t, struct stint_err *err)
{
    size_t n_done = 9, bad = 9;
    int rc = t->was_refused
                 ? queue_rest(t, many, err)
                 : stint_queue_tasks(t->s, many, 3, &n_done, &bad, NULL, NULL,
                                     err);
    if (rc == 0 && !t->was_refused)
        assert_int_equal(n_done, 3);
    return rc;
}

/* With messages to other groups that may have been left for the reaper. */
static void look_many(struct trial *t)
{
    static const char *const groups[] = {"other", "main", "main"};
    queue_to(t, "other", t->id, "f", "+3600s", "[\"main/base\"]");
    for (int i = 0; i < 3; i++) {
        struct stint_err err = {0};
        char id[60];
        snprintf(id, sizeof(id), "%s.%d", t->id, i);
        struct stint_status *st =
            stint_task_status(t->s, groups[i], id, 0, &err);
        assert_non_null(st);
        see_status(st);
        stint_status_free(st);
        stint_task_free(many[i]);
    }
    free(many);
    many = NULL;
}

static int act_exist(struct trial *t, struct stint_err *err)
{
    const char *ids[] = {"base", "nothing", "bad"};
    unsigned char there[3];
    if (stint_ids_exist(t->s, "main", ids, 3, there, err))
        return -1;
    see("%d %d %d\n", there[0], there[1], there[2]);
    return 0;
}

static int act_status(struct trial *t, struct stint_err *err)
{
    struct stint_status *st = stint_task_status(
        t->s, NULL, "bad", STINT_WITH_OUTPUT | STINT_WITH_RUNS, err);
    if (st != NULL)
        see_status(st);
    stint_status_free(st);
    return st != NULL ? 0 : -1;
}

static int act_list(struct trial *t, struct stint_err *err)
{
    return stint_list(t->s, NULL, on_status, NULL, err);
}

static int act_wait(struct trial *t, struct stint_err *err)
{
    const char *ids[] = {"bad"};
    size_t n = 9;
    int rc = stint_wait(t->s, NULL, ids, 1, 5, on_progress, NULL, &n, err);
    if (rc == 0)
        see("%zu\n", n);
    return rc;
}

static int act_stop(struct trial *t, struct stint_err *err)
{
    return stint_stop_task(t->s, NULL, t->id, err);
}

static int act_requeue(struct trial *t, struct stint_err *err)
{
    return stint_requeue_task(t->s, "main", t->id, 1, err);
}

static int act_disable(struct trial *t, struct stint_err *err)
{
    return stint_disable_task(t->s, "main", t->id, err);
}

static int act_enable(struct trial *t, struct stint_err *err)
{
    return stint_enable_task(t->s, "main", t->id, err);
}

static int act_delete(struct trial *t, struct stint_err *err)
{
    return stint_delete_task(t->s, "main", t->id, err);
}

static void look_gone(struct trial *t)
{
    const char *id = t->id;
    struct stint_err err = {0};
    unsigned char there = 9;
    assert_int_equal(stint_ids_exist(t->s, "main", &id, 1, &there, &err), 0);
    see("%d\n", there);
}

static int act_why(struct trial *t, struct stint_err *err)
{
    const char *const ids[] = {"base", "child", "bad", t->id};
    for (int i = 0; i < 4; i++) {
        struct stint_why why;
        if (stint_why(t->s, "main", ids[i], &why, err))
            return -1;
        see("%s %.9s %d\n", why.status, why.reason, why.ahead >= 0);
    }
    return 0;
}

static int on_node(const struct stint_graph_node *node, void *arg)
{
    (void)arg;
    see("%s %s %s %s %s", node->group_name, node->id, node->function,
        node->task_name, node->status);
    for (size_t i = 0; i < node->n_parents; i++)
        see(" <- %s", node->parents[i]);
    see("\n");
    return 0;
}

static int act_graph(struct trial *t, struct stint_err *err)
{
    return stint_graph(t->s, "main", "child", 0, on_node, NULL, err);
}

static int on_worker(const struct stint_worker_status *w, void *arg)
{
    (void)arg;
    see("%s %s %s %s %s %s %s\n", w->name, w->host, w->shown, w->status,
        w->groups, w->functions, w->version);
    return 0;
}

static int act_workers(struct trial *t, struct stint_err *err)
{
    return stint_workers(t->s, on_worker, NULL, err);
}

/* The worker keeps the last commands only: it may be told so twice. */
static int act_command(struct trial *t, struct stint_err *err)
{
    struct stint_command_options o = STINT_COMMAND_OPTIONS_INIT;
    size_t n = 9;
    o.group = "more";
    int rc = stint_command(t->s, "resume", &o, on_worker, NULL, &n, err);
    if (rc == 0)
        see("%zu\n", n);
    return rc;
}

static int on_stats(const struct stint_stats *c, void *arg)
{
    (void)arg;
    see("%s %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 " %" PRId64 "\n",
        c->group, c->queued, c->waiting, c->failed, c->retained, c->workers);
    return 0;
}

static int act_stats(struct trial *t, struct stint_err *err)
{
    return stint_stats(t->s, NULL, on_stats, NULL, err);
}

static int on_part(int part, int parts, const struct stint_stats *c, void *arg)
{
    see("%d of %d: ", part, parts);
    return on_stats(c, arg);
}

static int act_parts(struct trial *t, struct stint_err *err)
{
    return stint_parts(t->s, "main", on_part, NULL, err);
}

static int act_set_parts(struct trial *t, struct stint_err *err)
{
    return stint_set_parts(t->s, "parted", 3, err);
}

/* All parts agree; and back again. */
static void look_parts(struct trial *t)
{
    struct stint_err err = {0};
    static const char *const parts[] = {"parted", "parted~1", "parted~2"};
    for (int i = 0; i < 3; i++) {
        const char *args[] = {"see", "-"};
        redisReply *r = rule(t, "set_parts", parts[i], 2, args);
        see("%s %s\n", r->element[2]->str, r->element[3]->str);
        freeReplyObject(r);
    }
    assert_int_equal(stint_set_parts(t->s, "parted", 1, &err), 0);
}

static void on_fault(const char *group, const char *fault, void *arg)
{
    (void)arg;
    see("%s: %s\n", group, fault);
}

static int act_fsck(struct trial *t, struct stint_err *err)
{
    uint64_t n_checked, n_faults;
    int rc = stint_fsck(t->s, on_fault, NULL, &n_checked, &n_faults, err);
    if (rc == 0)
        see("%" PRIu64 " %" PRIu64 "\n", n_checked, n_faults);
    return rc;
}

static int act_forget(struct trial *t, struct stint_err *err)
{
    return stint_forget_group(t->s, "main", NULL, err);
}

static void look_forgotten(struct trial *t)
{
    struct stint_err err = {0};
    assert_int_equal(stint_stats(t->s, "main", on_stats, NULL, &err), 0);
    look_gone(t);
}

static int act_usage(struct trial *t, struct stint_err *err)
{
    struct stint_server_usage u = STINT_SERVER_USAGE_INIT;
    int rc = stint_server_usage(t->s, &u, err);
    if (rc == 0)
        see("%s %d %d\n", u.redis_version, u.used_memory_bytes > 0,
            u.script_calls > 0);
    return rc;
}

static int act_cron(struct trial *t, struct stint_err *err)
{
    struct stint_cron_options o = STINT_CRON_OPTIONS_INIT;
    struct stint_cron_time times[2];
    (void)t;
    o.expression = "30 2 * * *";
    o.time_zone = "Europe/Rome";
    o.from = "2026-03-28T00:00:00Z";
    if (stint_cron_next(&o, times, 2, err))
        return -1;
    see("%" PRId64 " %" PRId64 "\n", times[0].ms, times[1].ms);
    return 0;
}

/* Redis of its own, in the server's directory; the first trial starts it. */
static void prepare_embedded(struct trial *t)
{
    struct stint_err err = {0};
    stint *s = stint_open(NULL, &err);
    (void)t;
    assert_non_null(s);
    stint_close(s);
}

static int act_embedded(struct trial *t, struct stint_err *err)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_embedded_status st;
    o.name_space = t->name_space;
    stint *s = stint_open(&o, err);
    stint_close(s);
    if (s == NULL || stint_embedded_status(&st, err))
        return -1;
    see("%d %s\n", st.running, st.url);
    return 0;
}

static int act_embedded_stop(struct trial *t, struct stint_err *err)
{
    (void)t;
    return stint_embedded_stop(err);
}

static int handler(stint_run *run, void *arg)
{
    (void)run, (void)arg;
    return 0;
}

static int act_worker(struct trial *t, struct stint_err *err)
{
    static const char *const groups[] = {"main", "more", NULL};
    struct stint_worker_options o = STINT_WORKER_OPTIONS_INIT;
    struct stint_function_options f = STINT_FUNCTION_OPTIONS_INIT;
    o.url = server.url;
    o.name_space = t->name_space;
    o.groups = groups;
    o.concurrency = 2;
    f.timeout_s = 5;
    f.isolation = STINT_PROCESS;
    f.settings = "{\"max_tasks\": 10}";
    stint_worker *w = stint_worker_new(&o, err);
    int rc = w == NULL ||
             stint_worker_register(w, "f", handler, NULL, NULL, err) ||
             stint_worker_register(w, "g", handler, NULL, &f, err);
    stint_worker_free(w);
    return rc ? -1 : 0;
}

/* ---- Trials ------------------------------------------------------------- */

static const struct scenario scenarios[] = {
    {"open", NULL, act_open, STINT_OK, NULL},
    {"task_new", NULL, act_task_new, STINT_OK, NULL},
    {"task_from_json", NULL, act_task_json, STINT_OK, NULL},
    {"task_wrong", NULL, act_task_wrong, STINT_OK, NULL},
    {"queue_task", NULL, act_queue, STINT_EXISTS, look_task},
    {"queue_tasks", prepare_many, act_queue_many, STINT_OK, look_many},
    {"ids_exist", NULL, act_exist, STINT_OK, NULL},
    {"task_status", NULL, act_status, STINT_OK, NULL},
    {"list", NULL, act_list, STINT_OK, NULL},
    {"wait", NULL, act_wait, STINT_OK, NULL},
    {"stop_task", prepare_queued, act_stop, STINT_STATE, look_task},
    {"requeue_task", prepare_ended, act_requeue, STINT_STATE, look_due},
    {"disable_task", prepare_queued, act_disable, STINT_OK, look_task},
    {"enable_task", prepare_disabled, act_enable, STINT_OK, look_task},
    {"delete_task", prepare_queued, act_delete, STINT_NOT_FOUND, look_gone},
    {"why", prepare_due, act_why, STINT_OK, NULL},
    {"graph", NULL, act_graph, STINT_OK, NULL},
    {"workers", NULL, act_workers, STINT_OK, NULL},
    {"command", NULL, act_command, STINT_OK, NULL},
    {"stats", NULL, act_stats, STINT_OK, NULL},
    {"parts", NULL, act_parts, STINT_OK, NULL},
    {"set_parts", NULL, act_set_parts, STINT_OK, look_parts},
    {"fsck", NULL, act_fsck, STINT_OK, NULL},
    {"forget_group", prepare_ended, act_forget, STINT_OK, look_forgotten},
    {"server_usage", NULL, act_usage, STINT_OK, NULL},
    {"cron_next", NULL, act_cron, STINT_OK, NULL},
    {"embedded", prepare_embedded, act_embedded, STINT_OK, NULL},
    {"embedded_stop", NULL, act_embedded_stop, STINT_OK, NULL},
    {"worker", NULL, act_worker, STINT_OK, NULL},
};
#define SCENARIOS (sizeof(scenarios) / sizeof(*scenarios))

/* The handle answers, and rightly. */
static void answers(stint *s)
{
    const char *ids[] = {"base", "nothing"};
    struct stint_err err = {0};
    unsigned char there[2];
    if (stint_ids_exist(s, "main", ids, 2, there, &err))
        print_error("no answer: %d %s\n", (int)err.code, err.text);
    assert_int_equal(err.code, STINT_OK);
    assert_int_equal(stint_ids_exist(s, "main", ids, 2, there, &err), 0);
    assert_int_equal(there[0], 1);
    assert_int_equal(there[1], 0);
}

static void trial_begin(struct trial *t, const struct scenario *c)
{
    static unsigned n;
    struct stint_err err = {0};
    *t = (struct trial){0};
    snprintf(t->name_space, sizeof(t->name_space), "%s", c->name);
    snprintf(t->id, sizeof(t->id), "trial%05u", n++);
    t->s = handle(t, &err);
    assert_non_null(t->s);
    if (c->prepare != NULL)
        c->prepare(t);
    seen[0] = '\0';
}

static int is_honest(enum scarce what, const struct stint_err *err)
{
    if (what == SCARCE_SOCKETS)
        return err->code == STINT_UNREACHABLE;
    if (what == SCARCE_CALLS && err->code == STINT_SYSTEM)
        return err->text[0] != '\0';
    /* A field whose zone cannot be read is refused, with the reason. */
    if (what == SCARCE_CALLS && err->code == STINT_INVALID)
        return strstr(err->text, "timezone: time zone ") != NULL &&
               (strstr(err->text, ": open: ") != NULL ||
                strstr(err->text, ": fstat: ") != NULL ||
                strstr(err->text, ": read: ") != NULL);
    return err->code == STINT_NOMEM || err->code == STINT_UNKNOWN ||
           err->code == STINT_UNREACHABLE;
}

/* An error: once more, now without want. */
static void trial_again(struct trial *t, const struct scenario *c)
{
    struct stint_err err = {0};
    t->was_refused = 1;
    seen[0] = '\0';
    int rc = c->act(t, &err);
    int fine = rc == 0 || (c->done != STINT_OK && err.code == c->done);
    if (!fine)
        print_error("%s, again: %d %s\n", c->name, (int)err.code, err.text);
    assert_true(fine);
}

/* ---- On an event loop --------------------------------------------------- */

/* A call through the asynchronous stores. */
struct aside {
    struct trial *t;
    const struct scenario *c;
    int rc, is_done;
    struct stint_err err;
};

static int aside_work(stint *s, void *arg, struct stint_err *err)
{
    struct aside *a = arg;
    stint *blocking = a->t->s;
    a->t->s = s;
    int rc = a->c->act(a->t, err);
    a->t->s = blocking;
    return rc;
}

static void aside_done(int rc, const struct stint_err *err, void *arg)
{
    struct aside *a = arg;
    a->rc = rc;
    a->err = *err;
    a->is_done++;
}

static int act_aside(struct trial *t, const struct scenario *c,
                     struct stint_err *err)
{
    struct aside aside = {.t = t, .c = c};
    struct stint_options o = STINT_OPTIONS_INIT;
    struct event_base *base = event_base_new();
    o.url = server.url;
    o.name_space = t->name_space;
    o.timeout_s = 0.3;
    if (base == NULL) {
        err->code = STINT_NOMEM;
        return -1;
    }
    stint_async *a = stint_async_open(&o, base, err);
    int rc = a == NULL ? -1
                       : stint_async_call(a, aside_work, aside_done, &aside,
                                          NULL, err);
    while (rc == 0 && stint_async_pending(a) > 0 &&
           event_base_loop(base, EVLOOP_ONCE) == 0)
        ;
    stint_async_close(a);
    event_base_free(base);
    if (rc == 0) {
        assert_int_equal(aside.is_done, 1);
        rc = aside.rc;
        *err = aside.err;
    }
    return rc;
}

static int trial_act(struct trial *t, const struct scenario *c, int is_async,
                     struct stint_err *err)
{
    return is_async ? act_aside(t, c, err) : c->act(t, err);
}

/* What fails, and how. */
struct want {
    enum scarce what;
    int lasts;
    unsigned errors;
    int is_async;
};

static void want_begin(const struct want *w, long n)
{
    if (w->what == SCARCE_CALLS)
        scarce_begin_call(n, w->errors);
    else
        scarce_begin(w->what, n, w->lasts);
}

/* Returns 1 if something was refused. expected: what is to be seen; NULL: it
 * is not known yet. */
static int trial_run(const struct scenario *c, const struct want *w, long n,
                     const char *expected)
{
    enum scarce what = w->what;
    struct trial t;
    struct stint_err err = {0};
    long before = scarce_live();
    trial_begin(&t, c);
    if (what == SCARCE_SOCKETS) /* the handle's connection is gone */
        freeReplyObject(redisCommand(redis, "CLIENT KILL TYPE normal"));
    want_begin(w, n);
    int rc = trial_act(&t, c, w->is_async, &err);
    int refused = scarce_end();
    int honest = rc == 0 || (refused && is_honest(what, &err));
    if (!honest || getenv("STINT_TEST_VERBOSE") != NULL)
        print_error("%s, %ld, %s: %d %s\n", c->name, n,
                    refused ? scarce_what() : "-", (int)err.code, err.text);
    assert_true(honest);
    if (rc)
        trial_again(&t, c);
    if (c->look != NULL)
        c->look(&t);
    see_alike(&t);
    if (c->act == act_embedded && refused && what == SCARCE_CALLS &&
        strcmp(scarce_what(), "connect: Connection refused") == 0)
        seen[0] = expected != NULL ? expected[0] : '0'; /* it rightly says so */
    if (expected != NULL && strcmp(seen, expected) != 0)
        print_error("%s, %ld, %d: %s\n", c->name, n, rc, scarce_what());
    if (expected != NULL)
        assert_string_equal(seen, expected);
    if (strcmp(c->name, "forget_group") != 0)
        answers(t.s);
    stint_close(t.s);
    if (expected != NULL && scarce_live() != before)
        print_error("%s, %ld: %ld allocations are left\n", c->name, n,
                    scarce_live() - before);
    if (expected != NULL)
        assert_int_equal(scarce_live(), before);
    return refused;
}

/* Which requests fail: each, or of those behind the `dense` first ones fewer
 * and fewer. STINT_TORTURE=all: each. */
static long next_n(long n, long dense)
{
    const char *all = getenv("STINT_TORTURE");
    if (n < dense || (all != NULL && strcmp(all, "all") == 0))
        return n + 1;
    return n + 1 + n / 8;
}

/* expected: of a trial in which nothing fails. Returns how many did. */
static long wanting(const struct scenario *c, const struct want *w, long dense,
                    const char *expected)
{
    long n = 1, trials = 0;
    for (; n < TRIALS_MAX && trial_run(c, w, n, expected);
         n = next_n(n, dense))
        trials++;
    assert_true(n < TRIALS_MAX);
    return trials;
}

static const char *scenario_seen(const struct scenario *c, const struct want *w)
{
    static char expected[sizeof(seen)];
    assert_false(trial_run(c, w, TRIALS_MAX, NULL));
    memcpy(expected, seen, sizeof(seen));
    return expected;
}

static void scenario_run(const struct scenario *c, enum scarce what)
{
    struct want w = {.what = what};
    const char *expected = scenario_seen(c, &w);
    wanting(c, &w, TRIALS_MAX, expected);
    w.lasts = 1; /* what follows is much the same */
    wanting(c, &w, 1, expected);
}

static void worlds_make(void)
{
    for (size_t i = 0; i < SCENARIOS; i++) {
        struct trial t = {0};
        struct stint_err err = {0};
        snprintf(t.name_space, sizeof(t.name_space), "%s", scenarios[i].name);
        t.s = handle(&t, &err);
        assert_non_null(t.s);
        world_make(&t);
        stint_close(t.s);
    }
}

/* The server, and an empty place for the embedded one. */
static void event_silence(int severity, const char *text)
{
    (void)severity, (void)text;
}

static int setup(void **state)
{
    char home[100];
    (void)state;
    event_set_log_callback(event_silence); /* it says what failed */
    server_start(&server);
    snprintf(home, sizeof(home), "%s/home", server.dir);
    setenv("STINT_HOME", home, 1);
    unsetenv("STINT_URL");
    redis = redisConnectUnix(server.url + strlen("unix://"));
    if (redis == NULL || redis->err)
        return -1;
    worlds_make();
    return 0;
}

static int teardown(void **state)
{
    struct stint_err err = {0};
    (void)state;
    int rc = stint_embedded_stop(&err);
    redisFree(redis);
    server_stop(&server);
    return rc;
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCENARIOS; i++)
        scenario_run(&scenarios[i], SCARCE_MEMORY);
}

/* Of some that open a connection first, or have to make it anew. */
static void every_socket_may_fail(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCENARIOS; i++) {
        const struct scenario *c = &scenarios[i];
        if (c->act == act_open || c->act == act_queue ||
            c->act == act_status || c->act == act_stop || c->act == act_list)
            scenario_run(c, SCARCE_SOCKETS);
    }
}

/* With the errors it may have, of which no call has more than five: with each
 * if all are asked for, else with another one in each scenario. */
static void calls_run(const struct scenario *c, struct want w, unsigned seed)
{
    const char *all = getenv("STINT_TORTURE");
    int is_all = all != NULL && strcmp(all, "all") == 0;
    const char *expected = scenario_seen(c, &w);
    long n = 0;
    for (unsigned i = 0; i < (is_all ? 5 : w.is_async ? 1 : 2); i++) {
        w.errors = seed + i;
        n += wanting(c, &w, w.is_async ? 6 : 20, expected);
    }
    print_message("%s%s: %ld system calls failed\n", c->name,
                  w.is_async ? " on a loop" : "", n);
}

/* Why a zone is refused depends on what fails. */
static void every_system_call_may_fail(void **state)
{
    struct want w = {.what = SCARCE_CALLS};
    (void)state;
    for (size_t i = 0; i < SCENARIOS; i++)
        if (scenarios[i].act != act_task_wrong)
            calls_run(&scenarios[i], w, (unsigned)i);
}

/* The same through the asynchronous stores and the fibers. */
static int is_for_loops(const struct scenario *c)
{
    return c->act != act_open && c->act != act_worker &&
           c->act != act_embedded && c->act != act_embedded_stop &&
           c->act != act_task_new && c->act != act_task_json &&
           c->act != act_task_wrong && c->act != act_cron;
}

static void on_a_loop_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < SCENARIOS; i++) {
        struct want w = {.what = SCARCE_MEMORY, .is_async = 1};
        if (!is_for_loops(&scenarios[i]))
            continue;
        const char *expected = scenario_seen(&scenarios[i], &w);
        wanting(&scenarios[i], &w, 12, expected);
        w.lasts = 1;
        wanting(&scenarios[i], &w, 1, expected);
    }
}

/* Those that do not stand for others, as they take their time to connect again;
 * all, if all are asked for. */
static void calls_on_a_loop_too(void **state)
{
    struct want w = {.what = SCARCE_CALLS, .is_async = 1};
    const char *all = getenv("STINT_TORTURE");
    (void)state;
    for (size_t i = 0; i < SCENARIOS; i++)
        if (all != NULL ? is_for_loops(&scenarios[i])
                        : scenarios[i].act == act_queue ||
                              scenarios[i].act == act_wait ||
                              scenarios[i].act == act_queue_many)
            calls_run(&scenarios[i], w, (unsigned)i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(every_system_call_may_fail),
        cmocka_unit_test(on_a_loop_too),
        cmocka_unit_test(calls_on_a_loop_too),
        cmocka_unit_test(every_socket_may_fail),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
