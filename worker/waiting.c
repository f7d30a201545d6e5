/* SPDX-License-Identifier: MIT */
/* Connections that block until there is something to do: work (the wake-up
 * markers of groups) or a signal (a heartbeat is wanted at once). One Redis:
 * one connection of each kind, for all groups. A cluster: one of each kind for
 * each group, as a command cannot name keys of several slots, and one more for
 * the signals of the fleet. */
#include <hiredis/hiredis.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "worker.h"

#define WAIT_S  "30"
#define KEY_CAP (2 * STINT_NAME_LEN + 32)

static void wait_stop(struct worker_wait *wait)
{
    if (wait->waiting)
        store_async_reset(wait->caller->store);
}

#define ALL -1 /* groups, also those that come later */

static int wait_end(const struct worker_wait *wait)
{
    return wait->n == ALL ? wait->worker->n_groups : wait->first + wait->n;
}

static int wait_new(struct worker *w, int for_work, int for_fleet, int first,
                    int n, struct stint_err *err)
{
    struct worker_wait *wait = &w->waits[w->n_waits];
    check(w->n_waits < w->waits_cap);
    *wait = (struct worker_wait){.worker = w, .for_work = for_work,
                                 .for_fleet = for_fleet, .first = first,
                                 .n = n};
    if (w->open_wait != NULL && w->open_wait(wait, w->want_arg, err) < 0)
        return -1;
    w->n_waits++;
    return 0;
}

