/* SPDX-License-Identifier: MIT */
/* Reading and applying are apart: names are looked up, texts made and memory
 * taken when the configuration is loaded, so that the child has only system
 * calls to make. */
#include "confine.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "err.h"
#include "quantity.h"
#include "entries.h"

static const struct {
    const char *key, *step;
    int resource;
    uint64_t min;
} limits[N_CONFINE_LIMITS] = {
    [CONFINE_MEMORY] = {"memory", "rlimits: memory", RLIMIT_AS, 1},
    [CONFINE_CPU] = {"cpu", "rlimits: cpu", RLIMIT_CPU, 1},
    /* 0 to 3, and one for the dynamic loader */
    [CONFINE_FILES] = {"files", "rlimits: files", RLIMIT_NOFILE, 5},
    [CONFINE_CORE] = {"core", "rlimits: core", RLIMIT_CORE, 0},
    [CONFINE_PROCESSES] = {"processes", "rlimits: processes", RLIMIT_NPROC,
                           1},
};

static int nomem(struct stint_err *err)
{
    return err_set(err, STINT_NOMEM, "out of memory");
}

/* ---- Numbers ------------------------------------------------------------ */

static int nice_read(struct confine *c, const json_t *value,
                     struct stint_err *err)
{
    json_int_t n = json_integer_value(value);

    if (!json_is_integer(value) || n < -20 || n > 19)
        return err_set(err, STINT_INVALID,
                       "nice must be an integer from -20 to 19");
    c->nice = (int)n;
    return 0;
}

static int rlimits_read(struct confine *c, const json_t *object,
                        struct stint_err *err)
{
    const char *key;
    json_t *v;

    if (!json_is_object(object))
        return err_set(err, STINT_INVALID, "rlimits must be an object");
    json_object_foreach((json_t *)(uintptr_t)object, key, v) {
        int i = 0;

        while (i < N_CONFINE_LIMITS && strcmp(limits[i].key, key) != 0)
            i++;
        if (i == N_CONFINE_LIMITS)
            return err_set(err, STINT_INVALID,
                           "rlimits: unknown key \"%.60s\"", key);
        if (quantity_read(v, i == CONFINE_MEMORY || i == CONFINE_CORE,
                          &c->limits[i]) < 0 || c->limits[i] < limits[i].min)
            return err_set(err, STINT_INVALID, "%s must be %s, at least %d",
                           limits[i].step, i == CONFINE_MEMORY ||
                           i == CONFINE_CORE ? "bytes, or text like \"512M\""
                           : "an integer", (int)limits[i].min);
        c->limits_set |= 1U << i;
    }
    return 0;
}

static int umask_read(struct confine *c, const json_t *value,
                      struct stint_err *err)
{
    const char *text = json_string_value(value);
    size_t len = text ? strlen(text) : 0;

    if (len < 1 || len > 4 || strspn(text, "01234567") != len ||
        strtol(text, NULL, 8) > 0777)
        return err_set(err, STINT_INVALID,
                       "umask must be text of octal digits, like \"0027\"");
    c->umask = (mode_t)strtol(text, NULL, 8);
    c->has_umask = 1;
    return 0;
}

static int privs_read(struct confine *c, const json_t *value,
                      struct stint_err *err)
{
    if (!json_is_boolean(value))
        return err_set(err, STINT_INVALID, "no_new_privs must be a boolean");
    c->may_gain_privs = json_is_false(value);
    return 0;
}

/* ---- Texts -------------------------------------------------------------- */

static int cwd_read(struct confine *c, const json_t *value,
                    struct stint_err *err)
{
    const char *path = json_string_value(value);

    if (!path || path[0] != '/')
        return err_set(err, STINT_INVALID, "cwd must be an absolute path");
    c->cwd = entry_join("cwd ", path);
    return c->cwd ? 0 : nomem(err);
}

/* What the run sets itself stays what it is. A task may have a STINT_URL if it
 * is to queue others. */
static int name_is_free(const char *name)
{
    return name[0] && !strchr(name, '=') &&
           (strncmp(name, "STINT_", 6) != 0 || strcmp(name, "STINT_URL") == 0);
}

static int env_read(struct confine *c, const json_t *list,
                    struct stint_err *err)
{
    size_t n = json_array_size(list);

    if (!json_is_array(list))
        return err_set(err, STINT_INVALID,
                       "env must be a list of \"NAME\" and \"PREFIX*\"");
    c->env_allow = calloc(n + 1, sizeof(char *));
    if (!c->env_allow)
        return nomem(err);
    for (size_t i = 0; i < n; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        const char *star = name ? strchr(name, '*') : NULL;

        if (!name || !name[0] || strchr(name, '=') || (star && star[1]))
            return err_set(err, STINT_INVALID,
                           "env must hold \"NAME\" or \"PREFIX*\"");
        c->env_allow[i] = strdup(name);
        if (!c->env_allow[i])
            return nomem(err);
    }
    return 0;
}

static char *entry_make(const char *name, const char *value)
{
    char *start = entry_join(name, "=");
    char *entry = start ? entry_join(start, value) : NULL;

    free(start);
    return entry;
}

static int setenv_read(struct confine *c, const json_t *object,
                       struct stint_err *err)
{
    size_t n = 0;
    const char *name;
    json_t *v;

