/* SPDX-License-Identifier: MIT */
#include "parts.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "clock.h"
#include "err.h"
#include "part.h"
#include "task.h"

static struct group_known *row_find(const struct stint *s, const char *group)
{
    for (size_t i = 0; i < s->learnt->n_known; i++)
        if (strcmp(s->learnt->known[i]->name, group) == 0)
            return s->learnt->known[i];
    return NULL;
}

struct group_known *parts_row(struct stint *s, const char *group)
{
    struct group_known *row = row_find(s, group);
    if (row != NULL)
        return row;
    struct learnt *l = s->learnt;
    struct group_known **more =
        realloc(l->known, (l->n_known + 1) * sizeof(*more));
    if (more == NULL)
        return NULL;
    l->known = more;
    row = calloc(1, sizeof(*row));
    if (row == NULL)
        return NULL;
    more[l->n_known++] = row;
    row->parts = 1;
    snprintf(row->name, sizeof(row->name), "%s", group);
    return row;
}

int parts_of(const struct stint *s, const char *group)
{
    const struct group_known *row = row_find(s, group);
    return row != NULL ? row->parts : 1;
}

int parts_learn(struct stint *s, const char *group, int n, int sure)
{
    if (n < 1 || n > PARTS_MAX)
        return 0;
    struct group_known *row = parts_row(s, group);
    if (row == NULL)
        return -1;
    int news = row->parts != n && (sure || !row->sure);
    row->sure |= sure;
    if (sure)
        row->heard_ms = clock_mono_ms();
    if (news) {
        row->parts = n;
        row->registered = 0;
    }
    return news;
}

/* Who may not ask the group, as one that only looks, has the fleet's copy. */
static int parts_from_fleet(struct stint *s, const char *group,
                            struct stint_err *err)
{
    int before = parts_of(s, group);
    size_t n;
    *err = (struct stint_err){0};
    group_name *names = client_groups(s, &n, err);
    free(names);
    return names == NULL ? -1 : parts_of(s, group) != before;
}

int parts_refresh(struct stint *s, const char *group, struct stint_err *err)
{
    struct args a;
    args_init(&a);
    args_add_str(&a, "see");
    args_add_str(&a, "-");
    struct redisReply *r = client_call(s, SCRIPT_SET_PARTS, group, &a, err);
    args_close(&a);
    if (r == NULL)
        return err->code == STINT_AUTH ? parts_from_fleet(s, group, err) : -1;
    int news = parts_learn(s, group, (int)reply_i64(r, 2), 1);
    client_reply_free(r);
    return news < 0 ? err_set(err, STINT_NOMEM, "out of memory") : news;
}

int parts_look_again(struct stint *s, const char *group, struct stint_err *err)
{
    struct stint_err why = {0};
    int news = 0;
    if (err->code != STINT_NOT_FOUND ||
        (group != NULL && !task_group_is_valid(group, strlen(group))))
        return 0;
    for (size_t i = 0; i < s->learnt->n_known; i++)
        if (group == NULL && s->learnt->known[i]->parts > 1)
            news |= parts_refresh(s, s->learnt->known[i]->name, &why) > 0;
    if (group != NULL)
        news = parts_refresh(s, group, &why) > 0;
    if (!news || why.code != STINT_OK)
        return 0;
    *err = (struct stint_err){0};
    return 1;
}

void parts_route(const struct stint *s, const char *group, const char *id,
                 group_name base)
{
    part_name(base, group, part_of_id(id, parts_of(s, group)));
}
