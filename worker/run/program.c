/* SPDX-License-Identifier: MIT */
/* Programs: one process a run, execve and no shell. A run's life: start fills
 * the template and makes four pipes and the child; the loop feeds stdin and
 * gives stdout, stderr and the result to capture.c, a bounded piece at a time,
 * so that a child that never stops writing delays no timeout; tick sends
 * SIGTERM and SIGKILL; children.c tells of the end. Then its process group is
 * killed and what already lies in the pipes is read (their EOF may never
 * come). Only when children.c found nothing more of it, the run is done. */
#define _GNU_SOURCE /* pipe2 */
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bounds.h"
#include "buf.h"
#include "capture.h"
#include "child.h"
#include "children.h"
#include "clock.h"
#include "ending.h"
#include "err.h"
#include "executor.h"
#include "template.h"
#include "watch.h"

#define READ_BYTES     65536 /* a pipe's content, a step of the loop */
#define DRAIN_READS    32    /* of what is left at the end, at most */
#define STDIN_FIRST    4096  /* a pipe holds at least a page */

struct slot;

struct pipe {
    struct slot *slot;
    struct event event;
    int fd; /* our end, -1: closed */
};

struct slot {
    struct kid kid;            /* first */
    struct slot *next, *prev;  /* running */
    struct programs *programs;
    struct run *run;
    int status;                /* once reaped, as the next; -1: somebody else
                                  reaped it */
    struct rusage usage;
    int64_t timeout_ms, kill_ms; /* when; INT64_MAX: never */
    enum run_outcome ending;   /* RUN_COMPLETED: nobody ended it */
    struct pipe pipes[N_PIPES];
    size_t written;            /* of stdin */
    struct capture capture;
    char run_entry[STINT_ID_LEN + 40]; /* STINT_RUN_ID=… */
    char error[ERROR_BYTES_MAX + 1];
};

struct programs {
    struct executor executor; /* first */
    struct executor_options o;
    char *worker;
    char **env;               /* for the children */
    struct slot *running;
    int64_t next_ms;
    char scratch[READ_BYTES];
};

/* ---- Before the child ---------------------------------------------------- */

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static int fd_unblock(int fd)
{
    return fcntl(fd, F_SETFL, O_NONBLOCK);
}

static int pipes_make(struct slot *s, struct child *c)
{
    int ends[2];

    for (int i = 0; i < N_PIPES; i++) {
        int ours = i == PIPE_IN;

        if (pipe2(ends, O_CLOEXEC) < 0)
            return -1;
        s->pipes[i].fd = ends[ours];
        c->fds[i] = ends[!ours];
        if (!ours && fd_unblock(ends[0]) < 0)
            return -1;
    }
    return 0;
}

/* The first piece of stdin, before there is a child: an empty pipe takes it at
 * once. Most tasks end with it and need no event. */
static int stdin_begin(struct slot *s)
{
    struct pipe *p = &s->pipes[PIPE_IN];
    size_t len = s->run->json_len;

    if (len > STDIN_FIRST)
        len = STDIN_FIRST;
    if (len > 0 && write(p->fd, s->run->json, len) != (ssize_t)len)
        return -1;
    s->written = len;
    if (len == s->run->json_len)
        fd_close(&p->fd);
    return p->fd < 0 ? 0 : fd_unblock(p->fd);
}

/* ---- What goes through the pipes ---------------------------------------- */

static void pipe_close(struct pipe *p)
{
    if (p->fd < 0)
        return;
    event_del(&p->event);
    fd_close(&p->fd);
}

/* One bounded read. 0: nothing more for now, or the end. */
static int pipe_read(struct slot *s, int which)
{
    struct pipe *p = &s->pipes[which];
    char *data = s->programs->scratch;
    ssize_t n = p->fd < 0 ? 0 : read(p->fd, data, READ_BYTES);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0) {
        pipe_close(p);
        return 0;
    }
    capture_add(&s->capture, which, data, (size_t)n);
    return 1;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct pipe *p = arg;

    (void)fd;
    (void)what;
    pipe_read(p->slot, (int)(p - p->slot->pipes));
}

