/* SPDX-License-Identifier: MIT */
/* A resource outside of Redis that tasks write to, and that checks fences:
 * torture_resource DIR. It takes a write if its fence is above all that it has
 * seen for the task, or equal with the same token, and writes to its history
 * what it took and what it refused. It is never killed. */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"
#include "effect.h"
#include "history_file.h"

struct seen {
    uint64_t id; /* hash; 0: free */
    uint64_t fence, token;
};

struct resource {
    struct event_base *base;
    struct history history;
    struct seen *at;
    size_t cap, n; /* cap: a power of two */
};

static struct seen *resource_slot(struct seen *at, size_t cap, uint64_t id)
{
    size_t i = id & (cap - 1);
    while (at[i].id != 0 && at[i].id != id)
        i = (i + 1) & (cap - 1);
    return &at[i];
}

static void resource_grow(struct resource *r)
{
    size_t cap = r->cap != 0 ? 2 * r->cap : 1 << 16;
    struct seen *at = calloc(cap, sizeof(*at));
    if (at == NULL) {
        fprintf(stderr, "resource: out of memory\n");
        exit(70);
    }
    for (size_t i = 0; i < r->cap; i++)
        if (r->at[i].id != 0)
            *resource_slot(at, cap, r->at[i].id) = r->at[i];
    free(r->at);
    r->at = at;
    r->cap = cap;
}

static char resource_take(struct resource *r, const struct resource_request *q)
{
    uint64_t id = history_hash(q->id, strlen(q->id));
    if (2 * r->n >= r->cap)
        resource_grow(r);
    struct seen *s = resource_slot(r->at, r->cap, id != 0 ? id : 1);
    r->n += s->id == 0;
    s->id = id != 0 ? id : 1;
    int ok = q->fence > s->fence ||
             (q->fence == s->fence && q->token == s->token);
    if (ok) {
        s->fence = q->fence;
        s->token = q->token;
    }
    history_add(&r->history, ok ? HISTORY_ACCEPTED : HISTORY_REJECTED,
                ok ? OUTCOME_OK : OUTCOME_REFUSED, q->id, q->fence, q->token,
                (int64_t)s->fence, q->actor, 0, 0);
    return ok ? 'y' : 'n';
}

struct caller {
    struct resource *resource;
    struct event *event;
    struct resource_request request;
    size_t len;
};

static void caller_on_data(evutil_socket_t fd, short what, void *arg)
{
    struct caller *c = arg;
    (void)what;
    ssize_t n = recv(fd, (char *)&c->request + c->len,
                     sizeof(c->request) - c->len, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    c->len += n > 0 ? (size_t)n : 0;
    if (n > 0 && c->len < sizeof(c->request))
        return;
    if (n > 0) {
        c->request.id[sizeof(c->request.id) - 1] = '\0';
        char answer = resource_take(c->resource, &c->request);
        (void)!send(fd, &answer, 1, MSG_NOSIGNAL); /* it may be gone */
    }
    event_free(c->event);
    close(fd);
    free(c);
}

static void resource_on_connect(evutil_socket_t fd, short what, void *arg)
{
    struct resource *r = arg;
    (void)what;
    int at = accept(fd, NULL, NULL);
    struct caller *c = at >= 0 ? calloc(1, sizeof(*c)) : NULL;
    if (c == NULL) {
        if (at >= 0)
            close(at);
        return;
    }
    fcntl(at, F_SETFD, FD_CLOEXEC);
    evutil_make_socket_nonblocking(at);
    c->resource = r;
    c->event = event_new(r->base, at, EV_READ | EV_PERSIST, caller_on_data,
                         c);
    event_add(c->event, NULL);
}

int main(int argc, char **argv)
{
    struct resource r = {.history = {.fd = -1}};
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    char path[512];
    if (argc != 2) {
        fprintf(stderr, "usage: torture_resource DIR\n");
        return 64;
    }
    signal(SIGPIPE, SIG_IGN);
    snprintf(path, sizeof(path), "%s/history", argv[1]);
    history_open(&r.history, path, ACTOR_RESOURCE);
    history_add(&r.history, HISTORY_BIRTH, OUTCOME_NONE, NULL, 0, 0, getpid(),
                0, 0, 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(a.sun_path, sizeof(a.sun_path), "%s/resource.sock", argv[1]);
    unlink(a.sun_path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof(a)) < 0 ||
        listen(fd, 1024) < 0) {
        perror(a.sun_path);
        return 70;
    }
    evutil_make_socket_nonblocking(fd);
    r.base = event_base_new();
    struct event *ev = event_new(r.base, fd, EV_READ | EV_PERSIST,
                                 resource_on_connect, &r);
    event_add(ev, NULL);
    event_base_dispatch(r.base);
    return 0;
}
