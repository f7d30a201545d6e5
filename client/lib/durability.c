/* SPDX-License-Identifier: MIT */
/* Level 2 is Redis's own doing: with appendfsync always it answers when the
 * call is on its disk. Replicas are waited for with WAIT on the connection that
 * queued. A promise that Redis's settings cannot keep is refused. In a cluster
 * CONFIG GET and WAIT go to all primaries: all must be set up for it alike, and
 * the least number of replicas counts. */
#include "durability.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "bounds.h"
#include "err.h"

/* One setting that a promise needs. -1: err. */
static int setting_get(struct stint *s, const char *name,
                       char value[SETTING_CAP], struct stint_err *err)
{
    struct stint_err why = {0};
    int rc = ask_setting(s, name, value, &why);
    if (rc > 0)
        return 0;
    if (rc == 0)
        return err_set(err, STINT_INVALID, "durability: Redis does not let us "
                       "see its setting %s: %.150s", name, why.text);
    /* UNKNOWN would say that it may be queued. */
    return err_set(err, why.code == STINT_UNKNOWN ? STINT_UNREACHABLE
                                                  : why.code,
                   "%s", why.text);
}

static int disk_check(struct stint *s, struct stint_err *err)
{
    char value[SETTING_CAP];
    if (setting_get(s, "appendonly", value, err))
        return -1;
    if (strcmp(value, "yes") != 0)
        return err_set(err, STINT_INVALID, "durability: Redis has no "
                       "append-only file (appendonly %.20s)", value);
    if (setting_get(s, "appendfsync", value, err))
        return -1;
    if (strcmp(value, "always") != 0)
        return err_set(err, STINT_INVALID, "durability: Redis does not sync "
                       "each write (appendfsync is %.20s, not always)", value);
    return 0;
}

int durability_check(struct stint *s, const struct durability *d,
                     struct stint_err *err)
{
    char value[SETTING_CAP];
    if (d->level >= 2 && disk_check(s, err))
        return -1;
    if (d->level < 3)
        return 0;
    if (setting_get(s, "min-replicas-to-write", value, err))
        return -1;
    if (strtol(value, NULL, 10) < 1)
        return err_set(err, STINT_INVALID, "durability: Redis takes writes "
                       "without replicas (min-replicas-to-write is 0)");
    return 0;
}

/* WAIT speaks of the writes of its own connection, and ours may be a new one
 * since the tasks were queued. So a write goes before it in the same flight, to
 * where the group is: replicas that have that have all before. */
static void write_send(struct stint *s, const char *group,
                       struct client_answer *answer)
{
    char key[2 * STINT_NAME_LEN + 32];
    struct args a;
    script_written_key(&s->caller, key, sizeof(key), group);
    args_init(&a);
    args_add_str(&a, "SET");
    args_add_str(&a, key);
    args_add_str(&a, "1");
    args_add_str(&a, "PX"); /* it goes by itself */
    args_add_str(&a, "1000");
    script_command(&s->caller, &a, client_keep, answer);
    args_close(&a);
}

/* What queued, but not confirmed, is answered with. */
static int wait_failed(const struct client_answer *a, struct stint_err *err)
{
    const struct redisReply *r = a->reply;
    int refused = r != NULL && r->type == REDIS_REPLY_ERROR;
    if (r != NULL && !refused)
        return 0;
    err_set(err, STINT_UNKNOWN, "queued, but whether replicas have it is not "
            "known: %.110s", refused ? r->str : a->err.text);
    return -1;
}

int durability_wait(struct stint *s, const struct durability *d,
                    const char *group, struct stint_err *err)
{
    struct client_answer answer = {0}, written = {0};
    struct args a;
    if (d->replicas == 0)
        return 0;
    int64_t ms = s->timeout_ms < CALL_DEADLINE_MS ? s->timeout_ms
                                                  : CALL_DEADLINE_MS;
    write_send(s, group, &written);
    args_init(&a);
    args_add_str(&a, "WAIT");
    args_add_i64(&a, d->replicas);
    args_add_i64(&a, ms * 8 / 10); /* its answer is to come in time */
    script_command(&s->caller, &a, client_keep, &answer);
    s->store->ops->wait(s->store);
    args_close(&a);
    int failed = wait_failed(&written, err) || wait_failed(&answer, err);
    int64_t n = answer.reply != NULL ? answer.reply->integer : 0;
    client_reply_free(written.reply);
    client_reply_free(answer.reply);
    if (failed)
        return -1;
    if (n < d->replicas)
        return err_set(err, STINT_UNKNOWN, "queued, but only %d of %d "
                       "replicas have confirmed it", (int)n, d->replicas);
    return 0;
}
