/* SPDX-License-Identifier: MIT */
/* What happens to a worker from outside: connections that come and go, and
 * commands of the fleet. */
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "store.h"
#include "worker.h"

/* ---- Connections --------------------------------------------------------- */

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
    log_info(w->log, log_event("command"), log_text("verb", verb));
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
