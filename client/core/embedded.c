/* SPDX-License-Identifier: MIT */
/* The private redis-server. Two flocks keep it single: `lock` is held by who
 * starts or stops it; `alive` is inherited by the server and held for all its
 * life, so whether one runs is known for sure, whatever a killed one has left
 * in pid files and sockets. The server is forked twice and in a session of its
 * own, so it outlives the program that needed it first. */
#ifndef _GNU_SOURCE
#define _GNU_SOURCE /* struct ucred, close_range */
#endif
#include "embedded.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "err.h"
#include "store_net.h"

#define START_MS 60000
#define STOP_MS  30000

struct embedded {
    char dir[512];
    char socket[108];
    char url[600];
};

/* NOMEM, UNKNOWN (errno): it could not be asked. */
enum answer {
    ANSWER_NOMEM, ANSWER_UNKNOWN, ANSWER_NONE, ANSWER_SILENT, ANSWER_LOADING,
    ANSWER_MISCONF, /* its disk has failed: it takes no writes, for ever */
    ANSWER_PONG
};

static const char conf_text[] =
    "# Written by stint at every start.\n"
    "port 0\n"
    "unixsocket redis.sock\n"
    "unixsocketperm 600\n"
    "pidfile redis.pid\n"
    "logfile redis.log\n"
    "daemonize no\n"
    "appendonly yes\n"
    "appendfsync everysec\n"
    "aof-use-rdb-preamble yes\n"
    "save \"\"\n"
    "maxmemory-policy noeviction\n"
    "hash-max-listpack-entries 32\n";

static void pause_ms(long ms)
{
    const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&pause, NULL);
}

/* ---- Paths --------------------------------------------------------------- */

static int embedded_dir(char *dir, size_t cap, struct stint_err *err)
{
    const char *own = getenv("STINT_HOME");
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int n;

    if (own && *own && *own != '/')
        return err_set(err, STINT_SYSTEM, "STINT_HOME must be an absolute "
                       "path");
    if (own && *own)
        n = snprintf(dir, cap, "%s/redis", own);
    else if (state && *state == '/')
        n = snprintf(dir, cap, "%s/stint/redis", state);
    else if (home && *home == '/')
        n = snprintf(dir, cap, "%s/.local/state/stint/redis", home);
    else
        return err_set(err, STINT_SYSTEM, "no place for the embedded Redis: "
                       "set HOME, STINT_HOME, or STINT_URL");
    if (n < 0 || (size_t)n >= cap)
        return err_set(err, STINT_SYSTEM, "the path of the embedded Redis is "
                       "too long; set STINT_HOME to a short one");
    return 0;
}

/* unix:// and the path, with %, ? and # as %XX. */
static int url_write(char *url, size_t cap, const char *path)
{
    size_t n = (size_t)snprintf(url, cap, "unix://");

    for (; *path && n + 4 < cap; path++)
        n += (size_t)snprintf(url + n, cap - n, strchr("%?#", *path) ? "%%%02X"
                              : "%c", (unsigned char)*path);
    return *path ? -1 : 0;
}

static int embedded_paths(struct embedded *e, struct stint_err *err)
{
    memset(e, 0, sizeof(*e));
    if (embedded_dir(e->dir, sizeof(e->dir), err))
        return -1;
    int n = snprintf(e->socket, sizeof(e->socket), "%.100s/redis.sock", e->dir);
    if (n < 0 || (size_t)n >= sizeof(e->socket) || strlen(e->dir) > 96)
        return err_set(err, STINT_SYSTEM, "the path of the embedded Redis is "
                       "too long for a socket (107 bytes); set STINT_HOME to "
                       "a short one");
    if (url_write(e->url, sizeof(e->url), e->socket))
        return err_set(err, STINT_SYSTEM, "the path of the embedded Redis is "
                       "too long; set STINT_HOME to a short one");
    return 0;
}

static int dirs_make(const char *dir, struct stint_err *err)
{
    char path[512];

    snprintf(path, sizeof(path), "%s", dir);
    for (char *at = path + 1;; at++) {
        if (*at != '/' && *at)
            continue;
        char end = *at;
        *at = '\0';
        if (mkdir(path, 0700) && errno != EEXIST)
            return err_errno(err, "cannot make %.100s", path);
        if (!end)
            return 0;
        *at = end;
    }
}

static int dir_open(const char *dir, struct stint_err *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st)) {
        err_errno(err, "cannot open %.100s", dir);
    } else if (st.st_uid != geteuid()) {
        err_set(err, STINT_SYSTEM, "%.100s belongs to another user", dir);
    } else {
        return fd;
    }
    if (fd >= 0)
        close(fd);
    return -1;
}

