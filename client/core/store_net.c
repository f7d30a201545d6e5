/* SPDX-License-Identifier: MIT */
/* The parts both stores share. The calls are a ring that doubles; the
 * handshake is a table of steps, so that the blocking store can go through it
 * in a loop and the other one reply by reply. */
#include "store_net.h"

#include <errno.h>
#include <fcntl.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

#include "err.h"

int calls_reserve(struct calls *q, size_t n)
{
    size_t cap = q->cap ? q->cap : 64;

    if (n <= q->cap)
        return 0;
    while (cap < n)
        cap *= 2;
    struct call *at = malloc(cap * sizeof(*at));
    if (!at)
        return -1;
    for (size_t i = 0; i < q->n; i++)
        at[i] = *calls_peek(q, i);
    free(q->at);
    q->at = at;
    q->cap = cap;
    q->head = 0;
    return 0;
}

void calls_push(struct calls *q, const struct call *c)
{
    check(q->n < q->cap);
    q->n++;
    *calls_peek(q, q->n - 1) = *c;
}

struct call *calls_peek(struct calls *q, size_t i)
{
    return &q->at[(q->head + i) & (q->cap - 1)];
}

struct call calls_pop(struct calls *q)
{
    check(q->n > 0);
    struct call c = q->at[q->head];
    q->head = (q->head + 1) & (q->cap - 1);
    q->n--;
    return c;
}

void calls_close(struct calls *q)
{
    free(q->at);
    memset(q, 0, sizeof(*q));
}

void call_lacks_memory(store_reply_fn fn, void *arg)
{
    struct stint_err err = {0};

    err_set(&err, STINT_NOMEM, "out of memory");
    fn(NULL, &err, arg);
}

static void option_set(int fd, int level, int name, int value)
{
    setsockopt(fd, level, name, &value, sizeof(value));
}

void net_tune(int fd, int is_tcp)
{
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    if (!is_tcp)
        return;
    option_set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    option_set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    option_set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 15);
    option_set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    option_set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
    option_set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 20000);
}

int net_is_cut(const struct redisContext *c)
{
    return c->err == REDIS_ERR_IO || c->err == REDIS_ERR_EOF;
}

size_t net_unsent(int fd)
{
    int n = 0;

    return ioctl(fd, TIOCOUTQ, &n) == 0 && n > 0 ? (size_t)n : 0;
}

int net_is_dead(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};

    /* Nothing is asked, so whatever can be read is an end or a farewell. */
    return poll(&p, 1, 0) > 0;
}

static void sigpipe_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGPIPE);
}

void net_sigpipe_hold(struct net_sigpipe *p)
{
    sigset_t set;

    sigpending(&set);
    p->pending = sigismember(&set, SIGPIPE);
    sigpipe_set(&set);
    pthread_sigmask(SIG_BLOCK, &set, &p->old);
}

void net_sigpipe_release(const struct net_sigpipe *p)
{
    const struct timespec zero = {0, 0};
    int saved = errno;
    sigset_t set;

    sigpipe_set(&set);
    if (!p->pending)
        while (sigtimedwait(&set, NULL, &zero) < 0 && errno == EINTR)
            ;
    pthread_sigmask(SIG_SETMASK, &p->old, NULL);
    errno = saved;
}

static void hello_auth(const struct conf *conf, struct hello_words *w)
{
    w->argv[w->argc++] = "AUTH";
    if (*conf->user)
        w->argv[w->argc++] = conf->user;
    w->argv[w->argc++] = w->password;
}

int hello_argv(const struct conf *conf, enum hello step, struct hello_words *w,
               struct stint_err *err)
{
    w->argc = 0;
    switch (step) {
    case HELLO_AUTH:
        if (conf_password(conf, w->password, err) < 0)
            return -1;
        if (*w->password)
            hello_auth(conf, w);
        break;
    case HELLO_SELECT:
        snprintf(w->db, sizeof(w->db), "%d", conf->db);
        w->argv[0] = "SELECT";
        w->argv[1] = w->db;
        w->argc = conf->db ? 2 : 0;
        break;
    case HELLO_NAME:
        w->argv[0] = "CLIENT";
        w->argv[1] = "SETNAME";
        w->argv[2] = "stint";
        w->argc = 3;
        break;
    case HELLO_PING:
        w->argv[0] = "HELLO"; /* changes nothing, and tells the role */
        w->argc = 1;
        break;
    case HELLO_N:
        break;
    }
    return 0;
}

