/* SPDX-License-Identifier: MIT */
/* Sends webhooks as a broker does, and nothing else:
 *     webhook_helper URL CONFIGURATION
 * where the second is the JSON array. Runs until it is killed or SIGTERM. */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>

#include <jansson.h>
#include <stint/stint.h>

#include "webhook.h"

static void log_line(enum stint_log_level level, const char *line, void *arg)
{
    (void)arg;
    fprintf(stderr, "%d %s\n", (int)level, line);
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    event_base_loopbreak(arg);
}

int main(int argc, char **argv)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    struct event_base *base = event_base_new();
    json_t *array = argc == 3 ? json_loads(argv[2], 0, NULL) : NULL;
    struct event *term = evsignal_new(base, SIGTERM, on_signal, base);
    o.url = argc == 3 ? argv[1] : NULL;
    struct webhooks *w = webhooks_new(array, log_line, NULL, &err);
    json_decref(array);
    stint_async *async = w != NULL ? stint_async_open(&o, base, &err) : NULL;
    if (async == NULL || webhooks_start(w, base, async, &err)) {
        fprintf(stderr, "%s\n", err.text);
        return 2;
    }
    event_add(term, NULL);
    event_base_dispatch(base);
    webhooks_stop(w);
    stint_async_close(async);
    event_free(term);
    event_base_free(base);
    return 0;
}
