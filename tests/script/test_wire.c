/* SPDX-License-Identifier: MIT */
/* Both stores against a server that is broken or hostile: replies in pieces,
 * cut off, dripping, endless, nested, with lengths that overflow. Whatever it
 * does: each callback comes exactly once, by its deadline, and no reply takes
 * more than its share of memory. Rows 53 to 55 of the catalogue, threat S20. */
#define _GNU_SOURCE /* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>
#include <hiredis/hiredis.h>

#include "clock.h"
#include "conf.h"
#include "err.h"
#include "store.h"

#define CALLS       3   /* of each case, in one write */
#define DEADLINE_MS 600
#define HUGE_MS     30000 /* the same, where 64 MiB have to be there first */
#define TEN(x)      x x x x x x x x x x

enum ending { END_STAY, END_FIN, END_RST };

static const struct wire {
    const char *name;
    const char *says;  /* once, when the first of our calls is there */
    const char *again; /* then this, as often as it can */
    int pace_us;       /* between bytes; 0: all at once */
    enum ending ending;
    int n_ok;          /* of CALLS */
    const char *why;   /* part of what the others hear; NULL: anything */
} wires[] = {
    {"single bytes", ":1\r\n+two\r\n*2\r\n$5\r\nth\r\ne\r\n*1\r\n$-1\r\n",
     NULL, 200, END_STAY, 3, NULL},
    {"cut by FIN", "+one\r\n$10\r\nabc", NULL, 0, END_FIN, 1, NULL},
    {"cut by RST", "+one\r\n*3\r\n:1\r\n", NULL, 0, END_RST, 1, NULL},
    {"cut in a length", "+one\r\n:2\r\n$1", NULL, 0, END_FIN, 2, NULL},
    {"silence", "", NULL, 0, END_STAY, 0, "in time"},
    {"one of three", "+one\r\n", NULL, 0, END_STAY, 1, "in time"},
    {"dripping", "$100000\r\n", "x", 20000, END_STAY, 0, "in time"},
    {"an endless line", "+", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
     0, END_STAY, 0, NULL},
    {"a huge string", "$700000000\r\n", TEN(TEN("0123456789")), 0, END_STAY, 0,
     "64 MiB"},
    {"a huge array", "*2000000\r\n", NULL, 0, END_STAY, 0, "64 MiB"},
    {"huge all together", "*999990\r\n*11\r\n", ":1\r\n", 0, END_STAY, 0,
     "64 MiB"},
    {"many strings", "*900000\r\n", "$1000\r\n" TEN(TEN("0123456789")) "\r\n",
     0, END_STAY, 0, "64 MiB"},
    {"deep", TEN("*1\r\n") TEN("*1\r\n"), NULL, 0, END_STAY, 0, NULL},
    {"a string over 64 bits", "$99999999999999999999\r\n", NULL, 0, END_STAY, 0,
     NULL},
    {"a string of 2^63", "$9223372036854775807\r\n", NULL, 0, END_STAY, 0,
     NULL},
    {"an array over 32 bits", "*4294967297\r\n", NULL, 0, END_STAY, 0, NULL},
    {"an array of 2^31", "*2147483648\r\n", NULL, 0, END_STAY, 0, NULL},
    {"a negative string", "$-7\r\n", NULL, 0, END_STAY, 0, NULL},
    {"a negative array", "*-7\r\n", NULL, 0, END_STAY, 0, NULL},
    {"another protocol", "HTTP/1.1 400 Bad Request\r\n\r\n", NULL, 0, END_STAY,
     0, NULL},
    {"replies nobody asked for", ":1\r\n:2\r\n:3\r\n:4\r\n", NULL, 0, END_STAY,
     3, NULL},
};
#define N_WIRES (sizeof(wires) / sizeof(wires[0]))

static int64_t deadline_of(const struct wire *w)
{
    return w->why && strcmp(w->why, "64 MiB") == 0 ? HUGE_MS : DEADLINE_MS;
}

/* ---- The server -------------------------------------------------------------- */

