/* SPDX-License-Identifier: MIT */
/* A page that all processes of a campaign share (a mapped file): what the
 * nemesis wants of the proxy and the shims, and who is who. Nothing that a
 * verdict rests on passes through it. */
#ifndef STINT_TESTS_CONTROL_H
#define STINT_TESTS_CONTROL_H

#include <stdatomic.h>
#include <stdint.h>

#define SLOTS_MAX 48 /* workers and clients together */

/* Actors of fixed number; the rest comes from next_actor. */
enum { ACTOR_NEMESIS = 1, ACTOR_RESOURCE, ACTOR_DUMP, ACTOR_CLIENTS = 10,
       ACTOR_NEXT = 100 };

enum link_mode {
    LINK_WELL,
    LINK_DROP_REPLY,  /* the arg-th reply from now is swallowed, and its
                         connection reset: once */
    LINK_CUT_REQUEST, /* half of the arg-th request goes out, then the end */
    LINK_SPLIT,       /* one byte a segment */
    LINK_STALL,       /* arg 1: replies, 2: requests, 3: both */
    LINK_RESET,       /* all are reset, now; arg 1: and who connects, too */
    LINK_SLOW         /* arg: bytes a second */
};

/* Between a process and Redis; the proxy polls it. */
struct control_link {
    _Atomic uint32_t serial; /* written last: what is below is new */
    _Atomic uint32_t mode, arg;
    _Atomic uint32_t port;   /* the proxy's, for this slot */
    _Atomic uint32_t hits;   /* faults that met something */
};

/* What shim.c does in a process. */
struct control_shim {
    _Atomic int64_t clock_ms;  /* added to CLOCK_REALTIME */
    _Atomic int32_t fsync_ms;  /* each fsync of a log takes so much longer */
    _Atomic int32_t fsync_eio; /* 1: it fails */
    _Atomic int32_t enospc;    /* 1: writes to a log fail */
};

struct control {
    _Atomic uint32_t next_actor;
    _Atomic uint32_t upstream;   /* 0 or 1: which Redis the proxy goes to */
    _Atomic uint32_t end;        /* 1: clients queue nothing new */
    _Atomic uint64_t reported;   /* reports that were answered OK */
    _Atomic uint64_t queued[SLOTS_MAX]; /* of a client: with a clear answer */
    _Atomic uint32_t actor[SLOTS_MAX];  /* who is there now */
    _Atomic int32_t pid[SLOTS_MAX];     /* of the worker itself */
    struct control_link links[SLOTS_MAX];
    struct control_shim redis[2];
    struct control_shim workers[SLOTS_MAX];
};

/* Maps PATH; `make`: as a new one. A failure ends the program. */
struct control *control_map(const char *path, int make);

#endif
