/* SPDX-License-Identifier: MIT */
/* A worker on an event base: its connections, its executors, one timer for
 * worker_tick, and its end. */
#include <errno.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "children.h"
#include "clock.h"
#include "embed.h"
#include "err.h"
#include "info.h"

#define WAIT_DEADLINE_MS 40000 /* BZPOPMIN's 30 s and a margin */

static void loop_tick(stint_worker *sw)
{
    int64_t next = worker_tick(&sw->w, clock_mono_ms());
    int64_t told = announce_tick(sw, clock_mono_ms());
    if (told < next)
        next = told;
    if (sw->w.phase == WORKER_GONE) {
        event_active(sw->end, EV_TIMEOUT, 0);
        return;
    }
    reload_settle(sw);
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

static void loop_on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    loop_tick(arg);
}

static void loop_want_tick(void *arg)
{
    stint_worker *sw = arg;
    event_active(sw->timer, EV_TIMEOUT, 0);
}

static void loop_on_stop(evutil_socket_t fd, short what, void *arg)
{
    stint_worker *sw = arg;
    char bytes[16];
    (void)what;
    ssize_t n = read(fd, bytes, sizeof(bytes));
    int reload = 0;
    for (ssize_t i = 0; i < n; i++) {
        sw->w.stops += bytes[i] == WORD_STOP[0];
        reload |= bytes[i] == WORD_RELOAD[0];
    }
    if (reload)
        reload_now(sw);
    loop_tick(sw);
}

/* A primary is lost or back. Where another took its place, those that block
 * would notice late: they hear nothing for long in any case. */
static void loop_look_anew(stint_worker *sw)
{
    for (struct embed_wait *ew = sw->waits; ew != NULL; ew = ew->next)
        store_async_refresh(ew->store);
}

static void loop_ignore(const struct redisReply *reply,
                         const struct stint_err *err, void *arg)
{
    (void)reply, (void)err, (void)arg; /* calls will tell */
}

/* Somebody has to load the functions, or a script runs that takes too long. It
 * is the connection that is fine: a new one would be refused the same. */
#define LOAD_AGAIN_MS 1000

static void loop_load_later(stint_worker *sw, const struct stint_err *err)
{
    const struct timeval tv = {LOAD_AGAIN_MS / 1000, 0};
    if (err->code != sw->told)
        log_warn(&sw->log, log_event("library"),
                 log_text("error", err->text));
    sw->told = err->code;
    evtimer_add(sw->again, &tv);
}

/* What of Redis's settings loses tasks, once; who may not ask hears nothing.
 * INFO, and not CONFIG: more users may. */
static void loop_on_info(const struct redisReply *reply,
                         const struct stint_err *err, void *arg)
{
    stint_worker *sw = arg;
    char policy[32];
    (void)err;
    if (reply == NULL || reply->type != REDIS_REPLY_STRING || sw->has_warned)
        return;
    if (info_text(reply->str, "maxmemory_policy", policy, sizeof(policy)) &&
        strcmp(policy, "noeviction") != 0) {
        log_warn(&sw->log, log_event("settings"),
                 log_text("maxmemory-policy", policy),
                 log_text("text", "Redis will throw tasks away when its "
                          "memory is full: it must be noeviction"));
        sw->has_warned = 1;
    }
    if (info_find(reply->str, "aof_enabled") != NULL &&
        info_count(reply->str, "aof_enabled") == 0) {
        log_warn(&sw->log, log_event("settings"),
                 log_text("appendonly", "no"),
                 log_text("text", "Redis keeps no append-only file: what it "
                          "is told is lost when it stops"));
        sw->has_warned = 1;
    }
}

static void loop_ask_info(stint_worker *sw)
{
    struct args a;
    args_init(&a);
    args_add_str(&a, "INFO");
    script_command(&sw->caller, &a, loop_on_info, sw);
    args_close(&a);
}

