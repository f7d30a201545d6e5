/* SPDX-License-Identifier: MIT */
/* Reading events. Several streams (of groups, and of their parts) become one:
 * of each only what happened before the earliest moment at which one of them was
 * read is shown, so that nothing can come later that belongs in between. */
#include <hiredis/hiredis.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bounds.h"
#include "err.h"
#include "event_page.h"
#include "part.h"
#include "parts.h"
#include "task.h"

#define CALL_EVENTS_MAX 2000 /* asked of Redis at once: entries of 100 KB */
#define BASE_CALLS_MAX  10   /* of one stream in one call */

struct reading {
    stint *s;
    const char *task_id;      /* NULL: any */
    int to_end;               /* "$" */
    int only;                 /* one stream is looked at */
    struct event_place after; /* valid unless from_start */
    int from_start;
    struct event_page page;
    struct event_place horizon; /* nothing behind it is known for sure */
    int has_horizon;
};

static void horizon_lower(struct reading *g, const struct event_place *p)
{
    if (!g->has_horizon || event_place_order(p, &g->horizon) < 0)
        g->horizon = *p;
    g->has_horizon = 1;
}

/* The end of what can be said about a stream that was read to its end: `at` is
 * the last event, if there is one. */
static void end_note(struct reading *g, const struct event_place *at,
                     int64_t now_us)
{
    struct event_place end = {.ms = (uint64_t)(now_us / 1000), .is_time = 1};
    if (g->only && at != NULL)
        end = *at;
    else if (g->only && !g->to_end)
        return; /* nothing has moved */
    horizon_lower(g, &end);
}

static struct redisReply *events_call(struct reading *g, const char *base,
                                      const char *from, int64_t want,
                                      struct stint_err *err)
{
    struct args a;
    args_init(&a);
    args_add_str(&a, from);
    args_add_i64(&a, want);
    args_add_str(&a, g->task_id != NULL ? g->task_id : "");
    struct redisReply *r = client_call(g->s, SCRIPT_EVENTS, base, &a, err);
    args_close(&a);
    return r;
}

/* Takes the entries of an answer. *at: the last event looked at; 0: there were
 * none. */
static int reply_take(struct reading *g, const char *base,
                      const struct redisReply *r, int64_t *behind,
                      struct event_place *at, struct stint_err *err)
{
    size_t len;
    struct event_place entry;
    if (event_entry_read(at, reply_str(r, 2, &len)))
        return 0;
    at->n = EVENT_N_MAX; /* of entries that were left out */
    snprintf(at->base, sizeof(at->base), "%s", base);
    for (size_t i = 3; i + 2 < reply_n(r); i += 3) {
        uint32_t last;
        if (event_entry_read(&entry, reply_str(r, i, &len)))
            continue;
        memcpy(entry.base, at->base, sizeof(entry.base));
        if (event_page_add(&g->page, &entry, reply_str(r, i + 1, &len),
                           reply_str(r, i + 2, &len), *behind, &last))
            return err_set(err, STINT_NOMEM, "out of memory");
        if (entry.ms == at->ms && entry.seq == at->seq)
            at->n = last;
        *behind = -1;
    }
    return 1;
}

/* One stream, from where the cursor is: until there are as many as are wanted,
 * or it ends, or it has been long enough. */
static int base_read(struct reading *g, const char *base,
                     struct stint_err *err)
{
    char from[48] = "-";
    int64_t behind = -1, now_us = 0;
    struct event_place at = {0}, before;
    int found = 1, has_at = 0, calls = 0;
    size_t n = g->page.n;
    if (!g->from_start)
        behind = event_place_from(from, &g->after, base, g->only);
    while (g->page.n - n < g->page.want && found > 0 &&
           calls++ < BASE_CALLS_MAX) {
        size_t want = g->page.want + (size_t)(behind + 1);
        struct redisReply *r = events_call(
            g, base, from,
            want < CALL_EVENTS_MAX ? (int64_t)want : CALL_EVENTS_MAX, err);
        if (r == NULL)
            return -1;
        before = at;
        found = reply_take(g, base, r, &behind, &at, err);
        now_us = reply_i64(r, 0);
        client_reply_free(r);
        at = found > 0 ? at : before;
        has_at |= found > 0;
        snprintf(from, sizeof(from), "(%llu-%llu", (unsigned long long)at.ms,
                 (unsigned long long)at.seq);
    }
    if (found < 0)
        return -1;
    if (found == 0) {
        struct event_place *end = has_at ? &at : NULL;
        end_note(g, end, now_us);
    } else {
        horizon_lower(g, &at);
    }
    if (g->page.n > 2 * g->page.want)
        event_page_sort(&g->page);
    return 0;
}

static int base_end(struct reading *g, const char *base, struct stint_err *err)
{
    struct event_place at;
    size_t len;
    struct redisReply *r = events_call(g, base, "$", 1, err);
    if (r == NULL)
        return -1;
    int there = event_entry_read(&at, reply_str(r, 2, &len)) == 0;
    at.n = EVENT_N_MAX;
    end_note(g, there ? &at : NULL, reply_i64(r, 0));
    client_reply_free(r);
    return 0;
}

