/* SPDX-License-Identifier: MIT */
/* sim_fleet [--seeds N] [--seed N] [--from N] [--faults LIST]
 *           [--features LIST] [--twice] [--trace] [--fsck-every N] [--redis]
 *           [--large] [--shrink] [--probes PERMILLE] [--strict]
 * Runs seeds until one fails or all are done. */
#define _GNU_SOURCE /* sched_setaffinity */
#include <getopt.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "lua_scripts.h"
#include "sim.h"

const char *const sim_groups[SIM_GROUPS] = {"main", "images", "main~1"};

const char *sim_group_shown(int group)
{
    return sim_groups[group < SIM_NAMED ? group : 0];
}

struct sim_options {
    uint64_t from, n;
    int faults; /* -1: by the seed */
    const char *fault_list; /* as given, or NULL */
    int features;           /* -1: by the seed */
    const char *feature_list;
    int is_twice, is_traced, fsck_every, is_real, is_large, is_to_shrink;
    int probes, probe_fails;
};

struct sim_totals {
    uint64_t n_calls, n_runs, n_recovered, n_ms;
    int spins_max;
    struct sim_probed probed[SCRIPT_N];
};

/* ---- A seed ------------------------------------------------------------- */

struct sim_word {
    const char *word;
    int bit;
    const char *text;
};

#define SIM_WORD(name, word, text) {word, name, text},
static const struct sim_word fault_words[] = {SIM_FAULTS(SIM_WORD)};
static const struct sim_word feature_words[] = {SIM_FEATURES(SIM_WORD)};
#undef SIM_WORD

/* One seed in five has none, the others each with a chance of a third. */
static int sim_draw_faults(struct sim *s)
{
    int faults = 0, is_calm = sim_chance(s, 200);
    for (int i = 0; i < SIM_FAULTS_N; i++)
        if (sim_chance(s, 330))
            faults |= 1 << i;
    return is_calm ? 0 : faults;
}

/* Each with a chance of a half; one seed in ten has none. */
static int sim_draw_features(struct sim *s)
{
    uint64_t dice = s->seed * 0xd1342543de82ef95u + 7;
    int features = (int)dice_random(&dice, 1 << SIM_FEATURES_N);
    for (int i = 0; i < SIM_FEATURES_N; i++)
        s->dice[i] = s->seed * 0x2545f4914f6cdd1du + (uint64_t)i * 977;
    return dice_chance(&dice, 100) ? 0 : features;
}

/* Clocks change here and there, half a minute after these. */
static int64_t sim_draw_epoch(uint64_t *dice)
{
    static const int64_t epochs[] = {
        1711846770000, /* 2024-03-31 00:59:30, Berlin goes forward */
        1729990770000, /* 2024-10-27 00:59:30, and back */
        1710053970000, /* 2024-03-10 06:59:30, New York goes forward */
        1730613570000, /* 2024-11-03 05:59:30, and back */
        1712415570000, /* 2024-04-06 14:59:30, Lord Howe by half an hour */
    };
    return dice_chance(dice, 500) ? SIM_EPOCH_MS
                                  : epochs[dice_random(dice, 5)];
}

static void sim_begin(struct sim *s, const struct sim_options *o)
{
    int drawn = sim_draw_faults(s);
    s->faults = o->faults >= 0 ? o->faults : drawn;
    drawn = sim_draw_features(s);
    s->features = o->features >= 0 ? o->features : drawn;
    if (s->server->m == NULL) /* it can be rolled back there only */
        s->faults &= ~(FAULT_ROLLBACK | FAULT_FAILOVER);
    if (s->faults & (FAULT_ROLLBACK | FAULT_FAILOVER))
        s->features &= ~FEATURE_FLEET; /* commands could be forgotten */
    s->begin_ms = s->now_ms;
    s->redis_off_ms = SIM_EPOCH_MS;
    uint64_t *cron = sim_dice(s, FEATURE_CRON_AT);
    if (cron != NULL)
        s->redis_off_ms = sim_draw_epoch(cron);
    s->heartbeat_ms = sim_between(s, 4, 12) * 250;
    s->groups = 3;
    if (s->is_large) {
        s->end_ms = s->begin_ms + sim_between(s, 10, 25) * s->heartbeat_ms;
        s->n_workers = (int)sim_between(s, 1, SIM_WORKERS_MAX);
    } else {
        s->end_ms = s->begin_ms + sim_between(s, 2, 6) * s->heartbeat_ms;
        s->n_workers = (int)sim_between(s, 1, 5) / 2;
        s->n_workers += s->n_workers == 0;
        int dice = (int)sim_random(s, 100);
        s->groups = dice < 45 ? 2 : dice < 70 ? 1 : 3;
    }
    s->latency_ms_max = (int)sim_between(s, 1, 4); /* 0: no time passes */
    sim_redis_begin(s);
    for (int i = 0; i < s->n_workers; i++)
        sim_worker_start(s, i);
    sim_client_begin(s);
    sim_draw_plan(s);
    sim_faults_plan(s);
}

