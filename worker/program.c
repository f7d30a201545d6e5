/* SPDX-License-Identifier: MIT */
/* Programs: one process a run, fork and execve, no shell. A run's life:
 * start fills the template and makes four pipes and the child; the loop feeds
 * stdin and reads stdout, stderr and the result, a bounded piece at a time;
 * tick sends SIGTERM and SIGKILL; SIGCHLD tells of the end. Then its process
 * group is killed, what already lies in the pipes is read (their EOF may never
 * come), and processes that left the group but still carry the run's id in
 * their environment are killed, in passes, until none is found. Only after
 * that the run is done. */
#define _GNU_SOURCE /* pipe2, environ */
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
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "buf.h"
#include "child.h"
#include "clock.h"
#include "err.h"
#include "executor.h"
#include "limits.h"
#include "orphan.h"
#include "template.h"
#include "text.h"
#include "time_text.h"

#define READ_BYTES     65536 /* a pipe's content, a step of the loop */
#define DRAIN_READS    32    /* of what is left at the end, at most */
#define STDERR_TAIL    4096
#define OUTPUT_MARK    64    /* room for "[output cut at N bytes]" */
#define PIDS           256   /* buckets; a power of two */
#define ORPHAN_PASSES  100
#define ORPHAN_WAIT_US 2000
#define ENV_OWN        8     /* variables of ours */
#define MARKER         "!clear!"

struct slot;

struct pipe {
    struct slot *slot;
    struct event event;
    int fd;       /* our end, -1: closed */
    size_t match; /* how much of the marker the last read ended with */
};

struct slot {
    struct slot *next, *prev;  /* running; ending uses next only */
    struct slot *same_bucket;
    struct programs *programs;
    struct run *run;
    pid_t pid;                 /* 0: never was one */
    int status;
    int64_t timeout_ms, kill_ms; /* when; INT64_MAX: never */
    enum run_outcome ending;   /* RUN_COMPLETED: nobody ended it */
    int passes;
    struct pipe pipes[N_PIPES];
    int exec_fd;               /* errno, if exec failed */
    size_t written;            /* of stdin */
    struct buf output, result, tail;
    int output_cut, result_cut;
    char *name;                /* argv[0] */
    char run_entry[STINT_ID_LEN + 40]; /* STINT_RUN_ID=… */
    char error[ERROR_BYTES_MAX + 1];
};

struct programs {
    struct executor executor; /* first */
    struct executor_options o;
    char *worker;
    char **env;               /* ours, without what children must not see */
    size_t n_env;
    struct slot *running, *ending;
    struct slot *by_pid[PIDS];
    int64_t next_ms;
    struct event *on_child, *later;
    char scratch[READ_BYTES];
};

/* ---- Before the fork ---------------------------------------------------- */

static char *text_make(const char *name, const char *value)
{
    size_t len = strlen(name) + strlen(value) + 2;
    char *s = malloc(len);

    if (s)
        snprintf(s, len, "%s=%s", name, value);
    return s;
}

static void env_free(char **env)
{
    for (size_t i = 0; env && i < ENV_OWN; i++)
        free(env[i]);
    free(env);
}

/* Ours first, so that a look into /proc finds them early. */
static char **env_make(const struct programs *p, const struct slot *s)
{
    const struct run *run = s->run;
    char **env = calloc(ENV_OWN + p->n_env + 1, sizeof(*env));
    char fence[24], attempt[16], deadline[TIME_TEXT_LEN];
    int ok = 1;

    if (!env)
        return NULL;
    snprintf(fence, sizeof(fence), "%" PRIu64, run->fence);
    snprintf(attempt, sizeof(attempt), "%d", run->attempt);
    time_text_write(run->deadline_wall_ms, deadline);
    env[0] = strdup(s->run_entry);
    env[1] = text_make("STINT_WORKER", p->worker);
    env[2] = text_make("STINT_TASK_ID", run->id);
    env[3] = text_make("STINT_FENCE", fence);
    env[4] = text_make("STINT_ATTEMPT", attempt);
    env[5] = text_make("STINT_FUNCTION", run->function);
    env[6] = text_make("STINT_DEADLINE", deadline);
    env[7] = text_make("STINT_RESULT_FD", "3");
    for (size_t i = 0; i < ENV_OWN; i++)
        ok &= env[i] != NULL;
    if (p->n_env > 0)
        memcpy(env + ENV_OWN, p->env, p->n_env * sizeof(*env));
    if (ok)
        return env;
    env_free(env);
    return NULL;
}

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

