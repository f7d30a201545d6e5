/* SPDX-License-Identifier: MIT */
/* What the broker tells the service manager that started it (systemd), if one
 * did: see stint/notify.h. That it lives is said from its loop. */
#ifndef STINT_BROKER_MANAGER_H
#define STINT_BROKER_MANAGER_H

struct event;
struct event_base;

struct manager {
    struct event *watchdog; /* NULL: none is asked for */
};

/* It listens. -1: out of memory. manager_close in any case. */
int manager_ready(struct manager *m, struct event_base *base);
/* 1: it begins to read its files again; 0: it has. */
void manager_reloading(int begins);
void manager_stopping(void);
void manager_close(struct manager *m);

#endif
