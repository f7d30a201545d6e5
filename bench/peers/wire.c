/* SPDX-License-Identifier: MIT */
#include "wire.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TASKS_MAX 100000000L
#define STAMP_LEN 20

void fail(const char *format, ...)
{
    va_list v;
    va_start(v, format);
    vfprintf(stderr, format, v);
    va_end(v);
    fputc('\n', stderr);
    exit(1);
}

int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- The connection ------------------------------------------------------ */

static int open_unix(const char *path)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path)
        fail("%s: the path is too long", path);
    memcpy(a.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&a, sizeof a))
        fail("%s: %s", path, strerror(errno));
    return fd;
}

static int open_tcp(const char *address)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM}, *found;
    if (!colon || (size_t)(colon - address) >= sizeof host)
        fail("%s: host:port or a path is needed", address);
    memcpy(host, address, (size_t)(colon - address));
    host[colon - address] = '\0';
    if (getaddrinfo(host, colon + 1, &hints, &found))
        fail("%s: no such address", address);
    int fd = socket(found->ai_family, SOCK_STREAM, 0), on = 1;
    if (fd < 0 || connect(fd, found->ai_addr, found->ai_addrlen) ||
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on))
        fail("%s: %s", address, strerror(errno));
    freeaddrinfo(found);
    return fd;
}

void wire_open(struct wire *w, const char *address)
{
    w->fd = address[0] == '/' ? open_unix(address) : open_tcp(address);
    w->out_len = w->in_pos = w->in_len = 0;
}

/* Takes what is there, behind what is unread, which stays where it is. */
static void in_fill(struct wire *w)
{
    ssize_t n = read(w->fd, w->in + w->in_len, sizeof w->in - w->in_len);
    if (n == 0)
        fail("the server hung up");
    if (n < 0 && errno != EINTR)
        fail("read: %s", strerror(errno));
    w->in_len += n > 0 ? (size_t)n : 0;
}

/* Reads while it cannot write: a server that cannot get rid of its answers
 * may stop reading. */
void wire_flush(struct wire *w)
{
    size_t sent = 0;
    while (sent < w->out_len) {
        ssize_t n =
            send(w->fd, w->out + sent, w->out_len - sent, MSG_DONTWAIT);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            fail("send: %s", strerror(errno));
        sent += n > 0 ? (size_t)n : 0;
        if (n >= 0)
            continue;
        struct pollfd p = {.fd = w->fd, .events = POLLOUT};
        if (w->in_len < sizeof w->in)
            p.events |= POLLIN;
        if (poll(&p, 1, -1) > 0 && p.revents & POLLIN)
            in_fill(w);
    }
    w->out_len = 0;
}

void wire_put(struct wire *w, const void *data, size_t len)
{
    if (len > sizeof w->out)
        fail("a command is too long");
    if (len > sizeof w->out - w->out_len)
        wire_flush(w);
    memcpy(w->out + w->out_len, data, len);
    w->out_len += len;
}

static void wire_read(struct wire *w)
{
    wire_flush(w);
    if (w->in_pos > 0) {
        memmove(w->in, w->in + w->in_pos, w->in_len - w->in_pos);
        w->in_len -= w->in_pos;
        w->in_pos = 0;
    }
    if (w->in_len == sizeof w->in)
        fail("an answer is too long");
    in_fill(w);
}

char *wire_bytes(struct wire *w, size_t len)
{
    while (w->in_len - w->in_pos < len)
        wire_read(w);
    char *data = w->in + w->in_pos;
    w->in_pos += len;
    return data;
}

char *wire_line(struct wire *w)
{
    size_t seen = 0;
    for (;;) {
        char *from = w->in + w->in_pos;
        size_t len = w->in_len - w->in_pos;
        char *end = memchr(from + seen, '\n', len - seen);
        if (end && end > from && end[-1] == '\r') {
            end[-1] = '\0';
            w->in_pos += (size_t)(end + 1 - from);
            return from;
        }
        if (end)
            fail("an answer without an end of line");
        seen = len;
        wire_read(w);
    }
}

