/* SPDX-License-Identifier: MIT */
/* The tasks of a campaign as C functions of a module: "quick" on threads,
 * "guarded" in processes. TORTURE_DIR and TORTURE_SLOT say where. */
#include <stdlib.h>
#include <string.h>

#include <stint/stint.h>

#include "effect.h"

extern STINT_API const struct stint_module stint_module;

static int module_is_cancelled(void *arg)
{
    return stint_run_is_cancelled(arg);
}

static int module_effect(stint_run *run, void *arg)
{
    const char *slot = getenv("TORTURE_SLOT");
    struct effect e = {.dir = getenv("TORTURE_DIR"),
                       .slot = slot != NULL ? (int)strtol(slot, NULL, 10) : 0,
                       .id = stint_run_id(run),
                       .fence = stint_run_fence(run),
                       .attempt = stint_run_attempt(run),
                       .args = stint_run_args(run),
                       .is_cancelled = module_is_cancelled,
                       .arg = run};
    (void)arg;
    int rc = effect_run(&e);
    if (rc == 2)
        stint_run_set_error(run, "the resource refused the write");
    return rc;
}

static const struct stint_function functions[] = {
    {"quick", module_effect, NULL}, {"guarded", module_effect, NULL}};

const struct stint_module stint_module = {STINT_MODULE_ABI, 2, functions};
