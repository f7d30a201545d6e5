/* SPDX-License-Identifier: MIT */
/* How a group was: samples of what is counted since the start, as the rules
 * took them (lua/sample.lua), and what lies between two of them. */
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "err.h"
#include "measures.h"
#include "missing.h"
#include "part.h"
#include "parts.h"

#define RATE_MS      60000 /* of how long a rate is */
#define RATE_LATE_MS 15000 /* a sample may be so much older */
#define RATE_SAMPLES 16    /* more than a minute of them */

/* The rings, as in prelude_measures.lua. */
static const struct {
    const char *name;
    int n;
} spans[] = {[STINT_HOUR] = {"hour", 360},
             [STINT_DAY] = {"day", 288},
             [STINT_MONTH] = {"month", 720}};

/* ---- A sample -------------------------------------------------------------- */

enum { GAUGE_QUEUED, GAUGE_DUE, GAUGE_RUNNING, GAUGE_N };
enum { COUNT_QUEUED, COUNT_COMPLETED, COUNT_FAILED, COUNT_TIMEOUT,
       COUNT_STOPPED, COUNT_EXPIRED, COUNT_N };

struct sample {
    int64_t at_ms; /* 0: there is none */
    int64_t gauge[GAUGE_N];
    int64_t oldest_ms; /* since when the oldest is due; 0: nothing is */
    int64_t count[COUNT_N];
    struct durations queue, run;
};

/* One of qI=n and rI=n. */
static int sample_bucket(struct sample *s, const char *text, const char **rest)
{
    const char *equals = strchr(text, '=');
    if (equals == NULL || (text[0] != 'q' && text[0] != 'r'))
        return -1;
    int i = measure_index(text + 1, (size_t)(equals - text - 1));
    int64_t n = measure_number(equals + 1, ' ', rest);
    if (i < 0 || n < 0)
        return -1;
    (text[0] == 'q' ? &s->queue : &s->run)->bucket[i] = n;
    return 0;
}

/* The words of sample_of in lua/prelude_measures.lua, behind the time. -1: it
 * is none. */
static int sample_read(struct sample *s, const char *text)
{
    int64_t *const numbers[] = {
        &s->at_ms,           &s->gauge[GAUGE_QUEUED],   &s->gauge[GAUGE_DUE],
        &s->gauge[GAUGE_RUNNING], &s->oldest_ms,        &s->count[COUNT_QUEUED],
        &s->count[COUNT_COMPLETED], &s->count[COUNT_FAILED],
        &s->count[COUNT_TIMEOUT], &s->count[COUNT_STOPPED],
        &s->count[COUNT_EXPIRED], &s->queue.sum_ms,     &s->run.sum_ms};
    *s = (struct sample){0};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        *numbers[i] = measure_number(text, ' ', &text);
        if (*numbers[i] < 0)
            return -1;
    }
    while (*text != '\0')
        if (sample_bucket(s, text, &text))
            return -1;
    return 0;
}

static void sample_add(struct sample *to, const struct sample *more)
{
    for (int i = 0; i < GAUGE_N; i++)
        to->gauge[i] += more->gauge[i];
    for (int i = 0; i < COUNT_N; i++)
        to->count[i] += more->count[i];
    if (more->oldest_ms != 0 &&
        (to->oldest_ms == 0 || more->oldest_ms < to->oldest_ms))
        to->oldest_ms = more->oldest_ms;
    durations_add(&to->queue, &more->queue);
    durations_add(&to->run, &more->run);
}

/* A count may be smaller than before: the group was forgotten, Redis came back
 * with older data. Then nothing is told of the time between. */
static void count_less(int64_t *n, int64_t before)
{
    *n = *n > before ? *n - before : 0;
}

static void durations_less(struct durations *d, const struct durations *before)
{
    count_less(&d->sum_ms, before->sum_ms);
    for (int i = 0; i < MEASURE_BUCKETS; i++)
        count_less(&d->bucket[i], before->bucket[i]);
}

/* What was counted since `before` stays. */
static void sample_less(struct sample *s, const struct sample *before)
{
    for (int i = 0; i < COUNT_N; i++)
        count_less(&s->count[i], before->count[i]);
    durations_less(&s->queue, &before->queue);
    durations_less(&s->run, &before->run);
}

