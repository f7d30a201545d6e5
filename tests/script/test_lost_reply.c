/* SPDX-License-Identifier: MIT */
/* Queueing through a proxy that loses calls: carried out, but the answer is
 * eaten; or never seen by Redis. The client can tell one from the other by no
 * means: whatever it was, each task is there once, by the id it was given, and
 * who queued it is told so. */
#define _GNU_SOURCE /* memmem */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stint/stint.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server.h"

enum { MANY = 1200, TASKS_MAX = MANY };

/* Of calls of queue_task that are to come. */
struct losses {
    int replies;  /* so many are carried out, and not answered */
    int requests; /* then so many get lost */
};

static struct server server;
static struct losses *losses; /* shared with the proxy */
static pid_t proxy;
static char url[64];

/* ---- The proxy: a process, one connection at a time ----------------------- */

static int dial(void)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    snprintf(at.sun_path, sizeof(at.sun_path), "%s/redis.sock", server.dir);
    if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0)
        _exit(1);
    return fd;
}

static int pass_all(int fd, const char *bytes, ssize_t n)
{
    for (ssize_t done = 0; done < n;) {
        ssize_t k = write(fd, bytes + done, (size_t)(n - done));
        if (k <= 0)
            return -1;
        done += k;
    }
    return 0;
}

/* Until one side goes, or a call is lost. */
static void serve(int guest, int home)
{
    static char bytes[1 << 16];
    struct pollfd p[2] = {{.fd = guest, .events = POLLIN},
                          {.fd = home, .events = POLLIN}};
    int eats = 0;
    while (poll(p, 2, -1) > 0) {
        int from = p[0].revents != 0 ? 0 : 1;
        ssize_t n = read(p[from].fd, bytes, sizeof(bytes));
        if (n <= 0)
            return;
        if (from == 1 && eats) {
            losses->replies--;
            return;
        }
        if (from == 0 &&
            memmem(bytes, (size_t)n, "stint_queue_task", 16) != NULL) {
            eats = losses->replies > 0;
            if (!eats && losses->requests > 0) {
                losses->requests--;
                return;
            }
        }
        if (pass_all(p[1 - from].fd, bytes, n) < 0)
            return;
    }
}

static _Noreturn void proxy_run(int door)
{
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int guest = accept(door, NULL, NULL), home;
        if (guest < 0)
            _exit(1);
        home = dial();
        serve(guest, home);
        close(guest);
        close(home);
    }
}

static int up(void **state)
{
    struct sockaddr_in at = {.sin_family = AF_INET};
    socklen_t len = sizeof(at);
    int door = socket(AF_INET, SOCK_STREAM, 0);
    (void)state;
    server_start(&server);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    losses = mmap(NULL, sizeof(*losses), PROT_READ | PROT_WRITE,
                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (losses == MAP_FAILED || bind(door, (struct sockaddr *)&at, len) < 0 ||
        listen(door, 8) < 0 ||
        getsockname(door, (struct sockaddr *)&at, &len) < 0)
        return -1;
    snprintf(url, sizeof(url), "redis://127.0.0.1:%d", ntohs(at.sin_port));
    proxy = fork();
    if (proxy == 0)
        proxy_run(door);
    close(door);
    return proxy > 0 ? 0 : -1;
}

static int down(void **state)
{
    (void)state;
    kill(proxy, SIGKILL);
    waitpid(proxy, NULL, 0);
    server_stop(&server);
    return 0;
}

/* ---- Queueing ------------------------------------------------------------- */

static long long there(redisContext *c, const char *command, const char *id)
{
    redisReply *r = redisCommand(c, command, id);
    assert_non_null(r);
    assert_int_equal(r->type, REDIS_REPLY_INTEGER);
    long long n = r->integer;
    freeReplyObject(r);
    return n;
}

/* n tasks, meeting these losses: all are there, once. */
static void queue(int n, int lost_replies, int lost_requests)
{
    struct stint_options o = STINT_OPTIONS_INIT;
    struct stint_err err = {0};
    static stint_task *tasks[TASKS_MAX];
    char path[128];
    size_t done = 0;
    o.url = url;
    o.timeout_s = 20;
    stint *s = stint_open(&o, &err);
    assert_non_null(s);
    for (int i = 0; i < n; i++) {
        struct stint_task_options t = STINT_TASK_OPTIONS_INIT;
        t.function = "f";
        tasks[i] = stint_task_new(&t, NULL, &err);
        assert_non_null(tasks[i]);
    }
    snprintf(path, sizeof(path), "%s/redis.sock", server.dir);
    redisContext *c = redisConnectUnix(path);
    assert_non_null(c);
    freeReplyObject(redisCommand(c, "FLUSHALL"));
    *losses = (struct losses){lost_replies, lost_requests};
    char ids[TASKS_MAX][STINT_ID_LEN + 1];
    for (int i = 0; i < n; i++)
        snprintf(ids[i], sizeof(ids[i]), "%s", stint_task_id(tasks[i]));
    if (stint_queue_tasks(s, tasks, (size_t)n, &done, NULL, NULL, NULL, &err))
        fail_msg("%d tasks, %d replies and %d requests lost: %s", n,
                 lost_replies, lost_requests, err.text);
    assert_int_equal(done, n);
    assert_int_equal(losses->replies, 0); /* they were met */
    assert_int_equal(losses->requests, 0);
    assert_int_equal(there(c, "HLEN {stint:main}:task", NULL), n);
    assert_int_equal(there(c, "ZCARD {stint:main}:queued", NULL), n);
    for (int i = 0; i < n; i++)
        if (there(c, "HEXISTS {stint:main}:task %s", ids[i]) != 1)
            fail_msg("%s is not there", ids[i]);
    for (int i = 0; i < n; i++)
        stint_task_free(tasks[i]);
    redisFree(c);
    stint_close(s);
}

static void test_a_reply_is_lost(void **state)
{
    (void)state;
    queue(1, 1, 0);
    queue(3, 1, 0);
    queue(3, 3, 0);
}

static void test_a_request_is_lost(void **state)
{
    (void)state;
    queue(1, 0, 1);
    queue(3, 0, 1);
    queue(3, 0, 3);
}

static void test_one_and_the_other(void **state)
{
    (void)state;
    queue(1, 1, 1);
    queue(3, 2, 2);
}

/* Some of its batches are answered, some are not. */
static void test_many(void **state)
{
    (void)state;
    queue(MANY, 1, 0);
    queue(MANY, 0, 1);
    queue(MANY, 2, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_reply_is_lost),
        cmocka_unit_test(test_a_request_is_lost),
        cmocka_unit_test(test_one_and_the_other),
        cmocka_unit_test(test_many)};
    return cmocka_run_group_tests(tests, up, down);
}
