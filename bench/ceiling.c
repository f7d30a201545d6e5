/* SPDX-License-Identifier: MIT */
/* The ceiling: the raw scripts from a bare hiredis loop, one thread, no-op
 * tasks. `drain` asks for a batch, and sends its report and the next assign in
 * one write; `queue` sends batches of queue_task. Prints one JSON object.
 * The Redis it is given should be its own: it uses the group bench. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "args.h"
#include "conf.h"
#include "err.h"
#include "limits.h"
#include "lua_scripts.h"
#include "script.h"
#include "task.h"

#define GROUP    "bench"
#define FUNCTION "bench.noop"
#define WORKER   "ceiling.1.0"
#define DEPTH_MAX 16

struct ceiling {
    redisContext *redis;
    const char *what;
    char base[STINT_NAME_LEN + 32];
    long tasks, payload, batch, depth;
};

static _Noreturn void fail(const char *format, ...)
    __attribute__((format(printf, 1, 2)));

static void fail(const char *format, ...)
{
    va_list v;
    va_start(v, format);
    fputs("stint-bench-ceiling: ", stderr);
    vfprintf(stderr, format, v);
    fputc('\n', stderr);
    va_end(v);
    exit(1);
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- Calls --------------------------------------------------------------- */

/* Begins a call of a script: FCALL name 1 base protocol 0. */
static void call_begin(struct ceiling *c, struct args *a, const char *name)
{
    args_init(a);
    args_add_str(a, "FCALL");
    args_add_str(a, name);
    args_add_str(a, "1");
    args_add_str(a, c->base);
    args_add_str(a, SCRIPT_PROTOCOL);
    args_add_str(a, "0");
}

static void call_append(struct ceiling *c, struct args *a)
{
    check(!a->failed);
    if (redisAppendCommandArgv(c->redis, a->n, a->argv, a->len) != REDIS_OK)
        fail("%s", c->redis->errstr);
    args_close(a);
}

static void call_flush(struct ceiling *c)
{
    int done = 0;
    while (!done)
        if (redisBufferWrite(c->redis, &done) != REDIS_OK)
            fail("%s", c->redis->errstr);
}

static redisReply *reply_get(struct ceiling *c)
{
    void *r = NULL;
    if (redisGetReply(c->redis, &r) != REDIS_OK)
        fail("%s", c->redis->errstr);
    redisReply *reply = r;
    if (reply->type == REDIS_REPLY_ERROR)
        fail("Redis: %s", reply->str);
    return reply;
}

/* ---- Before -------------------------------------------------------------- */

static void redis_open(struct ceiling *c, const char *url)
{
    struct conf conf;
    struct stint_err err = {0};
    if (conf_parse_url(&conf, url, &err))
        fail("%s", err.text);
    if (conf.password[0] != '\0' || conf.db != 0)
        fail("a Redis without password and database is needed");
    c->redis = conf.path[0] != '\0' ? redisConnectUnix(conf.path)
                                    : redisConnect(conf.host, conf.port);
    check(c->redis != NULL);
    if (c->redis->err)
        fail("%s: %s", conf.shown, c->redis->errstr);
    const char *load[] = {"FUNCTION", "LOAD", "REPLACE", lua_library};
    const size_t len[] = {8, 4, 7, lua_library_len};
    if (redisAppendCommandArgv(c->redis, 4, load, len) != REDIS_OK)
        fail("%s", c->redis->errstr);
    freeReplyObject(reply_get(c));
}

/* CPU seconds of Redis so far. */
static double redis_cpu(struct ceiling *c)
{
    static const char *const names[] = {"used_cpu_sys:", "used_cpu_user:"};
    double s = 0;
    if (redisAppendCommand(c->redis, "INFO cpu") != REDIS_OK)
        fail("%s", c->redis->errstr);
    redisReply *r = reply_get(c);
    for (int i = 0; i < 2; i++) {
        const char *at = strstr(r->str, names[i]);
        s += at != NULL ? strtod(at + strlen(names[i]), NULL) : 0;
    }
    freeReplyObject(r);
    return s;
}

