/* SPDX-License-Identifier: MIT */
/* Asking the server itself: commands that are no rules. */
#ifndef STINT_LIB_ASK_H
#define STINT_LIB_ASK_H

#include "client.h"
#include "info.h"

#define SETTING_CAP 256

/* One command of one to three words (the rest NULL), made once. A reply that is
 * no error, which the caller frees with client_reply_free, or NULL. Errors:
 * REDIS (the server's own words), or of the connection. */
struct redisReply *ask_server(struct stint *s, const char *command,
                              const char *arg, const char *arg2,
                              struct stint_err *err);

/* One setting of Redis (CONFIG GET), cut to fit. 1: there it is. 0: Redis does
 * not know it, or does not tell us, or the nodes of a cluster differ: *err says
 * which. -1: err, no answer came. */
int ask_setting(struct stint *s, const char *name, char value[SETTING_CAP],
                struct stint_err *err);

#endif
