/* SPDX-License-Identifier: MIT */
/* A worker on a server in memory: the worker of production, ticked by who calls
 * instead of an event loop, on the server's clock instead of the host's, with
 * functions that are called inline. When nothing has happened in a tick,
 * nothing is due at this instant. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <stint/testing.h>

#include "embed.h"
#include "err.h"
#include "inline.h"
#include "memory_link.h"

#define HEARTBEAT_MS 600000  /* few of them to jump over */
#define TICKS_MAX    100000  /* at one instant without a run: it is a defect */
#define RUNS_MAX     20000   /* at one instant */

/* The worker's monotonic clock is 0 an hour before the server's begins: like
 * any host's it is not the date. */
#define MONO_ZERO_US ((MEMORY_START_MS - 3600000) * 1000)

/* What a worker has instead of an event loop. */
struct bed {
    stint_worker *sw;
    struct memory_link link;    /* keeps the server */
    struct executor *executor;
    int wanted;                 /* somebody wants a tick */
    int64_t next_ms;            /* the next deadline, mono */
    uint64_t n_runs;            /* of this call */
    int stopped;                /* stint_worker_stop was */
};

/* The worker asks for the time without saying who it is, as there is one clock
 * in production. Here it is that of the worker being driven on this thread,
 * from the beginning to the end of one call. */
static _Thread_local struct bed *driven;

/* ---- The clock ----------------------------------------------------------- */

static int64_t bed_now_us(const struct bed *b)
{
    return b->link.api->now_us(b->link.server);
}

static int64_t bed_clock_us(void)
{
    return bed_now_us(driven) - MONO_ZERO_US;
}

static int64_t bed_clock_ms(void)
{
    return bed_clock_us() / 1000;
}

static int64_t bed_wall_ms(void)
{
    return bed_now_us(driven) / 1000;
}

/* ---- Ticks --------------------------------------------------------------- */

static void bed_want_tick(void *arg)
{
    stint_worker *sw = arg;
    sw->bed->wanted = 1;
}

static void bed_hear_stop(struct bed *b)
{
    char bytes[16];
    ssize_t n = read(b->sw->stop_fd[0], bytes, sizeof(bytes));
    for (ssize_t i = 0; i < n; i++)
        b->stopped |= bytes[i] == WORD_STOP[0];
}

/* One tick, and the replies that are there. 1: something has happened. */
static int bed_turn(struct bed *b)
{
    stint_worker *sw = b->sw;
    int n = 0;
    b->wanted = 0;
    sw->w.leading = 1; /* whoever is not run does nothing */
    b->next_ms = worker_tick(&sw->w, bed_clock_ms());
    n += b->link.api->step(sw->store);
    for (struct embed_wait *ew = sw->waits; ew != NULL; ew = ew->next)
        n += b->link.api->step(ew->store);
    return n > 0 || b->wanted;
}

/* Until nothing happens any more, without a run. */
static int bed_calm(struct bed *b, struct stint_err *err)
{
    for (int i = 0; i < TICKS_MAX; i++)
        if (!bed_turn(b))
            return 0;
    return err_set(err, STINT_STATE, "the worker does not come to rest");
}

static void bed_pump(void *arg)
{
    struct stint_err err = {0};
    (void)bed_calm(arg, &err); /* it shows when the run has ended */
}

/* What came of the last run is reported, and nothing new is taken. */
static int bed_rest(struct bed *b, struct stint_err *err)
{
    struct worker *w = &b->sw->w;
    int disabled = w->disabled;
    w->disabled = 1;
    int rc = bed_calm(b, err);
    w->disabled = disabled;
    return rc;
}

/* The same with runs. */
static int bed_settle(struct bed *b, uint64_t *n_instant,
                      struct stint_err *err)
{
    do {
        if (bed_calm(b, err))
            return -1;
        int ran = inline_executor_run(b->executor);
        bed_hear_stop(b);
        if (!ran)
            return 0;
        b->n_runs++;
    } while (++*n_instant < RUNS_MAX && !b->stopped);
    if (b->stopped)
        return bed_rest(b, err);
    return err_set(err, STINT_TOO_BIG, "over %d runs at one instant: has a "
                   "task a period of 0 s?", RUNS_MAX);
}

/* As at a new connection: all that is there is looked at anew. Commands of the
 * fleet first: they may say to take nothing. */
static void bed_look(struct bed *b)
{
    struct worker *w = &b->sw->w;
    if (!w->fleet_beating && w->phase != WORKER_LEAVING) {
        exchange_fleet(w, 0);
        w->fleet_mono_ms = bed_clock_ms() + w->heartbeat_ms;
        (void)b->link.api->step(b->sw->store);
    }
    for (int i = 0; i < w->n_groups; i++)
        w->groups[i].nudged = w->groups[i].hungry = 1;
    reaper_look_all(&w->reaper);
}