static stint_task **tasks_make(const struct ceiling *c)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors = {0};
    struct stint_err err = {0};
    char *args = malloc((size_t)c->payload + 1);
    stint_task **tasks = calloc((size_t)c->tasks, sizeof(*tasks));
    check(args != NULL && tasks != NULL);
    memset(args, 'x', (size_t)c->payload);
    memcpy(args, "[\"", 2);
    memcpy(args + c->payload - 2, "\"]", 3);
    o.function = FUNCTION;
    o.group_name = GROUP;
    o.args = args;
    for (long i = 0; i < c->tasks; i++) {
        tasks[i] = stint_task_new(&o, &errors, &err);
        if (tasks[i] == NULL)
            fail("%s", err.text);
    }
    free(args);
    return tasks;
}

/* ---- The loops ----------------------------------------------------------- */

static void queue_append(struct ceiling *c, stint_task *const *tasks, long n)
{
    struct args a;
    call_begin(c, &a, "stint_queue_task");
    args_add_str(&a, "0");
    for (long i = 0; i < n; i++) {
        args_add_str(&a, tasks[i]->id);
        args_add_str(&a, tasks[i]->function);
        args_add_str(&a, tasks[i]->start);
        args_add_str(&a, tasks[i]->stop);
        args_add_str(&a, tasks[i]->rules);
        args_add(&a, tasks[i]->rest, tasks[i]->rest_len);
    }
    call_append(c, &a);
}

static void queue_all(struct ceiling *c, stint_task *const *tasks, long batch)
{
    long sent = 0, flying = 0;
    while (sent < c->tasks || flying > 0) {
        if (sent < c->tasks && flying < c->depth) {
            long n = c->tasks - sent < batch ? c->tasks - sent : batch;
            queue_append(c, tasks + sent, n);
            call_flush(c);
            sent += n;
            flying++;
            continue;
        }
        redisReply *r = reply_get(c);
        if (reply_n(r) != 1)
            fail("tasks were refused");
        freeReplyObject(r);
        flying--;
    }
}

static void heartbeat(struct ceiling *c, const char *lease_ms)
{
    struct args a;
    call_begin(c, &a, "stint_heartbeat");
    args_add_str(&a, WORKER);
    args_add_str(&a, lease_ms);
    args_add_str(&a, "0");
    call_append(c, &a);
    freeReplyObject(reply_get(c));
}

static void assign_append(struct ceiling *c)
{
    struct args a;
    call_begin(c, &a, "stint_assign");
    args_add_str(&a, WORKER);
    args_add_str(&a, "0123456789ab");
    args_add_i64(&a, c->batch);
    args_add_str(&a, "0");
    args_add_str(&a, FUNCTION);
    call_append(c, &a);
}

/* The report of a batch that was assigned; returns how many tasks. The ticket
 * is the second and third word of the state record. */
static long report_append(struct ceiling *c, const redisReply *r)
{
    struct args a;
    long n = 0;
    call_begin(c, &a, "stint_report");
    args_add_str(&a, WORKER);
    for (size_t i = 3; i + 2 < r->elements; i += 3, n++) {
        size_t len;
        args_add(&a, r->element[i]->str, r->element[i]->len);
        const char *ticket = strchr(reply_str(r, i + 1, &len), ' ');
        check(ticket != NULL);
        const char *end = strchr(ticket + 1, ' ');
        end = end != NULL ? strchr(end + 1, ' ') : NULL;
        check(end != NULL);
        args_add(&a, ticket + 1, (size_t)(end - ticket - 1));
        args_add_str(&a, "COMPLETED");
        args_add_str(&a, "");
    }
    if (n > 0)
        call_append(c, &a);
    else
        args_close(&a);
    return n;
}