static struct redisReply *history_call(stint *s, const char *group, int part,
                                       enum stint_span span, int n,
                                       struct stint_err *err)
{
    group_name base;
    struct args a;
    part_name(base, group, part);
    args_init(&a);
    args_add_str(&a, spans[span].name);
    args_add_i64(&a, n);
    struct redisReply *r = client_call(s, SCRIPT_HISTORY, base, &a, err);
    args_close(&a);
    return r;
}

/* Of the reply, from 0, which is now; 0: done. */
static int history_sample(const struct redisReply *r, size_t i,
                          struct sample *s)
{
    size_t len;
    return sample_read(s, reply_str(r, 2 + i, &len));
}

/* ---- History --------------------------------------------------------------- */

/* Steps of one part, then of all parts. */
struct steps {
    int64_t step_ms, first; /* number of the first step since the epoch */
    int n;
    struct sample *of_part, *sum; /* n each, owned */
};

/* Samples to the steps in which they were taken; the list is newest first. */
static void steps_place(struct steps *t, const struct redisReply *r)
{
    struct sample s;
    memset(t->of_part, 0, (size_t)t->n * sizeof(*t->of_part));
    for (size_t i = reply_n(r) - 3; i > 0; i--) {
        if (history_sample(r, i, &s))
            continue;
        int64_t at = s.at_ms / t->step_ms - t->first;
        if (at >= 0 && at < t->n)
            t->of_part[at] = s;
    }
}

/* No sample in a step: nothing has changed. What was counted at the next is of
 * that step. */
static void steps_add(struct steps *t, const struct sample *now)
{
    const struct sample *before = NULL;
    for (int i = 0; i < t->n; i++) {
        struct sample one = {0};
        int is_there = t->of_part[i].at_ms != 0;
        if (is_there)
            one = t->of_part[i];
        else if (before != NULL)
            one = *before;
        if (before != NULL)
            sample_less(&one, before);
        else
            sample_less(&one, &t->of_part[i]);
        if (is_there)
            before = &t->of_part[i];
        if (i == t->n - 1) { /* how it is now is known */
            memcpy(one.gauge, now->gauge, sizeof(one.gauge));
            one.oldest_ms = now->oldest_ms;
        }
        sample_add(&t->sum[i], &one);
        if (before != NULL || i == t->n - 1)
            t->sum[i].at_ms = (t->first + i) * t->step_ms;
    }
}

static int steps_open(struct steps *t, const struct redisReply *r,
                      enum stint_span span, struct stint_err *err)
{
    t->n = spans[span].n;
    t->step_ms = reply_i64(r, 1);
    if (t->step_ms <= 0)
        return err_set(err, STINT_PROTOCOL, "history: no step");
    t->first = reply_i64(r, 0) / 1000 / t->step_ms - t->n + 1;
    t->of_part = calloc((size_t)t->n, sizeof(*t->of_part));
    t->sum = calloc((size_t)t->n, sizeof(*t->sum));
    return t->of_part != NULL && t->sum != NULL
               ? 0
               : err_set(err, STINT_NOMEM, "out of memory");
}

static int steps_part(stint *s, const char *group, int part,
                      enum stint_span span, struct steps *t,
                      struct stint_err *err)
{
    struct sample now;
    struct redisReply *r =
        history_call(s, group, part, span, spans[span].n, err);
    if (r == NULL)
        return -1;
    int rc = t->sum == NULL ? steps_open(t, r, span, err) : 0;
    if (rc == 0 && history_sample(r, 0, &now))
        rc = err_set(err, STINT_PROTOCOL, "history: no sample of now");
    if (rc == 0) {
        steps_place(t, r);
        steps_add(t, &now);
    }
    client_reply_free(r);
    return rc;
}

static void steps_tell(const struct steps *t, stint_point_fn fn, void *arg)
{
    for (int i = 0; i < t->n; i++) {
        const struct sample *s = &t->sum[i];
        struct stint_point p = {
            .size = sizeof(p),
            .at_ms = s->at_ms,
            .queued = s->gauge[GAUGE_QUEUED],
            .due = s->gauge[GAUGE_DUE],
            .running = s->gauge[GAUGE_RUNNING],
            .oldest_due_ms = s->oldest_ms != 0 && s->oldest_ms < s->at_ms
                                 ? s->at_ms - s->oldest_ms
                                 : 0,
            .queued_total = s->count[COUNT_QUEUED],
            .completed = s->count[COUNT_COMPLETED],
            .failed = s->count[COUNT_FAILED],
            .timeout = s->count[COUNT_TIMEOUT],
            .stopped = s->count[COUNT_STOPPED],
            .expired = s->count[COUNT_EXPIRED]};
        durations_tell(&s->queue, &p.queue_time);
        durations_tell(&s->run, &p.run_time);
        if (s->at_ms != 0 && fn(&p, arg) != 0)
            return;
    }
}

