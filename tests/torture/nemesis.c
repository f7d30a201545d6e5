/* SPDX-License-Identifier: MIT */
/* One function begins each fault and one ends it; they are in a table. Each
 * fault is written down before it begins and after it ended. */
#include "nemesis.h"

#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "netns.h"

#define BOOT_MS      20000
#define CUT_FSYNC_MS 25

static void pause_ms(long ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

struct node *nemesis_primary(const struct nemesis *n)
{
    return &n->nodes[atomic_load(&n->control->upstream)];
}

void nemesis_boot(struct nemesis *n, struct node *node, int rolled_back)
{
    history_add(&n->history, HISTORY_BOOT, OUTCOME_NONE, NULL, 0, 0,
                (int64_t)node_run_id(node), n->level, rolled_back, 0);
}

/* ---- Processes ------------------------------------------------------------------ */

static void kill_begin(struct nemesis *n, const struct act *a, int64_t now_ms)
{
    fleet_kill(n->fleet, a->n, a->target == TARGET_SUPERVISOR, now_ms,
               a->for_ms);
}

static void stop_begin(struct nemesis *n, const struct act *a, int64_t now_ms)
{
    (void)now_ms;
    n->stopped[a->n] = fleet_signal(n->fleet, a->n, SIGSTOP);
}

static void stop_end(struct nemesis *n, const struct act *a)
{
    /* That one: another may be there by now, its supervisor having died. */
    if (n->stopped[a->n] > 0)
        kill(n->stopped[a->n], SIGCONT);
}

static void worker_clock_begin(struct nemesis *n, const struct act *a,
                               int64_t now_ms)
{
    (void)now_ms;
    atomic_fetch_add(&n->control->workers[a->n].clock_ms, a->arg);
}

/* ---- Links ------------------------------------------------------------------------ */

static void link_set(struct nemesis *n, int slot, uint32_t mode, uint32_t arg)
{
    struct control_link *l = &n->control->links[slot];
    atomic_store(&l->mode, mode);
    atomic_store(&l->arg, arg);
    atomic_fetch_add(&l->serial, 1);
}

static void link_begin(struct nemesis *n, const struct act *a, int64_t now_ms)
{
    static const uint32_t modes[HISTORY_FAULTS_N] = {
        [FAULT_CONNECTION_RESET] = LINK_RESET,
        [FAULT_REPLY_DROPPED] = LINK_DROP_REPLY,
        [FAULT_REQUEST_CUT] = LINK_CUT_REQUEST,
        [FAULT_STALL] = LINK_STALL,
        [FAULT_SPLIT] = LINK_SPLIT,
        [FAULT_SLOW_LINK] = LINK_SLOW};
    (void)now_ms;
    link_set(n, a->n, modes[a->fault], (uint32_t)a->arg);
}

static void link_end(struct nemesis *n, const struct act *a)
{
    link_set(n, a->n, LINK_WELL, 0);
}

static void partition_begin(struct nemesis *n, const struct act *a,
                            int64_t now_ms)
{
    (void)now_ms;
    netns_cut(n->tag, a->n, 1);
}

static void partition_end(struct nemesis *n, const struct act *a)
{
    netns_cut(n->tag, a->n, 0);
}

/* ---- Redis: its life -------------------------------------------------------------- */

/* A server that is down is started; one that is not well is waited for. */
static int redis_raise(struct nemesis *n, struct node *node, int rolled_back)
{
    int was_down = 0;
    for (int tries = 0; tries < 3 && !n->is_over; tries++) {
        /* Its disk may be full or failing just now, and who would end that
         * waits here. */
        if (tries > 0) {
            atomic_store(&n->control->redis[node->n].enospc, 0);
            atomic_store(&n->control->redis[node->n].fsync_eio, 0);
        }
        if (node->pid == 0) {
            was_down = 1;
            if (node_start(node) < 0)
                return -1;
        }
        if (node_wait(node, BOOT_MS) == 0) {
            if (was_down)
                nemesis_boot(n, node, rolled_back);
            return 0;
        }
    }
    if (!n->is_over)
        fprintf(stderr, "nemesis: Redis %d does not come back\n", node->n);
    n->is_over = 1;
    return -1;
}

static void redis_kill_begin(struct nemesis *n, const struct act *a,
                             int64_t now_ms)
{
    (void)a, (void)now_ms;
    node_kill(nemesis_primary(n));
}

/* With a disk that takes its time, so that it strikes between a write and its
 * fsync, and not in the microseconds before the next one. */
static void power_cut_begin(struct nemesis *n, const struct act *a,
                            int64_t now_ms)
{
    struct node *node = nemesis_primary(n);
    (void)now_ms;
    atomic_store(&n->control->redis[node->n].fsync_ms, CUT_FSYNC_MS);
    pause_ms(5 * CUT_FSYNC_MS + a->arg % CUT_FSYNC_MS);
    node_kill(node);
    atomic_store(&n->control->redis[node->n].fsync_ms, 0);
    n->bytes_cut += node_power_cut(node, a->arg);
}

static void redis_mend_log(struct nemesis *n);

static void redis_end(struct nemesis *n, const struct act *a)
{
    (void)a;
    redis_mend_log(n);
}

/* The replica is promoted, and who was the primary comes back as its replica.
 * It has to be one that confirmed what was written a moment ago: no level
 * speaks of one that is still being made. */
static void failover_begin(struct nemesis *n, const struct act *a,
                           int64_t now_ms)
{
    struct node *old = nemesis_primary(n);
    struct node *new = &n->nodes[1 - old->n];
    (void)a, (void)now_ms;
    if (!node_has_replica(old)) {
        n->n_idle++;
        return;
    }
    node_kill(old);
    new->replica_of = 0;
    node_do(new, "REPLICAOF NO ONE");
    atomic_store(&n->control->upstream, (uint32_t)new->n);
    old->replica_of = new->port;
    nemesis_boot(n, new, 1);
}

static void failover_end(struct nemesis *n, const struct act *a)
{
    (void)a;
    for (int i = 0; i < n->n_nodes; i++)
        if (n->nodes[i].pid == 0)
            (void)redis_raise(n, &n->nodes[i], 1);
}

/* ---- Redis: not well ---------------------------------------------------------------- */

/* The log is written anew, before anything else happens to it. After a short
 * write to a full disk it may be broken in the middle, if it had been rewritten
 * before: a server that is stopped then does not come back. And one that ends
 * within a command of a MULTI is cut behind the one before it: the MULTI stays
 * open, and at the start after this one half of a script's writes are carried
 * out. Redis 7.0 goes on refusing writes after a failed fsync until its log is
 * turned off and on; from then until the rewrite has ended nothing it is told
 * outlives it, not even with appendfsync always, so only if it has to be. */
static void redis_mend_log(struct nemesis *n)
{
    struct node *node = nemesis_primary(n);
    (void)redis_raise(n, node, 1);
    if (node_refuses(node)) {
        node_do(node, "CONFIG SET appendonly no");
        node_do(node, "CONFIG SET appendonly yes");
    } else {
        freeReplyObject(node_command(node, "BGREWRITEAOF"));
    }
    node_wait_rewrite(node, BOOT_MS);
}

static void full_begin(struct nemesis *n, const struct act *a, int64_t now_ms)
{
    struct node *node = nemesis_primary(n);
    (void)a, (void)now_ms;
    if (node->is_tmpfs)
        node_fill(node, 1);
    else
        atomic_store(&n->control->redis[node->n].enospc, 1);
}

static void full_end(struct nemesis *n, const struct act *a)
{
    (void)a;
    for (int i = 0; i < n->n_nodes; i++) {
        atomic_store(&n->control->redis[i].enospc, 0);
        if (n->nodes[i].is_tmpfs)
            node_fill(&n->nodes[i], 0);
    }
    redis_mend_log(n);
}

static void eio_begin(struct nemesis *n, const struct act *a, int64_t now_ms)
{
    (void)a, (void)now_ms;
    atomic_store(&n->control->redis[nemesis_primary(n)->n].fsync_eio, 1);
}

static void eio_end(struct nemesis *n, const struct act *a)
{
    (void)a;
    for (int i = 0; i < 2; i++)
        atomic_store(&n->control->redis[i].fsync_eio, 0);
    redis_mend_log(n);
}

/* arg 0: clients are paused, 1: the disk is slow, 2: the process stands. */
static void slow_begin(struct nemesis *n, const struct act *a, int64_t now_ms)
{
    struct node *node = nemesis_primary(n);
    (void)now_ms;
    if (a->arg == 0)
        node_do(node, "CLIENT PAUSE %" PRId64 " ALL", a->for_ms);
    else if (a->arg == 1)
        atomic_store(&n->control->redis[node->n].fsync_ms, 300);
    else if (node->pid > 0)
        kill(node->pid, SIGSTOP);
}

static void slow_end(struct nemesis *n, const struct act *a)
{
    struct node *node = nemesis_primary(n);
    (void)a;
    for (int i = 0; i < 2; i++)
        atomic_store(&n->control->redis[i].fsync_ms, 0);
    if (node->pid > 0)
        kill(node->pid, SIGCONT);
}

/* arg 0: it is a replica of nobody, 1: too few replicas confirm. */
static void readonly_begin(struct nemesis *n, const struct act *a,
                           int64_t now_ms)
{
    struct node *node = nemesis_primary(n);
    (void)now_ms;
    if (a->arg == 0)
        node_do(node, "REPLICAOF 127.0.0.1 1");
    else
        node_do(node, "CONFIG SET min-replicas-to-write 5");
}

static void readonly_end(struct nemesis *n, const struct act *a)
{
    struct node *node = nemesis_primary(n);
    if (a->arg == 0)
        node_do(node, "REPLICAOF NO ONE");
    else
        node_do(node, "CONFIG SET min-replicas-to-write %d",
                node->wants_replica);
}

static void busy_begin(struct nemesis *n, const struct act *a, int64_t now_ms)
{
    (void)a, (void)now_ms;
    node_send(nemesis_primary(n),
              "EVAL while(true)do(function()end)()end 0");
}

static void busy_end(struct nemesis *n, const struct act *a)
{
    (void)a;
    node_do(nemesis_primary(n), "SCRIPT KILL");
}

static void memory_begin(struct nemesis *n, const struct act *a, int64_t now_ms)
{
    (void)a, (void)now_ms;
    node_do(nemesis_primary(n), "CONFIG SET maxmemory 1mb");
}

static void memory_end(struct nemesis *n, const struct act *a)
{
    (void)a;
    node_do(nemesis_primary(n), "CONFIG SET maxmemory 0");
}

/* Forth for good, back for a while: what was to come at a time that the clock
 * shows again an hour later only would rightly wait for it. */
static void clock_begin(struct nemesis *n, const struct act *a, int64_t now_ms)
{
    (void)now_ms;
    for (int i = 0; i < 2; i++)
        atomic_fetch_add(&n->control->redis[i].clock_ms, a->arg);
}

static void clock_end(struct nemesis *n, const struct act *a)
{
    for (int i = 0; i < 2 && a->arg < 0; i++)
        atomic_fetch_sub(&n->control->redis[i].clock_ms, a->arg);
}

static void flush_begin(struct nemesis *n, const struct act *a, int64_t now_ms)
{
    (void)a, (void)now_ms;
    node_do(nemesis_primary(n), "FUNCTION FLUSH");
    node_do(nemesis_primary(n), "SCRIPT FLUSH");
}

static void clients_begin(struct nemesis *n, const struct act *a,
                          int64_t now_ms)
{
    (void)now_ms;
    node_do(nemesis_primary(n), "CONFIG SET maxclients %" PRId64, a->arg);
    node_do(nemesis_primary(n), "CLIENT KILL TYPE normal SKIPME yes");
}

static void clients_end(struct nemesis *n, const struct act *a)
{
    (void)a;
    node_do(nemesis_primary(n), "CONFIG SET maxclients 10000");
}

/* arg 0: rights are taken, 1: the password is another one. */
static void rights_begin(struct nemesis *n, const struct act *a, int64_t now_ms)
{
    struct node *node = nemesis_primary(n);
    (void)now_ms;
    if (a->arg == 0) {
        node_do(node, "ACL SETUSER default -@all +ping +hello");
    } else {
        node_do(node, "ACL SETUSER default resetpass >another");
        node_do(node, "CLIENT KILL USER default");
    }
}

static void rights_end(struct nemesis *n, const struct act *a)
{
    (void)a;
    node_do(nemesis_primary(n), "ACL SETUSER default on nopass +@all");
}

static void rewrite_begin(struct nemesis *n, const struct act *a,
                          int64_t now_ms)
{
    (void)a, (void)now_ms;
    struct redisReply *r = node_command(nemesis_primary(n), "BGREWRITEAOF");
    freeReplyObject(r); /* one may be under way */
}

/* ---- The table ------------------------------------------------------------------------ */

static const struct {
    void (*begin)(struct nemesis *n, const struct act *a, int64_t now_ms);
    void (*end)(struct nemesis *n, const struct act *a);
    int stops_work; /* until its end; then recovery is timed */
} table[HISTORY_FAULTS_N] = {
    [FAULT_KILL_WORKER] = {kill_begin, NULL, 0},
    [FAULT_STOP_WORKER] = {stop_begin, stop_end, 0},
    [FAULT_KILL_CLIENT] = {kill_begin, NULL, 0},
    [FAULT_CONNECTION_RESET] = {link_begin, link_end, 0},
    [FAULT_REPLY_DROPPED] = {link_begin, link_end, 0},
    [FAULT_REQUEST_CUT] = {link_begin, link_end, 0},
    [FAULT_STALL] = {link_begin, link_end, 0},
    [FAULT_SPLIT] = {link_begin, link_end, 0},
    [FAULT_SLOW_LINK] = {link_begin, link_end, 0},
    [FAULT_PARTITION] = {partition_begin, partition_end, 0},
    [FAULT_REDIS_KILLED] = {redis_kill_begin, redis_end, 1},
    [FAULT_REDIS_POWER_CUT] = {power_cut_begin, redis_end, 1},
    [FAULT_REDIS_FAILOVER] = {failover_begin, failover_end, 1},
    [FAULT_REDIS_FULL] = {full_begin, full_end, 1},
    [FAULT_REDIS_SLOW] = {slow_begin, slow_end, 1},
    [FAULT_REDIS_READONLY] = {readonly_begin, readonly_end, 1},
    [FAULT_REDIS_BUSY] = {busy_begin, busy_end, 1},
    [FAULT_REDIS_NO_MEMORY] = {memory_begin, memory_end, 1},
    [FAULT_REDIS_CLOCK] = {clock_begin, clock_end, 1},
    [FAULT_WORKER_CLOCK] = {worker_clock_begin, NULL, 0},
    [FAULT_FUNCTIONS_FLUSHED] = {flush_begin, NULL, 1},
    [FAULT_MAX_CLIENTS] = {clients_begin, clients_end, 1},
    [FAULT_NO_PERMISSION] = {rights_begin, rights_end, 1},
    [FAULT_REWRITE] = {rewrite_begin, NULL, 1},
    [FAULT_DISK_ERROR] = {eio_begin, eio_end, 1},
};

/* ---- Carrying out ------------------------------------------------------------------------ */

static int act_is_possible(const struct nemesis *n, const struct act *a)
{
    int slots = n->fleet->o.workers + n->fleet->o.clients;
    if (table[a->fault].begin == NULL || n->n_active == ACTIVE_MAX)
        return 0;
    if (a->target != TARGET_REDIS && (a->n < 0 || a->n >= slots))
        return 0;
    if (a->fault == FAULT_PARTITION)
        return a->n < n->fleet->o.far;
    if (a->fault == FAULT_REDIS_FAILOVER)
        return n->n_nodes == 2;
    return 1;
}

static void act_begin(struct nemesis *n, const struct act *a, int64_t now_ms)
{
    if (!act_is_possible(n, a)) {
        n->n_skipped[a->fault]++;
        return;
    }
    uint32_t actor = a->target == TARGET_REDIS
                         ? 0
                         : atomic_load(&n->control->actor[a->n]);
    history_add(&n->history, HISTORY_FAULT_BEGIN, OUTCOME_NONE, NULL, 0, 0,
                a->fault, actor, a->line, a->arg);
    table[a->fault].begin(n, a, now_ms);
    n->n_done[a->fault]++;
    n->active[n->n_active].act = a;
    n->active[n->n_active].actor = actor;
    n->active[n->n_active++].end_ms = now_ms + a->for_ms;
}

static void act_end(struct nemesis *n, int i, int64_t now_ms)
{
    const struct act *a = n->active[i].act;
    if (table[a->fault].end != NULL)
        table[a->fault].end(n, a);
    history_add(&n->history, HISTORY_FAULT_END, OUTCOME_NONE, NULL, 0, 0,
                a->fault, n->active[i].actor, a->line, 0);
    if (table[a->fault].stops_work) {
        n->recovering[a->fault].end_ms = now_ms;
        n->recovering[a->fault].reported = atomic_load(&n->control->reported);
    }
    n->active[i] = n->active[--n->n_active];
}

static void nemesis_measure(struct nemesis *n, int64_t now_ms)
{
    uint64_t reported = atomic_load(&n->control->reported);
    for (int i = 1; i < HISTORY_FAULTS_N; i++) {
        if (n->recovering[i].end_ms == 0 ||
            n->recovering[i].reported == reported)
            continue;
        int64_t ms = now_ms - n->recovering[i].end_ms;
        n->worst_ms[i] = ms > n->worst_ms[i] ? ms : n->worst_ms[i];
        n->recovering[i].end_ms = 0;
    }
}

/* A server that has died: by a fault that goes on it is started at its end; by
 * none, that is a finding. */
static void nemesis_watch(struct nemesis *n)
{
    int is_faulty = 0, status;
    for (int i = 0; i < n->n_active; i++)
        is_faulty |= n->active[i].act->target == TARGET_REDIS;
    for (int i = 0; i < n->n_nodes; i++) {
        struct node *node = &n->nodes[i];
        if (node->pid > 0 && waitpid(node->pid, &status, WNOHANG) > 0)
            node->pid = 0;
        if (node->pid != 0 || is_faulty)
            continue;
        fprintf(stderr, "nemesis: Redis %d has died (%d)\n", i, status);
        n->n_crashes++;
        (void)redis_raise(n, node, 1);
    }
}

int nemesis_tick(struct nemesis *n, int64_t now_ms)
{
    nemesis_measure(n, now_ms);
    if (n->is_over)
        return 0;
    nemesis_watch(n);
    for (int i = n->n_active - 1; i >= 0; i--)
        if (now_ms >= n->active[i].end_ms)
            act_end(n, i, now_ms);
    while (n->next < n->plan->n &&
           now_ms >= n->begun_ms + n->plan->acts[n->next].at_ms)
        act_begin(n, &n->plan->acts[n->next++], now_ms);
    return n->next < n->plan->n || n->n_active > 0;
}

int nemesis_stop(struct nemesis *n, int64_t now_ms)
{
    while (n->n_active > 0)
        act_end(n, n->n_active - 1, now_ms);
    n->next = n->plan->n;
    return redis_raise(n, nemesis_primary(n), 1);
}
