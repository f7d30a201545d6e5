/* SPDX-License-Identifier: MIT */
/* Whose a child is. */
#ifndef STINT_WORKER_ACCOUNT_H
#define STINT_WORKER_ACCOUNT_H

#include <stint/stint.h>
#include <sys/types.h>

struct json_t;

struct account {
    char *text;           /* "user NAME"; NULL: ours, as are the next ones */
    uid_t uid;
    gid_t gid;
    gid_t *groups;        /* supplementary */
    int n_groups;
    char **env;           /* HOME=, USER= and LOGNAME=; NULL-terminated */
};

/* "user" or "user:group", names or numbers. INVALID: there is none of that
 * name, or it is another one than us and we are not root. */
int account_read(struct account *a, const struct json_t *value,
                 struct stint_err *err);
void account_close(struct account *a);

/* Makes the calling process that user's. Async-signal-safe, nothing in it waits
 * for other threads, which do not follow. -1 with errno. */
int account_apply(const struct account *a);

#endif
