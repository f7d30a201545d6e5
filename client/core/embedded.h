/* SPDX-License-Identifier: MIT */
/* The private redis-server of a user, shared by all of his stint processes:
 * ${STINT_HOME:-$XDG_STATE_HOME/stint or ~/.local/state/stint}/redis/, 0700,
 * with redis.conf, redis.sock (0600/0700), redis.pid, redis.log and the
 * append-only file. Start-up is serialised by flock on a file `lock`. */
#ifndef STINT_CORE_EMBEDDED_H
#define STINT_CORE_EMBEDDED_H

#include <stint/stint.h>

/* Starts it if it does not answer, waits until it has loaded its data (up to
 * 60 s), and writes its URL ("unix:///…/redis.sock"). Errors: SYSTEM (no
 * redis-server in PATH, path too long for a socket: says which), TIMEOUT. */
int embedded_start(char *url, size_t url_cap, struct stint_err *err);

#endif