static void loop_on_ready(const struct redisReply *reply,
                           const struct stint_err *err, void *arg)
{
    stint_worker *sw = arg;
    /* Where the fleet is may be away, with other parts of a cluster there. */
    int is_away = reply == NULL && sw->w.apart &&
                  (err->code == STINT_UNREACHABLE ||
                   err->code == STINT_UNKNOWN);
    if (reply == NULL && !is_away) {
        if (err->code != STINT_UNREACHABLE && err->code != STINT_UNKNOWN)
            loop_load_later(sw, err);
        return; /* lost: a new connection is on its way */
    }
    sw->told = STINT_OK;
    log_info(&sw->log, log_event("connect"),
             log_text("redis", sw->conf.shown));
    for (int i = 0; sw->w.apart && i < sw->w.n_groups; i++)
        script_load(&sw->caller, sw->w.groups[i].name, loop_ignore, NULL);
    loop_look_anew(sw);
    worker_on_connected(&sw->w, 1);
    announce_ready(sw);
    if (!sw->has_warned)
        loop_ask_info(sw);
}

static void loop_on_again(evutil_socket_t fd, short what, void *arg)
{
    stint_worker *sw = arg;
    (void)fd, (void)what;
    script_load(&sw->caller, NULL, loop_on_ready, sw);
}

static void loop_on_state(int connected, const struct stint_err *why,
                           void *arg)
{
    stint_worker *sw = arg;
    if (connected && why != NULL) {
        log_warn(&sw->log, log_event("disconnect"),
                 log_text("error", why->text),
                 log_text("text", "other parts of the cluster go on"));
        loop_look_anew(sw);
        return;
    }
    evtimer_del(sw->again);
    if (connected) {
        script_load(&sw->caller, NULL, loop_on_ready, sw);
        return;
    }
    int is_news = sw->w.connected || why->code != STINT_UNREACHABLE;
    log_at(&sw->log, is_news ? STINT_LOG_WARN : STINT_LOG_DEBUG,
           log_event("disconnect"), log_text("error", why->text));
    worker_on_connected(&sw->w, 0);
}

static void loop_on_wait_state(int connected, const struct stint_err *why,
                                void *arg)
{
    (void)why;
    wait_on_state(arg, connected);
}

static double loop_load(void)
{
    double load;
    return getloadavg(&load, 1) == 1 ? load : -1;
}

/* Wrong URL, wrong password, no Redis, a newer Stint: said at once, and not by a worker that
 * tries for ever. */
static void loop_on_probe(const struct redisReply *reply,
                          const struct stint_err *err, void *arg)
{
    if (reply == NULL)
        *(struct stint_err *)arg = *err;
}

static int loop_probe(const struct conf *conf, const char *name_space,
                      struct stint_err *err)
{
    struct stint_err why = {0};
    struct script_caller caller;
    struct store *s = store_sync_open(conf, CALL_DEADLINE_MS, err);
    if (s == NULL)
        return -1;
    script_caller_init(&caller, s, name_space);
    script_load(&caller, NULL, loop_on_probe, &why);
    s->ops->wait(s);
    s->ops->close(s);
    return why.code == STINT_PROTOCOL
               ? err_set(err, why.code, "%s", why.text)
               : 0;
}

static const struct function *loop_find(const char *name, void *arg)
{
    const struct task_type *t = config_find(arg, name, strlen(name));
    return t != NULL && t->function.fn != NULL ? &t->function : NULL;
}

