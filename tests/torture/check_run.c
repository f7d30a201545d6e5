/* SPDX-License-Identifier: MIT */
/* C6, C7, C11, C12: when runs may be, and why there was another one. */
#include <inttypes.h>

#include "check.h"

/* ---- C6 ---------------------------------------------------------------------*/

/* Had the lease of the earlier one ended, by Redis's clock, when the later one
 * was assigned? Or had it no claim any more? */
static bool may_overlap(const struct holding *a, const struct holding *b,
                        const struct world *w)
{
    int64_t b_us =
        b->assign != NULL ? (int64_t)b->assign->mono_us : holding_begin(b);
    if (world_death(w, a->actor) <= b_us)
        return true;
    int64_t redis_us = b->assign != NULL ? b->assign->value[0] : 0;
    int64_t lease_end =
        redis_us != 0 ? world_lease_end(w, a->actor, redis_us) : 0;
    if (world_clock_jumped(w) || lease_end == 0) /* nothing is proved by it */
        return world_explains(w, a->actor, holding_begin(a), b_us) != NULL;
    return lease_end <= redis_us;
}

void check_overlap(const struct task *t, const struct world *w,
                   struct verdict *v, struct measures *m)
{
    for (size_t i = 0; i < t->n_holdings; i++) {
        const struct holding *b = &t->holdings[i];
        if (b->begin == NULL)
            continue;
        v->examined++;
        /* With those that began before it, whatever their number: three at
         * once are three pairs. Bounded: the ones before it. */
        for (size_t j = i; j > 0 && j + 100 > i; j--) {
            const struct holding *a = &t->holdings[j - 1];
            if (a->begin == NULL ||
                holding_code_end(a, w) <= (int64_t)b->begin->mono_us)
                continue;
            if (may_overlap(a, b, w)) {
                m->overlaps++;
                continue;
            }
            verdict_add(v, w, t,
                        "fence %" PRIu64 " ran while %" PRIu64
                        " did, whose lease had not ended",
                        b->fence, a->fence);
            return;
        }
    }
}

/* ---- C7 ---------------------------------------------------------------------*/

/* The next time the task's code began, or NULL. */
static const struct holding *next_run_of(const struct task *t, size_t i)
{
    for (size_t j = i + 1; j < t->n_holdings; j++)
        if (t->holdings[j].begin != NULL)
            return &t->holdings[j];
    return NULL;
}

static void measure_rescue(const struct task *t, size_t i,
                           const struct world *w, struct measures *m)
{
    const struct holding *h = &t->holdings[i];
    int64_t killed = 0;
    if (h->report != NULL || h->maybe || i + 1 == t->n_holdings ||
        !world_was_killed(w, h->actor, &killed) || killed < holding_begin(h))
        return;
    int64_t next = holding_begin(h + 1);
    if (next != INT64_MAX && next > killed)
        histogram_record(&m->rescue, next - killed);
}

void check_explained(const struct task *t, const struct world *w,
                     struct verdict *v, struct measures *m)
{
    for (size_t i = 0; i < t->n_holdings; i++) {
        const struct holding *h = &t->holdings[i];
        measure_rescue(t, i, w, m);
        if (h->begin == NULL)
            continue;
        m->runs++;
        v->examined++;
        if (h->n_begin > 1) {
            verdict_add(v, w, t, "fence %" PRIu64 " was run %d times", h->fence,
                        h->n_begin);
            return;
        }
        const struct holding *next = next_run_of(t, i);
        if (h->report != NULL || next == NULL)
            continue; /* counted: what follows was asked for (C4) */
        m->repeated_runs++;
        int64_t from = holding_begin(h), to = holding_begin(next);
        const struct fault *f = world_explains(w, h->actor, from, to);
        int64_t death = world_death(w, h->actor), killed;
        bool left = death <= to && !world_was_killed(w, h->actor, &killed);
        if (h->release != NULL || left)
            m->repeated_by[FAULT_NONE]++;
        else if (f != NULL)
            m->repeated_by[f->kind]++;
        else {
            verdict_add(v, w, t,
                        "fence %" PRIu64 " was not counted, "
                        "%" PRIu64 " ran after it, and no fault "
                        "explains it",
                        h->fence, next->fence);
            return;
        }
    }
}

/* ---- C11 --------------------------------------------------------------------*/