static void say(int fd, const char *text, int pace_us)
{
    const struct timespec pace = {0, pace_us * 1000};
    size_t len = strlen(text), step = pace_us ? 1 : len;

    for (size_t at = 0; at < len; at += step) {
        if (send(fd, text + at, step, MSG_NOSIGNAL) != (ssize_t)step)
            _exit(0);
        if (pace_us)
            nanosleep(&pace, NULL);
    }
}

static _Noreturn void say_for_ever(int fd, const char *text, int pace_us)
{
    size_t len = strlen(text), n = pace_us ? 1 : 256 * 1024 / len;
    char *many = malloc(n * len + 1);

    for (size_t i = 0; many && i <= n * len; i++)
        many[i] = i < n * len ? text[i % len] : '\0';
    while (many)
        say(fd, many, pace_us);
    _exit(1);
}

/* The handshake is answered word by word, then comes the case. */
static void serve(int fd, const struct wire *w)
{
    char buf[4096] = "";
    size_t n = 0;
    int one = 1;

    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    for (;;) {
        ssize_t got = read(fd, buf + n, sizeof(buf) - 1 - n);
        if (got <= 0)
            _exit(0);
        n += (size_t)got;
        buf[n] = '\0';
        if (strstr(buf, "GO\r\n"))
            break;
        if (strstr(buf, "SETNAME"))
            say(fd, "+OK\r\n", 0);
        if (strstr(buf, "HELLO\r\n"))
            say(fd, "+PONG\r\n", 0);
        n = 0;
    }
    say(fd, w->says, w->pace_us);
    if (w->again)
        say_for_ever(fd, w->again, w->pace_us);
    if (w->ending == END_RST) {
        const struct linger now = {1, 0};
        nanosleep(&(struct timespec){0, 50000000}, NULL);
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
        close(fd);
    }
    if (w->ending == END_STAY)
        pause();
    _exit(0);
}

static int listen_at(int backlog, int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

/* A process, which has one for each connection; all end with its group. */
static pid_t wire_start(const struct wire *w, struct conf *conf)
{
    struct stint_err err = {0};
    char url[60];
    int port, fd = listen_at(16, &port);
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        setpgid(0, 0);
        signal(SIGCHLD, SIG_IGN);
        for (;;) {
            int c = accept(fd, NULL, NULL);
            if (c >= 0 && fork() == 0)
                serve(c, w);
            close(c);
        }
    }
    setpgid(pid, pid);
    close(fd);
    snprintf(url, sizeof(url), "redis://127.0.0.1:%d", port);
    assert_int_equal(conf_parse_url(conf, url, &err), 0);
    return pid;
}

