/* SPDX-License-Identifier: MIT */
/* What a task of a campaign does, whoever runs it: says that it begins, takes
 * its time, writes to the resource that checks fences, says that it ends. */
#ifndef STINT_TESTS_EFFECT_H
#define STINT_TESTS_EFFECT_H

#include <stdint.h>

/* To the resource: a write, if its fence is not too old. */
struct resource_request {
    char id[32];
    uint64_t fence, token;
    uint32_t actor, unused;
};

struct effect {
    const char *dir;   /* of the campaign */
    int slot;          /* of the worker */
    const char *id;
    uint64_t fence;
    int attempt;
    const char *args;  /* JSON: [milliseconds, how many tries fail] */
    int (*is_cancelled)(void *arg); /* NULL: never */
    void *arg;
};

/* 0: success. 1: it failed, as it was told to. 2: the resource refused the
 * write, or was not there. */
int effect_run(const struct effect *e);

#endif
