/* SPDX-License-Identifier: MIT */
/* C functions on a pool of threads. Two lists carry runs: one to the threads
 * (under the lock, with a condition), one back (under the same lock, with an
 * eventfd written only when the list was empty, so a batch costs one wake-up).
 * All other state of a run belongs either to the loop's thread or, between
 * taking and giving back, to the thread that executes it; the cancelled flag
 * is the one thing both touch. Slots are kept for the next run. */
#include <errno.h>
#include <event2/event.h>
#include <jansson.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "err.h"
#include "executor.h"
#include "limits.h"
#include "text.h"

struct stint_run {
    struct stint_run *next;       /* waiting, back or free list */
    struct stint_run *up, *down;  /* all runs; the loop's */
    struct run *run;
    int64_t due_ms;               /* INT64_MAX: cancelled already */
    enum run_outcome ending;      /* RUN_COMPLETED: nobody ended it */
    atomic_int cancelled;
    atomic_int returned;          /* the function has */
    int status;                   /* what it returned */
    json_t *task;                 /* when the handler asked */
    char *args, *vars;
    char *result;
    size_t result_len;
    const char *refused;          /* why it failed by our own judgement */
    char error[ERROR_BYTES_MAX + 1];
};

struct pool {
    struct executor executor; /* first */
    struct executor_options o;
    struct event *event;
    int fd;
    struct stint_run *all, *free;
    int64_t next_ms;
    int n_threads;
    pthread_t *threads;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t more;
    struct stint_run *waiting, **waiting_end;
    struct stint_run *back, **back_end;
    int n_idle;
    int waking;                   /* one was woken and has not come yet */
    int closing;
};

/* ---- What a handler sees ------------------------------------------------ */

const char *stint_run_id(const stint_run *r)
{
    return r->run->id;
}

const char *stint_run_function(const stint_run *r)
{
    return r->run->function;
}

uint64_t stint_run_fence(const stint_run *r)
{
    return r->run->fence;
}

int stint_run_attempt(const stint_run *r)
{
    return r->run->attempt;
}

int stint_run_is_cancelled(const stint_run *r)
{
    return atomic_load_explicit(&r->cancelled, memory_order_relaxed);
}

/* A part of the task as text, made at the first question. run->task is not
 * used: it is the loop's. */
static const char *part_text(stint_run *r, const char *key, char **text,
                             const char *none)
{
    const json_t *part;

    if (*text)
        return *text;
    if (!r->task)
        r->task = json_loadb(r->run->json, r->run->json_len, 0, NULL);
    if (!r->task) {
        r->refused = "the task is no JSON, or out of memory";
        return none;
    }
    part = json_object_get(r->task, key);
    if (!part)
        return none;
    *text = json_dumps(part, JSON_COMPACT | JSON_ENCODE_ANY);
    if (*text)
        return *text;
    r->refused = "out of memory";
    return none;
}

/* A slot is never const itself: the text is cached in it. */
const char *stint_run_args(const stint_run *r)
{
    stint_run *own = (stint_run *)r;

    return part_text(own, "args", &own->args, "[]");
}

const char *stint_run_vars(const stint_run *r)
{
    stint_run *own = (stint_run *)r;

    return part_text(own, "vars", &own->vars, "{}");
}

static int result_refuse(stint_run *r, const char *why)
{
    r->refused = why;
    return -1;
}

int stint_run_set_result(stint_run *r, const char *json)
{
    size_t len = strlen(json);
    const char *why = text_result_fault(json, len);
    char *copy;

    if (why)
        return result_refuse(r, why);
    copy = malloc(len + 1);
    if (!copy)
        return result_refuse(r, "out of memory");
    memcpy(copy, json, len + 1);
    free(r->result);
    r->result = copy;
    r->result_len = len;
    return 0;
}

void stint_run_set_error(stint_run *r, const char *text)
{
    struct buf clean;
    size_t len = strnlen(text, ERROR_BYTES_MAX * 4);

    buf_init(&clean, ERROR_BYTES_MAX * 16);
    r->error[0] = '\0';
    if (text_clean(&clean, text, len) == 0 && clean.len > 0) {
        len = text_cut(clean.data, clean.len, ERROR_BYTES_MAX);
        memcpy(r->error, clean.data, len);
        r->error[len] = '\0';
    }
    buf_close(&clean);
}

/* ---- The threads -------------------------------------------------------- */

