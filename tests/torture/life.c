/* SPDX-License-Identifier: MIT */
/* The records of one task, put together: its assignments, each with what the
 * worker, the task's code and Redis told of it, in the order of their fences,
 * which is the order in which Redis made them. */
#include <stdlib.h>
#include <string.h>

#include "check.h"

bool status_is_end(int64_t status)
{
    return status >= HS_COMPLETED && status <= HS_EXPIRED;
}

bool holding_is_counted(const struct holding *h)
{
    return h->report != NULL;
}

int64_t holding_begin(const struct holding *h)
{
    const struct history_record *const all[] = {h->assign, h->start, h->begin,
                                                h->sent, h->report};
    int64_t first = INT64_MAX;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        if (all[i] != NULL && (int64_t)all[i]->mono_us < first)
            first = (int64_t)all[i]->mono_us;
    return first;
}

int64_t holding_code_end(const struct holding *h, const struct world *w)
{
    if (h->end != NULL)
        return (int64_t)h->end->mono_us;
    /* Its worker has killed it before it said so. */
    int64_t end = INT64_MAX;
    const struct history_record *const after[] = {h->sent, h->report,
                                                  h->release};
    for (size_t i = 0; i < sizeof(after) / sizeof(after[0]); i++)
        if (after[i] != NULL && (int64_t)after[i]->mono_us < end)
            end = (int64_t)after[i]->mono_us;
    int64_t death = world_death(w, h->actor);
    if (death < end)
        end = death;
    return end == INT64_MAX ? INT64_MIN : end;
}

/* The holding of this fence and token, made if there is none. */
static struct holding *task_holding(struct task *t, uint64_t fence,
                                    uint64_t token)
{
    for (size_t i = t->n_holdings; i > 0; i--) {
        struct holding *h = &t->holdings[i - 1];
        if (h->fence == fence && h->token == token)
            return h;
    }
    if (t->n_holdings == t->n_room) {
        size_t n = t->n_room == 0 ? 16 : 2 * t->n_room;
        struct holding *more = realloc(t->holdings, n * sizeof(*more));
        if (more == NULL)
            return NULL;
        t->holdings = more;
        t->n_room = n;
    }
    struct holding *h = &t->holdings[t->n_holdings++];
    *h = (struct holding){.fence = fence, .token = token};
    return h;
}

static void set_first(const struct history_record **to,
                      const struct history_record *r)
{
    if (*to == NULL)
        *to = r;
}

static void holding_note(struct holding *h, const struct history_record *r)
{
    unsigned outcome = r->outcome;
    bool maybe_ok = outcome == OUTCOME_OK || outcome == OUTCOME_UNKNOWN;
    switch (r->kind) {
    case HISTORY_ASSIGN:
        set_first(&h->assign, r);
        break;
    case HISTORY_START:
        if (maybe_ok && (h->start == NULL || outcome == OUTCOME_OK))
            h->start = r;
        break;
    case HISTORY_REPORT_SENT:
        set_first(&h->sent, r);
        h->status = r->value[0];
        break;
    case HISTORY_REPORT:
        if (outcome == OUTCOME_OK)
            h->n_ok++;
        if (outcome == OUTCOME_OK ||
            (outcome == OUTCOME_AGAIN && h->report == NULL))
            h->report = h->n_ok > 1 ? h->report : r;
        if (outcome == OUTCOME_UNKNOWN)
            h->maybe = true;
        if (r->value[0] != HS_NONE)
            h->status = r->value[0];
        break;
    case HISTORY_RELEASE:
        if (maybe_ok)
            h->release = r;
        break;
    case HISTORY_LOST_LEASE:
        set_first(&h->lost_lease, r);
        break;
    case HISTORY_EFFECT_BEGIN:
        set_first(&h->begin, r);
        h->n_begin++;
        break;
    case HISTORY_EFFECT_END:
        set_first(&h->end, r);
        break;
    case HISTORY_FINAL_RUN:
        set_first(&h->final_run, r);
        break;
    default:
        break;
    }
    /* The task's code is another process than the worker. */
    if (h->actor == 0 &&
        (r->kind == HISTORY_ASSIGN || r->kind == HISTORY_START ||
         r->kind == HISTORY_REPORT_SENT || r->kind == HISTORY_REPORT))
        h->actor = r->actor;
}

