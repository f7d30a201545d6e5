/* SPDX-License-Identifier: MIT */
/* How the fleet is, all at once: what a scrape, a look at its health and the
 * advice on its size are made from. */
#ifndef STINT_BROKER_SNAPSHOT_H
#define STINT_BROKER_SNAPSHOT_H

#include <stint/stint.h>

#define SNAPSHOT_WORKERS_MAX   200 /* shown one by one */
#define SNAPSHOT_FUNCTIONS_MAX 500 /* of all groups together */
#define SNAPSHOT_BUCKETS       24  /* room for stint_measure_bounds and one */

struct snapshot_measure {
    char function[STINT_NAME_LEN + 1]; /* "": the group in all */
    size_t group;                      /* its index */
    int64_t ended[5]; /* completed, failed, timeout, stopped, lost */
    double queue_sum_s, run_sum_s;
    int64_t queue[SNAPSHOT_BUCKETS], run[SNAPSHOT_BUCKETS];
};

struct snapshot_group {
    char name[STINT_NAME_LEN + 1];
    struct stint_stats stats; /* its group points to name */
    struct stint_rate rate;   /* no window: there is none */
    int has_measure;
    struct snapshot_measure in_all;
};

struct snapshot_worker {
    char *name, *host; /* owned */
    char *groups, *functions;
    char status[16];
    struct stint_worker_status is; /* its texts are those here, or NULL */
};

struct snapshot {
    struct snapshot_group *groups; /* owned */
    size_t n_groups;
    struct snapshot_measure *functions; /* owned */
    size_t n_functions, n_functions_left; /* left out */
    struct snapshot_worker *workers; /* owned; all of them */
    size_t n_workers;
    const char *only; /* this group; NULL: all */
    int failed;       /* out of memory on the way */
};

enum { SNAPSHOT_RATES = 1, SNAPSHOT_MEASURES = 2, SNAPSHOT_WORKERS = 4 };
/* `to` is zeroed but for `only`; close it, whatever is returned. group_name and
 * workers come with every look, the rest as asked for. -1: err; of a cluster
 * whose groups are not all reachable, what there is has been taken. */
int snapshot_take(struct snapshot *to, stint *s, unsigned what,
                  struct stint_err *err);
void snapshot_close(struct snapshot *s);

/* Of its groups, comma-separated, or of its functions: is the name there? */
int snapshot_lists(const char *names, const char *name);

#endif