static int sim_is_over(const struct sim *s)
{
    int n = 0;
    for (int i = 0; i < s->n_workers; i++)
        n += s->workers[i] != NULL;
    return s->is_leaving && n == 0;
}

static uint64_t sim_first_random(uint64_t seed)
{
    return seed * 0x632be59bd9b4e019u + 1;
}

/* Returns the digest of all that happened. */
static uint64_t sim_seed(struct sim_server *server,
                         const struct sim_options *o, uint64_t seed,
                         struct sim_totals *totals)
{
    struct sim *s = calloc(1, sizeof(*s));
    check(s != NULL);
    s->server = server;
    s->seed = seed;
    s->random = sim_first_random(seed);
    s->digest = 0xcbf29ce484222325u;
    s->now_ms = 10000;
    s->is_traced = o->is_traced;
    s->fsck_every = o->fsck_every;
    s->is_quiet = o->n > 1 && !o->is_twice && !o->is_traced;
    s->shrinks = s->is_quiet && !o->is_real;
    s->is_large = o->is_large;
    s->probes = server->m != NULL ? o->probes : 0;
    s->probe_fails = o->probe_fails;
    s->probe_dice = seed * 0x9e6c63d0876a9a47u + 3;
    s->probed = totals->probed;
    s->fault_list = o->fault_list;
    s->feature_list = o->feature_list;
    sim_set_clock(s->now_ms);
    sim_begin(s, o);
    while (!sim_is_over(s))
        if (!sim_step(s))
            sim_fail(s, "nothing is left to happen");
    sim_check_end(s);
    totals->n_calls += s->n_calls;
    totals->n_runs += (uint64_t)s->n_runs;
    totals->n_recovered += (uint64_t)s->n_recovered;
    totals->n_ms += (uint64_t)(s->now_ms - s->begin_ms);
    if (s->spins_max > totals->spins_max)
        totals->spins_max = s->spins_max;
    uint64_t digest = s->digest;
    sim_redis_forget_all(s);
    sim_rollback_end(s);
    sim_redis_end(s);
    sim_worker_end(s);
    sim_store_end(s);
    sim_client_end(s);
    sim_run_end(s);
    free(s->heap);
    free(s);
    return digest;
}

/* ---- Options ------------------------------------------------------------ */

/* -2: no such word. */
static int options_words(const char *list, const struct sim_word *words,
                         int n)
{
    char text[200];
    int bits = 0;
    snprintf(text, sizeof(text), "%s", list);
    char *at = NULL;
    for (char *w = strtok_r(text, ",", &at); w; w = strtok_r(NULL, ",", &at)) {
        int i = 0;
        while (i < n && strcmp(words[i].word, w) != 0)
            i++;
        if (i < n)
            bits |= words[i].bit;
        else if (strcmp(w, "all") == 0)
            bits = (1 << n) - 1;
        else if (strcmp(w, "none") != 0)
            return -2;
    }
    return bits;
}

static int options_usage(void)
{
    fprintf(stderr,
            "usage: sim_fleet [--seeds N] [--from N] [--seed N]\n"
            "                 [--faults LIST] [--features LIST] [--twice]\n"
            "                 [--trace] [--fsck-every N] [--redis]\n"
            "                 [--large] [--shrink] [--probes PERMILLE] "
            "[--strict]\n"
            "faults (also: none, all; without the option by the seed):\n");
    for (int i = 0; i < SIM_FAULTS_N; i++)
        fprintf(stderr, "  %-8s %s\n", fault_words[i].word,
                fault_words[i].text);
    fprintf(stderr, "features (the same):\n");
    for (int i = 0; i < SIM_FEATURES_N; i++)
        fprintf(stderr, "  %-8s %s\n", feature_words[i].word,
                feature_words[i].text);
    return 2;
}

static int options_read(struct sim_options *o, int argc, char **argv)
{
    static const struct option known[] = {
        {"seeds", required_argument, NULL, 'n'},
        {"seed", required_argument, NULL, 's'},
        {"from", required_argument, NULL, 'b'},
        {"faults", required_argument, NULL, 'f'},
        {"features", required_argument, NULL, 'x'},
        {"fsck-every", required_argument, NULL, 'e'},
        {"twice", no_argument, NULL, '2'},
        {"trace", no_argument, NULL, 't'},
        {"redis", no_argument, NULL, 'r'},
        {"large", no_argument, NULL, 'l'},
        {"probes", required_argument, NULL, 'p'},
        {"strict", no_argument, NULL, 'i'},
        {"shrink", no_argument, NULL, 'k'},
        {NULL, 0, NULL, 0}};
    int c;
    while ((c = getopt_long(argc, argv, "", known, NULL)) != -1) {
        uint64_t n = optarg != NULL ? strtoull(optarg, NULL, 10) : 0;
        if (c == 'n')
            o->n = n;
        else if (c == 'b' || c == 's')
            o->from = n;
        else if (c == 'e')
            o->fsck_every = n > 0 ? (int)n : 1;
        else if (c == 'f')
            o->faults = options_words(o->fault_list = optarg, fault_words,
                                      SIM_FAULTS_N);
        else if (c == 'x')
            o->features = options_words(o->feature_list = optarg,
                                        feature_words, SIM_FEATURES_N);
        else if (c == '2')
            o->is_twice = 1;
        else if (c == 't')
            o->is_traced = 1;
        else if (c == 'r')
            o->is_real = 1;
        else if (c == 'p')
            o->probes = (int)n;
        else if (c == 'i')
            o->probe_fails = 1;
        else if (c == 'l')
            o->is_large = 1;
        else if (c == 'k')
            o->is_to_shrink = 1;
        else
            return -1;
        if (c == 's')
            o->n = 1;
    }
    return optind < argc || o->faults == -2 || o->features == -2
               ? -1 : 0;
}