static bool is_of_holding(unsigned kind)
{
    switch (kind) {
    case HISTORY_ASSIGN:
    case HISTORY_START:
    case HISTORY_REPORT_SENT:
    case HISTORY_REPORT:
    case HISTORY_PROGRESS:
    case HISTORY_RELEASE:
    case HISTORY_LOST_LEASE:
    case HISTORY_EFFECT_BEGIN:
    case HISTORY_EFFECT_END:
        return true;
    default:
        return false;
    }
}

static int holding_order(const void *va, const void *vb)
{
    const struct holding *a = va, *b = vb;
    if (a->fence != b->fence)
        return a->fence < b->fence ? -1 : 1;
    return a->token < b->token ? -1 : a->token > b->token;
}

static bool is_maybe_ok(const struct history_record *r)
{
    return r->outcome == OUTCOME_OK || r->outcome == OUTCOME_UNKNOWN;
}

/* What Redis acknowledged, and could have forgotten. */
static bool is_acknowledged(const struct history_record *r)
{
    switch (r->kind) {
    case HISTORY_ASSIGN:
        return true;
    case HISTORY_SUBMIT:
    case HISTORY_REQUEUE:
    case HISTORY_STOP:
    case HISTORY_START:
    case HISTORY_REPORT:
    case HISTORY_RELEASE:
        return is_maybe_ok(r) || r->outcome == OUTCOME_AGAIN;
    default:
        return false;
    }
}

static void task_note(struct task *t, const struct history_record *r)
{
    switch (r->kind) {
    case HISTORY_SPEC:
        set_first(&t->spec, r);
        break;
    case HISTORY_SUBMIT:
        if (r->outcome <= OUTCOME_UNKNOWN)
            t->n_submits[r->outcome]++;
        if (r->outcome == OUTCOME_OK)
            set_first(&t->submit, r);
        break;
    case HISTORY_REQUEUE:
        t->n_requeues += is_maybe_ok(r);
        break;
    case HISTORY_STOP:
        t->n_stops += is_maybe_ok(r);
        break;
    case HISTORY_FINAL:
        set_first(&t->final, r);
        t->n_finals++;
        break;
    default:
        break;
    }
}

bool task_read(struct task *t, const struct history_entry *entries, size_t n,
               const struct world *w)
{
    struct holding *kept = t->holdings;
    size_t n_room = t->n_room;
    *t = (struct task){.id = entries[0].record.id,
                       .entries = entries,
                       .n_entries = n,
                       .holdings = kept,
                       .n_room = n_room};
    /* At level 3 a queueing is acknowledged when a replica has it, but a result
     * is not: a failover may take it back, and the task runs again. */
    int level = world_options(w)->level;
    for (size_t i = 0; i < n; i++) {
        const struct history_record *r = &entries[i].record;
        task_note(t, r);
        if ((level < 2 || (level == 3 && r->kind != HISTORY_SUBMIT)) &&
            is_acknowledged(r) && world_may_lose(w, (int64_t)r->mono_us))
            t->may_be_rolled_back = true;
        if (r->fence == 0 || !is_of_holding(r->kind))
            continue;
        struct holding *h = task_holding(t, r->fence, r->token);
        if (h == NULL)
            return false;
        holding_note(h, r);
    }
    for (size_t i = 0; i < n; i++) { /* Redis tells no token of a run */
        const struct history_record *r = &entries[i].record;
        for (size_t j = 0;
             r->kind == HISTORY_FINAL_RUN && r->fence != 0 && j < t->n_holdings;
             j++)
            if (t->holdings[j].fence == r->fence)
                holding_note(&t->holdings[j], r);
    }
    for (size_t i = 0; i < t->n_holdings; i++) {
        struct holding *h = &t->holdings[i];
        if (h->report != NULL)
            h->maybe = false;
        else if (h->sent != NULL && !h->maybe) {
            /* Told, and no answer was written down: its worker died. */
            int n_open = 0; /* it may have told more than once */
            for (size_t j = 0; j < n; j++) {
                const struct history_record *r = &entries[j].record;
                if (r->fence != h->fence || r->token != h->token)
                    continue;
                n_open += r->kind == HISTORY_REPORT_SENT;
                n_open -= r->kind == HISTORY_REPORT;
            }
            h->maybe = n_open > 0;
        }
    }
    if (t->n_holdings > 0)
        qsort(t->holdings, t->n_holdings, sizeof(*t->holdings),
              holding_order);
    return true;
}

