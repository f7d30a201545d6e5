/* SPDX-License-Identifier: MIT */
/* C functions on a pool of threads. Two lists carry runs: one to the threads
 * (under the lock, with a condition), one back (under the same lock, with an
 * eventfd written only when the list was empty, so a batch costs one wake-up).
 * All other state of a run belongs either to the loop's thread or, between
 * taking and giving back, to the thread that executes it; the cancelled flag
 * and, under a lock of their own, its notes (output and progress) are what
 * both touch. Slots are kept for the next run.
 *
 * A function cannot be killed. One that goes on for the grace period after it
 * was cancelled is given up: its run ends for the worker, its thread is lost
 * until it returns. */
#include <errno.h>
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "bounds.h"
#include "buf.h"
#include "capture.h"
#include "clock.h"
#include "ending.h"
#include "err.h"
#include "executor.h"
#include "stint_run.h"

/* What a handler has said so far. */
struct notes {
    int is_used;
    struct capture capture;
    int has_progress, is_new;
    double percent;
    char text[PROGRESS_BYTES_MAX + 1];
};

struct slot {
    struct stint_run pub;         /* what the handler sees; first */
    struct slot *next;            /* waiting, back or free list */
    struct slot *up, *down;       /* all runs; the loop's */
    struct pool *pool;
    struct run *run;
    int64_t due_ms;               /* INT64_MAX: cancelled already */
    int64_t give_up_ms;           /* INT64_MAX: not cancelled, or given up */
    int given_up;
    enum run_outcome ending;      /* RUN_COMPLETED: nobody ended it */
    atomic_int cancelled;
    atomic_int returned;          /* the function has */
    atomic_int spoke;             /* progress came since the loop looked */
    int status;                   /* what it returned */
    struct notes notes;           /* under notes_lock */
};

struct pool {
    struct executor executor; /* first */
    struct executor_options o;
    struct event *event;
    int fd;
    struct slot *all, *free;
    int64_t next_ms;
    int n_threads;
    pthread_t *threads;
    pthread_mutex_t notes_lock;   /* of all runs' notes: they are rare */
    atomic_int spoken;            /* some run's spoke was set */

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t more;
    struct slot *waiting, **waiting_end;
    struct slot *back, **back_end;
    int n_idle;
    int waking;                   /* one was woken and has not come yet */
    int closing;
};

/* ---- What a handler says ------------------------------------------------ */

static void pool_wake(struct pool *p)
{
    const uint64_t one = 1;
    check(write(p->fd, &one, sizeof(one)) == sizeof(one));
}

static int run_is_cancelled(struct stint_run *pub)
{
    struct slot *r = (struct slot *)pub;

    return atomic_load_explicit(&r->cancelled, memory_order_relaxed);
}

/* With notes_lock held. */
static struct notes *notes_open(struct slot *r)
{
    if (!r->notes.is_used)
        capture_init(&r->notes.capture);
    r->notes.is_used = 1;
    return &r->notes;
}

static void run_progress(struct stint_run *pub, double percent,
                         const char *text)
{
    struct slot *r = (struct slot *)pub;
    struct pool *p = r->pool;
    struct notes *n;

    pthread_mutex_lock(&p->notes_lock);
    n = notes_open(r);
    n->has_progress = n->is_new = 1;
    n->percent = percent;
    snprintf(n->text, sizeof(n->text), "%s", text);
    pthread_mutex_unlock(&p->notes_lock);
    if (atomic_exchange(&r->spoke, 1) == 0 &&
        atomic_exchange(&p->spoken, 1) == 0)
        pool_wake(p);
}

static void run_log(struct stint_run *pub, const char *text, size_t len)
{
    struct slot *r = (struct slot *)pub;

    pthread_mutex_lock(&r->pool->notes_lock);
    capture_add(&notes_open(r)->capture, PIPE_OUT, text, len);
    pthread_mutex_unlock(&r->pool->notes_lock);
}

static const struct stint_run_ops run_ops = {run_is_cancelled, run_progress,
                                             run_log, NULL};

/* ---- The threads -------------------------------------------------------- */

