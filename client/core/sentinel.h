/* SPDX-License-Identifier: MIT */
/* Asking sentinels where the primary is. One after the other, beginning with
 * the one that answered last; each has a second. Whoever connects to what they
 * said verifies it (conf.of_primary), as a sentinel may be behind. */
#ifndef STINT_CORE_SENTINEL_H
#define STINT_CORE_SENTINEL_H

#include <stdint.h>

#include "conf.h"
#include "store.h"

struct event_base;
struct sentinel_asking;

/* to NULL: nobody knew, *err says what the first one said. */
typedef void (*sentinel_done_fn)(const struct conf_node *to,
                                 const struct stint_err *err, void *arg);

/* Waits for the answer. *first: which one is asked first; left at the one
 * that answered. Errors: UNREACHABLE, AUTH. */
int sentinel_ask(const struct conf *conf, unsigned *first, int64_t timeout_ms,
                 struct conf_node *to, struct stint_err *err);

/* Asks on the loop, and calls fn once, from the loop, unless it is stopped
 * first. conf and first are borrowed until then. NULL: *err. */
struct sentinel_asking *sentinel_ask_start(const struct conf *conf,
                                           unsigned *first,
                                           struct event_base *base,
                                           sentinel_done_fn fn, void *arg,
                                           struct stint_err *err);
/* Also from fn, and after it (an asking is not gone by itself). NULL is fine. */
void sentinel_ask_stop(struct sentinel_asking *a);

/* ---- Of both forms --------------------------------------------------------- */

#define SENTINEL_ASK_MS 1000 /* one of several: do not wait for long */
#define SENTINEL_ASK_MIN_MS 100 /* the first one, however late it is */

/* The k-th of them, going round. */
void sentinel_choose(const struct conf *conf, unsigned k, struct conf *at);
/* The question, to the store of one. */
void sentinel_call(struct store *s, const struct conf *conf, store_reply_fn fn,
                   void *arg);
/* What it answered; asked: how to call it. Errors: UNREACHABLE, AUTH. */
int sentinel_answer(const struct redisReply *reply, const struct conf *conf,
                    const char *asked, struct conf_node *to,
                    struct stint_err *err);

#endif