/* ---- What the child writes ---------------------------------------------- */

/* The end of the last marker in data, 0: none. Remembers a begun one. */
static size_t marker_find(struct pipe *p, const char *data, size_t len)
{
    const char *marker = MARKER;
    size_t end = 0;

    for (size_t i = 0; i < len; i++) {
        if (data[i] == marker[p->match])
            p->match++;
        else
            p->match = data[i] == marker[0];
        if (p->match < sizeof(MARKER) - 1)
            continue;
        end = i + 1;
        p->match = 0;
    }
    return end;
}

static void output_add(struct slot *s, struct pipe *p, const char *data,
                       size_t len)
{
    size_t end = marker_find(p, data, len);
    size_t room;

    if (end > 0) {
        buf_clear(&s->output);
        s->output_cut = 0;
    }
    data += end;
    len -= end;
    room = OUTPUT_BYTES_MAX - s->output.len;
    if (len > room) {
        s->output_cut = 1;
        len = room;
    }
    if (len > 0 && buf_add(&s->output, data, len) < 0)
        s->output_cut = 1;
}

static void tail_add(struct slot *s, const char *data, size_t len)
{
    size_t keep;

    if (len >= STDERR_TAIL) {
        data += len - STDERR_TAIL;
        len = STDERR_TAIL;
    }
    keep = STDERR_TAIL - len;
    if (s->tail.len > keep) {
        memmove(s->tail.data, s->tail.data + s->tail.len - keep, keep);
        s->tail.len = keep;
    }
    if (buf_add(&s->tail, data, len) < 0)
        return; /* a shorter error text */
}

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
    if (which != PIPE_RESULT)
        output_add(s, p, data, (size_t)n);
    else if (buf_add(&s->result, data, (size_t)n) < 0)
        s->result_cut = 1;
    if (which == PIPE_ERR)
        tail_add(s, data, (size_t)n);
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

static void output_finish(struct slot *s, struct buf *text)
{
    buf_init(text, OUTPUT_BYTES_MAX * 3 + OUTPUT_MARK);
    if (s->output.len > 0 &&
        text_clean(text, s->output.data, s->output.len) < 0)
        s->output_cut = 1;
    if (!s->output_cut && text->len <= OUTPUT_BYTES_MAX)
        return;
    text->len = text_cut(text->data, text->len,
                         OUTPUT_BYTES_MAX - OUTPUT_MARK);
    buf_printf(text, "\n[output cut at %zu bytes]", text->len);
}

