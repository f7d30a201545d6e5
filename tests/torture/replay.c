/* SPDX-License-Identifier: MIT */
/* Replay: what the records tell of a task must be a path through the transitions
 * of the models (tests/model/transitions). A worker's call that was answered is
 * a step that was made; one without an answer was made or not. What leaves no
 * record (recover, expire, heartbeat, stop_task by somebody, settle, prune) may
 * be made at any time between. So a set of statuses is walked: where the task
 * may be now.
 *
 * The order is that of fences, and within one assignment that of its worker. */
#include <inttypes.h>
#include <string.h>

#include "check.h"
#include "transitions.h" /* made of tests/model/transitions */

/* Bits of a set of statuses. */
#define IN(status) (1u << (unsigned)(status))

enum step_outcome { STEP_MADE, STEP_MAYBE };

/* The statuses that `by` leads to from those in `from`, where wanted. */
static unsigned moves_of(const char *by, unsigned from, unsigned wanted)
{
    unsigned to = 0;
    for (size_t i = 0; i < N_TRANSITIONS; i++)
        if (strcmp(transitions[i].by, by) == 0 &&
            (from & IN(transitions[i].from)) != 0)
            to |= IN(transitions[i].to);
    return to & wanted;
}

/* What of `at` only a stop, a stop_time or losses explain, and there were none.
 */
static unsigned impossible(const struct task *t)
{
    unsigned out = 0;
    if (t->n_stops == 0)
        out |= IN(HS_STOPPED);
    if (t->spec != NULL && t->spec->value[1] == 0)
        out |= IN(HS_EXPIRED);
    return out;
}

/* Whatever may happen without a record in this history. */
static unsigned silent_closure(unsigned at, const struct task *t)
{
    /* assign, start and release: whoever made them died before it wrote down
     * the answer. */
    static const char *const silent[] = {"expire", "recover", "heartbeat",
                                         "settle", "assign",  "start",
                                         "release"};
    unsigned wanted = ~impossible(t), before;
    do {
        before = at;
        for (size_t i = 0; i < sizeof(silent) / sizeof(silent[0]); i++)
            at |= moves_of(silent[i], at, wanted);
        if (t->n_stops > 0)
            at |= moves_of("stop_task", at, wanted);
        if (t->n_requeues > 0)
            at |= moves_of("requeue_task", at, wanted);
    } while (at != before);
    return at;
}

struct walk {
    const struct task *t;
    const struct holding *h; /* that is walked */
    unsigned at;             /* where the task may be */
    const char *stuck_by;    /* the call that no path explains, or NULL */
};

static void walk_step(struct walk *k, const char *by, unsigned wanted,
                      enum step_outcome outcome)
{
    unsigned next = moves_of(by, k->at, wanted);
    if (outcome == STEP_MAYBE)
        next |= k->at;
    if (next == 0)
        k->stuck_by = by;
    else
        k->at = next;
}

static enum step_outcome outcome_of(const struct history_record *r)
{
    return r->outcome == OUTCOME_OK ? STEP_MADE : STEP_MAYBE;
}

/* The status that a report of this run leads to. */
static unsigned report_leads_to(const struct holding *h, const struct task *t)
{
    const struct history_record *r = h->report;
    if (r != NULL && r->value[1] != HS_NONE)
        return IN(r->value[1]);
    const struct history_record *s = t->spec;
    unsigned to = IN(h->status);
    if (h->status == HS_COMPLETED && (s == NULL || s->value[3] != 1))
        to |= IN(HS_QUEUED) | IN(HS_EXPIRED);
    else if (h->status != HS_COMPLETED && h->status != HS_STOPPED &&
             (s == NULL || s->value[2] != 0))
        to |= IN(HS_QUEUED);
    if (t->n_stops > 0)
        to |= IN(HS_STOPPED);
    return to;
}

static void walk_holding(struct walk *k)
{
    const struct holding *h = k->h;
    const struct task *t = k->t;
    /* How it was got. Only its worker's answer tells in which status. */
    k->at = silent_closure(k->at, t);
    if (h->assign != NULL && h->assign->value[1] != HS_NONE)
        walk_step(k, "assign", IN(h->assign->value[1]), STEP_MADE);
    else
        walk_step(k, "assign", IN(HS_RUNNING) | IN(HS_ASSIGNED), STEP_MAYBE);
    if (k->stuck_by != NULL)
        return;
    if (h->start != NULL)
        walk_step(k, "start", IN(HS_RUNNING), outcome_of(h->start));
    if (k->stuck_by == NULL && h->report != NULL)
        walk_step(k, "report", report_leads_to(h, t), STEP_MADE);
    else if (k->stuck_by == NULL && h->maybe)
        walk_step(k, "report", report_leads_to(h, t), STEP_MAYBE);
    if (k->stuck_by == NULL && h->release != NULL)
        walk_step(k, "release", ~0u, outcome_of(h->release));
}

/* A repeated call makes no move. It is in the same holding, which counts once. */
void check_replay(const struct task *t, const struct world *w,
                  struct verdict *v, struct measures *m)
{
    (void)m;
    if (!world_options(w)->replay)
        return;
    v->examined++;
    struct walk k = {.t = t, .at = IN(HS_NONE)};
    k.at = moves_of("queue_task", k.at, ~0u);
    for (size_t i = 0; i < t->n_holdings; i++) {
        k.h = &t->holdings[i];
        walk_holding(&k);
        if (k.stuck_by != NULL) {
            verdict_add(v, w, t, "no path: %s of fence %" PRIu64, k.stuck_by,
                        k.h->fence);
            return;
        }
    }
    k.at = silent_closure(k.at, t);
    if (t->final != NULL && t->final->value[0] != HS_NONE &&
        (k.at & IN(t->final->value[0])) == 0)
        verdict_add(v, w, t, "no path ends %s",
                    history_status_word(t->final->value[0]));
}
