/* SPDX-License-Identifier: MIT */
/* stint_search and stint_act: what fits, page by page, over groups and parts, and
 * changing all of it without missing any. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <hiredis/hiredis.h>

#include <stint/stint.h>

#include "server.h"

#define MANY 100000

static struct server server;
static stint *s;
static redisContext *redis;
static struct stint_err err;

static int up(void **state)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    (void)state;
    server_start(&server);
    o.url = server.url;
    s = stint_open(&o, &err);
    redis = redisConnectUnix(server.url + strlen("unix://"));
    return s != NULL && redis != NULL && redis->err == 0 ? 0 : -1;
}

static int down(void **state)
{
    (void)state;
    stint_close(s);
    redisFree(redis);
    server_stop(&server);
    return 0;
}

/* Everything is gone, also for the handle: it knows no parts. */
static int clean(void **state)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    (void)state;
    freeReplyObject(redisCommand(redis, "FLUSHALL"));
    stint_close(s);
    o.url = server.url;
    err = (struct stint_err){0};
    s = stint_open(&o, &err);
    return s != NULL ? 0 : -1;
}

static void queue(const char *json)
{
    struct stint_errors errors = {0};
    stint_task *t = stint_task_from_json(json, strlen(json), &errors, &err);
    size_t n, bad;
    if (t == NULL || stint_queue_tasks(s, &t, 1, &n, &bad, NULL, NULL, &err))
        fail_msg("%s: %s", json, err.text);
    stint_task_free(t);
}

static int note(const struct stint_status *t, void *arg)
{
    char *ids = arg;
    if (strlen(ids) + strlen(t->id) + 2 < 4000)
        sprintf(ids + strlen(ids), "%s%s", *ids ? " " : "", t->id);
    return 0;
}

/* The ids that fit, page by page. */
static const char *find(struct stint_search_options o)
{
    static char ids[4096];
    char *cursor = NULL, *next;
    ids[0] = '\0';
    if (o.limit == 0)
        o.limit = 2;
    do {
        o.cursor = cursor;
        if (stint_search(s, &o, note, ids, &next, NULL, &err))
            fail_msg("%s", err.text);
        free(cursor);
        cursor = next;
    } while (cursor != NULL);
    return ids;
}

#define OPTIONS(...)                                                           \
    (struct stint_search_options){.size = sizeof(struct stint_search_options), \
                                  __VA_ARGS__}
#define FINDS(ids, ...) assert_string_equal(find(OPTIONS(__VA_ARGS__)), ids)

/* ---- What fits --------------------------------------------------------------- */

static void test_filters(void **state)
{
    (void)state;
    queue("{\"function\":\"f\",\"id\":\"a\",\"tags\":[\"x\",\"y/z\"],\"task_name\":"
          "\"Mein Büro\",\"args\":[\"Grüße \\\"du\\\"\\u0001\",42,1.5,true]}");
    queue("{\"function\":\"g\",\"id\":\"b1\",\"start_time\":\"+1h\",\"vars\":"
          "{\"Größe\":{\"k\":[null,\"tief\"]}},\"tags\":[\"X\"]}");
    queue("{\"function\":\"g\",\"id\":\"b2\",\"start_time\":\"+2h\",\"repeats\":0}");
    queue("{\"function\":\"g\",\"id\":\"b3\",\"cronline\":\"0 3 1 1 *\","
          "\"group_name\":\"other\",\"tags\":[\"xx\"]}");
    FINDS("a b1 b2 b3", .limit = 1);
    FINDS("a", .function = "f");
    FINDS("b3", .group = "other");
    FINDS("a b1 b2 b3", .status = "queued,RUNNING");
    FINDS("", .status = "RUNNING,FAILED");
    FINDS("a", .tag = "x");
    FINDS("a", .tag = "y/z");
    FINDS("", .tag = "y");
    FINDS("a", .task_name = "mein b");
    FINDS("b1 b2 b3", .task_name = "G"); /* the function is the label */
    FINDS("b2 b3", .scheduled = 1);
    FINDS("b1 b2 b3", .from = "+30m");
    FINDS("a b1", .until = "+90m");
    FINDS("b1", .from = "+30m", .until = "+90m");
    FINDS("a", .text = "du\"");
    FINDS("a", .text = "gRüße");
    FINDS("a", .text = "42");
    FINDS("a", .text = "1.5");
    FINDS("b1", .text = "größe");
    FINDS("b1", .text = "tief");
    FINDS("b3", .text = "B3");
    FINDS("", .text = "args"); /* that is ours, not the task's */
    FINDS("", .text = "tags");
    FINDS("b1 b2 b3", .id = "b");
    FINDS("b1", .id = "b1");
    FINDS("", .id = "b1", .function = "f");
    FINDS("b2", .id = "b", .text = "g", .scheduled = 1, .group = "main");
}

