/* SPDX-License-Identifier: MIT */
/* One end of a task on its way to one URL: a POST, again and again with growing
 * waits until it is answered 2xx or the tries are over. Redirects are not
 * followed; what is answered is bounded and thrown away. */
#ifndef STINT_BROKER_WEBHOOK_SEND_H
#define STINT_BROKER_WEBHOOK_SEND_H

#include <stddef.h>

#include "webhook_config.h"

#define WEBHOOK_TRIES_MAX  10
#define WEBHOOK_WAIT_MS    1000  /* before the second try, then twice that... */
#define WEBHOOK_WAIT_MS_MAX 60000

struct event_base;
struct evdns_base;
struct webhook_tls;

/* What all deliveries of a program share; borrowed by them. */
struct webhook_net {
    struct event_base *base;
    struct evdns_base *dns;
    struct webhook_tls *tls; /* NULL: no https */
};

struct delivery;
/* It is over, and frees itself behind this: code 2xx, or else that of the last
 * try (0: no answer came). */
typedef void (*delivery_done_fn)(struct delivery *d, int code, void *arg);

/* `id` names the event, the same whenever it is sent again; body is taken.
 * NULL: out of memory (body is freed then, too). */
struct delivery *delivery_start(const struct webhook_net *net,
                                const struct webhook_config *to,
                                const char *id, char *body,
                                delivery_done_fn done, void *arg);
/* Gives it up; `done` is not called. Not from inside of `done`. */
void delivery_cancel(struct delivery *d);
const char *delivery_id(const struct delivery *d);

#endif
