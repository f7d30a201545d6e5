/* SPDX-License-Identifier: MIT */
/* Which groups a worker serves: those of its configuration, with all of their
 * parts, and others when it gets another configuration. A group that is left
 * goes in steps: nothing more is taken or waited for; the marker whose time we
 * keep is passed on; when what runs has been reported, a last heartbeat says
 * that we are not there any more. Slots of groups are never used for others:
 * calls under way, and connections in a cluster, belong to them. */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "part.h"
#include "worker.h"

static struct worker_group *group_find(const struct worker *w,
                                       const char *name)
{
    for (int i = 0; i < w->n_groups; i++)
        if (strcmp(w->groups[i].name, name) == 0)
            return &w->groups[i];
    return NULL;
}

/* A part of the group, which is not there yet. There must be room. */
static struct worker_group *group_add(struct worker *w, const char *group,
                                      int part)
{
    struct worker_group *g = &w->groups[w->n_groups++];
    part_name(g->name, group, part);
    memcpy(g->shown, g->name, sizeof(g->shown));
    g->shown[part_group_len(g->name)] = '\0';
    g->worker = w;
    g->head = part > 0 ? group_find(w, g->shown) : g;
    g->hungry = 1;
    g->due_mono_ms = INT64_MAX;
    g->left = -1;
    g->reconcile = part > 0; /* it comes late: as after a connection */
    g->turn = (int)(w->pid % SERVED_MAX); /* not all workers the same */
    return g;
}

int worker_add_groups(struct worker *w, struct stint_err *err)
{
    const struct config *c = w->config;
    w->groups = calloc(SERVED_MAX, sizeof(*w->groups));
    if (w->groups == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    for (int i = 0; i < c->n_groups; i++) {
        struct worker_group *g = group_find(w, c->groups[i]);
        if (g == NULL)
            g = group_add(w, c->groups[i], 0);
        g->weight++;
    }
    return 0;
}

/* ---- Another configuration ------------------------------------------------ */

int worker_groups_fit(const struct worker *w, const struct config *c,
                      struct stint_err *err)
{
    int n = w->n_groups;
    for (int i = 0; i < c->n_groups; i++)
        n += group_find(w, c->groups[i]) == NULL; /* named twice: counted so */
    return n <= SERVED_MAX
               ? 0
               : err_set(err, STINT_TOO_BIG, "groups: over %d, with those it "
                         "has served so far: that needs a restart",
                         SERVED_MAX);
}

/* One that we have left comes back as one that came late: both sides compare
 * what is held. */
static void group_serve(struct worker_group *g)
{
    g->hungry = 1;
    if (g->stay != GROUP_SERVED)
        g->reconcile = 1;
    if (g->stay == GROUP_GONE) {
        g->has_lease = g->was_leased = g->marker = g->cast = 0;
        g->due_mono_ms = INT64_MAX;
        g->pause_mono_ms = 0;
        g->left = -1;
    }
    g->stay = GROUP_SERVED;
}

static void group_leave(struct worker_group *g, int64_t now_ms)
{
    struct worker *w = g->worker;
    g->stay = GROUP_LEAVING;
    g->leave_mono_ms = now_ms;
    g->passed_on = 0;
    g->flows = 0;
    for (struct held *h = w->held[HELD_ASSIGNED].first, *next; h; h = next) {
        next = h->next;
        if (h->group == g)
            held_move(w, h, HELD_DONE); /* with no status: released */
    }
}

int worker_follow_groups(struct worker *w, struct stint_err *err)
{
    const struct config *c = w->config;
    for (int i = 0; i < w->n_groups; i++)
        w->groups[i].weight = 0;
    for (int i = 0; i < c->n_groups; i++) {
        struct worker_group *g = group_find(w, c->groups[i]);
        if (g == NULL) {
            g = group_add(w, c->groups[i], 0);
            g->reconcile = 1;
        }
        g->weight++;
    }
    for (int i = 0; i < w->n_groups; i++) {
        struct worker_group *g = &w->groups[i];
        if (g->head->weight > 0)
            group_serve(g);
        else if (g->stay == GROUP_SERVED)
            group_leave(g, w->clock());
    }
    if (w->apart)
        waits_stop(w); /* for other functions, too */
    return waits_follow(w, err);
}

static void group_tick(struct worker_group *g, int64_t now_ms)
{
    struct worker *w = g->worker;
    if (!g->passed_on) {
        g->passed_on = 1;
        exchange_assign(w, g, 0, 0);
    } else if (held_count(w, g) == 0) {
        g->parting = 1;
        exchange_heartbeat(w, g, now_ms, 1);
    }
}

int64_t worker_tick_leaving(struct worker *w, int64_t now_ms)
{
    int64_t next = INT64_MAX;
    for (int i = 0; i < w->n_groups; i++) {
        struct worker_group *g = &w->groups[i];
        int64_t due_ms = g->leave_mono_ms + UNBLOCK_MS;
        if (g->stay != GROUP_LEAVING || !g->has_lease || g->reconcile ||
            g->reconciling || g->assigning || g->sending || g->beating)
            continue; /* a reply is to come first */
        if (now_ms >= due_ms)
            group_tick(g, now_ms);
        else if (due_ms < next)
            next = due_ms;
    }
    return next;
}

/* ---- Parts ---------------------------------------------------------------- */

void worker_saw_group(struct worker *w, const char *text, size_t len)
{
    char group[STINT_NAME_LEN + 1], name[STINT_NAME_LEN + 1];
    int parts = part_read(text, len, group), before = w->n_groups;
    reaper_add_group(&w->reaper, text, len);
    const struct worker_group *head = group_find(w, group);
    if (parts <= 1 || w->stops > 0 || head == NULL ||
        head->stay != GROUP_SERVED)
        return;
    for (int k = 1; k < parts; k++) {
        part_name(name, group, k);
        if (group_find(w, name) != NULL)
            continue;
        if (w->n_groups == SERVED_MAX) {
            log_error(w->log, log_event("parts"), log_n("most", SERVED_MAX),
                      log_text("error", "its groups have too many parts: "
                               "the worker ends"));
            w->stops = w->overloaded = 1;
            break;
        }
        (void)group_add(w, group, k);
    }
    if (w->n_groups > before) {
        log_info(w->log, log_event("parts"), log_text("group", group),
                 log_n("parts", parts));
        struct stint_err err = {0};
        if (waits_follow(w, &err) < 0) {
            log_error(w->log, log_event("wait"), log_text("error", err.text),
                      log_text("text", "the worker ends"));
            w->stops = 1;
        }
    }
}

