/* SPDX-License-Identifier: MIT */
/* One entry of "tasks": {"exec": […]}, {"child": […]} or {"module": PATH},
 * with settings. Which keys there are, and for which kind, is one table; those
 * of processes in general are confine.h's. */
#include <dlfcn.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "err.h"
#include "quantity.h"
#include "task.h"
#include "template.h"
#include "trusted.h"

#define PROCESSES_MAX 1000

/* What an entry says, until it is known which kind it is. */
struct entry {
    struct config *config;
    struct task_type *type;
    char **argv;          /* owned until it is taken */
    struct child_pool pool; /* its numbers */
    int isolated;         /* isolation "process" */
    struct confine confine; /* owned until it is taken */
    int is_confined;
    unsigned kind;        /* it is, by its keys; and how many say so */
    int n_kinds;
};

enum { KIND_EXEC = 1, KIND_CHILD = 2, KIND_FUNCTION = 4,
       KIND_ANY = KIND_EXEC | KIND_CHILD | KIND_FUNCTION };

struct entry_key {
    const char *name;
    unsigned kinds; /* it may be given for */
    unsigned makes; /* the kind it decides, or 0 */
    int (*read)(struct entry *e, const json_t *v, struct stint_err *err);
};

static int read_argv(struct entry *e, const json_t *v, struct stint_err *err)
{
    size_t n = json_array_size(v);
    if (!json_is_array(v) || n == 0)
        return err_set(err, STINT_INVALID,
                       "must be a list of strings, the program first");
    template_free(e->argv);
    e->argv = calloc(n + 1, sizeof(char *));
    for (size_t i = 0; e->argv != NULL && i < n; i++) {
        const char *s = json_string_value(json_array_get(v, i));
        if (s == NULL)
            return err_set(err, STINT_INVALID, "must hold strings only");
        e->argv[i] = strdup(s);
        if (e->argv[i] == NULL)
            break;
    }
    if (e->argv == NULL || e->argv[n - 1] == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    return 0;
}

/* The type's name must be one of the functions the module brings. */
static int read_module(struct entry *e, const json_t *v, struct stint_err *err)
{
    struct config *c = e->config;
    struct task_type *t = e->type;
    const char *path = json_string_value(v);
    if (path == NULL)
        return err_set(err, STINT_INVALID, "must be a path");
    if (strchr(path, '/') != NULL) { /* else one of the system's libraries */
        int fd = trusted_open(path, err);
        if (fd < 0)
            return -1;
        close(fd);
    }
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return err_set(err, STINT_INVALID, "%.170s", dlerror());
    c->modules[c->n_modules++] = handle;
    const struct stint_module *m = dlsym(handle, "stint_module");
    if (m == NULL)
        return err_set(err, STINT_INVALID, "%s does not export stint_module",
                       path);
    if (m->abi != STINT_MODULE_ABI)
        return err_set(err, STINT_INVALID, "%s was built for ABI %u, this is "
                       "%u", path, m->abi, STINT_MODULE_ABI);
    for (uint32_t i = 0; i < m->n_functions; i++)
        if (strcmp(m->functions[i].name, t->name) == 0) {
            t->function = (struct function){m->functions[i].fn,
                                            m->functions[i].arg};
            return 0;
        }
    return err_set(err, STINT_INVALID, "%s has no function %s", path, t->name);
}

static int read_isolation(struct entry *e, const json_t *v,
                          struct stint_err *err)
{
    const char *s = json_string_value(v);
    if (s == NULL || (strcmp(s, "thread") != 0 && strcmp(s, "process") != 0))
        return err_set(err, STINT_INVALID, "must be thread or process");
    e->isolated = s[0] == 'p';
    return 0;
}

static int read_timeout(struct entry *e, const json_t *v,
                        struct stint_err *err)
{
    double s = json_number_value(v);
    if (!(s > 0 && s <= 315360000))
        return err_set(err, STINT_INVALID, "must be a number of seconds > 0");
    e->type->timeout_ms = (int64_t)(s * 1000);
    return 0;
}

static int read_processes(struct entry *e, const json_t *v,
                          struct stint_err *err)
{
    json_int_t n = json_integer_value(v);
    if (n < 1 || n > PROCESSES_MAX)
        return err_set(err, STINT_INVALID, "must be an integer from 1 to %d",
                       PROCESSES_MAX);
    e->pool.processes = (int)n;
    return 0;
}

static int read_max_tasks(struct entry *e, const json_t *v,
                          struct stint_err *err)
{
    e->pool.max_tasks = json_integer_value(v);
    if (e->pool.max_tasks < 1)
        return err_set(err, STINT_INVALID, "must be an integer > 0");
    return 0;
}

static int read_max_rss(struct entry *e, const json_t *v,
                        struct stint_err *err)
{
    uint64_t bytes;
    int rc = quantity_read(v, 1, &bytes);
    e->pool.max_rss_bytes = rc == 0 ? (int64_t)bytes : 0;
    if (e->pool.max_rss_bytes <= 0)
        return err_set(err, STINT_INVALID,
                       "must be a number of bytes, or as \"512M\"");
    return 0;
}

#define KIND_POOL (KIND_CHILD | KIND_FUNCTION)

static const struct entry_key keys[] = {
    {"exec", KIND_EXEC, KIND_EXEC, read_argv},
    {"child", KIND_CHILD, KIND_CHILD, read_argv},
    {"module", KIND_FUNCTION, KIND_FUNCTION, read_module},
    {"isolation", KIND_FUNCTION, 0, read_isolation},
    {"timeout", KIND_ANY, 0, read_timeout},
    {"processes", KIND_POOL, 0, read_processes},
    {"max_tasks", KIND_POOL, 0, read_max_tasks},
    {"max_rss", KIND_POOL, 0, read_max_rss},
};
enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

static const struct entry_key *key_find(const char *name)
{
    for (int i = 0; i < KEYS; i++)
        if (strcmp(keys[i].name, name) == 0)
            return &keys[i];
    return NULL;
}

/* One key; its kind is judged when all are known. */
static int entry_read(struct entry *e, const char *name, const json_t *v,
                      struct stint_err *err)
{
    const struct entry_key *key = key_find(name);
    if (key != NULL) {
        e->kind |= key->makes;
        e->n_kinds += key->makes != 0;
        return key->read(e, v, err) < 0 ? err_wrap(err, "%s", name) : 0;
    }
    int rc = confine_read(&e->confine, name, v, err);
    if (rc == 0)
        return err_set(err, STINT_INVALID, "unknown key \"%.60s\"", name);
    e->is_confined = 1;
    return rc < 0 ? -1 : 0;
}

/* Do the keys go together? */
static int entry_judge(const struct entry *e, const json_t *spec,
                       struct stint_err *err)
{
    const char *name;
    json_t *v;
    if (e->n_kinds != 1)
        return err_set(err, STINT_INVALID,
                       "needs exactly one of exec, child and module");
    json_object_foreach((json_t *)(uintptr_t)spec, name, v) {
        const struct entry_key *key = key_find(name);
        if (key != NULL && !(key->kinds & e->kind))
            return err_set(err, STINT_INVALID, "%.60s is not for %s", name,
                           e->kind == KIND_EXEC    ? "exec"
                           : e->kind == KIND_CHILD ? "child"
                                                   : "C functions");
    }
    if (e->kind == KIND_FUNCTION && !e->isolated && e->is_confined)
        return err_set(err, STINT_INVALID, "nice, user, rlimits and the like "
                       "need \"isolation\": \"process\"");
    return 0;
}

/* The pool with these settings, new or one that is there. timeout is the
 * type's and not the pool's; functions of several modules share forks. */
static struct child_pool *pool_take(struct entry *e, const json_t *spec)
{
    struct config *c = e->config;
    struct child_pool *pool = NULL;
    json_t *own = json_copy((json_t *)(uintptr_t)spec);
    json_object_del(own, "timeout");
    json_object_del(own, "module");
    char *settings = json_write(own, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(own);
    for (int i = 0; settings != NULL && i < c->n_pools; i++)
        if (strcmp(c->pools[i]->settings, settings) == 0)
            pool = c->pools[i];
    if (settings != NULL && pool == NULL)
        pool = calloc(1, sizeof(*pool));
    if (pool == NULL || pool->settings != NULL) {
        free(settings);
        return pool;
    }
    *pool = e->pool;
    pool->confine = e->confine;
    memset(&e->confine, 0, sizeof(e->confine));
    pool->argv = e->argv;
    pool->settings = settings;
    e->argv = NULL;
    c->pools[c->n_pools++] = pool;
    return pool;
}

static int entry_take(struct entry *e, const json_t *spec,
                      struct stint_err *err)
{
    struct task_type *t = e->type;
    const struct child_pool *p = &e->pool;
    if (e->kind == KIND_EXEC) {
        t->runs_on = EXECUTOR_PROGRAM;
        t->program.argv = e->argv;
        t->program.confine = e->confine;
        e->argv = NULL;
        memset(&e->confine, 0, sizeof(e->confine));
        return program_check(&t->program, err);
    }
    if (e->kind == KIND_FUNCTION && !e->isolated) {
        t->runs_on = EXECUTOR_THREAD;
        if (p->processes || p->max_tasks || p->max_rss_bytes)
            return err_set(err, STINT_INVALID, "processes, max_tasks and "
                           "max_rss need \"isolation\": \"process\"");
        return 0;
    }
    t->runs_on = e->kind == KIND_CHILD ? EXECUTOR_CHILDREN : EXECUTOR_FORKS;
    t->pool = pool_take(e, spec);
    return t->pool != NULL ? 0 : err_set(err, STINT_NOMEM, "out of memory");
}

int config_read_task(struct config *c, struct task_type *t,
                     const struct json_t *spec, struct stint_err *err)
{
    struct entry e = {.config = c, .type = t};
    const char *name;
    json_t *v;
    int rc = 0;
    if (!json_is_object(spec))
        return err_set(err, STINT_INVALID, "must be an object");
    if (t->function.fn != NULL) {
        e.kind = KIND_FUNCTION;
        e.n_kinds = 1;
    }
    json_object_foreach((json_t *)(uintptr_t)spec, name, v)
        if (rc == 0)
            rc = entry_read(&e, name, v, err);
    if (rc == 0)
        rc = entry_judge(&e, spec, err);
    if (rc == 0)
        rc = entry_take(&e, spec, err);
    template_free(e.argv);
    confine_close(&e.confine);
    return rc;
}
