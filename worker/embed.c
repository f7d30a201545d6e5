/* SPDX-License-Identifier: MIT */
/* The public face of a worker: options, functions, running and stopping. */
#define _GNU_SOURCE /* gethostname, pipe2 */
#include "embed.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"

/* ---- Making one ----------------------------------------------------------- */

static void embed_name(stint_worker *sw, const char *name)
{
    static const char digits[] = "0123456789abcdefghjkmnpqrstvwxyz";
    unsigned char random[8] = {0};
    char tail[9];
    struct worker *w = &sw->w;
    if (gethostname(w->host, sizeof(w->host) - 1) < 0)
        snprintf(w->host, sizeof(w->host), "localhost");
    for (char *p = w->host; *p != '\0'; p++)
        if (!task_group_is_valid(p, 1))
            *p = '-';
    w->pid = getpid();
    if (name != NULL)
        snprintf(w->shown, sizeof(w->shown), "%.110s", name);
    else
        snprintf(w->shown, sizeof(w->shown), "%s.%" PRId64, w->host, w->pid);
    if (getrandom(random, sizeof(random), 0) < 0)
        memcpy(random, &w->pid, sizeof(w->pid));
    for (int i = 0; i < 8; i++)
        tail[i] = digits[random[i] & 31];
    tail[8] = '\0';
    snprintf(w->name, sizeof(w->name), "%.110s.%s", w->shown, tail);
}

/* The options go before the file. */
static int config_of_options(const stint_worker *sw, struct config *c,
                             struct stint_err *err)
{
    if (sw->groups != NULL) {
        c->n_groups = 0;
        for (char *const *g = sw->groups; *g != NULL; g++)
            if (config_add_group(c, *g, err) < 0)
                return -1;
    }
    if (c->n_groups == 0 && config_add_group(c, "main", err) < 0)
        return -1;
    if (sw->concurrency > 0)
        c->concurrency = sw->concurrency;
    if (c->concurrency == 0) {
        long cores = sysconf(_SC_NPROCESSORS_ONLN);
        c->concurrency = cores < 1 ? 1 : cores > 64 ? 64 : (int)cores;
    }
    return 0;
}

static int config_of_functions(const struct registered *r, struct config *c,
                               struct stint_err *err)
{
    if (r == NULL)
        return 0;
    if (config_of_functions(r->next, c, err) < 0)
        return -1;
    return config_add_function(c, r->name, r->fn, r->arg, &r->o, err);
}

struct config *embed_config_new(const stint_worker *sw, struct stint_err *err)
{
    struct config *c = malloc(sizeof(*c));
    if (c == NULL) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    config_init(c);
    if ((sw->config_path == NULL ||
         config_load(c, sw->config_path, err) == 0) &&
        config_of_options(sw, c, err) == 0 &&
        config_of_functions(sw->registered, c, err) == 0)
        return c;
    config_free(c);
    return NULL;
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    config_close(c);
    free(c);
}

static int embed_keep(stint_worker *sw, const struct stint_worker_options *o,
                      struct stint_err *err)
{
    size_t n = 0;
    while (o->groups != NULL && o->groups[n] != NULL)
        n++;
    int failed = (o->url != NULL && (sw->url = strdup(o->url)) == NULL) ||
                 (o->name_space != NULL &&
                  (sw->name_space = strdup(o->name_space)) == NULL) ||
                 (o->config_path != NULL &&
                  (sw->config_path = strdup(o->config_path)) == NULL) ||
                 (n > 0 &&
                  (sw->groups = calloc(n + 1, sizeof(*sw->groups))) == NULL);
    for (size_t i = 0; i < n && !failed; i++)
        failed = (sw->groups[i] = strdup(o->groups[i])) == NULL;
    sw->concurrency = o->concurrency;
    return failed ? err_set(err, STINT_NOMEM, "out of memory") : 0;
}

