/* SPDX-License-Identifier: MIT */
/* Handlers for whoever watches or sizes the fleet: /metrics, /readyz and
 * /api/v1/autoscale. docs/metrics.md has the metrics and the formula. */
#ifndef STINT_BROKER_METRICS_H
#define STINT_BROKER_METRICS_H

#include "call.h"

int metrics_get(stint *s, struct call *c, struct stint_err *err);
/* 200: Redis takes calls, and work that is due is being handed out; 503 with
 * the reasons. */
int health_ready(stint *s, struct call *c, struct stint_err *err);
int autoscale_get(stint *s, struct call *c, struct stint_err *err);

/* What is known of a group, for the advice. */
struct scale_input {
    int64_t due, running, assigned;
    int64_t workers;       /* live ones that take its tasks */
    double concurrency;    /* of each of them, 0: there is none to ask */
    double arrivals_per_s; /* that are due */
    double run_mean_s;     /* 0: not known */
    double target_s;       /* longest queue time that is wanted */
    int64_t least, most;   /* workers; most 0: no limit */
};
/* How many workers the group should have; *reason, constant: why. */
int64_t scale_recommend(const struct scale_input *in, const char **reason);

#endif
