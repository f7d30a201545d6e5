/* SPDX-License-Identifier: MIT */
/* Forgetting a group: `prune` is told a time at which every retention is over.
 * It only ever removes what has ended, so live tasks are safe whatever the
 * time. What is no task of the group's is left for last, and is such that
 * losing it to somebody who queues just then does no harm: counts, the marker
 * (the reaper puts it back) and the name (workers and queueing write it). */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "bounds.h"
#include "client.h"
#include "err.h"
#include "lua_scripts.h"
#include "part.h"
#include "parts.h"
#include "task.h"

/* In ms, and its µs are below 2^53 as Lua needs it: in the year 2255. */
#define END_OF_TIME "9007199254740"

/* Sends one command; -1: err. *moved, *more: of prune's answer. */
static int forget_send(struct stint *s, const struct args *a, int64_t *moved,
                       int *more, struct stint_err *err)
{
    struct client_answer answer = {0};
    script_command(&s->caller, a, client_keep, &answer);
    s->store->ops->wait(s->store);
    if (answer.reply == NULL)
        return err_set(err, answer.err.code, "%s", answer.err.text);
    if (answer.reply->type == REDIS_REPLY_ERROR) {
        err_from_reply(err, answer.reply->str, answer.reply->len);
        client_reply_free(answer.reply);
        return -1;
    }
    if (moved != NULL) {
        *moved = reply_i64(answer.reply, 1);
        *more = reply_i64(answer.reply, 2) == 1;
    }
    client_reply_free(answer.reply);
    return 0;
}

/* script_call always says "now"; so the call is made by hand. */
static int forget_step(struct stint *s, const char *base, int64_t *moved,
                       int *more, struct stint_err *err)
{
    const struct lua_script *prune = &lua_scripts[SCRIPT_PRUNE];
    char name[64];
    struct args a;
    snprintf(name, sizeof(name), "stint_%s", prune->name);
    args_init(&a);
    args_add_str(&a, s->caller.no_functions ? "EVALSHA" : "FCALL");
    args_add_str(&a, s->caller.no_functions ? prune->sha1 : name);
    args_add_str(&a, "1");
    args_add_str(&a, base);
    args_add_str(&a, SCRIPT_PROTOCOL);
    args_add_str(&a, END_OF_TIME);
    args_add_i64(&a, REAP_TASKS_MAX);
    args_add_str(&a, "0"); /* ended tasks to be kept */
    int rc = forget_send(s, &a, moved, more, err);
    args_close(&a);
    return rc;
}

struct forgotten {
    int64_t retained, in_use;
};

static int forget_see(const struct stint_stats *t, void *arg)
{
    struct forgotten *f = arg;
    f->retained = t->retained;
    f->in_use = t->queued + t->unknown + t->disabled + t->assigned +
                t->running + t->waiting + t->broadcasts + t->workers;
    return 0;
}

/* `name`: of the part. */
static int forget_rest(struct stint *s, const char *name, const char *base,
                       struct stint_err *err)
{
    static const char *const kinds[] = {
        "ended", "large", "events", "settings", "measures", "history:hour",
        "history:day", "history:month"};
    enum { KINDS_N = sizeof(kinds) / sizeof(kinds[0]) };
    char key[KINDS_N][2 * STINT_NAME_LEN + 24], wake[2 * STINT_NAME_LEN + 24];
    struct args a;
    script_wake_key(&s->caller, wake, sizeof(wake), name, NULL);
    args_init(&a);
    args_add_str(&a, "UNLINK");
    args_add_str(&a, wake);
    for (int i = 0; i < KINDS_N; i++) {
        snprintf(key[i], sizeof(key[i]), "%s:%s", base, kinds[i]);
        args_add_str(&a, key[i]);
    }
    int rc = forget_send(s, &a, NULL, NULL, err);
    args_close(&a);
    return rc;
}

/* The fleet forgets the name; who queues to it registers it anew. */
static int forget_name(struct stint *s, const char *group,
                       struct stint_err *err)
{
    char groups[STINT_NAME_LEN + 24];
    struct args a;
    struct group_known *row = parts_row(s, group);
    snprintf(groups, sizeof(groups), "{%s}:groups", s->caller.base);
    args_init(&a);
    args_add_str(&a, "ZREM");
    args_add_str(&a, groups);
    args_add_str(&a, group);
    int rc = forget_send(s, &a, NULL, NULL, err);
    args_close(&a);
    if (row != NULL)
        row->registered = 0;
    return rc;
}

/* Ended tasks of a part, in bounded steps; all of them are added to *n. */
static int forget_part(struct stint *s, const char *base, int64_t retained,
                       uint64_t *n, struct stint_err *err)
{
    int64_t moved = 0;
    int more = 1;
    /* Ids kept without a task are not among `retained`. */
    for (int64_t steps = 4 * retained / REAP_TASKS_MAX + 4000;
         more && steps > 0; steps--) {
        if (forget_step(s, base, &moved, &more, err))
            return -1;
        *n += (uint64_t)moved;
    }
    return 0;
}

/* Of each part: what has ended, or (`rest`) what is no task. */
static int forget_parts(struct stint *s, const char *group, int rest,
                        int64_t retained, uint64_t *n, struct stint_err *err)
{
    char name[STINT_NAME_LEN + 1], base[2 * STINT_NAME_LEN + 16];
    int rc = 0;
    for (int k = 0; k < parts_of(s, group) && rc == 0; k++) {
        part_name(name, group, k);
        snprintf(base, sizeof(base), "{%s:%s}", s->caller.base, name);
        rc = rest ? forget_rest(s, name, base, err)
                  : forget_part(s, base, retained, n, err);
    }
    return rc;
}

int stint_forget_group(stint *s, const char *group, uint64_t *n,
                       struct stint_err *err)
{
    struct forgotten f = {0};
    uint64_t total = 0;
    if (group == NULL || !task_group_is_valid(group, strlen(group)))
        return err_set(err, STINT_INVALID, "there is no such group name");
    if (parts_refresh(s, group, err) < 0 ||
        stint_stats(s, group, forget_see, &f, err) ||
        forget_parts(s, group, 0, f.retained, &total, err))
        return -1;
    if (n != NULL)
        *n = total;
    if (stint_stats(s, group, forget_see, &f, err))
        return -1;
    if (f.in_use > 0 || f.retained > 0)
        return 0;
    return forget_parts(s, group, 1, 0, NULL, err) ||
                   forget_name(s, group, err) ? -1 : 0;
}
