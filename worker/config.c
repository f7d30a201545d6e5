/* SPDX-License-Identifier: MIT */
/* Reads {"groups": […], "concurrency": N, "tasks": {NAME: {…}}}; what stands
 * in one of tasks is config_task.c's. Unknown keys are errors: a typing mistake
 * must not pass for a default. */
#include "config.h"

#include <dlfcn.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "err.h"
#include "task.h"
#include "template.h"
#include "trusted.h"

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

/* The options as an entry of the file would say them. */
static json_t *function_spec(const struct stint_function_options *o,
                             struct stint_err *err)
{
    json_error_t e;
    const char *settings = o->settings != NULL ? o->settings : "{}";
    json_t *spec = json_read(settings, strlen(settings),
                             JSON_REJECT_DUPLICATES, &e);
    if (spec == NULL && errno != ENOMEM) {
        err_set(err, STINT_INVALID, "settings: %.100s", e.text);
        return NULL;
    }
    errno = 0;
    if (o->isolation == STINT_PROCESS)
        json_object_set_new(spec, "isolation", json_string("process"));
    if (o->timeout_s != 0)
        json_object_set_new(spec, "timeout", json_real(o->timeout_s));
    if (o->processes != 0)
        json_object_set_new(spec, "processes", json_integer(o->processes));
    if (spec == NULL || errno == ENOMEM) {
        json_decref(spec);
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    return spec;
}

int config_add_function(struct config *c, const char *name,
                        stint_handler_fn fn, void *arg,
                        const struct stint_function_options *options,
                        struct stint_err *err)
{
    struct stint_function_options o = STINT_FUNCTION_OPTIONS_INIT;
    if (options != NULL)
        memcpy(&o, options,
               options->size < sizeof(o) ? options->size : sizeof(o));
    if (fn == NULL)
        return err_set(err, STINT_INVALID, "there is no function");
    json_t *spec = function_spec(&o, err);
    if (spec == NULL)
        return -1;
    int rc = -1;
    struct task_type *t = config_add_type(c, name, err);
    if (t != NULL) {
        t->function = (struct function){fn, arg};
        rc = config_read_task(c, t, spec, err);
        if (rc < 0)
            c->n_types--; /* as if it had never been asked for */
        if (rc < 0)
            memset(t, 0, sizeof(*t));
    }
    json_decref(spec);
    return rc < 0 ? err_wrap(err, "%.128s", name) : 0;
}

const void *config_how(const struct task_type *t)
{
    switch (t->runs_on) {
    case EXECUTOR_PROGRAM:
        return &t->program;
    case EXECUTOR_CHILDREN:
    case EXECUTOR_FORKS:
        return t->pool;
    default:
        return &t->function;
    }
}

int config_count(const struct config *c, enum executor_kind kind)
{
    int n = 0;
    for (int i = 0; i < c->n_types; i++)
        n += c->types[i].runs_on == kind;
    return n;
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
        if (config_read_task(c, t, spec, err) < 0)
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
    int fd = trusted_open(path, err);
    if (fd < 0)
        return -1;
    errno = 0;
    json_t *root = json_loadfd(fd, JSON_REJECT_DUPLICATES, &e);
    int is_short = root == NULL && errno == ENOMEM;
    close(fd);
    if (is_short)
        return err_set(err, STINT_NOMEM, "out of memory");
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
        template_free(c->types[i].program.argv);
        confine_close(&c->types[i].program.confine);
    }
    free(c->types);
    for (int i = 0; i < c->n_pools; i++) {
        template_free(c->pools[i]->argv);
        confine_close(&c->pools[i]->confine);
        free(c->pools[i]->settings);
        free(c->pools[i]);
    }
    for (int i = 0; i < c->n_modules; i++)
        dlclose(c->modules[i]);
    config_init(c);
}
