/* SPDX-License-Identifier: MIT */
/* What a service tells its service manager (systemd: sd_notify), without a
 * library of its. */
#ifndef STINT_NOTIFY_H
#define STINT_NOTIFY_H

#include <stint/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Sends lines like "READY=1\nSTATUS=waiting for work" to the socket that
 * $NOTIFY_SOCKET names (a path, or @NAME in Linux's abstract namespace). Never
 * waits. 1: sent; 0: nobody wants to hear; -1: could not be sent (errno). What
 * it says is not to depend on that. */
STINT_API int stint_notify(const char *state);

/* How often, in ms, stint_notify("WATCHDOG=1") is expected of this process or
 * of its parent, by $WATCHDOG_USEC and $WATCHDOG_PID; who sends it should do so
 * twice as often. 0: it is not. */
STINT_API int64_t stint_notify_watchdog_ms(void);

#ifdef __cplusplus
}
#endif
#endif