/* All that is due now. A look more finds nothing. */
static int bed_run_now(struct bed *b, struct stint_err *err)
{
    uint64_t n_instant = 0, before;
    do {
        before = b->n_runs;
        bed_look(b);
        if (bed_settle(b, &n_instant, err))
            return -1;
    } while (b->n_runs > before && !b->stopped);
    return 0;
}

/* The next instant after now at which something is due, at most until_us. */
static int64_t bed_next_us(const struct bed *b, int64_t until_us)
{
    int64_t now_us = bed_now_us(b), next_us = until_us;
    if (b->next_ms < (until_us - MONO_ZERO_US) / 1000)
        next_us = b->next_ms * 1000 + MONO_ZERO_US;
    if (next_us <= now_us) /* it has been looked at */
        next_us = now_us / 1000 * 1000 + 1000;
    return next_us < until_us ? next_us : until_us;
}

static int bed_run_until(struct bed *b, int64_t until_us,
                         struct stint_err *err)
{
    for (;;) {
        if (bed_run_now(b, err))
            return -1;
        if (bed_now_us(b) >= until_us || b->stopped ||
            b->sw->w.phase == WORKER_GONE)
            return 0;
        b->link.api->set_now_us(b->link.server, bed_next_us(b, until_us));
    }
}

/* The clock moves while a function is called: its worker goes on. */
static void bed_advance(struct bed *b, int64_t until_us)
{
    while (bed_now_us(b) < until_us) {
        b->link.api->set_now_us(b->link.server, bed_next_us(b, until_us));
        bed_pump(b);
    }
}

/* ---- Attaching ----------------------------------------------------------- */

static int bed_check(const stint_worker *sw, struct stint_err *err)
{
    if (sw->base != NULL || sw->has_run)
        return err_set(err, STINT_STATE, "the worker has run on Redis: make a "
                       "new one");
    if (sw->config->n_types == 0)
        return err_set(err, STINT_INVALID, "the worker knows no function");
    for (int i = 0; i < sw->config->n_types; i++)
        if (sw->config->types[i].function.fn == NULL)
            return err_set(err, STINT_INVALID, "%.100s is a program: in memory "
                           "only C functions run", sw->config->types[i].name);
    return 0;
}

static void bed_heard(const struct redisReply *reply,
                      const struct stint_err *why, void *arg)
{
    struct stint_err *err = arg;
    if (reply == NULL)
        err_set(err, why->code, "%s", why->text);
}

