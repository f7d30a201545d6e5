/* SPDX-License-Identifier: MIT */
/* The processes of a campaign: the proxy, the resource, workers and clients.
 * Who dies is started again, but for clients that have ended. */
#ifndef STINT_TESTS_FLEET_H
#define STINT_TESTS_FLEET_H

#include <stdint.h>
#include <sys/types.h>

#include "control.h"

struct fleet_options {
    const char *dir;   /* of the campaign: short, for unix sockets */
    const char *bin;   /* where torture_* are */
    uint64_t seed;
    int workers, clients; /* slots: workers first */
    int concurrency, prefetch;
    int far;           /* slots below it are in namespaces */
    int tag;           /* of the namespaces */
    int64_t tasks;     /* of all clients */
    int64_t rate;      /* of each, 0: as it can */
    int level;
    double heartbeat_s;
};

struct member {
    pid_t pid;         /* 0: does not run */
    int64_t again_ms;  /* mono; start it not before */
    int is_expected;   /* its death is ours */
    int has_ended;     /* a client that is done */
};

struct fleet {
    struct fleet_options o;
    struct control *control; /* borrowed */
    struct member members[SLOTS_MAX];
    struct member proxy, resource;
    int is_leaving;    /* nobody is started any more */
    int n_crashes;     /* deaths by a signal that nobody sent */
    int n_refused;     /* workers that ended by themselves: Redis was away */
};

/* Starts proxy and resource and waits for them; -1: they do not come. */
int fleet_open(struct fleet *f);
/* Reaps who is dead and starts who is due. */
void fleet_tick(struct fleet *f, int64_t now_ms);
/* kill -9, of the worker or, with_supervisor, of its supervisor; back after
 * for_ms. */
void fleet_kill(struct fleet *f, int slot, int with_supervisor,
                int64_t now_ms, int64_t for_ms);
/* To the worker itself. Returns its pid, 0: none. */
pid_t fleet_signal(struct fleet *f, int slot, int number);
int fleet_is_supervised(const struct fleet *f, int slot);
int fleet_clients_left(const struct fleet *f);
/* Workers end by SIGTERM, within ms; -1: some had to be killed. */
int fleet_leave(struct fleet *f, int64_t ms);
void fleet_close(struct fleet *f);

#endif
