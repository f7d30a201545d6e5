/* SPDX-License-Identifier: MIT */
/* A worker's configuration: what the JSON file and the options say. */
#ifndef STINT_WORKER_CONFIG_H
#define STINT_WORKER_CONFIG_H

#include <stdint.h>
#include <stint/stint.h>

#include "executor.h"
#include "limits.h"

/* One function the worker can run. */
struct task_type {
    char name[STINT_NAME_LEN + 1];
    int is_program;          /* else a C function */
    struct program program;  /* argv owned */
    struct function function;
    int64_t timeout_ms;      /* 0: the task's own */
};

struct config {
    char groups[GROUPS_MAX][STINT_NAME_LEN + 1]; /* as given, with repeats */
    int n_groups;
    int concurrency;
    struct task_type *types; /* owned */
    int n_types;
    void *modules[FUNCTIONS_MAX]; /* dlopen handles, closed with the config */
    int n_modules;
};

void config_init(struct config *c);
/* Errors: INVALID; the text names the file and what is wrong in it. */
int config_load(struct config *c, const char *path, struct stint_err *err);
int config_add_group(struct config *c, const char *name, struct stint_err *err);
int config_add_function(struct config *c, const char *name,
                        stint_handler_fn fn, void *arg, struct stint_err *err);
const struct task_type *config_find(const struct config *c, const char *name,
                                    size_t len);
void config_close(struct config *c);

#endif
