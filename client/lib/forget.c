/* SPDX-License-Identifier: MIT */
/* Forgetting a group: `prune` is told a time at which every retention is over.
 * It only ever removes what has ended, so live tasks are safe whatever the
 * time. What is no task of the group's is left for last, and is such that
 * losing it to somebody who queues just then does no harm: counts, the marker
 * (the reaper puts it back) and the name (workers and queueing write it). */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "err.h"
#include "limits.h"
#include "lua_scripts.h"
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
        err_set(err, STINT_REDIS, "%.150s", answer.reply->str);
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

static int forget_rest(struct stint *s, const char *group, const char *base,
                       struct stint_err *err)
{
    char ended[2 * STINT_NAME_LEN + 24], wake[2 * STINT_NAME_LEN + 24];
    char groups[STINT_NAME_LEN + 24];
    struct args a;
    snprintf(ended, sizeof(ended), "%s:ended", base);
    script_wake_key(&s->caller, wake, sizeof(wake), group, NULL);
    snprintf(groups, sizeof(groups), "{%s}:groups", s->caller.base);
    args_init(&a);
    args_add_str(&a, "UNLINK");
    args_add_str(&a, ended);
    args_add_str(&a, wake);
    int rc = forget_send(s, &a, NULL, NULL, err);
    args_close(&a);
    if (rc)
        return rc;
    args_init(&a);
    args_add_str(&a, "ZREM");
    args_add_str(&a, groups);
    args_add_str(&a, group);
    rc = forget_send(s, &a, NULL, NULL, err);
    args_close(&a);
    for (size_t i = 0; i < s->n_groups; i++)
        if (strcmp(s->groups[i], group) == 0) /* to be registered anew */
            memmove(s->groups[i], s->groups[--s->n_groups],
                    sizeof(group_name));
    return rc;
}

int stint_forget_group(stint *s, const char *group, uint64_t *n,
                       struct stint_err *err)
{
    char base[2 * STINT_NAME_LEN + 16];
    struct forgotten f = {0};
    int64_t moved = 0, total = 0;
    int more = 1;
    if (group == NULL || !task_group_is_valid(group, strlen(group)))
        return err_set(err, STINT_INVALID, "there is no such group name");
    snprintf(base, sizeof(base), "{%s:%s}", s->caller.base, group);
    if (stint_stats(s, group, forget_see, &f, err))
        return -1;
    /* Ids kept without a task are not among `retained`. */
    int64_t steps = 4 * f.retained / REAP_TASKS_MAX + 4000;
    for (; more && steps > 0; steps--) {
        if (forget_step(s, base, &moved, &more, err))
            return -1;
        total += moved;
    }
    if (n != NULL)
        *n = (uint64_t)total;
    if (stint_stats(s, group, forget_see, &f, err))
        return -1;
    if (f.in_use > 0 || f.retained > 0)
        return 0;
    return forget_rest(s, group, base, err);
}
