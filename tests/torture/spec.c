/* SPDX-License-Identifier: MIT */
#include "spec.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint64_t spec_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

void spec_id(char id[32], int slot, int64_t n)
{
    snprintf(id, 32, "c%d.%" PRId64, slot, n);
}

int64_t spec_number(const char *id, int slot)
{
    char *rest;
    if (id[0] != 'c' || strtol(id + 1, &rest, 10) != slot || *rest != '.')
        return -1;
    return strtoll(rest + 1, NULL, 10);
}

static void spec_time(char text[32], int64_t ms)
{
    snprintf(text, 32, "%" PRId64 ".%03d", ms / 1000, (int)(ms % 1000));
}

void spec_make(struct spec *s, uint64_t seed, int slot, int64_t n,
               int64_t now_ms, int level)
{
    uint64_t r = seed ^ (uint64_t)slot << 48 ^ (uint64_t)n * 0x2545f491;
    int kind = (int)(spec_random(&r) % 100);
    int place = (int)(spec_random(&r) % 100);
    int size = (int)(spec_random(&r) % 100);
    int failures = 0;
    int ms = size < 90 ? size % 2 : size < 98 ? size / 4 : 3 * size;
    memset(s, 0, sizeof(*s));
    s->o = (struct stint_task_options)STINT_TASK_OPTIONS_INIT;
    spec_id(s->id, slot, n);
    s->o.id = s->id;
    s->o.function = place < 92 ? "quick" : place < 98 ? "guarded" : "script";
    s->o.timeout_s = 30;
    s->o.period_s = 0.2;
    s->o.max_crashes = 1000; /* kills are the campaign's, not the task's */
    s->o.durability = level == 3 ? "3" : level == 2 ? "2" : NULL;
    if (kind < 10) {
        s->start_ms = now_ms + (int64_t)(spec_random(&r) % 1500);
        spec_time(s->start, s->start_ms);
        s->o.start_time = s->start;
    } else if (kind < 12) {
        s->stop_ms = now_ms + 100 + (int64_t)(spec_random(&r) % 5000);
        spec_time(s->stop, s->stop_ms);
        s->o.stop_time = s->stop;
    } else if (kind < 20) {
        failures = 1 + (int)(spec_random(&r) % 3);
        s->o.retry_failed = 2;
        s->o.retry_delay_s = 0.1;
    } else if (kind < 23) {
        s->o.repeats = 3;
    } else if (kind < 29) {
        s->o.priority = (int)(spec_random(&r) % 5) - 2;
    } else if (kind < 31 && n > 0) {
        char parent[32];
        spec_id(parent, slot, n - 1);
        snprintf(s->depends, sizeof(s->depends), "[\"%s\"]", parent);
        s->o.depends_on = s->depends;
        s->o.on_dependency = "run";
    }
    snprintf(s->args, sizeof(s->args), "[%d,%d]", ms, failures);
    s->o.args = s->args;
}
