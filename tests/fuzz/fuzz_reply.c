/* SPDX-License-Identifier: MIT */
/* What Redis answers to each function of the library: the first byte chooses
 * the function, the rest are the replies, one after the other, in Redis's
 * protocol; when they are used up, no further reply comes. Whatever they say:
 * a result or an error with a text. */
#include <hiredis/hiredis.h>

#include "fuzz.h"

#include "client.h"
#include "err.h"

#define CALLS_MAX 512

struct waiting {
    store_reply_fn fn;
    void *arg;
};

/* A store whose Redis is the input. */
struct fuzz_store {
    struct store pub;
    redisReader *reader;
    size_t n;
    struct waiting calls[CALLS_MAX];
};

static void fuzz_call(struct store *s, int argc, const char *const *argv,
                      const size_t *argv_len, store_reply_fn fn, void *arg)
{
    struct fuzz_store *f = (struct fuzz_store *)s;
    (void)argc, (void)argv, (void)argv_len;
    must(f->n < CALLS_MAX);
    f->calls[f->n++] = (struct waiting){fn, arg};
}

static void fuzz_wait(struct store *s)
{
    struct fuzz_store *f = (struct fuzz_store *)s;
    for (size_t i = 0; i < f->n; i++) {
        struct stint_err err = {0};
        void *reply = NULL;
        if (redisReaderGetReply(f->reader, &reply) != REDIS_OK)
            reply = NULL;
        if (reply == NULL)
            err_set(&err, STINT_UNKNOWN, "no reply came");
        f->calls[i].fn(reply, &err, f->calls[i].arg);
        if (reply != NULL)
            freeReplyObject(reply);
    }
    f->n = 0;
}

static void fuzz_pause(struct store *s, int64_t ms)
{
    (void)s, (void)ms;
}

static void fuzz_close(struct store *s)
{
    (void)s;
}

static const struct store_ops fuzz_ops = {
    .call = fuzz_call, .wait = fuzz_wait, .close = fuzz_close,
    .pause = fuzz_pause};

/* ---- The functions ------------------------------------------------------ */

static size_t text_sum(const char *text)
{
    return text != NULL ? strlen(text) : 0;
}

/* Every string of it is read. */
static void status_read(const struct stint_status *st)
{
    size_t n = text_sum(st->id) + text_sum(st->function) +
               text_sum(st->task_name) + text_sum(st->group_name) +
               text_sum(st->status) + text_sum(st->args) + text_sum(st->vars) +
               text_sum(st->worker) + text_sum(st->reason) +
               text_sum(st->result) + text_sum(st->output) +
               text_sum(st->error) + text_sum(st->progress);
    must(st->id != NULL && st->status != NULL && st->worker != NULL);
    for (size_t i = 0; i < st->n_runs; i++)
        n += text_sum(st->runs[i].run_id) + text_sum(st->runs[i].status) +
             text_sum(st->runs[i].worker) + text_sum(st->runs[i].result) +
             text_sum(st->runs[i].output) + text_sum(st->runs[i].error) +
             text_sum(st->runs[i].evidence);
    must(n < SIZE_MAX);
}

static int on_status(const struct stint_status *st, void *arg)
{
    (void)arg;
    status_read(st);
    return 0;
}

static int on_worker(const struct stint_worker_status *w, void *arg)
{
    (void)arg;
    must(text_sum(w->name) + text_sum(w->host) + text_sum(w->groups) +
             text_sum(w->status) + text_sum(w->version) + text_sum(w->shown) +
             text_sum(w->functions) <
         SIZE_MAX);
    return 0;
}

static int on_stats(const struct stint_stats *st, void *arg)
{
    (void)arg;
    must(text_sum(st->group) < SIZE_MAX);
    return 0;
}

static int on_part(int part, int parts, const struct stint_stats *st, void *arg)
{
    must(part >= 0 && part < parts);
    return on_stats(st, arg);
}

static int on_node(const struct stint_graph_node *node, void *arg)
{
    (void)arg;
    for (size_t i = 0; i < node->n_parents; i++)
        must(text_sum(node->parents[i]) > 0);
    return 0;
}

static void on_fault(const char *group, const char *fault, void *arg)
{
    (void)arg;
    must(text_sum(group) + text_sum(fault) < SIZE_MAX);
}

static int do_status(stint *s, struct stint_err *err)
{
    struct stint_status *st = stint_task_status(
        s, "main", "t", STINT_WITH_OUTPUT | STINT_WITH_RUNS, err);
    if (st != NULL)
        status_read(st);
    stint_status_free(st);
    return st != NULL ? 0 : -1;
}

static int do_locate(stint *s, struct stint_err *err)
{
    struct stint_status *st = stint_task_status(s, NULL, "t", 0, err);
    if (st != NULL)
        status_read(st);
    stint_status_free(st);
    return st != NULL ? 0 : -1;
}

static int do_list(stint *s, struct stint_err *err)
{
    return stint_list(s, NULL, on_status, NULL, err);
}