/* ---- All seeds ---------------------------------------------------------- */

/* What errors in the middle of scripts left. */
static void sim_say_probed(const struct sim_totals *totals)
{
    unsigned n = 0, n_wrote = 0, n_left = 0;
    for (size_t i = 0; i < lua_scripts_n; i++) {
        const struct sim_probed *p = &totals->probed[i];
        n += p->n;
        n_wrote += p->n_wrote;
        n_left += p->n_left;
        if (p->n_left > 0)
            printf("%s: %u of %u errors behind a write need fsck\n",
                   lua_scripts[i].name, p->n_left, p->n_wrote);
    }
    if (n > 0)
        printf("%u errors in scripts, %u behind a write, %u of them need "
               "fsck\n", n, n_wrote, n_left);
}

static int sim_all(struct sim_server *server,
                   const struct sim_options *o)
{
    struct sim_totals totals = {0};
    int64_t begin_ms = clock_mono_ms();
    uint64_t digest = 0;
    for (uint64_t i = 0; i < o->n; i++) {
        uint64_t seed = o->from + i;
        digest = sim_seed(server, o, seed, &totals);
        if (o->is_twice &&
            sim_seed(server, o, seed, &totals) != digest) {
            fprintf(stderr, "seed %" PRIu64 " went another way the second "
                    "time\n", seed);
            return 1;
        }
        if (isatty(1) && !o->is_traced)
            printf("\r%" PRIu64 " of %" PRIu64 " seeds\033[K", i + 1, o->n);
        fflush(stdout);
    }
    double s = (double)(clock_mono_ms() - begin_ms) / 1000;
    printf("\r%" PRIu64 " seeds from %" PRIu64 " passed: %.1f a second, %"
           PRIu64 " s simulated, %" PRIu64 " calls, %" PRIu64 " runs, %" PRIu64
           " of them lost, %d spins\n", o->n, o->from,
           (double)o->n / (s > 0 ? s : 1), totals.n_ms / 1000, totals.n_calls,
           totals.n_runs, totals.n_recovered, totals.spins_max);
    sim_say_probed(&totals);
    if (o->n == 1)
        printf("digest %016" PRIx64 "\n", digest);
    return 0;
}

/* One try of the shrinker, in its own process. */
static void sim_try(void *arg, int faults, int features)
{
    struct sim_options o = *(const struct sim_options *)arg;
    struct sim_server server;
    struct sim_totals totals = {0};
    o.faults = faults;
    o.features = features;
    o.is_traced = 0;
    sim_server_open(&server, 0);
    (void)sim_seed(&server, &o, o.from, &totals);
}

/* What the seed draws where nothing was asked for. */
static void sim_shrink_options(struct sim_options *o)
{
    struct sim s = {.seed = o->from, .random = sim_first_random(o->from)};
    int faults = sim_draw_faults(&s), features = sim_draw_features(&s);
    o->faults = o->faults >= 0 ? o->faults : faults;
    o->features = o->features >= 0 ? o->features : features;
    sim_shrink(sim_try, o, &o->faults, &o->features);
}

/* The simulator and its Redis take turns: on one processor, the one it is on,
 * they do so without waking another each time. */
static void sim_stay(void)
{
    cpu_set_t set;
    int cpu = sched_getcpu();
    CPU_ZERO(&set);
    CPU_SET(cpu < 0 ? 0 : (size_t)cpu, &set);
    (void)sched_setaffinity(0, sizeof(set), &set); /* slower without */
}

int main(int argc, char **argv)
{
    struct sim_options o = {.from = 1, .n = 100, .faults = -1,
                            .features = -1, .probes = 10};
    struct sim_server server;
    if (options_read(&o, argc, argv) < 0)
        return options_usage();
    if (o.fsck_every == 0) /* rerun, to see where; else save the time */
        o.fsck_every = o.n == 1 ? 1 : o.is_real ? 4 : 100;
    sim_stay();
    if (o.is_to_shrink && o.n == 1)
        sim_shrink_options(&o);
    sim_server_open(&server, o.is_real);
    int rc = sim_all(&server, &o);
    sim_server_close(&server);
    return rc;
}
