/* SPDX-License-Identifier: MIT */
/* Time, dice, and the log. Events run in the order of their time, and of their
 * pushing where the times are equal: nothing here depends on the machine. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "sim.h"

/* A worker's clock has no argument, so the time of the one seed under way has
 * to stand somewhere. */
static int64_t sim_time_ms;

void sim_set_clock(int64_t now_ms)
{
    sim_time_ms = now_ms;
}

int64_t sim_clock(void)
{
    return sim_time_ms;
}

int64_t sim_clock_us(void)
{
    return sim_time_ms * 1000;
}

int64_t sim_redis_ms(const struct sim *s)
{
    return s->now_ms + s->redis_off_ms;
}

/* ---- Dice --------------------------------------------------------------- */

/* splitmix64 */
uint64_t dice_random(uint64_t *dice, uint64_t below)
{
    uint64_t z = *dice += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return below > 0 ? z % below : 0;
}

int dice_chance(uint64_t *dice, int per_mille)
{
    return dice_random(dice, 1000) < (uint64_t)per_mille;
}

int64_t dice_between(uint64_t *dice, int64_t least, int64_t most)
{
    return least + (int64_t)dice_random(dice, (uint64_t)(most - least + 1));
}

uint64_t *sim_dice(struct sim *s, enum sim_feature_at feature)
{
    return s->features & 1 << feature ? &s->dice[feature] : NULL;
}

uint64_t sim_random(struct sim *s, uint64_t below)
{
    return dice_random(&s->random, below);
}

int sim_chance(struct sim *s, int per_mille)
{
    return dice_chance(&s->random, per_mille);
}

int64_t sim_between(struct sim *s, int64_t least, int64_t most)
{
    return dice_between(&s->random, least, most);
}

/* ---- Events: a binary heap ---------------------------------------------- */

static int event_is_before(const struct sim_event *a,
                           const struct sim_event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

void sim_push(struct sim *s, int64_t at_ms, sim_event_fn fn, void *arg)
{
    if (s->n_heap == s->heap_cap) {
        s->heap_cap = s->heap_cap > 0 ? 2 * s->heap_cap : 256;
        s->heap = realloc(s->heap, s->heap_cap * sizeof(*s->heap));
        check(s->heap != NULL);
    }
    struct sim_event e = {at_ms > s->now_ms ? at_ms : s->now_ms, s->order++,
                          fn, arg};
    size_t i = s->n_heap++;
    while (i > 0 && event_is_before(&e, &s->heap[(i - 1) / 2])) {
        s->heap[i] = s->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    s->heap[i] = e;
}

static struct sim_event event_pop(struct sim *s)
{
    struct sim_event top = s->heap[0], e = s->heap[--s->n_heap];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child + 1 < s->n_heap &&
            event_is_before(&s->heap[child + 1], &s->heap[child]))
            child++;
        if (child >= s->n_heap || !event_is_before(&s->heap[child], &e))
            break;
        s->heap[i] = s->heap[child];
        i = child;
    }
    s->heap[i] = e;
    return top;
}

int sim_step(struct sim *s)
{
    if (s->n_heap == 0)
        return 0;
    struct sim_event e = event_pop(s);
    check(e.at_ms >= s->now_ms);
    s->now_ms = sim_time_ms = e.at_ms;
    e.fn(s, e.arg);
    return 1;
}

/* ---- The log ------------------------------------------------------------ */

static uint64_t digest_add(uint64_t digest, const char *text)
{
    for (; *text != '\0'; text++)
        digest = (digest ^ (unsigned char)*text) * 0x100000001b3u;
    return digest;
}

void sim_trace(struct sim *s, const char *format, ...)
{
    if (s->is_quiet)
        return;
    char *line = s->ring[s->n_lines++ % SIM_RING];
    int n = snprintf(line, SIM_LINE_MAX, "%4" PRId64 ".%03d  ",
                     s->now_ms / 1000, (int)(s->now_ms % 1000));
    va_list ap;
    va_start(ap, format);
    vsnprintf(line + n, SIM_LINE_MAX - (size_t)n, format, ap);
    va_end(ap);
    s->digest = digest_add(s->digest, line);
    if (s->is_traced)
        printf("%s\n", line);
}

static void fail_say(const struct sim *s)
{
    uint64_t from = s->n_lines > SIM_RING ? s->n_lines - SIM_RING : 0;
    for (uint64_t i = from; i < s->n_lines && !s->is_traced; i++)
        fprintf(stderr, "%s\n", s->ring[i % SIM_RING]);
    fprintf(stderr, "\nseed %" PRIu64 ", step %" PRIu64 ", %" PRId64
            ".%03d s, call %u, faults", s->seed, s->n_lines, s->now_ms / 1000,
            (int)(s->now_ms % 1000), s->n_calls);
#define SIM_SAY(name, word, text)                                              \
    if (set & name)                                                            \
        n += snprintf(list + n, sizeof(list) - (size_t)n, ",%s", word);
    char list[400], faults[400];
    int n = 0, set = s->faults;
    snprintf(list, sizeof(list), ",none");
    SIM_FAULTS(SIM_SAY)
    fprintf(stderr, " %s", list + 1);
    snprintf(faults, sizeof(faults), "%s", list + 1);
    n = 0;
    set = s->features;
    snprintf(list, sizeof(list), ",none");
    SIM_FEATURES(SIM_SAY)
#undef SIM_SAY
    fprintf(stderr, ", features %s\n  again: tests/sim/run --seed %" PRIu64
            "%s%s --probes %d --faults %s --features %s --trace\n  ",
            list + 1, s->seed, s->is_large ? " --large" : "",
            s->probe_fails ? " --strict" : "", s->probes, faults, list + 1);
}

_Noreturn void sim_fail(struct sim *s, const char *format, ...)
{
    va_list ap;
    fflush(stdout);
    if (!s->is_quiet)
        fail_say(s);
    va_start(ap, format);
    vfprintf(stderr, format, ap);
    va_end(ap);
    fprintf(stderr, "\n");
    if (s->is_quiet && s->shrinks)
        sim_shrink_begin(s);
    sim_server_close(s->server);
    exit(1);
}