static int bed_open_wait(struct worker_wait *wait, void *arg,
                         struct stint_err *err)
{
    stint_worker *sw = arg;
    struct embed_wait *ew = calloc(1, sizeof(*ew));
    if (ew == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    ew->store = sw->bed->link.api->open(sw->bed->link.server);
    script_caller_init(&ew->caller, ew->store, sw->caller.base);
    wait->caller = &ew->caller;
    ew->next = sw->waits;
    sw->waits = ew;
    return 0;
}

/* The twin of loop_set_up. */
static void bed_fill(struct bed *b)
{
    stint_worker *sw = b->sw;
    struct worker *w = &sw->w;
    w->started_wall_ms = bed_wall_ms();
    w->clock = bed_clock_ms;
    w->clock_us = bed_clock_us;
    w->wall = bed_wall_ms;
    w->want_tick = bed_want_tick;
    w->want_arg = sw;
    w->caller = &sw->caller;
    w->open_wait = bed_open_wait;
    w->follow_min = FOLLOW_MIN;
    w->heartbeat_ms = HEARTBEAT_MS;
    w->lease_ms = LEASE_MS(w->heartbeat_ms);
    w->prefetch = w->drain = w->max_empty_runs = 0;
    sw->config->concurrency = 1;
    reaper_init(&w->reaper, &sw->caller, &sw->log, w->name,
                2 * w->heartbeat_ms, w->lease_ms, bed_clock_ms);
    w->reaper.want_tick = w->want_tick;
    w->reaper.want_arg = w->want_arg;
}

static int bed_executors(struct bed *b, struct stint_err *err)
{
    struct worker *w = &b->sw->w;
    const struct inline_options o = {
        .config = b->sw->config, .on_done = worker_on_done,
        .on_progress = worker_on_progress, .arg = w, .clock = bed_clock_ms,
        .pump = bed_pump, .pump_arg = b};
    b->executor = inline_executor_new(&o);
    if (b->executor == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    w->config->executors[EXECUTOR_THREAD] = b->executor;
    w->config->executors[EXECUTOR_FORKS] = b->executor;
    return 0;
}

static int bed_connect(struct bed *b, const char *name_space,
                       struct stint_err *err)
{
    stint_worker *sw = b->sw;
    sw->store = b->link.api->open(b->link.server);
    script_caller_init(&sw->caller, sw->store,
                       sw->name_space != NULL ? sw->name_space : name_space);
    if (waits_add(&sw->w, 0, err) < 0)
        return -1;
    script_load(&sw->caller, NULL, bed_heard, err);
    (void)b->link.api->step(sw->store);
    if (err->code != STINT_OK)
        return -1;
    worker_on_connected(&sw->w, 1);
    for (int i = 0; i < sw->w.n_waits; i++)
        wait_on_state(&sw->w.waits[i], 1);
    return 0;
}

void testing_detach(stint_worker *sw)
{
    struct bed *b = sw->bed;
    /* A handler that jumped out of its call has left it there. */
    struct bed *outer = driven != b ? driven : NULL;
    struct worker *w = &sw->w;
    if (b == NULL)
        return;
    driven = b;
    embed_disconnect(sw);
    if (b->executor != NULL)
        b->executor->ops->close(b->executor);
    for (int s = 0; s < HELD_N; s++)
        while (w->held[s].first != NULL)
            held_free(w, w->held[s].first);
    held_close(w);
    reaper_close(&w->reaper);
    memory_link_close(&b->link);
    free(b);
    sw->bed = NULL;
    driven = outer;
}

static int bed_attach(stint_worker *sw, stint *s, struct stint_err *err)
{
    const struct memory_link *link = client_memory(s);
    if (sw->bed != NULL)
        return sw->bed->link.server == link->server
                   ? 0
                   : err_set(err, STINT_INVALID, "the worker is attached to "
                             "another server in memory");
    if (bed_check(sw, err))
        return -1;
    struct bed *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    b->sw = sw;
    if (memory_link_share(&b->link, link, err)) {
        free(b);
        return -1;
    }
    sw->bed = b;
    driven = b;
    bed_fill(b);
    int rc = bed_executors(b, err) || bed_connect(b, client_name_space(s), err)
                 ? -1
                 : 0;
    driven = NULL;
    if (rc != 0)
        testing_detach(sw);
    return rc;
}

/* ---- The public functions ------------------------------------------------ */

static const struct memory_link *link_of(stint *s, struct stint_err *err)
{
    const struct memory_link *link = client_memory(s);
    if (link == NULL)
        err_set(err, STINT_INVALID, "this is no handle on a server in memory "
                "(stint_open with the url memory:)");
    return link;
}

int64_t stint_testing_now_ms(stint *s)
{
    const struct memory_link *link = client_memory(s);
    return link != NULL ? link->api->now_us(link->server) / 1000 : -1;
}

static int testing_set_us(stint *s, int64_t us, struct stint_err *err)
{
    const struct memory_link *link = link_of(s, err);
    if (link == NULL)
        return -1;
    if (us < link->api->now_us(link->server))
        return err_set(err, STINT_INVALID, "the clock does not go backwards");
    if (driven != NULL && driven->link.server == link->server)
        bed_advance(driven, us);
    else
        link->api->set_now_us(link->server, us);
    return 0;
}

/* Lua reckons in us below 2^53: in the year 2255 that ends. */
#define TIME_MS_MAX INT64_C(9007199254740)

int stint_testing_set_now(stint *s, int64_t ms, struct stint_err *err)
{
    if (ms > TIME_MS_MAX)
        return err_set(err, STINT_INVALID, "the clock ends in the year 2255");
    return testing_set_us(s, ms * 1000, err);
}

int stint_testing_advance(stint *s, double seconds, struct stint_err *err)
{
    const struct memory_link *link = link_of(s, err);
    if (link == NULL)
        return -1;
    int64_t now_us = link->api->now_us(link->server);
    if (!(seconds >= 0))
        return err_set(err, STINT_INVALID, "the clock does not go backwards");
    if (seconds * 1e6 > (double)(TIME_MS_MAX * 1000 - now_us))
        return err_set(err, STINT_INVALID, "the clock ends in the year 2255");
    return testing_set_us(s, now_us + (int64_t)(seconds * 1e6 + 0.5), err);
}

int stint_testing_run_until(stint *s, stint_worker *sw, int64_t ms,
                            uint64_t *n_runs, struct stint_err *err)
{
    if (n_runs != NULL)
        *n_runs = 0;
    if (link_of(s, err) == NULL)
        return -1;
    if (driven != NULL)
        return err_set(err, STINT_STATE, "a handler cannot run a worker");
    if (bed_attach(sw, s, err))
        return -1;
    if (sw->w.phase == WORKER_GONE)
        return err_set(err, STINT_STATE, "the worker has left: make a new "
                       "one");
    struct bed *b = sw->bed;
    b->n_runs = 0;
    b->stopped = 0;
    driven = b;
    int rc = bed_run_until(b, (ms > TIME_MS_MAX ? TIME_MS_MAX : ms) * 1000,
                           err);
    driven = NULL;
    if (n_runs != NULL)
        *n_runs = b->n_runs;
    return rc;
}

int stint_testing_run(stint *s, stint_worker *sw, uint64_t *n_runs,
                      struct stint_err *err)
{
    return stint_testing_run_until(s, sw, INT64_MIN / 1000, n_runs, err);
}
