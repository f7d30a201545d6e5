/* SPDX-License-Identifier: MIT */
/* The public face of a worker: options, connections, the event loop with its
 * one timer for worker_tick, and stopping. */
#define _GNU_SOURCE /* gethostname, pipe2 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "conf.h"
#include "err.h"
#include "store.h"
#include "worker.h"

#define WAIT_DEADLINE_MS 40000 /* BZPOPMIN's 30 s and a margin */

struct stint_worker {
    struct config config;
    struct log log;
    struct worker w;
    char *url;             /* owned, or NULL */
    char *name_space;      /* owned, or NULL */
    int64_t grace_ms;
    int stop_fd[2];        /* stint_worker_stop writes, the loop reads */
    int guard_fd;
    pid_t guard;
    struct event_base *base;
    struct event *timer, *stop;
    struct store *store;
    struct script_caller caller;
    struct conf conf;
    struct embed_wait *waits; /* owned, a list */
};

/* The connection behind one of w.waits. */
struct embed_wait {
    struct embed_wait *next;
    struct store *store;
    struct script_caller caller;
};

/* ---- Making one ----------------------------------------------------------- */

static void embed_name(stint_worker *sw, const char *name)
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    unsigned char random[8] = {0};
    char tail[9];
    struct worker *w = &sw->w;
    if (gethostname(w->host, sizeof(w->host) - 1) < 0)
        snprintf(w->host, sizeof(w->host), "localhost");
    for (char *p = w->host; *p != '\0'; p++)
        if (!task_group_is_valid(p, 1))
            *p = '-';
    w->pid = getpid();
    if (name != NULL)
        snprintf(w->shown, sizeof(w->shown), "%.110s", name);
    else
        snprintf(w->shown, sizeof(w->shown), "%s.%" PRId64, w->host, w->pid);
    if (getrandom(random, sizeof(random), 0) < 0)
        memcpy(random, &w->pid, sizeof(w->pid));
    for (int i = 0; i < 8; i++)
        tail[i] = digits[random[i] & 31];
    tail[8] = '\0';
    snprintf(w->name, sizeof(w->name), "%.110s.%s", w->shown, tail);
}

static int embed_groups(stint_worker *sw, const char *const *groups,
                        struct stint_err *err)
{
    struct config *c = &sw->config;
    if (groups != NULL && groups[0] != NULL) {
        c->n_groups = 0; /* the options go before the file */
        for (; *groups != NULL; groups++)
            if (config_add_group(c, *groups, err) < 0)
                return -1;
    }
    if (c->n_groups == 0 && config_add_group(c, "main", err) < 0)
        return -1;
    return worker_add_groups(&sw->w, err);
}

static int embed_options(stint_worker *sw,
                         const struct stint_worker_options *o,
                         struct stint_err *err)
{
    struct worker *w = &sw->w;
    struct config *c = &sw->config;
    if (o->config_path != NULL && config_load(c, o->config_path, err) < 0)
        return -1;
    if (o->concurrency < 0 || o->concurrency > CONCURRENCY_MAX)
        return err_set(err, STINT_INVALID,
                       "concurrency must be from 1 to %d", CONCURRENCY_MAX);
    if (o->concurrency > 0)
        c->concurrency = o->concurrency;
    if (c->concurrency == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        c->concurrency = cores < 1 ? 1 : cores > 64 ? 64 : (int)cores;
    }
    if (o->prefetch < 0 || o->prefetch > 1000)
        return err_set(err, STINT_INVALID, "prefetch must be from 0 to 1000");
    w->prefetch = o->prefetch;
    if (o->name != NULL &&
        (strlen(o->name) > 100 || !task_group_is_valid(o->name,
                                                       strlen(o->name))))
        return err_set(err, STINT_INVALID,
                       "name must be 1 to 100 of A-Za-z0-9_.-");
    double hb = o->heartbeat_s > 0 ? o->heartbeat_s : 3;
    if (hb < 0.1 || hb > 600)
        return err_set(err, STINT_INVALID,
                       "heartbeat must be from 0.1 to 600 seconds");
    w->heartbeat_ms = (int64_t)(hb * 1000);
    w->lease_ms = LEASE_MS(w->heartbeat_ms);
    w->shutdown_ms = (int64_t)((o->shutdown_s > 0 ? o->shutdown_s : 30) * 1000);
    sw->grace_ms = (int64_t)((o->grace_s > 0 ? o->grace_s : 5) * 1000);
    w->drain = o->drain;
    if (o->max_empty_runs < 0)
        return err_set(err, STINT_INVALID, "max_empty_runs must be >= 0");
    w->max_empty_runs = o->max_empty_runs;
    embed_name(sw, o->name);
    return embed_groups(sw, o->groups, err);
}

