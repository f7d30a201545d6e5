/* SPDX-License-Identifier: MIT */
/* Programs: one process a run, fork and execve, no shell. A run's life:
 * start fills the template and makes four pipes and the child; the loop feeds
 * stdin and gives stdout, stderr and the result to capture.c, a bounded piece
 * at a time, so that a child that never stops writing delays no timeout; tick
 * sends SIGTERM and SIGKILL; SIGCHLD tells of the end. Then its process group
 * is killed, what already lies in the pipes is read (their EOF may never
 * come), and processes that left the group but still carry the run's id in
 * their environment are killed, in passes, until none is found. Only after
 * that the run is done. */
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
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "capture.h"
#include "child.h"
#include "clock.h"
#include "err.h"
#include "executor.h"
#include "limits.h"
#include "orphan.h"
#include "template.h"

#define READ_BYTES     65536 /* a pipe's content, a step of the loop */
#define DRAIN_READS    32    /* of what is left at the end, at most */
#define PIDS           256   /* buckets; a power of two */
#define ORPHAN_PASSES  100
#define ORPHAN_WAIT_US 2000

struct slot;

struct pipe {
    struct slot *slot;
    struct event event;
    int fd; /* our end, -1: closed */
};

struct slot {
    struct slot *next, *prev;  /* running; ending uses next only */
    struct slot *same_bucket;
    struct programs *programs;
    struct run *run;
    pid_t pid;                 /* 0: never was one */
    int status;                /* once reaped, as the next */
    struct rusage usage;
    int64_t timeout_ms, kill_ms; /* when; INT64_MAX: never */
    enum run_outcome ending;   /* RUN_COMPLETED: nobody ended it */
    int passes;
    struct pipe pipes[N_PIPES];
    int exec_fd;               /* errno, if exec failed */
    size_t written;            /* of stdin */
    struct capture capture;
    char *name;                /* argv[0] */
    char run_entry[STINT_ID_LEN + 40]; /* STINT_RUN_ID=… */
    char error[ERROR_BYTES_MAX + 1];
};

struct programs {
    struct executor executor; /* first */
    struct executor_options o;
    char *worker;
    char **env;               /* for the children */
    struct slot *running, *ending;
    struct slot *by_pid[PIDS];
    int64_t next_ms;
    struct event *on_child, *later;
    char scratch[READ_BYTES];
};

/* ---- Before the fork ---------------------------------------------------- */

static void fd_close(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
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
        if (fcntl(ends[ours], F_SETFL, O_NONBLOCK) < 0)
            return -1;
    }
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    s->exec_fd = ends[0];
    c->exec_fd = ends[1];
    return fcntl(s->exec_fd, F_SETFL, O_NONBLOCK);
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

/* ---- Which slot is it --------------------------------------------------- */

static struct slot **bucket(struct programs *p, pid_t pid)
{
    return &p->by_pid[(unsigned)pid % PIDS];
}

static struct slot *slot_by_pid(struct programs *p, pid_t pid)
{
    struct slot *s = *bucket(p, pid);

    while (s && s->pid != pid)
        s = s->same_bucket;
    return s;
}

static void running_add(struct programs *p, struct slot *s)
{
    struct slot **b = bucket(p, s->pid);

    s->same_bucket = *b;
    *b = s;
    s->prev = NULL;
    s->next = p->running;
    if (p->running)
        p->running->prev = s;
    p->running = s;
}

static void running_remove(struct programs *p, struct slot *s)
{
    struct slot **b = bucket(p, s->pid);

    while (*b != s)
        b = &(*b)->same_bucket;
    *b = s->same_bucket;
    if (s->prev)
        s->prev->next = s->next;
    else
        p->running = s->next;
    if (s->next)
        s->next->prev = s->prev;
}

static void ending_add(struct programs *p, struct slot *s, int wait_us)
{
    const struct timeval tv = {0, wait_us};

    s->next = p->ending;
    p->ending = s;
    if (wait_us > 0)
        evtimer_add(p->later, &tv);
    else
        event_active(p->later, 0, 0);
}

