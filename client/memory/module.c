/* SPDX-License-Identifier: MIT */
/* The module's face. */
#include "err.h"
#include "memory.h"
#include "memory_api.h"
#include "store_memory.h"

#define TEXT_OF(x)  TEXT_OF_(x)
#define TEXT_OF_(x) #x

static struct memory *server_new(struct stint_err *err)
{
    struct memory *m = memory_new();
    if (m == NULL)
        err_set(err, STINT_NOMEM, "out of memory");
    return m;
}

static int64_t server_now_us(const struct memory *m)
{
    return m->now_us;
}

static const struct memory_api module_api = {
    .abi = MEMORY_ABI,
    .version = TEXT_OF(STINT_VERSION_MAJOR) "." TEXT_OF(
        STINT_VERSION_MINOR) "." TEXT_OF(STINT_VERSION_PATCH),
    .server_new = server_new,
    .server_ref = memory_ref,
    .server_unref = memory_unref,
    .now_us = server_now_us,
    .set_now_us = memory_set_now_us,
    .open = store_memory_open,
    .step = store_memory_step,
};

STINT_API const struct memory_api *stint_memory_entry(uint32_t abi)
{
    return abi == MEMORY_ABI ? &module_api : NULL;
}