stint_worker *stint_worker_new(const struct stint_worker_options *options,
                               struct stint_err *err)
{
    struct stint_worker_options o = STINT_WORKER_OPTIONS_INIT;
    if (options != NULL)
        memcpy(&o, options,
               options->size < sizeof(o) ? options->size : sizeof(o));
    stint_worker *sw = calloc(1, sizeof(*sw));
    if (sw == NULL) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    config_init(&sw->config);
    sw->stop_fd[0] = sw->stop_fd[1] = sw->guard_fd = -1;
    sw->guard = -1;
    sw->log = (struct log){o.log, o.log_arg};
    sw->w.config = &sw->config;
    sw->w.log = &sw->log;
    if (o.url != NULL)
        sw->url = strdup(o.url);
    if (o.name_space != NULL)
        sw->name_space = strdup(o.name_space);
    if (embed_options(sw, &o, err) == 0) {
        if (pipe2(sw->stop_fd, O_CLOEXEC | O_NONBLOCK) == 0)
            return sw;
        err_errno(err, "pipe");
    }
    stint_worker_free(sw);
    return NULL;
}

int stint_worker_register(stint_worker *sw, const char *name,
                          stint_handler_fn fn, void *arg,
                          struct stint_err *err)
{
    return config_add_function(&sw->config, name, fn, arg, err);
}

void stint_worker_stop(stint_worker *sw)
{
    int saved = errno;
    ssize_t n = write(sw->stop_fd[1], "x", 1);
    (void)n; /* a full pipe has said it already */
    errno = saved;
}

const char *worker_name_of(const stint_worker *sw)
{
    return sw->w.name;
}

const char *worker_group_of(const stint_worker *sw, int i)
{
    return i < sw->w.n_groups ? sw->w.groups[i].name : NULL;
}

void stint_worker_free(stint_worker *sw)
{
    if (sw == NULL)
        return;
    for (int i = 0; i < 2; i++)
        if (sw->stop_fd[i] >= 0)
            close(sw->stop_fd[i]);
    config_close(&sw->config);
    free(sw->w.groups);
    free(sw->url);
    free(sw->name_space);
    free(sw);
}

/* ---- The loop ------------------------------------------------------------- */

static void embed_tick(stint_worker *sw)
{
    int64_t next = worker_tick(&sw->w, clock_mono_ms());
    if (sw->w.phase == WORKER_GONE) {
        event_base_loopbreak(sw->base);
        return;
    }
    /* To the microsecond: the tick of the clock that next names, not the one
     * after it. */
    const int64_t max_us = 60 * INT64_C(1000000);
    int64_t now_us = clock_mono_us();
    int64_t wait_us = next > (now_us + max_us) / 1000 ? max_us
                                                      : next * 1000 - now_us;
    if (wait_us < 0)
        wait_us = 0;
    struct timeval tv = {wait_us / 1000000, wait_us % 1000000};
    evtimer_add(sw->timer, &tv);
}

static void embed_on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    embed_tick(arg);
}

static void embed_want_tick(void *arg)
{
    stint_worker *sw = arg;
    event_active(sw->timer, EV_TIMEOUT, 0);
}

static void embed_on_stop(evutil_socket_t fd, short what, void *arg)
{
    stint_worker *sw = arg;
    char bytes[16];
    (void)what;
    ssize_t n = read(fd, bytes, sizeof(bytes));
    if (n > 0)
        sw->w.stops += (int)n;
    embed_tick(sw);
}

/* A primary is lost or back. Where another took its place, those that block
 * would notice late: they hear nothing for long in any case. */
static void embed_look_anew(stint_worker *sw)
{
    for (struct embed_wait *ew = sw->waits; ew != NULL; ew = ew->next)
        store_async_refresh(ew->store);
}

