/* SPDX-License-Identifier: MIT */
/* Reads {"groups": […], "concurrency": N, "tasks": {NAME: {"exec": […],
 * "timeout": S, …} | {"module": PATH}}}, and the keys of confine.h. Unknown keys
 * are errors: a typing mistake must not pass for a default. */
#include "config.h"

#include <dlfcn.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "err.h"
#include "task.h"

void config_init(struct config *c)
{
    memset(c, 0, sizeof(*c));
}

int config_add_group(struct config *c, const char *name, struct stint_err *err)
{
    if (!task_group_is_valid(name, strlen(name)))
        return err_set(err, STINT_INVALID, "groups: \"%.60s\" is no name of a "
                       "group (1 to 128 of A-Za-z0-9_.-)", name);
    if (c->n_groups == GROUPS_MAX)
        return err_set(err, STINT_INVALID, "groups: more than %d", GROUPS_MAX);
    memcpy(c->groups[c->n_groups++], name, strlen(name) + 1);
    return 0;
}

const struct task_type *config_find(const struct config *c, const char *name,
                                    size_t len)
{
    for (int i = 0; i < c->n_types; i++)
        if (strlen(c->types[i].name) == len &&
            memcmp(c->types[i].name, name, len) == 0)
            return &c->types[i];
    return NULL;
}

static struct task_type *config_add_type(struct config *c, const char *name,
                                         struct stint_err *err)
{
    size_t len = strlen(name);
    if (!task_name_is_valid(name, len)) {
        err_set(err, STINT_INVALID, "tasks: \"%.60s\" is no name of a "
                "function (1 to 128 of A-Za-z0-9_.:/-)", name);
        return NULL;
    }
    if (config_find(c, name, len) != NULL) {
        err_set(err, STINT_EXISTS, "tasks: %s is there twice", name);
        return NULL;
    }
    if (c->n_types == FUNCTIONS_MAX) {
        err_set(err, STINT_INVALID, "tasks: more than %d", FUNCTIONS_MAX);
        return NULL;
    }
    if (c->types == NULL)
        c->types = calloc(FUNCTIONS_MAX, sizeof(*c->types));
    if (c->types == NULL) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    struct task_type *t = &c->types[c->n_types++];
    memcpy(t->name, name, len + 1);
    return t;
}

int config_add_function(struct config *c, const char *name,
                        stint_handler_fn fn, void *arg, struct stint_err *err)
{
    struct task_type *t = config_add_type(c, name, err);
    if (t == NULL)
        return -1;
    t->function = (struct function){fn, arg};
    return 0;
}