/* Which streams: those of n groups; of a task's group only its part. */
static int groups_read(struct reading *g, group_name *groups, size_t n,
                       struct stint_err *err)
{
    int rc = 0;
    g->only = n == 1 && (parts_of(g->s, groups[0]) == 1 || g->task_id);
    for (size_t i = 0; i < n; i++) {
        int parts = parts_of(g->s, groups[i]);
        int one = g->task_id != NULL ? part_of_id(g->task_id, parts) : -1;
        for (int k = 0; k < parts && rc == 0; k++) {
            group_name base;
            part_name(base, groups[i], k);
            if (one < 0 || one == k)
                rc = g->to_end ? base_end(g, base, err)
                               : base_read(g, base, err);
        }
    }
    return rc;
}

/* Behind the horizon nothing is shown: the next call will. */
static void page_cut(struct reading *g)
{
    struct event_page *p = &g->page;
    event_page_sort(p);
    size_t keep = 0;
    while (keep < p->n && (!g->has_horizon ||
                           event_place_order(&p->rows[keep].at,
                                             &g->horizon) <= 0))
        keep++;
    g->page.want = keep < g->page.want ? keep : g->page.want;
    event_page_sort(p);
}

/* Shows them; `stopped` is the last one then, otherwise NULL. */
static const struct event_place *page_show(struct reading *g,
                                           stint_event_fn fn, void *arg)
{
    char cursor[STINT_CURSOR_LEN + 1];
    for (size_t i = 0; i < g->page.n; i++) {
        struct event_row *row = &g->page.rows[i];
        struct event_place at = row->at;
        group_name group;
        snprintf(group, sizeof(group), "%.*s",
                 (int)part_group_len(row->at.base), row->at.base);
        if (g->only)
            *at.base = '\0';
        event_place_write(cursor, &at);
        struct stint_event e = {
            sizeof(e), cursor, group, (int64_t)row->at.ms, row->verb, row->id,
            row->function != NULL ? row->function : "", row->status,
            row->worker, row->fence};
        if (fn(&e, arg))
            return &row->at;
    }
    return NULL;
}

/* Where to go on: behind the last one shown if there may be more, else behind
 * all that is known. Never back. */
static void cursor_write(struct reading *g, const struct event_place *stopped,
                         size_t limit, char cursor[STINT_CURSOR_LEN + 1])
{
    struct event_place to = {.is_time = 1};
    if (stopped == NULL && g->page.n == limit && limit > 0)
        stopped = &g->page.rows[g->page.n - 1].at;
    if (!g->from_start)
        to = g->after;
    if (stopped != NULL)
        to = *stopped;
    else if (g->has_horizon && (g->from_start || event_place_order(
                                    &to, &g->horizon) < 0))
        to = g->horizon;
    if (g->only)
        *to.base = '\0';
    event_place_write(cursor, &to);
}

static int options_read(struct reading *g, const struct stint_events_options *o,
                        struct stint_err *err)
{
    *g = (struct reading){.task_id = o->task_id};
    g->page.want = o->limit > 0 ? o->limit : 100;
    g->page.task_id = o->task_id;
    g->page.ended = o->ended;
    g->to_end = o->after != NULL && strcmp(o->after, "$") == 0;
    g->from_start = o->after == NULL || g->to_end;
    if (o->limit > EVENTS_MAX)
        return err_set(err, STINT_INVALID, "at most %d events at once",
                       EVENTS_MAX);
    if (o->task_id != NULL &&
        !task_id_is_valid(o->task_id, strlen(o->task_id)))
        return err_set(err, STINT_INVALID, "there is no such id");
    if (!g->from_start && event_place_read(&g->after, o->after))
        return err_set(err, STINT_INVALID, "that is no cursor of events");
    return 0;
}

int stint_events(stint *s, const struct stint_events_options *o,
                 stint_event_fn fn, void *arg,
                 char cursor[STINT_CURSOR_LEN + 1], struct stint_err *err)
{
    struct stint_events_options full = STINT_EVENTS_OPTIONS_INIT;
    struct reading g;
    size_t n;
    if (o != NULL)
        memcpy(&full, o, o->size < sizeof(full) ? o->size : sizeof(full));
    if (options_read(&g, &full, err))
        return -1;
    g.s = s;
    size_t limit = g.page.want;
    group_name *groups = client_groups_wanted(s, full.group, &n, err);
    if (groups == NULL)
        return -1;
    int rc = groups_read(&g, groups, n, err);
    free(groups);
    if (rc == 0) {
        page_cut(&g);
        rc = event_page_functions(&g.page, s, err);
    }
    if (rc == 0)
        cursor_write(&g, page_show(&g, fn, arg), limit, cursor);
    event_page_close(&g.page);
    return rc;
}