static int embed_options(stint_worker *sw,
                         const struct stint_worker_options *o,
                         struct stint_err *err)
{
    struct worker *w = &sw->w;
    if (o->concurrency < 0 || o->concurrency > CONCURRENCY_MAX)
        return err_set(err, STINT_INVALID,
                       "concurrency must be from 1 to %d", CONCURRENCY_MAX);
    if (o->prefetch < 0 || o->prefetch > 1000)
        return err_set(err, STINT_INVALID, "prefetch must be from 0 to 1000");
    w->prefetch = o->prefetch;
    if (o->name != NULL &&
        (strlen(o->name) > 100 || !task_group_is_valid(o->name,
                                                       strlen(o->name))))
        return err_set(err, STINT_INVALID,
                       "name must be 1 to 100 of A-Za-z0-9_.-");
    double hb = o->heartbeat_s > 0 ? o->heartbeat_s : 3;
    if (hb < 0.1 || hb > 600)
        return err_set(err, STINT_INVALID,
                       "heartbeat must be from 0.1 to 600 seconds");
    w->heartbeat_ms = (int64_t)(hb * 1000);
    w->lease_ms = LEASE_MS(w->heartbeat_ms);
    w->shutdown_ms = (int64_t)((o->shutdown_s > 0 ? o->shutdown_s : 30) * 1000);
    sw->grace_ms = (int64_t)((o->grace_s > 0 ? o->grace_s : 5) * 1000);
    w->drain = o->drain;
    if (o->max_empty_runs < 0)
        return err_set(err, STINT_INVALID, "max_empty_runs must be >= 0");
    w->max_empty_runs = o->max_empty_runs;
    embed_name(sw, o->name);
    if (embed_keep(sw, o, err) < 0)
        return -1;
    w->config = sw->config = embed_config_new(sw, err);
    return w->config != NULL ? worker_add_groups(w, err) : -1;
}

stint_worker *stint_worker_new(const struct stint_worker_options *options,
                               struct stint_err *err)
{
    struct stint_worker_options o = STINT_WORKER_OPTIONS_INIT;
    if (options != NULL)
        memcpy(&o, options,
               options->size < sizeof(o) ? options->size : sizeof(o));
    stint_worker *sw = calloc(1, sizeof(*sw));
    if (sw == NULL) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    sw->hello_fd = -1;
    sw->stop_fd[0] = sw->stop_fd[1] = sw->guard_fd = -1;
    sw->guard = -1;
    sw->log_limit.clock = clock_mono_ms;
    sw->log = (struct log){o.log, o.log_arg, &sw->log_limit};
    sw->w.log_runs = o.log_runs;
    sw->announces = o.announce;
    sw->w.log = &sw->log;
    if (embed_options(sw, &o, err) == 0) {
        if (pipe2(sw->stop_fd, O_CLOEXEC | O_NONBLOCK) == 0)
            return sw;
        err_errno(err, "pipe");
    }
    stint_worker_free(sw);
    return NULL;
}

static void registered_free(struct registered *r)
{
    if (r == NULL)
        return;
    free(r->name);
    free((char *)(uintptr_t)r->o.settings);
    free(r);
}

/* For the next configurations. */
static int registered_keep(stint_worker *sw, const char *name,
                           stint_handler_fn fn, void *arg,
                           const struct stint_function_options *o)
{
    struct registered *r = calloc(1, sizeof(*r));
    if (r == NULL)
        return -1;
    r->fn = fn;
    r->arg = arg;
    r->o = (struct stint_function_options)STINT_FUNCTION_OPTIONS_INIT;
    if (o != NULL)
        memcpy(&r->o, o, o->size < sizeof(r->o) ? o->size : sizeof(r->o));
    r->o.size = sizeof(r->o);
    const char *settings = r->o.settings;
    r->o.settings = settings != NULL ? strdup(settings) : NULL;
    r->name = strdup(name);
    if (r->name == NULL || (settings != NULL && r->o.settings == NULL)) {
        registered_free(r);
        return -1;
    }
    r->next = sw->registered;
    sw->registered = r;
    return 0;
}

