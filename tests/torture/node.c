/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* nftw */
#include "node.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <hiredis/hiredis.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "history_file.h"

static int free_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), port = 0;
    if (fd >= 0 && bind(fd, (struct sockaddr *)&a, sizeof(a)) == 0 &&
        getsockname(fd, (struct sockaddr *)&a, &len) == 0)
        port = ntohs(a.sin_port);
    if (fd >= 0)
        close(fd);
    return port;
}

static int tmpfs_mount(const struct node *n, int64_t bytes, int again)
{
    char size[64];
    snprintf(size, sizeof(size), "mode=0700,size=%" PRId64, bytes);
    return mount("tmpfs", n->dir, "tmpfs", again ? MS_REMOUNT : 0, size);
}

int node_init(struct node *n)
{
    n->port = free_port();
    if (mkdir(n->dir, 0700) < 0 || n->port == 0)
        return -1;
    n->is_tmpfs = n->tmpfs_mb > 0 &&
                  tmpfs_mount(n, n->tmpfs_mb << 20, 0) == 0;
    return 0;
}

static int node_configure(const struct node *n)
{
    char path[400];
    snprintf(path, sizeof(path), "%s.conf", n->dir);
    FILE *f = fopen(path, "w");
    if (f == NULL)
        return -1;
    fprintf(f,
            "bind 127.0.0.1\nport %d\nunixsocket %s/redis.sock\n"
            "unixsocketperm 700\ndir %s\nlogfile %s.log\nsave \"\"\n"
            "appendonly yes\nappendfsync %s\nmaxmemory-policy noeviction\n"
            "busy-reply-threshold 200\nenable-debug-command yes\n"
            "repl-diskless-sync-delay 0\nrepl-ping-replica-period 1\n"
            "repl-timeout 5\nauto-aof-rewrite-min-size 64mb\n"
            "user nemesis on nopass ~* &* +@all\n"
            "masteruser nemesis\nmasterauth none\n",
            n->port, n->dir, n->dir, n->dir,
            n->level > 1 ? "always" : "everysec");
    if (n->wants_replica)
        fprintf(f, "min-replicas-to-write 1\nmin-replicas-max-lag 2\n");
    if (n->replica_of > 0)
        fprintf(f, "replicaof 127.0.0.1 %d\n", n->replica_of);
    return fclose(f);
}

int node_start(struct node *n)
{
    char conf[400], shim[32];
    if (node_configure(n) < 0)
        return -1;
    snprintf(conf, sizeof(conf), "%s.conf", n->dir);
    snprintf(shim, sizeof(shim), "redis %d", n->n);
    n->pid = fork();
    if (n->pid != 0)
        return n->pid < 0 ? -1 : 0;
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(null, 0);
    dup2(null, 1);
    setenv("LD_PRELOAD", n->shim, 1);
    setenv("TORTURE_CONTROL", n->control, 1);
    setenv("TORTURE_SHIM", shim, 1);
    execlp("redis-server", "redis-server", conf, (char *)NULL);
    _exit(127);
}

/* ---- Commands ---------------------------------------------------------------- */

static void node_disconnect(struct node *n)
{
    if (n->admin != NULL)
        redisFree(n->admin);
    n->admin = NULL;
}

static struct redisContext *node_connect(const struct node *n)
{
    char path[400];
    struct timeval second = {1, 0};
    snprintf(path, sizeof(path), "%s/redis.sock", n->dir);
    struct redisContext *c = redisConnectUnixWithTimeout(path, second);
    if (c == NULL || c->err) {
        if (c != NULL)
            redisFree(c);
        return NULL;
    }
    fcntl(c->fd, F_SETFD, FD_CLOEXEC);
    redisSetTimeout(c, second);
    struct redisReply *r = redisCommand(c, "AUTH nemesis none");
    int ok = r != NULL && r->type != REDIS_REPLY_ERROR;
    /* BUSY: the user of old goes on, and may do what is needed then. */
    ok |= r != NULL && r->str != NULL && strncmp(r->str, "BUSY", 4) == 0;
    freeReplyObject(r);
    if (ok)
        return c;
    redisFree(c);
    return NULL;
}

static struct redisReply *node_vcommand(struct node *n, const char *format,
                                        va_list args)
{
    if (n->pid == 0)
        return NULL;
    if (n->admin == NULL)
        n->admin = node_connect(n);
    if (n->admin == NULL)
        return NULL;
    struct redisReply *r = redisvCommand(n->admin, format, args);
    if (r == NULL)
        node_disconnect(n);
    return r;
}

struct redisReply *node_command(struct node *n, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct redisReply *r = node_vcommand(n, format, args);
    va_end(args);
    return r;
}

void node_do(struct node *n, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    struct redisReply *r = node_vcommand(n, format, args);
    va_end(args);
    if (r != NULL && r->type == REDIS_REPLY_ERROR)
        fprintf(stderr, "nemesis: %s: %s\n", format, r->str);
    freeReplyObject(r);
}

void node_send(struct node *n, const char *command)
{
    struct redisContext *c = node_connect(n);
    int done = 0;
    if (c == NULL)
        return;
    redisAppendCommand(c, command);
    while (!done && redisBufferWrite(c, &done) == REDIS_OK)
        ;
    redisFree(c);
}