static void wire_stop(pid_t pid)
{
    kill(-pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* ---- The calls ---------------------------------------------------------------- */

struct seen {
    int n, n_ok, n_failed, connected;
    char why[STINT_ERROR_LEN];
};

static void on_reply(const redisReply *reply, const struct stint_err *err,
                     void *arg)
{
    struct seen *s = arg;

    s->n++;
    if (reply) {
        s->n_ok++;
        return;
    }
    s->n_failed++;
    assert_true(err->code == STINT_UNKNOWN || err->code == STINT_UNREACHABLE);
    snprintf(s->why, sizeof(s->why), "%s", err->text);
}

static void on_state(int connected, const struct stint_err *why, void *arg)
{
    struct seen *s = arg;

    (void)why;
    s->connected = connected;
}

static void call(struct store *s, struct seen *seen)
{
    const char *argv[] = {"GO"};
    const size_t len[] = {2};

    for (int i = 0; i < CALLS; i++)
        store_call(s, 1, argv, len, on_reply, seen);
}

static void seen_check(const struct wire *w, const struct seen *s)
{
    if (s->n != CALLS || s->n_ok != w->n_ok)
        print_message("%s: %d callbacks, %d replies: %s\n", w->name, s->n,
                      s->n_ok, s->why);
    assert_int_equal(s->n, CALLS);
    assert_int_equal(s->n_ok, w->n_ok);
    if (w->why && !strstr(s->why, w->why))
        print_message("%s: %s\n", w->name, s->why);
    if (w->why)
        assert_non_null(strstr(s->why, w->why));
}

static void test_sync(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_WIRES; i++) {
        struct stint_err err = {0};
        struct seen seen = {0};
        struct conf conf;
        pid_t pid = wire_start(&wires[i], &conf);
        int64_t deadline_ms = deadline_of(&wires[i]);
        struct store *s = store_sync_open(&conf, deadline_ms, &err);
        assert_non_null(s);
        int64_t from = clock_mono_ms();
        call(s, &seen);
        s->ops->wait(s);
        seen_check(&wires[i], &seen);
        assert_true(clock_mono_ms() - from < CALLS * deadline_ms + 2000);
        s->ops->close(s);
        wire_stop(pid);
    }
}

static void loop_until(struct event_base *base, const int *value, int wanted)
{
    for (int i = 0; i < 6000 && *value != wanted; i++) {
        struct timeval tv = {0, 5000};
        event_base_loopexit(base, &tv);
        event_base_loop(base, 0);
    }
    assert_int_equal(*value, wanted);
}

static void test_async(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_WIRES; i++) {
        struct stint_err err = {0};
        struct seen seen = {0};
        struct conf conf;
        pid_t pid = wire_start(&wires[i], &conf);
        struct event_base *base = event_base_new();
        struct store *s = store_async_open(&conf, base,
                                           deadline_of(&wires[i]), on_state,
                                           &seen, &err);
        assert_non_null(s);
        loop_until(base, &seen.connected, 1);
        call(s, &seen);
        loop_until(base, &seen.n, CALLS);
        seen_check(&wires[i], &seen);
        /* It comes back, and works as far as that server does. */
        if (seen.n_failed > 0)
            loop_until(base, &seen.connected, 1);
        s->ops->close(s);
        assert_int_equal(seen.n, CALLS);
        event_base_free(base);
        wire_stop(pid);
    }
}

/* A link of some 100 kB/s: what takes longer than the deadline to send is not
 * late while it moves, and is when it does not. Row 66. */
static void slow_serve(int fd, size_t stop_after)
{
    static char buf[8192];
    const struct timespec pause_ = {0, 50000000};
    size_t n = 0;

    for (;;) {
        size_t got = 0;
        while (got < 5000) {
            ssize_t r = recv(fd, buf, 5000 - got, MSG_DONTWAIT);
            if (r == 0)
                _exit(0);
            if (r < 0)
                break;
            got += (size_t)r;
            if (memmem(buf, (size_t)r, "SETNAME", 7))
                say(fd, "+OK\r\n", 0);
            else if (memmem(buf, (size_t)r, "HELLO\r\n", 7))
                say(fd, "+PONG\r\n", 0);
            else if (memmem(buf, (size_t)r, "THE END\r\n", 9))
                say(fd, "+OK\r\n", 0);
        }
        n += got;
        if (n > stop_after)
            pause();
        nanosleep(&pause_, NULL);
    }
}

static pid_t slow_start(size_t stop_after, struct conf *conf)
{
    struct stint_err err = {0};
    char url[60];
    int port, fd = listen_at(16, &port), small = 4096;

    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        setpgid(0, 0);
        signal(SIGCHLD, SIG_IGN);
        for (;;) {
            int c = accept(fd, NULL, NULL);
            if (c >= 0 && fork() == 0)
                slow_serve(c, stop_after);
            close(c);
        }
    }
    setpgid(pid, pid);
    close(fd);
    snprintf(url, sizeof(url), "redis://127.0.0.1:%d", port);
    assert_int_equal(conf_parse_url(conf, url, &err), 0);
    return pid;
}

