/* SPDX-License-Identifier: MIT */
/* The reaper without a worker around it: a connection, one timer, and an
 * election every heartbeat. It has no record in the fleet, for it takes no
 * tasks and nobody commands it: all it has there is the lead, if it does. */
#define _GNU_SOURCE /* getrandom */
#include <stint/duties.h>

#include <event2/event.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "bounds.h"
#include "clock.h"
#include "conf.h"
#include "err.h"
#include "reaper.h"
#include "store.h"
#include "task.h"

#define LOAD_AGAIN_MS 1000 /* somebody has to load the functions */

struct stint_duties {
    struct event_base *base;  /* borrowed */
    struct event *timer;      /* duties_tick */
    struct event *again;      /* load the functions again */
    struct conf conf;
    struct log log;
    struct log_limit log_limit;
    struct store *store;
    struct script_caller caller;
    struct reaper reaper;
    char name[STINT_NAME_LEN + 1];
    char name_space[STINT_NAME_LEN + 1];
    int64_t heartbeat_ms, lease_ms;
    int connected;            /* and our rules are loaded */
    int leading;
    int beating;              /* fleet_heartbeat outstanding */
    int64_t beat_mono_ms;     /* the next one */
    int has_resigned;
    int leaving;              /* and Redis is being told */
    void (*on_resigned)(void *arg); /* NULL: nobody waits */
    void *resigned_arg;
};

static void duties_want_tick(void *arg)
{
    struct stint_duties *d = arg;
    event_active(d->timer, EV_TIMEOUT, 0);
}

/* ---- The election -------------------------------------------------------- */

static void duties_gone(struct stint_duties *d)
{
    void (*fn)(void *arg) = d->on_resigned;
    d->on_resigned = NULL;
    if (fn != NULL)
        fn(d->resigned_arg);
}

static void duties_on_beat(const struct redisReply *reply,
                           const struct stint_err *err, void *arg)
{
    struct stint_duties *d = arg;
    d->beating = 0;
    log_settle(&d->log, 0);
    duties_want_tick(d);
    if (reply == NULL) {
        /* Where the fleet's part of a cluster is away nobody can be elected:
         * as every worker does, see to what is known. */
        d->leading = d->reaper.apart;
        reaper_missed(&d->reaper, NULL);
        log_debug(&d->log, log_event("call"),
                  log_text("verb", "fleet_heartbeat"),
                  log_text("error", err->text));
        return;
    }
    int leading = reply_i64(reply, 1) == 1;
    if (leading && !d->leading)
        log_debug(&d->log, log_event("lead"));
    d->leading = leading;
    for (size_t i = 3; i < reply_n(reply); i++) {
        size_t len;
        const char *name = reply_str(reply, i, &len);
        reaper_add_group(&d->reaper, name, len);
    }
}

static void duties_on_leave(const struct redisReply *reply,
                            const struct stint_err *err, void *arg)
{
    (void)reply, (void)err; /* its lease ends all the same */
    duties_gone(arg);
}

static void duties_beat(struct stint_duties *d, int leave)
{
    char lease[32];
    struct args a;
    args_init(&a);
    args_add_str(&a, d->name);
    args_add_str(&a, ""); /* no worker: no record */
    snprintf(lease, sizeof(lease), "%" PRId64, leave ? 0 : d->lease_ms);
    args_add_str(&a, lease);
    if (!leave)
        d->beating = 1;
    script_call(&d->caller, SCRIPT_FLEET_HEARTBEAT, NULL, &a,
                leave ? duties_on_leave : duties_on_beat, d);
    args_close(&a);
}

static void duties_on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct stint_duties *d = arg;
    int64_t now_ms = clock_mono_ms(), next = now_ms + d->heartbeat_ms;
    (void)fd, (void)what;
    if (d->has_resigned) {
        if (!d->leaving)
            duties_gone(d);
        return;
    }
    if (d->connected && !d->beating && d->beat_mono_ms <= now_ms) {
        d->beat_mono_ms = now_ms + d->heartbeat_ms;
        duties_beat(d, 0);
    }
    if (d->connected && d->leading) {
        int64_t due_ms = reaper_tick(&d->reaper, now_ms);
        next = due_ms < next ? due_ms : next;
    }
    if (!d->beating && d->beat_mono_ms < next)
        next = d->beat_mono_ms;
    int64_t wait_ms = next > now_ms ? next - now_ms : d->connected ? 1 : 1000;
    struct timeval tv = {(time_t)(wait_ms / 1000),
                         (suseconds_t)(wait_ms % 1000 * 1000)};
    evtimer_add(d->timer, &tv);
}

/* ---- The connection ------------------------------------------------------ */

static void duties_on_ready(const struct redisReply *reply,
                            const struct stint_err *err, void *arg)
{
    struct stint_duties *d = arg;
    int is_lost = reply == NULL && (err->code == STINT_UNREACHABLE ||
                                    err->code == STINT_UNKNOWN);
    if (reply == NULL && !(is_lost && d->reaper.apart)) {
        const struct timeval tv = {LOAD_AGAIN_MS / 1000, 0};
        if (!is_lost) /* it is the connection that is fine */
            evtimer_add(d->again, &tv);
        return;
    }
    d->connected = 1;
    d->beat_mono_ms = 0;
    duties_want_tick(d);
}

