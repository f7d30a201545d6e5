/* SPDX-License-Identifier: MIT */
/* What happened to tasks: a capped stream of events for each group. Every
 * transition of every task is one event; those that one call made stand
 * together in one entry of the stream. Events are for people, dashboards and
 * hooks: a task's state is its record, whatever became of its events. */
#ifndef STINT_EVENTS_H
#define STINT_EVENTS_H

#include <stint/client.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STINT_CURSOR_LEN 191 /* bytes of a place in the events, most */

/* Valid during the call that shows it; strings are never NULL. */
struct stint_event {
    size_t size;
    const char *cursor;     /* its place: go on behind it by `after` */
    const char *group_name;
    int64_t at_ms;          /* by Redis's clock */
    const char *verb;       /* of the rule that did it: queue_task, assign,
                               start, report, release, recover, expire, prune,
                               settle (of one whose parent or parts ended)... */
    const char *task_id;    /* of a part of a broadcast ID@N */
    const char *function;   /* "": the task is gone, and it was not noted */
    const char *status;     /* the task's then; GONE: deleted or pruned */
    const char *worker;     /* who holds it, or had it until then; "" */
    int64_t fence;          /* 0: it was not assigned yet */
};
/* Return non-zero to stop. It must not use the handle. */
typedef int (*stint_event_fn)(const struct stint_event *e, void *arg);

struct stint_events_options {
    size_t size;
    const char *group;   /* NULL: all */
    const char *after;   /* a cursor; NULL: the oldest there is; "$": the end:
                            no events, only its cursor; a time (ms since the
                            epoch): from then on */
    const char *task_id; /* NULL: any; those of a broadcast's parts, too */
    size_t limit;        /* 0: 100; 10,000 at most */
    int ended;           /* 1: only of tasks that reached an end state */
};
#define STINT_EVENTS_OPTIONS_INIT                                              \
    {sizeof(struct stint_events_options), 0, 0, 0, 0, 0}

/* Shows events, oldest first, and says in `cursor` where to go on. A call looks
 * at a bounded number of them: the end is reached when neither fn was called nor
 * the cursor has moved. Events of several groups, or of the parts of one, come
 * in the order of their time, each once; those of the last millisecond come with
 * the next call, as there may be more of it. A cursor of one group that is used
 * for all means its time only, and what has the same millisecond comes again.
 * Events that the stream has dropped meanwhile are missing without a word.
 * In a cluster a group that cannot be reached is an error of the whole, so that
 * none of its events is passed over. Errors: INVALID (group, after, limit). */
STINT_API STINT_CHECKED int
stint_events(stint *s, const struct stint_events_options *o, stint_event_fn fn,
             void *arg, char cursor[STINT_CURSOR_LEN + 1],
             struct stint_err *err);

/* How many entries (each of up to 250 events) of its stream a group keeps,
 * about: 2000, say; 0, the default: none, and none are written. Holds for the parts that the group has:
 * say it again when these have changed. Errors: INVALID. */
STINT_API STINT_CHECKED int stint_keep_events(stint *s, const char *group,
                                              int64_t keep,
                                              struct stint_err *err);

/* A named reader of events, kept in Redis: how far it has come, and who goes on
 * from there, one program at a time. `who`: a word for the caller, its own and
 * the same each time; lease_ms: it keeps the place so long from now, 0: it gives
 * it up. at: how far it has come now, NULL: as before; whoever has not got the
 * place cannot say so. A reader that nobody has used for 30 days may be
 * forgotten.
 * 1: the caller goes on; 0: somebody else does; cursor: where the reader is, ""
 * if it has not begun. -1: err; INVALID, STATE: there are 1,000 readers. */
STINT_API STINT_CHECKED int
stint_event_reader(stint *s, const char *name, const char *who,
                   int64_t lease_ms, const char *at,
                   char cursor[STINT_CURSOR_LEN + 1], struct stint_err *err);

#ifdef __cplusplus
}
#endif

#endif
