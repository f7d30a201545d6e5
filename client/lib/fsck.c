/* SPDX-License-Identifier: MIT */
/* Walks all groups, a step of a key at a time. A task that moves between two
 * steps is no fault: each step judges within one call. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>

#include "err.h"
#include "missing.h"
#include "part.h"
#include "parts.h"

#define FSCK_STEP 500

struct fsck {
    struct stint *s;
    stint_fsck_fn fn;
    void *arg;
    uint64_t checked, faults;
    int part, parts; /* of the group at hand */
    int64_t key;     /* from 1; 0: done */
    char cursor[32]; /* within the key */
};

static void fsck_tell(struct fsck *f, const char *group, const char *fault)
{
    f->faults++;
    if (f->fn != NULL)
        f->fn(group, fault, f->arg);
}

static int fsck_step(struct fsck *f, const char *group, struct stint_err *err)
{
    group_name base;
    struct args a;
    size_t len;
    part_name(base, group, f->part);
    args_init(&a);
    args_add_i64(&a, f->key);
    args_add_str(&a, f->cursor);
    args_add_i64(&a, FSCK_STEP);
    args_add_i64(&a, f->part);
    args_add_i64(&a, f->parts);
    struct redisReply *r = client_call(f->s, SCRIPT_FSCK, base, &a, err);
    args_close(&a);
    if (r == NULL)
        return -1;
    if (f->key == 1) /* the hash of tasks: each once */
        f->checked += (uint64_t)reply_i64(r, 3);
    f->key = reply_i64(r, 1);
    snprintf(f->cursor, sizeof(f->cursor), "%s", reply_str(r, 2, &len));
    for (size_t i = 4; i < reply_n(r); i++)
        fsck_tell(f, group, reply_str(r, i, &len));
    client_reply_free(r);
    return 0;
}

/* How many parts the part at hand believes there are; 0: it is closed, as a
 * change that did not come to its end leaves it. -1: err. */
static int part_see(struct fsck *f, const char *group, struct stint_err *err)
{
    group_name base;
    struct args a;
    part_name(base, group, f->part);
    args_init(&a);
    args_add_str(&a, "see");
    args_add_str(&a, "-");
    struct redisReply *r = client_call(f->s, SCRIPT_SET_PARTS, base, &a, err);
    args_close(&a);
    if (r == NULL)
        return -1;
    int n = reply_i64(r, 3) == 1 ? 0 : (int)reply_i64(r, 2);
    client_reply_free(r);
    return n;
}

/* All parts agree on how many they are. */
static int part_check(struct fsck *f, const char *group, struct stint_err *err)
{
    char fault[160];
    int n = part_see(f, group, err);
    if (n < 0)
        return -1;
    if (n == 0)
        snprintf(fault, sizeof(fault), "part %d takes no tasks: a change of "
                 "the parts has not ended; run stint group --parts again",
                 f->part);
    else
        snprintf(fault, sizeof(fault), "part %d knows of %d parts, part 0 of "
                 "%d; run stint group --parts again", f->part, n, f->parts);
    if (n != f->parts)
        fsck_tell(f, group, fault);
    return 0;
}

/* fleet: how many parts the fleet's registry says there are. */
static int fsck_parts(struct fsck *f, const char *group, int fleet,
                      struct stint_err *err)
{
    char fault[160];
    if (parts_refresh(f->s, group, err) < 0)
        return -1;
    f->parts = parts_of(f->s, group);
    snprintf(fault, sizeof(fault), "has %d parts, but workers are told of %d; "
             "run stint group --parts again", f->parts, fleet);
    if (fleet != f->parts)
        fsck_tell(f, group, fault);
    for (f->part = 0; f->part < f->parts; f->part++)
        if (part_check(f, group, err))
            return -1;
    return 0;
}

static int fsck_group(struct fsck *f, const char *group, struct stint_err *err)
{
    for (f->part = 0; f->part < f->parts; f->part++) {
        f->key = 1;
        snprintf(f->cursor, sizeof(f->cursor), "0");
        while (f->key != 0)
            if (fsck_step(f, group, err))
                return -1;
    }
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
    struct missing m;
    missing_init(&m, s, 1);
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = fsck_parts(&f, groups[i], parts_of(s, groups[i]), err);
        if (rc == 0)
            rc = fsck_group(&f, groups[i], err);
        rc = missing_note(&m, groups[i], rc, err);
    }
    rc = missing_end(&m, rc, err);
    free(groups);
    if (n_checked != NULL)
        *n_checked = f.checked;
    if (n_faults != NULL)
        *n_faults = f.faults;
    return rc;
}