static void embed_ignore(const struct redisReply *reply,
                         const struct stint_err *err, void *arg)
{
    (void)reply, (void)err, (void)arg; /* calls will tell */
}

static void embed_on_ready(const struct redisReply *reply,
                           const struct stint_err *err, void *arg)
{
    stint_worker *sw = arg;
    /* Where the fleet is may be away, with other parts of a cluster there. */
    int is_away = reply == NULL && sw->w.apart &&
                  (err->code == STINT_UNREACHABLE ||
                   err->code == STINT_UNKNOWN);
    if (reply == NULL && !is_away) {
        log_warn(&sw->log, "Redis: %s", err->text);
        store_async_reset(sw->store);
        return;
    }
    log_info(&sw->log, "connected to Redis");
    for (int i = 0; sw->w.apart && i < sw->w.n_groups; i++)
        script_load(&sw->caller, sw->w.groups[i].name, embed_ignore, NULL);
    embed_look_anew(sw);
    worker_on_connected(&sw->w, 1);
}

static void embed_on_state(int connected, const struct stint_err *why,
                           void *arg)
{
    stint_worker *sw = arg;
    if (connected && why != NULL) {
        log_warn(&sw->log, "Redis: %s (others go on)", why->text);
        embed_look_anew(sw);
        return;
    }
    if (connected) {
        script_load(&sw->caller, NULL, embed_on_ready, sw);
        return;
    }
    if (sw->w.connected || why->code != STINT_UNREACHABLE)
        log_warn(&sw->log, "Redis: %s", why->text);
    else
        log_debug(&sw->log, "Redis: %s", why->text);
    worker_on_connected(&sw->w, 0);
}

static void embed_on_wait_state(int connected, const struct stint_err *why,
                                void *arg)
{
    (void)why;
    wait_on_state(arg, connected);
}

static double embed_load(void)
{
    double load;
    return getloadavg(&load, 1) == 1 ? load : -1;
}

/* Wrong URL, wrong password, no Redis: said at once, and not by a worker that
 * tries for ever. */
static int embed_probe(const struct conf *conf, struct stint_err *err)
{
    struct store *s = store_sync_open(conf, CALL_DEADLINE_MS, err);
    if (s == NULL)
        return -1;
    s->ops->close(s);
    return 0;
}

static int embed_executors(stint_worker *sw, struct stint_err *err)
{
    struct worker *w = &sw->w;
    struct executor_options o = {.base = sw->base, .grace_ms = sw->grace_ms,
                                 .worker = w->name, .on_done = worker_on_done,
                                 .arg = w,
                                 .n_threads = sw->config.concurrency};
    int n_functions = 0;
    for (int i = 0; i < sw->config.n_types; i++)
        n_functions += !sw->config.types[i].is_program;
    if (n_functions < sw->config.n_types) {
        sw->guard = guard_start(w->name, &sw->guard_fd, err);
        if (sw->guard < 0)
            return -1;
        w->programs = program_executor_new(&o, err);
        if (w->programs == NULL)
            return -1;
    }
    if (n_functions == 0)
        o.n_threads = 1;
    w->threads = thread_executor_new(&o, err);
    return w->threads != NULL ? 0 : -1;
}

/* epoll waits whole milliseconds, rounded up, unless told to use a timer. */
static struct event_base *embed_base_new(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;
    if (config != NULL &&
        event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0)
        base = event_base_new_with_config(config);
    if (config != NULL)
        event_config_free(config);
    return base;
}