/* ---- The end ------------------------------------------------------------ */

/* Adopted processes hang at the main thread, ours at the one that forked. */
static int children_scan(struct programs *p, const struct slot *s, pid_t tid)
{
    char path[64];
    long pid;
    int found = 0;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/self/task/%ld/children", (long)tid);
    f = fopen(path, "re");
    if (!f)
        return 0;
    while (fscanf(f, "%ld", &pid) == 1) {
        if (slot_by_pid(p, (pid_t)pid) ||
            !orphan_has((pid_t)pid, s->run_entry))
            continue;
        found += kill((pid_t)pid, SIGKILL) == 0;
    }
    fclose(f);
    return found;
}

static int orphans_pass(struct programs *p, const struct slot *s)
{
    pid_t own = (pid_t)syscall(SYS_gettid), main_thread = getpid();
    int found = children_scan(p, s, main_thread);

    if (own != main_thread)
        found += children_scan(p, s, own);
    return found;
}

static int exec_failed(struct slot *s)
{
    int code;

    if (s->pid == 0 || read(s->exec_fd, &code, sizeof(code)) != sizeof(code))
        return 0;
    snprintf(s->error, sizeof(s->error), "cannot run %.200s: %s", s->name,
             strerror(code));
    return 1;
}

static void outcome_find(struct slot *s, struct run_result *r)
{
    r->outcome = RUN_FAILED;
    if (s->pid == 0 || exec_failed(s))
        return;
    r->outcome = s->ending;
    if (s->ending == RUN_TIMEOUT)
        snprintf(s->error, sizeof(s->error), "timeout after %g s",
                 (double)s->run->timeout_ms / 1000);
    else if (s->ending == RUN_STOPPED)
        snprintf(s->error, sizeof(s->error), "stopped");
    else
        capture_judge(&s->capture, s->status, r, s->error);
    if (r->outcome == RUN_COMPLETED)
        return;
    capture_add_evidence(&s->capture, s->status, r);
    r->max_rss_kb = s->usage.ru_maxrss;
}

static void slot_free(struct slot *s)
{
    for (int i = 0; i < N_PIPES; i++)
        pipe_close(&s->pipes[i]);
    fd_close(&s->exec_fd);
    capture_close(&s->capture);
    free(s->name);
    free(s);
}

static void slot_done(struct slot *s)
{
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

/* Done, or waits for those it had to kill. */
static void slot_settle(struct slot *s)
{
    struct programs *p = s->programs;

    if (s->pid > 0 && s->passes++ < ORPHAN_PASSES && orphans_pass(p, s) > 0)
        ending_add(p, s, ORPHAN_WAIT_US);
    else
        slot_done(s);
}

/* Reaps it: nothing else has its pid, or its group's, before this. */
static void slot_reap(struct programs *p, struct slot *s)
{
    kill(-s->pid, SIGKILL);
    check(wait4(s->pid, &s->status, 0, &s->usage) == s->pid);
    running_remove(p, s);
    for (int i = 0; i < PIPE_IN; i++) {
        for (int n = 0; n < DRAIN_READS && pipe_read(s, i); n++)
            continue;
        pipe_close(&s->pipes[i]);
    }
    pipe_close(&s->pipes[PIPE_IN]);
    capture_end(&s->capture);
    slot_settle(s);
}

static void children_reap(struct programs *p)
{
    siginfo_t si;

    for (;;) {
        struct slot *s;

        memset(&si, 0, sizeof(si));
        if (waitid(P_ALL, 0, &si, WEXITED | WNOHANG | WNOWAIT) < 0 ||
            si.si_pid == 0)
            return;
        s = slot_by_pid(p, si.si_pid);
        if (s)
            slot_reap(p, s);
        else
            waitpid(si.si_pid, NULL, WNOHANG);
    }
}

static void on_sigchld(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    children_reap(arg);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    struct programs *p = arg;
    struct slot *s = p->ending, *next;

    (void)fd;
    (void)what;
    p->ending = NULL;
    for (; s; s = next) {
        next = s->next;
        slot_settle(s);
    }
}

/* ---- The executor ------------------------------------------------------- */

static struct slot *slot_new(struct programs *p, struct run *run)
{
    struct slot *s = calloc(1, sizeof(*s));

    check(s); /* two kilobytes */
    s->programs = p;
    s->run = run;
    s->exec_fd = -1;
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

        event_assign(&p->event, s->programs->o.base, p->fd,
                     (short)((in ? EV_WRITE : EV_READ) | EV_PERSIST),
                     in ? on_writable : on_readable, p);
        event_add(&p->event, NULL);
    }
}