/* ---- The turn ------------------------------------------------------------ */

int turn_is(const struct turn *t, const char *what)
{
    return strcmp(t->what, what) == 0;
}

void turn_init(struct turn *t, int argc, char **argv)
{
    *t = (struct turn){0};
    if (argc < 4 || argc > 5)
        fail("usage: %s ADDRESS queue|send|work|listen TASKS [RATE]", argv[0]);
    t->address = argv[1];
    t->what = argv[2];
    t->tasks = strtol(argv[3], NULL, 10);
    t->rate = argc > 4 ? strtod(argv[4], NULL) : 100;
    if (t->tasks < 1 || t->tasks > TASKS_MAX || !(t->rate > 0))
        fail("TASKS and RATE must be positive");
    if (turn_is(t, "listen")) {
        t->late_ms = calloc((size_t)t->tasks, sizeof *t->late_ms);
        if (!t->late_ms)
            fail("out of memory");
    }
}

void payload_make(char payload[static PAYLOAD_BYTES], int64_t stamp_ns)
{
    memset(payload, 'x', PAYLOAD_BYTES);
    if (stamp_ns >= 0) {
        char digits[STAMP_LEN + 1];
        snprintf(digits, sizeof digits, "%020lld", (long long)stamp_ns);
        memcpy(payload, digits, STAMP_LEN);
    }
}

void turn_start(struct turn *t)
{
    t->start_ns = now_ns();
}

int64_t turn_wait(struct turn *t, long i)
{
    if (i == 0)
        t->start_ns = now_ns() + 200000000;
    int64_t due_ns = t->start_ns + (int64_t)((double)i * 1e9 / t->rate);
    struct timespec due = {.tv_sec = due_ns / 1000000000,
                           .tv_nsec = due_ns % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL))
        continue;
    return due_ns;
}

void turn_go(void)
{
    char word[16];
    puts("ready");
    fflush(stdout);
    if (!fgets(word, sizeof word, stdin))
        exit(1);
}

void turn_take(struct turn *t, const char *payload, size_t len)
{
    int64_t at_ns = now_ns();
    if (len != PAYLOAD_BYTES || t->taken >= t->tasks)
        fail("a task that was not sent");
    if (t->taken == 0)
        t->start_ns = at_ns;
    if (t->late_ms) {
        char digits[STAMP_LEN + 1];
        memcpy(digits, payload, STAMP_LEN);
        digits[STAMP_LEN] = '\0';
        int64_t due_ns = strtoll(digits, NULL, 10);
        t->late_ms[t->taken] = (double)(at_ns - due_ns) / 1e6;
    }
    t->taken++;
}

void turn_answer(const struct turn *t)
{
    printf("{\"tasks\":%ld,\"seconds\":%.6f", t->tasks,
           (double)(now_ns() - t->start_ns) / 1e9);
    if (t->late_ms) {
        printf(",\"late_ms\":[");
        for (long i = 0; i < t->taken; i++)
            printf("%s%.4f", i > 0 ? "," : "", t->late_ms[i]);
        printf("]");
    }
    puts("}");
    fflush(stdout);
}

void turn_queue(struct turn *t, struct wire *w, int bulk,
                const struct sender *s)
{
    turn_start(t);
    for (long sent = 0, heard = 0; heard < t->tasks;) {
        for (int i = 0; i < bulk && sent < t->tasks; i++, sent++)
            s->send(-1);
        wire_flush(w);
        for (; heard < sent - (sent < t->tasks ? bulk : 0); heard++)
            s->hear();
    }
    turn_answer(t);
}

void turn_send(struct turn *t, const struct sender *s)
{
    for (long i = 0; i < t->tasks; i++) {
        s->send(turn_wait(t, i));
        s->hear();
    }
    turn_answer(t);
}