static int do_list_status(stint *s, struct stint_err *err)
{
    struct stint_list_options o = STINT_LIST_OPTIONS_INIT;
    o.group = "main";
    o.status = "RUNNING";
    o.function = "f";
    return stint_list(s, &o, on_status, NULL, err);
}

static int do_why(stint *s, struct stint_err *err)
{
    struct stint_why why;
    int rc = stint_why(s, "main", "t", &why, err);
    if (rc == 0)
        must(memchr(why.status, '\0', sizeof(why.status)) != NULL &&
             memchr(why.reason, '\0', sizeof(why.reason)) != NULL);
    return rc;
}

static int do_graph(stint *s, struct stint_err *err)
{
    return stint_graph(s, "main", "t", 50, on_node, NULL, err);
}

static int do_workers(stint *s, struct stint_err *err)
{
    return stint_workers(s, on_worker, NULL, err);
}

static int do_stats(stint *s, struct stint_err *err)
{
    return stint_stats(s, NULL, on_stats, NULL, err);
}

static int do_parts(stint *s, struct stint_err *err)
{
    return stint_parts(s, "main", on_part, NULL, err);
}

static int do_fsck(stint *s, struct stint_err *err)
{
    uint64_t n_checked, n_faults;
    return stint_fsck(s, on_fault, NULL, &n_checked, &n_faults, err);
}

static int do_exist(stint *s, struct stint_err *err)
{
    const char *const ids[] = {"a", "b", "c"};
    unsigned char there[3];
    return stint_ids_exist(s, "main", ids, 3, there, err);
}

static int do_queue(stint *s, struct stint_err *err)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    struct stint_errors errors = {0};
    char id[STINT_ID_LEN + 1];
    o.function = "f";
    o.id = "t";
    o.depends_on = "[\"a\", \"other/b\"]";
    return stint_queue_task(s, &o, id, &errors, err);
}

static int do_durable(stint *s, struct stint_err *err)
{
    struct stint_task_options o = STINT_TASK_OPTIONS_INIT;
    char id[STINT_ID_LEN + 1];
    o.function = "f";
    o.durability = "3";
    return stint_queue_task(s, &o, id, NULL, err);
}

static int do_wait(stint *s, struct stint_err *err)
{
    const char *const ids[] = {"a", "b"};
    size_t n;
    return stint_wait(s, "main", ids, 2, 0, NULL, NULL, &n, err);
}

static int do_stop(stint *s, struct stint_err *err)
{
    return stint_stop_task(s, NULL, "t", err);
}

static int do_requeue(stint *s, struct stint_err *err)
{
    return stint_requeue_task(s, "main", "t", 1, err);
}

static int do_command(stint *s, struct stint_err *err)
{
    size_t n;
    return stint_command(s, "resume", NULL, on_worker, NULL, &n, err);
}

static int do_usage(stint *s, struct stint_err *err)
{
    struct stint_server_usage u = STINT_SERVER_USAGE_INIT;
    return stint_server_usage(s, &u, err);
}

static int do_forget(stint *s, struct stint_err *err)
{
    return stint_forget_group(s, "main", NULL, err);
}

static int do_set_parts(stint *s, struct stint_err *err)
{
    return stint_set_parts(s, "main", 3, err);
}

static int (*const functions[])(stint *s, struct stint_err *err) = {
    do_status, do_locate, do_list,    do_list_status, do_why,
    do_graph,  do_workers, do_stats,  do_parts,       do_fsck,
    do_exist,  do_queue,  do_durable, do_wait,        do_stop,
    do_requeue, do_command, do_usage, do_forget,      do_set_parts};
#define FUNCTIONS (sizeof(functions) / sizeof(*functions))

/* See fuzz_arena.c. */
static int is_modest(const uint8_t *data, size_t size)
{
    size_t digits = 0;
    for (size_t i = 0; i + 1 < size; i++) {
        if (data[i] == '*' || data[i] == '$')
            digits = 0;
        digits = data[i] >= '0' && data[i] <= '9' ? digits + 1 : 0;
        if (digits > 4 && data[i + 1] == '\r')
            return 0;
    }
    return 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_store store;
    struct stint s = {0};
    struct stint_err err = {0};
    if (size < 1 || !is_modest(data + 1, size - 1))
        return 0;
    store = (struct fuzz_store){.pub = {&fuzz_ops}};
    store.reader = redisReaderCreate();
    must(store.reader != NULL);
    must(redisReaderFeed(store.reader, (const char *)data + 1, size - 1) ==
         REDIS_OK);
    s.store = &store.pub;
    s.learnt = &s.own;
    script_caller_init(&s.caller, s.store, "stint");
    if (functions[data[0] % FUNCTIONS](&s, &err) < 0)
        must(err.code != STINT_OK && err.text[0] != '\0');
    learnt_close(&s.own);
    redisReaderFree(store.reader);
    return 0;
}
