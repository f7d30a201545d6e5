/* SPDX-License-Identifier: MIT */
/* An event as JSON: of a page, and of the stream of server-sent events. */
#ifndef STINT_BROKER_API_EVENTS_H
#define STINT_BROKER_API_EVENTS_H

#include <jansson.h>
#include <stint/stint.h>

/* A new reference, never NULL. */
json_t *api_event(const struct stint_event *e);

#endif
