/* SPDX-License-Identifier: MIT */
/* Each hook goes round: a page is read (one call of stint_async, which also says
 * how far it has come), its events are posted, a few at a time, and when none is
 * left it reads on. A timer renews the lease meanwhile. */
#define _GNU_SOURCE /* CLOCK_MONOTONIC */
#include "webhook.h"

#include <event2/dns.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "webhook_page.h"
#include "webhook_send.h"
#include "webhook_sign.h"

#define SENDING_MAX 4    /* of a hook at once */
#define LOOK_MS     500  /* nothing has happened */
#define TAKEN_MS    2000 /* another broker sends; Redis is not there */
#define RENEW_MS    (WEBHOOK_LEASE_MS / 3)

struct hook {
    struct webhooks *w;
    struct webhook_config c;
    struct event *timer;      /* looks, or renews */
    stint_call *call;         /* NULL: none is under way */
    int is_reading;           /* the call is to bring a page */
    int has_page;
    struct webhook_page page; /* being read, or sent */
    struct webhook_page renewed; /* of a call that only renews: no items */
    char at[STINT_CURSOR_LEN + 1]; /* behind what is done; "": not known */
    struct delivery *sending[SENDING_MAX];
    size_t next;              /* of the page, to be sent */
    int is_down;              /* trouble was logged */
};

struct webhooks {
    struct hook *hooks;
    size_t n;
    char who[64];
    struct log log;
    struct log_limit log_limit;
    stint_async *async;
    struct webhook_net net;
    size_t n_calls;           /* under way */
    int is_stopping;
};

#define hook_say(h, level, ...)                                                \
    log_at(&(h)->w->log, level, log_event("webhook"),                          \
           log_text("name", (h)->c.name), __VA_ARGS__)

static int64_t now_mono_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void webhooks_free(struct webhooks *w)
{
    for (size_t i = 0; i < w->n; i++) {
        webhook_page_close(&w->hooks[i].page);
        webhook_config_close(&w->hooks[i].c);
    }
    if (w->net.dns != NULL)
        evdns_base_free(w->net.dns, 0);
    webhook_tls_close(w->net.tls);
    free(w->hooks);
    free(w);
}

static void hook_later(struct hook *h, int ms)
{
    struct timeval t = {ms / 1000, ms % 1000 * 1000};
    (void)event_add(h->timer, &t); /* asks for no memory */
}

/* The page is not ours any more: whoever has the lease sends it. */
static void hook_drop(struct hook *h)
{
    for (size_t i = 0; i < SENDING_MAX; i++) {
        if (h->sending[i] != NULL)
            delivery_cancel(h->sending[i]);
        h->sending[i] = NULL;
    }
    webhook_page_close(&h->page);
    h->has_page = 0;
}

static void hook_send(struct hook *h);

static void hook_on_sent(struct delivery *d, int code, void *arg)
{
    struct hook *h = arg;
    for (size_t i = 0; i < SENDING_MAX; i++)
        if (h->sending[i] == d)
            h->sending[i] = NULL;
    if (code < 200 || code >= 300)
        hook_say(h, STINT_LOG_ERROR, log_text("delivery", delivery_id(d)),
                 log_n("status", code), log_n("tries", WEBHOOK_TRIES_MAX),
                 log_text("text", "given up"));
    hook_send(h);
}

/* As many as may be on their way; behind the last one the page is done. */
static void hook_send(struct hook *h)
{
    size_t busy = 0;
    for (size_t i = 0; i < SENDING_MAX; i++) {
        if (h->sending[i] == NULL && h->next < h->page.n) {
            struct webhook_item *item = &h->page.items[h->next];
            h->sending[i] = delivery_start(&h->w->net, &h->c, item->id,
                                           item->body, hook_on_sent, h);
            item->body = NULL;
            if (h->sending[i] == NULL) { /* no memory: all of it once more */
                hook_drop(h);
                hook_later(h, TAKEN_MS);
                return;
            }
            h->next++;
        }
        busy += h->sending[i] != NULL;
    }
    if (busy > 0)
        return;
    memcpy(h->at, h->page.cursor, sizeof(h->at));
    webhook_page_close(&h->page);
    h->has_page = 0;
    hook_later(h, 0);
}

static int hook_work(stint *s, void *arg, struct stint_err *err)
{
    struct hook *h = arg;
    return h->is_reading
               ? webhook_page_read(&h->page, s, &h->c, h->w->who,
                                   *h->at ? h->at : NULL, 1, err)
               : webhook_page_read(&h->renewed, s, &h->c, h->w->who, NULL, 0,
                                   err);
}

static void hook_on_read(struct hook *h)
{
    if (!h->page.is_held) {
        *h->at = '\0';
        webhook_page_close(&h->page);
        hook_later(h, TAKEN_MS);
    } else if (h->page.n == 0) {
        int moved = strcmp(h->at, h->page.cursor) != 0;
        memcpy(h->at, h->page.cursor, sizeof(h->at));
        hook_later(h, moved ? LOOK_MS / 5 : LOOK_MS);
    } else {
        h->has_page = 1;
        h->next = 0;
        hook_later(h, RENEW_MS);
        hook_send(h);
    }
}