    if (!json_is_object(object))
        return err_set(err, STINT_INVALID, "setenv must be an object");
    c->env_set = calloc(json_object_size(object) + 1, sizeof(char *));
    if (!c->env_set)
        return nomem(err);
    json_object_foreach((json_t *)(uintptr_t)object, name, v) {
        const char *value = json_string_value(v);

        if (!name_is_free(name))
            return err_set(err, STINT_INVALID, "setenv: \"%.60s\" cannot be "
                           "set", name);
        if (!value)
            return err_set(err, STINT_INVALID, "setenv: %.60s must be text",
                           name);
        c->env_set[n] = entry_make(name, value);
        if (!c->env_set[n++])
            return nomem(err);
    }
    return 0;
}

/* ---- All of it ---------------------------------------------------------- */

static int user_read(struct confine *c, const json_t *value,
                      struct stint_err *err)
{
    return account_read(&c->user, value, err);
}

/* Prepared at once: the guard is forked where we stand then. */
static int cgroup_read(struct confine *c, const json_t *value,
                       struct stint_err *err)
{
    char base[CGROUP_PATH_MAX];
    struct stint_err why = {STINT_OK, ""};

    if (cgroup_limits_read(&c->cgroup, value, err) < 0)
        return -1;
    if (cgroup_base_find(base, &why) == 0 &&
        cgroup_base_prepare(base, &c->cgroup, &why) == 0)
        return 0;
    c->cgroup.is_set = 0;
    return c->cgroup.is_optional
               ? 0 : err_set(err, STINT_INVALID, "%s", why.text);
}

int confine_read(struct confine *c, const char *key, const json_t *value,
                 struct stint_err *err)
{
    static const struct {
        const char *key;
        int (*read)(struct confine *c, const json_t *value,
                    struct stint_err *err);
    } keys[] = {{"user", user_read}, {"nice", nice_read},
                {"rlimits", rlimits_read}, {"cwd", cwd_read},
                {"umask", umask_read}, {"env", env_read},
                {"setenv", setenv_read}, {"no_new_privs", privs_read},
                {"cgroup", cgroup_read}};

    for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
        if (strcmp(keys[i].key, key) == 0)
            return keys[i].read(c, value, err) < 0 ? -1 : 1;
    return 0;
}

void confine_close(struct confine *c)
{
    account_close(&c->user);
    free(c->cwd);
    entries_free(c->env_allow);
    entries_free(c->env_set);
    memset(c, 0, sizeof(*c));
}

/* ---- In the child ------------------------------------------------------- */

/* After its seconds a program gets SIGXCPU, and a second later SIGKILL. */
static int rlimits_apply(const struct confine *c, const char **step)
{
    for (int i = 0; i < N_CONFINE_LIMITS; i++) {
        rlim_t n = (rlim_t)c->limits[i];
        struct rlimit limit = {n, n + (i == CONFINE_CPU)};

        *step = limits[i].step;
        if ((c->limits_set & 1U << i) &&
            setrlimit((unsigned)limits[i].resource, &limit) < 0)
            return -1;
    }
    return 0;
}

/* What only root may do comes first; the path is looked up as the user. */
int confine_apply(const struct confine *c, const char **step)
{
    *step = "nice";
    if (c->nice != 0 &&
        setpriority(PRIO_PROCESS, 0,
                    getpriority(PRIO_PROCESS, 0) + c->nice) < 0)
        return -1;
    if (rlimits_apply(c, step) < 0)
        return -1;
    *step = c->user.text;
    if (account_apply(&c->user) < 0)
        return -1;
    *step = c->cwd;
    if (c->cwd && chdir(c->cwd + strlen("cwd ")) < 0)
        return -1;
    if (c->has_umask)
        umask(c->umask);
    *step = "no_new_privs";
    return c->may_gain_privs ? 0 : prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

/* ---- The environment ---------------------------------------------------- */

static int env_is_allowed(const struct confine *c, const char *entry,
                          size_t len)
{
    if (!c->env_allow)
        return 1;
    for (char *const *a = c->env_allow; *a; a++) {
        size_t n = strcspn(*a, "*");

        if ((*a)[n] ? n <= len && memcmp(*a, entry, n) == 0
                    : n == len && memcmp(*a, entry, n) == 0)
            return 1;
    }
    return 0;
}

/* Whether one of the entries has the name of this one. */
static int env_has(char *const *entries, const char *entry, size_t len)
{
    for (; entries && *entries; entries++)
        if (strncmp(*entries, entry, len) == 0 && (*entries)[len] == '=')
            return 1;
    return 0;
}

size_t confine_env_max(const struct confine *c, char *const *inherited)
{
    return entries_count(inherited) + entries_count(c->env_set) +
           entries_count(c->user.env);
}

size_t confine_env(const struct confine *c, char *const *inherited, char **to)
{
    size_t n = 0;

    for (; inherited && *inherited; inherited++) {
        size_t len = strcspn(*inherited, "=");

        if (env_is_allowed(c, *inherited, len) &&
            !env_has(c->env_set, *inherited, len) &&
            !env_has(c->user.env, *inherited, len))
            to[n++] = *inherited;
    }
    for (char *const *u = c->user.env; u && *u; u++)
        if (!env_has(c->env_set, *u, strcspn(*u, "=")))
            to[n++] = *u;
    for (char *const *e = c->env_set; e && *e; e++)
        to[n++] = *e;
    return n;
}