/* write without the SIGPIPE that a child which reads nothing would cause; the
 * program around us may have other plans for that signal. */
static ssize_t write_quietly(int fd, const char *data, size_t len)
{
    const struct timespec now = {0, 0};
    sigset_t sigpipe, old;
    ssize_t n;
    int code;

    sigemptyset(&sigpipe);
    sigaddset(&sigpipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &sigpipe, &old);
    n = write(fd, data, len);
    code = errno;
    if (n < 0 && code == EPIPE)
        sigtimedwait(&sigpipe, NULL, &now);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    errno = code;
    return n;
}

static void stdin_feed(struct slot *s)
{
    struct pipe *p = &s->pipes[PIPE_IN];
    size_t left = s->run->json_len - s->written;
    ssize_t n = left ? write_quietly(p->fd, s->run->json + s->written, left)
                     : 0;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0)
        s->written += (size_t)n;
    if (n < 0 || s->written == s->run->json_len)
        pipe_close(p);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    stdin_feed(((struct pipe *)arg)->slot);
}

/* ---- Those that run ----------------------------------------------------- */

static void running_add(struct programs *p, struct slot *s)
{
    s->prev = NULL;
    s->next = p->running;
    if (p->running)
        p->running->prev = s;
    p->running = s;
    children_add(p->o.children, &s->kid);
}

static void running_remove(struct programs *p, struct slot *s)
{
    if (s->prev)
        s->prev->next = s->next;
    else
        p->running = s->next;
    if (s->next)
        s->next->prev = s->prev;
}

/* ---- The end ------------------------------------------------------------ */

static void oom_tell(struct slot *s)
{
    char old[ERROR_BYTES_MAX + 1];

    memcpy(old, s->error, sizeof(old));
    snprintf(s->error, sizeof(s->error), "%s: %.900s",
             "killed by the memory limit of its cgroup", old);
}

static void outcome_find(struct slot *s, struct run_result *r)
{
    r->outcome = RUN_FAILED;
    if (s->kid.pid == 0)
        return;
    r->outcome = s->ending;
    if (s->ending != RUN_COMPLETED)
        ending_describe(s->run, s->ending, s->error);
    else if (s->status == -1)
        snprintf(s->error, sizeof(s->error), "it ended, how is not known");
    else
        capture_judge(&s->capture, s->status, r, s->error);
    if (s->kid.was_oom && r->outcome != RUN_COMPLETED)
        oom_tell(s);
    if (r->outcome == RUN_COMPLETED && s->status == -1)
        r->outcome = RUN_FAILED;
    if (r->outcome == RUN_COMPLETED || s->status == -1)
        return;
    capture_add_evidence(&s->capture, s->status, r);
    r->max_rss_kb = s->usage.ru_maxrss;
}

static void slot_free(struct slot *s)
{
    for (int i = 0; i < N_PIPES; i++)
        pipe_close(&s->pipes[i]);
    capture_close(&s->capture);
    free(s);
}

static void slot_on_gone(struct kid *kid)
{
    struct slot *s = (struct slot *)kid;
    struct programs *p = s->programs;
    struct run *run = s->run;
    struct run_result r = {0};
    struct buf output;

    buf_init(&output, OUTPUT_BYTES_MAX);
    capture_output(&s->capture, &output);
    outcome_find(s, &r);
    r.output = output.len > 0 ? output.data : NULL;
    r.output_len = output.len;
    r.error = s->error[0] ? s->error : NULL;
    run->slot = NULL;
    p->o.on_done(run, &r, p->o.arg);
    buf_close(&output);
    slot_free(s);
}

