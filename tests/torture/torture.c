/* SPDX-License-Identifier: MIT */
/* Runs a campaign: a Redis (two where one is to fail over), a fleet, clients,
 * and the nemesis. Load and faults together; then the faults stop and all has
 * to come to an end; then all of Redis is written down and everything judged.
 * How to call it: ./run --help. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <stint/stint.h>

#include "dump.h"
#include "fleet.h"
#include "nemesis.h"
#include "netns.h"
#include "plan.h"

struct size {
    const char *name;
    int64_t tasks, length_ms, drain_ms;
    int workers, clients, lanes, concurrency;
    int64_t tmpfs_mb;
    double heartbeat_s;
};

/* A rate that two cores bear beside the faults. Not much over an hour: then
 * Redis forgets the ids of what ended first, and nobody could say that it is
 * lost. ./run makes of ten nights a release. */
static const struct size sizes[] = {
    {"ci", 20000, 45000, 45000, 4, 2, 2, 8, 256, 0.5},
    {"nightly", 10000000, 3000000, 300000, 6, 4, 2, 32, 0, 0.5},
};
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

struct campaign {
    const char *bin, *source, *keep, *plan_path, *only, *commit;
    char dir[200];
    struct size size;
    uint64_t seed;
    int level, is_tty;
    struct plan plan;
    struct control *control;
    struct node nodes[2];
    int n_nodes, far;
    struct fleet fleet;
    struct nemesis nemesis;
    struct dump dump;
    char shim[300], control_path[300];
    int64_t begun_ms, loaded_ms, drained_ms;
    int stuck, verdict; /* of the checker; -1: it did not run */
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
    (void)number;
    interrupted = 1;
}

static int64_t mono_ms(void)
{
    return (int64_t)(history_now_us() / 1000);
}

static void pause_ms(long ms)
{
    struct timespec t = {0, ms * 1000000};
    nanosleep(&t, NULL);
}

/* ---- Setting up ----------------------------------------------------------------- */

static int campaign_nodes(struct campaign *c)
{
    c->n_nodes = c->level == 2 ? 1 : 2;
    for (int i = 0; i < c->n_nodes; i++) {
        struct node *n = &c->nodes[i];
        *n = (struct node){.n = i, .level = c->level, .shim = c->shim,
                           .control = c->control_path,
                           .wants_replica = c->level == 3,
                           .tmpfs_mb = c->size.tmpfs_mb};
        snprintf(n->dir, sizeof(n->dir), "%s/redis%d", c->dir, i);
        n->replica_of = i == 1 ? c->nodes[0].port : 0;
        if (node_init(n) < 0 || node_start(n) < 0 || node_wait(n, 10000) < 0) {
            fprintf(stderr, "torture: Redis does not start, see %s.log\n",
                    n->dir);
            return -1;
        }
        nemesis_boot(&c->nemesis, n, 0);
    }
    for (int i = 0; i < 100 && c->n_nodes == 2; i++, pause_ms(50))
        if (node_has_replica(&c->nodes[0]))
            return 0;
    return c->n_nodes == 2 ? -1 : 0;
}

static int campaign_plan(struct campaign *c)
{
    char path[300];
    struct plan_options o = {.seed = c->seed,
                             .length_ms = c->size.length_ms,
                             .level = c->level,
                             .workers = c->size.workers,
                             .clients = c->size.clients,
                             .far = 2, /* whether they can be made or not */
                             .lanes = c->size.lanes,
                             .only = c->only};
    if (c->plan_path != NULL)
        return plan_read(&c->plan, c->plan_path);
    snprintf(path, sizeof(path), "%s/plan", c->dir);
    return plan_make(&c->plan, &o) < 0 || plan_write(&c->plan, path) < 0 ? -1
                                                                         : 0;
}

static void campaign_netns(struct campaign *c)
{
    while (c->far < 2 && netns_make(getpid(), c->far) == 0)
        c->far++;
    if (c->far < 2)
        fprintf(stderr, "torture: no network namespaces here: partitions are "
                        "skipped\n");
}

