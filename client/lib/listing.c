/* SPDX-License-Identifier: MIT */
/* Lists of tasks: group by group and part by part, a step at a time, so that a
 * list of millions takes no memory and holds nobody up. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "missing.h"
#include "part.h"
#include "parts.h"
#include "status.h"

struct listing {
    stint *s;
    const struct stint_list_options *o;
    stint_list_fn fn;
    void *arg;
    size_t n;
    int stopped;
};

static int list_show(struct listing *l, const char *group,
                     const struct redisReply *r, struct stint_err *err)
{
    size_t len;
    for (size_t i = 2; i + 3 < reply_n(r) && !l->stopped; i += 4) {
        struct status_box b = {0};
        struct task_state st;
        const char *id = reply_str(r, i, &len);
        reply_str(r, i + 2, &len);
        if (len > 1 && !status_fill(&b, &st, group, id, r, i + 1)) {
            b.pub.reason = status_reason(&b, &st, reply_i64(r, 0) / 1000);
            l->stopped = b.failed || l->fn(&b.pub, l->arg) != 0;
            l->n++;
            if (l->o->limit != 0 && l->n >= l->o->limit)
                l->stopped = 1;
        }
        int failed = b.failed;
        status_box_clear(&b);
        if (failed)
            return err_set(err, STINT_NOMEM, "out of memory");
    }
    return 0;
}

static int list_part(struct listing *l, const char *group,
                     struct stint_err *err)
{
    char cursor[64] = "";
    size_t len;
    do {
        struct args a;
        args_init(&a);
        args_add_str(&a, l->o->status ? l->o->status : "");
        args_add_str(&a, l->o->function ? l->o->function : "");
        args_add_i64(&a, 200);
        args_add_str(&a, cursor);
        struct redisReply *r = client_call(l->s, SCRIPT_LIST, group, &a, err);
        args_close(&a);
        if (r == NULL)
            return -1;
        char next[64];
        snprintf(next, sizeof(next), "%s", reply_str(r, 1, &len));
        int rc = list_show(l, group, r, err);
        client_reply_free(r);
        if (rc)
            return -1;
        memcpy(cursor, next, sizeof(cursor));
    } while (*cursor && !l->stopped);
    return 0;
}

static int list_group(struct listing *l, const char *group,
                      struct stint_err *err)
{
    int rc = 0;
    for (int k = 0; k < parts_of(l->s, group) && rc == 0 && !l->stopped; k++) {
        group_name base;
        part_name(base, group, k);
        rc = list_part(l, base, err);
    }
    return rc;
}

int stint_list(stint *s, const struct stint_list_options *o, stint_list_fn fn,
               void *arg, struct stint_err *err)
{
    struct stint_list_options full = STINT_LIST_OPTIONS_INIT;
    size_t n = 0;
    int rc = 0;
    if (o != NULL)
        memcpy(&full, o, o->size < sizeof(full) ? o->size : sizeof(full));
    struct listing l = {.s = s, .o = &full, .fn = fn, .arg = arg};
    group_name *groups = client_groups_wanted(s, full.group, &n, err);
    if (groups == NULL)
        return -1;
    struct missing m;
    missing_init(&m, s, full.group == NULL);
    for (size_t i = 0; i < n && rc == 0 && !l.stopped; i++)
        rc = missing_note(&m, groups[i], list_group(&l, groups[i], err), err);
    rc = missing_end(&m, rc, err);
    free(groups);
    return rc;
}
