/* SPDX-License-Identifier: MIT */
/* The duties of time: wake, expire, recover, rewind, prune, fire, settle, sample,
 * and the delivery of messages between groups. Runs inside every worker;
 * a lease in Redis elects the one that does them. That saves work and is not
 * needed for safety: each duty is an atomic, bounded script. */
#ifndef STINT_BROKER_REAPER_H
#define STINT_BROKER_REAPER_H

#include <stdint.h>

#include "log.h"
#include "script.h"

#define REAPER_GROUPS_MAX 5000 /* parts counted */

struct reaper_group;

/* A clock of Redis's against ours. */
struct reaper_clock {
    int64_t redis_us, mono_ms; /* last seen together; 0: never */
};

struct reaper {
    struct script_caller *caller; /* borrowed */
    const struct log *log;        /* borrowed */
    const char *worker;           /* in which it runs, borrowed */
    int64_t period_ms;            /* look at each group at least so often */
    int64_t lease_ms;             /* the longest lease, for the clock guard */
    struct reaper_group *groups;  /* owned list */
    int n_groups;
    int apart;                    /* groups are at nodes with clocks of their
                                     own */
    struct reaper_clock clock_of_all; /* unless they are apart */
    int64_t hold_until_mono_ms;   /* Redis's clock jumped: no recover before */
    int64_t fleet_back_ms;        /* it went back so far: the fleet's leases
                                     are to be mended; 0: it did not */
    int64_t fleet_mono_ms;        /* and not before */
    int64_t back_until_mono_ms;   /* or not at all any more */
    int fleet_busy;               /* that is under way */
    int64_t samples_mono_ms;      /* since then there were */
    int n_samples;                /* so many samples */
    int64_t n_calls;              /* it has made */
    int64_t n_reaped;             /* tasks expired, recovered and pruned */
    int64_t (*clock)(void);       /* mono ms, for replies */
    void (*want_tick)(void *arg); /* after replies: tick soon; or NULL */
    void *want_arg;
};

void reaper_init(struct reaper *r, struct script_caller *caller,
                 const struct log *log, const char *worker, int64_t period_ms,
                 int64_t lease_ms, int64_t (*clock)(void));
/* Names a group to look after, "main" or "main 8" if it has 8 parts; known ones
 * are fine. */
void reaper_add_group(struct reaper *r, const char *text, size_t len);
/* How many parts a group has, as far as is known. */
int reaper_parts_of(const struct reaper *r, const char *group);
/* Does what is due; returns the next deadline (mono ms). */
int64_t reaper_tick(struct reaper *r, int64_t now_mono_ms);
/* Looks at a group now, leading or not: somebody's lease has ended there. */
void reaper_look(struct reaper *r, const char *group);
/* At all that it looks after. */
void reaper_look_all(struct reaper *r);
/* Redis stood still until now: others could not renew their leases either, and
 * get the time to. */
void reaper_was_away(struct reaper *r, int64_t now_ms);
/* Each reply about a group tells Redis's time: a jump of its clock against ours
 * must not let all leases end in a heap. */
void reaper_saw_clock(struct reaper *r, const char *group, int64_t redis_us,
                      int64_t now_mono_ms);
/* A call about the group (NULL: about any) has failed, so that those of other
 * workers may have, too: from when it answers again, nobody's lease has ended
 * there until all had the time to renew it. */
void reaper_missed(struct reaper *r, const char *group);
/* Only when no call is outstanding. */
void reaper_close(struct reaper *r);

#endif
