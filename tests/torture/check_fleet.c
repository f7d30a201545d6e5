/* SPDX-License-Identifier: MIT */
/* C13 to C16: the indexes, progress, what processes use, and order. */
#include <inttypes.h>

#include "check.h"

#define GAPS_SHOWN       EXAMPLES_MAX
#define DESCRIPTORS_MORE 16 /* that a process may come to hold */
#define DESCRIPTORS_RUN  7  /* and of each program that it runs just then */
#define RSS_MORE_KIB     (32 << 10)

/* What fsck said of this task. */
void check_place(const struct task *t, const struct world *w, struct verdict *v,
                 struct measures *m)
{
    (void)m;
    if (t->final != NULL)
        v->examined++;
    for (size_t i = 0; i < t->n_entries; i++) {
        const struct history_record *r = &t->entries[i].record;
        if (r->kind != HISTORY_FINAL_FAULT)
            continue;
        verdict_add(v, w, t, "fsck: it is not where its record says");
        return;
    }
}

void check_keys(const struct world *w, struct verdict *v, struct measures *m)
{
    (void)m;
    v->examined += world_count(w, HISTORY_FINAL_KEYS);
    int64_t n = world_keys_without_owner(w);
    if (n > 0)
        verdict_add(v, w, NULL, "%" PRId64 " keys without an owner", n);
    uint64_t faults = world_final_faults(w);
    if (faults > 0)
        verdict_add(v, w, NULL,
                    "fsck found %" PRIu64 " faults of no one "
                    "task",
                    faults);
}

void check_liveness(const struct world *w, struct verdict *v,
                    struct measures *m)
{
    struct gap gaps[GAPS_SHOWN];
    size_t n =
        world_gaps(w, gaps, GAPS_SHOWN, &m->seconds, &m->seconds_of_faults);
    world_resumes(w, &m->resume);
    v->examined += (uint64_t)m->seconds;
    int64_t begin = (int64_t)world_begin(w);
    for (size_t i = 0; i < n && i < GAPS_SHOWN; i++)
        verdict_add(v, w, NULL,
                    "tasks were open and none was done from "
                    "%.3f s to %.3f s, without a fault",
                    (double)(gaps[i].from_us - begin) / 1e6,
                    (double)(gaps[i].to_us - begin) / 1e6);
    if (n > GAPS_SHOWN)
        v->violations += n - GAPS_SHOWN;
}

void check_resources(const struct world *w, struct verdict *v,
                     struct measures *m)
{
    (void)m;
    for (size_t i = 0; i < world_n_usages(w); i++) {
        const struct usage *u = world_usage(w, i);
        if (u->n < 2)
            continue; /* it was killed before it could leak */
        v->examined++;
        if (u->last[0] > u->first[0] + DESCRIPTORS_MORE +
                             DESCRIPTORS_RUN * u->last[1])
            verdict_add(v, w, NULL,
                        "process %u: %" PRId64 " descriptors, at "
                        "first %" PRId64,
                        u->actor, u->last[0], u->first[0]);
        else if (u->drained && u->last[1] > u->first[1])
            verdict_add(v, w, NULL,
                        "process %u: %" PRId64 " children after "
                        "the drain, at first %" PRId64,
                        u->actor, u->last[1], u->first[1]);
        else if (u->drained && u->last[2] > 0)
            verdict_add(v, w, NULL, "process %u: %" PRId64 " zombies", u->actor,
                        u->last[2]);
        else if (u->n >= 16 && u->rss_max[1] > u->rss_max[0] +
                                                   u->rss_max[0] / 2 +
                                                   RSS_MORE_KIB)
            verdict_add(v, w, NULL,
                        "process %u: %" PRId64 " KiB, before "
                        "%" PRId64,
                        u->actor, u->rss_max[1], u->rss_max[0]);
    }
}

void check_order(const struct world *w, struct verdict *v, struct measures *m)
{
    (void)m;
    v->examined += world_n_orders(w);
    uint64_t n = world_n_disorders(w);
    const struct disorder *d;
    for (size_t i = 0; (d = world_disorder(w, i)) != NULL; i++) {
        verdict_add(v, w, NULL,
                    "process %u at %" PRId64 " us: priority "
                    "%" PRId64 " due %" PRId64 ", and then "
                    "%" PRId64 " due %" PRId64,
                    d->actor, d->us, d->priority[0], d->due[0], d->priority[1],
                    d->due[1]);
        n--;
    }
    v->violations += n;
}
