/* SPDX-License-Identifier: MIT */
#include "ask.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"

struct redisReply *ask_server(struct stint *s, const char *command,
                              const char *arg, const char *arg2,
                              struct stint_err *err)
{
    struct client_answer answer = {0};
    struct args a;
    args_init(&a);
    args_add_str(&a, command);
    if (arg != NULL)
        args_add_str(&a, arg);
    if (arg2 != NULL)
        args_add_str(&a, arg2);
    script_command(&s->caller, &a, client_keep, &answer);
    s->store->ops->wait(s->store);
    args_close(&a);
    if (answer.reply == NULL) {
        err_set(err, answer.err.code, "%s", answer.err.text);
    } else if (answer.reply->type == REDIS_REPLY_ERROR) {
        err_set(err, STINT_REDIS, "%s: %.150s", command, answer.reply->str);
        client_reply_free(answer.reply);
        answer.reply = NULL;
    }
    return answer.reply;
}

int ask_setting(struct stint *s, const char *name, char value[SETTING_CAP],
                struct stint_err *err)
{
    size_t len;
    struct redisReply *r = ask_server(s, "CONFIG", "GET", name, err);
    if (r == NULL)
        return err->code == STINT_REDIS ? 0 : -1;
    int known = reply_n(r) == 2;
    snprintf(value, SETTING_CAP, "%s", known ? reply_str(r, 1, &len) : "");
    if (!known)
        err_set(err, STINT_REDIS, "CONFIG GET: there is no setting %s", name);
    client_reply_free(r);
    return known;
}