/* With the lock held. */
static void back_add(struct pool *p, struct slot *r)
{
    int was_empty = p->back == NULL;

    r->next = NULL;
    *p->back_end = r;
    p->back_end = &r->next;
    if (was_empty)
        pool_wake(p);
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
        struct slot *r = p->waiting;
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
        r->status = f->fn(&r->pub, f->arg);
        atomic_store(&r->returned, 1);
        pthread_mutex_lock(&p->lock);
        back_add(p, r);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

/* ---- The loop's side ---------------------------------------------------- */

static void run_show(struct slot *r, const struct run *run)
{
    struct stint_run *pub = &r->pub;

    pub->ops = &run_ops;
    pub->id = run->id;
    pub->function = run->function;
    pub->json = run->json;
    pub->json_len = run->json_len;
    pub->fence = run->fence;
    pub->attempt = run->attempt;
    pub->deadline_wall_ms = run->deadline_wall_ms;
    pub->end_mono_ms = r->due_ms;
}

static void pool_start(struct executor *e, struct run *run)
{
    struct pool *p = (struct pool *)e;
    struct slot *r = p->free;
    int wake;

    if (r)
        p->free = r->next;
    else
        r = calloc(1, sizeof(*r));
    check(r); /* some hundred bytes, once a slot */
    r->pool = p;
    r->run = run;
    run->slot = r;
    r->due_ms = clock_mono_ms() + run->timeout_ms;
    r->give_up_ms = INT64_MAX;
    run_show(r, run);
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
static void waiting_end_early(struct pool *p, struct slot *r)
{
    pthread_mutex_lock(&p->lock);
    for (struct slot **at = &p->waiting; *at; at = &(*at)->next) {
        if (*at != r)
            continue;
        *at = r->next;
        if (!*at)
            p->waiting_end = at;
        atomic_store(&r->returned, 1); /* it never runs: not to be given up */
        back_add(p, r);
        break;
    }
    pthread_mutex_unlock(&p->lock);
}

static void run_cancel(struct pool *p, struct slot *r, enum run_outcome why,
                       int64_t now_ms)
{
    r->due_ms = INT64_MAX;
    if (r->ending != RUN_COMPLETED || atomic_load(&r->returned))
        return;
    r->ending = why;
    r->give_up_ms = now_ms + p->o.grace_ms;
    if (r->give_up_ms < p->next_ms)
        p->next_ms = r->give_up_ms;
    atomic_store(&r->cancelled, 1);
    waiting_end_early(p, r);
}

static void pool_stop(struct executor *e, struct run *run, int at_once)
{
    (void)at_once;
    if (run->slot)
        run_cancel((struct pool *)e, run->slot, RUN_STOPPED, clock_mono_ms());
}

/* How a run ends that somebody ended. error: ERROR_BYTES_MAX + 1 bytes. */
static void slot_describe(const struct slot *r, struct run_result *result,
                          char *error)
{
    size_t len;

    result->outcome = r->ending;
    result->error = error;
    ending_describe(r->run, r->ending, error);
    len = strlen(error);
    if (result->overstays)
        snprintf(error + len, ERROR_BYTES_MAX + 1 - len,
                 "; the function goes on");
}

/* Adds what the handler has logged. */
static void notes_output(struct slot *r, struct run_result *result,
                         struct buf *output)
{
    struct pool *p = r->pool;

    buf_init(output, OUTPUT_BYTES_MAX);
    if (!result->overstays && !r->notes.is_used)
        return; /* as most do */
    pthread_mutex_lock(&p->notes_lock);
    if (r->notes.is_used)
        capture_output(&r->notes.capture, output);
    pthread_mutex_unlock(&p->notes_lock);
    result->output = output->len > 0 ? output->data : NULL;
    result->output_len = output->len;
}

/* The slot is lost until the function returns. */
static void run_give_up(struct pool *p, struct slot *r)
{
    struct run_result result = {.overstays = 1};
    char error[ERROR_BYTES_MAX + 1] = "";
    struct buf output;

    r->give_up_ms = INT64_MAX;
    r->given_up = 1;
    slot_describe(r, &result, error);
    notes_output(r, &result, &output);
    r->run->slot = NULL;
    p->o.on_done(r->run, &result, p->o.arg);
    buf_close(&output);
}

static int64_t pool_tick(struct executor *e, int64_t now_mono_ms)
{
    struct pool *p = (struct pool *)e;

    if (now_mono_ms < p->next_ms)
        return p->next_ms;
    p->next_ms = INT64_MAX;
    for (struct slot *r = p->all; r; r = r->down) {
        if (r->due_ms <= now_mono_ms)
            run_cancel(p, r, RUN_TIMEOUT, now_mono_ms);
        if (r->give_up_ms <= now_mono_ms && !atomic_load(&r->returned))
            run_give_up(p, r);
        if (r->due_ms < p->next_ms)
            p->next_ms = r->due_ms;
        if (r->give_up_ms > now_mono_ms && r->give_up_ms < p->next_ms)
            p->next_ms = r->give_up_ms;
    }
    return p->next_ms;
}

static int pool_news(struct executor *e, struct run *run,
                     struct run_news *news)
{
    struct pool *p = (struct pool *)e;
    struct slot *r = run->slot;
    struct notes *n = &r->notes;
    int is_new = 0;

    pthread_mutex_lock(&p->notes_lock);
    if (n->is_used) {
        is_new = capture_news(&n->capture, news->output);
        if (n->is_new && !is_new)
            capture_output(&n->capture, news->output);
        is_new |= n->is_new;
        n->is_new = 0;
        news->has_progress = n->has_progress;
        news->percent = n->percent;
        snprintf(news->text, sizeof(news->text), "%s", n->text);
    }
    pthread_mutex_unlock(&p->notes_lock);
    return is_new;
}

static void run_unlink(struct pool *p, struct slot *r)
{
    if (r->up)
        r->up->down = r->down;
    else
        p->all = r->down;
    if (r->down)
        r->down->up = r->up;
}

static void slot_free_up(struct pool *p, struct slot *r)
{
    stint_run_clear(&r->pub);
    if (r->notes.is_used) {
        capture_close(&r->notes.capture);
        r->notes.is_used = r->notes.has_progress = r->notes.is_new = 0;
    }
    r->ending = RUN_COMPLETED;
    r->given_up = 0;
    r->status = 0;
    atomic_store_explicit(&r->cancelled, 0, memory_order_relaxed);
    atomic_store_explicit(&r->returned, 0, memory_order_relaxed);
    atomic_store_explicit(&r->spoke, 0, memory_order_relaxed);
    r->next = p->free;
    p->free = r;
}

static void run_deliver(struct pool *p, struct slot *r)
{
    struct run_result result = {0};
    struct run *run = r->run;
    struct buf output;

    run_unlink(p, r);
    run->slot = NULL;
    if (r->given_up) {
        p->o.on_return(run, p->o.arg);
    } else {
        stint_run_judge(&r->pub, r->status, &result);
        if (r->ending != RUN_COMPLETED)
            slot_describe(r, &result, r->pub.error);
        notes_output(r, &result, &output);
        p->o.on_done(run, &result, p->o.arg);
        buf_close(&output);
    }
    slot_free_up(p, r);
}

static void progress_deliver(struct pool *p)
{
    if (atomic_exchange(&p->spoken, 0) == 0)
        return;
    for (struct slot *r = p->all; r; r = r->down)
        if (atomic_exchange(&r->spoke, 0) && !r->given_up &&
            p->o.on_progress)
            p->o.on_progress(r->run, p->o.arg);
}

static void back_deliver(struct pool *p)
{
    struct slot *r, *next;
    uint64_t count;

    if (read(p->fd, &count, sizeof(count)) < 0)
        check(errno == EAGAIN || errno == EINTR);
    progress_deliver(p);
    pthread_mutex_lock(&p->lock);
    r = p->back;
    p->back = NULL;
    p->back_end = &p->back;
    pthread_mutex_unlock(&p->lock);
    for (; r; r = next) {
        next = r->next;
        run_deliver(p, r);
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
    struct slot *next;

    for (struct slot *r = p->free; r; r = next) {
        next = r->next;
        free(r);
    }
    if (p->event)
        event_free(p->event);
    if (p->fd >= 0)
        close(p->fd);
    pthread_cond_destroy(&p->more);
    pthread_mutex_destroy(&p->lock);
    pthread_mutex_destroy(&p->notes_lock);
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

    for (struct slot *r = p->all; r; r = r->down)
        run_cancel(p, r, RUN_STOPPED, clock_mono_ms());
    threads_join(p);
    back_deliver(p);
    check(!p->all);
    pool_free(p);
}

void thread_executor_abandon(struct executor *e)
{
    struct pool *p = (struct pool *)e;

    event_free(p->event);
    p->event = NULL;
    pthread_mutex_lock(&p->lock);
    p->closing = 1; /* those that wait may go */
    pthread_cond_broadcast(&p->more);
    pthread_mutex_unlock(&p->lock);
}

/* Signals are the loop's: the threads block them all. */
static int threads_start(struct pool *p, int n, struct stint_err *err)
{
    sigset_t all, old;
    int rc = 0;
    pthread_t *threads = realloc(p->threads, (size_t)n * sizeof(*threads));

    if (!threads)
        return err_set(err, STINT_NOMEM, "out of memory");
    p->threads = threads;
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

int thread_executor_grow(struct executor *e, int n, struct stint_err *err)
{
    struct pool *p = (struct pool *)e;

    return n <= p->n_threads ? 0 : threads_start(p, n, err);
}

struct executor *thread_executor_new(const struct executor_options *o,
                                     struct stint_err *err)
{
    static const struct executor_ops ops = {"thread", pool_start, pool_stop,
                                            pool_tick, pool_close, pool_news};
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
    pthread_mutex_init(&p->notes_lock, NULL);
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
