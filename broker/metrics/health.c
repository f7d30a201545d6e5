/* SPDX-License-Identifier: MIT */
/* Is the program alive, and is work being done? A process that answers is alive:
 * to start it again would not bring Redis back. It is ready when Redis takes
 * calls, and no group has work that live workers could do and that nobody is
 * given. */
#include <stdio.h>
#include <string.h>

#include "metrics.h"
#include "snapshot.h"

#define STUCK_MS 60000 /* due so long, and nothing was started meanwhile */

/* Live workers that take tasks of the group, and whether one has a free slot. */
static int can_be_done(const struct snapshot *s, const char *group)
{
    for (size_t i = 0; i < s->n_workers; i++) {
        const struct snapshot_worker *w = &s->workers[i];
        if (strcmp(w->status, "ACTIVE") == 0 &&
            w->is.running < w->is.concurrency &&
            snapshot_lists(w->groups, group))
            return 1;
    }
    return 0;
}

/* Due tasks of functions that nobody knows are counted apart by the rules once
 * a worker has met them, so what is due can be run by those who live. */
static int is_stuck(const struct snapshot *s, const struct snapshot_group *g)
{
    return g->stats.due > 0 && g->stats.oldest_due_ms >= STUCK_MS &&
           g->rate.window_s > 0 && g->rate.queue_time.count == 0 &&
           can_be_done(s, g->name);
}

static void reason_add(json_t *reasons, const char *format, const char *what,
                       double number)
{
    char text[400];
    snprintf(text, sizeof(text), format, what, number);
    json_array_append_new(reasons, json_string(text));
}

/* What keeps Redis from taking writes. */
static int see_finding(const struct stint_finding *f, void *arg)
{
    int is_about_writes = strcmp(f->name, "role") == 0 ||
                          strcmp(f->name, "disk") == 0 ||
                          strcmp(f->name, "replicas") == 0;
    if (is_about_writes && f->state == STINT_FINDING_FAULT)
        reason_add(arg, "Redis: %s", f->text, 0);
    return 0;
}

int health_ready(stint *s, struct call *c, struct stint_err *err)
{
    struct snapshot snap = {0};
    struct stint_err why = {0};
    json_t *reasons = json_array();
    size_t n_faults;
    (void)err;
    int rc = snapshot_take(&snap, s, SNAPSHOT_RATES | SNAPSHOT_WORKERS, &why);
    if (rc == 0)
        rc = stint_doctor(s, 0, see_finding, reasons, NULL, &n_faults, &why);
    if (rc)
        reason_add(reasons, "Redis: %s", why.text, 0);
    for (size_t i = 0; i < snap.n_groups && rc == 0; i++)
        if (is_stuck(&snap, &snap.groups[i]))
            reason_add(reasons,
                       "group %s: due tasks and free workers, but none has "
                       "been assigned for %.0f s",
                       snap.groups[i].name,
                       (double)snap.groups[i].stats.oldest_due_ms / 1000);
    int is_ready = json_array_size(reasons) == 0;
    snapshot_close(&snap);
    call_json(c, is_ready ? 200 : 503,
              json_pack("{s:s, s:o}", "status", is_ready ? "ready" : "unready",
                        "reasons", reasons));
    return 0;
}
