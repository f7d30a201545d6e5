/* SPDX-License-Identifier: MIT */
/* A module with one function, f; with OTHER_ABI one that no worker takes. */
#include <stint/stint.h>

static int f(stint_run *run, void *arg)
{
    (void)run, (void)arg;
    return 0;
}

extern STINT_API const struct stint_module stint_module;
static const struct stint_function functions[] = {{"f", f, NULL}};
const struct stint_module stint_module = {
#ifdef OTHER_ABI
    STINT_MODULE_ABI + 1,
#else
    STINT_MODULE_ABI,
#endif
    1, functions};
