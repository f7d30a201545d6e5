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
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "clock.h"
#include "err.h"
#include "log.h"
#include "template.h"

#define HELLO_MS       30000
#define PING_MS        10000
#define PONG_MS        10000
#define BACK_OFF_MS    100
#define BACK_OFF_MAX_MS 30000
#define EXIT_MS        5000 /* from exit, or the end of its socket, to SIGKILL */
#define CLOSE_MS       1000 /* the same at the worker's end */

/* ---- Time ---------------------------------------------------------------- */

static void timer_set(struct pools *ps, int64_t now_ms)
{
    int64_t wait_ms = ps->over != NULL     ? 0
                      : ps->next_ms < now_ms ? 0
                                           : ps->next_ms - now_ms;
    if (ps->next_ms == INT64_MAX && ps->over == NULL)
        return;
    struct timeval tv = {wait_ms / 1000, wait_ms % 1000 * 1000};
    evtimer_add(ps->timer, &tv);
}

static void place_set_due(struct place *p, int64_t due_ms)
{
    struct pools *ps = p->pool->pools;
    p->due_ms = due_ms;
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

static void queue_put_back(struct pool *pool, struct errand *e)
{
    e->prev = NULL;
    e->next = pool->first;
    if (pool->first != NULL)
        pool->first->prev = e;
    else
        pool->last = e;
    pool->first = e;
}

static void queue_remove(struct pool *pool, struct errand *e)
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

/* It has no process, and on_done must come from the loop. */
static void errand_is_over(struct errand *e, enum run_outcome outcome)
{
    struct pools *ps = e->pool->pools;
    e->ending = outcome == RUN_FAILED ? RUN_COMPLETED : outcome;
    e->place = NULL;
    e->next = ps->over;
    ps->over = e;
    event_active(ps->timer, EV_TIMEOUT, 0);
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

/* ---- Places -------------------------------------------------------------- */

static const char *pool_name(const struct pool *pool)
{
    return pool->how->argv != NULL ? pool->how->argv[0] : "C functions";
}

static void idle_remove(struct place *p)
{
    struct place **at = &p->pool->idle;
    while (*at != p)
        at = &(*at)->next_idle;
    *at = p->next_idle;
}

/* Hands runs to whoever is idle. */
static void pool_feed(struct pool *pool)
{
    while (pool->first != NULL && pool->idle != NULL) {
        struct errand *e = pool->first;
        struct place *p = pool->idle;
        int64_t now_ms = clock_mono_ms();
        queue_remove(pool, e);
        if (errand_begin(e, p, now_ms) < 0) {
            errand_is_over(e, RUN_FAILED);
            continue;
        }
        pool->idle = p->next_idle;
        p->state = PLACE_BUSY;
        p->errand = e;
        p->is_pinged = 0;
        place_set_due(p, now_ms + e->run->timeout_ms);
    }
}

static void place_rest(struct place *p)
{
    p->state = PLACE_IDLE;
    p->is_pinged = 0;
    p->next_idle = p->pool->idle;
    p->pool->idle = p;
    place_set_due(p, clock_mono_ms() + PING_MS);
    pool_feed(p->pool);
}

/* exit and ping have nothing but a number to say. */
static void place_tell(struct place *p, const char *type, int64_t n)
{
    struct buf *frame = &p->pool->pools->frame;
    json_t *o = json_pack("{s:s}", "type", type);
    if (n > 0)
        json_object_set_new(o, "n", json_integer(n));
    check(frame_write(frame, o) == 0);
    resident_send(&p->resident, frame);
}

static void place_retire(struct place *p)
{
    p->state = PLACE_LEAVING;
    p->was_told = 1;
    place_tell(p, "exit", 0);
    place_set_due(p, clock_mono_ms() + EXIT_MS);
}

static int place_is_spent(const struct place *p)
{
    const struct child_pool *how = p->pool->how;
    if (how->max_tasks > 0 && p->n_runs >= how->max_tasks)
        return 1;
    return how->max_rss_bytes > 0 &&
           resident_rss(&p->resident) > how->max_rss_bytes;
}

/* Its run has ended with an answer. */
static void place_take_back(struct place *p)
{
    p->errand = NULL;
    p->n_runs++;
    p->n_failures = 0;
    if (p->state != PLACE_BUSY)
        return;
    if (p->resident.pid == 0) /* its last words */
        p->state = PLACE_LEAVING;
    else if (place_is_spent(p))
        place_retire(p);
    else
        place_rest(p);
}

static void place_wait(struct place *p, const char *what)
{
    const struct log *log = p->pool->pools->o.log;
    int64_t wait_ms = BACK_OFF_MS;
    for (int i = 0; i < p->n_failures && wait_ms < BACK_OFF_MAX_MS; i++)
        wait_ms *= 2;
    if (wait_ms > BACK_OFF_MAX_MS)
        wait_ms = BACK_OFF_MAX_MS;
    p->n_failures++;
    log_warn(log, "%s: %s; another one in %g s", pool_name(p->pool), what,
             (double)wait_ms / 1000);
    place_set_due(p, clock_mono_ms() + wait_ms);
}

/* Its process did not get as far as hello: that costs one run, so that people
 * see why there is none. */
static void place_fail_start(struct place *p)
{
    struct pool *pool = p->pool;
    struct errand *e = pool->first;
    p->state = PLACE_EMPTY;
    place_wait(p, p->resident.fault[0] != '\0' ? p->resident.fault
                                               : "it did not start");
    if (e == NULL)
        return;
    queue_remove(pool, e);
    errand_lose(e, &p->resident, "the child did not start: ");
}

static void place_start(struct place *p)
{
    p->n_runs = 0;
    p->was_told = 0;
    if (resident_start(&p->resident) < 0) {
        place_fail_start(p);
        return;
    }
    log_debug(p->pool->pools->o.log, "%s: child %ld", pool_name(p->pool),
              (long)p->resident.pid);
    p->state = PLACE_STARTING;
    place_set_due(p, clock_mono_ms() + HELLO_MS);
}

static void end_describe(const struct resident *r, char *text, size_t cap)
{
    if (r->fault[0] != '\0')
        snprintf(text, cap, "a child broke the protocol: %s", r->fault);
    else if (r->status == -1)
        snprintf(text, cap, "a child ended");
    else if (WIFEXITED(r->status))
        snprintf(text, cap, "a child ended with exit status %d",
                 WEXITSTATUS(r->status));
    else
        snprintf(text, cap, "a child was killed by signal %d",
                 WTERMSIG(r->status));
}

/* Nothing of its run can have happened, and it was not its first: then it
 * costs no run that it ended. */
static int errand_is_untouched(const struct place *p)
{
    const struct errand *e = p->errand;
    return p->resident.unread && p->n_runs > 0 && !e->is_heard &&
           e->ending == RUN_COMPLETED && p->resident.fault[0] == '\0';
}

static void place_lose_errand(struct place *p)
{
    struct errand *e = p->errand;
    if (e == NULL)
        return;
    if (errand_is_untouched(p)) {
        e->place = NULL;
        queue_put_back(p->pool, e);
    } else {
        errand_lose(e, &p->resident,
                    p->resident.fault[0] != '\0'
                        ? "the child broke the protocol: "
                        : "");
    }
    p->errand = NULL;
}

/* Who had a run is replaced at once: so it is never done without one. */
static void pools_on_gone(struct resident *r)
{
    struct place *p = (struct place *)r;
    enum place_state state = p->state;
    int had_run = p->errand != NULL || p->n_runs > 0;
    char text[300];
    json_decref(p->functions);
    p->functions = NULL;
    if (state == PLACE_STARTING) {
        place_fail_start(p);
        resident_ignore(r);
        return;
    }
    if (state == PLACE_IDLE)
        idle_remove(p);
    p->state = PLACE_EMPTY;
    place_lose_errand(p);
    resident_ignore(r);
    end_describe(r, text, sizeof(text));
    if (had_run || p->was_told) {
        if (!p->was_told)
            log_info(p->pool->pools->o.log, "%s: %s", pool_name(p->pool),
                     text);
        p->n_failures = 0;
        place_start(p);
        pool_feed(p->pool);
    } else {
        place_wait(p, text);
    }
}

/* ---- What comes due ------------------------------------------------------ */

static void place_ping(struct place *p, int64_t now_ms)
{
    p->is_pinged = 1;
    place_set_due(p, now_ms + PONG_MS);
    place_tell(p, "ping", ++p->n_pings);
}

/* A timeout, or the end of the grace period. */
static void place_end_run(struct place *p, int64_t now_ms)
{
    if (p->errand->ending == RUN_COMPLETED) {
        place_set_due(p, now_ms + p->pool->pools->o.grace_ms);
        errand_cancel(p->errand, RUN_TIMEOUT);
    } else {
        resident_kill(&p->resident);
    }
}

static void place_due(struct place *p, int64_t now_ms)
{
    struct resident *r = &p->resident;
    p->due_ms = INT64_MAX;
    switch (p->state) {
    case PLACE_EMPTY:
        place_start(p);
        break;
    case PLACE_STARTING:
        resident_break(r, r->at_eof ? "it closed its socket"
                                    : "no hello within 30 s");
        break;
    case PLACE_IDLE:
        if (p->is_pinged)
            resident_break(r, "no answer to a ping within 10 s");
        else
            place_ping(p, now_ms);
        break;
    case PLACE_BUSY:
        place_end_run(p, now_ms);
        break;
    case PLACE_LEAVING:
        if (r->at_eof && !p->was_told)
            resident_break(r, "it closed its socket");
        else
            resident_kill(r);
        break;
    }
}

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

/* ---- What residents say -------------------------------------------------- */

static void pools_on_silent(struct resident *r)
{
    struct place *p = (struct place *)r;
    if (p->state == PLACE_IDLE)
        idle_remove(p);
    if (p->state == PLACE_IDLE || p->state == PLACE_BUSY)
        p->state = PLACE_LEAVING;
    place_set_due(p, clock_mono_ms() + EXIT_MS);
}

static void place_on_hello(struct place *p, const json_t *frame,
                           const char *json)
{
    const json_t *functions = json_object_get(frame, "functions");
    const char *name = json_string_value(json_object_get(frame, "name"));
    (void)json;
    if (p->state != PLACE_STARTING)
        return;
    if (json_number_value(json_object_get(frame, "protocol")) != 1) {
        resident_break(&p->resident, "it does not speak version 1 of the "
                       "protocol");
        return;
    }
    if (json_is_array(functions)) {
        size_t i;
        json_t *v;
        p->functions = json_object();
        json_array_foreach(functions, i, v)
            if (json_is_string(v))
                json_object_set_new(p->functions, json_string_value(v),
                                    json_true());
    }
    if (name != NULL)
        log_debug(p->pool->pools->o.log, "child %ld: %.100s",
                  (long)p->resident.pid, name);
    resident_ignore(&p->resident);
    place_rest(p);
}

static void place_on_pong(struct place *p, const json_t *frame,
                          const char *json)
{
    (void)frame, (void)json;
    if (p->state != PLACE_IDLE || !p->is_pinged)
        return;
    p->is_pinged = 0;
    place_set_due(p, clock_mono_ms() + PING_MS);
}

static void place_on_progress(struct place *p, const json_t *frame,
                              const char *json)
{
    (void)json;
    errand_on_progress(p->errand, frame);
}

static void place_on_output(struct place *p, const json_t *frame,
                            const char *json)
{
    (void)json;
    errand_on_output(p->errand, frame);
}

static void place_on_done(struct place *p, const json_t *frame,
                          const char *json)
{
    (void)frame;
    errand_on_done(p->errand, json);
    place_take_back(p);
}

static void place_on_failed(struct place *p, const json_t *frame,
                            const char *json)
{
    (void)json;
    errand_on_failed(p->errand, frame);
    place_take_back(p);
}

static const struct heard {
    const char *type;
    int of_run; /* it must name the one that it has */
    void (*hear)(struct place *p, const json_t *frame, const char *json);
} heards[] = {
    {"done", 1, place_on_done},         {"failed", 1, place_on_failed},
    {"progress", 1, place_on_progress}, {"output", 1, place_on_output},
    {"hello", 0, place_on_hello},       {"pong", 0, place_on_pong},
};
enum { HEARDS = sizeof(heards) / sizeof(heards[0]) };

static void pools_on_frame(struct resident *r, const char *type,
                           struct json_t *frame, const char *json)
{
    struct place *p = (struct place *)r;
    const struct heard *h = heards;
    while (h < heards + HEARDS && strcmp(h->type, type) != 0)
        h++;
    if (h == heards + HEARDS)
        return;
    const char *run = json_string_value(json_object_get(frame, "run"));
    int is_its = p->errand != NULL && run != NULL &&
                 strcmp(run, p->errand->name) == 0;
    if (h->of_run && !is_its) {
        resident_break(r, "it speaks of a run that it does not have");
        return;
    }
    if (h->of_run)
        p->errand->is_heard = 1;
    h->hear(p, frame, json);
}

/* ---- The executor -------------------------------------------------------- */

static void pools_start(struct executor *e, struct run *run)
{
    struct pools *ps = (struct pools *)e;
    struct pool *pool = ps->pools;
    while (pool->how != run->how)
        pool++;
    queue_add(pool, errand_new(pool, run, clock_mono_ms()));
    pool_feed(pool);
}

static void pools_stop(struct executor *e, struct run *run, int at_once)
{
    struct pools *ps = (struct pools *)e;
    struct errand *errand = run->slot;
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
        errand_cancel(errand, RUN_STOPPED);
    if (errand->ending == RUN_COMPLETED)
        errand->ending = RUN_STOPPED;
    if (at_once)
        resident_kill(&p->resident);
    else if (p->state == PLACE_BUSY)
        place_set_due(p, clock_mono_ms() + ps->o.grace_ms);
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
        p->resident.argv = how->argv;
    }
    return 0;
}

static int pools_init(struct pools *ps, struct stint_err *err)
{
    const struct executor_options *o = &ps->o;
    struct resident_home *home = &ps->home;
    int n_functions = 0;
    *home = (struct resident_home){.base = o->base,
                                   .log = o->log,
                                   .nursery = &ps->nursery,
                                   .env = resident_env(o->worker),
                                   .on_frame = pools_on_frame,
                                   .on_silent = pools_on_silent,
                                   .on_gone = pools_on_gone};
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
                            : nursery_start(&ps->nursery, home->env, o->find,
                                            o->find_arg, err);
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