struct executor *loop_executor_new(stint_worker *sw, struct config *c,
                                   enum executor_kind kind,
                                   struct stint_err *err)
{
    static struct executor *(*const make[EXECUTOR_N])(
        const struct executor_options *o, struct stint_err *err) = {
        [EXECUTOR_PROGRAM] = program_executor_new,
        [EXECUTOR_CHILDREN] = children_executor_new,
        [EXECUTOR_FORKS] = children_executor_new,
        [EXECUTOR_THREAD] = thread_executor_new};
    struct child_pool *pools[FUNCTIONS_MAX];
    struct executor_options o = {.base = sw->base,
                                 .grace_ms = sw->grace_ms,
                                 .worker = sw->w.name,
                                 .children = sw->children,
                                 .on_done = worker_on_done,
                                 .on_progress = worker_on_progress,
                                 .on_return = worker_on_return,
                                 .arg = &sw->w,
                                 .n_threads = c->concurrency,
                                 .log = &sw->log,
                                 .pools = pools,
                                 .find = loop_find,
                                 .find_arg = c};
    for (int i = 0; i < c->n_pools; i++)
        if ((c->pools[i]->argv == NULL) == (kind == EXECUTOR_FORKS))
            pools[o.n_pools++] = c->pools[i];
    return make[kind](&o, err);
}

/* What dies with the worker when it leaves processes behind must be there
 * before them, and before there are threads: also for those that a file may
 * name later. */
static int loop_executors(stint_worker *sw, struct stint_err *err)
{
    struct config *c = sw->config;
    int n_processes = config_count(c, EXECUTOR_PROGRAM) +
                      config_count(c, EXECUTOR_CHILDREN) +
                      config_count(c, EXECUTOR_FORKS);
    if (n_processes > 0 || sw->config_path != NULL) {
        sw->guard = guard_start(sw->w.name, &sw->guard_fd, err);
        if (sw->guard < 0)
            return -1;
        sw->children = children_new(sw->base, sw->w.name, err);
        if (sw->children == NULL)
            return -1;
    }
    for (int i = 0; i < EXECUTOR_N; i++) {
        if (config_count(c, i) == 0)
            continue;
        c->executors[i] = loop_executor_new(sw, c, i, err);
        if (c->executors[i] == NULL)
            return -1;
    }
    if (c->executors[EXECUTOR_FORKS] != NULL)
        sw->first = c;
    return 0;
}

