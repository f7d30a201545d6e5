/* SPDX-License-Identifier: MIT */
/* A query is shared by its thread and whoever asked; who lets go last frees
 * it, so that nobody ever waits for a resolver. Written once, before the byte
 * that makes the pipe readable. */
#include "net_name.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "err.h"

#define STACK_BYTES (512 * 1024) /* modules of the system run on it */

struct name_query {
    atomic_int refs;
    int fd[2];       /* a pipe; its one byte: there is an answer */
    char host[256];
    int error;       /* of getaddrinfo */
    unsigned n;
    char at[NAME_ADDRESSES_MAX][NAME_ADDRESS_CAP]; /* numeric */
};

void name_query_free(struct name_query *q)
{
    if (q == NULL || atomic_fetch_sub(&q->refs, 1) > 1)
        return;
    close(q->fd[0]);
    close(q->fd[1]);
    free(q);
}

/* Those of one family (or all others), as text. */
static void query_take(struct name_query *q, const struct addrinfo *list,
                       int is_v4)
{
    for (const struct addrinfo *a = list; a != NULL; a = a->ai_next) {
        if ((a->ai_family == AF_INET) != is_v4 || q->n == NAME_ADDRESSES_MAX)
            continue;
        if (getnameinfo(a->ai_addr, a->ai_addrlen, q->at[q->n],
                        sizeof(q->at[q->n]), NULL, 0, NI_NUMERICHOST) == 0)
            q->n++;
    }
}

static int query_resolve(struct name_query *q, int flags)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = flags};
    struct addrinfo *list = NULL;
    int error = getaddrinfo(q->host, NULL, &hints, &list);
    if (error != 0)
        return error;
    query_take(q, list, 1);
    query_take(q, list, 0);
    freeaddrinfo(list);
    return q->n > 0 ? 0 : EAI_NONAME;
}

static void query_answer(struct name_query *q)
{
    char byte = 0;
    ssize_t n = write(q->fd[1], &byte, 1);
    (void)n; /* an empty pipe takes a byte */
}

static void *query_run(void *arg)
{
    struct name_query *q = arg;
    q->error = query_resolve(q, 0);
    query_answer(q);
    name_query_free(q);
    return NULL;
}

/* Signals are for the threads of the program. */
static int query_thread(struct name_query *q)
{
    pthread_attr_t attr;
    pthread_t thread;
    sigset_t all, old;
    if (pthread_attr_init(&attr) != 0)
        return -1;
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    atomic_store(&q->refs, 2);
    int rc = pthread_create(&thread, &attr, query_run, q);
    if (rc != 0)
        atomic_store(&q->refs, 1);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attr);
    return rc == 0 ? 0 : -1;
}

struct name_query *name_query_start(const char *host, struct stint_err *err)
{
    struct name_query *q = calloc(1, sizeof(*q));
    if (q == NULL || pipe(q->fd) < 0) {
        free(q);
        err_set(err, STINT_NOMEM, "no memory or descriptors to look up a name");
        return NULL;
    }
    fcntl(q->fd[0], F_SETFD, FD_CLOEXEC);
    fcntl(q->fd[1], F_SETFD, FD_CLOEXEC);
    atomic_init(&q->refs, 1);
    snprintf(q->host, sizeof(q->host), "%s", host);
    q->error = query_resolve(q, AI_NUMERICHOST);
    if (q->error == 0) {
        query_answer(q);
    } else if (query_thread(q) < 0) {
        name_query_free(q);
        err_set(err, STINT_UNREACHABLE, "no thread to look up %.100s", host);
        return NULL;
    }
    return q;
}

int name_query_fd(const struct name_query *q)
{
    return q->fd[0];
}

int name_query_is_answered(const struct name_query *q)
{
    struct pollfd p = {.fd = q->fd[0], .events = POLLIN};
    return poll(&p, 1, 0) > 0;
}

const char *name_query_address(const struct name_query *q, unsigned k,
                               struct stint_err *err)
{
    if (q->error == 0)
        return q->at[k % q->n];
    err_set(err, STINT_UNREACHABLE, "cannot look up %.100s: %.60s", q->host,
            gai_strerror(q->error));
    return NULL;
}
