/* SPDX-License-Identifier: MIT */
/* C4, C5, C8, C9, C10: results are counted once, of whoever held the task. */
#include <inttypes.h>

#include "check.h"

static const struct holding *holding_of_fence(const struct task *t,
                                              uint64_t fence)
{
    for (size_t i = 0; i < t->n_holdings; i++)
        if (t->holdings[i].fence == fence)
            return &t->holdings[i];
    return NULL;
}

/* COMPLETED and TIMEOUT come from a report only; FAILED from recover, too. */
static void check_stored_result(const struct task *t, const struct world *w,
                                struct verdict *v)
{
    const struct history_record *f = t->final;
    if (f == NULL || f->fence == 0 ||
        (f->value[0] != HS_COMPLETED && f->value[0] != HS_TIMEOUT))
        return;
    const struct holding *h = holding_of_fence(t, f->fence);
    if (h == NULL || (h->report == NULL && !h->maybe))
        verdict_add(v, w, t,
                    "it is %s by fence %" PRIu64 ", which reported nothing",
                    history_status_word(f->value[0]), f->fence);
    else if (f->token != 0 && f->token != h->token)
        verdict_add(v, w, t, "its result is of another token");
    else if (h->status != f->value[0])
        verdict_add(v, w, t, "it is %s, and fence %" PRIu64 " reported %s",
                    history_status_word(f->value[0]), f->fence,
                    history_status_word(h->status));
}

/* Ends that the results allow, where nothing but results can end it. */
static bool ends_agree(const struct tallies *all, int64_t status)
{
    for (int i = 0; i < all->n; i++)
        if (all->of[i].ended == HS_NONE || all->of[i].ended == status)
            return true;
    return false;
}

void check_one_result(const struct task *t, const struct world *w,
                      struct verdict *v, struct measures *m)
{
    (void)m;
    v->examined++;
    for (size_t i = 0; i < t->n_holdings; i++)
        if (t->holdings[i].n_ok > 1) {
            verdict_add(v, w, t,
                        "one run, fence %" PRIu64 ", was counted %d "
                        "times",
                        t->holdings[i].fence, t->holdings[i].n_ok);
            return;
        }
    struct tallies all;
    tallies_work_out(&all, t);
    if (all.none != NULL) {
        verdict_add(v, w, t,
                    "the result of fence %" PRIu64 " was counted, "
                    "and the task had ended",
                    all.none->fence);
        return;
    }
    if (t->final != NULL && status_is_end(t->final->value[0]) &&
        !all.overflow && !ends_agree(&all, t->final->value[0])) {
        verdict_add(v, w, t, "it is %s, which no counted result made it",
                    history_status_word(t->final->value[0]));
        return;
    }
    check_stored_result(t, w, v);
}

/* An assignment of a greater fence, seen before the call was even made. */
static const struct holding *taken_before(const struct task *t,
                                          const struct holding *h,
                                          int64_t mono_us, int64_t redis_us,
                                          const struct world *w)
{
    for (size_t i = 0; i < t->n_holdings; i++) {
        const struct holding *o = &t->holdings[i];
        if (o->fence <= h->fence || o->assign == NULL)
            continue;
        if ((int64_t)o->assign->mono_us < mono_us)
            return o;
        if (!world_clock_jumped(w) && redis_us != 0 &&
            o->assign->value[0] != 0 && o->assign->value[0] < redis_us)
            return o;
    }
    return NULL;
}

/* Calls that only the holder may make, once they were accepted. */
static bool is_holders_call(const struct history_record *r)
{
    return r->outcome == OUTCOME_OK &&
           (r->kind == HISTORY_START || r->kind == HISTORY_REPORT ||
            r->kind == HISTORY_PROGRESS || r->kind == HISTORY_RELEASE);
}

static const struct holding *holding_of(const struct task *t,
                                        const struct history_record *r)
{
    for (size_t i = 0; i < t->n_holdings; i++)
        if (t->holdings[i].fence == r->fence &&
            t->holdings[i].token == r->token)
            return &t->holdings[i];
    return NULL;
}

void check_holder(const struct task *t, const struct world *w,
                  struct verdict *v, struct measures *m)
{
    (void)m;
    for (size_t i = 0; i < t->n_entries; i++) {
        const struct history_record *r = &t->entries[i].record;
        if (!is_holders_call(r))
            continue;
        v->examined++;
        const struct holding *h = holding_of(t, r);
        if (h == NULL || h->assign == NULL) {
            verdict_add(v, w, t,
                        "%s of fence %" PRIu64 " was accepted, which "
                        "was never assigned",
                        history_kind_word(r->kind), r->fence);
            return;
        }
        bool is_report = r->kind == HISTORY_REPORT && h->sent != NULL;
        int64_t redis_us = r->kind == HISTORY_REPORT     ? r->value[3]
                           : r->kind == HISTORY_PROGRESS ? 0
                                                         : r->value[0];
        /* When it was sent is known of reports only. */
        int64_t sent = is_report ? (int64_t)h->sent->mono_us : INT64_MIN;
        const struct holding *o = taken_before(t, h, sent, redis_us, w);
        if (o != NULL) {
            verdict_add(v, w, t,
                        "%s of fence %" PRIu64 " was accepted, and "
                        "fence %" PRIu64 " had been assigned",
                        history_kind_word(r->kind), r->fence, o->fence);
            return;
        }
    }
}

