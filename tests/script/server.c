/* SPDX-License-Identifier: MIT */
/* Starts, kills, restarts and removes a redis-server for tests. It dies with
 * the test program (PR_SET_PDEATHSIG), so an aborted test leaves none. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* nftw */
#endif
#include "server.h"

#include <fcntl.h>
#include <ftw.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MUST(x) ((x) ? (void)0 : must_failed(__LINE__, #x))

static _Noreturn void must_failed(int line, const char *what)
{
    fprintf(stderr, "server.c:%d: %s\n", line, what);
    abort();
}

static void server_exec(const struct server *s)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);

    if (chdir(s->dir) || prctl(PR_SET_PDEATHSIG, SIGKILL) || null < 0)
        _exit(126);
    dup2(null, 0);
    dup2(null, 1);
    signal(SIGPIPE, SIG_DFL);
    execlp("redis-server", "redis-server", "--port", "0", "--unixsocket",
           "redis.sock", "--unixsocketperm", "700", "--appendonly", "yes",
           "--appendfsync", "everysec", "--save", "", "--daemonize", "no",
           "--enable-debug-command", "yes", "--logfile", "redis.log",
           (char *)NULL);
    _exit(127);
}

static int server_answers(const struct server *s)
{
    struct timeval second = {1, 0};
    const char *path = s->url + strlen("unix://");
    redisContext *c = redisConnectUnixWithTimeout(path, second);
    redisReply *r = NULL;
    int ok = 0;

    if (c && !c->err) {
        redisSetTimeout(c, second);
        r = redisCommand(c, "PING");
        ok = r && r->type == REDIS_REPLY_STATUS;
    }
    if (r)
        freeReplyObject(r);
    if (c)
        redisFree(c);
    return ok;
}

void server_restart(struct server *s)
{
    const struct timespec pause = {0, 10 * 1000 * 1000};
    int i, status;

    MUST(s->pid == 0);
    unlink(s->url + strlen("unix://"));
    s->pid = fork();
    MUST(s->pid >= 0);
    if (s->pid == 0)
        server_exec(s);
    for (i = 0; !server_answers(s); i++) {
        MUST(i < 2000);
        MUST(waitpid(s->pid, &status, WNOHANG) == 0);
        nanosleep(&pause, NULL);
    }
}

void server_start(struct server *s)
{
    const char *tmp = getenv("TMPDIR");
    int n;

    memset(s, 0, sizeof(*s));
    if (!tmp || !*tmp || strlen(tmp) > 40)
        tmp = "/tmp";
    n = snprintf(s->dir, sizeof(s->dir), "%s/stint.XXXXXX", tmp);
    MUST(n > 0 && (size_t)n < sizeof(s->dir));
    MUST(mkdtemp(s->dir) != NULL);
    n = snprintf(s->url, sizeof(s->url), "unix://%s/redis.sock", s->dir);
    MUST(n > 0 && (size_t)n < sizeof(s->url));
    server_restart(s);
}

void server_kill(struct server *s)
{
    int status;

    if (!s->pid)
        return;
    MUST(kill(s->pid, SIGKILL) == 0);
    MUST(waitpid(s->pid, &status, 0) == s->pid);
    s->pid = 0;
}

static int file_remove(const char *path, const struct stat *st, int flag,
                       struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

void server_stop(struct server *s)
{
    server_kill(s);
    if (*s->dir)
        MUST(nftw(s->dir, file_remove, 16, FTW_DEPTH | FTW_PHYS) == 0);
    s->dir[0] = '\0';
}