static int embed_open_wait(struct worker_wait *wait, void *arg,
                           struct stint_err *err)
{
    stint_worker *sw = arg;
    struct embed_wait *ew = calloc(1, sizeof(*ew));
    char key[2 * STINT_NAME_LEN + 32];
    if (ew == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    wait_key(wait, &sw->caller, key, sizeof(key));
    ew->store = store_async_open_at(&sw->conf, sw->base, WAIT_DEADLINE_MS, key,
                                    embed_on_wait_state, wait, err);
    if (ew->store == NULL) {
        free(ew);
        return -1;
    }
    script_caller_init(&ew->caller, ew->store, sw->name_space);
    wait->caller = &ew->caller;
    ew->next = sw->waits;
    sw->waits = ew;
    return 0;
}

static int embed_open(stint_worker *sw, struct stint_err *err)
{
    struct worker *w = &sw->w;
    if (sw->config.n_types == 0)
        return err_set(err, STINT_INVALID, "the worker knows no function: "
                       "give it a configuration with \"tasks\"");
    if (conf_resolve(&sw->conf, sw->url, err) < 0 ||
        embed_probe(&sw->conf, err) < 0)
        return -1;
    sw->base = embed_base_new();
    sw->timer = sw->base ? evtimer_new(sw->base, embed_on_timer, sw) : NULL;
    sw->stop = sw->base ? event_new(sw->base, sw->stop_fd[0],
                                    EV_READ | EV_PERSIST, embed_on_stop, sw)
                        : NULL;
    if (sw->timer == NULL || sw->stop == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    event_add(sw->stop, NULL);
    w->started_wall_ms = clock_wall_ms();
    w->clock = clock_mono_ms;
    w->clock_us = clock_mono_us;
    w->wall = clock_wall_ms;
    w->load = embed_load;
    w->want_tick = embed_want_tick;
    w->want_arg = sw;
    w->caller = &sw->caller;
    if (embed_executors(sw, err) < 0)
        return -1;
    sw->store = store_async_open(&sw->conf, sw->base, CALL_DEADLINE_MS,
                                 embed_on_state, sw, err);
    if (sw->store == NULL)
        return -1;
    script_caller_init(&sw->caller, sw->store, sw->name_space);
    w->open_wait = embed_open_wait;
    w->follow_min = FOLLOW_MIN;
    if (waits_add(w, sw->conf.n_nodes > 0, err) < 0)
        return -1;
    reaper_init(&w->reaper, &sw->caller, &sw->log, w->name,
                2 * w->heartbeat_ms, w->lease_ms, clock_mono_ms);
    w->reaper.want_tick = w->want_tick;
    w->reaper.want_arg = w->want_arg;
    w->reaper.apart = w->apart;
    log_info(&sw->log, "worker %s: %d at once, Redis at %s", w->name,
             sw->config.concurrency, sw->conf.shown);
    return 0;
}

static void embed_close(stint_worker *sw)
{
    struct worker *w = &sw->w;
    while (sw->waits != NULL) {
        struct embed_wait *ew = sw->waits;
        sw->waits = ew->next;
        ew->store->ops->close(ew->store);
        free(ew);
    }
    if (sw->store != NULL)
        sw->store->ops->close(sw->store);
    free(w->waits);
    sw->store = NULL;
    w->waits = NULL;
    w->n_waits = 0;
    if (w->programs != NULL)
        w->programs->ops->close(w->programs);
    /* A function that does not return keeps its thread and its task. */
    int stuck = 0;
    for (struct held *h = w->held[HELD_RUNNING].first; h; h = h->next)
        stuck |= !h->type->is_program;
    if (w->threads != NULL && !stuck)
        w->threads->ops->close(w->threads);
    w->programs = w->threads = NULL;
    for (int s = 0; s < HELD_N && !stuck; s++)
        while (w->held[s].first != NULL)
            held_free(w, w->held[s].first);
    held_close(w);
    reaper_close(&w->reaper);
    if (sw->guard_fd >= 0)
        close(sw->guard_fd); /* it cleans up and goes */
    if (sw->guard > 0)
        waitpid(sw->guard, NULL, 0);
    sw->guard_fd = -1;
    sw->guard = -1;
    if (sw->timer != NULL)
        event_free(sw->timer);
    if (sw->stop != NULL)
        event_free(sw->stop);
    if (sw->base != NULL && !stuck)
        event_base_free(sw->base);
    sw->timer = sw->stop = NULL;
    sw->base = NULL;
}

int stint_worker_run(stint_worker *sw, struct stint_err *err)
{
    int rv = embed_open(sw, err);
    if (rv == 0) {
        embed_tick(sw);
        event_base_dispatch(sw->base);
    }
    embed_close(sw);
    if (rv == 0 && sw->w.overloaded)
        rv = err_set(err, STINT_TOO_BIG, "its groups have over %d parts, too "
                     "many for one worker: give it fewer groups", SERVED_MAX);
    return rv;
}
