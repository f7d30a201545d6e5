/* SPDX-License-Identifier: MIT */
/* Processes that stay and take run after run (PROTOCOL.md). Each pool has so
 * many places, each of which has a process, or will have one: it is started
 * before there is work, says hello, and has one run at a time. A run goes to
 * an idle one, or waits in its pool's queue; its time counts from the moment
 * it is handed over. A process that ends makes room for the next; one run at
 * most is lost with it.
 *
 * Everything that is due at some time is due at a place: one timer looks
 * after them all, as these are matters of seconds. */
#include "pools.h"

#include <event2/event.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "err.h"
#include "template.h"

#define CLOSE_MS 1000 /* from exit to SIGKILL, at the worker's end */

/* ---- Time ---------------------------------------------------------------- */

static void timer_set(struct pools *ps, int64_t now_ms)
{
    int64_t wait_ms = ps->next_ms - now_ms;
    if (ps->next_ms == INT64_MAX)
        return;
    if (wait_ms < 0)
        wait_ms = 0;
    struct timeval tv = {wait_ms / 1000, wait_ms % 1000 * 1000};
    evtimer_add(ps->timer, &tv);
}

void pools_look_at(struct pools *ps, int64_t due_ms)
{
    if (due_ms >= ps->next_ms)
        return;
    ps->next_ms = due_ms;
    timer_set(ps, clock_mono_ms());
}

/* ---- Queues -------------------------------------------------------------- */

static void queue_add(struct pool *pool, struct errand *e)
{
    e->prev = pool->last;
    if (pool->last != NULL)
        pool->last->next = e;
    else
        pool->first = e;
    pool->last = e;
}

void queue_put_back(struct pool *pool, struct errand *e)
{
    e->prev = NULL;
    e->next = pool->first;
    if (pool->first != NULL)
        pool->first->prev = e;
    else
        pool->last = e;
    pool->first = e;
}

void queue_remove(struct pool *pool, struct errand *e)
{
    if (e->prev != NULL)
        e->prev->next = e->next;
    else
        pool->first = e->next;
    if (e->next != NULL)
        e->next->prev = e->prev;
    else
        pool->last = e->prev;
    e->prev = e->next = NULL;
}

void errand_is_over(struct errand *e, enum run_outcome outcome)
{
    struct pools *ps = e->pool->pools;
    e->ending = outcome == RUN_FAILED ? RUN_COMPLETED : outcome;
    e->place = NULL;
    e->next = ps->over;
    ps->over = e;
    event_active(ps->timer, 0, 0);
}

static void over_deliver(struct pools *ps)
{
    struct errand *e = ps->over;
    ps->over = NULL;
    while (e != NULL) {
        struct errand *next = e->next;
        errand_end(e, RUN_FAILED); /* unless e->ending says otherwise */
        e = next;
    }
}

/* ---- The executor -------------------------------------------------------- */

static int64_t pools_tick(struct executor *e, int64_t now_mono_ms)
{
    struct pools *ps = (struct pools *)e;
    int64_t next_ms = INT64_MAX;
    if (now_mono_ms < ps->next_ms)
        return ps->next_ms;
    for (int i = 0; i < ps->n_pools; i++)
        for (int k = 0; k < ps->pools[i].n_places; k++) {
            struct place *p = &ps->pools[i].places[k];
            if (p->due_ms <= now_mono_ms)
                place_due(p, now_mono_ms);
        }
    for (int i = 0; i < ps->n_pools; i++)
        for (int k = 0; k < ps->pools[i].n_places; k++)
            if (ps->pools[i].places[k].due_ms < next_ms)
                next_ms = ps->pools[i].places[k].due_ms;
    ps->next_ms = next_ms;
    timer_set(ps, now_mono_ms);
    return next_ms;
}

static void pools_on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct pools *ps = arg;
    (void)fd, (void)what;
    over_deliver(ps);
    pools_tick(&ps->executor, clock_mono_ms());
    timer_set(ps, clock_mono_ms());
}

