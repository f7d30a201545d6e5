/* SPDX-License-Identifier: MIT */
/* Asking the server itself: commands that are no rules, and INFO's text. */
#ifndef STINT_LIB_ASK_H
#define STINT_LIB_ASK_H

#include "client.h"

#define SETTING_CAP 256
#define INFO_COUNT_MAX (INT64_C(1) << 53) /* what is more is no count */

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

/* What follows "name:" at the start of a line, up to its end; NULL: none. */
const char *info_find(const char *text, const char *name);
/* The sum of a count and one more, which may be any number: the text may be
 * anything. */
int64_t info_add(int64_t n, int64_t more);
/* Sums: a cluster answers with the lines of each of its primaries. */
int64_t info_count(const char *text, const char *name);
/* The first of them, cut to fit; 0: none. */
int info_text(const char *text, const char *name, char *to, size_t cap);

#endif
