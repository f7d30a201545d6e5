/* SPDX-License-Identifier: MIT */
/* What happens to a worker from outside: the groups it is given, connections
 * that come and go, and commands of the fleet. */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "part.h"
#include "store.h"
#include "worker.h"

/* ---- Groups and connections --------------------------------------------- */

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

void worker_saw_group(struct worker *w, const char *text, size_t len)
{
    char group[STINT_NAME_LEN + 1], name[STINT_NAME_LEN + 1];
    int parts = part_read(text, len, group), before = w->n_groups;
    reaper_add_group(&w->reaper, text, len);
    if (parts <= 1 || w->stops > 0 || group_find(w, group) == NULL)
        return;
    for (int k = 1; k < parts; k++) {
        part_name(name, group, k);
        if (group_find(w, name) != NULL)
            continue;
        if (w->n_groups == SERVED_MAX) {
            log_error(w->log, "the groups of this worker have over %d parts: "
                      "it ends", SERVED_MAX);
            w->stops = w->overloaded = 1;
            break;
        }
        (void)group_add(w, group, k);
    }
    if (w->n_groups > before) {
        log_info(w->log, "group %s has %d parts", group, parts);
        struct stint_err err = {0};
        if (waits_follow(w, &err) < 0) {
            log_error(w->log, "waiting for work: %s: the worker ends",
                      err.text);
            w->stops = 1;
        }
    }
}

void worker_on_connected(struct worker *w, int connected)
{
    w->reconnects += connected && !w->connected && w->fleet_heard;
    w->connected = connected;
    if (!connected) {
        w->leading = 0;
        reaper_missed(&w->reaper, NULL);
    } else {
        w->parents_mono_ms = 0;
        w->fleet_mono_ms = 0;
        for (int i = 0; i < w->n_groups; i++) {
            w->groups[i].has_lease = 0;
            w->groups[i].reconcile = 1;
            w->groups[i].hungry = 1;
            w->groups[i].pause_mono_ms = 0;
        }
    }
    w->want_tick(w->want_arg);
}

/* ---- Commands ------------------------------------------------------------ */

static void worker_disable(struct worker *w, int disabled)
{
    w->disabled = disabled;
    for (int i = 0; i < w->n_groups; i++) {
        struct worker_group *g = &w->groups[i];
        g->nudged = 1;
        g->hungry = 1;
        g->marker |= disabled; /* we may keep the time of its next task */
    }
    for (struct held *h = w->held[HELD_ASSIGNED].first, *next; h && disabled;
         h = next) {
        next = h->next;
        held_move(w, h, HELD_DONE); /* with no status: released */
    }
    if (disabled)
        waits_stop(w);
}

void worker_command(struct worker *w, const char *verb)
{
    log_info(w->log, "command: %s", verb);
    if (strcmp(verb, "disable") == 0)
        worker_disable(w, 1);
    else if (strcmp(verb, "resume") == 0)
        worker_disable(w, 0);
    else if (strcmp(verb, "terminate") == 0 && w->stops == 0)
        w->stops = 1;
    else if (strcmp(verb, "kill") == 0)
        w->stops = 2;
    w->want_tick(w->want_arg);
}

int worker_rests(const struct worker *w)
{
    return w->disabled || w->stops > 0;
}

const char *worker_status(const struct worker *w)
{
    return w->stops > 1                   ? "KILLED"
           : w->stops > 0                 ? "TERMINATING"
           : w->disabled                  ? "DISABLED"
                                          : "ACTIVE";
}