static void test_shown(void **state)
{
    (void)state;
    queue("{\"function\":\"f\",\"id\":\"a\",\"tags\":[\"x\"],\"priority\":-7,"
          "\"period\":2.5,\"cronline\":\"0 3 * * *\",\"timezone\":\"Europe/Rome\","
          "\"immediate\":true,\"disabled\":true}");
    struct stint_status *t = stint_task_status(s, "main", "a", 0, &err);
    assert_non_null(t);
    assert_string_equal(t->tags, "[\"x\"]");
    assert_int_equal(t->priority, -7);
    assert_true(t->immediate && t->disabled);
    assert_string_equal(t->cronline, "0 3 * * *");
    assert_string_equal(t->timezone, "Europe/Rome");
    assert_int_equal(t->repeats, 0);
    assert_true(t->period_s > 2.4 && t->period_s < 2.6);
    assert_null(t->traceparent);
    stint_status_free(t);
}

static void test_wrong_options(void **state)
{
    char *cursor;
    (void)state;
    char big[300];
    memset(big, 'a', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    const struct stint_search_options wrong[] = {
        OPTIONS(.status = "QUEUED,FOO"), OPTIONS(.group = "a b"),
        OPTIONS(.function = "a b"), OPTIONS(.id = "a b"), OPTIONS(.tag = "ü"),
        OPTIONS(.text = big), OPTIONS(.from = "soon"), OPTIONS(.until = "1x"),
        OPTIONS(.cursor = "x"), OPTIONS(.cursor = "main,6,,1;2,a"),
        OPTIONS(.cursor = "main,6,,1"), OPTIONS(.cursor = "ma in,"),
        OPTIONS(.cursor = "other,", .group = "main"), OPTIONS(.cursor = big)};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        err = (struct stint_err){0};
        assert_int_equal(stint_search(s, &wrong[i], note, big, &cursor, NULL,
                                      &err), -1);
        assert_int_equal(err.code, STINT_INVALID);
        assert_null(cursor);
    }
}

/* ---- Many --------------------------------------------------------------------- */

static void fill(int n)
{
    for (int i = 0; i < n; i += 1000) {
        char *hset[2002], *zadd[2002];
        for (int k = 0; k < 1000; k++) {
            char id[16], task[80], due[24];
            snprintf(id, sizeof(id), "t%06d", i + k);
            snprintf(task, sizeof(task), "f {\"args\":[\"payload %d\"]}", i + k);
            snprintf(due, sizeof(due), "%d", 1000 + (i + k) / 7777);
            hset[2 + 2 * k] = strdup(id);
            hset[3 + 2 * k] = strdup(task);
            zadd[2 + 2 * k] = strdup(due);
            zadd[3 + 2 * k] = strdup(id);
        }
        hset[0] = (char *)"HSET";
        hset[1] = (char *)"{stint:main}:task";
        zadd[0] = (char *)"ZADD";
        zadd[1] = (char *)"{stint:main}:queued";
        freeReplyObject(redisCommandArgv(redis, 2002, (const char **)hset, NULL));
        freeReplyObject(redisCommandArgv(redis, 2002, (const char **)zadd, NULL));
        for (int k = 2; k < 2002; k++) {
            free(hset[k]);
            free(zadd[k]);
        }
    }
}