static void hook_on_call(int rc, const struct stint_err *err, void *arg)
{
    struct hook *h = arg;
    struct webhooks *w = h->w;
    h->call = NULL;
    w->n_calls--;
    if (w->is_stopping) {
        if (w->n_calls == 0)
            webhooks_free(w);
        return;
    }
    if (rc != 0 && !h->is_down)
        hook_say(h, STINT_LOG_WARN, log_text("error", err->text));
    h->is_down = rc != 0;
    if (rc != 0 && h->is_reading)
        webhook_page_close(&h->page);
    if (rc != 0)
        hook_later(h, TAKEN_MS); /* what is on its way goes on */
    else if (h->is_reading)
        hook_on_read(h);
    else if (h->has_page && !h->renewed.is_held) {
        hook_say(h, STINT_LOG_WARN,
                 log_text("text", "another broker goes on"));
        hook_drop(h);
        *h->at = '\0';
        hook_later(h, TAKEN_MS);
    } else
        hook_later(h, h->has_page ? RENEW_MS : 0);
}

static void hook_on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct hook *h = arg;
    struct stint_err err = {0};
    (void)fd, (void)what;
    if (h->call != NULL)
        return; /* its end goes on */
    h->is_reading = !h->has_page;
    if (stint_async_call(h->w->async, hook_work, hook_on_call, h, &h->call,
                         &err)) {
        h->call = NULL;
        hook_later(h, TAKEN_MS);
        return;
    }
    h->w->n_calls++;
}

struct webhooks *webhooks_new(const json_t *array, stint_log_fn log,
                              void *log_arg, struct stint_err *err)
{
    size_t n = json_array_size(array);
    struct webhooks *w = calloc(1, sizeof(*w));
    struct hook *hooks = calloc(n + 1, sizeof(*hooks));
    if (w == NULL || hooks == NULL) {
        free(w);
        free(hooks);
        err->code = STINT_NOMEM;
        snprintf(err->text, sizeof(err->text), "out of memory");
        return NULL;
    }
    *w = (struct webhooks){.hooks = hooks, .log_limit = {.clock = now_mono_ms}};
    w->log = (struct log){log, log_arg, &w->log_limit};
    err->code = STINT_OK;
    if (!json_is_array(array) || n > WEBHOOKS_MAX) {
        err->code = STINT_INVALID;
        snprintf(err->text, sizeof(err->text),
                 "webhooks must be an array of at most %d", WEBHOOKS_MAX);
    }
    for (; err->code == STINT_OK && w->n < n; w->n++) {
        struct hook *h = &hooks[w->n];
        h->w = w;
        if (webhook_config_read(&h->c, json_array_get(array, w->n), w->n, err))
            continue; /* it is closed with the others */
        for (size_t k = 0; k < w->n; k++)
            if (strcmp(hooks[k].c.name, h->c.name) == 0) {
                err->code = STINT_INVALID;
                snprintf(err->text, sizeof(err->text),
                         "webhook %.40s: there are two of this name",
                         h->c.name);
            }
    }
    if (err->code == STINT_OK)
        return w;
    webhooks_free(w);
    return NULL;
}

int webhooks_start(struct webhooks *w, struct event_base *base,
                   stint_async *async, struct stint_err *err)
{
    unsigned long long salt = 0;
    w->async = async;
    evutil_secure_rng_get_bytes(&salt, sizeof(salt));
    snprintf(w->who, sizeof(w->who), "broker.%ld.%016llx", (long)getpid(),
             salt);
    w->net.base = base;
    w->net.dns = evdns_base_new(base, EVDNS_BASE_INITIALIZE_NAMESERVERS |
                                          EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    w->net.tls = webhook_tls_open();
    int failed = w->net.dns == NULL;
    for (size_t i = 0; i < w->n; i++) {
        w->hooks[i].timer = evtimer_new(base, hook_on_timer, &w->hooks[i]);
        failed |= w->hooks[i].timer == NULL;
        failed |= w->hooks[i].c.is_https && w->net.tls == NULL;
    }
    for (size_t i = 0; i < w->n && !failed; i++)
        hook_later(&w->hooks[i], 0);
    if (!failed)
        return 0;
    err->code = STINT_NOMEM;
    snprintf(err->text, sizeof(err->text), "out of memory for webhooks");
    return -1;
}

void webhooks_stop(struct webhooks *w)
{
    if (w == NULL)
        return;
    w->is_stopping = 1;
    for (size_t i = 0; i < w->n; i++) {
        struct hook *h = &w->hooks[i];
        for (size_t k = 0; k < SENDING_MAX; k++) {
            if (h->sending[k] != NULL)
                delivery_cancel(h->sending[k]);
            h->sending[k] = NULL;
        }
        if (h->timer != NULL)
            event_free(h->timer);
        h->timer = NULL;
        if (h->call != NULL)
            stint_async_cancel(h->call);
    }
    if (w->n_calls == 0)
        webhooks_free(w);
}
