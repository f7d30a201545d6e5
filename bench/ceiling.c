/* SPDX-License-Identifier: MIT */
/* The ceiling: the raw scripts from a bare hiredis loop, one thread, no-op
 * tasks. `drain` asks for a batch, and sends its report and the next assign in
 * one write; `queue` sends batches of queue_task. Prints one JSON object.
 * It uses the group bench of a namespace of its own, removes that group's keys
 * before and after, and touches nothing else. */
#include <errno.h>
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "bounds.h"
#include "ceiling.h"
#include "err.h"
#include "script.h"
#include "task.h"

#define GROUP     "bench"
#define FUNCTION  "bench.noop"
#define SAID      "COMPLETED @" FUNCTION /* as a worker reports it */
#define DEPTH_MAX 16

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* ---- Before ------------------------------------------------------------- */

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
        args_add(&a, tasks[i]->text, tasks[i]->text_len);
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
    args_add_str(&a, CEILING_WORKER);
    args_add_str(&a, lease_ms);
    args_add_str(&a, "0");
    call_append(c, &a);
    freeReplyObject(reply_get(c));
}

static void assign_append(struct ceiling *c)
{
    struct args a;
    call_begin(c, &a, "stint_assign");
    args_add_str(&a, CEILING_WORKER);
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
    args_add_str(&a, CEILING_WORKER);
    for (size_t i = 3; i + 2 < r->elements; i += 3, n++) {
        size_t len;
        args_add(&a, r->element[i]->str, r->element[i]->len);
        const char *ticket = strchr(reply_str(r, i + 1, &len), ' ');
        check(ticket != NULL);
        const char *end = strchr(ticket + 1, ' ');
        end = end != NULL ? strchr(end + 1, ' ') : NULL;
        check(end != NULL);
        args_add(&a, ticket + 1, (size_t)(end - ticket - 1));
        args_add_str(&a, SAID);
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

static _Noreturn void usage(void)
{
    fputs("usage: stint-bench-ceiling [-n NAMESPACE] URL drain|queue [TASKS "
          "[PAYLOAD\n                           [BATCH [DEPTH]]]]\n\n"
          "URL -: that of STINT_URL, or the embedded Redis. BATCH tasks a "
          "call (250),\nDEPTH calls in flight (1). The group bench of "
          "NAMESPACE (stint.ceiling) is\nremoved before and after.\n",
          stderr);
    exit(2);
}

/* The words after the URL. */
static void arguments_take(struct ceiling *c, int n, char **words)
{
    if (n < 1 || n > 5 ||
        (strcmp(words[0], "drain") != 0 && strcmp(words[0], "queue") != 0))
        usage();
    c->what = words[0];
    if (n > 1)
        c->tasks = number(words[1], 1, 100000000);
    if (n > 2)
        c->payload = number(words[2], 4, PAYLOAD_BYTES_MAX / 2);
    if (n > 3)
        c->batch = number(words[3], 1, BATCH_TASKS_MAX);
    if (n > 4)
        c->depth = number(words[4], 1, DEPTH_MAX);
}

int main(int argc, char **argv)
{
    struct ceiling c = {.tasks = 100000, .payload = 100, .batch = 250,
                        .depth = 1, .name_space = "stint.ceiling"};
    for (int o; (o = getopt(argc, argv, "n:")) != -1;) {
        if (o != 'n')
            usage();
        c.name_space = optarg;
    }
    if (!task_group_is_valid(c.name_space, strlen(c.name_space)))
        fail("NAMESPACE: must be 1 to 128 of A-Za-z0-9_.-");
    if (optind >= argc)
        usage();
    arguments_take(&c, argc - optind - 1, argv + optind + 1);
    snprintf(c.base, sizeof(c.base), "{%s:%s}", c.name_space, GROUP);
    redis_open(&c, argv[optind]);
    keys_remove(&c);
    ceiling_run(&c);
    keys_remove(&c);
    redisFree(c.redis);
    return fflush(stdout) != 0;
}
