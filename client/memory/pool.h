/* SPDX-License-Identifier: MIT */
/* Memory for Lua, which makes and forgets small things all the time: those of
 * up to 256 bytes come from free lists by size. They grow only; all goes with
 * the pool. */
#ifndef STINT_MEMORY_POOL_H
#define STINT_MEMORY_POOL_H

#include <stddef.h>

struct pool;

struct pool *pool_new(void);
/* A lua_Alloc; ud is the pool. */
void *pool_alloc(void *ud, void *p, size_t old_size, size_t new_size);
void pool_free(struct pool *p); /* after lua_close */

#endif
