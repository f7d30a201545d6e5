/* SPDX-License-Identifier: MIT */
/* Changing over how many parts a group is spread. No script sees two parts, so
 * it goes in steps: the fleet is told of the larger number (workers serve a
 * part too many rather than one too few); all parts are closed, which a part
 * only lets happen while it holds nothing; then they are opened with the new
 * number, part 0 first. What is open has one number at every moment: whoever
 * opens has closed all before, and a part closed by somebody else since is not
 * his to open. Whoever dies on the way leaves parts closed; the next one takes
 * them over. */
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "err.h"
#include "part.h"
#include "parts.h"
#include "task.h"

#define FLEET_PARTS_MAX 4000 /* the reaper looks at each */

struct regroup {
    stint *s;
    const char *group;
    char token[STINT_ID_LEN + 1];
    int want;
    int reach;  /* parts that somebody may have touched */
    int number; /* that the last part called has, or was closed with */
    int closed; /* it is */
    int64_t tasks, ended, ids; /* it holds */
};

/* One call to a part. word: what it answered. */
static int part_call(struct regroup *g, int part, const char *verb,
                     char word[static 8], struct stint_err *err)
{
    group_name base;
    struct args a;
    size_t len;
    part_name(base, g->group, part);
    args_init(&a);
    args_add_str(&a, verb);
    args_add_str(&a, g->token);
    args_add_i64(&a, g->want);
    args_add_i64(&a, g->reach);
    struct redisReply *r = client_call(g->s, SCRIPT_SET_PARTS, base, &a, err);
    args_close(&a);
    if (r == NULL)
        return -1;
    snprintf(word, 8, "%s", reply_str(r, 1, &len));
    g->number = (int)reply_i64(r, 2);
    g->closed = reply_i64(r, 3) == 1;
    if (part == 0 && reply_i64(r, 4) > g->reach && reply_i64(r, 4) <= PARTS_MAX)
        g->reach = (int)reply_i64(r, 4);
    g->tasks = reply_i64(r, 5);
    g->ended = reply_i64(r, 6);
    g->ids = reply_i64(r, 7);
    client_reply_free(r);
    return 0;
}

/* Tells the fleet: "8 TOKEN", at least so many; "=8 TOKEN", exactly, unless
 * somebody else has come. */
static int fleet_tell(struct regroup *g, const char *sign, int n,
                      struct stint_err *err)
{
    char text[STINT_NAME_LEN + STINT_ID_LEN + 16];
    struct args a;
    snprintf(text, sizeof(text), "%s %s%d %s", g->group, sign, n, g->token);
    args_init(&a);
    args_add_str(&a, "");
    args_add_str(&a, "{}");
    args_add_str(&a, "0");
    args_add_str(&a, text);
    struct redisReply *r =
        client_call(g->s, SCRIPT_FLEET_HEARTBEAT, NULL, &a, err);
    args_close(&a);
    client_reply_free(r);
    return r != NULL ? 0 : -1;
}

/* Opens the first n parts with g->want. 1: they are another's now. */
static int parts_open(struct regroup *g, int n, struct stint_err *err)
{
    char word[8];
    int taken = 0;
    for (int k = 0; k < n && !(taken && k == 1); k++) {
        if (part_call(g, k, "open", word, err))
            return -1;
        taken |= strcmp(word, "TAKEN") == 0;
    }
    if (!taken || g->closed)
        return taken;
    g->want = g->number; /* part 0 is open: what is still ours joins it */
    for (int k = 1; k < n; k++)
        if (part_call(g, k, "open", word, err))
            return -1;
    return 1;
}

/* Closes all parts. Returns how many are closed: fewer than g->reach if one
 * holds tasks; g->number is theirs then. -1: err. */
static int parts_close(struct regroup *g, struct stint_err *err)
{
    char word[8];
    int k = 0;
    for (; k < g->reach; k++) {
        if (part_call(g, k, "close", word, err))
            return -1;
        if (strcmp(word, "OK") != 0)
            break;
    }
    return k;
}

/* Says how many tasks are in the way. */
static int held_tell(struct regroup *g, int parts, int want,
                     struct stint_err *err)
{
    char word[8];
    int64_t tasks = 0, ended = 0, ids = 0;
    for (int k = 0; k < parts; k++) {
        if (part_call(g, k, "see", word, err))
            return -1;
        tasks += g->tasks;
        ended += g->ended;
        ids += g->ids;
    }
    return err_set(err, STINT_STATE,
                   "group %.60s has %d part%s and holds "
                   "%" PRId64 " task%s (%" PRId64 " ended, %" PRId64
                   " of which only the id is kept): it can get %d only while "
                   "it is empty",
                   g->group, parts, parts == 1 ? "" : "s", tasks,
                   tasks == 1 ? "" : "s", ended, ids, want);
}

static int regroup_run(struct regroup *g, struct stint_err *err)
{
    int want = g->want, held = 0;
    int n = parts_close(g, err);
    if (n < 0)
        return -1;
    if (n < g->reach) {
        held = g->number;
        if (g->closed && held > 0) { /* somebody died on the way: first that */
            g->want = held;
            n = parts_close(g, err);
            if (n < 0)
                return -1;
        }
        g->want = held;
    }
    int taken = n > 0 ? parts_open(g, n, err) : 0;
    if (taken < 0 || (!taken && fleet_tell(g, "=", g->want, err)))
        return -1;
    if (taken)
        return err_set(err, STINT_BUSY,
                       "somebody else changes the parts of "
                       "group %.60s, too: look, and run it again",
                       g->group);
    return held > 0 ? held_tell(g, held, want, err) : 0;
}

/* All groups and their parts, with the new one, are to stay few enough. */
static int fleet_check(stint *s, const char *group, int parts,
                       struct stint_err *err)
{
    size_t n = 0;
    int64_t all = parts;
    group_name *groups = client_groups(s, &n, err);
    if (groups == NULL)
        return -1;
    for (size_t i = 0; i < n; i++)
        all += strcmp(groups[i], group) != 0 ? parts_of(s, groups[i]) : 0;
    free(groups);
    return all <= FLEET_PARTS_MAX
               ? 0
               : err_set(err, STINT_TOO_BIG,
                         "all groups together would have "
                         "%" PRId64 " parts; %d are the most",
                         all, FLEET_PARTS_MAX);
}

int stint_set_parts(stint *s, const char *group, int parts,
                    struct stint_err *err)
{
    struct regroup g = {.s = s, .group = group, .want = parts, .reach = parts};
    char word[8];
    if (!task_group_is_valid(group, strlen(group)))
        return err_set(err, STINT_INVALID, "%.100s is not a name of a group",
                       group);
    if (parts < 1 || parts > PARTS_MAX)
        return err_set(err, STINT_INVALID, "parts must be from 1 to %d",
                       PARTS_MAX);
    if (parts > 1 && strlen(group) > STINT_NAME_LEN - PARTS_SUFFIX_MAX)
        return err_set(err, STINT_INVALID,
                       "the name of a group in parts must "
                       "be up to %d characters",
                       STINT_NAME_LEN - PARTS_SUFFIX_MAX);
    task_id_make(g.token);
    if (fleet_check(s, group, parts, err) ||
        part_call(&g, 0, "see", word, err) ||
        fleet_tell(&g, "", g.number > parts ? g.number : parts, err))
        return -1;
    int rc = regroup_run(&g, err);
    struct stint_err ignored = {0};
    (void)parts_refresh(s, group, &ignored); /* only what the handle knows */
    return rc;
}
