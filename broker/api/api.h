/* SPDX-License-Identifier: MIT */
/* What the handlers of /api/v1 share: looking at what came, and the handlers
 * themselves, a row of routes.c each. */
#ifndef STINT_BROKER_API_H
#define STINT_BROKER_API_H

#include "call.h"

/* Bounds of what may be asked for. */
enum {
    API_LIMIT = 100,         /* rows of a page, */
    API_LIMIT_MAX = 1000,    /* and at most */
    API_WAIT_MAX = 60,       /* seconds of a long poll */
    API_TIMES_MAX = 1000,    /* times of a cronline */
    API_GRAPH_MAX = 2000,    /* tasks of a graph */
    API_WORKERS_MAX = 10000, /* rows, of a fleet gone wrong */
    API_GROUPS_MAX = 10000
};

/* ---- Looking at what came -------------------------------------------------
 * Each of these returns true, or answers with a problem and returns false: the
 * handler then has no more to do and returns 0. Names are one string, with a
 * blank between. */

/* The query holds these names only. */
bool api_takes(struct call *c, const char *names);
/* The same for the members of the body, and for what the query may hold. */
bool api_takes_body(struct call *c, const char *query, const char *body);
/* A number of the query; *n is `otherwise` when it is not there. */
bool api_count(struct call *c, const char *name, int64_t least, int64_t most,
               int64_t otherwise, int64_t *n);
/* 1, true, 0 or false; *on is 0 when it is not there. */
bool api_flag(struct call *c, const char *name, int *on);
/* Members of `o`. *text is NULL when it is not there, or null. Borrowed. */
bool api_text_of(struct call *c, const json_t *o, const char *name,
                 const char **text);
bool api_count_of(struct call *c, const json_t *o, const char *name,
                  int64_t least, int64_t most, int64_t otherwise, int64_t *n);
bool api_flag_of(struct call *c, const json_t *o, const char *name, int *on);
/* 400 with one wrong field; always false. */
bool api_refuse(struct call *c, const char *name, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- The handlers --------------------------------------------------------- */

#define API_HANDLER(name)                                                      \
    int api_##name(stint *s, struct call *c, struct stint_err *err)

/* api_service.c */
API_HANDLER(overview);
API_HANDLER(doctor);
API_HANDLER(fsck);
API_HANDLER(quarantine);
API_HANDLER(openapi);
/* api_groups.c */
API_HANDLER(groups);
API_HANDLER(group);
API_HANDLER(group_pause);
API_HANDLER(group_resume);
API_HANDLER(group_events);
API_HANDLER(group_parts);
/* api_history.c */
API_HANDLER(group_history);
API_HANDLER(group_functions);
/* api_list.c */
API_HANDLER(list);
/* api_actions.c */
API_HANDLER(actions);
API_HANDLER(group_purge);
/* api_tasks.c */
API_HANDLER(task);
API_HANDLER(task_delete);
API_HANDLER(task_wait);
API_HANDLER(task_why);
API_HANDLER(task_graph);
API_HANDLER(task_stop);
API_HANDLER(task_requeue);
API_HANDLER(task_enable);
API_HANDLER(task_disable);
API_HANDLER(task_priority);
API_HANDLER(task_run_now);
/* api_timeline.c */
API_HANDLER(task_timeline);
/* api_queue.c */
API_HANDLER(queue);
API_HANDLER(queue_lines);
/* api_workers.c */
API_HANDLER(workers);
API_HANDLER(workers_disable);
API_HANDLER(workers_resume);
API_HANDLER(workers_terminate);
API_HANDLER(workers_kill);
/* api_cron.c */
API_HANDLER(cron_next);
/* api_events.c */
API_HANDLER(events);

#endif