int stint_history(stint *s, const char *group, enum stint_span span,
                  int64_t *step_ms, stint_point_fn fn, void *arg,
                  struct stint_err *err)
{
    size_t n = 0;
    int rc = 0;
    struct steps t = {0};
    if (group == NULL || (unsigned)span > STINT_MONTH)
        return err_set(err, STINT_INVALID, "history of which group and span?");
    group_name *one = client_groups_wanted(s, group, &n, err);
    if (one == NULL)
        return -1;
    for (int k = 0; k < parts_of(s, group) && rc == 0; k++)
        rc = steps_part(s, group, k, span, &t, err);
    if (rc == 0) {
        if (step_ms != NULL)
            *step_ms = t.step_ms;
        steps_tell(&t, fn, arg);
    }
    free(t.of_part);
    free(t.sum);
    free(one);
    return rc;
}

/* ---- Rates ------------------------------------------------------------------ */

/* Of a part: adds how it is now, and what it did in the time of a rate. */
static int rate_part(stint *s, const char *group, int part, struct sample *sum,
                     struct stint_rate *rate, struct stint_err *err)
{
    struct sample now, before = {0};
    struct redisReply *r =
        history_call(s, group, part, STINT_HOUR, RATE_SAMPLES, err);
    if (r == NULL)
        return -1;
    int rc = history_sample(r, 0, &now);
    int64_t window_ms = 0;
    for (size_t i = 1; rc == 0 && i + 2 < reply_n(r); i++) {
        struct sample one;
        if (history_sample(r, i, &one) || one.at_ms >= now.at_ms)
            continue;
        before = one;
        window_ms = now.at_ms - one.at_ms;
        if (window_ms >= RATE_MS)
            break;
    }
    client_reply_free(r);
    if (rc)
        return err_set(err, STINT_PROTOCOL, "history: no sample of now");
    if (window_ms > 0)
        sample_less(&now, &before);
    /* Long ago: it was still so when the time of the rate began. */
    if (window_ms > RATE_MS + RATE_LATE_MS)
        window_ms = RATE_MS;
    double window_s = (double)window_ms / 1000;
    if (window_ms > 0) {
        struct stint_quantiles started, reported;
        durations_tell(&now.queue, &started);
        durations_tell(&now.run, &reported);
        rate->queued_per_s += (double)now.count[COUNT_QUEUED] / window_s;
        rate->started_per_s += (double)started.count / window_s;
        rate->reported_per_s += (double)reported.count / window_s;
    } else {
        now.queue = now.run = (struct durations){0};
    }
    if (window_s > rate->window_s)
        rate->window_s = window_s;
    if (now.at_ms > sum->at_ms)
        sum->at_ms = now.at_ms;
    sample_add(sum, &now);
    return 0;
}

/* 1: fn wants no more. */
static int rate_group(stint *s, const char *group, stint_rate_fn fn, void *arg,
                      struct stint_err *err)
{
    struct sample sum = {0};
    struct stint_rate r = {.size = sizeof(r), .group_name = group};
    for (int k = 0; k < parts_of(s, group); k++)
        if (rate_part(s, group, k, &sum, &r, err))
            return -1;
    durations_tell(&sum.queue, &r.queue_time);
    durations_tell(&sum.run, &r.run_time);
    r.due = sum.gauge[GAUGE_DUE];
    r.running = sum.gauge[GAUGE_RUNNING];
    if (sum.oldest_ms != 0 && sum.oldest_ms < sum.at_ms)
        r.oldest_due_ms = sum.at_ms - sum.oldest_ms;
    if (r.due > 0)
        r.time_to_clear_s =
            r.started_per_s > 0 ? (double)r.due / r.started_per_s : -1;
    return fn(&r, arg) != 0;
}

struct rate_teller {
    stint_rate_fn fn;
    void *arg;
};

static int rate_each(struct stint *s, const char *group, void *arg,
                     struct stint_err *err)
{
    const struct rate_teller *to = arg;
    return rate_group(s, group, to->fn, to->arg, err);
}

int stint_rates(stint *s, const char *group, stint_rate_fn fn, void *arg,
                struct stint_err *err)
{
    struct rate_teller to = {fn, arg};
    return missing_each_group(s, group, rate_each, &to, err);
}
