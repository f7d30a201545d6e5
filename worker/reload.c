/* SPDX-License-Identifier: MIT */
/* Another configuration for a worker that runs. Everything that can fail is
 * done first, on a configuration of its own; then it takes the place of the old
 * one in one step. That one stays as long as a task goes by it: each task in
 * hand, and each assign under way, counts as a use. Programs and threads are
 * shared by all; the resident processes of the old one go when they have no
 * run. C functions in processes are forks of what was there at the start, so
 * these stay the first configuration's. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embed.h"
#include "err.h"

/* ---- What can fail -------------------------------------------------------- */

static const struct task_type *type_find(const struct config *c,
                                         const char *name)
{
    return config_find(c, name, strlen(name));
}

/* Those that the file still names run as they did at the start. */
static int forks_adopt(const stint_worker *sw, struct config *c,
                       struct stint_err *err)
{
    for (int i = 0; i < c->n_types; i++) {
        struct task_type *t = &c->types[i];
        if (t->runs_on != EXECUTOR_FORKS)
            continue;
        const struct task_type *old =
            sw->first != NULL ? type_find(sw->first, t->name) : NULL;
        if (old == NULL || old->runs_on != EXECUTOR_FORKS ||
            old->function.fn != t->function.fn ||
            old->function.arg != t->function.arg ||
            strcmp(old->pool->settings, t->pool->settings) != 0)
            return err_set(err, STINT_INVALID, "tasks: %.128s: to add or to "
                           "change a C function in a process needs a restart",
                           t->name);
        t->pool = old->pool;
    }
    return 0;
}

/* New resident processes; threads, as many as it takes; the rest is shared. */
static int executors_make(stint_worker *sw, struct config *c,
                          struct stint_err *err)
{
    const struct config *old = sw->config;
    memcpy(c->executors, old->executors, sizeof(c->executors));
    c->executors[EXECUTOR_CHILDREN] = NULL;
    for (int i = 0; i < EXECUTOR_N; i++) {
        if (c->executors[i] != NULL || config_count(c, i) == 0)
            continue;
        c->executors[i] = loop_executor_new(sw, c, i, err);
        if (c->executors[i] == NULL)
            return -1;
    }
    return c->executors[EXECUTOR_THREAD] == NULL
               ? 0
               : thread_executor_grow(c->executors[EXECUTOR_THREAD],
                                      c->concurrency, err);
}

/* A program or thread executor that is new is for the old one, too: nothing of
 * that kind runs by it. */
static void executors_undo(stint_worker *sw, struct config *c)
{
    struct executor *e = c->executors[EXECUTOR_CHILDREN];
    if (e != NULL)
        e->ops->close(e);
    c->executors[EXECUTOR_CHILDREN] = NULL;
    for (int i = 0; i < EXECUTOR_N; i++)
        if (sw->config->executors[i] == NULL)
            sw->config->executors[i] = c->executors[i];
}

static struct config *config_make(stint_worker *sw, struct stint_err *err)
{
    if (sw->config_path == NULL) {
        err_set(err, STINT_INVALID, "there is no configuration file");
        return NULL;
    }
    struct config *c = embed_config_new(sw, err);
    if (c == NULL)
        return NULL;
    int rc = c->n_types > 0
                 ? 0
                 : err_set(err, STINT_INVALID, "there are no functions in it");
    if (rc == 0)
        rc = worker_groups_fit(&sw->w, c, err);
    if (rc == 0)
        rc = forks_adopt(sw, c, err);
    if (rc == 0) {
        rc = executors_make(sw, c, err);
        if (rc < 0)
            executors_undo(sw, c);
    }
    if (rc == 0)
        return c;
    config_free(c);
    return NULL;
}

/* ---- The step ------------------------------------------------------------- */

static void hello_groups(const stint_worker *sw, int first)
{
    for (int i = first; sw->hello_fd >= 0 && i < sw->w.n_groups; i++)
        dprintf(sw->hello_fd, "G %s\n", sw->w.groups[i].name);
}

/* Prefetched, and of functions that are not there any more: given back. */
static void prefetched_release(struct worker *w)
{
    for (struct held *h = w->held[HELD_ASSIGNED].first, *next; h; h = next) {
        next = h->next;
        if (type_find(w->config, h->run.function) == NULL)
            held_move(w, h, HELD_DONE); /* with no status */
    }
}

static void config_replace(stint_worker *sw, struct config *c)
{
    struct worker *w = &sw->w;
    struct config *old = sw->config;
    struct stint_err err = {0};
    int n_groups = w->n_groups;
    old->older = sw->older;
    sw->older = old;
    w->config = sw->config = c;
    if (old->executors[EXECUTOR_CHILDREN] != NULL)
        children_executor_retire(old->executors[EXECUTOR_CHILDREN]);
    prefetched_release(w);
    if (worker_follow_groups(w, &err) < 0) {
        log_error(&sw->log, log_event("wait"), log_text("error", err.text),
                  log_text("text", "the worker ends"));
        w->stops = 1;
    }
    hello_groups(sw, n_groups);
    w->fleet_mono_ms = 0; /* let people see it */
}

static void reload_try(stint_worker *sw)
{
    struct stint_err err = {0};
    struct config *c = config_make(sw, &err);
    if (c == NULL) {
        log_error(&sw->log, log_event("reload"),
                  log_text("config", sw->config_path),
                  log_text("error", err.text),
                  log_text("text", "refused: the old configuration goes on"));
        return;
    }
    config_replace(sw, c);
    log_info(&sw->log, log_event("reload"),
             log_text("config", sw->config_path), log_n("groups", c->n_groups),
             log_n("concurrency", c->concurrency),
             log_n("functions", c->n_types));
}

void reload_now(stint_worker *sw)
{
    if (sw->w.stops > 0)
        return;
    announce_reload(sw, 0);
    reload_try(sw);
    announce_reload(sw, 1);
}

/* ---- What is over --------------------------------------------------------- */

static int config_is_over(const stint_worker *sw, const struct config *c)
{
    const struct executor *e = c->executors[EXECUTOR_CHILDREN];
    return c->n_uses == 0 && c != sw->first &&
           (e == NULL || children_executor_is_gone(e));
}

static void config_end(struct config *c)
{
    struct executor *e = c->executors[EXECUTOR_CHILDREN];
    if (e != NULL)
        e->ops->close(e);
    config_free(c);
}

void reload_settle(stint_worker *sw)
{
    struct config **at = &sw->older;
    while (*at != NULL) {
        struct config *c = *at;
        if (!config_is_over(sw, c)) {
            at = &c->older;
            continue;
        }
        *at = c->older;
        config_end(c);
    }
}

void reload_free(stint_worker *sw)
{
    while (sw->older != NULL) {
        struct config *c = sw->older;
        sw->older = c->older;
        config_free(c);
    }
    config_free(sw->config);
    sw->config = NULL;
}

void reload_close(stint_worker *sw)
{
    for (struct config *c = sw->older; c != NULL; c = c->older) {
        struct executor *e = c->executors[EXECUTOR_CHILDREN];
        if (e != NULL)
            e->ops->close(e);
        c->executors[EXECUTOR_CHILDREN] = NULL;
    }
}
