/* SPDX-License-Identifier: MIT */
/* What a repair does that a script cannot do alone: who a task depends on
 * stands in its JSON, which scripts do not read. And the list of what was set
 * aside. */
#include <hiredis/hiredis.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "err.h"
#include "fsck.h"
#include "parents.h"
#include "part.h"
#include "parts.h"
#include "status.h"
#include "task.h"

#define REF_LEN (STINT_NAME_LEN + STINT_ID_LEN + PARTS_SUFFIX_MAX + 2)

/* GROUP/ID of a parent as it was named; an id alone is looked for, in the
 * task's own group first. One that is nowhere stays of the own group. */
static int ref_complete(struct fsck *f, const char *group, const char *named,
                        char ref[static REF_LEN], struct stint_err *err)
{
    group_name found;
    if (strchr(named, '/') != NULL) {
        snprintf(ref, REF_LEN, "%.*s", REF_LEN - 1, named);
    } else {
        struct stint_err why = {0};
        if (status_locate(f->s, group, named, found, &why) == 0 ||
            (why.code == STINT_NOT_FOUND &&
             status_locate(f->s, NULL, named, found, &why) == 0))
            group = found;
        else if (why.code != STINT_NOT_FOUND)
            return err_set(err, why.code, "%s", why.text);
        snprintf(ref, REF_LEN, "%.*s/%.*s", (int)part_group_len(group), group,
                 STINT_ID_LEN, named);
    }
    parents_place(f->s, ref, REF_LEN);
    return 0;
}

/* The refs of all that `task` names, n * REF_LEN bytes; free() them. */
static char (*refs_read(struct fsck *f, const char *group, const char *task,
                        size_t len, size_t *n, struct stint_err *err))[REF_LEN]
{
    json_t *o = task_text_load(task, len);
    const json_t *named = json_object_get(o, "depends_on"), *one;
    size_t i, most = json_array_size(named);
    char(*refs)[REF_LEN] = calloc(most + 1, sizeof(*refs));
    if (refs == NULL)
        err_set(err, STINT_NOMEM, "out of memory");
    *n = 0;
    json_array_foreach(named, i, one) {
        if (refs == NULL || !json_is_string(one))
            continue;
        if (ref_complete(f, group, json_string_value(one), refs[(*n)++], err)) {
            free(refs);
            refs = NULL;
        }
    }
    json_decref(o);
    return refs;
}

int repair_parents(struct fsck *f, const char *base, const char *id,
                   const char **what, struct stint_err *err)
{
    group_name group;
    size_t len, n = 0;
    snprintf(group, sizeof(group), "%.*s", (int)part_group_len(base), base);
    struct redisReply *r = status_call(f->s, base, "1", &id, 1, err);
    if (r == NULL)
        return -1;
    const char *task = reply_str(r, 2, &len);
    char(*refs)[REF_LEN] = refs_read(f, group, task, len, &n, err);
    client_reply_free(r);
    if (refs == NULL)
        return -1;
    struct args a;
    args_init(&a);
    args_add_str(&a, id);
    for (size_t i = 0; i < n; i++)
        args_add_str(&a, refs[i]);
    r = client_call(f->s, SCRIPT_REPAIR_PARENTS, base, &a, err);
    args_close(&a);
    free(refs);
    if (r == NULL)
        return -1;
    client_reply_free(r);
    *what = "MENDED";
    return 0;
}

/* ---- What was set aside ---------------------------------------------------- */

static int quarantine_step(stint *s, const char *base, const char *group,
                           char cursor[static 32], stint_quarantine_fn fn,
                           void *arg, struct stint_err *err)
{
    struct args a;
    size_t len;
    args_init(&a);
    args_add_str(&a, cursor);
    args_add_i64(&a, 100);
    struct redisReply *r = client_call(s, SCRIPT_QUARANTINE, base, &a, err);
    args_close(&a);
    if (r == NULL)
        return -1;
    snprintf(cursor, 32, "%s", reply_str(r, 1, &len));
    int stopped = 0;
    for (size_t i = 2; i + 1 < reply_n(r) && !stopped; i += 2)
        stopped = fn(group, reply_str(r, i, &len), reply_str(r, i + 1, &len),
                     arg);
    client_reply_free(r);
    return stopped ? 1 : 0;
}

int stint_quarantine(stint *s, stint_quarantine_fn fn, void *arg,
                     struct stint_err *err)
{
    size_t n = 0;
    group_name *groups = client_groups(s, &n, err);
    int rc = groups == NULL ? -1 : 0;
    for (size_t i = 0; i <= n && rc == 0; i++) {
        int parts = i < n ? parts_of(s, groups[i]) : 1;
        for (int part = 0; part < parts && rc == 0; part++) {
            char cursor[32] = "0";
            group_name base;
            if (i < n)
                part_name(base, groups[i], part);
            do
                rc = quarantine_step(s, i < n ? base : NULL,
                                     i < n ? groups[i] : NULL, cursor, fn, arg,
                                     err);
            while (rc == 0 && strcmp(cursor, "0") != 0);
        }
    }
    free(groups);
    return rc < 0 ? -1 : 0;
}