static void test_slow_link(void **state)
{
    enum { BYTES = 250000 };
    char *big = malloc(BYTES + 1);
    const char *argv[] = {"SET", big, "THE END"};
    const size_t len[] = {3, BYTES, 7};

    (void)state;
    assert_non_null(big);
    memset(big, 'x', BYTES);
    big[BYTES] = '\0';
    for (int stops = 0; stops < 2; stops++)
        for (int is_async = 0; is_async < 2; is_async++) {
            struct stint_err err = {0};
            struct seen seen = {0};
            struct conf conf;
            pid_t pid = slow_start(stops ? 100000 : (size_t)-1, &conf);
            struct event_base *base = event_base_new();
            struct store *s =
                is_async ? store_async_open(&conf, base, DEADLINE_MS, on_state,
                                            &seen, &err)
                         : store_sync_open(&conf, DEADLINE_MS, &err);
            assert_non_null(s);
            if (is_async)
                loop_until(base, &seen.connected, 1);
            int64_t from = clock_mono_ms();
            store_call(s, 3, argv, len, on_reply, &seen);
            if (is_async)
                loop_until(base, &seen.n, 1);
            else
                s->ops->wait(s);
            int64_t took = clock_mono_ms() - from;
            print_message("%s, %s: %d ms\n", is_async ? "async" : "sync",
                          stops ? "stops" : "slow", (int)took);
            assert_int_equal(seen.n, 1);
            assert_int_equal(seen.n_ok, !stops);
            assert_true(took > 2 * DEADLINE_MS || stops);
            s->ops->close(s);
            event_base_free(base);
            wire_stop(pid);
        }
    free(big);
}

/* All of that in less than 400 MiB. */
static void test_memory(void **state)
{
    struct rusage usage;

    (void)state;
    assert_int_equal(getrusage(RUSAGE_SELF, &usage), 0);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
    assert_true(usage.ru_maxrss < 400 * 1024);
#endif
}

/* Nobody accepts, and the queue is full: no SYN is answered any more. */
static void test_full_queue(void **state)
{
    struct stint_err err = {0};
    struct seen seen = {.connected = -1};
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int port, fd = listen_at(0, &port), fill[8];
    struct conf conf;
    char url[60];

    (void)state;
    at.sin_port = htons((uint16_t)port);
    for (int i = 0; i < 8; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        assert_true(fill[i] >= 0);
        (void)connect(fill[i], (struct sockaddr *)&at, sizeof(at));
    }
    snprintf(url, sizeof(url), "redis://127.0.0.1:%d", port);
    assert_int_equal(conf_parse_url(&conf, url, &err), 0);
    int64_t from = clock_mono_ms();
    assert_null(store_sync_open(&conf, DEADLINE_MS, &err));
    assert_int_equal(err.code, STINT_UNREACHABLE);
    assert_true(clock_mono_ms() - from < 5 * DEADLINE_MS);
    struct event_base *base = event_base_new();
    struct store *s = store_async_open(&conf, base, DEADLINE_MS, on_state,
                                       &seen, &err);
    from = clock_mono_ms();
    loop_until(base, &seen.connected, 0);
    assert_true(clock_mono_ms() - from < 5 * DEADLINE_MS);
    s->ops->close(s);
    event_base_free(base);
    for (int i = 0; i < 8; i++)
        close(fill[i]);
    close(fd);
}

/* No descriptor of ours goes to a child, and the kernel gives up on a dead
 * peer. Row 53. */
static void test_sockets(void **state)
{
    struct stint_err err = {0};
    struct conf conf;
    pid_t pid = wire_start(&wires[0], &conf);
    struct store *s = store_sync_open(&conf, DEADLINE_MS, &err);
    DIR *dir = opendir("/proc/self/fd");
    int n = 0;

    (void)state;
    assert_non_null(s);
    assert_non_null(dir);
    for (const struct dirent *e; (e = readdir(dir)) != NULL;) {
        int fd = atoi(e->d_name), keep = 0;
        unsigned patience = 0;
        socklen_t len = sizeof(keep), patience_len = sizeof(patience);
        if (fd < 3 || getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &keep, &len))
            continue;
        n++;
        assert_int_equal(keep, 1);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT,
                                    &patience, &patience_len), 0);
        assert_int_equal(patience, 20000);
    }
    closedir(dir);
    assert_int_equal(n, 1);
    s->ops->close(s);
    wire_stop(pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sync), cmocka_unit_test(test_async),
        cmocka_unit_test(test_slow_link), cmocka_unit_test(test_memory),
        cmocka_unit_test(test_full_queue),
        cmocka_unit_test(test_sockets)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