/* ---- Asking ------------------------------------------------------------- */

static int64_t socket_pid(int fd)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) ? 0 : peer.pid;
}

static enum answer reply_answer(const redisReply *r)
{
    if (!r)
        return ANSWER_SILENT;
    if (r->type != REDIS_REPLY_ERROR)
        return ANSWER_PONG;
    return strncmp(r->str, "MISCONF", 7) == 0 ? ANSWER_MISCONF
                                              : ANSWER_LOADING;
}

/* Sends one command, PING or SHUTDOWN. */
static enum answer embedded_ask(const struct embedded *e, const char *command,
                                int64_t *pid)
{
    const struct timeval second = {1, 0};
    redisContext *c = redisConnectUnixWithTimeout(e->socket, second);
    int why = errno;
    int is_none = why == ENOENT || why == ENOTDIR || why == ECONNREFUSED;
    enum answer answer = is_none ? ANSWER_NONE : ANSWER_UNKNOWN;

    *pid = 0;
    if (c && !c->err) {
        struct net_sigpipe hold;
        net_sigpipe_hold(&hold);
        net_tune(c->fd, 0);
        redisSetTimeout(c, second);
        *pid = socket_pid(c->fd);
        redisReply *r = redisCommand(c, command);
        net_sigpipe_release(&hold);
        answer = reply_answer(r);
        if (r)
            freeReplyObject(r);
    }
    if (!c || c->err == REDIS_ERR_OOM)
        answer = ANSWER_NOMEM;
    if (c)
        redisFree(c);
    errno = why;
    return answer;
}

/* ---- Starting ----------------------------------------------------------- */

