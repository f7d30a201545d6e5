/* SPDX-License-Identifier: MIT */
/* Pausing a group: each of its parts is told, and each holds what it has. A call
 * that failed in the middle may be repeated. */
#include <hiredis/hiredis.h>
#include <string.h>

#include "err.h"
#include "part.h"
#include "parts.h"
#include "task.h"

static int group_tell(struct stint *s, enum script_id script,
                      const char *group, struct stint_err *err)
{
    if (group == NULL || !task_group_is_valid(group, strlen(group)))
        return err_set(err, STINT_INVALID, "there is no such group name");
    if (parts_refresh(s, group, err) < 0 || client_register(s, group, err))
        return -1;
    for (int k = 0; k < parts_of(s, group); k++) {
        group_name base;
        struct args a;
        part_name(base, group, k);
        args_init(&a);
        struct redisReply *r = client_call(s, script, base, &a, err);
        args_close(&a);
        if (r == NULL)
            return -1;
        client_reply_free(r);
    }
    return 0;
}

int stint_pause_group(stint *s, const char *group, struct stint_err *err)
{
    return group_tell(s, SCRIPT_PAUSE_GROUP, group, err);
}

int stint_resume_group(stint *s, const char *group, struct stint_err *err)
{
    return group_tell(s, SCRIPT_RESUME_GROUP, group, err);
}
