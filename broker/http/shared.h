/* SPDX-License-Identifier: MIT */
/* Answers that are the same for everybody and cost Redis much: the path and query
 * of a ROUTE_SHARED is looked up once for all who ask meanwhile, and when many
 * ask, at most once a second. Who may ask is checked before, for each. As long as
 * few ask, each is told what is there now; the header Age is there if not.
 *
 * A change by an administrator through this broker is seen at once: what was
 * looked up before it is not given out after it. */
#ifndef STINT_BROKER_SHARED_H
#define STINT_BROKER_SHARED_H

#include <stddef.h>
#include <stdint.h>

struct call;

enum {
    SHARED_SLOTS = 32,      /* paths that are remembered, */
    SHARED_PATH_MAX = 200,  /* of so many bytes at most; longer are not shared */
    SHARED_BYTES_MAX = 1048576, /* of an answer that is given out again */
    SHARED_BURST = 10,      /* looks of a path in a row, and then one a second */
    SHARED_AGE_MS = 1000,   /* what is given out again is not older */
    SHARED_FORGET_MS = 5000 /* what nobody asked for so long is given up */
};

/* An answer; the responses that are being sent hold references. */
struct shared_bytes {
    size_t n_refs, len;
    char bytes[];
};

struct shared_slot {
    char path[SHARED_PATH_MAX + 1]; /* "": free */
    int is_open;             /* in the format of OpenMetrics, where that counts */
    int64_t used_ms;
    double looks;            /* that are left of the burst */
    int64_t looks_ms;        /* when that was counted */
    struct call *looking;    /* the call that looks; NULL: none */
    struct call *waiting;    /* those who get its answer; a list */
    uint64_t changes;        /* how many there had been when it began, */
    int64_t began_ms;        /* and when that was */
    struct shared_bytes *answer; /* NULL: none; owned, as the next is: */
    uint64_t answer_changes;
    int64_t answer_ms;       /* since when it may have been out of date */
    char type[80];
};

struct shared {
    struct shared_slot slots[SHARED_SLOTS];
    uint64_t changes;        /* by administrators, until now */
};

/* All of these on the loop's thread; now_ms is monotonic. */

enum shared_way {
    SHARED_RUN,    /* run the handler, and call shared_done after it */
    SHARED_WAIT,   /* it is answered when another is: nothing to do */
    SHARED_ANSWER  /* it has its answer: send it */
};
enum shared_way shared_ask(struct shared *s, struct call *c, int64_t now_ms);
/* The call has its answer. Those who waited for it get the same, and `finish` is
 * called for each. No harm if nobody did, or it is of no such route. */
void shared_done(struct shared *s, struct call *c,
                 void (*finish)(struct call *c));
/* Something was changed. */
void shared_change(struct shared *s);
/* Now and then: gives up what nobody asks for. */
void shared_tick(struct shared *s, int64_t now_ms);
void shared_close(struct shared *s);

#endif
