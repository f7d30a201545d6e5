/* SPDX-License-Identifier: MIT */
/* For programs that watch: how long tasks wait and run, by group and function,
 * and how that and the counts of a group were over the last hour, day and
 * month. The rules in Redis count, so that whoever asks gets the same. */
#ifndef STINT_MEASURES_H
#define STINT_MEASURES_H

#include <stint/client.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Times are counted in buckets that are the same for all and for ever: 1, 2, 5,
 * 10… ms, to an hour. The quantiles are estimates within a bucket. */
struct stint_quantiles {
    int64_t count; /* of runs; 0: the rest is 0, too */
    double sum_s, p50_s, p95_s, p99_s;
};

/* The upper bounds of the buckets, in s, ascending; *n of them. There is one
 * bucket more than bounds: of what took longer than the last. Constant. */
STINT_API const double *stint_measure_bounds(size_t *n);

/* Runs of a function, since the group is there or its measures were removed.
 * Each try of a task is a run, and each part of a broadcast. Strings and arrays
 * are valid during the call. */
struct stint_measure {
    size_t size; /* sizeof(struct stint_measure) */
    const char *group_name;
    const char *function; /* "": of the group in all; "(other)": of those above
                             200, and of what nobody told */
    int64_t started;      /* RUNNING; a run that is given back counts, too */
    int64_t completed, failed, timeout, stopped; /* how runs were reported */
    struct stint_quantiles queue_time; /* from due to start */
    struct stint_quantiles run_time;   /* from start to report; not of lost
                                          ones */
    const int64_t *queue_buckets, *run_buckets; /* one more than bounds, each
                                          with its own only */
    int64_t lost;         /* with their worker */
};
/* Return non-zero to stop. */
typedef int (*stint_measure_fn)(const struct stint_measure *m, void *arg);
/* Of each group (`group` NULL) or one: first the group in all, then its
 * functions, by name. Errors: INVALID, of a connection; of a cluster, groups
 * that cannot be reached are left out, and named by the error at the end. */
STINT_API STINT_CHECKED int stint_measures(stint *s, const char *group,
                                           stint_measure_fn fn, void *arg,
                                           struct stint_err *err);

/* A group at a time. */
struct stint_point {
    size_t size;   /* sizeof(struct stint_point) */
    int64_t at_ms; /* since the epoch, by Redis's clock */
    int64_t queued, due, running; /* at that time */
    int64_t oldest_due_ms;        /* age of the oldest due task, 0: none */
    /* In the step that ended then: */
    int64_t queued_total; /* that came into the group */
    int64_t completed, failed, timeout, stopped, expired; /* tasks that ended */
    struct stint_quantiles queue_time, run_time; /* of runs */
};
enum stint_span {
    STINT_HOUR, /* 360 steps of 10 s */
    STINT_DAY,  /* 288 of 5 minutes */
    STINT_MONTH /* 720 of an hour */
};
/* Return non-zero to stop. `p` is valid during the call. */
typedef int (*stint_point_fn)(const struct stint_point *p, void *arg);
/* The points of a group, oldest first, *step_ms (may be NULL) apart; from when
 * there is something to tell. A reaper, in a worker or a broker, takes the
 * samples: while none is there, nothing is told of that time but what happened
 * at its end. Errors: INVALID. */
STINT_API STINT_CHECKED int stint_history(stint *s, const char *group,
                                          enum stint_span span,
                                          int64_t *step_ms, stint_point_fn fn,
                                          void *arg, struct stint_err *err);

/* How fast a group is: of about the last minute. */
struct stint_rate {
    size_t size; /* sizeof(struct stint_rate) */
    const char *group_name;
    double window_s; /* of how long; 0: nothing is known, and all is 0 */
    double queued_per_s, started_per_s, reported_per_s; /* tasks; runs; runs */
    struct stint_quantiles queue_time, run_time; /* of runs in that time */
    int64_t due, running, oldest_due_ms; /* now */
    double time_to_clear_s; /* until what is due now is started, at this rate
                               and if nothing new came; 0: nothing is due; -1:
                               nothing is started */
};
typedef int (*stint_rate_fn)(const struct stint_rate *r, void *arg);
/* `group` NULL: each group in turn, as stint_stats. */
STINT_API STINT_CHECKED int stint_rates(stint *s, const char *group,
                                        stint_rate_fn fn, void *arg,
                                        struct stint_err *err);

#ifdef __cplusplus
}
#endif
#endif
