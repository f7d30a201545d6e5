/* SPDX-License-Identifier: MIT */
/* What libstint-memory.so gives to libstint, which loads it when a program
 * opens "memory:". Both are of one build: the version must be the same. */
#ifndef STINT_MEMORY_API_H
#define STINT_MEMORY_API_H

#include <stdint.h>
#include <stint/base.h>

struct memory;
struct store;

#define MEMORY_FILE  "libstint-memory.so"
#define MEMORY_ENTRY "stint_memory_entry"
#define MEMORY_ABI   1 /* raised with each change of this file or of store.h */

/* When the clock of a new server stands still: 2000-01-01T00:00:00Z. */
#define MEMORY_START_MS INT64_C(946684800000)

struct memory_api {
    uint32_t abi;        /* MEMORY_ABI */
    const char *version; /* stint_version() of its build */
    /* A new, empty server whose clock stands at MEMORY_START_MS. It lives until
     * the last of its users has given it back. Errors: NOMEM. */
    struct memory *(*server_new)(struct stint_err *err);
    void (*server_ref)(struct memory *m);
    void (*server_unref)(struct memory *m);
    int64_t (*now_us)(const struct memory *m);
    /* Never backwards: that does nothing. Calls that block and whose time is
     * over are answered. */
    void (*set_now_us)(struct memory *m, int64_t now_us);
    /* A connection: a store whose calls are carried out at once and whose
     * replies wait. `wait` delivers them all; a call that blocks (BZPOPMIN) is
     * answered nil by it, as nothing can happen while it waits. */
    struct store *(*open)(struct memory *m);
    /* Delivers what is there and does not wait. Returns how many replies. */
    int (*step)(struct store *s);
};

/* The module's only symbol. NULL: it is of another ABI. */
const struct memory_api *stint_memory_entry(uint32_t abi);

#endif