/* They retire, and one has come all the same: taken before, or prefetched. */
static void pool_recall(struct pool *pool)
{
    for (int k = 0; k < pool->n_places && pool->first != NULL; k++)
        if (pool->places[k].state == PLACE_EMPTY &&
            pool->places[k].due_ms == INT64_MAX) {
            place_start(&pool->places[k]);
            break;
        }
}

static void pools_start(struct executor *e, struct run *run)
{
    struct pools *ps = (struct pools *)e;
    struct pool *pool = ps->pools;
    while (pool->how != run->how)
        pool++;
    queue_add(pool, errand_new(pool, run, clock_mono_ms()));
    pool_feed(pool);
    if (ps->is_retiring)
        pool_recall(pool);
}

static void pools_stop(struct executor *e, struct run *run, int at_once)
{
    struct errand *errand = run->slot;
    (void)e;
    if (errand == NULL)
        return;
    struct place *p = errand->place;
    if (p == NULL) {
        if (errand->ending != RUN_COMPLETED || errand->error[0] != '\0')
            return; /* it is over already */
        queue_remove(errand->pool, errand);
        errand_is_over(errand, RUN_STOPPED);
        return;
    }
    if (errand->ending == RUN_COMPLETED && !at_once)
        place_cancel(p, RUN_STOPPED, clock_mono_ms());
    if (errand->ending == RUN_COMPLETED)
        errand->ending = RUN_STOPPED;
    if (at_once)
        resident_kill(&p->resident);
}

static int pools_news(struct executor *e, struct run *run,
                      struct run_news *news)
{
    (void)e;
    return run->slot != NULL ? errand_news(run->slot, news) : 0;
}

static void pools_free(struct pools *ps)
{
    for (int i = 0; i < ps->n_pools; i++) {
        struct pool *pool = &ps->pools[i];
        for (int k = 0; k < pool->n_places; k++) {
            resident_ignore(&pool->places[k].resident);
            json_decref(pool->places[k].functions);
        }
        free(pool->places);
    }
    while (ps->spare != NULL) {
        struct errand *e = ps->spare;
        ps->spare = e->next;
        free(e);
    }
    nursery_stop(&ps->nursery);
    if (ps->timer != NULL)
        event_free(ps->timer);
    template_free(ps->home.env);
    buf_close(&ps->frame);
    free(ps->pools);
    free(ps);
}

/* Who has no run may end by itself. 1: all are gone. */
static int places_close(struct pools *ps, int must)
{
    int gone = 1;
    for (int i = 0; i < ps->n_pools; i++)
        for (int k = 0; k < ps->pools[i].n_places; k++)
            gone &= resident_close(&ps->pools[i].places[k].resident, must);
    return gone;
}

static void places_dismiss(struct pools *ps)
{
    for (int i = 0; i < ps->n_pools; i++)
        for (int k = 0; k < ps->pools[i].n_places; k++) {
            struct place *p = &ps->pools[i].places[k];
            if (p->errand != NULL || p->state == PLACE_STARTING)
                resident_kill(&p->resident);
            else if (p->state == PLACE_IDLE)
                place_tell(p, "exit", 0);
        }
}

/* What the worker did not see to. */
static void errands_end(struct pools *ps)
{
    over_deliver(ps);
    for (int i = 0; i < ps->n_pools; i++) {
        struct pool *pool = &ps->pools[i];
        for (int k = 0; k < pool->n_places; k++)
            if (pool->places[k].errand != NULL) {
                pool->places[k].errand->ending = RUN_STOPPED;
                place_lose_errand(&pool->places[k]);
            }
        while (pool->first != NULL) {
            struct errand *e = pool->first;
            queue_remove(pool, e);
            e->ending = RUN_STOPPED;
            errand_end(e, RUN_STOPPED);
        }
    }
}

