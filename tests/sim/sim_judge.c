/* SPDX-License-Identifier: MIT */
/* What must come of an accepted report, worked out from the task's options and
 * not from its record; and what must be true when a seed is over. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cron.h"
#include "err.h"
#include "sim.h"
#include "zone.h"

struct verdict {
    const char *status;
    int64_t next_least_ms, next_most_ms; /* of QUEUED */
};

static int64_t judge_ms(double seconds)
{
    return (int64_t)floor(seconds * 1000 + 0.5);
}

/* After the due time of this run, not before its first match, and after now as
 * its worker knew it: that may be as old as its last word from Redis. */
static void judge_cron(const struct sim *s, const struct sim_task *t,
                       const struct task_state *before, struct verdict *v)
{
    struct cron cron;
    struct stint_err err = {0};
    check(cron_parse(&cron, t->cronline, &err) == 0);
    struct zone *z =
        zone_open(t->timezone != NULL ? t->timezone : "UTC", &err);
    check(z != NULL);
    int64_t after = sim_redis_ms(s) + s->back_ms;
    if (after < before->next_ms)
        after = before->next_ms;
    if (after < t->begin_ms) /* queued again, or run at once, before that */
        after = t->begin_ms - 1;
    int64_t least = before->next_ms;
    if (least < t->begin_ms)
        least = t->begin_ms - 1;
    v->next_least_ms = cron_next_ms(&cron, z, least);
    v->next_most_ms = cron_next_ms(&cron, z, after);
    if (t->rec.next_ms > 0 && strcmp(t->rec.status, "QUEUED") == 0 &&
        cron_next_ms(&cron, z, t->rec.next_ms - 1) != t->rec.next_ms)
        v->next_most_ms = 0; /* is no match at all */
    zone_close(z);
    /* Without faults nothing is older than a few ms: what was missed is not
     * made up for. */
    int64_t fresh = sim_redis_ms(s) - 2000;
    if (s->faults == 0 && v->next_least_ms < fresh)
        v->next_least_ms = fresh;
}

static int64_t judge_next_run(const struct sim *s, const struct sim_task *t,
                              const struct task_state *before)
{
    int64_t period = judge_ms(t->options.period_s), now = sim_redis_ms(s);
    if (!t->options.prevent_drift)
        return before->start_ms + period;
    if (now < t->begin_ms) /* Redis's clock went back */
        return t->begin_ms;
    if (period == 0)
        return now;
    int64_t n = (now - t->begin_ms) / period;
    return t->begin_ms + period * (n + 1);
}

static struct verdict judge_retry(const struct sim *s,
                                  const struct sim_task *t,
                                  const struct task_state *before)
{
    const struct stint_task_options *o = &t->options;
    struct verdict v = {.status = "QUEUED"};
    int64_t now = sim_redis_ms(s);
    double factor = o->retry_backoff;
    if (o->retry_delay_s < 0 && factor <= 1) {
        v.next_least_ms = v.next_most_ms = judge_next_run(s, t, before);
        return v;
    }
    double delay = (o->retry_delay_s < 0 ? o->period_s : o->retry_delay_s) *
                   1000 * pow(factor, (double)(t->n_failed - 1));
    double least = factor > 1 ? delay * 0.75 : delay;
    double most = factor > 1 ? delay * 1.25 : delay;
    double cap = o->retry_max_delay_s * 1000;
    v.next_least_ms = now + (int64_t)fmin(least, cap) - 1;
    v.next_most_ms = now + (int64_t)fmin(most, cap) + 1;
    return v;
}

static struct verdict judge(const struct sim *s, struct sim_task *t,
                            const struct task_state *before,
                            const char *status, int is_stopping)
{
    const struct stint_task_options *o = &t->options;
    struct verdict v = {.status = status};
    if (strcmp(status, "COMPLETED") == 0) {
        t->n_run++;
        t->n_failed = t->n_lost = 0;
        if (t->repeats != 0 && t->n_run >= t->repeats)
            return v;
        v.status = "QUEUED";
        v.next_least_ms = v.next_most_ms = judge_next_run(s, t, before);
        if (t->cronline != NULL)
            judge_cron(s, t, before, &v);
        if (is_stopping)
            v.status = "STOPPED";
        else if (t->expire_ms != 0 && v.next_most_ms > t->expire_ms &&
                 (v.next_least_ms > t->expire_ms ||
                  strcmp(t->rec.status, "EXPIRED") == 0))
            v.status = "EXPIRED";
        return v;
    }
    if (strcmp(status, "STOPPED") == 0 || is_stopping) {
        v.status = "STOPPED";
        return v;
    }
    t->n_failed++;
    if (o->retry_failed == -1 || t->n_failed <= o->retry_failed)
        return judge_retry(s, t, before);
    return v;
}