static int loop_open_wait(struct worker_wait *wait, void *arg,
                           struct stint_err *err)
{
    stint_worker *sw = arg;
    struct embed_wait *ew = calloc(1, sizeof(*ew));
    char key[2 * STINT_NAME_LEN + 32];
    if (ew == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    wait_key(wait, &sw->caller, key, sizeof(key));
    ew->store = store_async_open_at(&sw->conf, sw->base, WAIT_DEADLINE_MS, key,
                                    loop_on_wait_state, wait, err);
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

void embed_disconnect(stint_worker *sw)
{
    while (sw->waits != NULL) {
        struct embed_wait *ew = sw->waits;
        sw->waits = ew->next;
        ew->store->ops->close(ew->store);
        free(ew);
    }
    if (sw->store != NULL)
        sw->store->ops->close(sw->store);
    free(sw->w.waits);
    sw->store = NULL;
    sw->w.waits = NULL;
    sw->w.n_waits = 0;
}

static void loop_close(stint_worker *sw)
{
    struct worker *w = &sw->w;
    embed_disconnect(sw);
    /* A function that does not return keeps its thread and its task. */
    sw->is_stuck = w->held[HELD_OVERSTAYED].n > 0;
    for (struct held *h = w->held[HELD_RUNNING].first; h; h = h->next)
        sw->is_stuck |= h->type->runs_on == EXECUTOR_THREAD;
    for (int i = 0; i < EXECUTOR_N; i++) {
        struct executor *e = w->config->executors[i];
        if (e != NULL && sw->is_stuck && i == EXECUTOR_THREAD)
            thread_executor_abandon(e);
        else if (e != NULL)
            e->ops->close(e);
        w->config->executors[i] = NULL;
    }
    reload_close(sw);
    children_free(sw->children);
    sw->children = NULL;
    for (int s = 0; s < HELD_N && !sw->is_stuck; s++)
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
    if (sw->end != NULL)
        event_free(sw->end);
    if (sw->again != NULL)
        event_free(sw->again);
    sw->timer = sw->stop = sw->end = sw->again = NULL;
    sw->base = NULL;
}

/* ---- Its life ------------------------------------------------------------ */

static int loop_verdict(const stint_worker *sw, struct stint_err *err)
{
    if (sw->w.overloaded)
        return err_set(err, STINT_TOO_BIG, "its groups have over %d parts, too "
                       "many for one worker: give it fewer groups",
                       SERVED_MAX);
    if (sw->w.spent)
        return err_set(err, STINT_STATE, "all its threads are lost to "
                       "functions that do not return");
    return 0;
}

/* From the loop, when no callback of what is to be closed is under way. */
static void loop_on_end(evutil_socket_t fd, short what, void *arg)
{
    stint_worker *sw = arg;
    stint_worker_end_fn fn = sw->on_end;
    void *fn_arg = sw->end_arg;
    struct stint_err err = {0};
    (void)fd, (void)what;
    int rc = loop_verdict(sw, &err);
    loop_close(sw);
    fn(rc, &err, fn_arg); /* may free it */
}

static int loop_set_up(stint_worker *sw, struct stint_err *err)
{
    struct worker *w = &sw->w;
    if (sw->config->n_types == 0)
        return err_set(err, STINT_INVALID, "the worker knows no function: "
                       "give it a configuration with \"tasks\"");
    if (conf_resolve(&sw->conf, sw->url, err) < 0 ||
        loop_probe(&sw->conf, sw->name_space, err) < 0)
        return -1;
    sw->timer = evtimer_new(sw->base, loop_on_timer, sw);
    sw->end = evtimer_new(sw->base, loop_on_end, sw);
    sw->stop = event_new(sw->base, sw->stop_fd[0], EV_READ | EV_PERSIST,
                         loop_on_stop, sw);
    sw->again = evtimer_new(sw->base, loop_on_again, sw);
    if (sw->timer == NULL || sw->end == NULL || sw->stop == NULL ||
        sw->again == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    if (event_add(sw->stop, NULL) < 0) /* it would not hear SIGTERM */
        return err_errno(err, "cannot wait for the word to stop");
    announce_begin(sw);
    w->started_wall_ms = clock_wall_ms();
    w->clock = clock_mono_ms;
    w->clock_us = clock_mono_us;
    w->wall = clock_wall_ms;
    w->load = loop_load;
    w->rss_kb = record_rss_kb;
    w->meter.clock_us = clock_mono_us;
    w->want_tick = loop_want_tick;
    w->want_arg = sw;
    w->caller = &sw->caller;
    if (loop_executors(sw, err) < 0)
        return -1;
    sw->store = store_async_open(&sw->conf, sw->base, CALL_DEADLINE_MS,
                                 loop_on_state, sw, err);
    if (sw->store == NULL)
        return -1;
    script_caller_init(&sw->caller, sw->store, sw->name_space);
    sw->caller.meter = &w->meter;
    w->open_wait = loop_open_wait;
    w->follow_min = FOLLOW_MIN;
    if (waits_add(w, sw->conf.n_nodes > 0, err) < 0)
        return -1;
    reaper_init(&w->reaper, &sw->caller, &sw->log, w->name,
                2 * w->heartbeat_ms, w->lease_ms, clock_mono_ms);
    w->reaper.want_tick = w->want_tick;
    w->reaper.want_arg = w->want_arg;
    w->reaper.apart = w->apart;
    log_info(&sw->log, log_event("worker"), log_text("status", "ACTIVE"),
             log_text("worker", w->name),
             log_n("concurrency", sw->config->concurrency),
             log_n("functions", sw->config->n_types),
             log_text("redis", sw->conf.shown),
             log_text("version", stint_version()));
    return 0;
}

int loop_open(stint_worker *sw, struct stint_err *err)
{
    if (loop_set_up(sw, err) < 0) {
        loop_close(sw);
        return -1;
    }
    sw->has_run = 1;
    event_active(sw->timer, EV_TIMEOUT, 0);
    return 0;
}
