/* SPDX-License-Identifier: MIT */
/* For programs with an event loop: everything of <stint/client.h> without
 * waiting. A stint_async lives on the program's own libevent base. It runs
 * functions that call the library one call after the other, as if they waited;
 * while one waits for Redis, the loop goes on, also with other functions of the
 * same stint_async. No threads: each function has a stack of its own, from
 * which it steps aside.
 *
 *     static int work(stint *s, void *arg, struct stint_err *err)
 *     {
 *         struct job *job = arg;
 *         return stint_wait(s, "main", &job->id, 1, -1, NULL, NULL,
 *                           &job->n_not_completed, err);
 *     }
 *     static void done(int rc, const struct stint_err *err, void *arg) ...
 *     ... stint_async_call(a, work, done, job, NULL, &err) ...
 *
 * All functions here are for the thread that runs the loop, and none of them
 * runs it. */
#ifndef STINT_ASYNC_H
#define STINT_ASYNC_H

#include <stint/client.h>

#ifdef __cplusplus
extern "C" {
#endif

struct event_base;

/* ---- The connection ------------------------------------------------------ */

typedef struct stint_async stint_async;
typedef struct stint_call stint_call; /* one that is not done yet */

/* A handle on `base`, which must outlive it. Does not wait for Redis: the loop
 * connects, and again whenever the connection is lost. Calls made meanwhile
 * wait for it as those of stint_open's handles do, until their timeout_s is
 * up. Only where the embedded Redis is meant and does not run yet, this waits
 * until it does. Its events keep event_base_dispatch running until it is
 * closed. `o` may be NULL. Errors: INVALID (url), NOMEM, SYSTEM (embedded Redis
 * could not be started). */
STINT_API STINT_CHECKED stint_async *
stint_async_open(const struct stint_options *o, struct event_base *base,
                 struct stint_err *err);

/* Ends all calls as stint_async_cancel does, calls `done` of each, closes and
 * frees. From inside of a `work` or a `done` it returns at once and is carried
 * out as soon as that has returned; `a` takes no more calls then. NULL is
 * fine. */
STINT_API void stint_async_close(stint_async *a);

/* Calls that are not done yet. */
STINT_API size_t stint_async_pending(const stint_async *a);

/* ---- Any call ------------------------------------------------------------ */

/* Runs from the loop. `s` is good until it returns and for nobody else; any
 * function of <stint/client.h> may be called with it, several in a row. Its
 * callbacks (stint_list_fn and so on) run here, too. What it returns, and *err,
 * are handed to `done`. At least 256 KiB of stack are free. It must not run the
 * loop, nor wait for anything but through `s`, nor be left by longjmp or an
 * exception. */
typedef int (*stint_work_fn)(stint *s, void *arg, struct stint_err *err);
/* Called exactly once for each call, from the loop or from stint_async_close,
 * never from inside of the function that made the call. `err` is never NULL and
 * valid during the call. It may make and cancel calls, and close. */
typedef void (*stint_done_fn)(int rc, const struct stint_err *err, void *arg);

/* Makes a call. They begin in the order in which they were made and end in
 * whatever order. `done` may be NULL; `arg` goes to both and stays the
 * caller's. *call (may be NULL) is good for stint_async_cancel until `done`
 * returns. On -1 nothing is called. Errors: BUSY (1,000 calls are under way),
 * CLOSED (`a` is being closed), NOMEM. */
STINT_API STINT_CHECKED int
stint_async_call(stint_async *a, stint_work_fn work, stint_done_fn done,
                 void *arg, stint_call **call, struct stint_err *err);

/* Gives a call up: whatever `work` waits for, and all that it asks Redis for
 * from now on, ends with CLOSED; a `work` that has not begun does not, and the
 * call is done with -1 and CLOSED. What was sent before may have happened.
 * Again is fine. */
STINT_API void stint_async_cancel(stint_call *call);

/* ---- The usual calls ----------------------------------------------------- */

/* The functions of <stint/client.h> of these names, one a call: what they say
 * of arguments and errors holds. Strings and arrays of strings are copied.
 * `call`, `done` and the errors BUSY, CLOSED and NOMEM as above; on -1 `done`
 * is not called. What `done` is given besides is valid during the call. */

/* rc 0: `id` is queued. 1: it is in the spool. -1: *errors has the fields that Redis refused. */
typedef void (*stint_async_queued_fn)(int rc, const char *id,
                                      const struct stint_errors *errors,
                                      const struct stint_err *err, void *arg);
/* Bad fields are refused at once: -1, err INVALID, *errors filled. */
STINT_API STINT_CHECKED int
stint_async_queue_task(stint_async *a, const struct stint_task_options *o,
                       struct stint_errors *errors, stint_async_queued_fn done,
                       void *arg, stint_call **call, struct stint_err *err);

/* *tasks and each of them are borrowed until `done`. Tasks that depend on
 * others of the array are changed meanwhile. */
typedef void (*stint_async_tasks_queued_fn)(int rc, size_t n_done, size_t bad,
                                            const struct stint_err *err,
                                            void *arg);
STINT_API STINT_CHECKED int
stint_async_queue_tasks(stint_async *a, stint_task *const *tasks, size_t n,
                        stint_async_tasks_queued_fn done, void *arg,
                        stint_call **call, struct stint_err *err);

/* `t` is the callback's: free it with stint_status_free. NULL: err. */
typedef void (*stint_async_status_fn)(struct stint_status *t,
                                      const struct stint_err *err, void *arg);
STINT_API STINT_CHECKED int
stint_async_task_status(stint_async *a, const char *group, const char *id,
                        unsigned flags, stint_async_status_fn done, void *arg,
                        stint_call **call, struct stint_err *err);

typedef void (*stint_async_waited_fn)(int rc, size_t n_not_completed,
                                      const struct stint_err *err, void *arg);
STINT_API STINT_CHECKED int
stint_async_wait(stint_async *a, const char *group, const char *const *ids,
                 size_t n, double timeout_s, stint_async_waited_fn done,
                 void *arg, stint_call **call, struct stint_err *err);

/* rc is what the function of that name returns. */
STINT_API STINT_CHECKED int
stint_async_stop_task(stint_async *a, const char *group, const char *id,
                      stint_done_fn done, void *arg, stint_call **call,
                      struct stint_err *err);
STINT_API STINT_CHECKED int
stint_async_requeue_task(stint_async *a, const char *group, const char *id,
                         int reset, stint_done_fn done, void *arg,
                         stint_call **call, struct stint_err *err);
STINT_API STINT_CHECKED int
stint_async_disable_task(stint_async *a, const char *group, const char *id,
                         stint_done_fn done, void *arg, stint_call **call,
                         struct stint_err *err);
STINT_API STINT_CHECKED int
stint_async_enable_task(stint_async *a, const char *group, const char *id,
                        stint_done_fn done, void *arg, stint_call **call,
                        struct stint_err *err);
STINT_API STINT_CHECKED int
stint_async_delete_task(stint_async *a, const char *group, const char *id,
                        stint_done_fn done, void *arg, stint_call **call,
                        struct stint_err *err);

/* A durability of "3" or "replicas=N" makes Redis hold back its answers to all
 * calls of the handle while it waits for replicas: use another stint_async for
 * such tasks. */

#ifdef __cplusplus
}
#endif
#endif
