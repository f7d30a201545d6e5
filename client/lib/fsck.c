/* SPDX-License-Identifier: MIT */
/* Walks all groups, a step of a key at a time, and repairs as it goes if it is
 * told to. A task that moves between two steps is no fault: each step judges
 * and mends within one call. */
#include "fsck.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "missing.h"
#include "part.h"
#include "parents.h"
#include "parts.h"

/* Of a key's name, with digits before it. */
#define CURSOR_LEN (32 + 2 * (STINT_NAME_LEN + STINT_ID_LEN))

/* ---- Telling ------------------------------------------------------------ */

void fsck_tell(struct fsck *f, const char *group, const char *fault,
               const char *what)
{
    enum stint_mend mend = STINT_LEFT;
    f->sum.faults++;
    if (what != NULL && strcmp(what, "MENDED") == 0) {
        mend = STINT_MENDED;
        f->sum.mended++;
    } else if (what != NULL && strcmp(what, "ASIDE") == 0) {
        mend = STINT_SET_ASIDE;
        f->sum.set_aside++;
    } else {
        f->sum.left++;
    }
    if (f->o->on_fault != NULL)
        f->o->on_fault(group, fault, mend, f->o->arg);
}

int fsck_hear(struct fsck *f, const char *base, const struct redisReply *r,
              size_t at, struct stint_err *err)
{
    size_t step = f->o->is_dry ? 1 : 2, len;
    for (size_t i = at; i + step <= reply_n(r); i += step) {
        const char *text = reply_str(r, i, &len), *what = NULL;
        if (step == 2)
            what = reply_str(r, i + 1, &len);
        if (what != NULL && strcmp(what, "PARENTS") == 0) {
            char id[STINT_ID_LEN + 1];
            snprintf(id, sizeof(id), "%.*s", (int)strcspn(text, " "), text);
            id[strlen(id) > 0 ? strlen(id) - 1 : 0] = '\0'; /* its colon */
            if (repair_parents(f, base, id, &what, err))
                return -1;
        }
        fsck_tell(f, f->group, text, what);
    }
    return 0;
}

/* ---- The walk ----------------------------------------------------------- */

int fsck_walk(struct fsck *f, const char *base, int64_t key,
              const char *cursor, struct stint_err *err)
{
    char at[CURSOR_LEN];
    int rc = 0, done = 0;
    snprintf(at, sizeof(at), "%s", cursor);
    while (rc == 0 && !done) {
        struct args a;
        size_t len;
        args_init(&a);
        args_add_i64(&a, key);
        args_add_str(&a, at);
        args_add_i64(&a, FSCK_STEP);
        args_add_i64(&a, f->part);
        args_add_i64(&a, f->parts);
        struct redisReply *r = client_call(
            f->s, f->o->is_dry ? SCRIPT_FSCK : SCRIPT_REPAIR, base, &a, err);
        args_close(&a);
        if (r == NULL)
            return -1;
        if (key == 1) /* the hash of tasks: each once */
            f->sum.checked += (uint64_t)reply_i64(r, 3);
        key = reply_i64(r, 1);
        snprintf(at, sizeof(at), "%s", reply_str(r, 2, &len));
        done = key == 0 && strcmp(at, "0") == 0;
        rc = fsck_hear(f, base, r, 4, err);
        client_reply_free(r);
        if (f->o->on_step != NULL)
            f->o->on_step(f->sum.checked, f->o->arg);
    }
    return rc;
}

/* ---- Parts --------------------------------------------------------------- */

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
        fsck_tell(f, group, fault, NULL);
    return 0;
}

/* The fleet's copy is made anew by a change to the number there is; that may
 * find others at work, and then it is left to them. */
static const char *fleet_copy(struct fsck *f, const char *group)
{
    struct stint_err why = {0};
    if (f->o->is_dry)
        return NULL;
    return stint_set_parts(f->s, group, f->parts, &why) ? "LEFT" : "MENDED";
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
        fsck_tell(f, group, fault, fleet_copy(f, group));
    for (f->part = 0; f->part < f->parts; f->part++)
        if (part_check(f, group, err))
            return -1;
    return 0;
}

/* ---- All of it ------------------------------------------------------------ */

/* A marker that got lost wakes nobody: the reaper's look puts it back. */
static int group_wake(struct fsck *f, const char *base, struct stint_err *err)
{
    struct args a;
    args_init(&a);
    args_add_str(&a, "-");
    struct redisReply *r = client_call(f->s, SCRIPT_WAKE, base, &a, err);
    args_close(&a);
    if (r == NULL)
        return -1;
    client_reply_free(r);
    return 0;
}

static int fsck_group(struct fsck *f, const char *group, struct stint_err *err)
{
    f->group = group;
    for (f->part = 0; f->part < f->parts; f->part++) {
        group_name base;
        part_name(base, group, f->part);
        if (fsck_walk(f, base, 1, "0", err) ||
            (!f->o->is_dry && group_wake(f, base, err)))
            return -1;
    }
    return 0;
}

static int fsck_all(struct fsck *f, struct stint_err *err)
{
    f->parts = 1;
    if (fsck_walk(f, NULL, 1, "0", err))
        return -1;
    f->groups = client_groups(f->s, &f->n_groups, err);
    if (f->groups == NULL)
        return -1;
    struct missing m;
    int rc = 0;
    missing_init(&m, f->s, 1);
    for (size_t i = 0; i < f->n_groups && rc == 0; i++) {
        rc = fsck_parts(f, f->groups[i], parts_of(f->s, f->groups[i]), err);
        if (rc == 0)
            rc = fsck_group(f, f->groups[i], err);
        rc = missing_note(&m, f->groups[i], rc, err);
    }
    if (missing_end(&m, rc, err) || fsck_keys(f, err))
        return -1;
    for (size_t i = 0; !f->o->is_dry && i < f->n_groups; i++)
        parents_deliver(f->s, f->groups[i]);
    return 0;
}

int stint_repair(stint *s, const struct stint_repair_options *o,
                 struct stint_repaired *sum, struct stint_err *err)
{
    struct stint_repair_options full = STINT_REPAIR_OPTIONS_INIT;
    if (o != NULL)
        memcpy(&full, o, o->size < sizeof(full) ? o->size : sizeof(full));
    struct fsck f = {.s = s, .o = &full, .sum = STINT_REPAIRED_INIT};
    int rc = fsck_all(&f, err);
    free(f.groups);
    if (sum != NULL) {
        f.sum.size = sum->size;
        memcpy(sum, &f.sum,
               sum->size < sizeof(f.sum) ? sum->size : sizeof(f.sum));
    }
    return rc;
}

struct plain_fsck {
    stint_fsck_fn fn;
    void *arg;
};

static void plain_tell(const char *group, const char *fault,
                       enum stint_mend mend, void *arg)
{
    const struct plain_fsck *p = arg;
    (void)mend;
    if (p->fn != NULL)
        p->fn(group, fault, p->arg);
}

int stint_fsck(stint *s, stint_fsck_fn fn, void *arg, uint64_t *n_checked,
               uint64_t *n_faults, struct stint_err *err)
{
    struct plain_fsck p = {fn, arg};
    struct stint_repair_options o = STINT_REPAIR_OPTIONS_INIT;
    struct stint_repaired sum = STINT_REPAIRED_INIT;
    o.is_dry = 1;
    o.on_fault = plain_tell;
    o.arg = &p;
    int rc = stint_repair(s, &o, &sum, err);
    if (n_checked != NULL)
        *n_checked = sum.checked;
    if (n_faults != NULL)
        *n_faults = sum.faults;
    return rc;
}