static int campaign_open(struct campaign *c)
{
    char path[300];
    snprintf(c->shim, sizeof(c->shim), "%s/torture_shim.so", c->bin);
    snprintf(c->control_path, sizeof(c->control_path), "%s/control", c->dir);
    snprintf(path, sizeof(path), "%s/history", c->dir);
    if (mkdir(path, 0700) < 0 && errno != EEXIST) {
        perror(path);
        return -1;
    }
    c->control = control_map(c->control_path, 1);
    c->nemesis = (struct nemesis){.plan = &c->plan,
                                  .control = c->control,
                                  .fleet = &c->fleet,
                                  .nodes = c->nodes,
                                  .level = c->level,
                                  .tag = getpid()};
    history_open(&c->nemesis.history, path, ACTOR_NEMESIS);
    if (campaign_plan(c) < 0 || campaign_nodes(c) < 0)
        return -1;
    c->nemesis.n_nodes = c->n_nodes;
    campaign_netns(c);
    c->fleet.o = (struct fleet_options){
        .dir = c->dir,
        .bin = c->bin,
        .seed = c->seed,
        .workers = c->size.workers,
        .clients = c->size.clients,
        .concurrency = c->size.concurrency,
        .prefetch = 4,
        .far = c->far,
        .tag = getpid(),
        .tasks = c->size.tasks,
        .rate = 1 + c->size.tasks * 1000 / c->size.length_ms /
                        c->size.clients,
        .level = c->level,
        .heartbeat_s = c->size.heartbeat_s};
    c->fleet.control = c->control;
    return fleet_open(&c->fleet);
}

static void campaign_close(struct campaign *c)
{
    fleet_close(&c->fleet);
    for (int i = 0; i < c->n_nodes; i++)
        node_kill(&c->nodes[i]);
    for (int i = 0; i < c->far; i++)
        netns_remove(getpid(), i);
    for (int i = 0; i < c->n_nodes; i++)
        node_remove(&c->nodes[i]);
    history_close(&c->nemesis.history);
    plan_close(&c->plan);
}

/* ---- Running ---------------------------------------------------------------------- */

static void campaign_phase(struct campaign *c, int phase)
{
    history_add(&c->nemesis.history, HISTORY_PHASE, OUTCOME_NONE, NULL, 0, 0,
                phase, 0, 0, 0);
}

static int64_t campaign_queued(const struct campaign *c)
{
    int64_t n = 0;
    for (int i = 0; i < SLOTS_MAX; i++)
        n += (int64_t)atomic_load(&c->control->queued[i]);
    return n;
}

static void campaign_show(const struct campaign *c, int64_t now_ms)
{
    const struct nemesis *n = &c->nemesis;
    char bar[31];
    if (!c->is_tty)
        return;
    int64_t done = campaign_queued(c);
    int full = (int)(30 * done / c->size.tasks);
    full = full > 30 ? 30 : full;
    memset(bar, ' ', 30);
    memset(bar, '#', (size_t)full);
    bar[30] = '\0';
    fprintf(stderr, "\r[%s] %" PRId64 " s, %" PRId64 " queued, %" PRIu64
            " runs, faults %d of %d%-24s", bar, (now_ms - c->begun_ms) / 1000,
            done, atomic_load(&c->control->reported), n->next, c->plan.n,
            n->n_active > 0 ? history_fault_word(n->active[0].act->fault)
                            : "");
}

static void campaign_load(struct campaign *c)
{
    int64_t shown_ms = 0, now_ms = mono_ms(), end_ms;
    int more = 1;
    campaign_phase(c, 0);
    c->begun_ms = c->nemesis.begun_ms = now_ms;
    end_ms = now_ms + 3 * c->size.length_ms + c->size.drain_ms;
    while (!interrupted && now_ms < end_ms && !c->nemesis.is_over &&
           (more || fleet_clients_left(&c->fleet) > 0)) {
        fleet_tick(&c->fleet, now_ms);
        more = nemesis_tick(&c->nemesis, now_ms);
        if (now_ms > shown_ms + 250) {
            campaign_show(c, now_ms);
            shown_ms = now_ms;
        }
        pause_ms(5);
        now_ms = mono_ms();
    }
    if (fleet_clients_left(&c->fleet) > 0) {
        fprintf(stderr, "torture: %d clients did not end\n",
                fleet_clients_left(&c->fleet));
        c->stuck++;
    }
    if (nemesis_stop(&c->nemesis, now_ms) < 0)
        c->stuck++;
    c->loaded_ms = now_ms;
    campaign_phase(c, 1);
}

