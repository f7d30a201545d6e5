/* SPDX-License-Identifier: MIT */
/* The same as a program: torture_task DIR SLOT ARGS, one process a run. */
#include <stdio.h>
#include <stdlib.h>

#include "effect.h"

int main(int argc, char **argv)
{
    const char *id = getenv("STINT_TASK_ID"), *fence = getenv("STINT_FENCE");
    const char *attempt = getenv("STINT_ATTEMPT");
    if (argc != 4 || id == NULL || fence == NULL || attempt == NULL) {
        fprintf(stderr, "usage: torture_task DIR SLOT ARGS, as a task\n");
        return 64;
    }
    struct effect e = {.dir = argv[1],
                       .slot = (int)strtol(argv[2], NULL, 10),
                       .id = id,
                       .fence = strtoull(fence, NULL, 10),
                       .attempt = (int)strtol(attempt, NULL, 10),
                       .args = argv[3]};
    return effect_run(&e);
}
