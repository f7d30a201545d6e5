/* SPDX-License-Identifier: MIT */
/* A redis-server of a test's own: on a unix socket in a fresh directory, with
 * the append-only file on, so that it can be killed and come back with its
 * data. Whatever goes wrong here aborts the test program. */
#ifndef STINT_TESTS_SERVER_H
#define STINT_TESTS_SERVER_H

#include <sys/types.h>

struct server {
    pid_t pid;     /* 0: not running */
    char dir[64];  /* its directory, under $TMPDIR or /tmp */
    char url[128]; /* unix://DIR/redis.sock */
};

/* Makes the directory, starts it and waits until it answers PING. */
void server_start(struct server *s);
/* SIGKILL, and reaped; the data stays. */
void server_kill(struct server *s);
/* Starts it again on the same directory and data. */
void server_restart(struct server *s);
/* Kills it and removes the directory. */
void server_stop(struct server *s);

#endif