static int lock_open(int dir, const char *name, struct stint_err *err)
{
    int fd = openat(dir, name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    return fd >= 0 ? fd : err_errno(err, "cannot open the file %s of the "
                                    "embedded Redis", name);
}

static int lock_take(int fd, int is_waiting)
{
    int rc;

    do {
        rc = flock(fd, is_waiting ? LOCK_EX : LOCK_EX | LOCK_NB);
    } while (rc && errno == EINTR);
    return rc;
}

static int program_find(char *path, size_t cap, const char *name)
{
    const char *at = getenv("PATH");

    at = at && *at ? at : "/usr/local/bin:/usr/bin:/bin";
    while (*at) {
        int len = (int)strcspn(at, ":");
        int n = snprintf(path, cap, "%.*s/%s", len, at, name);
        if (len > 0 && *at == '/' && n > 0 && (size_t)n < cap &&
            !access(path, X_OK))
            return 0;
        at += len + (at[len] == ':');
    }
    return -1;
}

static int conf_write(int dir, struct stint_err *err)
{
    size_t len = sizeof(conf_text) - 1;
    int fd = openat(dir, "redis.conf", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                    0600);

    if (fd < 0 || write(fd, conf_text, len) != (ssize_t)len) {
        err_errno(err, "cannot write redis.conf of the embedded Redis");
        if (fd >= 0)
            close(fd);
        return -1;
    }
    close(fd);
    return 0;
}

static void fds_close_from(int from)
{
    int max = (int)sysconf(_SC_OPEN_MAX);

#ifdef CLOSE_RANGE_CLOEXEC
    if (close_range((unsigned)from, ~0U, 0) == 0)
        return;
#endif
    for (int fd = from; fd < (max > 0 && max < 65536 ? max : 65536); fd++)
        close(fd);
}

static void signals_reset(void)
{
    sigset_t none;

    for (int i = 1; i < NSIG; i++)
        signal(i, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* In the grandchild: nothing but async-signal-safe calls. alive lands on 3. */
static _Noreturn void server_exec(char *const argv[], int dir, int alive)
{
    int null = open("/dev/null", O_RDWR);

    if (null < 0 || fchdir(dir) || (alive = fcntl(alive, F_DUPFD, 10)) < 0 ||
        dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0 ||
        dup2(alive, 3) < 0)
        _exit(126);
    fds_close_from(4);
    signals_reset();
    umask(077);
    execv(argv[0], argv);
    _exit(127);
}

static int server_spawn(int dir, int alive, struct stint_err *err)
{
    char program[512];
    char conf[] = "redis.conf";
    char *argv[] = {program, conf, NULL};

    if (program_find(program, sizeof(program), "redis-server") &&
        program_find(program, sizeof(program), "valkey-server"))
        return err_set(err, STINT_SYSTEM, "no redis-server in PATH: install it "
                       "(apt-get install redis-server), or set STINT_URL");
    if (conf_write(dir, err))
        return -1;
    pid_t pid = fork();
    if (pid < 0)
        return err_errno(err, "cannot fork");
    if (pid == 0) {
        setsid();
        pid = fork();
        if (pid == 0)
            server_exec(argv, dir, alive);
        _exit(pid < 0);
    }
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return 0;
}

#define LOG_TAIL 2048

/* The end of redis.log, without its last line feed. */
static void log_tail(int dir, char text[static LOG_TAIL + 1])
{
    int fd = openat(dir, "redis.log", O_RDONLY | O_CLOEXEC);
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    off_t from = size > LOG_TAIL ? size - LOG_TAIL : 0;
    ssize_t n = fd >= 0 ? pread(fd, text, LOG_TAIL, from) : 0;

    if (fd >= 0)
        close(fd);
    while (n > 0 && text[n - 1] == '\n')
        n--;
    text[n > 0 ? n : 0] = '\0';
}

/* A line of ours in redis.log. */
static void log_note(int dir, const char *text)
{
    int fd = openat(dir, "redis.log", O_WRONLY | O_APPEND | O_CLOEXEC);

    if (fd < 0)
        return;
    dprintf(fd, "stint: %s\n", text);
    close(fd);
}

/* The disk takes writes, down to its surface. */
static int disk_works(int dir)
{
    static const char block[65536];
    int fd = openat(dir, "probe", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC,
                    0600);
    int works = fd >= 0 &&
                write(fd, block, sizeof(block)) == (ssize_t)sizeof(block) &&
                fsync(fd) == 0;

    if (fd >= 0)
        close(fd);
    unlinkat(dir, "probe", 0);
    return works;
}

/* After one failed fsync Redis refuses all writes until its append-only file is
 * turned off and on, which writes it anew. Not before the disk is well: between
 * the two nothing would be kept. */
static int server_cure(const struct embedded *e, int dir,
                       struct stint_err *err)
{
    enum answer answer = ANSWER_SILENT;
    int64_t pid;

    if (!disk_works(dir))
        return 0; /* calls will say MISCONF */
    embedded_ask(e, "CONFIG SET appendonly no", &pid);
    for (int i = 0; i < 50 && answer != ANSWER_PONG; i++) {
        if (i > 0)
            pause_ms(100);
        answer = embedded_ask(e, "CONFIG SET appendonly yes", &pid);
    }
    if (answer != ANSWER_PONG)
        return err_set(err, STINT_MISCONF, "the append-only file of the "
                       "embedded Redis is off and cannot be turned on: see "
                       "redis.log, and stop it");
    log_note(dir, "the disk had failed and is well again: the append-only "
                  "file is written anew");
    return 0;
}

/* Redis cuts a torn tail off its file, but may leave the first half of a
 * transaction there, which would meet what is written behind it at the next
 * start: the file is written anew. */
static void server_mend(const struct embedded *e, int dir)
{
    char text[LOG_TAIL + 1];
    int64_t pid;

    log_tail(dir, text);
    if (strstr(text, "Truncating the AOF") != NULL &&
        embedded_ask(e, "BGREWRITEAOF", &pid) == ANSWER_PONG)
        log_note(dir, "the append-only file had a torn tail: it is written "
                      "anew");
}

/* The server is gone: its last words. */
static int server_died(int dir, struct stint_err *err)
{
    char text[LOG_TAIL + 1];

    log_tail(dir, text);
    const char *line = strrchr(text, '\n');
    if (strstr(text, "redis-check-aof") != NULL)
        return err_set(err, STINT_UNREACHABLE, "the append-only file of the "
                       "embedded Redis is broken. Copy STINT_HOME/redis, then "
                       "redis-check-aof --fix redis/appendonlydir/*.manifest: "
                       "that drops all behind the break");
    return err_set(err, STINT_UNREACHABLE, "the embedded Redis ended at once: "
                   "%.150s", line ? line + 1 : text);
}

/* Starts a server if none is alive. Ours is the server's lock too: it is let
 * go by closing, never by unlocking. 1: started, 0: one is alive. */
static int server_start_once(int dir, struct stint_err *err)
{
    int alive = lock_open(dir, "alive", err);
    int rc = alive < 0 ? -1 : 0;

    if (alive >= 0 && lock_take(alive, 0) == 0)
        rc = server_spawn(dir, alive, err) ? -1 : 1;
    if (alive >= 0)
        close(alive);
    return rc;
}

/* With `lock` held: waits for an answer. */
static int server_await(const struct embedded *e, int dir,
                        struct stint_err *err)
{
    int64_t until = clock_mono_ms() + START_MS, pid;
    int n_started = 0;
    enum answer answer;

    while ((answer = embedded_ask(e, "PING", &pid)) != ANSWER_PONG) {
        if (answer == ANSWER_MISCONF)
            return server_cure(e, dir, err);
        if (answer == ANSWER_NOMEM)
            return err_set(err, STINT_NOMEM, "out of memory");
        if (clock_mono_ms() >= until)
            return err_set(err, STINT_TIMEOUT, "the embedded Redis did not "
                           "answer within %d s", START_MS / 1000);
        int rc = server_start_once(dir, err);
        if (rc < 0)
            return -1;
        n_started += rc;
        if (n_started > 1)
            return server_died(dir, err);
        pause_ms(10);
    }
    if (n_started > 0)
        server_mend(e, dir);
    return 0;
}

static int embedded_start_locked(const struct embedded *e, int dir,
                                 struct stint_err *err)
{
    int lock = lock_open(dir, "lock", err);

    if (lock < 0)
        return -1;
    lock_take(lock, 1);
    int rc = server_await(e, dir, err);
    close(lock);
    return rc;
}

int embedded_start(char *url, size_t url_cap, struct stint_err *err)
{
    struct embedded e;
    int64_t pid;

    if (embedded_paths(&e, err))
        return -1;
    if ((size_t)snprintf(url, url_cap, "%s", e.url) >= url_cap)
        return err_set(err, STINT_SYSTEM, "the URL is too long");
    enum answer answer = embedded_ask(&e, "PING", &pid);
    if (answer == ANSWER_PONG)
        return 0;
    if (answer == ANSWER_NOMEM)
        return err_set(err, STINT_NOMEM, "out of memory");
    if (dirs_make(e.dir, err))
        return -1;
    int dir = dir_open(e.dir, err);
    if (dir < 0)
        return -1;
    int rc = embedded_start_locked(&e, dir, err);
    close(dir);
    return rc;
}

/* ---- Status and stop ---------------------------------------------------- */

int stint_embedded_status(struct stint_embedded_status *st,
                          struct stint_err *err)
{
    struct embedded e;

    memset(st, 0, sizeof(*st));
    if (embedded_paths(&e, err))
        return -1;
    snprintf(st->dir, sizeof(st->dir), "%s", e.dir);
    snprintf(st->url, sizeof(st->url), "%s", e.url);
    enum answer answer = embedded_ask(&e, "PING", &st->pid);
    if (answer == ANSWER_SILENT) /* the connection may have been lost */
        answer = embedded_ask(&e, "PING", &st->pid);
    st->running = answer >= ANSWER_LOADING;
    if (answer == ANSWER_UNKNOWN)
        return err_errno(err, "cannot ask the embedded Redis");
    return answer == ANSWER_NOMEM ? err_set(err, STINT_NOMEM, "out of memory")
                                  : 0;
}

/* SHUTDOWN answers only if it is refused; a silent one gets SIGTERM too. */
static int server_stop(const struct embedded *e, int alive,
                       struct stint_err *err)
{
    int64_t now = clock_mono_ms(), until = now + STOP_MS, pid;

    if (lock_take(alive, 0) == 0)
        return 0;
    if (embedded_ask(e, "SHUTDOWN", &pid) == ANSWER_NOMEM)
        return err_set(err, STINT_NOMEM, "out of memory");
    for (int i = 1; lock_take(alive, 0); i++) {
        if (clock_mono_ms() >= until)
            return err_set(err, STINT_TIMEOUT, "the embedded Redis did not "
                           "stop within %d s", STOP_MS / 1000);
        if (i % 100 == 0 && pid > 0)
            kill((pid_t)pid, SIGTERM);
        pause_ms(10);
    }
    return 0;
}

int stint_embedded_stop(struct stint_err *err)
{
    struct embedded e;

    if (embedded_paths(&e, err))
        return -1;
    if (access(e.dir, F_OK) && errno == ENOENT)
        return 0;
    int dir = dir_open(e.dir, err);
    int lock = dir >= 0 ? lock_open(dir, "lock", err) : -1;
    if (lock >= 0)
        lock_take(lock, 1);
    int alive = lock >= 0 ? lock_open(dir, "alive", err) : -1;
    int rc = alive >= 0 ? server_stop(&e, alive, err) : -1;
    if (alive >= 0)
        close(alive);
    if (lock >= 0)
        close(lock);
    if (dir >= 0)
        close(dir);
    return rc;
}