static void duties_on_again(evutil_socket_t fd, short what, void *arg)
{
    struct stint_duties *d = arg;
    (void)fd, (void)what;
    script_load(&d->caller, NULL, duties_on_ready, d);
}

static void duties_on_state(int connected, const struct stint_err *why,
                            void *arg)
{
    struct stint_duties *d = arg;
    if (connected && why != NULL)
        return; /* a part of a cluster is away, the rest goes on */
    evtimer_del(d->again);
    if (connected) {
        script_load(&d->caller, NULL, duties_on_ready, d);
        return;
    }
    if (d->connected || why->code != STINT_UNREACHABLE)
        log_warn(&d->log, log_event("disconnect"),
                 log_text("error", why->text));
    d->connected = 0;
    d->leading = 0;
    reaper_missed(&d->reaper, NULL);
}

/* ---- The public face ----------------------------------------------------- */

static void duties_name(struct stint_duties *d)
{
    unsigned char random[8] = {0};
    if (getrandom(random, sizeof(random), 0) < 0)
        memcpy(random, &(pid_t){getpid()}, sizeof(pid_t));
    int n = snprintf(d->name, sizeof(d->name), "duties.%d.", (int)getpid());
    for (size_t i = 0; i < sizeof(random); i++)
        n += snprintf(d->name + n, sizeof(d->name) - (size_t)n, "%02x",
                      random[i]);
}

static int duties_options(struct stint_duties *d,
                          const struct stint_duties_options *o,
                          struct stint_err *err)
{
    double s = o->heartbeat_s > 0 ? o->heartbeat_s : 3;
    const char *space = o->name_space != NULL ? o->name_space : "stint";
    if (s < 0.1 || s > 600)
        return err_set(err, STINT_INVALID,
                       "heartbeat must be from 0.1 to 600 seconds");
    if (!task_group_is_valid(space, strlen(space)))
        return err_set(err, STINT_INVALID, "namespace must be 1 to %d of "
                       "A-Za-z0-9_.-", STINT_NAME_LEN);
    snprintf(d->name_space, sizeof(d->name_space), "%s", space);
    d->heartbeat_ms = (int64_t)(s * 1000);
    d->lease_ms = LEASE_MS(d->heartbeat_ms);
    d->log_limit.clock = clock_mono_ms;
    d->log = (struct log){o->log, o->log_arg, &d->log_limit};
    duties_name(d);
    return conf_resolve(&d->conf, o->url, err);
}

static int duties_open(struct stint_duties *d, struct stint_err *err)
{
    d->timer = evtimer_new(d->base, duties_on_timer, d);
    d->again = evtimer_new(d->base, duties_on_again, d);
    if (d->timer == NULL || d->again == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    reaper_init(&d->reaper, &d->caller, &d->log, d->name, 2 * d->heartbeat_ms,
                d->lease_ms, clock_mono_ms);
    d->reaper.want_tick = duties_want_tick;
    d->reaper.want_arg = d;
    d->reaper.apart = d->conf.n_nodes > 0;
    d->store = store_async_open(&d->conf, d->base, CALL_DEADLINE_MS,
                                duties_on_state, d, err);
    if (d->store == NULL)
        return -1;
    script_caller_init(&d->caller, d->store, d->name_space);
    duties_want_tick(d);
    return 0;
}

stint_duties *stint_duties_start(const struct stint_duties_options *options,
                                 struct event_base *base,
                                 struct stint_err *err)
{
    struct stint_duties_options o = STINT_DUTIES_OPTIONS_INIT;
    if (options != NULL)
        memcpy(&o, options,
               options->size < sizeof(o) ? options->size : sizeof(o));
    stint_duties *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    d->base = base;
    if (duties_options(d, &o, err) < 0 || duties_open(d, err) < 0) {
        stint_duties_stop(d);
        return NULL;
    }
    return d;
}

void stint_duties_resign(stint_duties *d, void (*done)(void *arg), void *arg)
{
    int had_lead = d->leading && d->connected;
    if (d->has_resigned)
        return;
    d->has_resigned = 1;
    d->leading = 0;
    d->on_resigned = done;
    d->resigned_arg = arg;
    evtimer_del(d->timer);
    d->leaving = had_lead;
    if (had_lead)
        duties_beat(d, 1);
    else
        duties_want_tick(d);
}

void stint_duties_stop(stint_duties *d)
{
    if (d == NULL)
        return;
    d->on_resigned = NULL;
    if (d->store != NULL)
        d->store->ops->close(d->store);
    reaper_close(&d->reaper);
    if (d->timer != NULL)
        event_free(d->timer);
    if (d->again != NULL)
        event_free(d->again);
    free(d);
}
