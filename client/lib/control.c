/* SPDX-License-Identifier: MIT */
/* Changing a task by its id: one call each. The rules decide what is possible;
 * here a call that was repeated, because its answer got lost, is told that it
 * has found its own work. */
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "clock.h"
#include "control.h"
#include "err.h"
#include "parts.h"
#include "status.h"

/* Does `text` end in one of the states (a blank before and between them)? */
static int state_is_one_of(const char *text, const char *states)
{
    const char *word = strrchr(text, ' ');
    const char *at = word != NULL ? strstr(states, word) : NULL;
    size_t len = word != NULL ? strlen(word) : 0;
    return at != NULL && (at[len] == ' ' || at[len] == '\0');
}

int control_is_own(const struct stint_err *why, const char *done)
{
    return (why->code == STINT_STATE && state_is_one_of(why->text, done)) ||
           (why->code == STINT_NOT_FOUND && strcmp(done, " GONE") == 0);
}

void control_mark(char mark[static CONTROL_MARK_CAP])
{
    uint64_t random;
    if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
        random = (uint64_t)clock_mono_us() * UINT64_C(0x9e3779b97f4a7c15);
    snprintf(mark, CONTROL_MARK_CAP, "%" PRIu64, random & 0xffffffffffff);
}

/* Once. arg, mark: after the id, or NULL. done: the states in which a repeated
 * call finds the task when the first one worked; "GONE": it is no more. Fills
 * word (may be NULL) with the script's. */
static int change_once(struct stint *s, enum script_id script,
                       const char *group, const char *id, const char *arg,
                       const char *mark, const char *done,
                       char word[static 16],
                       struct stint_err *err)
{
    group_name in;
    struct stint_err why = {0};
    struct args a;
    size_t len;
    if (status_locate(s, group, id, in, err))
        return -1;
    args_init(&a);
    args_add_str(&a, id);
    if (arg != NULL)
        args_add_str(&a, arg);
    if (mark != NULL)
        args_add_str(&a, mark);
    struct redisReply *r = client_call(s, script, in, &a, &why);
    args_close(&a);
    if (r != NULL) {
        snprintf(word, 16, "%s", reply_str(r, 1, &len));
        client_reply_free(r);
        return 0;
    }
    snprintf(word, 16, "AGAIN");
    if (s->tries > 1 && control_is_own(&why, done))
        return 0;
    if (why.code == STINT_NOT_FOUND)
        return err_set(err, why.code, "there is no task %.128s", id);
    return err_set(err, why.code, "%s", why.text);
}

static int task_change(struct stint *s, enum script_id script,
                       const char *group, const char *id, const char *arg,
                       const char *mark, const char *done,
                       char word[static 16],
                       struct stint_err *err)
{
    int rc = change_once(s, script, group, id, arg, mark, done, word, err);
    if (rc && parts_look_again(s, group, err))
        rc = change_once(s, script, group, id, arg, mark, done, word, err);
    return rc;
}

int stint_stop_task(stint *s, const char *group, const char *id,
                    struct stint_err *err)
{
    char word[16];
    if (task_change(s, SCRIPT_STOP_TASK, group, id, NULL, NULL, " STOPPED",
                    word, err))
        return -1;
    return strcmp(word, "STOPPING") == 0;
}

int stint_requeue_task(stint *s, const char *group, const char *id, int reset,
                       struct stint_err *err)
{
    char word[16], mark[CONTROL_MARK_CAP];
    /* By its state alone a repeated call could not tell that the task has run
     * and ended since: it would run once more. */
    control_mark(mark);
    return task_change(s, SCRIPT_REQUEUE_TASK, group, id, reset ? "1" : "0",
                       mark, " QUEUED ASSIGNED RUNNING", word, err);
}

int stint_disable_task(stint *s, const char *group, const char *id,
                       struct stint_err *err)
{
    char word[16];
    return task_change(s, SCRIPT_DISABLE_TASK, group, id, NULL, NULL, "", word,
                       err);
}

int stint_enable_task(stint *s, const char *group, const char *id,
                      struct stint_err *err)
{
    char word[16];
    return task_change(s, SCRIPT_ENABLE_TASK, group, id, NULL, NULL, "", word,
                       err);
}

int stint_delete_task(stint *s, const char *group, const char *id,
                      struct stint_err *err)
{
    char word[16];
    return task_change(s, SCRIPT_DELETE_TASK, group, id, NULL, NULL, " GONE",
                       word, err);
}

int stint_set_priority(stint *s, const char *group, const char *id,
                       int priority, struct stint_err *err)
{
    char word[16], text[16];
    if (priority < -100 || priority > 100)
        return err_set(err, STINT_INVALID,
                       "priority: must be a whole number from -100 to 100");
    snprintf(text, sizeof(text), "%d", priority);
    return task_change(s, SCRIPT_SET_PRIORITY, group, id, text, NULL, "", word,
                       err);
}

int stint_run_now(stint *s, const char *group, const char *id,
                  struct stint_err *err)
{
    char word[16];
    return task_change(s, SCRIPT_RUN_NOW, group, id, NULL, NULL,
                       " ASSIGNED RUNNING COMPLETED FAILED TIMEOUT", word,
                       err);
}
