/* SPDX-License-Identifier: MIT */
/* A worker's configuration: what the JSON file and the options say. */
#ifndef STINT_WORKER_CONFIG_H
#define STINT_WORKER_CONFIG_H

#include <stdint.h>
#include <stint/stint.h>

#include "bounds.h"
#include "executor.h"

struct json_t;

/* One function the worker can run. */
struct task_type {
    char name[STINT_NAME_LEN + 1];
    enum executor_kind runs_on;
    struct program program;   /* EXECUTOR_PROGRAM; argv owned */
    struct child_pool *pool;  /* EXECUTOR_CHILDREN, EXECUTOR_FORKS; in
                                 config.pools */
    struct function function; /* of C functions, wherever they run */
    int64_t timeout_ms;       /* 0: the task's own */
};

struct config {
    char groups[GROUPS_MAX][STINT_NAME_LEN + 1]; /* as given, with repeats */
    int n_groups;
    int concurrency;
    struct task_type *types; /* owned */
    int n_types;
    struct child_pool *pools[FUNCTIONS_MAX]; /* owned; types share them */
    int n_pools;
    void *modules[FUNCTIONS_MAX]; /* dlopen handles, closed with the config */
    int n_modules;
    /* What runs by it. There is one configuration after another in a worker's
     * life, see reload.c: each lives until its last run has been reported. */
    struct executor *executors[EXECUTOR_N]; /* borrowed; NULL: not needed */
    int n_uses;                   /* tasks in hand, assigns under way */
    struct config *older;         /* that are not quite done with */
};

void config_init(struct config *c);
/* Errors: INVALID; the text names the file and what is wrong in it. */
int config_load(struct config *c, const char *path, struct stint_err *err);
int config_add_group(struct config *c, const char *name, struct stint_err *err);
/* A C function. `o` NULL: all defaults. Errors: INVALID, EXISTS, NOMEM. */
int config_add_function(struct config *c, const char *name,
                        stint_handler_fn fn, void *arg,
                        const struct stint_function_options *o,
                        struct stint_err *err);
const struct task_type *config_find(const struct config *c, const char *name,
                                    size_t len);
/* For struct run's `how`. */
const void *config_how(const struct task_type *t);
/* How many types run there. */
int config_count(const struct config *c, enum executor_kind kind);
void config_close(struct config *c);

/* config_task.c. Fills t, whose name is set, by the object that describes how
 * it runs. A type that has a C function already needs no kind. Errors:
 * INVALID, NOMEM; what was taken on so far goes with the config. */
int config_read_task(struct config *c, struct task_type *t,
                     const struct json_t *spec, struct stint_err *err);

#endif
