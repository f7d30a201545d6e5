/* SPDX-License-Identifier: MIT */
/* C1 to C3: what was queued is there, once, and nothing else is. */
#include "check.h"

static bool is_acknowledged(const struct task *t)
{
    return t->n_submits[OUTCOME_OK] > 0;
}

/* The client may have died between its spec and its answer. */
static bool is_unknown(const struct task *t)
{
    if (is_acknowledged(t))
        return false;
    return t->n_submits[OUTCOME_UNKNOWN] > 0 ||
           (t->spec != NULL && t->n_submits[OUTCOME_REFUSED] == 0);
}

/* Did any worker get it, or a look find it? */
static const struct history_record *task_trace(const struct task *t)
{
    for (size_t i = 0; i < t->n_entries; i++) {
        const struct history_record *r = &t->entries[i].record;
        if (r->kind == HISTORY_ASSIGN || r->kind == HISTORY_EFFECT_BEGIN ||
            r->kind == HISTORY_FINAL ||
            (r->kind == HISTORY_SEEN && r->value[0] != HS_NONE))
            return r;
    }
    return NULL;
}

/* Pruned: only the id was kept, so it had ended. */
static bool has_ended(const struct task *t)
{
    return t->final != NULL &&
           (status_is_end(t->final->value[0]) || t->final->value[0] == HS_NONE);
}

void check_lost(const struct task *t, const struct world *w, struct verdict *v,
                struct measures *m)
{
    if (!is_acknowledged(t))
        return;
    v->examined++;
    m->acknowledged++;
    if (t->final == NULL)
        verdict_add(v, w, t, "it was acknowledged and is not there");
    else if (t->n_finals > 1)
        verdict_add(v, w, t, "it is there %d times", t->n_finals);
    else if (!has_ended(t))
        verdict_add(v, w, t, "it did not end: it is %s",
                    history_status_word(t->final->value[0]));
}

void check_invented(const struct task *t, const struct world *w,
                    struct verdict *v, struct measures *m)
{
    (void)m;
    v->examined++;
    const struct history_record *r = task_trace(t);
    if (r != NULL && !is_acknowledged(t) && !is_unknown(t))
        verdict_add(v, w, t, "nobody queued it, but there is %s",
                    history_kind_word(r->kind));
}

void check_recovered(const struct task *t, const struct world *w,
                     struct verdict *v, struct measures *m)
{
    if (!is_unknown(t))
        return;
    v->examined++;
    if (t->final == NULL)
        m->unknown_absent++;
    else
        m->unknown_there++;
    const struct history_record *r = task_trace(t);
    if (t->n_finals > 1)
        verdict_add(v, w, t, "it is there %d times", t->n_finals);
    else if (t->final != NULL && !has_ended(t))
        verdict_add(v, w, t, "it did not end: it is %s",
                    history_status_word(t->final->value[0]));
    else if (t->final == NULL && r != NULL)
        verdict_add(v, w, t, "it was there (%s) and is not any more",
                    history_kind_word(r->kind));
}
