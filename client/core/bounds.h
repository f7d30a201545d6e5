/* SPDX-License-Identifier: MIT */
/* Every limit of the program, with its reason. Lua's twins stand at the top
 * of lua/prelude.lua. Not named limits.h: headers of others ask for the
 * system's by that name. */
#ifndef STINT_CORE_BOUNDS_H
#define STINT_CORE_BOUNDS_H

#define PAYLOAD_BYTES_MAX   (1024 * 1024) /* a task's JSON: Redis stays quick */
#define RESULT_BYTES_MAX    (256 * 1024)  /* a run's result */
#define OUTPUT_BYTES_MAX    (64 * 1024)   /* a run's stdout, and its stderr */
#define ERROR_BYTES_MAX     1000          /* a run's error text */
#define PROGRESS_BYTES_MAX  200           /* what a run says about how far it
                                             is */
#define FRAME_BYTES_MAX     (4 * 1024 * 1024) /* to and from a child: a task
                                             with results of its parents */
#define JSON_DEPTH_MAX      64            /* recursion of JSON walkers */
#define GROUPS_MAX          64            /* groups a worker serves */
#define PARTS_MAX           256           /* over which a group is spread */
#define PARTS_SUFFIX_MAX    4             /* "~255" behind a group's name */
#define SERVED_MAX          1024          /* parts of groups a worker serves:
                                             each has its heartbeats */
#define FUNCTIONS_MAX       256           /* functions a worker knows */
#define CONCURRENCY_MAX     1000          /* runs of a worker at once */
#define HELD_MAX            5000          /* tasks a worker holds, all told */
#define DEPENDS_MAX         1000          /* parents of a task */
#define TAGS_MAX            16            /* of a task */
#define TAG_LEN_MAX         64            /* bytes of each */
#define BATCH_TASKS_MAX     250           /* tasks a script call: 250 * 4
                                             values stay below unpack's 1,000 */
#define BATCH_BYTES_MAX     (512 * 1024)  /* a script call's arguments, and one
                                             task: Redis takes 7 ms a MiB */
#define PROGRESS_MS         1000          /* progress is published so often,
                                             where sync_output says nothing */
#define SYNC_MS_MIN         100           /* output is published at most so
                                             often */
#define CALL_DEADLINE_MS    5000          /* a reply later than that is unknown */
#define EVENTS_MAX          10000         /* events shown by one call */
#define REPLY_BYTES_MAX     (64 * 1024 * 1024) /* of Redis: far beyond any of
                                             ours, for servers gone wrong */
#define REPLY_ELEMENTS_MAX  1000000       /* and all of its parts together */
#define ASYNC_CALLS_MAX     1000          /* of a stint_async at once */
#define FIBER_STACK_BYTES   (512 * 1024)  /* of each of them: what is not touched
                                             takes no memory */
#define FIBERS_KEPT_MAX     64            /* stacks kept for later calls */
/* A lease outlives one lost heartbeat, and with the next beat of any other
 * worker a dead one's tasks are back within three. */
#define LEASE_MS(hb_ms)     ((hb_ms) * 19 / 10)
#define REAP_TASKS_MAX      150           /* tasks a reaper's step moves: 5 ms
                                             of Redis at 30 us each */

#endif