struct seen {
    int n, next; /* the number that has to come */
};

static int in_order(const struct stint_status *t, void *arg)
{
    struct seen *seen = arg;
    assert_int_equal(atoi(t->id + 1), seen->next);
    seen->next++;
    seen->n++;
    return 0;
}

/* What a page cost Redis, in commands. */
static int64_t page_cost(struct stint_search_options *o, char **next,
                         struct seen *seen)
{
    struct stint_server_usage before = STINT_SERVER_USAGE_INIT, after = before;
    uint64_t scanned;
    assert_int_equal(stint_server_usage(s, &before, &err), 0);
    assert_int_equal(stint_search(s, o, in_order, seen, next, &scanned, &err),
                     0);
    assert_int_equal(stint_server_usage(s, &after, &err), 0);
    assert_in_range(scanned, 0, 2000);
    return after.commands - before.commands;
}

static void test_every_page_costs_the_same(void **state)
{
    (void)state;
    fill(MANY);
    struct seen seen = {0, 0};
    struct stint_search_options o = OPTIONS(.group = "main", .limit = 1000);
    char *cursor = NULL, *next = NULL;
    int64_t first = 0, most = 0;
    for (int page = 0;; page++) {
        o.cursor = cursor;
        int64_t cost = page_cost(&o, &next, &seen);
        first = page == 0 ? cost : first;
        most = cost > most ? cost : most;
        free(cursor);
        cursor = next;
        if (cursor == NULL)
            break;
    }
    assert_int_equal(seen.n, MANY);
    /* A score and a rank a call more than the first one. */
    assert_in_range(most, 1, first + 4 * 8);
}

static void test_a_call_is_bounded(void **state)
{
    (void)state;
    fill(MANY);
    struct stint_search_options o =
        OPTIONS(.group = "main", .text = "nosuch", .scan = 3000);
    char ids[8] = "", *cursor;
    uint64_t scanned;
    assert_int_equal(stint_search(s, &o, note, ids, &cursor, &scanned, &err), 0);
    assert_int_equal(scanned, 3000);
    assert_string_equal(ids, "");
    assert_string_equal(cursor, "main,6,,1000,t002999");
    free(cursor);
}

/* More than Redis hands out of a set at once. */
static void test_what_a_worker_holds(void **state)
{
    (void)state;
    freeReplyObject(redisCommand(redis, "ZADD {stint:main}:workers 9e15 w1"));
    for (int i = 0; i < 700; i++) {
        freeReplyObject(redisCommand(redis, "HSET {stint:main}:task r%d f\\ {}",
                                     i));
        freeReplyObject(redisCommand(
            redis, "HSET {stint:main}:task r%d %s", i, "f {}"));
        freeReplyObject(redisCommand(redis, "HSET {stint:main}:state r%d %s", i,
                                     "RUNNING 1 t w1 1 1 0"));
        freeReplyObject(redisCommand(redis, "SADD {stint:main}:running:w1 r%d",
                                     i));
    }
    char *seen = calloc(1, 8000), *cursor = NULL, *next;
    char one[4096];
    int n = 0;
    struct stint_search_options o = OPTIONS(.group = "main", .limit = 37);
    do {
        one[0] = '\0';
        o.cursor = cursor;
        assert_int_equal(stint_search(s, &o, note, one, &next, NULL, &err), 0);
        for (char *id = strtok(one, " "); id != NULL; id = strtok(NULL, " ")) {
            assert_int_equal(seen[atoi(id + 1)], 0);
            seen[atoi(id + 1)] = 1;
            n++;
        }
        free(cursor);
        cursor = next;
    } while (cursor != NULL);
    free(seen);
    assert_int_equal(n, 700);
}

/* ---- Acting --------------------------------------------------------------------- */

