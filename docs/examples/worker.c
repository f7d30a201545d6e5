/* SPDX-License-Identifier: MIT */
/* A program with a worker inside, on an event loop of its own: here it prints
 * a line every now and then, a server would do its own work there.
 *     cc worker.c count.c -o worker \
 *         $(pkg-config --cflags --libs stint libevent jansson) */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>

#include <stint/stint.h>

#include "count.h"

struct program {
    struct event_base *base;
    stint_worker *worker;
    int rc;
};

static void on_log(enum stint_log_level level, const char *line, void *arg)
{
    (void)arg;
    if (level <= STINT_LOG_INFO)
        fprintf(stderr, "%s\n", line);
}

static void on_signal(evutil_socket_t n, short what, void *arg)
{
    struct program *p = arg;
    (void)n, (void)what;
    stint_worker_stop(p->worker); /* finishes what runs; on_end comes then */
}

static void on_second(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what, (void)arg;
    fprintf(stderr, "the program's own work\n");
}

static void on_end(int rc, const struct stint_err *err, void *arg)
{
    struct program *p = arg;
    p->rc = rc;
    if (rc < 0)
        fprintf(stderr, "%s\n", err->text);
    event_base_loopbreak(p->base);
}

int main(void)
{
    struct program p = {event_base_new(), NULL, 0};
    struct stint_err err = {0};
    struct stint_worker_options o = STINT_WORKER_OPTIONS_INIT;
    struct stint_function_options f = STINT_FUNCTION_OPTIONS_INIT;
    const struct timeval second = {1, 0};
    o.concurrency = 4;
    o.log = on_log;
    f.isolation = STINT_PROCESS; /* a crash would cost one run */
    p.worker = stint_worker_new(&o, &err);
    if (p.base == NULL || p.worker == NULL ||
        stint_worker_register(p.worker, "count_words", count_words, NULL, &f,
                              &err) < 0 ||
        stint_worker_start(p.worker, p.base, on_end, &p, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    struct event *term = evsignal_new(p.base, SIGTERM, on_signal, &p);
    struct event *timer = event_new(p.base, -1, EV_PERSIST, on_second, NULL);
    event_add(term, NULL);
    event_add(timer, &second);
    event_base_dispatch(p.base);
    event_free(term);
    event_free(timer);
    stint_worker_free(p.worker);
    event_base_free(p.base);
    return p.rc < 0;
}