static void slot_on_exit(struct kid *kid)
{
    struct slot *s = (struct slot *)kid;

    if (wait4(kid->pid, &s->status, 0, &s->usage) != kid->pid)
        s->status = -1;
    running_remove(s->programs, s);
    for (int i = 0; i < PIPE_IN; i++) {
        for (int n = 0; n < DRAIN_READS && pipe_read(s, i); n++)
            continue;
        pipe_close(&s->pipes[i]);
    }
    pipe_close(&s->pipes[PIPE_IN]);
    capture_end(&s->capture);
}

/* ---- The executor ------------------------------------------------------- */

static struct slot *slot_new(struct programs *p, struct run *run)
{
    struct slot *s = calloc(1, sizeof(*s));

    check(s); /* two kilobytes */
    s->programs = p;
    s->run = run;
    s->kid.entry = s->run_entry;
    s->kid.on_exit = slot_on_exit;
    s->kid.on_gone = slot_on_gone;
    s->kill_ms = INT64_MAX;
    s->timeout_ms = clock_mono_ms() + run->timeout_ms;
    for (int i = 0; i < N_PIPES; i++) {
        struct pipe *at = &s->pipes[i];

        at->slot = s;
        at->fd = -1;
    }
    capture_init(&s->capture);
    snprintf(s->run_entry, sizeof(s->run_entry),
             "STINT_RUN_ID=%s@%" PRIu64, run->id, run->fence);
    return s;
}

static void events_add(struct slot *s)
{
    for (int i = 0; i < N_PIPES; i++) {
        struct pipe *p = &s->pipes[i];
        int in = i == PIPE_IN;

        if (p->fd < 0)
            continue;
        event_assign(&p->event, s->programs->o.base, p->fd,
                     (short)((in ? EV_WRITE : EV_READ) | EV_PERSIST),
                     in ? on_writable : on_readable, p);
        watch_add(&p->event);
    }
}

/* The program, its arguments and environment. -1 with slot->error. */
static int child_fill(struct slot *s, char ***argv, char ***env, char **path)
{
    const struct program *program = s->run->how;
    struct programs *p = s->programs;
    struct stint_err err = {STINT_OK, ""};

    *argv = template_fill(program, s->run, &err);
    if (!*argv) {
        snprintf(s->error, sizeof(s->error), "%s", err.text);
        return -1;
    }
    *path = child_path_find((*argv)[0]);
    if (*path)
        *env = env_fill(p->env, p->worker, s->run_entry, s->run,
                        &program->confine);
    if (*env)
        return 0;
    snprintf(s->error, sizeof(s->error), "cannot run %.200s: %s", (*argv)[0],
             strerror(errno));
    return -1;
}

/* -1 with slot->error: there is no child. */
static int slot_start(struct slot *s, struct child *c)
{
    const char *step = NULL;
    pid_t pid = -1;

    if (pipes_make(s, c) == 0 && stdin_begin(s) == 0)
        pid = child_start(c, &step);
    if (pid > 0) {
        s->kid.pid = pid;
        return 0;
    }
    snprintf(s->error, sizeof(s->error), "cannot run %.200s: %.200s%s%s",
             c->argv[0], step ? step : "", step ? ": " : "", strerror(errno));
    return -1;
}

static int slot_run(struct slot *s)
{
    const struct program *program = s->run->how;
    struct child c = {.fds = {-1, -1, -1, -1},
                      .confine = &program->confine};
    struct stint_err err = {STINT_OK, ""};
    char **argv = NULL, **env = NULL, *path = NULL;
    int rc = children_prepare(s->programs->o.children, &s->kid,
                              &program->confine.cgroup, &err);

    if (rc < 0)
        snprintf(s->error, sizeof(s->error), "%s", err.text);
    else
        rc = child_fill(s, &argv, &env, &path);
    c.mark = s->kid.mark;
    c.cgroup_fd = s->kid.cgroup.procs_fd;
    c.argv = argv;
    c.env = env;
    c.path = path;
    if (rc == 0)
        rc = slot_start(s, &c);
    for (int i = 0; i < N_PIPES; i++)
        fd_close(&c.fds[i]);
    template_free(argv);
    env_free(env);
    free(path);
    return rc;
}