static struct stint_acted act(const char *action, struct stint_search_options f,
                              struct stint_act_options o)
{
    struct stint_acted sum = STINT_ACTED_INIT, step = STINT_ACTED_INIT;
    char *cursor = NULL, *next;
    int steps = 0;
    o.size = sizeof(o);
    o.action = action;
    o.filter = &f;
    do {
        o.cursor = cursor;
        if (stint_act(s, &o, &step, &next, &err))
            fail_msg("%s: %s", action, err.text);
        free(cursor);
        cursor = next;
        sum.matched += step.matched;
        sum.done += step.done;
        sum.failed += step.failed;
        sum.scanned += step.scanned;
        assert_true(++steps < 200);
    } while (cursor != NULL);
    return sum;
}

#define ACT(action, f, ...) \
    act(action, f, (struct stint_act_options){.size = 1, __VA_ARGS__})

static int count(const struct stint_status *t, void *arg)
{
    (void)t;
    ++*(int *)arg;
    return 0;
}

static int n_of(struct stint_search_options o)
{
    int n = 0;
    char *cursor = NULL, *next;
    o.limit = 1000;
    do {
        o.cursor = cursor;
        assert_int_equal(stint_search(s, &o, count, &n, &next, NULL, &err), 0);
        free(cursor);
        cursor = next;
    } while (cursor != NULL);
    return n;
}

/* All at the same time and in three parts: half of them have the tag. */
static void queue_many(int n)
{
    char json[160];
    assert_int_equal(stint_set_parts(s, "main", 3, &err), 0);
    stint_task **tasks = calloc((size_t)n, sizeof(*tasks));
    for (int i = 0; i < n; i++) {
        struct stint_errors errors = {0};
        snprintf(json, sizeof(json), "{\"function\":\"f\",\"id\":\"t%05d\","
                 "\"start_time\":2000000000,\"tags\":[\"%s\"],\"priority\":%d}",
                 i, i % 2 ? "odd" : "even", i % 3);
        tasks[i] = stint_task_from_json(json, strlen(json), &errors, &err);
        assert_non_null(tasks[i]);
    }
    size_t done, bad;
    assert_int_equal(stint_queue_tasks(s, tasks, (size_t)n, &done, &bad, NULL,
                                       NULL, &err), 0);
    for (int i = 0; i < n; i++)
        stint_task_free(tasks[i]);
    free(tasks);
}

static void test_none_is_missed(void **state)
{
    (void)state;
    queue_many(2400);
    struct stint_search_options odd = OPTIONS(.tag = "odd");
    struct stint_acted a = ACT("stop", odd, .dry_run = 1);
    assert_int_equal(a.matched, 1200);
    assert_int_equal(a.done, 0);
    assert_int_equal(n_of(OPTIONS(.status = "QUEUED")), 2400);
    a = ACT("stop", odd);
    assert_int_equal(a.done, 1200);
    assert_int_equal(a.failed, 0);
    assert_int_equal(n_of(OPTIONS(.status = "STOPPED")), 1200);
    a = ACT("requeue", odd, .limit = 70);
    assert_int_equal(a.done, 1200);
    assert_int_equal(n_of(OPTIONS(.status = "QUEUED", .until = "+1m")), 1200);
    a = ACT("priority", odd, .priority = 2, .limit = 100);
    assert_int_equal(a.done, 800); /* a third had it already */
    a = ACT("disable", odd);
    assert_int_equal(a.done, 1200);
    assert_int_equal(ACT("disable", odd).matched, 0);
    assert_int_equal(ACT("run-now", odd).matched, 0); /* they are disabled */
    a = ACT("enable", odd, .limit = 33);
    assert_int_equal(a.done, 1200);
    a = ACT("run-now", OPTIONS(.tag = "even"));
    assert_int_equal(a.done, 1200);
    assert_int_equal(n_of(OPTIONS(.until = "+1m")), 2400);
    a = ACT("delete", odd, .limit = 50);
    assert_int_equal(a.done, 1200);
    assert_int_equal(n_of(OPTIONS(.limit = 1)), 1200);
}