static int reply_starts(const struct redisReply *r, const char *word)
{
    size_t n = strlen(word);
    return r->len >= n && !memcmp(r->str, word, n);
}

/* A replica is behind: who asks it may see a task go backwards, and what it is
 * told is refused. The node of a cluster sends everybody to its primary; a
 * sentinel may be behind, and an old primary may not know that it is. */
static int hello_check_role(const struct conf *conf,
                            const struct redisReply *reply,
                            struct stint_err *err)
{
    for (size_t i = 0; i + 1 < reply->elements && !conf->is_node; i += 2) {
        const struct redisReply *name = reply->element[i];
        const struct redisReply *role = reply->element[i + 1];
        if (name->type != REDIS_REPLY_STRING || name->len != 4 ||
            memcmp(name->str, "role", 4) != 0)
            continue;
        if (role->type != REDIS_REPLY_STRING || role->len != 7 ||
            memcmp(role->str, "replica", 7) != 0)
            break;
        if (conf->of_primary)
            return err_set(err, STINT_READONLY, "Redis at %.100s is not the "
                           "primary any more", conf->shown);
        return err_set(err, STINT_READONLY, "Redis at %.100s is a replica: the "
                       "URL has to name its primary", conf->shown);
    }
    return 0;
}

static const char *const step_names[HELLO_N] = {"AUTH", "SELECT",
    "CLIENT SETNAME", "HELLO"};

/* Whom, and with which command, Redis did not want. */
static int hello_refused(const struct conf *conf, enum hello step,
                         const char *why, struct stint_err *err)
{
    return err_set(err, STINT_AUTH, "Redis at %.60s refused the user or "
                   "password of \"%.40s\" (%s): %.60s", conf->shown,
                   *conf->user ? conf->user : "default", step_names[step], why);
}

int hello_check(const struct conf *conf, enum hello step,
                const struct redisReply *reply, struct stint_err *err)
{
    struct stint_err why = {0};

    if (reply->type != REDIS_REPLY_ERROR)
        return step == HELLO_PING ? hello_check_role(conf, reply, err) : 0;
    if (step == HELLO_PING && reply_starts(reply, "ERR unknown command"))
        return 0; /* before Redis 6: it answers, and will say READONLY */
    err_from_reply(&why, reply->str, reply->len);
    if (step != HELLO_AUTH && reply_starts(reply, "MISCONF"))
        return 0; /* its disk fails: it refuses PING and all that writes, but
                     not to be looked at */
    if (reply_starts(reply, "ERR max number of clients"))
        return err_set(err, STINT_UNREACHABLE, "cannot reach Redis at %.100s: "
                       "max number of clients reached", conf->shown);
    if (why.code == STINT_LOADING || why.code == STINT_READONLY ||
        why.code == STINT_BUSY)
        return err_set(err, why.code, "Redis at %.100s is not ready: %.80s",
                       conf->shown, why.text);
    if (step == HELLO_AUTH || why.code == STINT_AUTH) {
        if (step == HELLO_NAME && !reply_starts(reply, "NOAUTH"))
            return 0;
        return hello_refused(conf, step, why.text, err);
    }
    if (step == HELLO_NAME)
        return 0; /* a name is a nicety */
    return err_set(err, why.code, "Redis at %.100s: %.80s", conf->shown,
                   why.text);
}

int reply_is_fatal(const struct redisReply *r)
{
    return r->type == REDIS_REPLY_ERROR &&
           (reply_starts(r, "READONLY") || reply_starts(r, "LOADING") ||
            reply_starts(r, "MASTERDOWN") || reply_starts(r, "NOAUTH") ||
            reply_starts(r, "UNBLOCKED"));
}

int reply_sends_away(const struct conf *conf, const struct redisReply *r)
{
    return reply_is_fatal(r) ||
           (conf->n_sentinels > 0 && r->type == REDIS_REPLY_ERROR &&
            reply_starts(r, "NOREPLICAS"));
}
