/* SPDX-License-Identifier: MIT */
/* Looking for tasks: part by part of group by group, in the order of their
 * names, in bounded steps. Redis leaves out what certainly does not fit; what
 * fits is decided here. */
#include "search.h"

#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "missing.h"
#include "part.h"
#include "parts.h"
#include "status.h"

#define STEP      150 /* tasks that Redis looks at in a call: about 1 ms */
#define STEP_IDS  500 /* where ids alone say most */
#define SCAN      2000
#define ID_MADE_LEN 26 /* by task_id_make; nobody types half of one by chance */

/* ---- The cursor ------------------------------------------------------------ */

/* Reads "main~3,…". -1: it is none of ours. */
static int cursor_read(const char *cursor, group_name group, int *part,
                       char rest[static SEARCH_CURSOR_CAP])
{
    static const char known[] = "abcdefghijklmnopqrstuvwxyz"
                                "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "_.:/~@,+-";
    size_t len = strlen(cursor), name = strcspn(cursor, ",");
    if (len >= SEARCH_CURSOR_CAP || strspn(cursor, known) != len ||
        name > STINT_NAME_LEN || cursor[name] != ',')
        return -1;
    snprintf(group, sizeof(group_name), "%.*s", (int)name, cursor);
    const char *number = strchr(group, '~');
    *part = number != NULL ? (int)strtol(number + 1, NULL, 10) : 0;
    group[part_group_len(group)] = '\0';
    if (*part < 0 || !task_group_is_valid(group, strlen(group)))
        return -1;
    snprintf(rest, SEARCH_CURSOR_CAP, "%s", cursor + name + 1);
    if (*rest == '\0')
        return 0;
    const char *at = rest + strspn(rest, "0123456789");
    const char *sub = *at == ',' && at > rest ? strchr(at + 1, ',') : NULL;
    if (sub == NULL)
        return -1;
    at = sub + 1 + strspn(sub + 1, "0123456789.e+-");
    return *at == ',' && strchr(at + 1, ',') == NULL ? 0 : -1;
}

static void cursor_set(struct search *q, const char *part, const char *rest)
{
    snprintf(q->cursor, sizeof(q->cursor), "%s,%s", part, rest);
}

/* ---- Tasks ------------------------------------------------------------------ */

/* One that may fit: its state record is element i of the reply, then task, due
 * and what came of it. -1: out of memory. */
static int search_meet(struct search *q, const char *part, const char *id,
                       const struct redisReply *r, size_t i)
{
    struct status_box b = {0};
    struct task_state st;
    size_t len;
    int fits = -1;
    if (status_fill(&b, &st, part, id, r, i) == 0) {
        const char *outcome = reply_str(r, i + 3, &len);
        b.pub.reason = status_reason(&b, &st, reply_i64(r, 0) / 1000);
        status_error(&b, outcome, len);
        fits = b.failed ? -1 : search_fits(&q->f, &b.pub, &st);
    }
    if (fits == 1) {
        q->stopped = q->fn(&b.pub, q->arg) != 0;
        q->n++;
        q->stopped |= q->o.limit != 0 && q->n >= q->o.limit;
    }
    status_box_clear(&b);
    return fits;
}

static int search_show(struct search *q, const char *part,
                       const struct redisReply *r, struct stint_err *err)
{
    size_t len;
    for (size_t i = 3; i + 5 < reply_n(r) && !q->stopped; i += 6) {
        const char *id = reply_str(r, i, &len);
        if (search_meet(q, part, id, r, i + 1) < 0)
            return err_set(err, STINT_NOMEM, "out of memory");
        if (q->stopped)
            cursor_set(q, part, reply_str(r, i + 5, &len));
    }
    return 0;
}

static void time_add(struct args *a, int64_t ms)
{
    if (ms >= 0)
        args_add_i64(a, ms);
    else
        args_add_str(a, "");
}

static struct redisReply *search_call(struct search *q, const char *part,
                                      const char *rest, struct stint_err *err)
{
    const struct search_filter *f = &q->f;
    char tag[STINT_NAME_LEN + 3];
    struct args a;
    uint64_t step = *f->id ? STEP_IDS : STEP;
    if (step > q->o.scan - q->scanned)
        step = q->o.scan - q->scanned;
    args_init(&a);
    args_add_i64(&a, (int64_t)step);
    args_add_str(&a, rest);
    args_add_str(&a, f->states);
    args_add_str(&a, f->function);
    args_add_str(&a, f->id);
    time_add(&a, f->from_ms);
    time_add(&a, f->until_ms);
    args_add_str(&a, f->scheduled ? "1" : "");
    args_add_str(&a, f->error);
    args_add_str(&a, f->text);
    if (f->name[0])
        args_add_str(&a, f->name);
    if (*f->tag) {
        int n = snprintf(tag, sizeof(tag), "\"%s\"", f->tag);
        for (int i = 0; i < n; i++)
            if (tag[i] >= 'A' && tag[i] <= 'Z')
                tag[i] = (char)(tag[i] - 'A' + 'a');
        args_add_str(&a, tag);
    }
    struct redisReply *r = client_call(q->s, SCRIPT_SEARCH, part, &a, err);
    args_close(&a);
    return r;
}

