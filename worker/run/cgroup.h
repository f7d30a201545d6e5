/* SPDX-License-Identifier: MIT */
/* Runs in cgroups of their own (version 2). Where the worker's own cgroup is
 * delegated to it, it looks like this:
 *
 *     BASE                      the worker's, as it was started
 *     BASE/stint-worker         where it moves if controllers are needed, as a
 *                               cgroup that hands them down may hold no process
 *     BASE/stint-run-PID-N      a run, with its limits; PID is the worker's
 *
 * A run's cgroup is killed as a whole and removed when the run ends, and by
 * the guard if the worker died: nothing that was started in it is left,
 * whatever it did to its session, parent, environment or limits. */
#ifndef STINT_WORKER_CGROUP_H
#define STINT_WORKER_CGROUP_H

#include <stdint.h>
#include <stint/stint.h>
#include <sys/types.h>

#define CGROUP_PATH_MAX 1024

struct json_t;

/* Each run's; 0: no such limit. */
struct cgroup_limits {
    int is_set;       /* a cgroup for each run, even without limits */
    int is_optional;  /* without where there is no delegation */
    uint64_t memory;  /* bytes; swap is not allowed beside it */
    uint64_t cpu_us;  /* of each 100,000 us, over all cores */
    uint64_t pids;    /* processes and threads at once */
};

/* One run's. */
struct cgroup {
    char path[CGROUP_PATH_MAX];
    int procs_fd;     /* cgroup.procs: "0" moves the writer; -1: closed */
};

/* {"memory": bytes or "512M", "cpu": cores, "pids": n, "required": false}, all
 * optional. -1: INVALID. */
int cgroup_limits_read(struct cgroup_limits *l, const struct json_t *object,
                       struct stint_err *err);

/* The cgroup we and the workers beside us were started in. INVALID: there is
 * no cgroup v2. */
int cgroup_base_find(char base[static CGROUP_PATH_MAX], struct stint_err *err);
/* Makes the base hand down the controllers that the limits need, moving us out
 * of it if need be, and our ancestors if they are in it. INVALID, and the text
 * says what to do: it is not delegated. */
int cgroup_base_prepare(const char *base, const struct cgroup_limits *l,
                        struct stint_err *err);
/* Kills and removes what the runs of a worker that died have left. */
void cgroup_base_sweep(const char *base, pid_t worker);

/* A new one in a base that is prepared. n: a number that may be taken, and is
 * counted up. -1: SYSTEM. */
int cgroup_make(struct cgroup *g, const char *base,
                const struct cgroup_limits *l, unsigned *n,
                struct stint_err *err);
/* Sends SIGKILL to all that is in it; they need a moment. */
void cgroup_kill(const struct cgroup *g);
/* Whether its memory limit had something killed. */
int cgroup_was_oom(const struct cgroup *g);
/* Its directory is gone. -1 with errno: EBUSY while something lives in it. */
int cgroup_remove(struct cgroup *g);

#endif