/* -1 with slot->error: there is no child. */
static int child_start(struct slot *s, struct child *c)
{
    const struct program *program = s->run->how;
    struct stint_err err = {STINT_OK, ""};

    c->nice = program->nice;
    c->argv = template_fill(program, s->run, &err);
    if (!c->argv) {
        snprintf(s->error, sizeof(s->error), "%s", err.text);
        return -1;
    }
    s->name = strdup(c->argv[0]);
    c->path = child_path_find(c->argv[0]);
    if (s->name && c->path)
        c->env = env_fill(s->programs->env, s->programs->worker, s->run_entry,
                          s->run);
    if (c->env && pipes_make(s, c) == 0)
        s->pid = child_fork(c);
    if (s->pid > 0)
        return 0;
    snprintf(s->error, sizeof(s->error), "cannot run %.200s: %s", c->argv[0],
             strerror(errno));
    s->pid = 0;
    return -1;
}

static void programs_start(struct executor *e, struct run *run)
{
    struct programs *p = (struct programs *)e;
    struct slot *s = slot_new(p, run);
    struct child c = {.fds = {-1, -1, -1, -1}, .exec_fd = -1};
    int rc;

    run->slot = s;
    rc = child_start(s, &c);
    for (int i = 0; i < N_PIPES; i++)
        fd_close(&c.fds[i]);
    fd_close(&c.exec_fd);
    template_free(c.argv);
    env_free(c.env);
    free(c.path);
    if (rc < 0) {
        for (int i = 0; i < N_PIPES; i++)
            fd_close(&s->pipes[i].fd);
        ending_add(p, s, 0);
        return;
    }
    events_add(s);
    running_add(p, s);
    if (s->timeout_ms < p->next_ms)
        p->next_ms = s->timeout_ms;
    stdin_feed(s);
}

static void slot_kill(const struct slot *s, int signal_number)
{
    kill(-s->pid, signal_number);
    kill(s->pid, signal_number);
}

static int is_running(struct slot *s)
{
    return s->pid > 0 && slot_by_pid(s->programs, s->pid) == s;
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
            kill(-s->pid, SIGTERM);
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
    if (p->on_child)
        event_free(p->on_child);
    if (p->later)
        event_free(p->later);
    template_free(p->env);
    free(p->worker);
    free(p);
}

static void programs_close(struct executor *e)
{
    struct programs *p = (struct programs *)e;

    check(!p->running && !p->ending);
    programs_free(p);
}

static int programs_init(struct programs *p, struct stint_err *err)
{
    p->worker = strdup(p->o.worker);
    p->env = env_inherit();
    if (!p->worker || !p->env)
        return err_set(err, STINT_NOMEM, "out of memory");
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
        return err_errno(err, "subreaper");
    p->on_child = evsignal_new(p->o.base, SIGCHLD, on_sigchld, p);
    p->later = evtimer_new(p->o.base, on_later, p);
    if (!p->on_child || !p->later || event_add(p->on_child, NULL) < 0)
        return err_set(err, STINT_SYSTEM, "events for programs");
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
