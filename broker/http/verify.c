/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* pipe2, crypt_r */
#include "verify.h"

#include <crypt.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "secret.h"

struct job {
    struct job *next;
    char password[VERIFY_PASSWORD_LEN + 1];
    char hash[256];
    int fits;
    verify_done_fn fn;
    void *arg;
};

/* The lock guards the lists and is_ending. */
struct verify {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *pending, *done; /* pending: in order */
    int is_ending;
    int n;                      /* asked, not told yet; the loop's */
    int fd[2];                  /* the thread writes, the loop reads */
    struct event *on_done;
    struct crypt_data crypt;    /* the thread's; 32 KiB */
};

static int job_check(struct verify *v, const struct job *j)
{
    memset(&v->crypt, 0, sizeof(v->crypt));
    const char *hash = crypt_r(j->password, j->hash, &v->crypt);
    int fits = hash != NULL && hash[0] != '*' && secret_is(hash, j->hash);
    secret_forget(&v->crypt, sizeof(v->crypt));
    return fits;
}

static void *verify_main(void *arg)
{
    struct verify *v = arg;
    pthread_mutex_lock(&v->lock);
    while (!v->is_ending) {
        struct job *j = v->pending;
        if (j == NULL) {
            pthread_cond_wait(&v->work, &v->lock);
            continue;
        }
        v->pending = j->next;
        pthread_mutex_unlock(&v->lock);
        j->fits = job_check(v, j);
        pthread_mutex_lock(&v->lock);
        j->next = v->done;
        v->done = j;
        while (write(v->fd[1], "x", 1) < 0 && errno == EINTR)
            ;
    }
    pthread_mutex_unlock(&v->lock);
    return NULL;
}

static void jobs_tell(struct verify *v, struct job *j)
{
    while (j != NULL) {
        struct job *next = j->next;
        v->n--;
        j->fn(j->fits, j->arg);
        secret_forget(j, sizeof(*j));
        free(j);
        j = next;
    }
}

static void verify_on_done(evutil_socket_t fd, short what, void *arg)
{
    struct verify *v = arg;
    char bytes[VERIFY_PENDING_MAX];
    (void)what;
    if (read(fd, bytes, sizeof(bytes)) < 0)
        return;
    pthread_mutex_lock(&v->lock);
    struct job *j = v->done;
    v->done = NULL;
    pthread_mutex_unlock(&v->lock);
    jobs_tell(v, j);
}

/* Signals are the loop's. */
static int verify_thread(struct verify *v)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int e = pthread_create(&v->thread, NULL, verify_main, v);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return e;
}

struct verify *verify_start(struct event_base *base, struct stint_err *err)
{
    struct verify *v = calloc(1, sizeof(*v));
    err->code = STINT_NOMEM;
    snprintf(err->text, sizeof(err->text), "out of memory");
    if (v == NULL)
        return NULL;
    pthread_mutex_init(&v->lock, NULL);
    pthread_cond_init(&v->work, NULL);
    v->fd[0] = v->fd[1] = -1;
    int ok = pipe2(v->fd, O_CLOEXEC | O_NONBLOCK) == 0;
    if (ok)
        v->on_done = event_new(base, v->fd[0], EV_READ | EV_PERSIST,
                               verify_on_done, v);
    if (v->on_done != NULL && event_add(v->on_done, NULL) == 0 &&
        verify_thread(v) == 0) {
        *err = (struct stint_err){0};
        return v;
    }
    if (v->on_done != NULL)
        event_free(v->on_done);
    for (int i = 0; i < 2; i++)
        if (v->fd[i] >= 0)
            close(v->fd[i]);
    free(v);
    return NULL;
}

int verify_ask(struct verify *v, const char *password, const char *hash,
               verify_done_fn fn, void *arg)
{
    struct job *j = v->n < VERIFY_PENDING_MAX &&
                            strlen(password) <= VERIFY_PASSWORD_LEN
                        ? calloc(1, sizeof(*j)) : NULL;
    if (j == NULL)
        return -1;
    snprintf(j->password, sizeof(j->password), "%s", password);
    snprintf(j->hash, sizeof(j->hash), "%s", hash);
    j->fn = fn;
    j->arg = arg;
    v->n++;
    pthread_mutex_lock(&v->lock);
    struct job **last = &v->pending;
    while (*last != NULL)
        last = &(*last)->next;
    *last = j;
    pthread_cond_signal(&v->work);
    pthread_mutex_unlock(&v->lock);
    return 0;
}

void verify_stop(struct verify *v)
{
    if (v == NULL)
        return;
    pthread_mutex_lock(&v->lock);
    v->is_ending = 1;
    pthread_cond_signal(&v->work);
    pthread_mutex_unlock(&v->lock);
    pthread_join(v->thread, NULL);
    jobs_tell(v, v->done);
    jobs_tell(v, v->pending);
    event_free(v->on_done);
    close(v->fd[0]);
    close(v->fd[1]);
    pthread_cond_destroy(&v->work);
    pthread_mutex_destroy(&v->lock);
    free(v);
}