int stint_worker_register(stint_worker *sw, const char *name,
                          stint_handler_fn fn, void *arg,
                          const struct stint_function_options *o,
                          struct stint_err *err)
{
    if (sw->base != NULL)
        return err_set(err, STINT_STATE, "the worker runs already");
    if (config_add_function(sw->config, name, fn, arg, o, err) < 0)
        return -1;
    if (registered_keep(sw, name, fn, arg, o) == 0)
        return 0;
    sw->config->n_types--; /* as if it had never been asked for */
    return err_set(err, STINT_NOMEM, "out of memory");
}

static void embed_tell(stint_worker *sw, const char *word)
{
    int saved = errno;
    ssize_t n;
    do {
        n = write(sw->stop_fd[1], word, 1);
    } while (n < 0 && errno == EINTR);
    (void)n; /* a full pipe has said it already */
    errno = saved;
}

void stint_worker_stop(stint_worker *sw)
{
    embed_tell(sw, WORD_STOP);
}

void stint_worker_reload(stint_worker *sw)
{
    embed_tell(sw, WORD_RELOAD);
}

void worker_hello_to(stint_worker *sw, int fd)
{
    sw->hello_fd = fd;
}

const char *worker_name_of(const stint_worker *sw)
{
    return sw->w.name;
}

const char *worker_group_of(const stint_worker *sw, int i)
{
    return i < sw->w.n_groups ? sw->w.groups[i].name : NULL;
}

void stint_worker_free(stint_worker *sw)
{
    if (sw == NULL)
        return;
    testing_detach(sw);
    for (int i = 0; i < 2; i++)
        if (sw->stop_fd[i] >= 0)
            close(sw->stop_fd[i]);
    if (!sw->is_stuck) /* its code may be a module's */
        reload_free(sw);
    while (sw->registered != NULL) {
        struct registered *r = sw->registered;
        sw->registered = r->next;
        registered_free(r);
    }
    for (char **g = sw->groups; g != NULL && *g != NULL; g++)
        free(*g);
    free(sw->groups);
    free(sw->config_path);
    free(sw->w.groups);
    free(sw->url);
    free(sw->name_space);
    free(sw);
}

/* ---- Running ------------------------------------------------------------- */

int stint_worker_start(stint_worker *sw, struct event_base *base,
                       stint_worker_end_fn on_end, void *arg,
                       struct stint_err *err)
{
    if (sw->bed != NULL)
        return err_set(err, STINT_STATE, "the worker is driven by a test");
    if (sw->base != NULL || sw->has_run)
        return err_set(err, STINT_STATE, "%s", sw->has_run
                       ? "the worker has run: make a new one"
                       : "the worker runs already");
    sw->base = base;
    sw->on_end = on_end;
    sw->end_arg = arg;
    return loop_open(sw, err);
}

/* epoll waits whole milliseconds, rounded up, unless told to use a timer. */
static struct event_base *embed_base_new(void)
{
    struct event_config *config = event_config_new();
    struct event_base *base = NULL;
    if (config != NULL &&
        event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER) == 0)
        base = event_base_new_with_config(config);
    if (config != NULL)
        event_config_free(config);
    return base;
}

/* How it ended, for stint_worker_run. */
struct ending {
    struct event_base *base;
    int rc;
    struct stint_err *err;
};

static void embed_on_end(int rc, const struct stint_err *err, void *arg)
{
    struct ending *ending = arg;
    ending->rc = rc;
    if (rc < 0)
        err_set(ending->err, err->code, "%s", err->text);
    event_base_loopbreak(ending->base);
}

int stint_worker_run(stint_worker *sw, struct stint_err *err)
{
    struct ending ending = {embed_base_new(), -1, err};
    if (ending.base == NULL)
        return err_set(err, STINT_NOMEM, "out of memory");
    if (stint_worker_start(sw, ending.base, embed_on_end, &ending, err) == 0)
        event_base_dispatch(ending.base);
    if (!sw->is_stuck) /* a function that goes on may still use it */
        event_base_free(ending.base);
    return ending.rc;
}