void sim_judge_report(struct sim *s, struct sim_task *t,
                      const struct task_state *before, const char *status,
                      int is_gone)
{
    struct verdict v = judge(s, t, before, status, t->was_stopping);
    if (is_gone && strcmp(v.status, "QUEUED") == 0)
        sim_fail(s, "%s was reported %s and is gone; it should be %s", t->id,
                 status, v.status);
    if (is_gone)
        return;
    if (strcmp(v.status, t->rec.status) != 0)
        sim_fail(s, "%s was reported %s and is %s; it should be %s", t->id,
                 status, t->rec.status, v.status);
    if (strcmp(v.status, "QUEUED") == 0 &&
        (t->rec.next_ms < v.next_least_ms || t->rec.next_ms > v.next_most_ms))
        sim_fail(s, "%s runs again at %" PRId64 ", but should from %" PRId64
                 " to %" PRId64, t->id, t->rec.next_ms, v.next_least_ms,
                 v.next_most_ms);
}

/* ---- The end ------------------------------------------------------------ */

/* Nothing more will happen to it soon, and it may be as it is. */
int sim_check_is_settled(const struct sim *s, const struct sim_task *t)
{
    if (t->ended != NULL || t->deleted)
        return 1;
    if (!t->exists || !t->acked)
        return 0;
    if (t->is_to_stop)
        return 0; /* however long it would have gone on */
    const struct stint_task_options *o = &t->options;
    int is_endless = t->repeats == 0 || o->retry_failed < 0;
    /* A cronline may leave out so many minutes. */
    int64_t far_ms = t->cronline != NULL ? 100000 : 600000;
    int is_future = t->rec.next_ms > sim_redis_ms(s) + far_ms;
    int is_nobodys = strcmp(t->function, "nobody") == 0 && !o->broadcast;
    int is_queued = strcmp(t->rec.status, "QUEUED") == 0;
    if (is_queued && t->rec.waits > 0)
        return t->disabled || is_future || sim_family_is_settled(s, t);
    return (is_endless && !o->broadcast) ||
           /* one that hangs does not let its worker leave */
           (is_queued && (t->disabled || is_future || is_nobodys));
}

void sim_check_empty(struct sim *s, const char *pattern)
{
    redisReply *r = sim_redis_ask(s, "KEYS %s", pattern);
    if (r->type != REDIS_REPLY_ARRAY || r->elements > 0)
        sim_fail(s, "all have left, but there is %s", r->element[0]->str);
    sim_redis_free(s, r);
}

static void check_ended_counts(struct sim *s, int group)
{
    static const char *const words[] = {"COMPLETED", "FAILED", "TIMEOUT",
                                        "STOPPED", "EXPIRED"};
    for (int i = 0; i < 5; i++) {
        int n = s->n_ended[group][i];
        redisReply *r = sim_redis_ask(s, "HGET {stint:%s}:ended %s",
                                      sim_groups[group], words[i]);
        int is = r->type == REDIS_REPLY_STRING ? atoi(r->str) : 0;
        sim_redis_free(s, r);
        if (is != n)
            sim_fail(s, "%d tasks of %s were %s, but the count says %d", n,
                     sim_groups[group], words[i], is);
    }
}

/* Output of a run that goes on stays with no task that does not. */
static void check_output(struct sim *s, int group)
{
    redisReply *r = sim_redis_ask(s, "HGETALL {stint:%s}:run",
                                  sim_groups[group]);
    for (size_t i = 1; i < reply_n(r); i += 2)
        if (strstr(r->element[i]->str, "so far") != NULL)
            sim_fail(s, "all have left, but of %s there is %s",
                     r->element[i - 1]->str, r->element[i]->str);
    sim_redis_free(s, r);
}

/* All workers have left. */
void sim_check_end(struct sim *s)
{
    char base[64];
    for (int i = 0; i < SIM_GROUPS; i++) {
        snprintf(base, sizeof(base), "{stint:%s}", sim_groups[i]);
        sim_index_end(s, i, base);
        /* It is slow, and agrees: in one seed of eight, or when asked. */
        if (s->server->m == NULL || s->fsck_every == 1 || s->seed % 8 == 0)
            sim_redis_fsck(s, base, "all have left");
        check_ended_counts(s, i);
        check_output(s, i);
    }
    sim_check_empty(s, "{stint:*}:running:*");
    sim_check_empty(s, "{stint:*}:assigned:*");
    sim_check_empty(s, "{stint:*}:workers");
    for (struct sim_run *r = s->runs; r != NULL; r = r->next)
        if (r->start_ms != 0 && r->end_ms == 0)
            sim_fail(s, "all have left, but a run of %s goes on",
                     r->task->id);
    sim_family_end(s);
    sim_cast_end(s);
    for (int i = 0; i < s->n_tasks; i++)
        if (s->tasks[i].ended == NULL &&
            !s->tasks[i].deleted &&
            strcmp(s->tasks[i].rec.status, "QUEUED") != 0)
            sim_fail(s, "all have left, but %s is %s", s->tasks[i].id,
                     s->tasks[i].rec.status);
}
