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

const char *info_find(const char *text, const char *name)
{
    size_t len = strlen(name);
    while (text != NULL && *text != '\0') {
        if (strncmp(text, name, len) == 0 && text[len] == ':')
            return text + len + 1;
        text = strchr(text, '\n');
        text = text != NULL ? text + 1 : NULL;
    }
    return NULL;
}

int64_t info_add(int64_t n, int64_t more)
{
    return more < 0 || more > INFO_COUNT_MAX - n ? INFO_COUNT_MAX : n + more;
}

int64_t info_count(const char *text, const char *name)
{
    int64_t n = 0;
    while ((text = info_find(text, name)) != NULL)
        n = info_add(n, strtoll(text, NULL, 10));
    return n;
}

int info_text(const char *text, const char *name, char *to, size_t cap)
{
    const char *at = info_find(text, name);
    snprintf(to, cap, "%.*s", at != NULL ? (int)strcspn(at, "\r\n") : 0,
             at != NULL ? at : "");
    return at != NULL;
}
