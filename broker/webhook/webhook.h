/* SPDX-License-Identifier: MIT */
/* Webhooks: the ends of tasks, read from the event streams, are posted to URLs of
 * the configuration. Each hook is a reader of events in Redis ("webhook:NAME"):
 * of all brokers with such a hook one has its lease and sends, another goes on
 * WEBHOOK_LEASE_MS after it was last heard of. A hook's place moves on when all
 * that was read with it was accepted, or given up after its tries: so each end is
 * delivered at least once, and after a broker's death those on the way again.
 * Stint-Delivery tells which are the same. What a stream has dropped before it
 * was read, and what ends in groups that keep no events, is not told. */
#ifndef STINT_BROKER_WEBHOOK_H
#define STINT_BROKER_WEBHOOK_H

#include <jansson.h>
#include <stint/stint.h>

#define WEBHOOK_LEASE_MS 6000

struct event_base;
struct webhooks;

/* `array`: of the configuration, see webhook_config.h; read, not kept. NULL:
 * err, INVALID says which hook and what. log may be NULL. */
struct webhooks *webhooks_new(const json_t *array, stint_log_fn log,
                              void *log_arg, struct stint_err *err);
/* Both are borrowed until webhooks_stop, which comes before stint_async_close.
 * -1: err, NOMEM. */
int webhooks_start(struct webhooks *w, struct event_base *base,
                   stint_async *async, struct stint_err *err);
/* Ends and frees them; what was on its way will be sent again by whoever goes
 * on. Calls of `async` may still end behind it. NULL is fine. */
void webhooks_stop(struct webhooks *w);

#endif