/* rest: where to begin in it. */
static int search_part(struct search *q, const char *part,
                       char rest[static SEARCH_CURSOR_CAP],
                       struct stint_err *err)
{
    size_t len;
    do {
        if (q->scanned >= q->o.scan) {
            cursor_set(q, part, rest);
            q->stopped = 1;
            return 0;
        }
        struct redisReply *r = search_call(q, part, rest, err);
        if (r == NULL)
            return -1;
        snprintf(rest, SEARCH_CURSOR_CAP, "%s", reply_str(r, 1, &len));
        int64_t looked = reply_i64(r, 2);
        q->scanned += looked > 0 ? (uint64_t)looked : 1;
        int rc = search_show(q, part, r, err);
        client_reply_free(r);
        if (rc)
            return -1;
    } while (*rest != '\0' && !q->stopped);
    return 0;
}

static int search_group(struct search *q, const char *group, int first,
                        char rest[static SEARCH_CURSOR_CAP],
                        struct stint_err *err)
{
    int rc = 0;
    for (int k = first; k < parts_of(q->s, group) && rc == 0 && !q->stopped;
         k++) {
        group_name part;
        part_name(part, group, k);
        rc = search_part(q, part, rest, err);
        *rest = '\0';
    }
    return rc;
}

/* ---- By an id ---------------------------------------------------------------- */

/* The task of exactly that id, wherever it is. 1: there is one (which may not
 * fit otherwise), 0, -1: err. */
static int search_id(struct search *q, group_name *groups, size_t n,
                     struct stint_err *err)
{
    int found = 0;
    for (size_t i = 0; i < n && !q->stopped; i++) {
        group_name part;
        size_t len;
        parts_route(q->s, groups[i], q->f.id, part);
        struct redisReply *r = status_call(q->s, part, "2", &q->f.id, 1, err);
        if (r == NULL)
            return -1;
        const char *task = reply_str(r, 2, &len);
        int fits = 0;
        q->scanned++;
        if (len > 0 && strcmp(task, "-") != 0) {
            found = 1;
            fits = search_meet(q, part, q->f.id, r, 1);
        }
        client_reply_free(r);
        if (fits < 0)
            return err_set(err, STINT_NOMEM, "out of memory");
    }
    return found;
}

/* ---- The call ----------------------------------------------------------------- */

int search_open(struct search *q, stint *s,
                const struct stint_search_options *o, stint_list_fn fn,
                void *arg, struct stint_err *err)
{
    struct stint_search_options full = STINT_SEARCH_OPTIONS_INIT;
    if (o != NULL)
        memcpy(&full, o, o->size < sizeof(full) ? o->size : sizeof(full));
    if (full.scan == 0)
        full.scan = SCAN;
    *q = (struct search){.s = s, .o = full, .fn = fn, .arg = arg};
    if (search_filter_read(&q->f, &full, err))
        return -1;
    if (search_filter_is_relative(&q->f)) {
        int64_t now_ms = client_redis_now_ms(s, err);
        if (now_ms < 0)
            return -1;
        search_filter_settle(&q->f, now_ms);
    }
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

static int search_groups(struct search *q, group_name *groups, size_t n,
                         struct stint_err *err)
{
    char rest[SEARCH_CURSOR_CAP] = "";
    group_name first = "";
    struct missing m;
    int part = 0, rc = 0;
    if (q->o.cursor != NULL && *q->o.cursor != '\0' &&
        cursor_read(q->o.cursor, first, &part, rest))
        return err_set(err, STINT_INVALID, "cursor: it is none of ours");
    if (q->o.group != NULL && *first && strcmp(q->o.group, first) != 0)
        return err_set(err, STINT_INVALID, "cursor: it is of another group");
    if (*q->f.id && !*first) {
        int found = search_id(q, groups, n, err);
        if (found != 0 || strlen(q->f.id) == ID_MADE_LEN)
            return found < 0 ? -1 : 0;
    }
    missing_init(&m, q->s, q->o.group == NULL);
    for (size_t i = 0; i < n && rc == 0 && !q->stopped; i++) {
        int order = strcmp(groups[i], first);
        if (order < 0)
            continue;
        if (order > 0)
            *rest = '\0';
        rc = missing_note(&m, groups[i],
                          search_group(q, groups[i], order == 0 ? part : 0,
                                       rest, err), err);
    }
    return missing_end(&m, rc, err);
}

int search_page(struct search *q, struct stint_err *err)
{
    size_t n = 0;
    group_name *groups = client_groups_wanted(q->s, q->o.group, &n, err);
    if (groups == NULL)
        return -1;
    qsort(groups, n, sizeof(*groups), by_name);
    int rc = search_groups(q, groups, n, err);
    free(groups);
    return rc;
}

int stint_search(stint *s, const struct stint_search_options *o,
                 stint_list_fn fn, void *arg, char **cursor, uint64_t *scanned,
                 struct stint_err *err)
{
    struct search q;
    *cursor = NULL;
    int rc = search_open(&q, s, o, fn, arg, err) || search_page(&q, err) ? -1
                                                                         : 0;
    if (scanned != NULL)
        *scanned = q.scanned;
    if (q.cursor[0] != '\0' && (*cursor = strdup(q.cursor)) == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    return rc;
}
