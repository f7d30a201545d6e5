/* SPDX-License-Identifier: MIT */
/* What the worker tells its service manager, if that wants to hear: that it is
 * ready once it has Redis, what it does, that it reads its configuration again,
 * that it stops; and, as long as its loop turns, that it lives. */
#include <inttypes.h>
#include <stdio.h>

#include <stint/notify.h>

#include "clock.h"
#include "embed.h"

#define STATUS_MS 5000

void announce_begin(stint_worker *sw)
{
    if (!sw->announces)
        return;
    sw->watchdog_ms = stint_notify_watchdog_ms() / 2;
    sw->status_mono_ms = INT64_MAX; /* not before it is ready */
}

void announce_ready(stint_worker *sw)
{
    if (!sw->announces || sw->is_ready)
        return;
    sw->is_ready = 1;
    sw->status_mono_ms = 0;
    (void)stint_notify("READY=1");
}

void announce_reload(stint_worker *sw, int is_over)
{
    char text[80];
    if (!sw->announces || !sw->is_ready)
        return;
    snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
             clock_mono_us());
    (void)stint_notify(is_over ? "READY=1" : text);
    sw->status_mono_ms = 0;
}

static void status_send(const stint_worker *sw)
{
    const struct worker *w = &sw->w;
    char text[200];
    snprintf(text, sizeof(text), "STATUS=%s: %d of %d running, %" PRId64
             " runs, %" PRId64 " failed%s", worker_status(w),
             w->held[HELD_RUNNING].n, w->config->concurrency, w->n_total,
             w->n_failed, w->connected ? "" : "; Redis is away");
    (void)stint_notify(text);
}

int64_t announce_tick(stint_worker *sw, int64_t now_ms)
{
    int64_t next_ms = INT64_MAX;
    if (!sw->announces)
        return next_ms;
    if (sw->w.stops > 0 && !sw->says_stopping) {
        sw->says_stopping = 1;
        (void)stint_notify("STOPPING=1");
        sw->status_mono_ms = 0;
    }
    if (now_ms >= sw->status_mono_ms) {
        status_send(sw);
        sw->status_mono_ms = now_ms + STATUS_MS;
    }
    if (sw->watchdog_ms > 0 && now_ms >= sw->watchdog_mono_ms) {
        (void)stint_notify("WATCHDOG=1");
        sw->watchdog_mono_ms = now_ms + sw->watchdog_ms;
    }
    return sw->watchdog_ms > 0 ? sw->watchdog_mono_ms : next_ms;
}
