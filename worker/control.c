/* SPDX-License-Identifier: MIT */
/* What happens to a worker from outside: the groups it is given, connections
 * that come and go, and commands of the fleet. */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "worker.h"

/* ---- Groups and connections --------------------------------------------- */

int worker_add_groups(struct worker *w, struct stint_err *err)
{
    const struct config *c = w->config;
    w->groups = calloc((size_t)c->n_groups, sizeof(*w->groups));
    if (w->groups == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    for (int i = 0; i < c->n_groups; i++) {
        int j = 0;
        while (j < w->n_groups && strcmp(w->groups[j].name, c->groups[i]) != 0)
            j++;
        struct worker_group *g = &w->groups[j];
        if (j == w->n_groups) {
            w->n_groups++;
            memcpy(g->name, c->groups[i], sizeof(g->name));
            g->worker = w;
            g->hungry = 1;
            g->due_mono_ms = INT64_MAX;
            g->left = -1;
        }
        g->weight++;
    }
    return 0;
}

void worker_on_connected(struct worker *w, int connected)
{
    w->connected = connected;
    if (!connected) {
        w->leading = 0;
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
