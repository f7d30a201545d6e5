/* SPDX-License-Identifier: MIT */
/* Between each process and Redis: torture_proxy DIR SLOTS [ADDRESS...]. A link
 * for each slot, a TCP port of its own (on the slot's ADDRESS, else 127.0.0.1),
 * goes to the unix socket DIR/redisN/redis.sock of control.upstream. It knows
 * where replies and requests end, and does to a link what control.h says. */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "control.h"
#include "resp.h"

#define POLL_MS     5
#define BUFFER_MAX  (8u << 20) /* of a side that does not read */
#define SPLIT_BYTES 96         /* of each piece, one at a time */

struct proxy;

struct pair { /* a connection and its other half */
    struct pair *prev, *next;
    struct link *link;
    struct bufferevent *client, *server;
    struct resp requests, replies;
};

struct link {
    struct proxy *proxy;
    struct control_link *control;
    struct evconnlistener *listener;
    struct pair *pairs;
    uint32_t serial, mode, arg;
    uint32_t left; /* frames until it strikes */
    struct ev_token_bucket_cfg *rate;
};

struct proxy {
    const char *dir;
    struct control *control;
    struct event_base *base;
    struct link links[SLOTS_MAX];
    int n_links;
};

/* ---- Pairs ---------------------------------------------------------------- */

static void pair_free(struct pair *p, int reset)
{
    struct bufferevent *sides[] = {p->client, p->server};
    for (int i = 0; i < 2; i++) {
        struct linger now = {1, 0};
        if (sides[i] == NULL)
            continue;
        if (reset)
            setsockopt(bufferevent_getfd(sides[i]), SOL_SOCKET, SO_LINGER,
                       &now, sizeof(now));
        bufferevent_free(sides[i]);
    }
    if (p->prev != NULL)
        p->prev->next = p->next;
    else
        p->link->pairs = p->next;
    if (p->next != NULL)
        p->next->prev = p->prev;
    free(p);
}

static void pair_apply(struct pair *p)
{
    const struct link *l = p->link;
    int no_replies = l->mode == LINK_STALL && (l->arg & 1);
    int no_requests = l->mode == LINK_STALL && (l->arg & 2);
    if (no_requests)
        bufferevent_disable(p->client, EV_READ);
    else
        bufferevent_enable(p->client, EV_READ);
    if (no_replies)
        bufferevent_disable(p->server, EV_READ);
    else
        bufferevent_enable(p->server, EV_READ);
    bufferevent_set_rate_limit(p->client, l->rate);
}

/* ---- Data ------------------------------------------------------------------ */

/* A byte a segment. What the socket does not take goes the usual way. */
static void way_split(struct bufferevent *to, const char *data, size_t len)
{
    size_t i = 0;
    int fd = bufferevent_getfd(to);
    while (i < len && i < SPLIT_BYTES &&
           evbuffer_get_length(bufferevent_get_output(to)) == 0) {
        struct timespec gap = {0, 20000};
        if (send(fd, data + i, 1, MSG_NOSIGNAL | MSG_DONTWAIT) != 1)
            break;
        i++;
        nanosleep(&gap, NULL);
    }
    bufferevent_write(to, data + i, len - i);
}

static void way_send(const struct link *l, struct bufferevent *to,
                     const char *data, size_t len)
{
    if (len > 0 && l->mode == LINK_SPLIT)
        way_split(to, data, len);
    else if (len > 0)
        bufferevent_write(to, data, len);
}

/* 1: the pair is gone. */
static int pair_move(struct pair *p, struct bufferevent *from,
                     struct bufferevent *to, struct resp *resp,
                     uint32_t striking)
{
    struct link *l = p->link;
    struct evbuffer *in = bufferevent_get_input(from);
    size_t len = evbuffer_get_length(in), done = 0;
    const char *data = (const char *)evbuffer_pullup(in, -1);
    while (done < len) {
        int ended, at_start = resp->open == 0 && resp->type == 0;
        size_t n = resp_scan(resp, data + done, len - done, &ended);
        if (l->mode == striking && l->left <= 1 && at_start) {
            /* Half of a request, nothing of a reply. */
            if (striking == LINK_CUT_REQUEST)
                bufferevent_write(to, data + done, n / 2);
            bufferevent_flush(to, EV_WRITE, BEV_FLUSH);
            l->mode = LINK_WELL;
            atomic_fetch_add(&l->control->hits, 1);
            pair_free(p, striking == LINK_DROP_REPLY);
            return 1;
        }
        if (ended && l->mode == striking && l->left > 0)
            l->left--;
        way_send(l, to, data + done, n);
        done += n;
    }
    if (len > 0 && (l->mode == LINK_SPLIT || l->mode == LINK_SLOW))
        atomic_fetch_add(&l->control->hits, 1);
    evbuffer_drain(in, len);
    if (evbuffer_get_length(bufferevent_get_output(to)) > BUFFER_MAX) {
        pair_free(p, 1);
        return 1;
    }
    return 0;
}

static void pair_on_request(struct bufferevent *bev, void *arg)
{
    struct pair *p = arg;
    pair_move(p, bev, p->server, &p->requests, LINK_CUT_REQUEST);
}

