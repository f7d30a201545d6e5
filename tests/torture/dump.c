/* SPDX-License-Identifier: MIT */
/* Reads the keys by themselves, not through the scripts that wrote them; what
 * belongs together is judged by fsck besides. */
#include "dump.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stint/stint.h>

#include "task.h"

#define GROUP "{stint:main}"

static void dump_run(const struct history *h, const char *id, int status,
                     uint64_t fence, int64_t start_ms, int64_t stop_ms, int nth)
{
    history_add(h, HISTORY_FINAL_RUN, OUTCOME_NONE, id, fence, 0, status,
                start_ms * 1000, stop_ms * 1000, nth);
}

/* Earlier runs, oldest first: the list has the newest first. */
static int dump_runs(struct node *node, const struct history *h, const char *id)
{
    struct redisReply *r = node_command(node, "LRANGE " GROUP ":run:%s 0 -1",
                                        id);
    int n = 0;
    for (size_t i = r != NULL ? r->elements : 0; i-- > 0;) {
        char status[16];
        uint64_t fence;
        int64_t start_ms, stop_ms;
        if (sscanf(r->element[i]->str,
                   "%15s %" SCNu64 " %*s %" SCNd64 " %" SCNd64, status, &fence,
                   &start_ms, &stop_ms) == 4)
            dump_run(h, id, history_status(status, strlen(status)), fence,
                     start_ms, stop_ms, n++);
    }
    freeReplyObject(r);
    return n;
}

static void dump_task(struct node *node, const struct history *h,
                      const char *id, const char *task,
                      const struct redisReply *record, struct dump *d)
{
    struct task_state st;
    if (strcmp(task, "-") == 0) { /* pruned: it had ended, the id is kept */
        history_add(h, HISTORY_FINAL, OUTCOME_NONE, id, 0, 0, HS_NONE, 0, 0, 0);
        d->n_tasks++;
        d->by_status[HS_NONE]++;
        return;
    }
    const char *text = record->type == REDIS_REPLY_STRING ? record->str : NULL;
    if (task_state_decode(&st, text, text != NULL ? record->len : 0) < 0) {
        d->n_faults++;
        history_add(h, HISTORY_FINAL_FAULT, OUTCOME_NONE, id, 0, 0, 0, 0, 0, 0);
        return;
    }
    int status = history_status(st.status, strlen(st.status));
    const char *token = strchr(st.ticket, ' ');
    uint64_t hash = token != NULL && strcmp(token, " -") != 0
                        ? history_hash(token + 1, strlen(token + 1))
                        : 0;
    history_add(h, HISTORY_FINAL, OUTCOME_NONE, id, st.fence, hash, status,
                st.times_run, st.times_failed, st.lost);
    d->n_tasks++;
    d->by_status[status]++;
    int n = dump_runs(node, h, id);
    if (st.start_ms > 0 && status >= HS_COMPLETED)
        dump_run(h, id, status, st.fence, st.start_ms, st.stop_ms, n);
}

static int dump_some(struct node *node, const struct history *h,
                     const struct redisReply *ids, struct dump *d)
{
    for (size_t i = 0; i + 1 < ids->elements; i += 2) {
        const char *id = ids->element[i]->str;
        struct redisReply *r = node_command(node, "HGET " GROUP ":state %s",
                                            id);
        if (r == NULL || r->type == REDIS_REPLY_ERROR) {
            freeReplyObject(r);
            return -1;
        }
        dump_task(node, h, id, ids->element[i + 1]->str, r, d);
        freeReplyObject(r);
    }
    return 0;
}

static int dump_tasks(struct node *node, const struct history *h,
                      struct dump *d)
{
    char cursor[32] = "0";
    do {
        struct redisReply *r = node_command(
            node, "HSCAN " GROUP ":task %s COUNT 500", cursor);
        if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements != 2) {
            freeReplyObject(r);
            return -1;
        }
        snprintf(cursor, sizeof(cursor), "%s", r->element[0]->str);
        int rc = dump_some(node, h, r->element[1], d);
        freeReplyObject(r);
        if (rc < 0)
            return -1;
    } while (strcmp(cursor, "0") != 0);
    return 0;
}

/* Keys that may be there when all has ended and everybody has left. A part of
 * a name followed by '*' stands for what begins so. */
static int key_is_known(const char *key)
{
    static const char *const known[] = {
        ":task", ":state", ":finished", ":ids", ":run", ":run:*", ":ended",
        ":wake", ":wake:*", ":large", ":children:*", ":levels", ":measures",
        ":history:*"};
    if (strncmp(key, "{stint}", 7) == 0)
        return 1;
    if (strncmp(key, GROUP, strlen(GROUP)) != 0)
        return 0;
    key += strlen(GROUP);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        size_t n = strcspn(known[i], "*");
        if (strncmp(key, known[i], n) == 0 &&
            (known[i][n] == '*' || key[n] == '\0'))
            return 1;
    }
    return 0;
}

static int dump_keys(struct node *node, struct dump *d)
{
    char cursor[32] = "0";
    do {
        struct redisReply *r = node_command(node, "SCAN %s COUNT 1000", cursor);
        if (r == NULL || r->type != REDIS_REPLY_ARRAY || r->elements != 2) {
            freeReplyObject(r);
            return -1;
        }
        snprintf(cursor, sizeof(cursor), "%s", r->element[0]->str);
        for (size_t i = 0; i < r->element[1]->elements; i++) {
            const char *key = r->element[1]->element[i]->str;
            if (key_is_known(key))
                continue;
            if (d->n_strange++ < 10)
                fprintf(stderr, "torture: a key without an owner: %s\n", key);
        }
        freeReplyObject(r);
    } while (strcmp(cursor, "0") != 0);
    return 0;
}

struct fsck_sink {
    const struct history *h;
    struct dump *d;
};

static void dump_on_fault(const char *group, const char *fault, void *arg)
{
    struct fsck_sink *sink = arg;
    if (sink->d->n_faults++ < 20)
        fprintf(stderr, "torture: fsck: %s: %s\n", group, fault);
    history_add(sink->h, HISTORY_FINAL_FAULT, OUTCOME_NONE, NULL, 0, 0, 0, 0, 0,
                0);
}

static int dump_fsck(struct node *node, const struct history *h,
                     struct dump *d)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    struct fsck_sink sink = {h, d};
    char url[400];
    uint64_t checked, faults;
    snprintf(url, sizeof(url), "unix://%s/redis.sock", node->dir);
    o.url = url;
    stint *s = stint_open(&o, &err);
    int rc = s != NULL ? stint_fsck(s, dump_on_fault, &sink, &checked, &faults,
                                    &err)
                       : -1;
    if (rc < 0)
        fprintf(stderr, "torture: fsck: %s\n", err.text);
    stint_close(s);
    return rc;
}

int dump_all(struct node *node, const struct history *h, struct dump *d)
{
    int64_t memory = 0;
    memset(d, 0, sizeof(*d));
    if (dump_tasks(node, h, d) < 0 || dump_keys(node, d) < 0 ||
        dump_fsck(node, h, d) < 0) {
        fprintf(stderr, "torture: Redis could not be read\n");
        return -1;
    }
    struct redisReply *r = node_command(node, "INFO memory");
    const char *p = r != NULL && r->str != NULL ? strstr(r->str, "used_memory:")
                                                : NULL;
    if (p != NULL)
        memory = strtoll(p + 12, NULL, 10);
    freeReplyObject(r);
    history_add(h, HISTORY_FINAL_KEYS, OUTCOME_NONE, NULL, 0, 0, d->n_strange,
                memory, 0, 0);
    return 0;
}