static int node_answers(struct node *n)
{
    struct redisReply *r = node_command(n, "GET {stint}:none");
    int ok = r != NULL && r->type != REDIS_REPLY_ERROR;
    int is_busy = r != NULL && !ok && strncmp(r->str, "BUSY", 4) == 0;
    freeReplyObject(r);
    if (is_busy) /* who would end the script waits for this */
        freeReplyObject(node_command(n, "SCRIPT KILL"));
    return ok;
}

int node_refuses(struct node *n)
{
    struct redisReply *r = node_command(n, "SET {stint}:none 1 PX 1");
    int refuses = r != NULL && r->type == REDIS_REPLY_ERROR &&
                  strncmp(r->str, "MISCONF", 7) == 0;
    freeReplyObject(r);
    return refuses;
}

static int node_is_rewriting(struct node *n)
{
    struct redisReply *r = node_command(n, "INFO persistence");
    int is = r != NULL && r->type == REDIS_REPLY_STRING &&
             (strstr(r->str, "aof_rewrite_in_progress:1") != NULL ||
              strstr(r->str, "aof_rewrite_scheduled:1") != NULL);
    freeReplyObject(r);
    return is;
}

static void pause_ms(long ms)
{
    struct timespec t = {0, ms * 1000000};
    nanosleep(&t, NULL);
}

int node_wait(struct node *n, int64_t ms)
{
    for (uint64_t end = history_now_us() + (uint64_t)ms * 1000;
         history_now_us() < end; pause_ms(5)) {
        int status;
        if (n->pid > 0 && waitpid(n->pid, &status, WNOHANG) == n->pid) {
            node_disconnect(n);
            n->pid = 0;
        }
        if (n->pid == 0)
            return -1;
        if (node_answers(n))
            return 0;
    }
    return -1;
}

void node_wait_rewrite(struct node *n, int64_t ms)
{
    for (uint64_t end = history_now_us() + (uint64_t)ms * 1000;
         history_now_us() < end && node_is_rewriting(n); pause_ms(20))
        ;
}

uint64_t node_run_id(struct node *n)
{
    struct redisReply *r = node_command(n, "INFO server");
    uint64_t id = 0;
    const char *p = r != NULL && r->str != NULL ? strstr(r->str, "run_id:")
                                                : NULL;
    if (p != NULL)
        id = history_hash(p + 7, strcspn(p + 7, "\r\n"));
    freeReplyObject(r);
    return id;
}

int node_has_replica(struct node *n)
{
    freeReplyObject(node_command(n, "SET {stint}:none 1 EX 1"));
    struct redisReply *r = node_command(n, "WAIT 1 500");
    int ok = r != NULL && r->type == REDIS_REPLY_INTEGER && r->integer >= 1;
    freeReplyObject(r);
    return ok;
}

/* ---- The end, and the disk ---------------------------------------------------- */

void node_kill(struct node *n)
{
    if (n->pid > 0) {
        kill(n->pid, SIGKILL);
        waitpid(n->pid, NULL, 0);
    }
    n->pid = 0;
    node_disconnect(n);
}

static int64_t synced_of(const char *path)
{
    char note[800];
    long long bytes = 0;
    snprintf(note, sizeof(note), "%s.synced", path);
    FILE *f = fopen(note, "r");
    if (f != NULL && fscanf(f, "%lld", &bytes) != 1)
        bytes = 0;
    if (f != NULL)
        fclose(f);
    return bytes;
}

/* Only the newest log: Redis does not start with a hole before it. */
int64_t node_power_cut(struct node *n, int64_t permille)
{
    char dir[400], path[700], newest[700] = "";
    long newest_seq = -1;
    struct stat st;
    snprintf(dir, sizeof(dir), "%s/appendonlydir", n->dir);
    DIR *d = opendir(dir);
    struct dirent *e;
    while (d != NULL && (e = readdir(d)) != NULL) {
        long seq;
        char kind[32];
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        if (sscanf(e->d_name, "appendonly.aof.%ld.%31s", &seq, kind) == 2 &&
            strcmp(kind, "incr.aof") == 0 && seq > newest_seq) {
            newest_seq = seq;
            memcpy(newest, path, sizeof(newest));
        }
    }
    if (d != NULL)
        closedir(d);
    if (newest_seq < 0 || stat(newest, &st) < 0)
        return 0;
    int64_t synced = synced_of(newest);
    int64_t keep = synced + (st.st_size - synced) * (1000 - permille) / 1000;
    if (keep >= st.st_size || truncate(newest, keep) < 0)
        return 0;
    return st.st_size - keep;
}

void node_fill(struct node *n, int full)
{
    struct statvfs v;
    if (!full) {
        tmpfs_mount(n, n->tmpfs_mb << 20, 1);
    } else if (statvfs(n->dir, &v) == 0) {
        int64_t used = (int64_t)(v.f_blocks - v.f_bfree) *
                       (int64_t)v.f_frsize;
        tmpfs_mount(n, used + 8192, 1);
    }
}

static int remove_one(const char *path, const struct stat *st, int flag,
                      struct FTW *ftw)
{
    (void)st, (void)flag, (void)ftw;
    return remove(path);
}

void node_remove(struct node *n)
{
    node_kill(n);
    if (n->is_tmpfs)
        umount2(n->dir, MNT_DETACH);
    nftw(n->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
