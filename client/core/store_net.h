/* SPDX-License-Identifier: MIT */
/* What both stores need: sockets as we want them, the words of the handshake,
 * and the list of calls whose reply has not come. */
#ifndef STINT_CORE_STORE_NET_H
#define STINT_CORE_STORE_NET_H

#include <signal.h>
#include <stddef.h>
#include <stdint.h>

#include "conf.h"
#include "store.h"

/* A first-in first-out list of calls. */
struct call {
    store_reply_fn fn;
    void *arg;
    int64_t sent_ms;        /* when it was made */
    uint64_t begin;         /* where it begins in the bytes to be sent */
    enum stint_code failed; /* OK: a reply may still come */
};
struct calls {
    struct call *at;
    size_t n, cap, head;
};
int calls_reserve(struct calls *q, size_t n); /* room for n in all; -1: there
                                                is no memory */
void calls_push(struct calls *q, const struct call *c); /* into that room */
struct call calls_pop(struct calls *q);                 /* n must not be 0 */
struct call *calls_peek(struct calls *q, size_t i);
void calls_close(struct calls *q);
/* Tells fn at once that a call could not be noted. */
void call_lacks_memory(store_reply_fn fn, void *arg);

/* CLOEXEC; for TCP also NODELAY, keepalive and USER_TIMEOUT. */
void net_tune(int fd, int is_tcp);
/* Has the other end, or the network, ended it? Not: memory or the protocol, after
 * which hiredis's buffers may be gone. */
struct redisContext;
int net_is_cut(const struct redisContext *c);
/* Bytes that the kernel has for the other end, which has not taken them yet. A
 * call is not late while these become less: the link is slow, not dead. */
size_t net_unsent(int fd);
/* 1: an idle connection that the other end has closed. */
int net_is_dead(int fd);
/* Around a write: a SIGPIPE that it raises is taken away again, so that a
 * program that does not ignore SIGPIPE does not die of a lost Redis. */
struct net_sigpipe {
    sigset_t old;
    int pending;
};
void net_sigpipe_hold(struct net_sigpipe *p);
void net_sigpipe_release(const struct net_sigpipe *p);

/* The handshake: the commands that make a connection ours. */
enum hello {
    HELLO_AUTH,
    HELLO_SELECT,
    HELLO_NAME,
    HELLO_PING,
    HELLO_N
};
struct hello_words {
    const char *argv[3];
    int argc;      /* 0: this step is not needed */
    char db[16];
    char password[CONF_PASSWORD_CAP];
};
/* Fills *w. The password is read from its file now. -1: *err, AUTH. */
int hello_argv(const struct conf *conf, enum hello step, struct hello_words *w,
               struct stint_err *err);
/* What the reply to a step means. 0: go on. -1: *err set; LOADING, BUSY and
 * READONLY (also: a replica where a primary is wanted) may pass, AUTH and
 * others not soon. */
int hello_check(const struct conf *conf, enum hello step,
                const struct redisReply *reply, struct stint_err *err);

/* READONLY, LOADING, MASTERDOWN, NOAUTH, and UNBLOCKED (it has become a replica
 * meanwhile): this connection is of no use. */
int reply_is_fatal(const struct redisReply *reply);
/* The same, and with sentinels also NOREPLICAS: an old primary, left alone,
 * does not hear for long that there is a new one. */
int reply_sends_away(const struct conf *conf, const struct redisReply *reply);

#endif