/* ---- counters ---------------------------------------------------------------*/

static void tallies_add(struct tallies *to, struct tally one)
{
    for (int i = 0; i < to->n; i++) {
        const struct tally *o = &to->of[i];
        if (o->run == one.run && o->failed == one.failed &&
            o->ended == one.ended && o->requeues == one.requeues)
            return;
    }
    if (to->n == TALLIES_MAX)
        to->overflow = true;
    else
        to->of[to->n++] = one;
}

/* What a result makes of the counters: judge() in lua/prelude_series.lua, in
 * other words. Where another call may have come between there are several. */
static void tally_judge(struct tallies *to, struct tally now,
                        const struct holding *h, const struct task *t)
{
    int64_t retry = t->spec != NULL ? t->spec->value[2] : 0;
    int64_t repeats = t->spec != NULL ? t->spec->value[3] : 1;
    bool may_expire = t->spec == NULL || t->spec->value[1] != 0;
    int64_t told = h->report != NULL ? h->report->value[1] : HS_NONE;
    struct tally next[3];
    int n = 0;
    if (h->status == HS_COMPLETED) {
        now.run++;
        now.failed = 0;
        bool last = repeats != 0 && now.run >= repeats;
        now.ended = last ? HS_COMPLETED : HS_NONE;
        next[n++] = now;
        if (!last && t->n_stops > 0) {
            now.ended = HS_STOPPED;
            next[n++] = now;
        }
        if (!last && may_expire) {
            now.ended = HS_EXPIRED;
            next[n++] = now;
        }
    } else if (h->status == HS_STOPPED) {
        now.ended = HS_STOPPED;
        next[n++] = now;
    } else {
        if (t->n_stops > 0) {
            struct tally stopped = now;
            stopped.ended = HS_STOPPED;
            next[n++] = stopped;
        }
        now.failed++;
        now.ended = retry == -1 || now.failed <= retry ? HS_NONE : h->status;
        next[n++] = now;
    }
    for (int i = 0; i < n; i++) {
        int64_t as_told = next[i].ended == HS_NONE ? HS_QUEUED : next[i].ended;
        if (told == HS_NONE || told == as_told)
            tallies_add(to, next[i]);
    }
}

/* A new life, if one was asked for and not begun yet. */
static void tally_requeue(struct tallies *to, struct tally one,
                          const struct task *t)
{
    if (one.requeues >= t->n_requeues)
        return;
    one.requeues++;
    one.failed = 0;
    one.ended = HS_NONE;
    tallies_add(to, one);
    one.run = 0;
    tallies_add(to, one);
}

void tallies_work_out(struct tallies *all, const struct task *t)
{
    *all = (struct tallies){.n = 1};
    for (size_t i = 0; i < t->n_holdings && !all->overflow; i++) {
        const struct holding *h = &t->holdings[i];
        if (h->report == NULL && !h->maybe)
            continue;
        struct tallies from = *all;
        *all = (struct tallies){.n = 0};
        for (int j = 0; j < from.n; j++) {
            struct tallies lives = {.n = 0};
            if (from.of[j].ended == HS_NONE)
                tallies_add(&lives, from.of[j]);
            /* Also ended by others meanwhile: stopped, and asked for again. */
            tally_requeue(&lives, from.of[j], t);
            for (int k = 0; k < lives.n; k++)
                tally_judge(all, lives.of[k], h, t);
            if (h->report == NULL)
                tallies_add(all, from.of[j]);
        }
        if (all->n == 0) {
            *all = from;
            all->none = h;
            return;
        }
    }
    for (int i = 0; i < all->n && !all->overflow; i++)
        tally_requeue(all, all->of[i], t); /* grows: bounded by requeues */
}