static void test_actions_refused(void **state)
{
    char *cursor;
    (void)state;
    const struct stint_search_options running = OPTIONS(.status = "RUNNING"),
                                      failed = OPTIONS(.status = "FAILED");
    const struct stint_act_options wrong[] = {
        {.size = sizeof(wrong[0]), .action = "explode"},
        {.size = sizeof(wrong[0])},
        {.size = sizeof(wrong[0]), .action = "requeue", .filter = &running},
        {.size = sizeof(wrong[0]), .action = "stop", .filter = &failed},
        {.size = sizeof(wrong[0]), .action = "delete", .filter = &running},
        {.size = sizeof(wrong[0]), .action = "priority", .priority = 101},
        {.size = sizeof(wrong[0]), .action = "stop", .cursor = "x"}};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        err = (struct stint_err){0};
        assert_int_equal(stint_act(s, &wrong[i], NULL, &cursor, &err), -1);
        assert_int_equal(err.code, STINT_INVALID);
    }
}

/* What the rules refuse is told, and the others are done. */
static void hear(const char *group, const char *id, const struct stint_err *why,
                 void *arg)
{
    char *told = arg;
    assert_string_equal(group, "main");
    sprintf(told + strlen(told), "%s %d;", id, why != NULL ? why->code : 0);
}

static void test_some_fail(void **state)
{
    char told[200] = "", wanted[200];
    (void)state;
    queue("{\"function\":\"f\",\"id\":\"p\",\"start_time\":\"+1h\"}");
    queue("{\"function\":\"f\",\"id\":\"c\",\"depends_on\":[\"p\"]}");
    struct stint_acted a = ACT("run-now", OPTIONS(.group = "main"),
                               .on_task = hear, .arg = told);
    assert_int_equal(a.matched, 2);
    assert_int_equal(a.done, 1);
    assert_int_equal(a.failed, 1);
    snprintf(wanted, sizeof(wanted), "p 0;c %d;", STINT_STATE);
    assert_string_equal(told, wanted);
}

/* ---- Groups ----------------------------------------------------------------------- */

static int see_paused(const struct stint_stats *t, void *arg)
{
    *(int64_t *)arg = t->paused;
    return 0;
}

static int part_paused(int part, int parts, const struct stint_stats *t,
                       void *arg)
{
    (void)part, (void)parts;
    *(int *)arg += t->paused != 0;
    return 0;
}

static void test_pause_all_parts(void **state)
{
    int64_t since = 0;
    int n = 0;
    struct stint_why why;
    (void)state;
    assert_int_equal(stint_set_parts(s, "main", 4, &err), 0);
    queue("{\"function\":\"f\",\"id\":\"a\"}");
    assert_int_equal(stint_pause_group(s, "main", &err), 0);
    assert_int_equal(stint_pause_group(s, "main", &err), 0);
    assert_int_equal(stint_stats(s, "main", see_paused, &since, &err), 0);
    assert_true(since > INT64_C(1000000000000));
    assert_int_equal(stint_parts(s, "main", part_paused, &n, &err), 0);
    assert_int_equal(n, 4);
    assert_int_equal(stint_why(s, "main", "a", &why, &err), 0);
    assert_non_null(strstr(why.reason, "The group is paused"));
    assert_int_equal(stint_resume_group(s, "main", &err), 0);
    assert_int_equal(stint_stats(s, "main", see_paused, &since, &err), 0);
    assert_int_equal(since, 0);
    assert_int_equal(stint_pause_group(s, "a b", &err), -1);
    assert_int_equal(err.code, STINT_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_filters, clean),
        cmocka_unit_test_setup(test_shown, clean),
        cmocka_unit_test_setup(test_wrong_options, clean),
        cmocka_unit_test_setup(test_every_page_costs_the_same, clean),
        cmocka_unit_test_setup(test_a_call_is_bounded, clean),
        cmocka_unit_test_setup(test_what_a_worker_holds, clean),
        cmocka_unit_test_setup(test_none_is_missed, clean),
        cmocka_unit_test_setup(test_actions_refused, clean),
        cmocka_unit_test_setup(test_some_fail, clean),
        cmocka_unit_test_setup(test_pause_all_parts, clean)};
    return cmocka_run_group_tests(tests, up, down);
}