/* ---- Draining ----------------------------------------------------------------------- */

struct left {
    stint *s;
    int64_t n;
    int shown;
};

static int left_on_stats(const struct stint_stats *t, void *arg)
{
    struct left *left = arg;
    left->n += t->queued + t->unknown + t->disabled + t->assigned +
               t->running + t->waiting;
    return 0;
}

static int left_on_task(const struct stint_status *t, void *arg)
{
    struct left *left = arg;
    struct stint_why why;
    struct stint_err err = {0};
    if (stint_why(left->s, "main", t->id, &why, &err) < 0)
        snprintf(why.reason, sizeof(why.reason), "%s", err.text);
    fprintf(stderr, "torture: stuck: %s %s: %s\n", t->id, t->status,
            why.reason);
    return ++left->shown >= 10;
}

static void left_show(struct left *left)
{
    static const char *const statuses[] = {"QUEUED", "ASSIGNED", "RUNNING"};
    for (int i = 0; i < 3 && left->shown < 10; i++) {
        struct stint_list_options o = STINT_LIST_OPTIONS_INIT;
        struct stint_err err = {0};
        o.status = statuses[i];
        o.limit = 10;
        if (stint_list(left->s, &o, left_on_task, left, &err) < 0)
            fprintf(stderr, "torture: list: %s\n", err.text);
    }
}

static void campaign_drain(struct campaign *c)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    struct left left = {0};
    char url[300];
    snprintf(url, sizeof(url), "unix://%s/redis.sock",
             nemesis_primary(&c->nemesis)->dir);
    o.url = url;
    left.s = stint_open(&o, &err);
    int64_t now_ms = mono_ms(), end_ms = now_ms + c->size.drain_ms;
    for (left.n = 1; left.s != NULL && left.n > 0 && now_ms < end_ms &&
                     !interrupted && !c->nemesis.is_over;
         now_ms = mono_ms()) {
        fleet_tick(&c->fleet, now_ms);
        nemesis_tick(&c->nemesis, now_ms);
        campaign_show(c, now_ms);
        left.n = 0;
        if (stint_stats(left.s, "main", left_on_stats, &left, &err) < 0)
            left.n = 1;
        if (left.n > 0)
            pause_ms(50);
    }
    if (left.n > 0) {
        fprintf(stderr, "torture: %" PRId64 " tasks have not ended %" PRId64
                " s after the last fault %s\n", left.n,
                c->size.drain_ms / 1000, err.text);
        c->stuck++;
        if (left.s != NULL)
            left_show(&left);
    }
    stint_close(left.s);
    c->drained_ms = mono_ms();
    campaign_phase(c, 2);
    if (fleet_leave(&c->fleet, 15000) < 0)
        c->stuck++;
}

static void campaign_dump(struct campaign *c)
{
    struct history h;
    char path[300];
    snprintf(path, sizeof(path), "%s/history", c->dir);
    history_open(&h, path, ACTOR_DUMP);
    if (dump_all(nemesis_primary(&c->nemesis), &h, &c->dump) < 0)
        c->stuck++;
    history_close(&h);
    campaign_phase(c, 3);
}

/* ---- Judging ---------------------------------------------------------------------------- */

/* The checker is a program of its own. */
static void campaign_check(struct campaign *c)
{
    char path[300], histories[300], level[8];
    int status;
    snprintf(path, sizeof(path), "%s/../check", c->bin);
    snprintf(level, sizeof(level), "%d", c->level);
    snprintf(histories, sizeof(histories), "%s/history", c->dir);
    c->verdict = -1;
    if (access(path, X_OK) < 0)
        return;
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        execl(path, path, histories, "--level", level, (char *)NULL);
        _exit(127);
    }
    if (pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status))
        c->verdict = WEXITSTATUS(status);
}