/* Redis's us at which a run began; 0: not known. */
static int64_t run_begin(const struct holding *h)
{
    if (h->start != NULL && h->start->outcome == OUTCOME_OK)
        return h->start->value[0];
    if (h->assign != NULL && h->assign->value[1] == HS_RUNNING)
        return h->assign->value[0];
    return 0;
}

static bool check_times(const struct task *t, const struct world *w,
                        struct verdict *v)
{
    int64_t start_us = t->spec != NULL ? t->spec->value[0] * 1000 : 0;
    int64_t stop_us = t->spec != NULL ? t->spec->value[1] * 1000 : 0;
    if (t->n_requeues > 0)
        stop_us = 0; /* a new life drops it once it has passed */
    /* What was due once, by Redis's clock, may run again at once when it was
     * lost, though that clock was set back. */
    bool was_due = false;
    for (size_t i = 0; i < t->n_holdings; i++) {
        const struct holding *h = &t->holdings[i];
        int64_t begin = run_begin(h);
        int64_t given = h->assign != NULL ? h->assign->value[0] : 0;
        if (begin != 0 && !was_due && begin / 1000 < start_us / 1000)
            verdict_add(v, w, t,
                        "fence %" PRIu64 " ran %" PRId64 " us before "
                        "start_time",
                        h->fence, start_us - begin);
        else if (begin != 0 && stop_us != 0 && begin / 1000 > stop_us / 1000)
            verdict_add(v, w, t,
                        "fence %" PRIu64 " ran %" PRId64 " us after "
                        "stop_time",
                        h->fence, begin - stop_us);
        else if (h->assign != NULL && h->assign->value[0] != 0 &&
                 h->assign->value[0] / 1000 < h->assign->value[3])
            verdict_add(v, w, t,
                        "fence %" PRIu64 " was assigned before it "
                        "was due",
                        h->fence);
        else {
            was_due |= given != 0 && given / 1000 >= start_us / 1000;
            continue;
        }
        return false;
    }
    return true;
}

void check_limits(const struct task *t, const struct world *w,
                  struct verdict *v, struct measures *m)
{
    (void)m;
    v->examined++;
    if (!check_times(t, w, v) || t->spec == NULL)
        return;
    int64_t retry = t->spec->value[2], repeats = t->spec->value[3];
    int64_t lives = 1 + t->n_requeues, ran = 0, failed = 0;
    for (size_t i = 0; i < t->n_holdings; i++) {
        const struct holding *h = &t->holdings[i];
        if (h->report == NULL)
            continue;
        if (h->status == HS_COMPLETED) {
            ran++;
            failed = 0;
        } else if (h->status == HS_FAILED || h->status == HS_TIMEOUT) {
            failed++;
        }
        if (repeats > 0 && ran > repeats * lives)
            verdict_add(v, w, t, "%" PRId64 " successes, %" PRId64 " asked for",
                        ran, repeats * lives);
        else if (retry >= 0 && failed > (retry + 1) * lives)
            verdict_add(v, w, t,
                        "%" PRId64 " failures in a row, %" PRId64 " allowed",
                        failed, (retry + 1) * lives);
        else
            continue;
        return;
    }
}

/* ---- C12 --------------------------------------------------------------------*/

void check_terminal(const struct task *t, const struct world *w,
                    struct verdict *v, struct measures *m)
{
    (void)m;
    if (t->n_requeues > 0)
        return;
    const struct history_record *seen = NULL;
    for (size_t i = 0; i < t->n_entries; i++) {
        const struct history_record *r = &t->entries[i].record;
        bool is_look = r->kind == HISTORY_SEEN || r->kind == HISTORY_FINAL;
        if (!is_look || r->value[0] == HS_NONE)
            continue;
        v->examined++;
        /* Two looks by two clients: Redis's clock says which came first. */
        bool after = seen != NULL &&
                     (r->kind == HISTORY_FINAL || r->actor == seen->actor ||
                      (!world_clock_jumped(w) && seen->value[2] != 0 &&
                       r->value[2] > seen->value[2]));
        if (after && r->value[0] != seen->value[0]) {
            verdict_add(v, w, t, "it was %s, and then %s",
                        history_status_word(seen->value[0]),
                        history_status_word(r->value[0]));
            return;
        }
        if (seen == NULL && status_is_end(r->value[0]))
            seen = r;
    }
}
