/* SPDX-License-Identifier: MIT */
/* Level 2 is Redis's own doing: with appendfsync always it answers when the
 * call is on its disk. Replicas are waited for with WAIT on the connection that
 * queued. A promise that Redis's settings cannot keep is refused. */
#include "durability.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "limits.h"

/* One setting of Redis. -1: err. */
static int setting_get(struct stint *s, const char *name, char value[64],
                       struct stint_err *err)
{
    struct client_answer answer = {0};
    struct args a;
    size_t len;
    args_init(&a);
    args_add_str(&a, "CONFIG");
    args_add_str(&a, "GET");
    args_add_str(&a, name);
    script_command(&s->caller, &a, client_keep, &answer);
    s->store->ops->wait(s->store);
    args_close(&a);
    if (answer.reply == NULL)
        return err_set(err, answer.err.code, "%s", answer.err.text);
    int known = reply_n(answer.reply) == 2;
    snprintf(value, 64, "%s", known ? reply_str(answer.reply, 1, &len) : "");
    client_reply_free(answer.reply);
    if (!known)
        return err_set(err, STINT_INVALID, "durability: Redis does not let us "
                       "see its setting %s (CONFIG GET)", name);
    return 0;
}

static int disk_check(struct stint *s, struct stint_err *err)
{
    char value[64];
    if (setting_get(s, "appendonly", value, err))
        return -1;
    if (strcmp(value, "yes") != 0)
        return err_set(err, STINT_INVALID, "durability: Redis has no "
                       "append-only file (appendonly %s)", value);
    if (setting_get(s, "appendfsync", value, err))
        return -1;
    if (strcmp(value, "always") != 0)
        return err_set(err, STINT_INVALID, "durability: Redis does not sync "
                       "each write (appendfsync is %s, not always)", value);
    return 0;
}

int durability_check(struct stint *s, const struct durability *d,
                     struct stint_err *err)
{
    char value[64];
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
 * since the tasks were queued. So a write goes before it in the same flight:
 * replicas that have that have all before. */
static void write_send(struct stint *s, const char *group,
                       struct client_answer *answer)
{
    struct args a;
    args_init(&a);
    args_add_str(&a, ""); /* no worker: it names the group */
    args_add_str(&a, "{}");
    args_add_str(&a, "0");
    args_add_str(&a, group);
    script_call(&s->caller, SCRIPT_FLEET_HEARTBEAT, NULL, &a, client_keep,
                answer);
    args_close(&a);
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
    int known = answer.reply != NULL && written.reply != NULL;
    client_reply_free(written.reply);
    if (!known) {
        client_reply_free(answer.reply);
        return err_set(err, STINT_UNKNOWN, "queued, but whether replicas have "
                       "it is not known: %.110s",
                       written.err.code ? written.err.text : answer.err.text);
    }
    int64_t n = answer.reply->type == REDIS_REPLY_INTEGER
                    ? answer.reply->integer
                    : 0;
    client_reply_free(answer.reply);
    if (n < d->replicas)
        return err_set(err, STINT_UNKNOWN, "queued, but only %d of %d "
                       "replicas have confirmed it", (int)n, d->replicas);
    return 0;
}