static int config_read_exec(struct task_type *t, const json_t *exec,
                            struct stint_err *err)
{
    size_t n = json_array_size(exec);
    if (!json_is_array(exec) || n == 0)
        return err_set(err, STINT_INVALID,
                       "exec must be a list of strings, the program first");
    t->is_program = 1;
    t->program.argv = calloc(n + 1, sizeof(char *));
    if (t->program.argv == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    for (size_t i = 0; i < n; i++) {
        const char *s = json_string_value(json_array_get(exec, i));
        if (s == NULL)
            return err_set(err, STINT_INVALID, "exec must hold strings only");
        t->program.argv[i] = strdup(s);
        if (t->program.argv[i] == NULL)
            return err_set(err, STINT_NOMEM, "out of memory");
    }
    return program_check(&t->program, err);
}

/* NAME must be one of the functions the module brings. */
static int config_read_module(struct config *c, struct task_type *t,
                              const char *path, struct stint_err *err)
{
    void *handle = path != NULL ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
    if (path == NULL)
        return err_set(err, STINT_INVALID, "module must be a path");
    if (handle == NULL)
        return err_set(err, STINT_INVALID, "module: %.150s", dlerror());
    c->modules[c->n_modules++] = handle;
    const struct stint_module *m = dlsym(handle, "stint_module");
    if (m == NULL)
        return err_set(err, STINT_INVALID,
                       "module: %s does not export stint_module", path);
    if (m->abi != STINT_MODULE_ABI)
        return err_set(err, STINT_INVALID, "module: %s was built for ABI %u, "
                       "this is %u", path, m->abi, STINT_MODULE_ABI);
    for (uint32_t i = 0; i < m->n_functions; i++)
        if (strcmp(m->functions[i].name, t->name) == 0) {
            t->function = (struct function){m->functions[i].fn,
                                            m->functions[i].arg};
            return 0;
        }
    return err_set(err, STINT_INVALID, "module: %s has no function %s", path,
                   t->name);
}

static int config_read_type(struct config *c, struct task_type *t,
                            const json_t *spec, struct stint_err *err)
{
    const char *key;
    json_t *v;
    int n_kinds = 0, n_confine = 0;
    if (!json_is_object(spec))
        return err_set(err, STINT_INVALID, "must be an object");
    json_object_foreach((json_t *)(uintptr_t)spec, key, v) {
        if (strcmp(key, "exec") == 0) {
            n_kinds++;
            if (config_read_exec(t, v, err) < 0)
                return -1;
        } else if (strcmp(key, "module") == 0) {
            n_kinds++;
            if (config_read_module(c, t, json_string_value(v), err) < 0)
                return -1;
        } else if (strcmp(key, "timeout") == 0) {
            double s = json_number_value(v);
            if (!(s > 0 && s <= 315360000))
                return err_set(err, STINT_INVALID,
                               "timeout must be a number of seconds > 0");
            t->timeout_ms = (int64_t)(s * 1000);
        } else if (strcmp(key, "isolation") == 0) {
            const char *s = json_string_value(v);
            if (s == NULL || strcmp(s, "thread") != 0)
                return err_set(err, STINT_INVALID,
                               "isolation: this version knows \"thread\" only");
        } else {
            int taken = confine_read(&t->program.confine, key, v, err);
            if (taken < 0)
                return -1;
            if (taken == 0)
                return err_set(err, STINT_INVALID, "unknown key \"%.60s\"",
                               key);
            n_confine++;
        }
    }
    if (n_kinds != 1)
        return err_set(err, STINT_INVALID,
                       "needs exactly one of exec and module");
    if (n_confine > 0 && !t->is_program)
        return err_set(err, STINT_INVALID,
                       "nice, user, rlimits and the like are for programs");
    return 0;
}

static int config_read_types(struct config *c, const json_t *tasks,
                             struct stint_err *err)
{
    const char *name;
    json_t *spec;
    if (!json_is_object(tasks))
        return err_set(err, STINT_INVALID, "tasks must be an object");
    json_object_foreach((json_t *)(uintptr_t)tasks, name, spec) {
        struct task_type *t = config_add_type(c, name, err);
        if (t == NULL)
            return -1;
        if (config_read_type(c, t, spec, err) < 0)
            return err_wrap(err, "tasks: %s", t->name);
    }
    return 0;
}

static int config_read_groups(struct config *c, const json_t *groups,
                              struct stint_err *err)
{
    if (!json_is_array(groups) || json_array_size(groups) == 0)
        return err_set(err, STINT_INVALID, "groups must be a list of names");
    for (size_t i = 0; i < json_array_size(groups); i++) {
        const char *s = json_string_value(json_array_get(groups, i));
        if (config_add_group(c, s != NULL ? s : "", err) < 0)
            return -1;
    }
    return 0;
}

static int config_read(struct config *c, const json_t *root,
                       struct stint_err *err)
{
    const char *key;
    json_t *v;
    if (!json_is_object(root))
        return err_set(err, STINT_INVALID, "must be a JSON object");
    json_object_foreach((json_t *)(uintptr_t)root, key, v) {
        int rv = 0;
        if (strcmp(key, "groups") == 0) {
            rv = config_read_groups(c, v, err);
        } else if (strcmp(key, "tasks") == 0) {
            rv = config_read_types(c, v, err);
        } else if (strcmp(key, "concurrency") == 0) {
            json_int_t n = json_integer_value(v);
            if (n < 1 || n > CONCURRENCY_MAX)
                rv = err_set(err, STINT_INVALID, "concurrency must be an "
                             "integer from 1 to %d", CONCURRENCY_MAX);
            c->concurrency = (int)n;
        } else {
            rv = err_set(err, STINT_INVALID, "unknown key \"%.60s\"", key);
        }
        if (rv < 0)
            return -1;
    }
    return 0;
}

int config_load(struct config *c, const char *path, struct stint_err *err)
{
    json_error_t e;
    json_t *root = json_load_file(path, JSON_REJECT_DUPLICATES, &e);
    if (root == NULL && e.line < 0) /* it could not be opened; says so */
        return err_set(err, STINT_INVALID, "%.150s", e.text);
    if (root == NULL)
        return err_set(err, STINT_INVALID, "%.80s:%d: %.100s", path, e.line,
                       e.text);
    int rv = config_read(c, root, err);
    json_decref(root);
    return rv < 0 ? err_wrap(err, "%.80s", path) : 0;
}

void config_close(struct config *c)
{
    for (int i = 0; i < c->n_types; i++) {
        char **argv = c->types[i].program.argv;
        for (int j = 0; argv != NULL && argv[j] != NULL; j++)
            free(argv[j]);
        free(argv);
        confine_close(&c->types[i].program.confine);
    }
    free(c->types);
    for (int i = 0; i < c->n_modules; i++)
        dlclose(c->modules[i]);
    config_init(c);
}