/* With the lock held. */
static void back_add(struct pool *p, struct stint_run *r)
{
    const uint64_t one = 1;
    int was_empty = p->back == NULL;

    r->next = NULL;
    *p->back_end = r;
    p->back_end = &r->next;
    if (was_empty)
        check(write(p->fd, &one, sizeof(one)) == sizeof(one));
}

/* One thread is woken at a time, and wakes the next if there is more than it
 * takes: a batch of short runs then costs few wake-ups, long ones still get
 * every thread. */
static int pool_wants_thread(struct pool *p)
{
    if (!p->waiting || p->n_idle == 0 || p->waking)
        return 0;
    p->waking = 1;
    return 1;
}

static void *thread_main(void *arg)
{
    struct pool *p = arg;

    pthread_mutex_lock(&p->lock);
    for (;;) {
        struct stint_run *r = p->waiting;
        const struct function *f;
        int wake;

        if (!r && p->closing)
            break;
        if (!r) {
            p->n_idle++;
            pthread_cond_wait(&p->more, &p->lock);
            p->n_idle--;
            p->waking = 0;
            continue;
        }
        p->waiting = r->next;
        if (!p->waiting)
            p->waiting_end = &p->waiting;
        wake = pool_wants_thread(p);
        pthread_mutex_unlock(&p->lock);
        if (wake)
            pthread_cond_signal(&p->more);
        f = r->run->how;
        r->status = f->fn(r, f->arg);
        atomic_store(&r->returned, 1);
        pthread_mutex_lock(&p->lock);
        back_add(p, r);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- The loop's side ---------------------------------------------------- */

static void pool_start(struct executor *e, struct run *run)
{
    struct pool *p = (struct pool *)e;
    struct stint_run *r = p->free;
    int wake;

    if (r)
        p->free = r->next;
    else
        r = calloc(1, sizeof(*r));
    check(r); /* some hundred bytes, once a slot */
    r->run = run;
    run->slot = r;
    r->due_ms = clock_mono_ms() + run->timeout_ms;
    if (r->due_ms < p->next_ms)
        p->next_ms = r->due_ms;
    r->up = NULL;
    r->down = p->all;
    if (p->all)
        p->all->up = r;
    p->all = r;
    r->next = NULL;
    pthread_mutex_lock(&p->lock);
    *p->waiting_end = r;
    p->waiting_end = &r->next;
    wake = pool_wants_thread(p);
    pthread_mutex_unlock(&p->lock);
    if (wake)
        pthread_cond_signal(&p->more);
}

/* Takes it from the waiting list, if it still is there, to the other. */
static void waiting_end_early(struct pool *p, struct stint_run *r)
{
    pthread_mutex_lock(&p->lock);
    for (struct stint_run **at = &p->waiting; *at; at = &(*at)->next) {
        if (*at != r)
            continue;
        *at = r->next;
        if (!*at)
            p->waiting_end = at;
        back_add(p, r);
        break;
    }
    pthread_mutex_unlock(&p->lock);
}

static void run_cancel(struct pool *p, struct stint_run *r,
                       enum run_outcome why)
{
    r->due_ms = INT64_MAX;
    if (r->ending != RUN_COMPLETED || atomic_load(&r->returned))
        return;
    r->ending = why;
    atomic_store(&r->cancelled, 1);
    waiting_end_early(p, r);
}

static void pool_stop(struct executor *e, struct run *run, int at_once)
{
    (void)at_once;
    if (run->slot)
        run_cancel((struct pool *)e, run->slot, RUN_STOPPED);
}

static int64_t pool_tick(struct executor *e, int64_t now_mono_ms)
{
    struct pool *p = (struct pool *)e;

    if (now_mono_ms < p->next_ms)
        return p->next_ms;
    p->next_ms = INT64_MAX;
    for (struct stint_run *r = p->all; r; r = r->down) {
        if (r->due_ms <= now_mono_ms)
            run_cancel(p, r, RUN_TIMEOUT);
        if (r->due_ms < p->next_ms)
            p->next_ms = r->due_ms;
    }
    return p->next_ms;
}

static void outcome_find(struct stint_run *r, struct run_result *result)
{
    result->outcome = r->ending;
    if (r->ending == RUN_TIMEOUT) {
        snprintf(r->error, sizeof(r->error), "timeout after %g s",
                 (double)r->run->timeout_ms / 1000);
    } else if (r->ending == RUN_STOPPED) {
        if (!r->error[0])
            snprintf(r->error, sizeof(r->error), "stopped");
    } else if (r->status != 0) {
        result->outcome = RUN_FAILED;
        if (!r->error[0])
            snprintf(r->error, sizeof(r->error), "returned %d", r->status);
    } else if (r->refused) {
        result->outcome = RUN_FAILED;
        snprintf(r->error, sizeof(r->error), "%s", r->refused);
    }
    result->result = r->refused ? NULL : r->result;
    result->result_len = result->result ? r->result_len : 0;
    result->error = result->outcome == RUN_COMPLETED ? NULL : r->error;
}

static void run_unlink(struct pool *p, struct stint_run *r)
{
    if (r->up)
        r->up->down = r->down;
    else
        p->all = r->down;
    if (r->down)
        r->down->up = r->up;
}

static void slot_free_up(struct pool *p, struct stint_run *r)
{
    json_decref(r->task);
    free(r->args);
    free(r->vars);
    free(r->result);
    r->task = NULL;
    r->args = r->vars = r->result = NULL;
    r->refused = NULL;
    r->ending = RUN_COMPLETED;
    r->status = 0;
    r->error[0] = '\0';
    atomic_store_explicit(&r->cancelled, 0, memory_order_relaxed);
    atomic_store_explicit(&r->returned, 0, memory_order_relaxed);
    r->next = p->free;
    p->free = r;
}

static void back_deliver(struct pool *p)
{
    struct stint_run *r, *next;
    uint64_t count;

    if (read(p->fd, &count, sizeof(count)) < 0)
        check(errno == EAGAIN || errno == EINTR);
    pthread_mutex_lock(&p->lock);
    r = p->back;
    p->back = NULL;
    p->back_end = &p->back;
    pthread_mutex_unlock(&p->lock);
    for (; r; r = next) {
        struct run_result result = {0};
        struct run *run = r->run;

        next = r->next;
        outcome_find(r, &result);
        run_unlink(p, r);
        run->slot = NULL;
        p->o.on_done(run, &result, p->o.arg);
        slot_free_up(p, r);
    }
}

static void on_back(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    back_deliver(arg);
}

static void pool_free(struct pool *p)
{
    struct stint_run *next;

    for (struct stint_run *r = p->free; r; r = next) {
        next = r->next;
        free(r);
    }
    if (p->event)
        event_free(p->event);
    if (p->fd >= 0)
        close(p->fd);
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    free(p->threads);
    free(p);
}

static void threads_join(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    p->closing = 1;
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
    for (int i = 0; i < p->n_threads; i++)
        pthread_join(p->threads[i], NULL);
}

static void pool_close(struct executor *e)
{
    struct pool *p = (struct pool *)e;

    for (struct stint_run *r = p->all; r; r = r->down)
        run_cancel(p, r, RUN_STOPPED);
    threads_join(p);
    back_deliver(p);
    check(!p->all);
    pool_free(p);
}

/* Signals are the loop's: the threads block them all. */
static int threads_start(struct pool *p, int n, struct stint_err *err)
{
    sigset_t all, old;
    int rc = 0;

    p->threads = calloc((size_t)n, sizeof(*p->threads));
    if (!p->threads)
        return err_set(err, STINT_NOMEM, "out of memory");
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (rc == 0 && p->n_threads < n) {
        rc = pthread_create(&p->threads[p->n_threads], NULL, thread_main, p);
        p->n_threads += rc == 0;
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc == 0)
        return 0;
    return err_set(err, STINT_SYSTEM, "threads: %s", strerror(rc));
}

struct executor *thread_executor_new(const struct executor_options *o,
                                     struct stint_err *err)
{
    static const struct executor_ops ops = {"thread", pool_start, pool_stop,
                                            pool_tick, pool_close, NULL};
    struct pool *p = calloc(1, sizeof(*p));
    int rc = 0;

    check(o->n_threads > 0);
    if (!p) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    p->executor.ops = &ops;
    p->o = *o;
    p->next_ms = INT64_MAX;
    p->waiting_end = &p->waiting;
    p->back_end = &p->back;
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->more, NULL);
    p->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (p->fd < 0)
        rc = err_errno(err, "eventfd");
    if (rc == 0) {
        p->event = event_new(o->base, p->fd, EV_READ | EV_PERSIST, on_back, p);
        if (!p->event || event_add(p->event, NULL) < 0)
            rc = err_set(err, STINT_SYSTEM, "event");
    }
    if (rc == 0)
        rc = threads_start(p, o->n_threads, err);
    if (rc == 0)
        return &p->executor;
    threads_join(p);
    pool_free(p);
    return NULL;
}