static int64_t campaign_sum(const struct campaign *c, int a, int b, int d)
{
    const int64_t *n = c->nemesis.n_done;
    return n[a] + (b > 0 ? n[b] : 0) + (d > 0 ? n[d] : 0);
}

static int campaign_is_good(const struct campaign *c)
{
    return c->stuck == 0 && c->fleet.n_crashes == 0 &&
           c->nemesis.n_crashes == 0 && c->dump.n_faults == 0 &&
           c->dump.n_strange == 0 && c->verdict <= 0;
}

static void campaign_table(const struct campaign *c)
{
    const struct nemesis *n = &c->nemesis;
    printf("%-18s %8s %8s %8s  worst ms from its end to the next report\n",
           "fault", "planned", "done", "skipped");
    for (int f = 1; f < HISTORY_FAULTS_N; f++) {
        int planned = 0;
        for (int i = 0; i < c->plan.n; i++)
            planned += c->plan.acts[i].fault == f;
        if (planned == 0)
            continue;
        printf("%-18s %8d %8" PRId64 " %8" PRId64, history_fault_word(f),
               planned, n->n_done[f], n->n_skipped[f]);
        if (n->worst_ms[f] > 0)
            printf("  %" PRId64, n->worst_ms[f]);
        printf("\n");
    }
}

static void campaign_summary(const struct campaign *c)
{
    const struct nemesis *n = &c->nemesis;
    int64_t hits = 0;
    if (c->is_tty)
        fprintf(stderr, "\n");
    for (int i = 0; i < SLOTS_MAX; i++)
        hits += (int64_t)atomic_load(&c->control->links[i].hits);
    campaign_table(c);
    printf("%" PRId64 " tasks, %" PRIu64 " runs reported, level %d; %.1f s "
           "load, %.1f s drain\n", c->dump.n_tasks,
           atomic_load(&c->control->reported), c->level,
           (double)(c->loaded_ms - c->begun_ms) / 1000,
           (double)(c->drained_ms - c->loaded_ms) / 1000);
    for (int s = 0; s <= HS_LOST; s++)
        if (c->dump.by_status[s] > 0) {
            static const char *const words[] = {
                "pruned", "QUEUED", "ASSIGNED", "RUNNING", "COMPLETED", "FAILED",
                "TIMEOUT", "STOPPED", "EXPIRED", "LOST"};
            printf("  %s %" PRId64 "\n", words[s], c->dump.by_status[s]);
        }
    printf("%" PRId64 " link faults met traffic, %" PRId64 " bytes cut from "
           "logs, %d workers found no Redis at their start\n", hits,
           n->bytes_cut, c->fleet.n_refused);
    printf("crashes %d, Redis's own %" PRId64 ", stuck %d, fsck %" PRId64
           ", keys without an owner %" PRId64 ", checker %s\n",
           c->fleet.n_crashes, n->n_crashes, c->stuck, c->dump.n_faults,
           c->dump.n_strange,
           c->verdict < 0 ? "not there" : c->verdict == 0 ? "good" : "BAD");
    printf("seed %" PRIu64 ", size %s, commit %s\n", c->seed, c->size.name,
           c->commit);
    if (!campaign_is_good(c)) {
        printf("verdict: BAD\n");
        return;
    }
    int64_t lost = campaign_queued(c) - c->dump.n_tasks;
    printf("verdict: good\n0 of %" PRId64 " tasks lost or doubled through %"
           PRId64 " kills of workers, %" PRId64 " stops of Redis, %" PRId64
           " failovers, %" PRId64 " faults of connections and %" PRId64
           " partitions (level %d, seed %" PRIu64 ", commit %s): with 95 %% "
           "confidence below %.2g", c->dump.n_tasks,
           campaign_sum(c, FAULT_KILL_WORKER, 0, 0),
           campaign_sum(c, FAULT_REDIS_KILLED, FAULT_REDIS_POWER_CUT, 0),
           campaign_sum(c, FAULT_REDIS_FAILOVER, 0, 0) - n->n_idle,
           campaign_sum(c, FAULT_CONNECTION_RESET, FAULT_REPLY_DROPPED,
                        FAULT_REQUEST_CUT) +
               campaign_sum(c, FAULT_STALL, FAULT_SPLIT, FAULT_SLOW_LINK),
           campaign_sum(c, FAULT_PARTITION, 0, 0), c->level, c->seed,
           c->commit, 3.0 / (double)(c->dump.n_tasks > 0 ? c->dump.n_tasks
                                                         : 1));
    if (c->level == 1 && lost > 0)
        printf("; besides, %" PRId64 " tasks went with the last moments of a "
               "stopped Redis, as level 1 says", lost);
    printf("\n");
}

