/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* CLOCK_MONOTONIC */
#include "manager.h"

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stint/notify.h>
#include <time.h>

static void manager_on_watchdog(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    (void)stint_notify("WATCHDOG=1");
}

int manager_ready(struct manager *m, struct event_base *base)
{
    int64_t ms = stint_notify_watchdog_ms() / 2;
    struct timeval every = {ms / 1000, ms % 1000 * 1000};
    if (ms > 0) {
        m->watchdog = event_new(base, -1, EV_PERSIST, manager_on_watchdog, m);
        if (m->watchdog == NULL || event_add(m->watchdog, &every) < 0)
            return -1;
    }
    (void)stint_notify("READY=1");
    return 0;
}

void manager_reloading(int begins)
{
    char text[80];
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
             (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000);
    (void)stint_notify(begins ? text : "READY=1");
}

void manager_stopping(void)
{
    (void)stint_notify("STOPPING=1");
}

void manager_close(struct manager *m)
{
    if (m->watchdog != NULL)
        event_free(m->watchdog);
    m->watchdog = NULL;
}