/* Adds the last lines of stderr to the error, as many as fit. */
static void error_add_stderr(struct slot *s)
{
    size_t len = strlen(s->error), room = ERROR_BYTES_MAX - len - 2;
    const char *from, *line;
    struct buf text;

    buf_init(&text, STDERR_TAIL * 3);
    while (s->tail.len > 0 && strchr("\r\n ", s->tail.data[s->tail.len - 1]))
        s->tail.len--;
    if (s->tail.len > 0 &&
        text_clean(&text, s->tail.data, s->tail.len) == 0 && text.len > 0) {
        from = text.data;
        if (text.len > room) {
            from += text.len - room;
            while (((unsigned char)*from & 0xC0) == 0x80)
                from++;
            line = strchr(from, '\n');
            from = line ? line + 1 : from;
        }
        snprintf(s->error + len, sizeof(s->error) - len, ": %s", from);
    }
    buf_close(&text);
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

static enum run_outcome status_judge(struct slot *s)
{
    if (WIFEXITED(s->status) && WEXITSTATUS(s->status) == 0)
        return RUN_COMPLETED;
    if (WIFEXITED(s->status)) {
        snprintf(s->error, sizeof(s->error), "exit status %d",
                 WEXITSTATUS(s->status));
    } else {
        const char *name = sigabbrev_np(WTERMSIG(s->status));

        snprintf(s->error, sizeof(s->error), "killed by signal %d (%s%s)",
                 WTERMSIG(s->status), name ? "SIG" : "", name ? name : "?");
    }
    error_add_stderr(s);
    return RUN_FAILED;
}

/* Takes white space away; an empty result is none. -1 with the error. */
static int result_judge(struct slot *s, struct run_result *r)
{
    const char *text = s->result.data, *space = " \t\r\n";
    size_t len = s->result.len;
    const char *why = NULL;

    while (len > 0 && memchr(space, text[0], 4))
        text++, len--;
    while (len > 0 && memchr(space, text[len - 1], 4))
        len--;
    if (s->result_cut)
        why = "the result is too big";
    else if (len > 0 && !text_is_json(text, len))
        why = "the result is no JSON";
    if (why) {
        snprintf(s->error, sizeof(s->error), "%s", why);
        return -1;
    }
    r->result = len > 0 ? text : NULL;
    r->result_len = len;
    return 0;
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
    else if (result_judge(s, r) < 0)
        r->outcome = RUN_FAILED;
    else
        r->outcome = status_judge(s);
}

static void slot_free(struct slot *s)
{
    for (int i = 0; i < N_PIPES; i++)
        pipe_close(&s->pipes[i]);
    fd_close(&s->exec_fd);
    buf_close(&s->output);
    buf_close(&s->result);
    buf_close(&s->tail);
    free(s->name);
    free(s);
}

static void slot_done(struct slot *s)
{
    struct programs *p = s->programs;
    struct run *run = s->run;
    struct run_result r = {0};
    struct buf output;

    output_finish(s, &output);
    outcome_find(s, &r);
    r.output = output.data;
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
    check(waitpid(s->pid, &s->status, 0) == s->pid);
    running_remove(p, s);
    for (int i = 0; i < PIPE_IN; i++) {
        for (int n = 0; n < DRAIN_READS && pipe_read(s, i); n++)
            continue;
        pipe_close(&s->pipes[i]);
    }
    pipe_close(&s->pipes[PIPE_IN]);
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
    buf_init(&s->output, OUTPUT_BYTES_MAX);
    buf_init(&s->result, RESULT_BYTES_MAX);
    buf_init(&s->tail, STDERR_TAIL);
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
    c->env = s->name && c->path ? env_make(s->programs, s) : NULL;
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

static void programs_free(struct programs *p)
{
    if (p->on_child)
        event_free(p->on_child);
    if (p->later)
        event_free(p->later);
    for (size_t i = 0; i < p->n_env; i++)
        free(p->env[i]);
    free(p->env);
    free(p->worker);
    free(p);
}

static void programs_close(struct executor *e)
{
    struct programs *p = (struct programs *)e;

    check(!p->running && !p->ending);
    programs_free(p);
}

/* Children must not reach Redis by accident, nor be taken for children of a
 * worker above us. */
static int is_hidden(const char *entry)
{
    static const char *const names[] = {
        "STINT_URL=", "STINT_RUN_ID=", "STINT_WORKER=", "STINT_TASK_ID=",
        "STINT_FENCE=", "STINT_ATTEMPT=", "STINT_FUNCTION=",
        "STINT_DEADLINE=", "STINT_RESULT_FD="};

    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        if (strncmp(entry, names[i], strlen(names[i])) == 0)
            return 1;
    return 0;
}

static int env_copy(struct programs *p)
{
    size_t n = 0;

    while (environ && environ[n])
        n++;
    p->env = calloc(n + 1, sizeof(*p->env));
    if (!p->env)
        return -1;
    for (size_t i = 0; i < n; i++) {
        if (is_hidden(environ[i]))
            continue;
        p->env[p->n_env] = strdup(environ[i]);
        if (!p->env[p->n_env])
            return -1;
        p->n_env++;
    }
    return 0;
}

static int programs_init(struct programs *p, struct stint_err *err)
{
    p->worker = strdup(p->o.worker);
    if (!p->worker || env_copy(p) < 0)
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
                                            programs_close, NULL};
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
