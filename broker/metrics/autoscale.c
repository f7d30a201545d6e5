/* SPDX-License-Identifier: MIT */
/* How many workers a group should have. Slots are needed for what comes (its
 * rate times the mean run, Little's law) and to start what is due within the
 * target; workers are slots over the concurrency of one. */
#include <math.h>
#include <string.h>

#include "metrics.h"
#include "snapshot.h"

#define TARGET_S     30
#define WORKERS_MOST 1000000
#define STAY         0.1 /* a change that is smaller is none */

static int64_t at_least(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t workers_for(double slots, double concurrency)
{
    /* A little less: 3.0000001 workers are three. */
    double n = ceil(slots / concurrency - 1e-6);
    return n > WORKERS_MOST ? WORKERS_MOST : n > 0 ? (int64_t)n : 0;
}

/* Without limits. */
static int64_t scale_wanted(const struct scale_input *in, double concurrency,
                            const char **reason)
{
    int64_t held =
        workers_for((double)(in->running + in->assigned), concurrency);
    if (in->run_mean_s <= 0) {
        *reason = in->due > 0 ? "tasks are due, and how long one takes is not "
                                "known yet"
                              : "nothing is known of its runs";
        return at_least(held, in->due > 0 ? at_least(in->workers, 1) : 0);
    }
    double slots = in->arrivals_per_s * in->run_mean_s;
    int64_t steady = workers_for(slots, concurrency);
    int64_t wanted = workers_for(
        slots + (double)in->due * in->run_mean_s / in->target_s, concurrency);
    *reason = wanted > steady ? "what is due is to be started in time"
                              : "for what comes";
    if (in->due > 0)
        wanted = at_least(wanted, 1);
    if (held > wanted)
        *reason = "so many hold what they run";
    return at_least(held, wanted);
}

int64_t scale_recommend(const struct scale_input *in, const char **reason)
{
    double concurrency = in->concurrency > 0 ? in->concurrency : 1;
    int64_t n = scale_wanted(in, concurrency, reason);
    int64_t held =
        workers_for((double)(in->running + in->assigned), concurrency);
    double change = fabs((double)(n - in->workers));
    if (n != in->workers && in->workers > 0 &&
        change <= STAY * (double)in->workers) {
        n = in->workers;
        *reason = "it is close to what there is";
    }
    if (in->most > 0 && n > in->most) {
        n = in->most;
        *reason = "no more are allowed";
    }
    if (n < in->least) {
        n = in->least;
        *reason = "so many are wanted at least";
    }
    if (n < held) { /* nobody's work is cut off */
        n = held;
        *reason = "so many hold what they run";
    }
    return n;
}

/* ---- /api/v1/autoscale ------------------------------------------------------ */

static double concurrency_of(const struct snapshot *s, const char *group)
{
    double sum = 0;
    int n = 0;
    for (size_t i = 0; i < s->n_workers; i++) {
        const struct snapshot_worker *w = &s->workers[i];
        if (strcmp(w->status, "DEAD") == 0 ||
            !snapshot_lists(w->groups, group))
            continue;
        sum += (double)w->is.concurrency;
        n++;
    }
    return n > 0 ? sum / n : 0;
}

/* Of the last minute, or if nothing ran then, of all the time. */
static double run_mean_s(const struct snapshot_group *g)
{
    int64_t n = 0;
    if (g->rate.run_time.count > 0)
        return g->rate.run_time.sum_s / (double)g->rate.run_time.count;
    for (size_t i = 0; i < SNAPSHOT_BUCKETS; i++)
        n += g->in_all.run[i];
    return n > 0 ? g->in_all.run_sum_s / (double)n : 0;
}

/* Nothing is due: then what was started is what came, repeats and retries with
 * it. */
static double arrivals_per_s(const struct snapshot_group *g)
{
    if (g->stats.due == 0 && g->rate.started_per_s > g->rate.queued_per_s)
        return g->rate.started_per_s;
    return g->rate.queued_per_s;
}

struct scale_asked {
    int64_t target_s, least, most;
};

static json_t *group_json(const struct snapshot *s,
                          const struct snapshot_group *g,
                          const struct scale_asked *asked,
                          int64_t *recommended)
{
    const char *reason;
    const struct scale_input in = {
        .due = g->stats.due,
        .running = g->stats.running,
        .assigned = g->stats.assigned,
        .workers = g->stats.workers,
        .concurrency = concurrency_of(s, g->name),
        .arrivals_per_s = arrivals_per_s(g),
        .run_mean_s = run_mean_s(g),
        .target_s = (double)asked->target_s,
        .least = asked->least,
        .most = asked->most};
    *recommended = scale_recommend(&in, &reason);
    return json_pack(
        "{s:s, s:I, s:I, s:f, s:I, s:f, s:f, s:f, s:s}", "group_name", g->name,
        "workers", (json_int_t)in.workers, "recommended",
        (json_int_t)*recommended, "queue_time_p95_s",
        g->rate.queue_time.p95_s, "due", (json_int_t)in.due, "rate_per_s",
        in.arrivals_per_s, "run_mean_s", in.run_mean_s, "concurrency",
        in.concurrency, "reason", reason);
}

int autoscale_get(stint *s, struct call *c, struct stint_err *err)
{
    struct scale_asked asked;
    struct snapshot snap = {.only = call_query(c, "group_name")};
    if (call_query_count(c, "target_s", 1, 86400, TARGET_S, &asked.target_s,
                         err) ||
        call_query_count(c, "min", 0, WORKERS_MOST, 1, &asked.least, err) ||
        call_query_count(c, "max", 1, WORKERS_MOST, WORKERS_MOST, &asked.most,
                         err))
        return -1;
    int rc = snapshot_take(&snap, s,
                           SNAPSHOT_RATES | SNAPSHOT_MEASURES |
                               SNAPSHOT_WORKERS,
                           err);
    json_t *groups = json_array(), *answer = json_object();
    int64_t recommended = 0;
    for (size_t i = 0; i < snap.n_groups && rc == 0; i++)
        json_array_append_new(groups, group_json(&snap, &snap.groups[i],
                                                 &asked, &recommended));
    if (rc == 0 && snap.only != NULL)
        json_object_set_new(answer, "recommended",
                            json_integer((json_int_t)recommended));
    json_object_set_new(answer, "groups", groups);
    snapshot_close(&snap);
    if (rc)
        json_decref(answer);
    else
        call_json(c, 200, answer);
    return rc;
}
