/* SPDX-License-Identifier: MIT */
/* What of events is kept: how many of a group, and where a reader is. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <string.h>

#include "err.h"
#include "part.h"
#include "parts.h"
#include "task.h"

int stint_keep_events(stint *s, const char *group, int64_t keep,
                      struct stint_err *err)
{
    if (group == NULL || !task_group_is_valid(group, strlen(group)))
        return err_set(err, STINT_INVALID, "there is no such group name");
    if (parts_refresh(s, group, err) < 0)
        return -1;
    for (int k = 0; k < parts_of(s, group); k++) {
        group_name base;
        struct args a;
        part_name(base, group, k);
        args_init(&a);
        args_add_i64(&a, keep);
        struct redisReply *r =
            client_call(s, SCRIPT_KEEP_EVENTS, base, &a, err);
        args_close(&a);
        if (r == NULL)
            return -1;
        client_reply_free(r);
    }
    return 0;
}

int stint_event_reader(stint *s, const char *name, const char *who,
                       int64_t lease_ms, const char *at,
                       char cursor[STINT_CURSOR_LEN + 1],
                       struct stint_err *err)
{
    struct args a;
    size_t len;
    args_init(&a);
    args_add_str(&a, name);
    args_add_str(&a, who);
    args_add_i64(&a, lease_ms);
    args_add_str(&a, at != NULL ? at : "");
    struct redisReply *r =
        client_call(s, SCRIPT_FLEET_READER, NULL, &a, err);
    args_close(&a);
    if (r == NULL)
        return -1;
    int held = strcmp(reply_str(r, 1, &len), "HELD") == 0;
    snprintf(cursor, STINT_CURSOR_LEN + 1, "%s", reply_str(r, 2, &len));
    client_reply_free(r);
    return held;
}