/* ---- Options ------------------------------------------------------------------------------ */

static int campaign_options(struct campaign *c, int argc, char **argv)
{
    static const struct option options[] = {
        {"bin", 1, NULL, 'b'}, {"commit", 1, NULL, 'c'},
        {"size", 1, NULL, 's'}, {"seed", 1, NULL, 'S'},
        {"tasks", 1, NULL, 't'}, {"level", 1, NULL, 'l'},
        {"keep", 1, NULL, 'k'}, {"plan", 1, NULL, 'p'},
        {"only", 1, NULL, 'o'}, {"seconds", 1, NULL, 'T'}, {0, 0, 0, 0}};
    int64_t tasks = 0, seconds = 0;
    int option;
    c->size = sizes[0];
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        size_t i = 0;
        switch (option) {
        case 'b': c->bin = optarg; break;
        case 'c': c->commit = optarg; break;
        case 'S': c->seed = strtoull(optarg, NULL, 10); break;
        case 't': tasks = strtoll(optarg, NULL, 10); break;
        case 'T': seconds = strtoll(optarg, NULL, 10); break;
        case 'l': c->level = (int)strtol(optarg, NULL, 10); break;
        case 'k': c->keep = optarg; break;
        case 'p': c->plan_path = optarg; break;
        case 'o': c->only = optarg; break;
        case 's':
            while (i < N_SIZES && strcmp(sizes[i].name, optarg) != 0)
                i++;
            if (i == N_SIZES)
                return -1;
            c->size = sizes[i];
            break;
        default: return -1;
        }
    }
    if (tasks > 0)
        c->size.tasks = tasks;
    if (seconds > 0)
        c->size.length_ms = seconds * 1000;
    return optind == argc && c->bin != NULL && c->level >= 1 && c->level <= 3
               ? 0
               : -1;
}

static int campaign_dir(struct campaign *c)
{
    const char *tmp = getenv("TMPDIR");
    if (c->keep != NULL) {
        char *whole = mkdir(c->keep, 0700) < 0 ? NULL
                                               : realpath(c->keep, NULL);
        if (whole == NULL) {
            perror(c->keep);
            return -1;
        }
        snprintf(c->dir, sizeof(c->dir), "%s", whole);
        free(whole);
    } else {
        snprintf(c->dir, sizeof(c->dir), "%s/torture.XXXXXX",
                 tmp != NULL ? tmp : "/tmp");
        if (mkdtemp(c->dir) == NULL) {
            perror(c->dir);
            return -1;
        }
    }
    if (strlen(c->dir) > 70) { /* unix sockets lie in it */
        fprintf(stderr, "torture: %s: too long a path\n", c->dir);
        return -1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct campaign c; /* large; zeroed */
    c.level = 1;
    c.commit = "unknown";
    c.seed = history_now_us() % 1000000;
    c.is_tty = isatty(2);
    if (campaign_options(&c, argc, argv) < 0) {
        fprintf(stderr, "torture: see tests/torture/run --help\n");
        return 64;
    }
    if (campaign_dir(&c) < 0)
        return 70;
    signal(SIGPIPE, SIG_IGN);
    signal(SIGINT, on_signal);
    signal(SIGTERM, on_signal);
    printf("torture: size %s, seed %" PRIu64 ", level %d, in %s\n",
           c.size.name, c.seed, c.level, c.dir);
    fflush(stdout);
    if (campaign_open(&c) == 0) {
        campaign_load(&c);
        campaign_drain(&c);
        campaign_dump(&c);
        campaign_check(&c);
        campaign_summary(&c);
    } else {
        c.stuck = 1;
    }
    campaign_close(&c);
    int good = campaign_is_good(&c) && !interrupted;
    return good ? 0 : 1;
}