int waits_add(struct worker *w, int apart, struct stint_err *err)
{
    w->apart = apart;
    w->waits_cap = apart ? 2 * SERVED_MAX + 1 : 2;
    w->waits = calloc((size_t)w->waits_cap, sizeof(*w->waits));
    if (w->waits == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    if (apart)
        return wait_new(w, 0, 1, 0, 0, err) < 0 ? -1 : waits_follow(w, err);
    return wait_new(w, 1, 0, 0, ALL, err) < 0 ||
                   wait_new(w, 0, 1, 0, ALL, err) < 0 ? -1 : 0;
}

int waits_follow(struct worker *w, struct stint_err *err)
{
    if (!w->apart) /* what blocks does not know of them: it begins again */
        for (int i = 0; i < w->n_waits; i++)
            wait_stop(&w->waits[i]);
    for (int i = (w->n_waits - 1) / 2; w->apart && i < w->n_groups; i++)
        if (wait_new(w, 1, 0, i, 1, err) < 0 ||
            wait_new(w, 0, 0, i, 1, err) < 0)
            return -1;
    return 0;
}

int wait_key(const struct worker_wait *wait, const struct script_caller *c,
             char *key, size_t cap)
{
    const struct worker *w = wait->worker;
    const char *group = wait->n != 0 ? w->groups[wait->first].name : NULL;
    return wait->for_work ? script_wake_key(c, key, cap, group, NULL)
                          : script_signal_key(c, key, cap, group, w->name);
}

void wait_on_state(struct worker_wait *wait, int connected)
{
    struct worker *w = wait->worker;
    wait->connected = connected;
    /* A marker or a signal may have been popped for us and lost with the
     * connection. */
    for (int i = wait->first; connected && i < wait_end(wait); i++) {
        if (wait->for_work)
            w->groups[i].hungry = 1;
        else
            w->groups[i].nudged = 1;
    }
    if (connected && wait->for_fleet)
        w->fleet_mono_ms = 0;
    w->want_tick(w->want_arg);
}

/* ---- Replies ------------------------------------------------------------ */

/* A marker was popped: of which group, and when is its work due? */
static void wait_hear_marker(struct worker_wait *wait, const char *key,
                             double score)
{
    struct worker *w = wait->worker;
    for (int i = wait->first; i < wait_end(wait); i++) {
        struct worker_group *g = &w->groups[i];
        char own[KEY_CAP];
        int n = script_wake_key(wait->caller, own, sizeof(own), g->name, NULL);
        if (strncmp(key, own, (size_t)n) != 0 ||
            (key[n] != '\0' && key[n] != ':'))
            continue;
        int64_t at = exchange_mono_ms(g, (int64_t)score);
        g->marker = 1;
        g->passed_on = 0; /* should we be leaving it */
        if (at <= w->clock() || g->redis_off_us == 0)
            g->hungry = 1;
        else if (at < g->due_mono_ms)
            g->due_mono_ms = at;
    }
}

static void wait_hear_signal(struct worker_wait *wait, const char *key)
{
    struct worker *w = wait->worker;
    char own[KEY_CAP];
    for (int i = wait->first; i < wait_end(wait); i++) {
        script_signal_key(wait->caller, own, sizeof(own), w->groups[i].name,
                          w->name);
        if (strcmp(key, own) == 0)
            w->groups[i].nudged = 1;
    }
    script_signal_key(wait->caller, own, sizeof(own), NULL, w->name);
    if (strcmp(key, own) == 0)
        w->fleet_mono_ms = 0;
}

/* A right that is missing does not come back by itself: that is told. */
static void wait_failed(struct worker_wait *wait,
                        const struct redisReply *reply,
                        const struct stint_err *err)
{
    struct worker *w = wait->worker;
    const char *what = wait->for_work ? "wait" : "signals";
    struct stint_err why = {0};
    if (reply != NULL)
        err_from_reply(&why, reply->str, reply->len);
    else
        why = *err;
    int is_refused = why.code == STINT_AUTH;
    wait->again_mono_ms =
        w->clock() + (is_refused ? WORKER_REFUSED_MS : WORKER_BACK_OFF_MS);
    log_at(w->log, is_refused ? STINT_LOG_WARN : STINT_LOG_DEBUG,
           log_event("call"), log_text("verb", what),
           log_text("error", why.text));
}

static void wait_on_reply(const struct redisReply *reply,
                          const struct stint_err *err, void *arg)
{
    struct worker_wait *wait = arg;
    struct worker *w = wait->worker;
    size_t len;
    wait->waiting = 0;
    if (reply == NULL || reply->type == REDIS_REPLY_ERROR)
        wait_failed(wait, reply, err);
    if (reply_n(reply) == 3) {
        const char *key = reply_str(reply, 0, &len);
        if (wait->for_work)
            wait_hear_marker(wait, key,
                             strtod(reply_str(reply, 2, &len), NULL));
        else
            wait_hear_signal(wait, key);
    }
    w->want_tick(w->want_arg);
}

/* ---- Calls -------------------------------------------------------------- */

/* Keys of one command; they live until it is sent. */
struct keys {
    struct args args;
    char **at;
    int n;
};

static void keys_add(struct keys *k, const char *key)
{
    k->at[k->n] = strdup(key);
    check(k->at[k->n] != NULL);
    args_add_str(&k->args, k->at[k->n++]);
}

static void keys_add_work(struct keys *k, const struct worker_wait *wait)
{
    struct worker *w = wait->worker;
    char key[KEY_CAP];
    for (int i = wait->first; i < wait_end(wait); i++) {
        if (w->groups[i].stay != GROUP_SERVED)
            continue;
        for (int f = w->suspects > 0 ? -1 : -2; f < w->config->n_types; f++) {
            script_wake_key(wait->caller, key, sizeof(key), w->groups[i].name,
                            f == -2   ? "!lost"
                            : f == -1 ? NULL
                                      : w->config->types[f].name);
            keys_add(k, key);
        }
    }
}

static void keys_add_signals(struct keys *k, const struct worker_wait *wait)
{
    struct worker *w = wait->worker;
    char key[KEY_CAP];
    for (int i = wait->first; i < wait_end(wait); i++) {
        if (w->groups[i].stay == GROUP_GONE)
            continue;
        script_signal_key(wait->caller, key, sizeof(key), w->groups[i].name,
                          w->name);
        keys_add(k, key);
    }
    if (wait->for_fleet) {
        script_signal_key(wait->caller, key, sizeof(key), NULL, w->name);
        keys_add(k, key);
    }
}

static void wait_send(struct worker_wait *wait)
{
    struct keys k = {.n = 0};
    size_t groups = (size_t)(wait_end(wait) - wait->first);
    k.at = calloc(groups * ((size_t)wait->worker->config->n_types + 2) + 1,
                  sizeof(*k.at));
    check(k.at != NULL);
    args_init(&k.args);
    args_add_str(&k.args, "BZPOPMIN");
    if (wait->for_work)
        keys_add_work(&k, wait);
    else
        keys_add_signals(&k, wait);
    args_add_str(&k.args, WAIT_S);
    wait->no_suspects = wait->worker->suspects > 0;
    wait->waiting = 1;
    script_command(wait->caller, &k.args, wait_on_reply, wait);
    args_close(&k.args);
    while (k.n > 0)
        free(k.at[--k.n]);
    free(k.at);
}

void waits_stop(struct worker *w)
{
    for (int i = 0; i < w->n_waits; i++)
        if (w->waits[i].for_work)
            wait_stop(&w->waits[i]);
}

/* ---- Ticks -------------------------------------------------------------- */

/* In a cluster it may be for a group that we have left. */
static int wait_has_keys(const struct worker_wait *wait)
{
    for (int i = wait->first; i < wait_end(wait); i++) {
        enum group_stay stay = wait->worker->groups[i].stay;
        if (wait->for_work ? stay == GROUP_SERVED : stay != GROUP_GONE)
            return 1;
    }
    return wait->for_fleet;
}

static int64_t waits_tick(struct worker *w, int64_t now_ms, int for_work)
{
    int64_t next = INT64_MAX;
    for (int i = 0; i < w->n_waits; i++) {
        struct worker_wait *wait = &w->waits[i];
        if (wait->for_work != for_work || wait->waiting || !wait->connected ||
            !wait_has_keys(wait))
            continue;
        if (now_ms >= wait->again_mono_ms)
            wait_send(wait);
        else if (wait->again_mono_ms < next)
            next = wait->again_mono_ms;
    }
    return next;
}

int64_t waits_tick_work(struct worker *w, int64_t now_ms, int has_room)
{
    for (int i = 0; i < w->n_waits; i++) {
        struct worker_wait *wait = &w->waits[i];
        if (wait->for_work && wait->waiting && wait->no_suspects &&
            w->suspects == 0) {
            wait->no_suspects = 0; /* now it may wait for such a task, too */
            wait_stop(wait);
        }
    }
    return has_room ? waits_tick(w, now_ms, 1) : INT64_MAX;
}

int64_t waits_tick_signals(struct worker *w, int64_t now_ms)
{
    return waits_tick(w, now_ms, 0);
}