static long report_count(const redisReply *r)
{
    long n = 0;
    for (size_t i = 1; i < reply_n(r); i++) {
        size_t len;
        n += strcmp(reply_str(r, i, &len), "OK") == 0;
    }
    return n;
}

/* Returns how many tasks were reported. */
static long drain_all(struct ceiling *c)
{
    int is_report[4 * DEPTH_MAX]; /* kinds of the replies to come, a ring */
    const unsigned ring = 4 * DEPTH_MAX;
    unsigned head = 0, tail = 0;
    long done = 0, asked = 0;
    for (long i = 0; i < c->depth; i++, asked += c->batch) {
        assign_append(c);
        is_report[tail++ % ring] = 0;
    }
    call_flush(c);
    while (head != tail) {
        redisReply *r = reply_get(c);
        if (is_report[head++ % ring]) {
            done += report_count(r);
        } else if (report_append(c, r) > 0) {
            is_report[tail++ % ring] = 1;
            if (asked < c->tasks) {
                assign_append(c);
                is_report[tail++ % ring] = 0;
                asked += c->batch;
            }
            call_flush(c);
        }
        freeReplyObject(r);
    }
    return done;
}

/* ---- The program --------------------------------------------------------- */

static void ceiling_run(struct ceiling *c)
{
    int drain = strcmp(c->what, "drain") == 0;
    stint_task **tasks = tasks_make(c);
    if (drain) {
        queue_all(c, tasks, BATCH_TASKS_MAX);
        heartbeat(c, "600000");
    }
    double cpu_s = redis_cpu(c), from_s = seconds();
    if (drain) {
        long done = drain_all(c);
        if (done != c->tasks)
            fail("%ld of %ld tasks were reported", done, c->tasks);
    } else {
        queue_all(c, tasks, c->batch);
    }
    double took_s = seconds() - from_s;
    cpu_s = redis_cpu(c) - cpu_s;
    if (drain)
        heartbeat(c, "0");
    printf("{\"ceiling\":\"%s\",\"tasks\":%ld,\"payload_bytes\":%ld,"
           "\"batch\":%ld,\"depth\":%ld,\"seconds\":%.6f,"
           "\"tasks_per_s\":%.0f,\"redis_cpu_us_per_task\":%.3f}\n",
           c->what, c->tasks, c->payload, c->batch, c->depth, took_s,
           (double)c->tasks / took_s, cpu_s * 1e6 / (double)c->tasks);
    for (long i = 0; i < c->tasks; i++)
        stint_task_free(tasks[i]);
    free(tasks);
}

static long number(const char *text, long least, long most)
{
    char *end;
    errno = 0;
    long n = strtol(text, &end, 10);
    if (errno || end == text || *end != '\0' || n < least || n > most)
        fail("%s: must be %ld to %ld", text, least, most);
    return n;
}

int main(int argc, char **argv)
{
    struct ceiling c = {.tasks = 100000, .payload = 100, .batch = 250,
                        .depth = 1};
    if (argc < 3 || argc > 7 ||
        (strcmp(argv[2], "drain") != 0 && strcmp(argv[2], "queue") != 0)) {
        fputs("usage: stint-bench-ceiling URL drain|queue [TASKS [PAYLOAD "
              "[BATCH [DEPTH]]]]\n\n"
              "BATCH tasks a call (250), DEPTH calls in flight (1).\n",
              stderr);
        return 2;
    }
    c.what = argv[2];
    if (argc > 3)
        c.tasks = number(argv[3], 1, 100000000);
    if (argc > 4)
        c.payload = number(argv[4], 4, PAYLOAD_BYTES_MAX / 2);
    if (argc > 5)
        c.batch = number(argv[5], 1, BATCH_TASKS_MAX);
    if (argc > 6)
        c.depth = number(argv[6], 1, DEPTH_MAX);
    snprintf(c.base, sizeof(c.base), "{stint:%s}", GROUP);
    redis_open(&c, argv[1]);
    ceiling_run(&c);
    redisFree(c.redis);
    return fflush(stdout) != 0;
}