static void pools_close(struct executor *e)
{
    struct pools *ps = (struct pools *)e;
    const struct timespec pause = {0, 1000000};
    int64_t end_ms = clock_mono_ms() + CLOSE_MS;
    places_dismiss(ps);
    while (!places_close(ps, clock_mono_ms() >= end_ms))
        nanosleep(&pause, NULL);
    errands_end(ps);
    pools_free(ps);
}

void children_executor_retire(struct executor *e)
{
    struct pools *ps = (struct pools *)e;
    ps->is_retiring = 1;
    for (int i = 0; i < ps->n_pools; i++)
        for (int k = 0; k < ps->pools[i].n_places; k++)
            place_retire(&ps->pools[i].places[k]);
}

int children_executor_is_gone(const struct executor *e)
{
    const struct pools *ps = (const struct pools *)e;
    int gone = ps->over == NULL;
    for (int i = 0; i < ps->n_pools; i++) {
        const struct pool *pool = &ps->pools[i];
        gone &= pool->first == NULL;
        for (int k = 0; k < pool->n_places; k++)
            gone &= pool->places[k].state == PLACE_EMPTY;
    }
    return gone;
}

/* ---- Its beginning ------------------------------------------------------- */

static int pool_init(struct pools *ps, struct pool *pool,
                     const struct child_pool *how, struct stint_err *err)
{
    int n = how->processes > 0 ? how->processes : ps->o.n_threads;
    pool->pools = ps;
    pool->how = how;
    pool->places = calloc((size_t)n, sizeof(*pool->places));
    if (pool->places == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    pool->n_places = n;
    for (int i = 0; i < n; i++) {
        struct place *p = &pool->places[i];
        p->pool = pool;
        p->due_ms = INT64_MAX;
        p->resident.home = &ps->home;
        p->resident.how = how;
    }
    return 0;
}

static int pools_init(struct pools *ps, struct stint_err *err)
{
    const struct executor_options *o = &ps->o;
    struct resident_home *home = &ps->home;
    int n_functions = 0;
    *home = (struct resident_home){.base = o->base,
                                   .children = o->children,
                                   .log = o->log,
                                   .nursery = &ps->nursery,
                                   .env = resident_env(o->worker),
                                   .on_frame = place_on_frame,
                                   .on_silent = place_on_silent,
                                   .on_gone = place_on_gone};
    snprintf(home->worker, sizeof(home->worker), "%s", o->worker);
    ps->timer = evtimer_new(o->base, pools_on_timer, ps);
    ps->pools = calloc((size_t)o->n_pools + 1, sizeof(*ps->pools));
    if (home->env == NULL || ps->timer == NULL || ps->pools == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    for (int i = 0; i < o->n_pools; i++, ps->n_pools++) {
        n_functions += o->pools[i]->argv == NULL;
        if (pool_init(ps, &ps->pools[i], o->pools[i], err) < 0)
            return -1;
    }
    return n_functions == 0 ? 0
                            : nursery_start(&ps->nursery, o->worker, home->env,
                                            o->find, o->find_arg, err);
}

struct executor *children_executor_new(const struct executor_options *o,
                                       struct stint_err *err)
{
    static const struct executor_ops ops = {"children", pools_start, pools_stop,
                                            pools_tick, pools_close,
                                            pools_news};
    struct pools *ps = calloc(1, sizeof(*ps));
    if (ps == NULL) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    ps->executor.ops = &ops;
    ps->o = *o;
    ps->next_ms = INT64_MAX;
    buf_init(&ps->frame, FRAME_HEAD + FRAME_BYTES_MAX);
    if (pools_init(ps, err) < 0) {
        pools_free(ps);
        return NULL;
    }
    for (int i = 0; i < ps->n_pools; i++)
        for (int k = 0; k < ps->pools[i].n_places; k++)
            place_start(&ps->pools[i].places[k]);
    return &ps->executor;
}