static void pair_on_reply(struct bufferevent *bev, void *arg)
{
    struct pair *p = arg;
    pair_move(p, bev, p->client, &p->replies, LINK_DROP_REPLY);
}

static void pair_on_event(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        pair_free(arg, (what & BEV_EVENT_ERROR) != 0);
}

static void link_on_connect(struct evconnlistener *listener,
                            evutil_socket_t fd, struct sockaddr *from,
                            int from_len, void *arg)
{
    struct link *l = arg;
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    int yes = 1;
    (void)listener, (void)from, (void)from_len;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    struct pair *p = calloc(1, sizeof(*p));
    if (p == NULL || (l->mode == LINK_RESET && l->arg == 1)) {
        struct linger now = {1, 0};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        close(fd);
        free(p);
        return;
    }
    struct event_base *base = l->proxy->base;
    p->link = l;
    p->client = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
    p->server = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);
    p->next = l->pairs;
    if (p->next != NULL)
        p->next->prev = p;
    l->pairs = p;
    bufferevent_setcb(p->client, pair_on_request, NULL, pair_on_event, p);
    bufferevent_setcb(p->server, pair_on_reply, NULL, pair_on_event, p);
    snprintf(a.sun_path, sizeof(a.sun_path), "%s/redis%u/redis.sock",
             l->proxy->dir, atomic_load(&l->proxy->control->upstream));
    int server = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (server < 0 || connect(server, (struct sockaddr *)&a, sizeof(a)) < 0) {
        if (server >= 0)
            close(server);
        pair_free(p, 1);
        return;
    }
    evutil_make_socket_nonblocking(server);
    bufferevent_setfd(p->server, server);
    bufferevent_enable(p->server, EV_WRITE);
    bufferevent_enable(p->client, EV_WRITE);
    pair_apply(p);
}

/* ---- Links ------------------------------------------------------------------ */

static void link_set(struct link *l, uint32_t mode, uint32_t arg)
{
    l->mode = mode;
    l->arg = l->left = arg;
    struct ev_token_bucket_cfg *old = l->rate;
    l->rate = NULL;
    if (mode == LINK_SLOW && arg > 0) {
        struct timeval tick = {0, 50000};
        size_t each = arg / 20 > 0 ? arg / 20 : 1;
        l->rate = ev_token_bucket_cfg_new(each, each, each, each, &tick);
    }
    for (struct pair *p = l->pairs, *next; p != NULL; p = next) {
        next = p->next;
        if (mode == LINK_RESET) {
            atomic_fetch_add(&l->control->hits, 1);
            pair_free(p, 1);
        } else {
            pair_apply(p);
        }
    }
    if (old != NULL)
        ev_token_bucket_cfg_free(old);
    if (mode == LINK_STALL)
        atomic_fetch_add(&l->control->hits, 1);
}

static void proxy_on_poll(evutil_socket_t fd, short what, void *arg)
{
    struct proxy *p = arg;
    (void)fd, (void)what;
    for (int i = 0; i < p->n_links; i++) {
        struct link *l = &p->links[i];
        uint32_t serial = atomic_load(&l->control->serial);
        if (serial == l->serial)
            continue;
        l->serial = serial;
        link_set(l, atomic_load(&l->control->mode),
                 atomic_load(&l->control->arg));
    }
}

static int proxy_listen(struct proxy *p, int i, const char *address)
{
    struct sockaddr_in a = {.sin_family = AF_INET};
    socklen_t len = sizeof(a);
    struct link *l = &p->links[i];
    inet_pton(AF_INET, address, &a.sin_addr);
    l->proxy = p;
    l->control = &p->control->links[i];
    l->listener = evconnlistener_new_bind(
        p->base, link_on_connect, l,
        LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, 256,
        (struct sockaddr *)&a, sizeof(a));
    if (l->listener == NULL ||
        getsockname(evconnlistener_get_fd(l->listener), (struct sockaddr *)&a,
                    &len) < 0)
        return -1;
    atomic_store(&l->control->port, ntohs(a.sin_port));
    return 0;
}

int main(int argc, char **argv)
{
    struct proxy *p = calloc(1, sizeof(*p));
    char path[512];
    if (argc < 3 || p == NULL) {
        fprintf(stderr, "usage: torture_proxy DIR SLOTS [ADDRESS...]\n");
        return 64;
    }
    signal(SIGPIPE, SIG_IGN);
    snprintf(path, sizeof(path), "%s/control", argv[1]);
    p->dir = argv[1];
    p->control = control_map(path, 0);
    p->base = event_base_new();
    p->n_links = (int)strtol(argv[2], NULL, 10);
    if (p->n_links < 1 || p->n_links > SLOTS_MAX)
        return 64;
    for (int i = 0; i < p->n_links; i++)
        if (proxy_listen(p, i, i + 3 < argc ? argv[i + 3] : "127.0.0.1") < 0) {
            perror("proxy: listen");
            return 70;
        }
    struct timeval poll = {0, POLL_MS * 1000};
    struct event *timer = event_new(p->base, -1, EV_PERSIST, proxy_on_poll, p);
    event_add(timer, &poll);
    event_base_dispatch(p->base);
    return 0;
}
