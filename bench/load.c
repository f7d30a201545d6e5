/* SPDX-License-Identifier: MIT */
/* A steady rate of GETs at a broker, for bench/broker: few connections that are
 * kept, one loop, and as little CPU as an HTTP client can do with, as it shares
 * the machine with what is measured. Runs until SIGTERM and then prints, on one
 * line: requests a second that were answered, how many not with 200, and the ms
 * that half of the answers, and 99 of 100, took. */
#define _GNU_SOURCE /* memmem */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    LINKS = 16,
    PACE_MS = 4,       /* how often what is due is sent */
    STEPS = 100000,    /* of 10 us: answers by how long they took */
    STEP_US = 10,
    HEAD_MAX = 16384
};

struct link {
    int fd;
    int is_busy;
    int64_t sent_us;
    size_t left;       /* bytes of the body; 0 and head_len: the head comes */
    size_t head_len;
    char head[HEAD_MAX];
};

struct load {
    struct link links[LINKS];
    char text[1024];
    int64_t rate, sent, done, bad, began_us;
    uint32_t took[STEPS];
};

static volatile sig_atomic_t is_over;

static void on_signal(int number)
{
    (void)number;
    is_over = 1;
}

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void answer_ends(struct load *l, struct link *k)
{
    int64_t step = (now_us() - k->sent_us) / STEP_US;
    l->took[step < STEPS ? step : STEPS - 1]++;
    l->bad += memcmp(k->head, "HTTP/1.1 200", 12) != 0;
    l->done++;
    k->is_busy = 0;
    k->head_len = 0;
}

/* -1: it is broken off, or no answer that we understand. */
static int head_read(struct load *l, struct link *k)
{
    static const char name[] = "Content-Length: ";
    ssize_t n = read(k->fd, k->head + k->head_len, HEAD_MAX - k->head_len);
    if (n <= 0)
        return -1;
    k->head_len += (size_t)n;
    char *end = memmem(k->head, k->head_len, "\r\n\r\n", 4);
    if (end == NULL)
        return k->head_len < HEAD_MAX ? 0 : -1;
    char *at = memmem(k->head, (size_t)(end - k->head) + 2, name,
                      sizeof(name) - 1);
    size_t body = at != NULL ? strtoul(at + sizeof(name) - 1, NULL, 10) : 0;
    size_t got = k->head_len - (size_t)(end + 4 - k->head);
    if (got > body)
        return -1;
    k->left = body - got;
    if (k->left == 0)
        answer_ends(l, k);
    return 0;
}

static int body_read(struct load *l, struct link *k)
{
    static char rest[1 << 18];
    ssize_t n = read(k->fd, rest, k->left < sizeof(rest) ? k->left
                                                         : sizeof(rest));
    if (n <= 0)
        return -1;
    k->left -= (size_t)n;
    if (k->left == 0)
        answer_ends(l, k);
    return 0;
}

/* Sends what is due, as far as there are links for it. */
static int send_due(struct load *l)
{
    int64_t due = (now_us() - l->began_us) * l->rate / 1000000;
    ssize_t len = (ssize_t)strlen(l->text);
    for (size_t i = 0; i < LINKS && l->sent < due; i++) {
        struct link *k = &l->links[i];
        if (k->is_busy)
            continue;
        if (write(k->fd, l->text, (size_t)len) != len)
            return -1;
        k->is_busy = 1;
        k->sent_us = now_us();
        l->sent++;
    }
    return 0;
}

static int load_run(struct load *l)
{
    struct pollfd fds[LINKS];
    l->began_us = now_us();
    while (!is_over) {
        if (send_due(l) < 0)
            return -1;
        for (size_t i = 0; i < LINKS; i++)
            fds[i] = (struct pollfd){.fd = l->links[i].fd, .events = POLLIN};
        if (poll(fds, LINKS, PACE_MS) < 0 && errno != EINTR)
            return -1;
        for (size_t i = 0; i < LINKS && !is_over; i++) {
            struct link *k = &l->links[i];
            if (fds[i].revents &&
                (k->left > 0 ? body_read(l, k) : head_read(l, k)) < 0)
                return -1;
        }
    }
    return 0;
}

static double took_ms(const struct load *l, double part)
{
    int64_t seen = 0;
    for (int i = 0; i < STEPS; i++) {
        seen += l->took[i];
        if ((double)seen >= part * (double)l->done)
            return (i + 0.5) * STEP_US / 1000;
    }
    return 0;
}

static int load_open(struct load *l, const char *host, const char *port,
                     const char *path)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)atoi(port))};
    int on = 1;
    if (inet_pton(AF_INET, host, &at.sin_addr) != 1 ||
        snprintf(l->text, sizeof(l->text), "GET %s HTTP/1.1\r\nHost: %s:%s\r\n"
                 "\r\n", path, host, port) >= (int)sizeof(l->text))
        return -1;
    for (size_t i = 0; i < LINKS; i++) {
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
            return -1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        l->links[i].fd = fd;
    }
    return 0;
}

int main(int argc, char **argv)
{
    static struct load l;
    struct sigaction end = {.sa_handler = on_signal};
    if (argc != 5 || (l.rate = atol(argv[4])) < 1) {
        fprintf(stderr, "usage: stint-bench-load ADDRESS PORT PATH RATE\n");
        return 2;
    }
    sigaction(SIGTERM, &end, NULL);
    sigaction(SIGINT, &end, NULL);
    if (load_open(&l, argv[1], argv[2], argv[3]) < 0 || load_run(&l) < 0) {
        fprintf(stderr, "stint-bench-load: %s:%s: no answer\n", argv[1],
                argv[2]);
        return 1;
    }
    double s = (double)(now_us() - l.began_us) / 1e6;
    printf("%.0f %lld %.2f %.2f\n", (double)l.done / s, (long long)l.bad,
           took_ms(&l, 0.5), took_ms(&l, 0.99));
    return 0;
}