static void programs_start(struct executor *e, struct run *run)
{
    struct programs *p = (struct programs *)e;
    struct slot *s = slot_new(p, run);

    run->slot = s;
    if (slot_run(s) < 0) {
        for (int i = 0; i < N_PIPES; i++)
            fd_close(&s->pipes[i].fd);
        children_forgo(p->o.children, &s->kid);
        return;
    }
    events_add(s);
    running_add(p, s);
    if (s->timeout_ms < p->next_ms)
        p->next_ms = s->timeout_ms;
}

static void slot_kill(const struct slot *s, int signal_number)
{
    kill(-s->kid.pid, signal_number);
    kill(s->kid.pid, signal_number);
}

static int is_running(const struct slot *s)
{
    return children_has(s->programs->o.children, &s->kid);
}

/* SIGTERM now and SIGKILL after the grace, or SIGKILL now. */
static void slot_end(struct slot *s, enum run_outcome why, int64_t now_ms,
                     int at_once)
{
    struct programs *p = s->programs;

    if (s->ending == RUN_COMPLETED) {
        s->ending = why;
        s->timeout_ms = INT64_MAX;
        s->kill_ms = now_ms + p->o.grace_ms;
        if (s->kill_ms < p->next_ms)
            p->next_ms = s->kill_ms;
        if (!at_once)
            kill(-s->kid.pid, SIGTERM);
    }
    if (at_once)
        slot_kill(s, SIGKILL);
}

static void programs_stop(struct executor *e, struct run *run, int at_once)
{
    (void)e;
    if (run->slot && is_running(run->slot))
        slot_end(run->slot, RUN_STOPPED, clock_mono_ms(), at_once);
}

static int64_t programs_tick(struct executor *e, int64_t now_mono_ms)
{
    struct programs *p = (struct programs *)e;

    if (now_mono_ms < p->next_ms)
        return p->next_ms;
    p->next_ms = INT64_MAX;
    for (struct slot *s = p->running; s; s = s->next) {
        if (s->timeout_ms <= now_mono_ms)
            slot_end(s, RUN_TIMEOUT, now_mono_ms, 0);
        if (s->kill_ms <= now_mono_ms) {
            slot_kill(s, SIGKILL);
            s->kill_ms = INT64_MAX;
        }
        if (s->timeout_ms < p->next_ms)
            p->next_ms = s->timeout_ms;
        if (s->kill_ms < p->next_ms)
            p->next_ms = s->kill_ms;
    }
    return p->next_ms;
}

static int programs_news(struct executor *e, struct run *run,
                         struct run_news *news)
{
    struct slot *s = run->slot;

    (void)e;
    return s ? capture_news(&s->capture, news->output) : 0;
}

static void programs_free(struct programs *p)
{
    template_free(p->env);
    free(p->worker);
    free(p);
}

static void programs_close(struct executor *e)
{
    struct programs *p = (struct programs *)e;

    check(!p->running);
    programs_free(p);
}

static int programs_init(struct programs *p, struct stint_err *err)
{
    p->worker = strdup(p->o.worker);
    p->env = env_inherit();
    if (!p->worker || !p->env)
        return err_set(err, STINT_NOMEM, "out of memory");
    return 0;
}

struct executor *program_executor_new(const struct executor_options *o,
                                      struct stint_err *err)
{
    static const struct executor_ops ops = {"program", programs_start,
                                            programs_stop, programs_tick,
                                            programs_close, programs_news};
    struct programs *p = calloc(1, sizeof(*p));

    if (!p) {
        err_set(err, STINT_NOMEM, "out of memory");
        return NULL;
    }
    p->executor.ops = &ops;
    p->o = *o;
    p->next_ms = INT64_MAX;
    if (programs_init(p, err) == 0)
        return &p->executor;
    programs_free(p);
    return NULL;
}
