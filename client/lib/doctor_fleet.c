/* SPDX-License-Identifier: MIT */
/* Clocks, workers, and tasks that nobody takes. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

#define OK      STINT_FINDING_OK
#define WARNING STINT_FINDING_WARNING
#define FAULT   STINT_FINDING_FAULT

#define CLOCK_OFF_MS 2000 /* people read times of both */

static int look_clock(struct doctor *d, struct finding *f)
{
    struct stint_server_usage u = STINT_SERVER_USAGE_INIT;
    struct stint_err why = {0};
    if (stint_server_usage(d->s, &u, &why)) {
        if (why.code != STINT_REDIS)
            return *d->err = why, -1;
        finding_say(f, STINT_FINDING_UNKNOWN, "run it as a user who may INFO "
                    "and TIME", "%.200s", why.text);
        return 0;
    }
    double off_ms = (double)u.time_off_us / 1000;
    if (off_ms > CLOCK_OFF_MS || off_ms < -CLOCK_OFF_MS)
        finding_say(f, WARNING, "Redis's clock decides when tasks start: let "
                    "both hosts keep time by NTP",
                    "Redis's clock is %+.1f s off this host's", off_ms / 1000);
    else
        finding_say(f, OK, NULL, "Redis's clock is %+.1f ms off this host's "
                    "(%.1f ms to reach it and back)", off_ms,
                    2.0 * (double)u.time_error_us / 1000);
    return 0;
}

/* ---- Workers ------------------------------------------------------------- */

struct fleet_seen {
    size_t active, other, skewed, versions;
    char version[32];     /* of the first */
    char skewed_one[80];
    int64_t skew_ms;
};

static int worker_see(const struct stint_worker_status *w, void *arg)
{
    struct fleet_seen *seen = arg;
    if (strcmp(w->status, "DEAD") == 0)
        return 0;
    if (strcmp(w->status, "ACTIVE") == 0)
        seen->active++;
    else
        seen->other++;
    if (seen->versions == 0)
        snprintf(seen->version, sizeof(seen->version), "%s", w->version);
    if (seen->versions == 0 ||
        (seen->versions == 1 && strcmp(seen->version, w->version) != 0))
        seen->versions++;
    if (w->skew_ms > CLOCK_OFF_MS || w->skew_ms < -CLOCK_OFF_MS) {
        seen->skewed++;
        seen->skew_ms = w->skew_ms;
        snprintf(seen->skewed_one, sizeof(seen->skewed_one), "%s", w->shown);
    }
    return 0;
}

static int look_workers(struct doctor *d, struct finding *f)
{
    struct fleet_seen seen = {0};
    if (stint_workers(d->s, worker_see, &seen, d->err))
        return -1;
    if (seen.active == 0)
        finding_say(f, WARNING, seen.other > 0
                        ? "stint resume, or start another"
                        : "start one: stint worker --config FILE",
                    "no worker takes tasks%s", seen.other > 0
                        ? ": those there are are disabled or leaving" : "");
    else if (seen.skewed > 0)
        finding_say(f, WARNING, "let it keep time by NTP: nothing is decided "
                    "by it, but its logs mislead",
                    "the clock of %s's host is %+.1f s off Redis's (%zu such)",
                    seen.skewed_one, (double)seen.skew_ms / 1000, seen.skewed);
    else if (seen.versions > 1)
        finding_say(f, OK, "finish the upgrade", "%zu workers take tasks, of "
                    "more than one version", seen.active);
    else
        finding_say(f, OK, NULL, "%zu workers take tasks, %zu do not",
                    seen.active, seen.other);
    return 0;
}

/* ---- Groups -------------------------------------------------------------- */

struct groups_seen {
    size_t n;
    int64_t queued, oldest_ms;
    char idle[STINT_NAME_LEN + 1]; /* due tasks, no worker */
    int64_t idle_due;
    char unknown[STINT_NAME_LEN + 1]; /* functions nobody could run */
    int64_t unknown_n;
};

static int group_see(const struct stint_stats *t, void *arg)
{
    struct groups_seen *seen = arg;
    seen->n++;
    seen->queued += t->queued;
    if (t->oldest_due_ms > seen->oldest_ms)
        seen->oldest_ms = t->oldest_due_ms;
    if (t->due > 0 && t->workers == 0) {
        snprintf(seen->idle, sizeof(seen->idle), "%s", t->group);
        seen->idle_due = t->due;
    }
    if (t->unknown > 0) {
        snprintf(seen->unknown, sizeof(seen->unknown), "%s", t->group);
        seen->unknown_n = t->unknown;
    }
    return 0;
}

static int look_groups(struct doctor *d, struct finding *f)
{
    struct groups_seen seen = {0};
    if (stint_stats(d->s, NULL, group_see, &seen, d->err))
        return -1;
    if (seen.idle_due > 0)
        finding_say(f, WARNING, "start a worker with --group, or look for a "
                    "typing error in its name",
                    "group %s has %" PRId64 " tasks due and no worker",
                    seen.idle, seen.idle_due);
    else if (seen.unknown_n > 0)
        finding_say(f, WARNING, "add the function to a worker's configuration; "
                    "stint why ID names it",
                    "group %s has %" PRId64 " tasks of functions no worker "
                    "knows", seen.unknown, seen.unknown_n);
    else
        finding_say(f, OK, NULL, "%zu groups, %" PRId64 " tasks queued; the "
                    "oldest is due for %.1f s", seen.n, seen.queued,
                    (double)seen.oldest_ms / 1000);
    return 0;
}

const struct doctor_look doctor_fleet_looks[] = {
    {"clock", look_clock},
    {"workers", look_workers},
    {"groups", look_groups},
    {NULL, NULL},
};
