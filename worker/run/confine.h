/* SPDX-License-Identifier: MIT */
/* What a child may do and use: the keys of a task in the configuration that
 * say so, and what the child does about them before it becomes the program. Of
 * any executor that starts processes. All zero: the default. */
#ifndef STINT_WORKER_CONFINE_H
#define STINT_WORKER_CONFINE_H

#include <stint/stint.h>
#include <sys/types.h>

#include "account.h"
#include "cgroup.h"

struct json_t;

enum confine_limit { CONFINE_MEMORY, CONFINE_CPU, CONFINE_FILES, CONFINE_CORE,
                     CONFINE_PROCESSES, N_CONFINE_LIMITS };

struct confine {
    struct account user; /* whose it is */
    int nice;             /* added to ours, -20 to 19 */
    unsigned limits_set;  /* a bit for each of limits, bytes or seconds */
    uint64_t limits[N_CONFINE_LIMITS];
    char *cwd;            /* "cwd PATH"; NULL: ours */
    int has_umask;
    mode_t umask;
    int may_gain_privs;   /* no PR_SET_NO_NEW_PRIVS */
    char **env_allow;     /* "NAME", "PREFIX*"; NULL: all */
    char **env_set;       /* "NAME=value"; NULL: none */
    struct cgroup_limits cgroup;
};

/* Takes one key of a task:
 *
 *     "user": "name" or "user:group", names or numbers; needs root. With the
 *             user's supplementary groups, HOME, USER and LOGNAME
 *     "nice": -20 to 19, added
 *     "rlimits": {"memory": bytes of address space, "cpu": seconds,
 *             "files": n, "core": bytes, "processes": n of that user}
 *     "cwd": absolute path
 *     "umask": "0027"
 *     "env": ["PATH", "LC_*"], the variables inherited; absent: all
 *     "setenv": {"NAME": "value"}
 *     "no_new_privs": false lets set-user-ID programs (sudo) work. They escape
 *             our signals, so it is true unless said
 *     "cgroup": {"memory": bytes, "cpu": cores, "pids": n, "required": bool}
 *
 * Bytes are a number or text with K, M, G or T, powers of 1,024. Returns 1:
 * taken, 0: no key of ours, -1: INVALID or NOMEM, the text names the key. */
int confine_read(struct confine *c, const char *key,
                 const struct json_t *value, struct stint_err *err);
void confine_close(struct confine *c);

/* In the child: all but the environment and the cgroup. Async-signal-safe, and
 * nothing in it waits for other threads. -1 with errno, and *step says what
 * failed (the confine's text or a constant). */
int confine_apply(const struct confine *c, const char **step);

/* Writes the environment of a run to `to`: of what is inherited what is
 * allowed, then the user's, then what is set; of two of a name only the later.
 * All entries are borrowed. Returns how many; no NULL follows. */
size_t confine_env(const struct confine *c, char *const *inherited,
                   char **to);
/* Room for so many entries is enough. */
size_t confine_env_max(const struct confine *c, char *const *inherited);

#endif
