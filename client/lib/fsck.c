/* SPDX-License-Identifier: MIT */
/* Walks all groups, a step of a key at a time. A task that moves between two
 * steps is no fault: each step judges within one call. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "client.h"
#include "err.h"

#define FSCK_STEP 500

struct fsck {
    struct stint *s;
    stint_fsck_fn fn;
    void *arg;
    uint64_t checked, faults;
    int64_t key;     /* from 1; 0: done */
    char cursor[32]; /* within the key */
};

static int fsck_step(struct fsck *f, const char *group, struct stint_err *err)
{
    struct args a;
    size_t len;
    args_init(&a);
    args_add_i64(&a, f->key);
    args_add_str(&a, f->cursor);
    args_add_i64(&a, FSCK_STEP);
    struct redisReply *r = client_call(f->s, SCRIPT_FSCK, group, &a, err);
    args_close(&a);
    if (r == NULL)
        return -1;
    if (f->key == 1) /* the hash of tasks: each once */
        f->checked += (uint64_t)reply_i64(r, 3);
    f->key = reply_i64(r, 1);
    snprintf(f->cursor, sizeof(f->cursor), "%s", reply_str(r, 2, &len));
    for (size_t i = 4; i < reply_n(r); i++) {
        f->faults++;
        if (f->fn != NULL)
            f->fn(group, reply_str(r, i, &len), f->arg);
    }
    client_reply_free(r);
    return 0;
}

static int fsck_group(struct fsck *f, const char *group, struct stint_err *err)
{
    f->key = 1;
    snprintf(f->cursor, sizeof(f->cursor), "0");
    while (f->key != 0)
        if (fsck_step(f, group, err))
            return -1;
    return 0;
}

int stint_fsck(stint *s, stint_fsck_fn fn, void *arg, uint64_t *n_checked,
               uint64_t *n_faults, struct stint_err *err)
{
    struct fsck f = {.s = s, .fn = fn, .arg = arg};
    size_t n = 0;
    int rc = 0;
    group_name *groups = client_groups(s, &n, err);
    if (groups == NULL)
        return -1;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = fsck_group(&f, groups[i], err);
    free(groups);
    if (n_checked != NULL)
        *n_checked = f.checked;
    if (n_faults != NULL)
        *n_faults = f.faults;
    return rc;
}