void check_fences(const struct task *t, const struct world *w,
                  struct verdict *v, struct measures *m)
{
    (void)m;
    for (size_t i = 0; i < t->n_holdings; i++) {
        const struct holding *h = &t->holdings[i], *b = i > 0 ? h - 1 : NULL;
        if (h->assign == NULL)
            continue;
        v->examined++;
        /* max(old + 1, Redis's time in us) */
        if (h->assign->value[0] > 0 &&
            h->fence < (uint64_t)h->assign->value[0]) {
            verdict_add(v, w, t,
                        "fence %" PRIu64 " is below Redis's time, "
                        "%" PRId64,
                        h->fence, h->assign->value[0]);
            return;
        }
        if (b == NULL || b->assign == NULL)
            continue;
        if (b->fence == h->fence) {
            verdict_add(v, w, t, "fence %" PRIu64 " was given twice", h->fence);
            return;
        }
        bool by_redis = !world_clock_jumped(w) && h->assign->value[0] != 0 &&
                        h->assign->value[0] < b->assign->value[0];
        bool by_worker = h->assign->actor == b->assign->actor &&
                         h->assign->mono_us < b->assign->mono_us;
        if (by_redis || by_worker) {
            verdict_add(v, w, t,
                        "fence %" PRIu64 " came after fence "
                        "%" PRIu64,
                        b->fence, h->fence);
            return;
        }
    }
}

void check_resource(const struct task *t, const struct world *w,
                    struct verdict *v, struct measures *m)
{
    uint64_t highest = 0, token = 0;
    for (size_t i = 0; i < t->n_entries; i++) {
        const struct history_record *r = &t->entries[i].record;
        if (r->kind == HISTORY_REJECTED)
            m->late_effects++;
        if (r->kind != HISTORY_ACCEPTED)
            continue;
        v->examined++;
        if (r->fence < highest) {
            verdict_add(v, w, t,
                        "a write of fence %" PRIu64 " was accepted "
                        "after one of %" PRIu64,
                        r->fence, highest);
            return;
        }
        if (r->fence == highest && r->token != token) {
            verdict_add(v, w, t,
                        "writes of two tokens with fence %" PRIu64
                        " were accepted",
                        r->fence);
            return;
        }
        highest = r->fence;
        token = r->token;
    }
}

/* The recorded run of each counted report; and of no other run a result. */
static bool check_runs(const struct task *t, const struct world *w,
                       struct verdict *v)
{
    size_t n_runs = 0;
    for (size_t i = 0; i < t->n_entries; i++) {
        const struct history_record *r = &t->entries[i].record;
        if (r->kind != HISTORY_FINAL_RUN)
            continue;
        n_runs++;
        const struct holding *h =
            r->fence != 0 ? holding_of_fence(t, r->fence) : NULL;
        bool is_result = r->value[0] == HS_COMPLETED ||
                         r->value[0] == HS_FAILED || r->value[0] == HS_TIMEOUT;
        if (r->fence != 0 && is_result &&
            (h == NULL || (h->report == NULL && !h->maybe) ||
             h->status != r->value[0])) {
            /* A broken task is FAILED by recover, and its last run with it. */
            if (r->value[0] == HS_FAILED && t->final != NULL &&
                t->final->value[3] > 0)
                continue;
            verdict_add(v, w, t,
                        "the run of fence %" PRIu64 " is kept as %s, "
                        "which was not reported",
                        r->fence, history_status_word(r->value[0]));
            return false;
        }
    }
    /* Redis keeps the last 20 and what came of the last one. */
    for (size_t i = t->n_holdings; i > 0 && n_runs > 0 && n_runs < 20; i--) {
        const struct holding *h = &t->holdings[i - 1];
        bool kept = h->final_run != NULL;
        for (size_t j = 0; !kept && j < t->n_entries; j++)
            kept = t->entries[j].record.kind == HISTORY_FINAL_RUN &&
                   t->entries[j].record.fence == 0;
        if (h->report != NULL && !kept) {
            verdict_add(v, w, t,
                        "the run of fence %" PRIu64 " was counted, "
                        "and is not kept",
                        h->fence);
            return false;
        }
    }
    return true;
}

void check_counters(const struct task *t, const struct world *w,
                    struct verdict *v, struct measures *m)
{
    (void)m;
    if (t->final == NULL || t->final->value[0] == HS_NONE)
        return;
    struct tallies all;
    tallies_work_out(&all, t);
    if (all.overflow || all.none != NULL)
        return;
    v->examined++;
    bool fits = false;
    for (int i = 0; i < all.n; i++)
        fits |= all.of[i].run == t->final->value[1] &&
                all.of[i].failed == t->final->value[2];
    if (!fits)
        verdict_add(v, w, t,
                    "times_run %" PRId64 ", times_failed %" PRId64
                    "; its results make %" PRId64 ", %" PRId64,
                    t->final->value[1], t->final->value[2], all.of[0].run,
                    all.of[0].failed);
    else
        (void)check_runs(t, w, v);
}
